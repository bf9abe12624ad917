#!/usr/bin/env bash
# Measures what the product promises and prints one table, also into .local/bench.md; exit 1 if a target was missed.
# Release build, throw-away servers with the settings of up.sh, traffic to this machine only; about twelve minutes.
#   BENCH_ONLY=events,drain   only these of: answers start import growth large events visible reviews drain late
#                             reads search recommender; live stands for events visible reviews drain late reads
#   DATA_DIR=<dir>   holds tmdb_5000/: times its import and the artifacts on it; ml-latest-small/: times ALS on it
#   BENCH_LARGE=1    a demo world of a million movies: the worker's memory; ALS on 10 million pairs (about 40 minutes more)
#   BENCH_ROUNDS=3   BENCH_SECONDS=10   how often, and for how long, each path is loaded
#   BENCH_VISIBLE_SECONDS=60   BENCH_BACKLOG=1000000   how long viewers are simulated; events to be drained
#   BENCH_LATE_BACKLOG=2000000   events to be drained into hours that a batch run covers
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/services.sh
source "$ROOT/scripts/services.sh"

ROUNDS=${BENCH_ROUNDS:-3}
DURATION=${BENCH_SECONDS:-10}
[[ $ROUNDS =~ ^[1-9]$ && $DURATION =~ ^[1-9][0-9]?$ ]] || die "BENCH_ROUNDS goes from 1 to 9, BENCH_SECONDS from 1 to 99"
VISIBLE_SECONDS=${BENCH_VISIBLE_SECONDS:-60}
BACKLOG=${BENCH_BACKLOG:-1000000}
LATE_BACKLOG=${BENCH_LATE_BACKLOG:-2000000}
[[ $LATE_BACKLOG =~ ^[1-9][0-9]{3,7}$ ]] || die "BENCH_LATE_BACKLOG goes from 1000 to 99999999"
[[ $VISIBLE_SECONDS =~ ^[1-9][0-9]{1,3}$ && $BACKLOG =~ ^[1-9][0-9]{3,7}$ ]] ||
    die "BENCH_VISIBLE_SECONDS goes from 10 to 9999, BENCH_BACKLOG from 1000 to 99999999"
