#!/usr/bin/env bash
# THE test command: throw-away servers, every check (scripts/check.sh), every test. It leaves nothing running and needs
# no port to be free. Servers of your own: DATABASE_URL (a role that may create databases), REDIS_URL, CACHE_REDIS_URL,
# MEILI_URL. With arguments it skips the checks and hands them to the test runner: scripts/test.sh -p storage trending
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/services.sh
source "$ROOT/scripts/services.sh"

need_rust
bound_build_dir
throw_away_world test
start_servers throw-away
if (($# == 0)); then
    bash scripts/check.sh
fi
if ! command -v cargo-nextest >/dev/null; then
    say "cargo test (cargo-nextest, if installed, is faster)"
    cargo test --locked --workspace --no-fail-fast "$@"
else
    if (($# == 0)); then
        say "documentation tests"
        cargo test --locked --workspace --doc --quiet
    fi
    say "cargo nextest"
    # Last, because its closing lines are the result.
    cargo nextest run --locked --workspace --config-file scripts/nextest.toml "$@"
fi
