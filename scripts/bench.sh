#!/usr/bin/env bash
# Measures what the product promises and prints one table, also into .local/bench.md; exit 1 if a target was missed.
# Release build, throw-away servers with the settings of up.sh, traffic to this machine only; about six minutes.
#   DATA_DIR=<dir>   holds tmdb_5000/: times its import and the artifacts on it
#   BENCH_LARGE=1    a demo world of a million films: the worker's memory (about half an hour more)
#   BENCH_ROUNDS=3   BENCH_SECONDS=10   how often, and for how long, each path is loaded
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/services.sh
source "$ROOT/scripts/services.sh"

ROUNDS=${BENCH_ROUNDS:-3}
DURATION=${BENCH_SECONDS:-10}
[[ $ROUNDS =~ ^[1-9]$ && $DURATION =~ ^[1-9][0-9]?$ ]] || die "BENCH_ROUNDS goes from 1 to 9, BENCH_SECONDS from 1 to 99"
[[ -z ${DATA_DIR:-} ]] || DATA_DIR=$(cd "$CALLER_DIR" && realpath "$DATA_DIR")
need wrk wrk
unset DATABASE_URL REDIS_URL CACHE_REDIS_URL MEILI_URL REDIS_PREFIX TMDB_API_KEY
throw_away_world bench
for variable in API_PORT WORKER_METRICS_PORT BARE_MOVIE_PORT BARE_TRENDING_PORT BARE_SEARCH_PORT; do
    free_port "$variable"
done
export API_PORT WORKER_METRICS_PORT

## Measuring

TABLE=$'| what | value | against | ratio | target | ok |\n|---|---:|---:|---:|---:|---|\n'
MISSED=0

# row WHAT VALUE AGAINST RATIO TARGET NUMBER COMPARISON LIMIT
row() {
    local ok=yes
    awk -v a="$6" -v b="$8" "BEGIN { exit !(a $7 b) }" || ok=NO MISSED=1
    TABLE+="| $1 | $2 | $3 | $4 | $5 | $ok |"$'\n'
}

