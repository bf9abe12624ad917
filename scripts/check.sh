#!/usr/bin/env bash
# What must hold before tests are worth running: the same here, in test.sh and in CI. The quickest come first.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/services.sh
source "$ROOT/scripts/services.sh"

need_rust
if [[ -z ${DATABASE_URL:-} ]]; then
    throw_away_world check
    start_postgres throw-away
fi

if command -v shellcheck >/dev/null; then
    say "shellcheck"
    shellcheck -x scripts/*.sh .ci/run
fi
say "cargo fmt"
cargo fmt --all --check || die "the code is not formatted: run cargo fmt --all"
say "directions between crates and modules"
python3 scripts/directions.py || die "a crate or module depends on what it must not know"
say ".sqlx against the queries and migrations"
need_sqlx_cli
# Ahead of clippy: it touches the sources, and clippy would check them twice.
on_migrated_database cargo sqlx prepare --check --workspace -- --locked --workspace --all-targets ||
    die ".sqlx does not match the queries: run scripts/prepare.sh and commit .sqlx"
say "cargo clippy"
cargo clippy --locked --workspace --all-targets -- -D warnings
say "cargo doc"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --quiet
