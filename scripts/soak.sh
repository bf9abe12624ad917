#!/usr/bin/env bash
# Soak test: simulated viewers and readers against release builds while servers die, then one sum: acknowledged = stored =
# counted. Throw-away servers with the settings of up.sh; prints the figures, exit 1 if a fact is missing or counted twice.
#   SOAK_SECONDS=1800   SOAK_RATE=1000   how long, and how many events a second
# At parts of the time: 10 % nightly batch, 25 % worker killed, 40 % Redis of the queue killed, 55 % PostgreSQL away for a
# minute, 75 % nightly batch again and the worker killed within it.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/services.sh
source "$ROOT/scripts/services.sh"

LENGTH=${SOAK_SECONDS:-1800}
RATE=${SOAK_RATE:-1000}
[[ $LENGTH =~ ^[1-9][0-9]{2,4}$ && $RATE =~ ^[1-9][0-9]{0,4}$ ]] ||
    die "SOAK_SECONDS goes from 100 to 99999, SOAK_RATE from 1 to 99999"
need wrk wrk
unset DATABASE_URL REDIS_URL CACHE_REDIS_URL MEILI_URL REDIS_PREFIX TMDB_API_KEY
throw_away_world soak
for variable in API_PORT WORKER_METRICS_PORT; do free_port "$variable"; done
export API_PORT WORKER_METRICS_PORT

query_database() { "$PG_HOME/bin/psql" -qAtX -v ON_ERROR_STOP=1 "$DATABASE_URL" -c "$1"; }
backlog() { REDISCLI_AUTH=$(world_secret redis) redis-cli -p "$REDIS_PORT" xlen moviemetric:events; }
body() { http_get 127.0.0.1 "$API_PORT" "$1" | sed '1,/^\r$/d'; }

start_worker() {
    ensure_daemon worker WORKER_METRICS_PORT "$bin/worker"
    wait_ready worker 60 http_ok 127.0.0.1 "$WORKER_METRICS_PORT" /health/live
}

# kill_hard NAME: as the kernel does where memory ends.
kill_hard() {
    kill -KILL "$(recorded "$1" pid)"
    while running "$1"; do sleep 0.05; done
}

memory() { awk '/^VmRSS:/ { printf "%d", $2 / 1024 }' "/proc/$(recorded "$1" pid)/status"; }

# at PERCENT WHAT: waits for that part of the time.
at() {
    local until=$((START + LENGTH * $1 / 100))
    while ((SECONDS < until)); do sleep 0.2; done
    say "$(printf '%4d s: %s' "$((SECONDS - START))" "$2")"
}

# number NAME: a number of the viewers' summary; quantile NAME WHICH: one of its times, in milliseconds.
number() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$WORLD/viewers.json"; }
quantile() { sed -n "s/.*\"$1\":{[^}]*\"$2\":\([0-9.]*\).*/\1/p" "$WORLD/viewers.json"; }

start_postgres durable
start_redis
build_release
bin="$WORLD/bin"
say "the demo world"
"$bin/moviemetric" migrate >/dev/null
"$bin/moviemetric" demo >/dev/null
start_worker
timeout 600 "$bin/moviemetric" enqueue compute-all --wait >/dev/null
ensure_daemon api API_PORT "$bin/api"
wait_ready api 60 http_ok 127.0.0.1 "$API_PORT" /health/ready
# The demo world's own events and reviews are facts already.
before=$(query_database "SELECT (SELECT count(*) FROM viewer_events) + (SELECT count(*) FROM viewer_reviews)")

say "$RATE events a second for $LENGTH s, and readers"
"$bin/moviemetric" simulate --rate "$RATE" --for "${LENGTH}s" --movies 300 --probe --json \
    --api-url "http://127.0.0.1:$API_PORT" >"$WORLD/viewers.json" 2>>"$WORLD/log/commands.log" &
viewers=$!
START=$SECONDS
reads() { # PATH: two connections
    wrk -t1 -c2 -d"${LENGTH}s" "http://127.0.0.1:$API_PORT$1" >"$WORLD/reads-$2" 2>&1 &
}
# A full rate of reads would take the processors from what is measured: uncached reads of two connections are enough.
reads "/api/v1/trending/movies?window=6" trending
reads "/search?q=matrix" search

at 10 "nightly batch"
"$bin/moviemetric" enqueue compute-all >/dev/null
at 20 "memory: api $(memory api) MiB, worker $(memory worker) MiB"
at 25 "kill -9 of the worker"
kill_hard worker
sleep 5
start_worker
at 40 "kill -9 of the Redis that holds queue and event log"
kill_hard redis-queue
sleep 2
start_redis
at 55 "PostgreSQL away for a minute"
stop_postgres
sleep 60
ensure_postgres durable
at 75 "nightly batch, and kill -9 of the worker within it"
"$bin/moviemetric" enqueue compute-all >/dev/null
sleep 3
kill_hard worker
sleep 2
start_worker
at 95 "memory: api $(memory api) MiB, worker $(memory worker) MiB"
wait "$viewers" || [[ -s $WORLD/viewers.json ]] || die "viewers could not be simulated: look at $WORLD/log/commands.log"

say "waiting until the speed layer has caught up"
deadline=$((SECONDS + 600))
while (($(backlog) > 0)); do
    ((SECONDS < deadline)) || die "the event log still holds $(backlog) entries after ten minutes"
    sleep 0.5
done

events=$(query_database "SELECT count(*) FROM viewer_events")
reviews=$(query_database "SELECT count(*) FROM viewer_reviews")
# Probes are events of this viewer (cli/src/commands/simulate/probe.rs). The summary does not tell how many of those that
# were not seen in time had been accepted, so they are left out of this sum; they are in the next one.
probes=$(query_database "SELECT count(*) FROM viewer_events WHERE user_id = 999999999")
stored=$((events + reviews - before - probes))
acknowledged=$(($(number accepted_events) + $(number accepted_reviews)))
unanswered=$(number given_up)
counted=0
for movie in $(query_database "SELECT movie_id FROM movies ORDER BY movie_id"); do
    # Every count of the page's "viewers", whose avg_rating is no count.
    one=$(body "/api/v1/movies/$movie" | grep -o '"viewers":{[^}]*}' | grep -o '"[a-z]*s":[0-9]*' | cut -d: -f2 | paste -sd+)
    counted=$((counted + ${one:-0}))
done
printf '%s\n' "" "| what | figure |" "|---|---:|" \
    "| acknowledged | $acknowledged |" "| posts given up without an answer | $unanswered |" "| stored | $stored |" \
    "| events stored, demo world's and $probes probes included | $events |" "| events counted in the movies' pages | $counted |" \
    "| posted to seen, half, 99 %, all | $(quantile visible_ms p50), $(quantile visible_ms p99), $(quantile visible_ms max) ms |" \
    "| dead letters | $(query_database "SELECT count(*) FROM dead_letters") |" \
    "| jobs that failed | $(query_database "SELECT count(*) FROM jobs WHERE status = 'failed'") |"
grep -H 'Requests/sec\|Non-2xx\|Socket errors' "$WORLD"/reads-* | sed "s|$WORLD/||"
cat "$WORLD/viewers.json"
((counted == events)) || die "$events events are stored, $counted are counted"
((stored >= acknowledged && (unanswered > 0 || stored == acknowledged))) ||
    die "$acknowledged were acknowledged, $stored are stored"
