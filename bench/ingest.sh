#!/usr/bin/env bash
# How fast rows are taken in, durably, on one machine: every row of the table is `pulsora bench ingest` with a
# release server of its own and its defaults (durability=fsync), read back by number and sums, also after a
# SIGKILL. Then the same load to other systems beside it: InfluxDB and VictoriaMetrics by line protocol with
# the same client, DuckDB and chDB for the import of the same CSV file. Prints Markdown.
#
#   bench/ingest.sh
#
#   SECONDS_EACH=60 WARM_UP=5   how long each run lasts, and before it       HOSTS=4000     hosts, sensors
#   CSV_ROWS=10000000           rows of the CSV import                       ONLY=line,csv  rows of the table by name
#   RIVALS=1                    0 leaves the others out                      BENCH_DIR=     where data lies (default: temporary)
#   PULSORA= PROGRAMS=          a binary and a directory of bench programs that are built already
#   PYTHON=                     a python3 with duckdb and chdb (default: a virtual environment is made)
#
# Others come from Debian (apt-get install influxdb victoria-metrics) and PyPI; what is not installed is left
# out, and the table says so. Each runs on loopback, alone, and is stopped after its run.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${SECONDS_EACH:-60} warm_up=${WARM_UP:-5} hosts=${HOSTS:-4000} csv_rows=${CSV_ROWS:-10000000}
only=${ONLY:-parser,line,msgpack,small,arrow,csv,one}
if [ -z "${PULSORA:-}" ]; then cargo build --release --quiet --bin pulsora; fi
if [ -z "${PROGRAMS:-}" ]; then cargo build --release --quiet --examples; fi
target=$(cargo metadata --offline --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
pulsora=${PULSORA:-$target/release/pulsora} programs=${PROGRAMS:-$target/release/examples}

dir=$(mktemp -d "${BENCH_DIR:-${TMPDIR:-/tmp}}/pulsora-ingest.XXXXXX")
export TMPDIR=$dir
other=
stop() {
    if [ -n "$other" ]; then kill "$other" 2>/dev/null || true; wait "$other" 2>/dev/null || true; fi
    other=
}
trap 'stop; rm -rf "$dir"' EXIT

wanted() { [[ ",$only," == *",$1,"* ]]; }
note() { echo "$*" >&2; }
get() { curl -fsS --noproxy '*' "$@"; }
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# await URL: until it answers.
await() {
    for _ in $(seq 300); do
        get -o /dev/null "$1" 2>/dev/null && return
        kill -0 "$other" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}

# row NAME GOAL [COUNTED]: a run in a line of the table. GOAL is rows a second, or `one`: requests by the syncs of the
# run. COUNTED are the rows that another system says it has.
row() {
    python3 -c '
import json, sys
name, goal, counted = sys.argv[1:]
run = json.load(sys.stdin)
rate, server = run["rows_per_second"], run["server"]
number = lambda value, form="{:,.0f}": "–" if value is None else form.format(value)
megabytes = lambda value: number(value and value / 1e6)
if goal == "one":
    syncs = run["syncs"]["mean_ms"] / 1e3
    goal = 0.8 * 64 / syncs
    goal = f"{goal:,.0f} (syncs of {syncs * 1e3:.2f} ms), p99 ≤ 30 ms"
elif goal.isdigit():
    goal = f"{int(goal):,}"
verified = {True: "yes", False: "NO", None: ""}[run["verified"]]
if counted:
    sent = run["rows"] + run["warm_up_rows"]
    verified = "its count agrees" if int(counted) == sent else f"it counts {int(counted):,} of {sent:,}"
if run["crash"]:
    verified += ", after SIGKILL too" if run["verified"] else " after SIGKILL"
cores = server["cpu_seconds"] and server["cpu_seconds"] / (run["flushed_seconds"] or run["seconds"])
print("|", " | ".join([name, goal, number(rate["accepted"]), number(rate["visible"]), number(rate["flushed"]),
    "{p50:.1f} / {p99:.1f} / {max:.0f}".format(**run["latency_ms"]), number(cores, "{:.2f}"),
    megabytes(server["anonymous_peak_bytes"]) + " / " + megabytes(server["resident_peak_bytes"]),
    number(run["stored"] and run["stored"]["bytes_per_row"], "{:.2f}"), verified]), "|")' "$1" "$2" "${3:-}"
}

# run NAME GOAL FLAGS...: Pulsora.
run() {
    local name=$1 goal=$2 out
    shift 2
    note "$name"
    # A run that lost rows ends with an error, and its line says so.
    out=$("$pulsora" bench ingest --hosts "$hosts" --seconds "$seconds" --warm-up "$warm_up" --verify-crash --json "$@") || note "$name failed"
    [ -n "$out" ] && row "$name" "$goal" <<<"$out"
}

head='| workload | goal, rows/s | accepted = fsynced | visible | flushed | latency p50 / p99 / max, ms | cores | memory, MB: anonymous / all | bytes a row | read back |
|---|---|---|---|---|---|---|---|---|---|'
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
echo "$(uname -sm), $(getconf _NPROCESSORS_ONLN) cores${cpu:+ ($cpu)}, client beside the server, durability=fsync, $seconds s a run after $warm_up s, load average $(cut -d' ' -f1 /proc/loadavg 2>/dev/null)"
echo
if wanted parser && [ -x "$programs/parse_speed" ]; then
    echo 'The parser alone, one core (goal 5,000,000 rows/s):'
    echo
    "$programs/parse_speed" tsbs | sed 's/^/    /'
    echo
fi
echo "$head"
if wanted line; then run 'line protocol, TSBS, 1,000 × 16' 800000 --protocol line --batch 1000 --clients 16; fi
if wanted msgpack; then run 'MessagePack columns, TSBS, 10,000 × 8' 3000000 --protocol msgpack --batch 10000 --clients 8; fi
if wanted small; then run 'MessagePack columns, one tag and two fields, 1,000 × 64' 4000000 --protocol msgpack --shape small --batch 1000 --clients 64; fi
if wanted arrow; then run 'Arrow IPC, TSBS, 10,000 × 8' 4000000 --protocol arrow --batch 10000 --clients 8; fi
if wanted one; then run 'line protocol, one row × 128' one --protocol line --batch 1 --clients 128; fi

# lines NAME URL PATH COUNT: the same lines to another system. COUNT is the command that gives its rows.
lines() {
    local out
    note "$1"
    if out=$("$pulsora" bench ingest --hosts "$hosts" --seconds "$seconds" --warm-up "$warm_up" --protocol line --batch 1000 --clients 16 --url "$2" --path "$3" --json); then
        row "$1" – "$($4 "$2")" <<<"$out"
    else
        echo "| $1 | – | refused the load | | | | | | | |"
    fi
}
count_influxdb() {
    get -G "$1/query" --data-urlencode db=bench --data-urlencode 'q=SELECT count(usage_user) FROM cpu' |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["results"][0]["series"][0]["values"][0][1])'
}
# It counts samples, ten a row.
count_victoria_metrics() {
    get "$1/metrics" | sed -n 's/^vm_rows_inserted_total{type="influx"} //p' | awk '{ printf "%d", $1 / 10 }'
}

