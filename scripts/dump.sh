# shellcheck shell=bash
# What export_db.sh and import_db.sh must agree on. To be sourced after lib.sh and services.sh.

# Catalogue and facts. Listed rather than all: accounts, keys and jobs are not to leave with a data set. The tables of
# artifacts are added by add_artifact_tables.
EXPORTED_TABLES=(
    movies people movie_credits movie_metrics_daily ratings reviews source_cursors movie_search
    movie_search_keys movie_aliases viewers hidden_movies
    viewer_events viewer_reviews speed_stats speed_sentiment unscored_reviews speed_latest speed_observations
)
# What is computed for the viewers of one installation: left out of a dump, and emptied by an import, whose viewers are others
# under the same ids.
EMPTIED_TABLES=(batch_recommendations viewer_profiles stale_profiles served_lists)
KEPT_TABLES=(
    _sqlx_migrations jobs job_steps schedules cache_generations quarantine dead_letters
    models movie_vectors experiments forgotten_viewers
    source_leases search_indexes search_outbox waiting_facts
)

# dump_file NAME: seen from where the caller stands.
dump_file() {
    if [[ -n $1 ]]; then (cd "$CALLER_DIR" && realpath -m "$1"); else printf '%s' "$ROOT/data/database_dump.sql"; fi
}

psql=$(pg_program psql)

need_database_url() {
    if [[ -z ${DATABASE_URL:-} && -f $ROOT/.local/demo.env ]]; then
        # shellcheck source=/dev/null
        DATABASE_URL=$(source "$ROOT/.local/demo.env" && printf %s "${DATABASE_URL:-}")
    fi
    [[ -n ${DATABASE_URL:-} ]] || die "which database? Set DATABASE_URL, or run scripts/up.sh first"
}

query() { "$psql" -qAtX -v ON_ERROR_STOP=1 "$DATABASE_URL" -c "$1"; }

# A table with a column run_id holds runs of artifacts, or their rows: a new artifact needs no line here. Partitions are not
# named: another database has others.
add_artifact_tables() {
    local tables
    tables=$(query "SELECT c.relname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition
                          AND a.attname = 'run_id' ORDER BY 1") ||
        die "the database is not reachable: check DATABASE_URL"
    # shellcheck disable=SC2206 # names without spaces
    EXPORTED_TABLES+=($tables)
}

movies() { query "SELECT count(*) FROM movies"; }

# A migration adds a table and nobody thinks of this list: say so instead of leaving it out in silence.
warn_of_unknown_tables() {
    local table
    for table in $(query "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace
                              AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"); do
        [[ " ${EXPORTED_TABLES[*]} ${EMPTIED_TABLES[*]} ${KEPT_TABLES[*]} " == *" $table "* ]] ||
            say "table $table is not exported: add it to one of the lists in scripts/dump.sh"
    done
}
