-- Chains: jobs made of other jobs. A chain that is taken up again, after a failure or a dead worker, skips the steps
-- that are finished here and goes on at the one that broke.

CREATE TABLE job_steps (
    job_id      uuid NOT NULL REFERENCES jobs ON DELETE CASCADE,
    step        text NOT NULL,                  -- the kind of job that the step is
    position    integer NOT NULL,               -- from 0
    runs        integer NOT NULL DEFAULT 1,     -- times it was begun
    started_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    result      jsonb,                          -- as the step's job would have answered
    PRIMARY KEY (job_id, step),
    CHECK ((finished_at IS NULL) = (result IS NULL))
);
