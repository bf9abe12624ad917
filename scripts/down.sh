#!/usr/bin/env bash
# Stops what scripts/up.sh started in this checkout, and nothing else. The data stays; --purge deletes it.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/services.sh
source "$ROOT/scripts/services.sh"
[[ $# == 0 || $* == --purge ]] || die "down.sh takes no argument but --purge, which deletes the data as well"
use_world "$ROOT/.local"
one_at_a_time "$@"

say "stopping"
stop_world
if [[ ${1:-} == --purge ]]; then
    say "deleting the data: $(pg_dir) and $WORLD"
    remove_world
fi
