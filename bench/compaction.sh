#!/usr/bin/env bash
# What compaction is worth and what it costs, on the TSBS cpu-only workload: starts the release server in a
# temporary directory and compares three states of the same rows,
#   one go    loaded at full speed, flushed and compacted: what is as good as it gets
#   flushing  the last tenth arrives over MINUTES minutes while everything is flushed every five seconds
#   after     the same rows when they have been compacted
# by the times of the sixteen query types (without the result cache), by bytes, by the number of overlapping
# segments, and by bytes written per byte ingested. Prints Markdown; ends with 1 where a bound of the issue is missed:
# after at most 1.3 times one go and 1.05 times its bytes, flushing at most 3 times after and 16 overlapping.
#
#   bench/compaction.sh
#
#   HOSTS=100  HOURS=24     the rows: one per host and ten seconds     TYPES=all   query types, as in `tsbs --types`
#   RUNS=20                 questions of each type                     MINUTES=5   how long the last tenth takes
#   CLIENTS=16 BATCH=10000  how rows are sent                          COLD=1      compare Parquet, not hot segments
#   BENCH_DIR=              where data lies (default: a temporary directory)
#   PULSORA= PROGRAMS=      a server and a directory of bench programs that are built already
set -euo pipefail
cd "$(dirname "$0")/.."

hosts=${HOSTS:-100} hours=${HOURS:-24} runs=${RUNS:-20} types=${TYPES:-all} minutes=${MINUTES:-5}
clients=${CLIENTS:-16} batch=${BATCH:-10000} cold=${COLD:-0}

if [ -z "${PROGRAMS:-}" ]; then
    cargo build --release --quiet -p pulsora-bench --examples
fi
if [ -z "${PULSORA:-}" ]; then
    cargo build --release --quiet --bin pulsora
fi
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
programs=${PROGRAMS:-$target/release/examples} pulsora=${PULSORA:-$target/release/pulsora}

dir=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/pulsora-compaction.XXXXXX")
server= ingest=
stop() {
    if [ -n "$1" ]; then kill "$1" 2>/dev/null || true; wait "$1" 2>/dev/null || true; fi
}
finish() {
    stop "$ingest"
    stop "$server"
    rm -rf "$dir"
}
trap finish EXIT

start() {
    PULSORA_QUERY__CACHE=0 "$pulsora" serve --listen 127.0.0.1:0 --data-dir "$dir/$1" >"$dir/server.out" 2>&1 &
    server=$!
    url=
    for _ in $(seq 600); do
        url=$(sed -n 's/.*listening on \(http:\/\/[0-9.:]*\).*/\1/p' "$dir/server.out" | head -n 1)
        [ -n "$url" ] && get /ready >/dev/null 2>&1 && return
        kill -0 "$server" 2>/dev/null || { cat "$dir/server.out" >&2; exit 1; }
        sleep 0.1
    done
    echo 'the server does not say where it listens, or is not ready' >&2
    exit 1
}
get() { curl -fsS --noproxy '*' "$url$1"; }
post() { curl -fsS --noproxy '*' -o /dev/null -X POST "$url$1"; }
send() { "$pulsora" bench ingest --url "$url" --protocol line --exact --hosts "$hosts" "$@" >/dev/null; }
ask() { "$programs/tsbs" --json --url "$url" --hosts "$hosts" --hours "$hours" --runs "$runs" --types "$types" >"$dir/$1.times"; }

# Everything flushed and compacted, to Parquet where that is compared.
compact() {
    if [ "$cold" = 1 ]; then post '/api/v1/flush?cold=true'; else post /api/v1/flush; fi
    post '/api/v1/compaction/trigger?wait=true'
}
# What the server says at the end of a state, and what it said while rows arrived.
note() { get /api/v1/storage >"$dir/$1.storage"; get /api/v1/compaction/stats >"$dir/$1.stats"; }

rows=$(awk -v hosts="$hosts" -v hours="$hours" 'BEGIN { printf "%d", int(hours * 360) * hosts }')
late=$((rows / 10))
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
echo "$hosts hosts, $hours hours, $rows rows, the last $late in $minutes minutes; $(uname -sm), $(getconf _NPROCESSORS_ONLN) cores${cpu:+ ($cpu)}, client beside the server; $runs questions of each type"

start one
send --clients "$clients" --batch "$batch" --rows "$rows"
compact
ask one
note one
stop "$server"

start many
send --clients "$clients" --batch "$batch" --rows $((rows - late))
post /api/v1/flush
send --clients 1 --batch 100 --rows "$late" --skip $((rows - late)) --rate $((late / (minutes * 60))) &
ingest=$!
(
    trap 'exit 0' TERM
    while kill -0 "$ingest" 2>/dev/null; do
        sleep 5
        post /api/v1/flush || true
        get /api/v1/compaction/stats >>"$dir/during" && echo >>"$dir/during"
    done
) &
flusher=$!
# The questions are asked while the last third of the rows arrives: the first two have left their segments.
sleep $((minutes * 40))
ask flushing
wait "$ingest"
ingest=
kill "$flusher" 2>/dev/null || true
wait "$flusher" 2>/dev/null || true
note flushing
compact
ask after
note after

python3 - "$dir" <<'P'
import json, sys

dir = sys.argv[1]
read = lambda name: json.load(open(f"{dir}/{name}"))
times = {state: {row["type"]: row["median_ms"] for row in map(json.loads, open(f"{dir}/{state}.times"))}
         for state in ("one", "flushing", "after")}
missed = []

def bound(what, value, most):
    if value > most:
        missed.append(f"{what}: {value:.2f} is more than {most}")
    return f"{value:.2f}"

print("\n| type | one go ms | flushing ms | after ms | after / one go | flushing / after |\n|---|---|---|---|---|---|")
for kind, one in times["one"].items():
    flushing, after = times["flushing"][kind], times["after"][kind]
    print(f"| {kind} | {one:.2f} | {flushing:.2f} | {after:.2f} | {bound(kind + ', after / one go', after / one, 1.3)} "
          f"| {bound(kind + ', flushing / after', flushing / after, 3)} |")
size = lambda state: next(t for t in read(f"{state}.storage")["data"]["tables"] if t["table"] == "cpu")
one, after = size("one"), size("after")
print(f"\n{one['rows']:,} rows: {one['bytes']:,} bytes in one go, {after['bytes']:,} after: "
      f"{bound('bytes', after['bytes'] / one['bytes'], 1.05)} times")
during = [json.loads(line) for line in open(f"{dir}/during") if line.strip()]
most = max(stats["overlapping_segments_max"] for stats in during)
bound("overlapping segments", most, 16)
stats = read("after.stats")
written, space = stats["write_amplification"], read("flushing.stats")["space_amplification"]
print(f"At most {most} overlapping segments in {len(during)} flushes; {stats['total_jobs_completed']} jobs. "
      f"Written per byte ingested: log {written['wal']:.2f}, flush {written['flush']:.2f}, compaction {written['compaction']:.2f}, "
      f"together {written['total']:.2f}. On disk per live byte of segments: {space['segments']:.2f}, with the log {space['with_wal']:.2f}.")
for line in missed:
    print("missed:", line)
sys.exit(bool(missed))
P
