-- Batch views: what nightly jobs make of the stored facts. Runs, heads and collection are artifacts' (0004).

-- What readers follow hour by hour, merged with the speed layer's tables of the same columns (domain/merge.rs).
CREATE TABLE batch_stats_hourly (
    run_id      uuid NOT NULL,
    movie_id    bigint NOT NULL,
    hour        timestamptz NOT NULL,
    views       bigint NOT NULL,
    clicks      bigint NOT NULL,
    likes       bigint NOT NULL,
    dislikes    bigint NOT NULL,
    watches     bigint NOT NULL,
    ratings     bigint NOT NULL,
    searches    bigint NOT NULL,
    impressions bigint NOT NULL,
    rating_sum  double precision NOT NULL,
    PRIMARY KEY (run_id, movie_id, hour)
);

CREATE TABLE batch_sentiment_hourly (
    run_id      uuid NOT NULL,
    movie_id    bigint NOT NULL,
    hour        timestamptz NOT NULL,
    sum         double precision NOT NULL,
    sum_squares double precision NOT NULL,
    positive    bigint NOT NULL,
    negative    bigint NOT NULL,
    neutral     bigint NOT NULL,
    PRIMARY KEY (run_id, movie_id, hour)
);

-- Daily series of all films together and of each genre. A single film's are movie_metrics_daily and
-- batch_sentiment_hourly already, and a copy of them would be a hundred times larger than this.
CREATE TABLE temporal_trends (
    run_id uuid NOT NULL,
    scope  text NOT NULL CHECK (scope IN ('all', 'genre')),
    key    text NOT NULL,                -- the genre; '' for all
    metric text NOT NULL CHECK (metric IN ('rating', 'sentiment', 'popularity')),
    day    date NOT NULL,
    value  double precision NOT NULL,
    count  bigint NOT NULL,              -- films, or reviews, that the value is a mean of
    PRIMARY KEY (run_id, scope, key, metric, day)
);

-- Sums rather than means, so that any selection of months adds up. Year and month 0: no release date.
CREATE TABLE genre_analytics (
    run_id          uuid NOT NULL,
    genre           text NOT NULL,
    year            integer NOT NULL,
    month           integer NOT NULL,
    total_movies    bigint NOT NULL,
    rating_sum      double precision NOT NULL,
    rating_count    bigint NOT NULL,
    sentiment_sum   double precision NOT NULL,
    sentiment_count bigint NOT NULL,
    popularity_sum  double precision NOT NULL,
    budget_sum      double precision NOT NULL,
    budget_count    bigint NOT NULL,
    runtime_sum     double precision NOT NULL,
    runtime_count   bigint NOT NULL,
    total_revenue   bigint NOT NULL,
    PRIMARY KEY (run_id, genre, year, month)
);

CREATE TABLE actor_collaboration (
    run_id     uuid NOT NULL,
    person_a   bigint NOT NULL,          -- the lower id: a pair has one row
    person_b   bigint NOT NULL CHECK (person_a < person_b),
    films      bigint NOT NULL,
    rated      bigint NOT NULL,          -- films of these with votes
    rating_sum double precision NOT NULL,
    PRIMARY KEY (run_id, person_a, person_b)
);
CREATE INDEX actor_collaboration_by_b ON actor_collaboration (run_id, person_b);

-- Fourteen rows a film. Single precision: a forecast has no more than that, and a run has 700,000 rows.
CREATE TABLE trend_predictions (
    run_id         uuid NOT NULL,
    movie_id       bigint NOT NULL,
    horizon        smallint NOT NULL CHECK (horizon BETWEEN 1 AND 14),
    rank           integer NOT NULL,     -- among all films of that day
    day            date NOT NULL,
    popularity     real NOT NULL,
    low            real NOT NULL,
    high           real NOT NULL,
    trending_score real NOT NULL,
    PRIMARY KEY (run_id, movie_id, horizon)
);
CREATE INDEX trend_predictions_by_rank ON trend_predictions (run_id, horizon, rank);

-- How good the forecasts of a run have been: its method, tried on the days before it.
CREATE TABLE prediction_backtests (
    run_id    uuid NOT NULL,
    horizon   smallint NOT NULL,
    forecasts bigint NOT NULL,
    mae       double precision NOT NULL, -- mean absolute error of popularity
    naive_mae double precision NOT NULL, -- that of "then as today"
    coverage  double precision NOT NULL, -- share of outcomes within the interval
    PRIMARY KEY (run_id, horizon)
);

INSERT INTO cache_generations (family) VALUES ('sentiment'), ('trends'), ('predictions') ON CONFLICT DO NOTHING;

-- The list of a genre's films by rating within a year or a month.
CREATE INDEX movies_by_release ON movies (release_date) WHERE tombstoned_at IS NULL;
