-- The real-time layer: a vector a viewer, folded in from the viewer's latest facts.

CREATE TABLE viewer_profiles (
    viewer_id    bigint PRIMARY KEY,
    version      text NOT NULL,          -- the model whose space the vector lies in
    vector       real[] NOT NULL,
    interactions integer NOT NULL,       -- folded in
    newest_at    timestamptz NOT NULL,   -- of the facts that were folded in
    updated_at   timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

-- Viewers whose facts changed since their profile was computed; written in the transaction that counts the facts.
CREATE TABLE stale_profiles (
    viewer_id bigint PRIMARY KEY,
    since     timestamptz NOT NULL DEFAULT clock_timestamp(),
    version   bigint NOT NULL DEFAULT 0  -- grows with each change, so that one that comes while it is folded in is not lost
);
CREATE INDEX stale_profiles_oldest ON stale_profiles (since);

-- Movies that a viewer does not want to see again.
CREATE TABLE hidden_movies (
    viewer_id bigint NOT NULL,
    movie_id  bigint NOT NULL,
    hidden_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (viewer_id, movie_id)
);
