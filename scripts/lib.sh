# shellcheck shell=bash
# What every script shares: where things lie, words to the reader, ports, background processes. To be sourced.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
# One build directory for all scripts. It lies outside the checkout, so that a fresh clone starts warm.
CARGO_TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/moviemetric/target}")
# The committed .sqlx stands in for a database while compiling.
export CARGO_TARGET_DIR SQLX_OFFLINE=true
# shellcheck disable=SC2034  # used by the scripts that take file names
CALLER_DIR=$PWD
cd "$ROOT"

say() { printf '==> %s\n' "$*"; }

die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# need PROGRAM PACKAGE: installs a Debian package where that is possible, else says what to do.
need() {
    command -v "$1" >/dev/null && return
    if ((EUID == 0)) && command -v apt-get >/dev/null; then
        say "installing $2, because $1 is missing"
        apt_install "$2"
    fi
    command -v "$1" >/dev/null || die "$1 is missing: install it (on Debian: apt-get install $2), then run this again"
}

# A server's package would start that server at once; policy-rc.d keeps it still, so that only what we start runs.
apt_install() (
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod +x "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@" </dev/null; } >/dev/null; then
        die "apt-get could not install $*: install it by hand, then run this again"
    fi
)

need_rust() {
    [[ -d $HOME/.cargo/bin ]] && PATH="$PATH:$HOME/.cargo/bin"
    command -v cargo >/dev/null || die "cargo is missing: install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or newer with rustup, then run this again"
    need cc gcc
}

random_hex() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# A world is a directory that holds servers, their data, logs and pid files: .local for up.sh, one a run for tests.
use_world() {
    WORLD=$1
    (umask 077 && mkdir -p "$WORLD/run" "$WORLD/log")
}

# Two runs of up.sh or down.sh in one world would trip over each other.
one_at_a_time() {
    if [[ ${LOCKED_WORLD:-} == "$WORLD" ]]; then
        unset LOCKED_WORLD
        return
    fi
    local status=0
    # --close: a server that inherits the lock would hold it for as long as it lives.
    LOCKED_WORLD=$WORLD flock --close --nonblock --conflict-exit-code 75 "$WORLD/lock" bash "$ROOT/scripts/${0##*/}" "$@" ||
        status=$?
    ((status != 75)) || die "another up.sh or down.sh is running in this checkout: wait until it is done"
    exit "$status"
}

## Ports and requests, without programs that a bare machine lacks

port_open() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_port VARIABLE: below the range from which the kernel takes outgoing ports.
free_port() {
    local candidate
    while :; do
        candidate=$((20000 + RANDOM % 10000))
        [[ " ${HANDED_OUT:-} " == *" $candidate "* ]] || port_open "$candidate" || break
    done
    HANDED_OUT="${HANDED_OUT:-} $candidate"
    printf -v "$1" %s "$candidate"
}

# claim_port NAME VARIABLE: stops unless the port is free or held by our own process of that name.
claim_port() {
    local port=${!2}
    [[ $port =~ ^[1-9][0-9]{0,4}$ ]] || die "$2 must be a port number"
    running "$1" && [[ $(recorded "$1" port) == "$port" ]] && return
    ! port_open "$port" || die "port $port, meant for $1, is taken: set $2 to a free port, then run this again"
}

# http_get HOST PORT PATH: head and body.
http_get() (
    { exec 3<>"/dev/tcp/$1/$2"; } 2>/dev/null || exit 1
    printf 'GET %s HTTP/1.0\r\nHost: %s\r\nCache-Control: no-cache\r\n\r\n' "$3" "$1" >&3
    timeout 10 cat <&3
)

http_ok() { [[ $(http_get "$@" 2>/dev/null | head -n 1 | tr -d '\0') == *" 200 "* ]]; }

## Background processes, one pid file each: pid, birth, signature, port

# birth PID: when a process began; with it a pid file cannot name a stranger that got the same pid later.
birth() {
    local stat fields
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    read -ra fields <<<"${stat##*) }"
    [[ ${fields[0]} != Z ]] || return 1
    printf '%s-%s' "$(cut -c1-8 /proc/sys/kernel/random/boot_id)" "${fields[19]}"
}

# recorded NAME FIELD
recorded() {
    local pid birth signature port
    # shellcheck disable=SC2034  # one of them is printed, by name
    read -r pid birth signature port <"$WORLD/run/$1.pid" && printf '%s' "${!2}"
} 2>/dev/null

running() {
    local pid
    pid=$(recorded "$1" pid) && [[ $(birth "$pid") == "$(recorded "$1" birth)" ]]
}

# ensure_daemon NAME PORT_VARIABLE PROGRAM ARGUMENT...: keeps one such process, and restarts it when the program, a
# file among its arguments or SETTINGS have changed. PORT_VARIABLE is - where it listens to nobody.
ensure_daemon() {
    local name=$1 variable=$2 port=- signature
    shift 2
    signature=$( (printf '%s\0' "$@" "${SETTINGS:-}" && for arg in "$@"; do [[ ! -f $arg ]] || cat "$arg"; done) |
        sha256sum | cut -c1-16)
    if [[ $variable != - ]]; then
        claim_port "$name" "$variable"
        port=${!variable}
    fi
    if running "$name"; then
        [[ $(recorded "$name" signature) != "$signature" ]] || return 0
        say "restarting $name: its program or settings have changed"
        stop_daemon "$name"
    fi
    start_daemon "$name" "$signature" "$port" "$@"
}

