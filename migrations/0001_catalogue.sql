-- The catalogue: films, their people, and how their public numbers stood each day.

CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS unaccent;

CREATE TABLE movies (
    movie_id          bigint PRIMARY KEY CHECK (movie_id > 0),
    title             text NOT NULL,
    original_title    text,
    overview          text,
    tagline           text,
    release_date      date,
    runtime           integer,           -- minutes; NULL is unknown, as in budget and revenue
    budget            bigint,            -- US dollars
    revenue           bigint,            -- US dollars
    original_language text,
    status            text,
    imdb_id           text,
    poster_path       text,
    popularity        double precision NOT NULL DEFAULT 0,
    vote_average      double precision NOT NULL DEFAULT 0,
    vote_count        bigint NOT NULL DEFAULT 0,
    -- A closed vocabulary of about twenty names and free words that nobody joins on: arrays spare two link tables
    -- and make a film's page one index lookup.
    genres            text[] NOT NULL DEFAULT '{}',
    keywords          text[] NOT NULL DEFAULT '{}',
    -- Directors and leading cast as the film's page shows them: {"directors": [{"person_id", "name"}], "cast":
    -- [{"person_id", "name", "character"}]}. movie_credits is the truth; both are written in one transaction.
    credits           jsonb NOT NULL DEFAULT '{"directors": [], "cast": []}',
    source            text NOT NULL,
    -- TMDB answered 404 this many times in a row; at two the film becomes a tombstone: kept, but no longer shown.
    missing_count     smallint NOT NULL DEFAULT 0,
    tombstoned_at     timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now()
);

-- The film list in its only order.
CREATE INDEX movies_by_popularity ON movies (popularity DESC, movie_id) WHERE tombstoned_at IS NULL;
CREATE INDEX movies_by_genre ON movies USING gin (genres) WHERE tombstoned_at IS NULL;

CREATE TABLE people (
    person_id bigint PRIMARY KEY CHECK (person_id > 0),
    name      text NOT NULL
);

CREATE TABLE movie_credits (
    movie_id  bigint NOT NULL REFERENCES movies,
    role      text NOT NULL CHECK (role IN ('cast', 'director')),
    position  integer NOT NULL,          -- billing order from 0
    person_id bigint NOT NULL REFERENCES people,
    character text,
    PRIMARY KEY (movie_id, role, position)
);
CREATE INDEX movie_credits_by_person ON movie_credits (person_id, role);

CREATE TABLE movie_metrics_daily (
    movie_id     bigint NOT NULL,
    day          date NOT NULL,
    popularity   double precision NOT NULL,
    vote_average double precision NOT NULL,
    vote_count   bigint NOT NULL,
    PRIMARY KEY (movie_id, day)
);
-- Trending reads the last days of every film.
CREATE INDEX movie_metrics_by_day ON movie_metrics_daily (day, movie_id);

-- Ratings are unique per source: every source numbers its own viewers. No foreign key: 25 million checks cost more
-- than the one join that lets only known films in.
CREATE TABLE ratings (
    source   text NOT NULL,
    user_id  bigint NOT NULL,
    movie_id bigint NOT NULL,
    rating   real NOT NULL CHECK (rating BETWEEN 0.5 AND 10),
    rated_at timestamptz NOT NULL,
    PRIMARY KEY (source, user_id, movie_id)
);

CREATE TABLE reviews (
    source     text NOT NULL,
    review_id  text NOT NULL,
    movie_id   bigint NOT NULL,
    author     text,
    rating     real,
    content    text NOT NULL,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (source, review_id)
);
CREATE INDEX reviews_by_movie ON reviews (movie_id, written_at);

-- How far each source has been read; written in the transaction that writes the rows it speaks of.
CREATE TABLE source_cursors (
    source     text PRIMARY KEY,
    cursor     jsonb NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Records a source got wrong. The same bad record seen again is counted, not stored again.
CREATE TABLE quarantine (
    quarantine_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source        text NOT NULL,
    location      text NOT NULL,
    field         text,
    reason        text NOT NULL,
    record        text NOT NULL,
    times_seen    integer NOT NULL DEFAULT 1,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (source, location, reason)
);
