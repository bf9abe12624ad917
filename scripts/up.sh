#!/usr/bin/env bash
# Builds MovieMetric, starts what it needs, loads the demo world, runs the nightly batch once and leaves the three
# services running in the background. Run it again at any time: it starts what has stopped, restarts what has changed
# and loses nothing. scripts/down.sh stops it all.
#
# Servers of your own: DATABASE_URL, REDIS_URL, CACHE_REDIS_URL, MEILI_URL.
# SIMULATE_RATE: events a second by which simulated viewers keep the demo world alive, 5; 0 leaves it still.
# Ports: API_PORT, WORKER_METRICS_PORT, SCHEDULER_METRICS_PORT, PG_PORT, REDIS_PORT, CACHE_REDIS_PORT, MEILI_PORT.
# shellcheck source=scripts/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# shellcheck source=scripts/services.sh
source "$ROOT/scripts/services.sh"
(($# == 0)) || die "up.sh takes no arguments: what can be set is named at its top"
use_world "$ROOT/.local"
one_at_a_time "$@"

# A port once chosen stays, so that the next run needs no variable to find what runs.
port_setting() {
    [[ -n ${!1:-} ]] || printf -v "$1" %s "$(sed -n "s/^$1=//p" "$WORLD/ports" 2>/dev/null || true)"
    [[ -n ${!1} ]] || printf -v "$1" %s "$2"
    export "${1?}"
    ports+="$1=${!1}"$'\n'
}
[[ ${SIMULATE_RATE:=5} =~ ^[0-9]{1,5}$ ]] || die "SIMULATE_RATE must be a whole number up to 99999; 0 for no viewers"
ports=""
port_setting API_PORT 8000
port_setting WORKER_METRICS_PORT 9101
port_setting SCHEDULER_METRICS_PORT 9102
port_setting PG_PORT 15432
port_setting REDIS_PORT 16379
port_setting CACHE_REDIS_PORT 16380
port_setting MEILI_PORT 17700
# Before the build, which takes minutes.
claim_port api API_PORT
claim_port worker WORKER_METRICS_PORT
claim_port scheduler SCHEDULER_METRICS_PORT

start_servers durable
printf %s "$ports" >"$WORLD/ports"
build_release
bin="$WORLD/bin"

say "migrating the database"
"$bin/moviemetric" migrate

# Made once: a second run must not lock out who has the key.
[[ -s $WORLD/admin-key ]] || (umask 077 && "$bin/moviemetric" admin-key >"$WORLD/admin-key.new" && mv "$WORLD/admin-key.new" "$WORLD/admin-key")
ADMIN_API_KEY=$(sed -n 's/^key=//p' "$WORLD/admin-key")
ADMIN_API_KEY_SHA256=$(sed -n 's/^sha256=//p' "$WORLD/admin-key")
export ADMIN_API_KEY_SHA256 ASSETS_DIR="$WORLD/assets" OBJECT_STORE_URL="${OBJECT_STORE_URL:-$WORLD/objects}"
bash scripts/redoc.sh "$ASSETS_DIR" || say "going on: /redoc stays without its script, /docs works"

# What a service reads; a change restarts it. The two that demo.env adds are for callers.
SETTINGS=$(env | grep -E '^(ADMIN|API|ARTIFACT|ASSETS|CACHE|DATABASE|DEMO|EVENT|JOBS|LOG|MEILI|OBJECT|RECOMMENDATION|RECOMMENDER|REDIS|REFRESH|SCHEDULE|SCHEDULER|SPEED|TMDB|WORKER)_' |
    grep -vE '^(API_URL|ADMIN_API_KEY)=' | sort)
# An address for "all interfaces" is no address to call.
case ${API_HOST:=127.0.0.1} in 0.0.0.0 | ::) host=127.0.0.1 ;; *) host=$API_HOST ;; esac

say "starting api, worker and scheduler"
ensure_daemon api API_PORT "$bin/api"
ensure_daemon worker WORKER_METRICS_PORT "$bin/worker"
ensure_daemon scheduler SCHEDULER_METRICS_PORT "$bin/scheduler"
# shellcheck disable=SC2153
wait_ready api 60 http_ok "$host" "$API_PORT" /health/ready
wait_ready worker 60 http_ok "${WORKER_HOST:-127.0.0.1}" "$WORKER_METRICS_PORT" /health/ready
wait_ready scheduler 60 http_ok "${SCHEDULER_HOST:-127.0.0.1}" "$SCHEDULER_METRICS_PORT" /health/ready