influxdb() {
    command -v influxd >/dev/null || { echo '| InfluxDB | – | not installed | | | | | | | |'; return; }
    local port rpc
    port=$(free_port) rpc=$(free_port)
    cat >"$dir/influxdb.conf" <<CONF
reporting-disabled = true
bind-address = "127.0.0.1:$rpc"
[meta]
  dir = "$dir/influxdb/meta"
[data]
  dir = "$dir/influxdb/data"
  wal-dir = "$dir/influxdb/wal"
[http]
  bind-address = "127.0.0.1:$port"
  log-enabled = false
[monitor]
  store-enabled = false
CONF
    influxd run -config "$dir/influxdb.conf" >"$dir/influxdb.log" 2>&1 &
    other=$!
    if await "http://127.0.0.1:$port/ping" && get -o /dev/null -XPOST "http://127.0.0.1:$port/query" --data-urlencode 'q=CREATE DATABASE bench'; then
        lines "$(influxd version | cut -d' ' -f1,2), line protocol, 1,000 × 16" "http://127.0.0.1:$port" '/write?db=bench&precision=ns' count_influxdb
    else
        echo '| InfluxDB | – | does not start | | | | | | | |'
    fi
    stop
}

victoria_metrics() {
    local binary port version
    binary=$(command -v victoria-metrics || command -v victoria-metrics-prod) || { echo '| VictoriaMetrics | – | not installed | | | | | | | |'; return; }
    port=$(free_port)
    "$binary" -storageDataPath="$dir/victoria" -httpListenAddr="127.0.0.1:$port" -retentionPeriod=100y >"$dir/victoria.log" 2>&1 &
    other=$!
    if await "http://127.0.0.1:$port/health"; then
        version=$(get "http://127.0.0.1:$port/metrics" | sed -n 's/^vm_app_version{.*short_version="\([^"]*\)".*/\1/p')
        [ -n "$version" ] || version=$(dpkg-query -W -f '${Version}' victoria-metrics 2>/dev/null || true)
        lines "VictoriaMetrics $version, line protocol, 1,000 × 16 (not synced when answered)" "http://127.0.0.1:$port" '/write?precision=ns' count_victoria_metrics
    else
        echo '| VictoriaMetrics | – | does not start | | | | | | | |'
    fi
    stop
}

if [ "${RIVALS:-1}" != 0 ]; then
    if wanted line; then influxdb; victoria_metrics; fi
fi

if wanted csv; then
    note "import of $csv_rows rows"
    "$programs/generate" --format csv --shape trades --hosts 1000 --rows "$csv_rows" --out "$dir/trades.csv" 2>/dev/null
    size=$(stat -c %s "$dir/trades.csv")
    echo
    echo "Import of a CSV file of $csv_rows rows (time, symbol, price, volume; $size bytes), until all rows are counted and on disk (goal 3,000,000 rows/s):"
    echo
    echo '| system | rows/s | seconds | processor seconds | bytes a row on disk | rows |'
    echo '|---|---|---|---|---|---|'
    python=${PYTHON:-}
    if [ -z "$python" ] && [ "${RIVALS:-1}" != 0 ]; then
        python3 -m venv "$dir/venv" && "$dir/venv/bin/python" -m pip install --quiet duckdb chdb || note 'the others cannot be installed'
        python=$dir/venv/bin/python
    fi
    systems=pulsora-server,pulsora-library
    [ "${RIVALS:-1}" != 0 ] && systems=$systems,duckdb,chdb
    "${python:-python3}" bench/imports.py --pulsora "$pulsora" --csv "$dir/trades.csv" --rows "$csv_rows" --dir "$dir/imports" --systems "$systems"
fi
