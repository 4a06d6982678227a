#!/usr/bin/env bash
# The TSBS cpu-only workload on one machine: starts the release server with its defaults in a temporary
# directory, loads the rows by line protocol, and asks the sixteen query types beside DuckDB and chDB over the
# same rows:
#   a  settled hot: all rows flushed, background work done
#   b  with 5 % of the rows in memory and rows arriving
#   c  cold: started again with storage.hot_for = 0s, all partitions converted; DuckDB also reads our Parquet
# Prints Markdown. Needs python3; duckdb, chdb and pyarrow come from PyPI into a virtual environment.
#
#   bench/tsbs.sh
#
#   HOSTS=100  HOURS=24   the rows: one per host and ten seconds     TYPES=all   query types, as in `tsbs --types`
#   RUNS=20               questions of each type                     PHASES=abc  which of the three
#   CLIENTS=16 BATCH=10000  how rows are sent                        RATE=5000   rows per second that arrive in b
#   BENCH_DIR=            where data lies (default: a temporary directory); rivals' tables there are used again
#   PULSORA= PROGRAMS=    a server and a directory of bench programs that are built already
#   PYTHON=               a python3 that has the packages; RIVALS=0 leaves the rivals out
set -euo pipefail
cd "$(dirname "$0")/.."

hosts=${HOSTS:-100} hours=${HOURS:-24} runs=${RUNS:-20} types=${TYPES:-all} phases=${PHASES:-abc}
clients=${CLIENTS:-16} batch=${BATCH:-10000} arriving=${RATE:-5000}

if [ -z "${PROGRAMS:-}" ]; then
    cargo build --release --quiet -p pulsora-bench --examples
fi
if [ -z "${PULSORA:-}" ]; then
    cargo build --release --quiet --bin pulsora
fi
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
programs=${PROGRAMS:-$target/release/examples} pulsora=${PULSORA:-$target/release/pulsora}

dir=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/pulsora-tsbs.XXXXXX")
rivals=${BENCH_DIR:-$dir}/rivals-$hosts-$hours
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

python=${PYTHON:-}
if [ -z "$python" ] && [ "${RIVALS:-1}" != 0 ]; then
    venv=${BENCH_DIR:-$dir}/venv
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    "$venv/bin/python" -c 'import duckdb, chdb, pyarrow' 2>/dev/null ||
        "$venv/bin/python" -m pip install --quiet duckdb chdb pyarrow || echo 'the rivals cannot be installed' >&2
    "$venv/bin/python" -c 'import pyarrow' 2>/dev/null && python=$venv/bin/python
fi

# start NAME=VALUE...: the server, with these in its environment. Its log is JSON, for its own times.
start() {
    : >"$dir/server.log"
    env "$@" PULSORA_LOGGING__FORMAT=json PULSORA_LOGGING__FILE="$dir/server.log" \
        "$pulsora" serve --listen 127.0.0.1:0 --data-dir "$dir/data" >"$dir/server.out" 2>&1 &
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
flush() { curl -fsS --noproxy '*' -o /dev/null -X POST "$url/api/v1/flush"; }
send() { "$pulsora" bench ingest --url "$url" --protocol line --exact --batch "$batch" --hosts "$hosts" "$@"; }
rate() { sed -n 's/^accepted *\(.* rows\/s\):.*/| line protocol | \1 |/p'; }

# stored FORMAT: what the server says of the table, in a format of Python's: rows, bytes, memory_rows, hot and cold
# (segments), per_row (bytes of a row that is in a segment), version (of the manifest).
stored() {
    get /api/v1/storage | python3 -c '
import json, sys
data = json.load(sys.stdin)["data"]
table = next(table for table in data["tables"] if table["table"] == "cpu")
for tier in ("hot", "cold"):
    table[tier] = sum(part["segments"] for part in table["segments"] if part["tier"] == tier)
table["per_row"] = table["bytes"] / max(table["rows"] - table["memory_rows"], 1)
print(sys.argv[1].format(version=data["manifest_version"], **table))' "$1"
}

# Waits until the manifest has not changed for five seconds.
settle() {
    local before= now since=$SECONDS
    while now=$(stored '{version}'); [ "$now" != "$before" ]; do
        before=$now
        [ $((SECONDS - since)) -lt 1800 ] || { echo 'background work does not end' >&2; exit 1; }
        sleep 5
    done
}

size() {
    echo
    stored '{rows:,} rows, {memory_rows:,} of them in memory; {hot} hot and {cold} cold segments, {bytes:,} bytes: {per_row:.2f} bytes a row'
    echo
}

ask() {
    local common=(--url "$url" --hosts "$hosts" --hours "$hours" --runs "$runs" --types "$types" --log "$dir/server.log")
    if [ -n "$python" ]; then
        "$python" bench/rivals.py --programs "$programs" --dir "$rivals" "${common[@]}" "$@"
    else
        "$programs/tsbs" "${common[@]}"
    fi
}

rows=$(awk -v hosts="$hosts" -v hours="$hours" 'BEGIN { printf "%d", int(hours * 360) * hosts }')
late=$((rows / 20)) failed=0
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
echo "$hosts hosts, $hours hours, $rows rows; $(uname -sm), $(getconf _NPROCESSORS_ONLN) cores${cpu:+ ($cpu)}, client beside the server; $runs questions of each type"
echo
echo '| loading | figure |'
echo '|---|---|'
start
send --clients "$clients" --rows $((rows - late)) | rate
flush
if [[ $phases == *b* ]]; then
    settle
    send --clients "$clients" --rows "$late" --skip $((rows - late)) >/dev/null
    send --clients 1 --rows 1000000000 --batch 1000 --skip "$rows" --rate "$arriving" >/dev/null 2>&1 &
    ingest=$!
    echo; echo "## With 5 % of the rows in memory, and $arriving rows a second arriving"
    size
    if [ -n "$python" ]; then ask --no-compare || failed=1; else ask || failed=1; fi
    size
    stop "$ingest"
    ingest=
    # The rows that arrived are not those of the rivals: begin again with theirs alone.
    stop "$server"
    server=
    rm -rf "$dir/data"
    start
    send --clients "$clients" --rows "$rows" >/dev/null
    flush
else
    send --clients "$clients" --rows "$late" --skip $((rows - late)) >/dev/null
    flush
fi
settle
if [[ $phases == *a* ]]; then
    echo; echo '## Settled, hot'
    size
    ask || failed=1
fi
if [[ $phases == *c* ]]; then
    stop "$server"
    server=
    start PULSORA_STORAGE__HOT_FOR=0s
    since=$SECONDS
    while [ "$(stored '{hot}')" != 0 ]; do
        [ $((SECONDS - since)) -lt 3600 ] || { echo 'partitions stay hot' >&2; exit 1; }
        sleep 1
    done
    settle
    echo; echo '## Cold'
    size
    if [ -n "$python" ]; then ask --cold "$dir/data/cold" || failed=1; else ask || failed=1; fi
fi
exit "$failed"
