#!/usr/bin/env bash
# Regenerates .sqlx, the committed record of every query's types, from the migrations. Run it after changing SQL.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/services.sh
source "$ROOT/scripts/services.sh"

need_rust
need_sqlx_cli
if [[ -z ${DATABASE_URL:-} ]]; then
    throw_away_world prepare
    start_postgres throw-away
fi
on_migrated_database cargo sqlx prepare --workspace -- --locked --workspace --all-targets
