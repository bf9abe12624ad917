-- Leases in place of session locks, and the schedule's memory.

-- Who may write a source's cursor. A row that expires, unlike a session's lock, ends with a dead host; every
-- transaction of the holder checks the token, so a holder that wakes up late is refused.
CREATE TABLE source_leases (
    source     text PRIMARY KEY,
    token      uuid NOT NULL,
    holder     text NOT NULL,                   -- for people, and so that a job's next attempt takes over at once
    taken_at   timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

-- The newest tick of each line that was enqueued. Before, only the idempotency keys in the ledger told that, and those
-- are deleted with their rows: a line with a longer period than JOBS_KEPT_DAYS was caught up again at each start.
ALTER TABLE schedules ADD COLUMN last_tick_at timestamptz;
UPDATE schedules SET last_tick_at =
    (SELECT max(created_at) FROM jobs WHERE requested_by = 'schedule:' || schedules.name);
