#!/usr/bin/env bash
# export_db.sh [FILE]: writes catalogue and artifacts as plain SQL to FILE (data/database_dump.sql; a name that ends in
# .gz is compressed), for import_db.sh. From DATABASE_URL, else from what scripts/up.sh started.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/services.sh
source "$ROOT/scripts/services.sh"
# shellcheck source=scripts/dump.sh
source "$ROOT/scripts/dump.sh"

(($# <= 1)) || die "usage: export_db.sh [FILE]"
file=$(dump_file "${1:-}")
need_database_url
dump=$(pg_program pg_dump)
add_artifact_tables
warn_of_unknown_tables

mkdir -p "$(dirname "$file")"
trap 'rm -f "$file.part"' EXIT
tables=()
for table in "${EXPORTED_TABLES[@]}"; do tables+=(--table "public.$table"); done
if [[ $file == *.gz ]]; then compress=(gzip -c); else compress=(cat); fi
# One snapshot: what is published meanwhile is either wholly in or wholly out.
"$dump" --data-only --no-owner --no-privileges "${tables[@]}" "$DATABASE_URL" | "${compress[@]}" >"$file.part" ||
    die "the export failed: see above (pg_dump must be as new as the server; set PATH to a newer one)"
mv "$file.part" "$file"
say "exported $(movies) movies to $file ($(du -h "$file" | cut -f1))"
