#!/usr/bin/env bash
# Measures one machine: starts the release server with its defaults (durability=fsync) in a temporary
# directory, runs the benchmark programs against it, and prints a Markdown table (or, with --json, lines
# of JSON). Takes some minutes after the build.
#
#   bench/run.sh [--json]
#
#   ROWS=2000000        rows of each protocol        BATCH=5000   rows of a request
#   QUERY_ROWS=10000000 rows under the queries       CLIENTS=4    clients at once
#   HOSTS=1000          hosts of the fleet           BENCH_DIR=   where data lies (default: a temporary directory)
set -euo pipefail
cd "$(dirname "$0")/.."

format=()
[ "${1:-}" = --json ] && format=(--json)
rows=${ROWS:-2000000} query_rows=${QUERY_ROWS:-10000000} batch=${BATCH:-5000} clients=${CLIENTS:-4} hosts=${HOSTS:-1000}

cargo build --release --quiet --bin pulsora
cargo build --release --quiet -p pulsora-bench --examples
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
programs=$target/release

dir=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/pulsora-bench.XXXXXX")
server=
finish() {
    if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
    rm -rf "$dir"
}
trap finish EXIT

"$programs/pulsora" serve --listen 127.0.0.1:0 --data-dir "$dir/data" >"$dir/server.log" 2>&1 &
server=$!
url=
for _ in $(seq 300); do
    url=$(sed -n 's/.*listening on \(http:\/\/[0-9.:]*\).*/\1/p' "$dir/server.log" | head -n 1)
    [ -n "$url" ] && curl -fsS --noproxy '*' -o /dev/null "$url/ready" 2>/dev/null && break
    kill -0 "$server" 2>/dev/null || { cat "$dir/server.log" >&2; exit 1; }
    sleep 0.1
done
[ -n "$url" ] || { echo 'the server does not say where it listens' >&2; exit 1; }

ingest() { "$programs/pulsora" bench ingest --url "$url" --exact --batch "$batch" --clients "$clients" --hosts "$hosts" "$@"; }
# figures NAME: an ingest in the lines of the table.
figures() {
    if [ ${#format[@]} -gt 0 ]; then cat; return; fi
    python3 -c '
import json, sys
run = json.load(sys.stdin)
print("| {}, {batch:,} rows a request, {clients} clients | {:,.0f} rows/s ({:.0f} MB/s) |".format(
    sys.argv[1], run["rows_per_second"]["accepted"], run["body_bytes"] / run["seconds"] / 1e6, **run))
print("| – latency of a request, median / p99 | {p50:.1f} ms / {p99:.1f} ms |".format(**run["latency_ms"]))' "$1"
}
query() { "$programs/examples/query" --url "$url" --hosts "$hosts" --pid "$server" "${format[@]}" "$@"; }

if [ ${#format[@]} -eq 0 ]; then
    cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
    echo "$(uname -sm), $(getconf _NPROCESSORS_ONLN) cores${cpu:+ ($cpu)}, client beside the server, durability=fsync"
    echo
    echo '| what | figure |'
    echo '|---|---|'
fi
query --memory-only
for protocol in line msgpack csv; do
    ingest --protocol "$protocol" --shape tsbs --rows "$rows" --table "cpu_$protocol" --json | figures "$protocol"
done
ingest --protocol msgpack --rows "$query_rows" --table cpu >/dev/null
curl -fsS --noproxy '*' -o /dev/null -X POST "$url/api/v1/flush"
query
