-- A movie that its source could not deliver is asked for again, with exponential back-off
-- (domain/src/ingest.rs, retry_after).
ALTER TABLE quarantine
    ADD COLUMN movie_id    bigint,                      -- the movie to ask for; NULL: the record is kept for people only
    ADD COLUMN tries       integer NOT NULL DEFAULT 0,  -- attempts that failed
    ADD COLUMN next_try_at timestamptz;                 -- NULL: nobody asks again by itself

CREATE INDEX quarantine_by_movie ON quarantine (source, movie_id) WHERE movie_id IS NOT NULL;
CREATE INDEX quarantine_due ON quarantine (source, next_try_at) WHERE next_try_at IS NOT NULL;

-- What earlier releases set aside is due at once. A wrong review names a field of it, and its movie was stored.
UPDATE quarantine SET movie_id = substring(location FROM 7)::bigint, tries = 1, next_try_at = now()
WHERE source = 'tmdb' AND location ~ '^movie/[1-9][0-9]{0,17}$' AND (field IS NULL OR field NOT LIKE 'reviews.%');
