-- What was recommended to whom, and which variant of an experiment chose it.

CREATE TABLE served_lists (
    list_id    uuid PRIMARY KEY,
    viewer_id  bigint,                   -- NULL: anonymous, or forgotten
    served_at  timestamptz NOT NULL,
    source     text NOT NULL,            -- hybrid, realtime, batch, popular
    version    text,                     -- the model; NULL: none
    experiment text,
    variant    text,
    explored   smallint[] NOT NULL DEFAULT '{}',  -- places filled by exploration, from 0
    movies     bigint[] NOT NULL         -- by place
);
CREATE INDEX served_lists_by_time ON served_lists USING brin (served_at);
CREATE INDEX served_lists_by_viewer ON served_lists (viewer_id) WHERE viewer_id IS NOT NULL;

CREATE TABLE experiments (
    name       text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    salt       text NOT NULL,
    variants   jsonb NOT NULL,           -- [{"name", "share", "settings": {...}}]
    test       jsonb NOT NULL,           -- the metric, the design (sequential or fixed horizon) and its bounds
    started_at timestamptz NOT NULL DEFAULT now(),
    ended_at   timestamptz
);
CREATE UNIQUE INDEX experiments_one_runs ON experiments ((ended_at IS NULL)) WHERE ended_at IS NULL;

CREATE INDEX viewer_events_by_list ON viewer_events (list_id) WHERE list_id IS NOT NULL;
