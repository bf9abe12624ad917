-- Reviews are stored first and scored afterwards (storage/src/postgres/facts/scoring.rs), so that scoring delays neither
-- events nor an ingest. A review without a score is in no view. Services of an earlier release do not run with this
-- schema: their ingest would store reviews that nobody scores.
ALTER TABLE viewer_reviews
    ALTER COLUMN sentiment DROP NOT NULL,
    ALTER COLUMN label DROP NOT NULL,
    ADD COLUMN sentiment_note text,      -- why the score is not that of the whole text: 'cut', 'unscorable'
    ADD CONSTRAINT viewer_reviews_label_iff_scored CHECK ((sentiment IS NULL) = (label IS NULL));
ALTER TABLE reviews
    ADD COLUMN sentiment real CHECK (sentiment BETWEEN -1 AND 1),
    ADD COLUMN sentiment_note text;

-- Reviews that wait for a score, or for a new one because their text has changed.
CREATE TABLE unscored_reviews (
    position      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source        text NOT NULL,         -- 'viewers' for viewer_reviews, else the source of reviews
    review_id     text NOT NULL,
    counted       boolean NOT NULL DEFAULT false, -- the views hold its score already: stored before this migration
    revision      integer NOT NULL DEFAULT 1,     -- grows when the text changes; the score of an older text is discarded
    attempts      integer NOT NULL DEFAULT 0,
    claimed_until timestamptz,
    UNIQUE (source, review_id)
);
CREATE INDEX unscored_reviews_counted ON unscored_reviews (position) WHERE counted;

-- Batch runs and speed rows were computed from the texts of sources; from now on they are computed from scores.
INSERT INTO unscored_reviews (source, review_id, counted) SELECT source, review_id, true FROM reviews;

-- A moment in the future would beat every later one: a latest observation, and a viewer's last rating.
UPDATE speed_latest SET observed_at = now() WHERE observed_at > now();
DELETE FROM speed_observations WHERE observed_at > now();
UPDATE ratings SET rated_at = now() WHERE rated_at > now();