# A log that grew past this many bytes makes room for a new one; the one before is kept.
LOG_BYTES=10000000

start_daemon() {
    local name=$1 signature=$2 port=$3 log="$WORLD/log/$1.log"
    shift 3
    [[ ! -f $log ]] || (($(stat -c %s "$log") < LOG_BYTES)) || mv "$log" "$log.1"
    (exec setsid nohup "$@" >>"$log" 2>&1 </dev/null) &
    printf '%s %s %s %s\n' "$!" "$(birth $!)" "$signature" "$port" >"$WORLD/run/$name.pid"
    disown
}

# wait_ready NAME SECONDS COMMAND...: until the command succeeds; the end of the log says why it does not.
wait_ready() {
    local name=$1 deadline=$((SECONDS + $2))
    shift 2
    until "$@"; do
        if ! running "$name" || ((SECONDS > deadline)); then
            tail -n 15 "$WORLD/log/$name.log" >&2
            die "$name did not start: see above or $WORLD/log/$name.log, mend it, then run this again"
        fi
        sleep 0.1
    done
}

# stop_daemon NAME: asks, waits for longer than a worker drains, then insists.
stop_daemon() {
    local pid deadline=$((SECONDS + 30))
    if running "$1"; then
        pid=$(recorded "$1" pid)
        kill -TERM "$pid" 2>/dev/null || true
        while running "$1"; do
            ((SECONDS < deadline)) || kill -KILL "$pid" 2>/dev/null || true
            sleep 0.05
        done
    fi
    rm -f "$WORLD/run/$1.pid"
}

## The build

# Every checkout's path makes artifacts of its own here, and those of deleted checkouts stay. A full build takes 8 GB.
BUILD_GB=30

bound_build_dir() {
    local size
    mkdir -p "$CARGO_TARGET_DIR"
    size=$(du -s --block-size=1G "$CARGO_TARGET_DIR" | cut -f1)
    ((size > BUILD_GB)) || return 0
    say "emptying $CARGO_TARGET_DIR, which has grown to $size GB"
    rm -rf "$CARGO_TARGET_DIR"/{debug,release,doc}
}

# The programs of a world.
PROGRAMS="api worker scheduler moviemetric"

# source_version: names the sources that the programs are built from, uncommitted changes included; fails outside a checkout.
source_version() {
    local sources="Cargo.toml Cargo.lock crates migrations data .sqlx"
    # shellcheck disable=SC2086  # a list of paths
    (
        git rev-parse HEAD:crates >/dev/null 2>&1 || exit 1
        git ls-files -s $sources
        git diff HEAD -- $sources
        git ls-files -o --exclude-standard $sources | while read -r file; do sha256sum "$file"; done
    ) | sha256sum | cut -c1-16
}

# built_programs: whether the world's programs are of these sources; or of this version, where somebody put them there
# without the sources (as a downloaded release).
built_programs() {
    local name stamp="$WORLD/bin/.sources"
    for name in $PROGRAMS; do [[ -x $WORLD/bin/$name ]] || return 1; done
    if [[ -e $stamp ]]; then
        [[ $(<"$stamp") == "$(source_version)" ]]
    else
        [[ $("$WORLD/bin/moviemetric" --version 2>/dev/null) == "moviemetric $(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)" ]]
    fi
}

build_release() {
    if built_programs; then
        say "using the programs in $WORLD/bin, which are of this version"
        return
    fi
    need_rust
    say "building the release binaries (some minutes the first time)"
    local name version
    version=$(source_version) || version=""
    cargo build --release --locked --bins
    # Copied, because checkouts that share the build directory overwrite each other's binaries.
    mkdir -p "$WORLD/bin"
    for name in $PROGRAMS; do
        cmp -s "$CARGO_TARGET_DIR/release/$name" "$WORLD/bin/$name" ||
            install "$CARGO_TARGET_DIR/release/$name" "$WORLD/bin/$name"
    done
    # Of the sources as they were before: what was edited meanwhile is built by the next run.
    printf '%s\n' "$version" >"$WORLD/bin/.sources"
}

# The version of sqlx-cli is that of the library: each reads only its own .sqlx files.
need_sqlx_cli() {
    local version tools="$CARGO_TARGET_DIR/tools"
    version=$(sed -n '/^name = "sqlx"$/{n;s/^version = "\(.*\)"$/\1/p}' Cargo.lock)
    PATH="$tools/bin:$PATH"
    [[ $(sqlx --version 2>/dev/null) != *" $version" ]] || return 0
    say "installing sqlx-cli $version (about three minutes, once)"
    CARGO_TARGET_DIR="$tools/build" cargo install sqlx-cli --version "=$version" --locked --force \
        --no-default-features --features postgres,rustls --root "$tools" ||
        die "sqlx-cli could not be installed: see above"
    rm -rf "$tools/build"
}

# on_migrated_database COMMAND...: with DATABASE_URL naming a new, migrated database, dropped afterwards.
on_migrated_database() {
    local base=${DATABASE_URL%%\?*} query="" url status=0
    [[ $DATABASE_URL != *\?* ]] || query="?${DATABASE_URL#*\?}"
    url="${base%/*}/moviemetric_scratch_$$$query"
    sqlx database create --database-url "$url" ||
        die "no database can be created: check DATABASE_URL, its role must be a superuser or have CREATEDB"
    { sqlx migrate run --source migrations --database-url "$url" && DATABASE_URL=$url "$@"; } || status=$?
    sqlx database drop -y --database-url "$url"
    return "$status"
}