ONLY=${BENCH_ONLY:-}
ONLY=,${ONLY//live/events,visible,reviews,drain,late,reads},
for section in ${ONLY//,/ }; do
    [[ " answers start import growth large events visible reviews drain late reads search recommender " == *" $section "* ]] ||
        die "BENCH_ONLY knows no $section: look at the top of bench.sh"
done
[[ -z ${DATA_DIR:-} ]] || DATA_DIR=$(cd "$CALLER_DIR" && realpath "$DATA_DIR")
need wrk wrk
unset DATABASE_URL REDIS_URL CACHE_REDIS_URL MEILI_URL REDIS_PREFIX TMDB_API_KEY
throw_away_world bench
for variable in API_PORT WORKER_METRICS_PORT BARE_MOVIE_PORT BARE_TRENDING_PORT BARE_SEARCH_PORT BARE_SINGLE_PORT \
    BARE_BATCH_PORT; do
    free_port "$variable"
done
export API_PORT WORKER_METRICS_PORT
# Nobody drains it while posts are counted.
export EVENT_LOG_CAPACITY=100000000

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

# load CONNECTIONS PORT PATH [WRK ARGUMENT...] [-- SCRIPT ARGUMENT...]: requests a second, in RATE, the slowest hundredth,
# in P99, and with p95.lua the slowest twentieth in milliseconds, in P95; any answer but 2xx or 3xx makes the numbers
# worthless.
load() {
    local connections=$1 port=$2 path=$3 report options=()
    shift 3
    while (($# > 0)) && [[ $1 != -- ]]; do
        options+=("$1")
        shift
    done
    report=$(wrk -t2 -c"$connections" -d"${DURATION}s" --latency "${options[@]}" "http://127.0.0.1:$port$path" "$@")
    ! grep -E 'Non-2xx|Socket errors' <<<"$report" >&2 || die "port $port did not answer every request for $path"
    RATE=$(awk '/^Requests\/sec:/ { print $2 }' <<<"$report")
    P99=$(awk '$1 == "99%" { print $2 }' <<<"$report")
    P95=$(awk '$1 == "p95" { print $2 }' <<<"$report")
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

# demo_world NAME: of well-known movies, with everything computed.
demo_world() {
    fresh_database "$1"
    timed "$bin/moviemetric" demo
    start_worker
    compute_all
}

# query_database SQL: on the database in use.
query_database() { "$PG_HOME/bin/psql" -qAtX -v ON_ERROR_STOP=1 "$DATABASE_URL" -c "$1"; }

# backlog: events that the log holds; forget_backlog: makes it hold none.
backlog() { REDISCLI_AUTH=$(world_secret redis) redis-cli -p "$REDIS_PORT" xlen "$REDIS_PREFIX:events"; }
forget_backlog() { REDISCLI_AUTH=$(world_secret redis) redis-cli -p "$REDIS_PORT" del "$REDIS_PREFIX:events" >/dev/null; }

# memory NAME: of a process, in KiB.
memory() { awk '/^VmRSS:/ { print $2 }' "/proc/$(recorded "$1" pid)/status"; }

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
say "building the rival, a bare actix handler, and what fills the event log and its views"
cargo build --release --locked -p api --example bare
cargo build --release --locked -p storage --example fill_log --example fill_live
cargo build --release --locked -p domain --example worst_reviews
for name in bare fill_log fill_live worst_reviews; do install "$CARGO_TARGET_DIR/release/examples/$name" "$bin/$name"; done

## 1. Answers a second, each path against a bare handler that returns the same bytes

# start_bare NAME PORT_VARIABLE: with the bytes of standard input.
start_bare() {
    cat >"$WORLD/body-$1.json"
    ensure_daemon "bare-$1" "$2" "$bin/bare" "${!2}" "$WORLD/body-$1.json"
    wait_ready "bare-$1" 10 http_ok 127.0.0.1 "${!2}" /
}

# body PATH: the API's answer.
body() { http_get 127.0.0.1 "$API_PORT" "$1" | sed '1,/^\r$/d'; }

bench_answers() {
    say "the demo world, and $ROUNDS rounds of $((7 * DURATION)) s of load"
    demo_world bench_answers
    start_api
    local movie movie search='/search?q=matrix' trending=/movies/trending round name
    movie=$(http_get 127.0.0.1 "$API_PORT" '/movies?limit=1' | grep -o '"movie_id":[0-9]*' | head -n 1)
    movie=/movies/${movie#*:}
    start_bare movie BARE_MOVIE_PORT < <(body "$movie")
    start_bare trending BARE_TRENDING_PORT < <(body "$trending")
    start_bare search BARE_SEARCH_PORT < <(body "$search")
    # Neighbours in time are compared, so that a machine that slows down slows both.
    local -A rates ratios slowest
    measure() { # NAME RIVAL PORT PATH [WRK ARGUMENT...]
        load 64 "${@:3}"
        rates[$1]+=" $RATE"
        slowest[$1]=$P99
        if [[ -n $2 ]]; then ratios[$1]+=" $(divide "$RATE" "${rates[$2]##* }")"; fi
    }
    for ((round = 1; round <= ROUNDS; round++)); do
        say "round $round"
        measure bare-movie "" "$BARE_MOVIE_PORT" /
        measure movie bare-movie "$API_PORT" "$movie"
        measure movie-uncached bare-movie "$API_PORT" "$movie" -H "Cache-Control: no-cache"
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
    [[ -n ${REDIS_PREFIX:-} ]] || demo_world bench_start
    say "starting the API five times"
    local start took=()
    for _ in 1 2 3 4 5; do
        stop_daemon api
        start=$EPOCHREALTIME
        start_daemon api - "$API_PORT" "$bin/api"
        wait_until_answers /health/ready
        took+=("$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print (b - a) * 1000 }')")
    done
    stop_daemon api
    TOOK=$(median "${took[@]}")
    row "API ready after start" "$(round "$TOOK") ms" "" "" "≤ 2000 ms" "$TOOK" "<=" 2000
}

# As wait_ready, which looks ten times a second: too coarse here.
wait_until_answers() { # PATH
    until http_ok 127.0.0.1 "$API_PORT" "$1"; do
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

## 4. Ten times the movies

bench_growth() {
    local small
    growth_step bench_small 4000 2000 100000
    small=$TOOK
    growth_step bench_tenfold 40000 20000 1000000
    row "all artifacts, 40,000 movies against 4,000" "$(seconds "$TOOK")" "$(seconds "$small")" "$(divide "$TOOK" "$small")" \
        "≤ 12" "$(divide "$TOOK" "$small")" "<=" 12
}

# growth_step DATABASE MOVIES USERS RATINGS
growth_step() {
    say "a demo world of $2 movies"
    fresh_database "$1"
    timed "$bin/moviemetric" demo --movies "$2" --users "$3" --ratings "$4"
    start_worker
    compute_all_median
}

## 5. A million movies

bench_large() {
    say "a demo world of 1,000,000 movies and 25,000,000 ratings"
    fresh_database bench_large
    timed "$bin/moviemetric" demo --movies 1000000 --users 250000 --days "${BENCH_LARGE_DAYS:-7}" --ratings 25000000
    row "loading 1,000,000 movies, 25,000,000 ratings" "$(seconds "$TOOK")" "" "" "" 0 "<=" 0
    start_worker
    timed timeout 10800 "$bin/moviemetric" enqueue compute-all --wait
    row "all artifacts on 1,000,000 movies" "$(seconds "$TOOK")" "" "" "" 0 "<=" 0
    local peak
    peak=$(awk '/^VmHWM:/ { print $2 / 1024 }' "/proc/$(recorded worker pid)/status")
    row "the worker's memory meanwhile, at most" "$(round "$peak") MiB" "" "" "≤ 500 MiB" "$peak" "<=" 500
}

## 6. Live events

# The movies that events are about, a comma between.
some_movies() { body '/movies?limit=100' | grep -o '"movie_id":[0-9]*' | cut -d: -f2 | paste -sd,; }

# accepted EVENTS: the answer to a post of so many.
accepted() {
    printf '{"accepted":[%s],"rejected":[]}' \
        "$(seq -f '"01a2035b-9f1c-72e7-8bb1-%012.0f"' "$1" | paste -sd,)"
}

# How fast they are taken. The worker rests meanwhile, so that the number is the API's; Redis syncs every append to disk.
bench_events() {
    say "posting events, $ROUNDS rounds of $((4 * DURATION)) s of load"
    demo_world bench_events
    stop_daemon worker
    start_api
    local movies round size port name
    movies=$(some_movies)
    start_bare single BARE_SINGLE_PORT < <(accepted 1)
    start_bare batch BARE_BATCH_PORT < <(accepted 100)
    local -A rates ratios slowest
    for ((round = 1; round <= ROUNDS; round++)); do
        say "round $round"
        for name in single batch; do
            if [[ $name == single ]]; then size=1 port=$BARE_SINGLE_PORT; else size=100 port=$BARE_BATCH_PORT; fi
            load 64 "$port" /api/v1/events -s scripts/bench/post_events.lua -- "$size" "$movies"
            rates[bare-$name]+=" $RATE"
            load 64 "$API_PORT" /api/v1/events -s scripts/bench/post_events.lua -- "$size" "$movies"
            rates[$name]+=" $RATE"
            slowest[$name]=$P99
            ratios[$name]+=" $(divide "$RATE" "${rates[bare-$name]##* }")"
            forget_backlog
        done
    done
    local rate rival ratio events
    for name in single batch; do
        # shellcheck disable=SC2086  # lists of numbers
        {
            rate=$(median ${rates[$name]})
            rival=$(median ${rates[bare-$name]})
            ratio=$(median ${ratios[$name]})
        }
        if [[ $name == single ]]; then
            row "POST /events, one a post, 64 connections" "$(round "$rate")/s, 99 % in ${slowest[$name]}" \
                "$(round "$rival")/s" "$ratio" "≥ 5000/s" "$rate" ">=" 5000
        else
            events=$(awk -v rate="$rate" 'BEGIN { print rate * 100 }')
            row "POST /events, 100 a post" "$(round "$events") events/s, 99 % in ${slowest[$name]}" \
                "$(round "$rival") posts/s" "$ratio" "≥ 20000 events/s" "$events" ">=" 20000
        fi
    done
    for name in bare-single bare-batch api; do stop_daemon "$name"; done
}

# number NAME: a number of the simulation's $summary; quantile NAME WHICH: one of its times, in milliseconds.
number() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" <<<"$summary"; }
quantile() { sed -n "s/.*\"$1\":{[^}]*\"$2\":\([0-9.]*\).*/\1/p" <<<"$summary"; }

# How soon they are seen, and what that takes.
bench_visible() {
    say "1,000 events a second for $VISIBLE_SECONDS s"
    demo_world bench_visible
    start_api
    local -A early late
    local report="$WORLD/visible.json" simulating name summary lost
    "$bin/moviemetric" simulate --rate 1000 --for "${VISIBLE_SECONDS}s" --movies 300 --probe --json \
        --api-url "http://127.0.0.1:$API_PORT" >"$report" 2>>"$WORLD/log/commands.log" &
    simulating=$!
    sleep $((VISIBLE_SECONDS / 3))
    for name in api worker; do early[$name]=$(memory "$name"); done
    # It fails where anything was lost, too; the table is to tell that.
    wait "$simulating" || [[ -s $report ]] || die "viewers could not be simulated: look at the end of $WORLD/log/commands.log"
    for name in api worker; do late[$name]=$(memory "$name"); done
    summary=$(<"$report")
    [[ -n $(quantile visible_ms p99) ]] || die "no probe was ever seen in its movie's page: $summary"
    # Whatever was not accepted: rejected, given up, skipped or unanswered.
    lost=$((1000 * VISIBLE_SECONDS - $(number accepted_events) - $(number accepted_reviews) + $(number probes_missed)))
    row "posted to seen in /movies/{id}, uncached, at 1,000 events/s" \
        "99 % in $(round "$(quantile visible_ms p99)") ms, half in $(round "$(quantile visible_ms p50)") ms, all in $(round "$(quantile visible_ms max)") ms" \
        "" "" "99 % < 1000 ms" "$(quantile visible_ms p99)" "<" 1000
    row "of these, events and probes lost" "$lost of $((1000 * VISIBLE_SECONDS))" "" "" "0" "$lost" "==" 0
    for name in api worker; do
        row "memory of the $name after $VISIBLE_SECONDS s, against $((VISIBLE_SECONDS / 3)) s" "$((late[$name] / 1024)) MiB" \
            "$((early[$name] / 1024)) MiB" "$(divide "${late[$name]}" "${early[$name]}")" "≤ 1.2" \
            "$(divide "${late[$name]}" "${early[$name]}")" "<=" 1.2
    done
    stop_daemon api
}

# Whether reviews that cost the most to score hold events up.
bench_reviews() {
    say "events beside reviews of 10,000 emoji"
    local slowest summary posted
    slowest=$("$bin/worst_reviews")
    row "sentiment of the worst review of 10,000 characters" "$slowest ms" "" "" "< 20 ms" "$slowest" "<" 20
    demo_world bench_reviews
    start_api
    python3 scripts/bench/worst_reviews.py "$API_PORT" "$VISIBLE_SECONDS" "$(some_movies)" >"$WORLD/reviews.count" &
    posted=$!
    summary=$("$bin/moviemetric" simulate --rate 100 --for "${VISIBLE_SECONDS}s" --movies 300 --probe --json \
        --api-url "http://127.0.0.1:$API_PORT" 2>>"$WORLD/log/commands.log") || [[ -n $summary ]] ||
        die "viewers could not be simulated: look at the end of $WORLD/log/commands.log"
    wait "$posted" || die "not every review was accepted"
    [[ -n $(quantile visible_ms p99) ]] || die "no probe was ever seen in its movie's page: $summary"
    row "posted to seen, beside eight such reviews ten times a second ($(<"$WORLD/reviews.count") in all)" \
        "99 % in $(round "$(quantile visible_ms p99)") ms, half in $(round "$(quantile visible_ms p50)") ms" \
        "" "" "99 % < 1000 ms" "$(quantile visible_ms p99)" "<" 1000
    stop_daemon api
}

# How fast the speed layer catches up.
bench_drain() {
    say "a backlog of $BACKLOG events on 10,000 movies"
    drain_world bench_drain
    timed "$bin/fill_log" "$BACKLOG" 10000 1000000001
    drain "draining $BACKLOG events" "$BACKLOG"
}

# The same into hours that a batch run covers, as after a long outage of the senders. The run knows each of these hours, and
# three hours in four have left the speed layer.
bench_late() {
    say "a backlog of $LATE_BACKLOG late events on 10,000 movies"
    drain_world bench_late
    timed "$bin/fill_log" 200000 10000 1000000001 48
    start_worker
    until_drained
    timed "$bin/moviemetric" enqueue event-stats --wait
    # It drops covered rows when it starts.
    stop_daemon worker
    start_worker
    local deadline=$((SECONDS + 60))
    while (($(query_database "SELECT count(DISTINCT hour) FROM speed_stats") > 3)); do
        ((SECONDS < deadline)) || die "covered hours were not dropped: look into $WORLD/log/worker.log"
        sleep 0.5
    done
    stop_daemon worker
    timed "$bin/fill_log" "$LATE_BACKLOG" 10000 1000000001 48
    drain "draining $LATE_BACKLOG events into hours that a run covers" $((LATE_BACKLOG + 200000)) "$LATE_BACKLOG"
}

# drain_world NAME: made-up movies, which are numbered without gaps, as fill_log needs them; no worker.
drain_world() {
    fresh_database "$1"
    timed "$bin/moviemetric" demo --movies 10424 --days 2 --ratings 1000
    stop_daemon worker
}

until_drained() {
    while (($(backlog) > 0)); do
        running worker || die "the worker died: look into $WORLD/log/worker.log"
        sleep 0.1
    done
}

# drain WHAT STORED [EVENTS]: times the worker from its start until the log is empty; then so many events must be stored.
drain() {
    local start=$EPOCHREALTIME stored rate
    start_worker
    until_drained
    TOOK=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print b - a }')
    stored=$(query_database "SELECT count(*) FROM viewer_events")
    [[ $stored == "$2" ]] || die "$stored of $2 events were stored: look into $WORLD/log/worker.log"
    rate=$(awk -v n="${3:-$2}" -v t="$TOOK" 'BEGIN { print n / t }')
    row "$1" "$(round "$rate")/s, $(seconds "$TOOK")" "" "" "≥ 20000/s" "$rate" ">=" 20000
}

# How fast large answers are merged anew.
bench_reads() {
    say "50,000 active movies, 90 days of sentiment"
    demo_world bench_reads
    stop_daemon worker
    timed "$bin/fill_live" 50000 48 --sentiment-days 90
    local movie
    movie=$(tail -n 1 "$WORLD/log/commands.log")
    # No process has served a ranking here yet, so that none comes from the shared cache.
    local start=$EPOCHREALTIME
    start_daemon api - "$API_PORT" "$bin/api"
    wait_until_answers /api/v1/trending/movies
    TOOK=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { print (b - a) * 1000 }')
    row "API serves trending after start, 50,000 active movies" "$(round "$TOOK") ms" "" "" "≤ 2000 ms" "$TOOK" "<=" 2000
    # Until then the API reads older hours, with a processor of its own and one of the database's.
    wait_until_answers "/api/v1/trending/movies?window=48"
    read_row() { # WHAT PATH LIMIT
        # What is read once is in the database's memory, as it is a moment after any start.
        wait_ready api 60 http_ok 127.0.0.1 "$API_PORT" "$2"
        load 4 "$API_PORT" "$2" -H "Cache-Control: no-cache" -s scripts/bench/p95.lua
        row "$1" "95 % in $P95 ms, $(round "$RATE")/s" "" "" "95 % < $3 ms" "$P95" "<" "$3"
    }
    read_row "trending of 50,000 active movies, uncached, 4 connections" "/api/v1/trending/movies" 50
    read_row "sentiment of 90 days, uncached, 4 connections" "/api/v1/movies/$movie/sentiment?window=90d" 20
    stop_daemon api
}

# What a search costs while Meilisearch accepts connections and never answers: the worst way to be away.
bench_search() {
    say "search with PostgreSQL alone, and with a Meilisearch that hangs"
    demo_world bench_search
    stop_daemon worker
    local alone away path='/search?q=matrix'
    search_p95() { # in P95
        start_api
        # The circuit breaker and the database's memory are as they are a moment after any start.
        http_ok 127.0.0.1 "$API_PORT" "$path" && DURATION=2 load 4 "$API_PORT" "$path" -H "Cache-Control: no-cache"
        load 4 "$API_PORT" "$path" -H "Cache-Control: no-cache" -s scripts/bench/p95.lua
        stop_daemon api
    }
    search_p95
    alone=$P95
    free_port SILENT_PORT
    ensure_daemon silent SILENT_PORT python3 -c 'import socket, sys, time
server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=4096)
time.sleep(86400)' "$SILENT_PORT"
    export MEILI_URL=http://127.0.0.1:$SILENT_PORT
    search_p95
    away=$P95
    unset MEILI_URL
    stop_daemon silent
    row "search, uncached, Meilisearch away, 4 connections" "95 % in $away ms" "PostgreSQL alone $alone ms" \
        "$(divide "$away" "$alone")" "95 % < 5 ms more" "$(awk -v a="$away" -v b="$alone" 'BEGIN { print a - b }')" "<" 5
}

## The recommender, against implicit's ALS

# need_implicit: implicit in an environment of its own, in PEER; PEER is empty where PyPI cannot be reached.
need_implicit() {
    PEER=$ROOT/.local/implicit/bin/python
    "$PEER" -c 'import implicit' 2>/dev/null && return
    say "installing implicit from PyPI into .local/implicit"
    { python3 -m venv .local/implicit && .local/implicit/bin/pip install -q 'implicit==0.7.*' scipy numpy; } \
        >>"$WORLD/log/commands.log" 2>&1 || PEER=""
}

# als_numbers PROGRAM...: of als_times or its rival, into IT (s/iteration), CPU (of both threads), TOP (s), PEAK (MiB).
als_numbers() {
    local line
    line=$("$@" 2>>"$WORLD/log/commands.log") || die "this failed: $*: look at the end of $WORLD/log/commands.log"
    read -r IT CPU TOP PEAK <<<"$line"
}

# Neighbours in time are compared, as everywhere here.
bench_recommender() {
    say "the trainer against implicit"
    cargo build --release --locked -p recommender --example als_times
    install "$CARGO_TARGET_DIR/release/examples/als_times" "$bin/als_times"
    TOOK=$("$bin/als_times" fold-in 128)
    row "folding in 200 interactions, 128 factors, 50,000 items" "95 % in $TOOK ms" "" "" "< 1 ms" "$TOOK" "<" 1
    need_implicit
    [[ -n $PEER ]] || {
        TABLE+="| ALS against implicit | not measured: PyPI cannot be reached for implicit 0.7 | | | | - |"$'\n'
        return
    }
    local sets=(1m) set
    [[ ! -f ${DATA_DIR:-}/ml-latest-small/ratings.csv ]] || sets=(ml-latest-small 1m)
    [[ -z ${BENCH_LARGE:-} ]] || sets+=(10m)
    for set in "${sets[@]}"; do
        local source=$set
        [[ $set != ml-* ]] || source=$DATA_DIR/$set/ratings.csv
        timed "$PEER" scripts/bench/implicit_peer.py dump "$source" "$WORLD/$set.pairs"
        als_rows "$set" cg 64 0.5
        als_rows "$set" cg 128 0.5
        als_rows "$set" cholesky 64 0.25
        als_rows "$set" cholesky 128 0.25
        rm "$WORLD/$set.pairs"
    done
}

# als_rows SET SOLVER FACTORS LIMIT
als_rows() {
    local set=$1 solver=$2 factors=$3 iterations=9 rounds=3 round
    # Its exact solver takes a minute an iteration there.
    if [[ $set == 10m ]]; then
        rounds=1
        if [[ $solver == cg ]]; then iterations=3; else iterations=1; fi
    fi
    say "ALS on $set, $solver, $factors factors"
    local -A ours theirs
    for ((round = 1; round <= rounds; round++)); do
        als_numbers "$bin/als_times" "$WORLD/$set.pairs" "$solver" "$factors" "$iterations"
        ours[it]+=" $IT" ours[cpu]+=" $CPU" ours[top]+=" $TOP" ours[peak]+=" $PEAK"
        als_numbers "$PEER" scripts/bench/implicit_peer.py time "$WORLD/$set.pairs" "$solver" "$factors" "$iterations"
        theirs[it]+=" $IT" theirs[cpu]+=" $CPU" theirs[top]+=" $TOP" theirs[peak]+=" $PEAK"
    done
    compare() { # WHAT KEY UNIT LIMIT
        local a b
        # shellcheck disable=SC2086  # lists of numbers
        a=$(median ${ours[$2]}) b=$(median ${theirs[$2]})
        row "$1" "$a $3" "implicit $b $3" "$(divide "$a" "$b")" "≤ $4" "$(divide "$a" "$b")" "<=" "$4"
    }
    compare "ALS, an iteration: $set, $solver, $factors factors" it s "$4"
    compare "the same in processor time, our last exact pass included" cpu s "$4"
    if [[ $solver == cg ]]; then
        compare "top 100 of all: $set, $factors factors" top s 0.5
        compare "peak memory: $set, $factors factors" peak MiB 0.8
    fi
}

# section NAME: whether it is wanted.
section() { [[ $ONLY == ,, || $ONLY == *,"$1",* ]]; }

if section answers; then bench_answers; fi
if section start; then bench_start; fi
if section import && [[ -n ${DATA_DIR:-} ]]; then bench_import; fi
if section growth; then bench_growth; fi
if section large && [[ -n ${BENCH_LARGE:-} ]]; then bench_large; fi
if section events; then bench_events; fi
if section visible; then bench_visible; fi
if section reviews; then bench_reviews; fi
if section drain; then bench_drain; fi
if section late; then bench_late; fi
if section reads; then bench_reads; fi
if section search; then bench_search; fi
if section recommender; then bench_recommender; fi

mkdir -p .local
printf '%s, %s cores, %s rounds of %s s\n\n%s' "$(date -u +%F)" "$(nproc)" "$ROUNDS" "$DURATION" "$TABLE" >.local/bench.md
printf '\n'
cat .local/bench.md
exit "$MISSED"
