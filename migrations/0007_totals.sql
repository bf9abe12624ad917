-- A film's counts over all hours of a run of batch_stats_hourly, written with it: the film's page reads one row instead of
-- years of hours, and takes from it the hours that the speed layer answers for.
CREATE TABLE batch_stats_total (
    run_id      uuid NOT NULL,
    movie_id    bigint NOT NULL,
    hours       bigint NOT NULL,         -- rows that were added up
    views       bigint NOT NULL,
    clicks      bigint NOT NULL,
    likes       bigint NOT NULL,
    dislikes    bigint NOT NULL,
    watches     bigint NOT NULL,
    ratings     bigint NOT NULL,
    searches    bigint NOT NULL,
    impressions bigint NOT NULL,
    rating_sum  double precision NOT NULL,
    PRIMARY KEY (run_id, movie_id)
);

-- Of the runs that are there already.
INSERT INTO batch_stats_total
SELECT run_id, movie_id, count(*), sum(views), sum(clicks), sum(likes), sum(dislikes), sum(watches), sum(ratings),
       sum(searches), sum(impressions), sum(rating_sum)
FROM batch_stats_hourly GROUP BY run_id, movie_id;
