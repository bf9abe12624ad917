-- Counts by event type become one array, so that a new type needs no column. A type's place in it is its slot
-- (domain/src/events/event_type.rs): append-only. Services of an earlier release do not run with these tables.

-- Sixteen slots, of which eight have a type. The sum is spelt out because PostgreSQL inlines it into the statement: of
-- 4,300 upserted rows, unnest() and array_agg() took half as long again, and a row per type more than that.
CREATE FUNCTION add_counts(a bigint[], b bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY[a[1] + b[1], a[2] + b[2], a[3] + b[3], a[4] + b[4], a[5] + b[5], a[6] + b[6], a[7] + b[7], a[8] + b[8],
        a[9] + b[9], a[10] + b[10], a[11] + b[11], a[12] + b[12], a[13] + b[13], a[14] + b[14], a[15] + b[15],
        a[16] + b[16]]
$$;

-- Which words there are is domain's to say: it parses every event before it is written.
ALTER TABLE viewer_events DROP CONSTRAINT viewer_events_event_type_check;

-- Each table is rewritten once: the first count becomes the array, the others go.
ALTER TABLE speed_stats ALTER COLUMN views DROP DEFAULT;
ALTER TABLE speed_stats ALTER COLUMN views TYPE bigint[] USING
    ARRAY[views, clicks, likes, dislikes, watches, ratings, searches, impressions, 0, 0, 0, 0, 0, 0, 0, 0];
ALTER TABLE speed_stats RENAME COLUMN views TO counts;
ALTER TABLE speed_stats
    ALTER COLUMN counts SET DEFAULT array_fill(0::bigint, ARRAY[16]),
    DROP COLUMN clicks, DROP COLUMN likes, DROP COLUMN dislikes, DROP COLUMN watches, DROP COLUMN ratings,
    DROP COLUMN searches, DROP COLUMN impressions,
    ADD CONSTRAINT speed_stats_has_every_slot CHECK (cardinality(counts) = 16);

-- The batch layer's arrays end with the last type that the run knew.
ALTER TABLE batch_stats_hourly ALTER COLUMN views TYPE bigint[] USING
    ARRAY[views, clicks, likes, dislikes, watches, ratings, searches, impressions];
ALTER TABLE batch_stats_hourly RENAME COLUMN views TO counts;
ALTER TABLE batch_stats_hourly
    DROP COLUMN clicks, DROP COLUMN likes, DROP COLUMN dislikes, DROP COLUMN watches, DROP COLUMN ratings,
    DROP COLUMN searches, DROP COLUMN impressions;

ALTER TABLE batch_stats_total ALTER COLUMN views TYPE bigint[] USING
    ARRAY[views, clicks, likes, dislikes, watches, ratings, searches, impressions];
ALTER TABLE batch_stats_total RENAME COLUMN views TO counts;
ALTER TABLE batch_stats_total
    DROP COLUMN clicks, DROP COLUMN likes, DROP COLUMN dislikes, DROP COLUMN watches, DROP COLUMN ratings,
    DROP COLUMN searches, DROP COLUMN impressions;

-- Of runs that a release without totals staged after 0007.
INSERT INTO batch_stats_total (run_id, movie_id, hours, counts, rating_sum)
SELECT run_id, movie_id, count(*),
       ARRAY[sum(counts[1]), sum(counts[2]), sum(counts[3]), sum(counts[4]), sum(counts[5]), sum(counts[6]),
           sum(counts[7]), sum(counts[8])]::bigint[],
       sum(rating_sum)
FROM batch_stats_hourly h
WHERE NOT EXISTS (SELECT FROM batch_stats_total t WHERE t.run_id = h.run_id)
GROUP BY run_id, movie_id;
