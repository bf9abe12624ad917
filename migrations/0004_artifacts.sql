-- Artifacts: rows are staged under a run, published by moving the head, collected later.

CREATE TABLE artifact_runs (
    run_id       uuid PRIMARY KEY,
    artifact     text NOT NULL,
    job_id       uuid,
    as_of        date NOT NULL,           -- the last day whose facts the run has seen
    status       text NOT NULL DEFAULT 'staged' CHECK (status IN ('staged', 'published', 'held', 'superseded')),
    row_count    bigint NOT NULL DEFAULT 0,
    note         text,
    started_at   timestamptz NOT NULL DEFAULT now(),
    published_at timestamptz
);
CREATE INDEX artifact_runs_newest ON artifact_runs (artifact, started_at DESC);
CREATE INDEX artifact_runs_by_job ON artifact_runs (job_id);

-- What readers follow: one row an artifact, moved in one transaction.
CREATE TABLE artifact_heads (
    artifact text PRIMARY KEY,
    run_id   uuid NOT NULL REFERENCES artifact_runs
);

-- Part of every cache key; a bump makes what was cached before unreachable.
CREATE TABLE cache_generations (
    family     text PRIMARY KEY,
    generation bigint NOT NULL DEFAULT 1
);
INSERT INTO cache_generations (family)
VALUES ('movies'), ('trending'), ('analytics'), ('search'), ('recommendations');

CREATE FUNCTION notify_cache_generation() RETURNS trigger
    LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('cache_generation', NEW.family || ':' || NEW.generation); RETURN NULL; END $$;
CREATE TRIGGER cache_generation AFTER INSERT OR UPDATE ON cache_generations
    FOR EACH ROW EXECUTE FUNCTION notify_cache_generation();

CREATE TABLE movie_trending_daily (
    run_id              uuid NOT NULL,
    rank                integer NOT NULL,
    movie_id            bigint NOT NULL,
    trending_score      double precision NOT NULL,
    popularity_velocity double precision NOT NULL,   -- per hour, as the other two
    rating_velocity     double precision NOT NULL,
    vote_velocity       double precision NOT NULL,
    popularity          double precision NOT NULL,
    vote_average        double precision NOT NULL,
    vote_count          bigint NOT NULL,
    PRIMARY KEY (run_id, rank)
);

CREATE TABLE genre_stats_daily (
    run_id         uuid NOT NULL,
    genre          text NOT NULL,
    movie_count    bigint NOT NULL,
    vote_count     bigint NOT NULL,
    avg_rating     double precision,
    avg_popularity double precision,
    avg_budget     double precision,
    avg_runtime    double precision,
    total_revenue  bigint NOT NULL,
    PRIMARY KEY (run_id, genre)
);

CREATE TABLE ratings_by_decade (
    run_id          uuid NOT NULL,
    decade          integer NOT NULL,
    movie_count     bigint NOT NULL,
    rated_count     bigint NOT NULL,
    vote_count      bigint NOT NULL,
    avg_rating      double precision,
    weighted_rating double precision,
    PRIMARY KEY (run_id, decade)
);

-- One row a film: a million films times fifty similar titles would be fifty million rows a run.
CREATE TABLE movie_recommendations (
    run_id      uuid NOT NULL,
    movie_id    bigint NOT NULL,
    similar_ids bigint[] NOT NULL,       -- most similar first
    scores      real[] NOT NULL,         -- cosine, 0 to 1, in the same order
    PRIMARY KEY (run_id, movie_id)
);
