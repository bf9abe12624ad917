-- PostgreSQL as search engine: the embedded default and the fallback.

-- Accent- and case-blind form. unaccent() is only STABLE because its dictionary could change; ours does not, and
-- indexes need IMMUTABLE.
CREATE FUNCTION fold(value text) RETURNS text
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$ SELECT lower(public.unaccent('public.unaccent'::regdictionary, value)) $$;

-- Apart from movies, because popularity changes every night and these indexes are dear to maintain.
CREATE TABLE movie_search (
    movie_id  bigint PRIMARY KEY REFERENCES movies,
    title_key text NOT NULL,
    document  tsvector NOT NULL
);
CREATE INDEX movie_search_title_trgm ON movie_search USING gin (title_key gin_trgm_ops);
CREATE INDEX movie_search_document ON movie_search USING gin (document);