median() { printf '%s\n' "$@" | sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
divide() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f", b ? a / b : 0 }'; }
round() { printf '%.0f' "$1"; }
seconds() { printf '%.2f s' "$1"; }

# timed COMMAND...: how long it took, in TOOK.
timed() {
    local start=$EPOCHREALTIME
    "$@" >>"$WORLD/log/commands.log" 2>&1 || {
        tail -n 15 "$WORLD/log/commands.log" >&2
        die "this failed: $*"
    }
    TOOK=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
}

# load PORT PATH [HEADER]: requests a second, in RATE, and the slowest hundredth, in P99; any answer but 2xx or 3xx makes the number worthless.
load() {
    local report
    report=$(wrk -t2 -c64 -d"${DURATION}s" --latency ${3:+-H "$3"} "http://127.0.0.1:$1$2")
    ! grep -E 'Non-2xx|Socket errors' <<<"$report" >&2 || die "port $1 did not answer every request for $2"
    RATE=$(awk '/^Requests\/sec:/ { print $2 }' <<<"$report")
    P99=$(awk '$1 == "99%" { print $2 }' <<<"$report")
}

## Worlds

# fresh_database NAME: new, migrated, with a corner of Redis of its own.
fresh_database() {
    query_postgres "CREATE DATABASE $1"
    DATABASE_URL="${DATABASE_URL%/*}/$1"
    export DATABASE_URL REDIS_PREFIX=$1
    SETTINGS="$DATABASE_URL $REDIS_PREFIX"
    timed "$bin/moviemetric" migrate
}

start_worker() {
    ensure_daemon worker WORKER_METRICS_PORT "$bin/worker"
    wait_ready worker 60 http_ok 127.0.0.1 "$WORKER_METRICS_PORT" /health/live
}

start_api() {
    ensure_daemon api API_PORT "$bin/api"
    wait_ready api 60 http_ok 127.0.0.1 "$API_PORT" /health/ready
}

compute_all() { timed timeout 1800 "$bin/moviemetric" enqueue compute-all --wait; }

# compute_all_median: of three runs, in TOOK; each computes everything anew.
compute_all_median() {
    local took=()
    for _ in 1 2 3; do
        compute_all
        took+=("$TOOK")
    done
    TOOK=$(median "${took[@]}")
}

# Search is PostgreSQL's here, so that the numbers of two machines compare.
start_postgres durable
start_redis
build_release
bin="$WORLD/bin"
say "building the rival, a bare actix handler"
cargo build --release --locked -p api --example bare
install "$CARGO_TARGET_DIR/release/examples/bare" "$bin/bare"

## 1. Answers a second, each path against a bare handler that returns the same bytes

# start_bare NAME PORT_VARIABLE PATH
start_bare() {
    http_get 127.0.0.1 "$API_PORT" "$3" | sed '1,/^\r$/d' >"$WORLD/body-$1.json"
    ensure_daemon "bare-$1" "$2" "$bin/bare" "${!2}" "$WORLD/body-$1.json"
    wait_ready "bare-$1" 10 http_ok 127.0.0.1 "${!2}" /
}

bench_answers() {
    say "the demo world, and $ROUNDS rounds of $((7 * DURATION)) s of load"
    fresh_database bench_answers
    timed "$bin/moviemetric" demo
    start_worker
    compute_all
    start_api
    local film movie search='/search?q=matrix' trending=/movies/trending round name
    film=$(http_get 127.0.0.1 "$API_PORT" '/movies?limit=1' | grep -o '"movie_id":[0-9]*' | head -n 1)
    movie=/movies/${film#*:}
    start_bare movie BARE_MOVIE_PORT "$movie"
    start_bare trending BARE_TRENDING_PORT "$trending"
    start_bare search BARE_SEARCH_PORT "$search"
    # Neighbours in time are compared, so that a machine that slows down slows both.
    local -A rates ratios slowest
    measure() { # NAME RIVAL PORT PATH [HEADER]
        load "$3" "$4" "${5:-}"
        rates[$1]+=" $RATE"
        slowest[$1]=$P99
        if [[ -n $2 ]]; then ratios[$1]+=" $(divide "$RATE" "${rates[$2]##* }")"; fi
    }
    for ((round = 1; round <= ROUNDS; round++)); do
        say "round $round"
        measure bare-movie "" "$BARE_MOVIE_PORT" /
        measure movie bare-movie "$API_PORT" "$movie"
        measure movie-uncached bare-movie "$API_PORT" "$movie" "Cache-Control: no-cache"
        measure bare-trending "" "$BARE_TRENDING_PORT" /
        measure trending bare-trending "$API_PORT" "$trending"
        measure bare-search "" "$BARE_SEARCH_PORT" /
        measure search bare-search "$API_PORT" "$search"
    done
    report() { # WHAT NAME RIVAL LIMIT
        local rate ratio rival
        # shellcheck disable=SC2086  # lists of numbers
        {
            rate=$(median ${rates[$2]})
            rival=$(median ${rates[$3]})
            ratio=$(median ${ratios[$2]})
        }
        row "$1" "$(round "$rate")/s, 99 % in ${slowest[$2]}" "$(round "$rival")/s" "$ratio" "≥ $4" "$ratio" ">=" "$4"
    }
    report "GET /movies/{id}, cached" movie bare-movie 0.6
    report "GET /movies/{id}, uncached" movie-uncached bare-movie 0.25
    report "GET /movies/trending, cached" trending bare-trending 0.6
    report "GET /search?q=matrix, cached" search bare-search 0.6
    for name in bare-movie bare-trending bare-search; do stop_daemon "$name"; done
}

## 2. Start

bench_start() {
    say "starting the API five times"
    local start took=()
    for _ in 1 2 3 4 5; do
        stop_daemon api
        start=$EPOCHREALTIME
        start_daemon api - "$API_PORT" "$bin/api"
        wait_until_ready
        took+=("$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print (b - a) * 1000 }')")
    done
    stop_daemon api
    TOOK=$(median "${took[@]}")
    row "API ready after start" "$(round "$TOOK") ms" "" "" "≤ 2000 ms" "$TOOK" "<=" 2000
}

# As wait_ready, which looks ten times a second: too coarse here.
wait_until_ready() {
    until http_ok 127.0.0.1 "$API_PORT" /health/ready; do
        running api || {
            tail -n 15 "$WORLD/log/api.log" >&2
            die "the API did not start: see above"
        }
        sleep 0.005
    done
}

## 3. Import and artifacts of a real data set

bench_import() {
    [[ -d $DATA_DIR/tmdb_5000 ]] || die "there is no tmdb_5000 in $DATA_DIR: set DATA_DIR to the directory that holds it, or unset it"
    say "importing tmdb-5000"
    fresh_database bench_import
    timed "$bin/moviemetric" import tmdb-5000 "$DATA_DIR/tmdb_5000"
    row "import tmdb-5000 with credits" "$(seconds "$TOOK")" "" "" "≤ 20 s" "$TOOK" "<=" 20
    start_worker
    compute_all_median
    row "all artifacts on tmdb-5000" "$(seconds "$TOOK")" "" "" "≤ 5 s" "$TOOK" "<=" 5
}

## 4. Ten times the films

bench_growth() {
    local small
    growth_step bench_small 4000 2000 100000
    small=$TOOK
    growth_step bench_tenfold 40000 20000 1000000
    row "all artifacts, 40,000 films against 4,000" "$(seconds "$TOOK")" "$(seconds "$small")" "$(divide "$TOOK" "$small")" \
        "≤ 12" "$(divide "$TOOK" "$small")" "<=" 12
}

# growth_step DATABASE FILMS USERS RATINGS
growth_step() {
    say "a demo world of $2 films"
    fresh_database "$1"
    timed "$bin/moviemetric" demo --movies "$2" --users "$3" --ratings "$4"
    start_worker
    compute_all_median
}

## 5. A million films

bench_large() {
    say "a demo world of 1,000,000 films and 25,000,000 ratings"
    fresh_database bench_large
    timed "$bin/moviemetric" demo --movies 1000000 --users 250000 --days "${BENCH_LARGE_DAYS:-7}" --ratings 25000000
    row "loading 1,000,000 films, 25,000,000 ratings" "$(seconds "$TOOK")" "" "" "" 0 "<=" 0
    start_worker
    timed timeout 10800 "$bin/moviemetric" enqueue compute-all --wait
    row "all artifacts on 1,000,000 films" "$(seconds "$TOOK")" "" "" "" 0 "<=" 0
    local peak
    peak=$(awk '/^VmHWM:/ { print $2 / 1024 }' "/proc/$(recorded worker pid)/status")
    row "the worker's memory meanwhile, at most" "$(round "$peak") MiB" "" "" "≤ 500 MiB" "$peak" "<=" 500
}

bench_answers
bench_start
if [[ -n ${DATA_DIR:-} ]]; then bench_import; fi
bench_growth
if [[ -n ${BENCH_LARGE:-} ]]; then bench_large; fi

mkdir -p .local
printf '%s, %s cores, %s rounds of %s s\n\n%s' "$(date -u +%F)" "$(nproc)" "$ROUNDS" "$DURATION" "$TABLE" >.local/bench.md
printf '\n'
cat .local/bench.md
exit "$MISSED"
