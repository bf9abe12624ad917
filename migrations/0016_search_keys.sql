-- Search by whole names: titles, parts of titles, initials and people, so that likeness is asked only where none matches.

-- 0: written before there were keys. `moviemetric migrate` rewrites rows of another version than the program's; until then
-- they are found by their words and by the keys below.
ALTER TABLE movie_search ADD COLUMN keys_version smallint NOT NULL DEFAULT 0;

-- The names of a movie in folded form (domain::search::title_keys). kind: 0 title, 1 part of the title, 2 initials.
-- "C", so that a range of keys is a prefix.
CREATE TABLE movie_search_keys (
    key      text COLLATE "C" NOT NULL,
    movie_id bigint NOT NULL REFERENCES movie_search ON DELETE CASCADE,
    kind     smallint NOT NULL CHECK (kind BETWEEN 0 AND 2),
    PRIMARY KEY (key, movie_id)
);
CREATE INDEX movie_search_keys_by_movie ON movie_search_keys (movie_id);

INSERT INTO movie_search_keys (key, movie_id, kind)
SELECT DISTINCT left(regexp_replace(key, '^(the|a|an) (?=.)', ''), 200), movie_id, 0
FROM (SELECT movie_id, trim(regexp_replace(title_key, '[^[:alnum:]]+', ' ', 'g')) AS key FROM movie_search) AS folded
WHERE key <> '';

-- Names of people have no numbers and no parts: accents, case and punctuation suffice.
CREATE FUNCTION fold_name(name text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT trim(regexp_replace(regexp_replace(public.fold(name), '[''’`.]', '', 'g'), '[^[:alnum:]]+', ' ', 'g')) $$;

ALTER TABLE people ADD COLUMN name_key text NOT NULL GENERATED ALWAYS AS (fold_name(name)) STORED;
CREATE INDEX people_by_name ON people USING gin (to_tsvector('simple', name_key));
CREATE INDEX people_name_trgm ON people USING gin (name_key gin_trgm_ops);

-- Titles and people that a misspelt text resembles. Trigrams find candidates through their indexes: "matirx" and "matrix"
-- have three of seven in common. How many letters differ decides among them.
CREATE EXTENSION IF NOT EXISTS fuzzystrmatch;

CREATE FUNCTION likeness(asked text, name text) RETURNS double precision
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    -- levenshtein() takes 255 bytes.
    AS $$ SELECT public.word_similarity(asked, name) + public.similarity(asked, name)
               + 1 - public.levenshtein(left(asked, 60), left(name, 60))::float8
                     / greatest(length(left(asked, 60)), length(left(name, 60)), 1) $$;

CREATE INDEX movie_search_keys_trgm ON movie_search_keys USING gin (key gin_trgm_ops) WHERE kind < 2;

-- Titles and their parts that are alike: most of the asked trigrams are in them, or few letters differ. `letters`: how many.
CREATE FUNCTION titles_alike(asked text, results integer)
    RETURNS TABLE (movie_id bigint, likeness double precision, letters integer)
    LANGUAGE sql STABLE SET pg_trgm.word_similarity_threshold = 0.3
    AS $$ SELECT movie_id, max(public.likeness(asked, key) - 0.1 * kind) AS alike,
                 min(public.levenshtein(left(asked, 60), left(key, 60))) AS letters
          FROM public.movie_search_keys
          WHERE kind < 2 AND asked OPERATOR(public.<%) key
            AND (public.word_similarity(asked, key) >= 0.5
                 OR 5 * public.levenshtein(left(asked, 60), left(key, 60)) <= 2 * length(left(asked, 60)))
          GROUP BY movie_id ORDER BY alike DESC, movie_id LIMIT results $$;

-- People are asked for by their last name or the whole one.
CREATE FUNCTION people_alike(asked text, results integer) RETURNS TABLE (person_id bigint, likeness double precision)
    LANGUAGE sql STABLE SET pg_trgm.word_similarity_threshold = 0.4
    AS $$ SELECT person_id, greatest(public.likeness(asked, name_key), public.likeness(asked, last)) AS alike
          FROM (SELECT person_id, name_key, regexp_replace(name_key, '^.* ', '') AS last
                FROM public.people WHERE asked OPERATOR(public.<%) name_key) AS people
          WHERE public.word_similarity(asked, name_key) >= 0.6
             OR 3 * public.levenshtein(left(asked, 60), left(last, 60)) <= length(left(asked, 60))
             OR 3 * public.levenshtein(left(asked, 60), left(name_key, 60)) <= length(left(asked, 60))
          ORDER BY alike DESC, person_id LIMIT results $$;
