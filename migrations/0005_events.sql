-- What viewers do: the facts, and the speed layer's hourly views of them.

-- The truth about events. An event that the log delivers twice falls away on its id.
CREATE TABLE viewer_events (
    event_id    uuid PRIMARY KEY,
    user_id     bigint NOT NULL CHECK (user_id > 0),
    movie_id    bigint NOT NULL,         -- known when written; no foreign key, as in ratings
    event_type  text NOT NULL CHECK (event_type IN
                ('view', 'click', 'like', 'dislike', 'watch', 'rating', 'search', 'impression')),
    rating      real CHECK (rating BETWEEN 0.5 AND 10),
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT viewer_events_rating_iff_type CHECK ((event_type = 'rating') = (rating IS NOT NULL))
);
-- An hour that a late event reopens is recomputed from here.
CREATE INDEX viewer_events_by_movie ON viewer_events (movie_id, occurred_at);
-- Batch jobs read ranges of days; rows arrive nearly in order, so a BRIN index of some kilobytes does.
CREATE INDEX viewer_events_by_time ON viewer_events USING brin (occurred_at);

CREATE TABLE viewer_reviews (
    review_id   uuid PRIMARY KEY,
    user_id     bigint CHECK (user_id > 0),
    movie_id    bigint NOT NULL,
    content     text NOT NULL,
    rating      real CHECK (rating BETWEEN 0.5 AND 10),
    sentiment   real NOT NULL CHECK (sentiment BETWEEN -1 AND 1),
    label       text NOT NULL CHECK (label IN ('positive', 'neutral', 'negative')),
    occurred_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX viewer_reviews_by_movie ON viewer_reviews (movie_id, occurred_at);
CREATE INDEX viewer_reviews_by_time ON viewer_reviews USING brin (occurred_at);

-- The speed layer (domain/merge.rs). Rows go when a published batch run covers them and they are older than the cutoff.
-- `reopened`: a fact came after the run that covers the hour, so the speed layer answers for it again.
-- `version`: the transaction that changed the row last, so that a batch run can tell from its snapshot whether it has
-- seen that change.
CREATE TABLE speed_stats (
    movie_id    bigint NOT NULL,
    hour        timestamptz NOT NULL,
    views       bigint NOT NULL DEFAULT 0,
    clicks      bigint NOT NULL DEFAULT 0,
    likes       bigint NOT NULL DEFAULT 0,
    dislikes    bigint NOT NULL DEFAULT 0,
    watches     bigint NOT NULL DEFAULT 0,
    ratings     bigint NOT NULL DEFAULT 0,
    searches    bigint NOT NULL DEFAULT 0,
    impressions bigint NOT NULL DEFAULT 0,
    rating_sum  double precision NOT NULL DEFAULT 0,
    reopened    boolean NOT NULL DEFAULT false,
    version     bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (movie_id, hour)
) WITH (fillfactor = 70);                -- the current hour's rows change every second: room for updates in place
CREATE INDEX speed_stats_by_hour ON speed_stats (hour);

CREATE TABLE speed_sentiment (
    movie_id    bigint NOT NULL,
    hour        timestamptz NOT NULL,
    sum         double precision NOT NULL DEFAULT 0,
    sum_squares double precision NOT NULL DEFAULT 0,
    positive    bigint NOT NULL DEFAULT 0,
    negative    bigint NOT NULL DEFAULT 0,
    neutral     bigint NOT NULL DEFAULT 0,
    reopened    boolean NOT NULL DEFAULT false,
    version     bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (movie_id, hour)
) WITH (fillfactor = 70);
CREATE INDEX speed_sentiment_by_hour ON speed_sentiment (hour);

-- A film's public numbers as last seen, by the hourly refresh.
CREATE TABLE speed_latest (
    movie_id     bigint PRIMARY KEY,
    observed_at  timestamptz NOT NULL,
    popularity   double precision NOT NULL,
    vote_average double precision NOT NULL,
    vote_count   bigint NOT NULL
) WITH (fillfactor = 70);

-- The same, one row an hour: what trending's velocities are computed from.
CREATE TABLE speed_observations (
    movie_id     bigint NOT NULL,
    hour         timestamptz NOT NULL,
    observed_at  timestamptz NOT NULL,
    popularity   double precision NOT NULL,
    vote_average double precision NOT NULL,
    vote_count   bigint NOT NULL,
    PRIMARY KEY (hour, movie_id)
);
CREATE INDEX speed_observations_by_movie ON speed_observations (movie_id, hour);

-- Entries of the event log that could not be applied after several tries: kept as they came, to be looked at and replayed.
CREATE TABLE dead_letters (
    dead_letter_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    stream         text NOT NULL,
    message_id     text NOT NULL,
    payload        text NOT NULL,
    reason         text NOT NULL,
    tries          integer NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    UNIQUE (stream, message_id)
);

-- The hour before which a run over events holds every fact (domain/merge.rs); NULL for runs over anything else.
ALTER TABLE artifact_runs ADD COLUMN IF NOT EXISTS watermark timestamptz;
