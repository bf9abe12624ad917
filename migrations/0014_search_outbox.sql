-- One rule for a movie's public numbers, and a search index that follows the catalogue without holding it up.

-- When popularity, vote_average and vote_count were observed. NULL: the source gives no time, so any observation is newer.
-- Whoever writes the three columns keeps a newer observation, so readers, the list's order and filters see one truth.
ALTER TABLE movies ADD COLUMN observed_at timestamptz;

UPDATE movies m
SET popularity = l.popularity, vote_average = l.vote_average, vote_count = l.vote_count,
    observed_at = least(l.observed_at, now())
FROM speed_latest l WHERE l.movie_id = m.movie_id;

-- One row per Meilisearch index that a worker keeps. `seen_at`: without a worker that keeps it, no outbox is filled.
CREATE TABLE search_indexes (
    index_uid     text PRIMARY KEY,
    seen_at       timestamptz NOT NULL DEFAULT now(),
    -- The lease of the one build and of the one writer of changes: who lost the token may not write.
    build_token   uuid,
    build_until   timestamptz NOT NULL DEFAULT '-infinity',
    -- What the build under way is sure to read: changes that this snapshot sees.
    build_sees    pg_snapshot,
    writer_token  uuid,
    writer_until  timestamptz NOT NULL DEFAULT '-infinity'
);

-- Movies whose search document changed, coalesced by movie. `changed_in` is the transaction of the last change: a row
-- that changed again while it was sent stays. `sent`: already in the live index, kept for the build under way.
CREATE TABLE search_outbox (
    index_uid  text NOT NULL REFERENCES search_indexes ON DELETE CASCADE,
    movie_id   bigint NOT NULL,
    changed_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
    sent       boolean NOT NULL DEFAULT false,
    PRIMARY KEY (index_uid, movie_id)
);
CREATE INDEX search_outbox_pending ON search_outbox (index_uid, movie_id) WHERE NOT sent;
CREATE INDEX search_outbox_sent ON search_outbox (index_uid) WHERE sent;

-- A trigger, so that no writer of movies can forget it. The statement's rows together: a bulk load pays one statement a
-- chunk. Rows in id order, as all writers lock them.
CREATE FUNCTION search_outbox_follow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM search_indexes WHERE seen_at > now() - interval '1 day') THEN
        RETURN NULL;
    END IF;
    IF TG_OP = 'INSERT' THEN
        INSERT INTO search_outbox AS o (index_uid, movie_id)
        SELECT i.index_uid, n.movie_id FROM new_rows n CROSS JOIN search_indexes i
        WHERE i.seen_at > now() - interval '1 day' ORDER BY i.index_uid, n.movie_id
        ON CONFLICT (index_uid, movie_id) DO UPDATE SET changed_in = excluded.changed_in, sent = false;
    ELSE
        INSERT INTO search_outbox AS o (index_uid, movie_id)
        SELECT i.index_uid, n.movie_id FROM new_rows n JOIN old_rows p USING (movie_id) CROSS JOIN search_indexes i
        WHERE i.seen_at > now() - interval '1 day'
          AND (n.title, n.original_title, n.overview, n.release_date, n.poster_path, n.popularity, n.vote_average,
               n.vote_count, n.genres, n.keywords, n.credits, n.tombstoned_at)
              IS DISTINCT FROM
              (p.title, p.original_title, p.overview, p.release_date, p.poster_path, p.popularity, p.vote_average,
               p.vote_count, p.genres, p.keywords, p.credits, p.tombstoned_at)
        ORDER BY i.index_uid, n.movie_id
        ON CONFLICT (index_uid, movie_id) DO UPDATE SET changed_in = excluded.changed_in, sent = false;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER movies_to_search_on_insert AFTER INSERT ON movies
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION search_outbox_follow();
CREATE TRIGGER movies_to_search_on_update AFTER UPDATE ON movies
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION search_outbox_follow();