demo=""

# The demo world goes into an empty catalogue, or brings the one that this script loaded up to today; a catalogue that
# holds somebody's movies is left alone. The mark is "<day> <database>", the day being "begun" until all of it is there.
load_demo_world() {
    local database=own day="" marked="" movies
    ! given DATABASE_URL || database=$(printf %s "$DATABASE_URL" | sha256sum | cut -c1-16)
    [[ ! -f $WORLD/demo ]] || read -r day marked <"$WORLD/demo"
    if [[ $marked != "$database" ]]; then
        movies=$(http_get "$host" "$API_PORT" '/api/v1/movies?limit=1' | tr -d '\0' | grep -o '"total":[0-9]*' | head -n 1)
        [[ -n $movies ]] || die "the API does not tell how many movies there are: look into $WORLD/log/api.log"
        if [[ $movies != '"total":0' ]]; then
            say "the catalogue holds ${movies#*:} movies already: the demo world stays out"
            return
        fi
    fi
    demo=yes
    if [[ "$day $marked" == "$(date -u +%F) $database" ]]; then
        say "the demo world is up to date"
        return
    fi
    echo "begun $database" >"$WORLD/demo"
    say "loading the demo world"
    "$bin/moviemetric" demo
    say "running the nightly batch"
    timeout 1800 "$bin/moviemetric" enqueue compute-all --wait ||
        die "the nightly batch did not finish: look into $WORLD/log/worker.log, then run this again"
    say "training the recommender"
    timeout 1800 "$bin/moviemetric" enqueue train-recommender --wait ||
        die "the recommender was not trained: look into $WORLD/log/worker.log, then run this again"
    # Else nothing is observed before the hour's twentieth minute, and trending knows viewers only.
    timeout 300 "$bin/moviemetric" enqueue refresh-popular --wait ||
        die "popular movies were not refreshed: look into $WORLD/log/worker.log, then run this again"
    echo "$(date -u +%F) $database" >"$WORLD/demo"
}
if [[ -n ${TMDB_API_KEY:-} ]]; then
    say "TMDB_API_KEY is set, so there is no demo world: $bin/moviemetric enqueue ingest --mode full fetches the movies"
else
    load_demo_world
fi

# Simulated viewers are for the demo world alone: among somebody's own movies they would be false facts. They go home
# after half a day, for a demo left alone must not fill the disk; the next up.sh brings them back.
viewers="none (SIMULATE_RATE, for the demo world)"
if [[ -n $demo ]] && ((10#$SIMULATE_RATE > 0)); then
    say "starting simulated viewers"
    ensure_daemon simulate - "$bin/moviemetric" simulate --rate "$SIMULATE_RATE" --for 12h \
        --api-url "http://$host:$API_PORT"
    viewers="$SIMULATE_RATE events a second, simulated for 12 hours; scripts/up.sh starts them again (SIMULATE_RATE=0 for none)"
else
    stop_daemon simulate
fi

# Quoted where a shell would read more than a word.
setting() { if [[ $2 =~ ^[A-Za-z0-9_.,:/@%+=-]*$ ]]; then echo "$1=$2"; else echo "$1='${2//\'/\'\\\'\'}'"; fi; }
(
    umask 077
    {
        setting API_URL "http://$host:$API_PORT"
        setting ADMIN_API_KEY "$ADMIN_API_KEY"
        for name in DATABASE_URL REDIS_URL CACHE_REDIS_URL MEILI_URL MEILI_MASTER_KEY; do
            [[ -z ${!name:-} ]] || setting "$name" "${!name}"
        done
    } >"$WORLD/demo.env.new"
    mv "$WORLD/demo.env.new" "$WORLD/demo.env"
)

cat <<END

MovieMetric is up.
  API        http://$host:$API_PORT  (try /movies/trending; documentation at /docs and /redoc)
  worker     http://${WORKER_HOST:-127.0.0.1}:$WORKER_METRICS_PORT/metrics
  scheduler  http://${SCHEDULER_HOST:-127.0.0.1}:$SCHEDULER_METRICS_PORT/metrics
  viewers    $viewers
  admin key  $ADMIN_API_KEY
  settings   .local/demo.env, to be sourced
  tool       .local/bin/moviemetric
  logs       .local/log
  stop       scripts/down.sh
END
