-- The job ledger: the truth about every job. Redis only carries ids.

CREATE TABLE jobs (
    job_id           uuid PRIMARY KEY,
    kind             text NOT NULL,
    queue            text NOT NULL,
    payload          jsonb NOT NULL DEFAULT '{}',
    -- Enqueueing twice with one key makes one job: scheduler ticks, clients that retry a POST.
    idempotency_key  text UNIQUE,
    requested_by     text NOT NULL,
    status           text NOT NULL DEFAULT 'queued'
                     CHECK (status IN ('queued', 'running', 'retrying', 'succeeded', 'failed', 'cancelled')),
    attempts         integer NOT NULL DEFAULT 0,
    max_attempts     integer NOT NULL,
    -- Times a worker died with this job in hand; apart from attempts, since a killed worker reports nothing.
    crashes          integer NOT NULL DEFAULT 0,
    -- Fences off a worker that was thought dead and wakes up: every write names the lease it holds.
    lease            uuid,
    worker           text,
    cancel_requested boolean NOT NULL DEFAULT false,
    progress_done    bigint NOT NULL DEFAULT 0,
    progress_total   bigint,
    progress_phase   text,
    result           jsonb,
    error            text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    run_after        timestamptz NOT NULL DEFAULT now(),
    -- When its id last went to Redis; NULL while it waits for room there.
    dispatched_at    timestamptz,
    started_at       timestamptz,
    heartbeat_at     timestamptz,
    finished_at      timestamptz
);
CREATE INDEX jobs_waiting ON jobs (queue, run_after, created_at) WHERE status IN ('queued', 'retrying');
CREATE INDEX jobs_running ON jobs (heartbeat_at) WHERE status = 'running';
CREATE INDEX jobs_newest ON jobs (created_at DESC);

-- Wakes the dispatchers, which otherwise look once a second.
CREATE FUNCTION notify_jobs_waiting() RETURNS trigger
    LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('jobs_waiting', ''); RETURN NULL; END $$;
CREATE TRIGGER jobs_waiting AFTER INSERT ON jobs FOR EACH STATEMENT EXECUTE FUNCTION notify_jobs_waiting();

-- Lines of the schedule that some scheduler has run. A line never seen before has missed nothing, so it is not
-- caught up on the first start of a new installation.
CREATE TABLE schedules (
    name          text PRIMARY KEY,
    first_seen_at timestamptz NOT NULL DEFAULT now()
);
