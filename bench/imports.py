#!/usr/bin/env python3
"""Imports one CSV file (time in nanoseconds, symbol, price, volume) into Pulsora, DuckDB and chDB, one after the
other, and prints a line of a Markdown table for each.

Run by bench/ingest.sh; alone: imports.py --pulsora target/release/pulsora --csv trades.csv --rows 10000000 --dir /tmp/imports

A run begins before the first byte is read and ends when all rows are on disk: Pulsora's when `pulsora import` ends
(every piece is synced before it is answered) and the rows are counted; its flush is counted too, since the others
write their final files. DuckDB's ends with a checkpoint, chDB's with the INSERT (its parts are not synced by
default). Sums of price and volume must agree. Processor time is that of every process that took part.
"""

import argparse
import http.client
import json
import os
import resource
import shutil
import subprocess
import sys
import time
import urllib.parse

COUNT = "SELECT count(*), sum(price), sum(volume) FROM trades"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pulsora", required=True)
    parser.add_argument("--csv", required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--systems", default="pulsora-server,pulsora-library,duckdb,chdb")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone:
        # In a process of its own: its processor time is that of the system and of nothing else.
        print(json.dumps(SYSTEMS[args.alone](args)))
        return
    sums = None
    for system in args.systems.split(","):
        shutil.rmtree(args.dir, ignore_errors=True)
        os.makedirs(args.dir)
        with open(args.csv, "rb") as file:
            while file.read(1 << 24):  # into the page cache, for everybody
                pass
        alone = [sys.executable, __file__, "--alone", system]
        for flag in ("pulsora", "csv", "rows", "dir"):
            alone += ["--" + flag, str(getattr(args, flag))]
        ran = subprocess.run(alone, stdout=subprocess.PIPE, text=True)
        if ran.returncode:
            print(f"| {system} | not measured | | | | |")
            continue
        result = json.loads(ran.stdout.splitlines()[-1])
        count, *found = result["counted"]
        sums = sums or found
        same = all(abs(a - b) <= 1e-9 * abs(b) for a, b in zip(found, sums))
        verdict = f"{count:,}" if count == args.rows and same else f"{count:,}: NOT the rows of the file"
        print(f"| {result['name']} | {args.rows / result['seconds']:,.0f} | {result['seconds']:.2f} | {result['cpu']:.2f} "
              f"| {result['bytes'] / max(count, 1):.2f} | {verdict} |", flush=True)
    shutil.rmtree(args.dir, ignore_errors=True)


def size(path):
    return sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(path) for name in names)


def cpu():
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


def imported(args, place):
    command = [args.pulsora, "import", args.csv, "--table", "trades", "--tags", "symbol", "--time-format", "ns", *place]
    print(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip(), file=sys.stderr)


def pulsora_server(args):
    data = os.path.join(args.dir, "data")
    command = [args.pulsora, "serve", "--listen", "127.0.0.1:0", "--log-level", "warn", "--data-dir", data]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        url = next(line.split()[-1] for line in server.stdout if line.startswith("listening on"))
        address = urllib.parse.urlsplit(url)

        def ask(method, path, body=None):
            connection = http.client.HTTPConnection(address.hostname, address.port)
            connection.request(method, path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()

        while ask("GET", "/ready")[0] != 200:
            time.sleep(0.01)
        before, since = cpu_of(server.pid), time.perf_counter()
        imported(args, ["--url", url])
        accepted = time.perf_counter() - since
        ask("POST", "/api/v1/flush")
        seconds = time.perf_counter() - since
        used = cpu_of(server.pid) - before + cpu()
        counted = json.loads(ask("POST", "/api/v1/query", json.dumps({"sql": COUNT}))[1])["data"][0]
        print(f"all answered after {accepted:.2f} s", file=sys.stderr)
        stored = size(os.path.join(data, "hot")) + size(os.path.join(data, "cold"))
    finally:
        server.terminate()
        server.wait()
    name = f"Pulsora, server ({args.rows / accepted:,.0f} rows/s until the last answer)"
    return {"name": name, "seconds": seconds, "cpu": used, "counted": counted, "bytes": stored}


def cpu_of(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def pulsora_library(args):
    data = os.path.join(args.dir, "data")
    since = time.perf_counter()
    imported(args, ["--data-dir", data])
    seconds, used = time.perf_counter() - since, cpu()
    out = subprocess.run([args.pulsora, "sql", COUNT, "--data-dir", data, "--format", "csv"], check=True, stdout=subprocess.PIPE, text=True).stdout
    counted = [float(cell) for cell in out.splitlines()[1].split(",")]
    counted[0] = int(counted[0])
    stored = size(os.path.join(data, "hot")) + size(os.path.join(data, "cold"))
    return {"name": "Pulsora, import into a directory", "seconds": seconds, "cpu": used, "counted": counted, "bytes": stored}


def duckdb(args):
    import duckdb
    path = os.path.join(args.dir, "trades.duckdb")
    base = duckdb.connect(path)
    before, since = cpu(), time.perf_counter()
    base.execute(f"CREATE TABLE trades AS SELECT make_timestamp_ns(time) AS time, symbol, price, volume FROM read_csv('{args.csv}')")
    base.execute("CHECKPOINT")
    seconds, used = time.perf_counter() - since, cpu() - before
    counted = list(base.execute(COUNT).fetchone())
    return {"name": f"DuckDB {duckdb.__version__}", "seconds": seconds, "cpu": used, "counted": [counted[0], counted[1], int(counted[2])],
            "bytes": os.path.getsize(path)}


def chdb(args):
    import chdb
    from chdb import session
    base = session.Session(os.path.join(args.dir, "chdb"))
    base.query("CREATE DATABASE bench")
    base.query("CREATE TABLE bench.trades (time DateTime64(9, 'UTC'), symbol LowCardinality(String), price Float64, volume Int64) "
               "ENGINE = MergeTree ORDER BY (symbol, time)")
    before, since = cpu(), time.perf_counter()
    base.query("INSERT INTO bench.trades SELECT fromUnixTimestamp64Nano(time), symbol, price, volume "
               f"FROM file('{args.csv}', CSVWithNames, 'time Int64, symbol String, price Float64, volume Int64')")
    seconds, used = time.perf_counter() - since, cpu() - before
    cells = str(base.query(COUNT.replace("trades", "bench.trades"), "CSV")).strip().split(",")
    parts = "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'trades'"
    stored = int(str(base.query(parts, "CSV")).strip())
    return {"name": f"chDB {chdb.__version__}", "seconds": seconds, "cpu": used, "counted": [int(cells[0]), float(cells[1]), int(cells[2])],
            "bytes": stored}


SYSTEMS = {"pulsora-server": pulsora_server, "pulsora-library": pulsora_library, "duckdb": duckdb, "chdb": chdb}

if __name__ == "__main__":
    main()
