-- The model registry, the movies' vectors, and the lists that a model computed.

CREATE EXTENSION IF NOT EXISTS vector;

CREATE TABLE models (
    version      text PRIMARY KEY,       -- als_YYYYMMDD_HHMM
    algorithm    text NOT NULL,          -- what computes the lists: als, ease, knn, popularity or blend
    state        text NOT NULL DEFAULT 'trained' CHECK (state IN ('trained', 'active', 'retired', 'refused')),
    job_id       uuid,
    parameters   jsonb NOT NULL,
    fingerprint  text NOT NULL,          -- of the interactions that it was trained on
    viewers      bigint NOT NULL,
    movies       bigint NOT NULL,
    interactions bigint NOT NULL,
    factors      integer NOT NULL,
    metrics      jsonb,                  -- NULL: not evaluated
    files        jsonb NOT NULL,         -- [{"name", "bytes", "sha256"}] below models/<version>/ in the object store
    reason       text,                   -- of its state, for an operator
    created_at   timestamptz NOT NULL DEFAULT now(),
    activated_at timestamptz,
    retired_at   timestamptz
);
CREATE UNIQUE INDEX models_one_is_active ON models (state) WHERE state = 'active';
CREATE INDEX models_newest ON models (created_at DESC);

CREATE FUNCTION notify_model_activated() RETURNS trigger
    LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_notify('model_activated', NEW.version); RETURN NULL; END $$;
CREATE TRIGGER model_activated AFTER INSERT OR UPDATE OF state ON models
    FOR EACH ROW WHEN (NEW.state = 'active') EXECUTE FUNCTION notify_model_activated();

-- One partition a model version, each with its own HNSW index, since their dimensions differ.
CREATE TABLE movie_vectors (
    version  text NOT NULL,
    movie_id bigint NOT NULL,
    vector   vector NOT NULL,
    cold     boolean NOT NULL DEFAULT false,  -- derived from the movie's content: nobody has interacted with it
    PRIMARY KEY (version, movie_id)
) PARTITION BY LIST (version);

-- One partition a run. `movies` are the best first, `scores` as the model gives them.
CREATE TABLE batch_recommendations (
    run_id    uuid NOT NULL,
    viewer_id bigint NOT NULL,
    movies    bigint[] NOT NULL,
    scores    real[] NOT NULL,
    PRIMARY KEY (run_id, viewer_id),
    CHECK (cardinality(movies) = cardinality(scores))
) PARTITION BY LIST (run_id);
