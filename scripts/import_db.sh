#!/usr/bin/env bash
# import_db.sh [FILE] [--force]: loads what export_db.sh wrote into a migrated database, all of it or nothing. A database
# that holds movies is refused unless --force, which replaces its catalogue and artifacts.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/services.sh
source "$ROOT/scripts/services.sh"
# shellcheck source=scripts/dump.sh
source "$ROOT/scripts/dump.sh"

force="" name=""
for argument in "$@"; do
    case $argument in
    --force) force=1 ;;
    -*) die "usage: import_db.sh [FILE] [--force]" ;;
    *) name=$argument ;;
    esac
done
file=$(dump_file "$name")
[[ -f $file ]] || die "there is no $file: make one with scripts/export_db.sh, or name another file"
need_database_url

held=$(movies) || die "the database is not reachable or has no tables: check DATABASE_URL, run moviemetric migrate, then run this again"
[[ $held == 0 || -n $force ]] ||
    die "the database holds $held movies already: --force replaces them, with ratings, reviews and artifacts"
add_artifact_tables

if [[ $file == *.gz ]]; then unpack=(gzip -dc); else unpack=(cat); fi
# psql would take a file that was cut off for one that ends early, and commit.
"${unpack[@]}" "$file" | tail -n 10 | grep -q '^-- PostgreSQL database dump complete' ||
    die "$file is not a whole dump: make it again with scripts/export_db.sh"
joined=$(printf ', %s' "${EXPORTED_TABLES[@]}" "${EMPTIED_TABLES[@]}")
# What the API has cached belongs to the catalogue before.
{
    echo "TRUNCATE ${joined:2};"
    "${unpack[@]}" "$file"
    echo "UPDATE public.cache_generations SET generation = generation + 1;"
} | "$psql" -qX -v ON_ERROR_STOP=1 --single-transaction -f - "$DATABASE_URL" >/dev/null ||
    die "the import failed and has changed nothing: see above"
say "imported $(movies) movies from $file"
[[ -z ${MEILI_URL:-} ]] || say "Meilisearch does not know them yet: moviemetric enqueue search-index --wait"
