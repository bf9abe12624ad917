-- Facts about movies that the catalogue does not have yet. They wait here in full, and the speed layer applies them when
-- the movie arrives. Before, only the first record of a movie was kept, in quarantine.
CREATE TABLE waiting_facts (
    kind        text NOT NULL CHECK (kind IN ('event', 'review')),
    fact_id     uuid NOT NULL,
    movie_id    bigint NOT NULL,
    payload     text NOT NULL,           -- the fact as JSON, as the event log has it; text, since jsonb refuses \u0000
    units       integer NOT NULL CHECK (units > 0), -- one per KiB begun: the bounds limit memory, not only numbers
    received_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (fact_id, kind)
);
-- How much waits for each movie is read from the index alone.
CREATE INDEX waiting_facts_by_movie ON waiting_facts (movie_id) INCLUDE (units);
CREATE INDEX waiting_facts_by_age ON waiting_facts (received_at);

-- What quarantine kept of viewers' facts waits from now on. Records are cut at 2,000 bytes; a cut one is no JSON any more
-- and stays in quarantine.
WITH whole AS (
    DELETE FROM quarantine
    WHERE source = 'viewers' AND reason = 'unknown movie' AND octet_length(record) < 1990
          AND record LIKE '{"event_id":"%}' AND location LIKE 'events of movie %'
       OR source = 'viewers' AND reason = 'unknown movie' AND octet_length(record) < 1990
          AND record LIKE '{"review_id":"%}' AND location LIKE 'viewers'' reviews of movie %'
    RETURNING record, first_seen_at)
INSERT INTO waiting_facts (kind, fact_id, movie_id, payload, units, received_at)
-- The ids precede the text, whose \u0000 PostgreSQL's JSON functions refuse.
SELECT kind, substring(record FROM '^\{"(?:event|review)_id":"([0-9a-f-]{36})"')::uuid,
       substring(record FROM '"movie_id":([0-9]+)')::bigint,
       '{"kind":"' || kind || '",' || substr(record, 2), 1 + octet_length(record) / 1024, first_seen_at
FROM (SELECT *, CASE WHEN record LIKE '{"event_id"%' THEN 'event' ELSE 'review' END AS kind FROM whole) AS facts
ON CONFLICT DO NOTHING;

-- Quarantined records that no source has delivered for long are deleted.
CREATE INDEX quarantine_by_age ON quarantine (last_seen_at);
