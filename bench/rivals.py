#!/usr/bin/env python3
"""The sixteen TSBS cpu-only queries on Pulsora, DuckDB and chDB in one run, and whether their answers agree.

Run by bench/tsbs.sh; alone: rivals.py --programs target/release/examples --url http://127.0.0.1:8080 --dir /tmp/rivals

All three hold the rows of `generate`: Pulsora behind --url, the others in tables sorted by (hostname, time) under
--dir, made there once. With --cold, DuckDB also reads the Parquet files below that directory. Every type is asked in
rounds, engine after engine, with the same windows and hosts; each round of an engine begins with a question that is
not timed. Answers come as Arrow; the clock stops when all of one is in the memory of the client. Needs duckdb, chdb and
pyarrow; an engine that is not installed is left out, and the table says so.
"""

import argparse
import datetime
import http.client
import io
import json
import math
import os
import subprocess
import sys
import time
import urllib.parse

TAGS = "hostname region datacenter rack os arch team service service_version service_environment".split()
FIELDS = ["usage_" + name for name in "user system idle nice iowait irq softirq steal guest guest_nice".split()]
MAXIMA = {"single-groupby-1": 1, "single-groupby-5": 5, "cpu-max-all": 10}
MEANS = {"double-groupby-1": 1, "double-groupby-5": 5, "double-groupby-all": 10}
EPOCH = datetime.datetime(1970, 1, 1)
# Relative difference of sums up to which answers agree: means are added in different orders.
TOLERANCE = 1e-9


def main():
    args = arguments()
    engines = [Pulsora(args)]
    for start in (lambda: DuckTable(args), lambda: DuckParquet(args), lambda: Chdb(args)):
        try:
            engine = start()
        except ImportError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        if engine.ready():
            engines.append(engine)
    results = [measure(args, engines, kind) for kind in types(args)]
    if args.json:
        for result in results:
            print(json.dumps(result))
    else:
        print_table(engines, results)
    sys.exit(0 if all(not result["differences"] for result in results) else 1)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", required=True, help="directory of the programs tsbs and generate")
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--dir", required=True, help="where the others keep their tables")
    parser.add_argument("--cold", help="directory of Parquet files that DuckDB reads too")
    parser.add_argument("--log", help="log of the server as JSON, for its own times")
    parser.add_argument("--hosts", default="100")
    parser.add_argument("--hours", default="24")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=4, help="how often the engines take turns within a type")
    parser.add_argument("--types", default="all")
    parser.add_argument("--last-value", action="store_true", help="see tsbs --last-value")
    parser.add_argument("--no-compare", action="store_true", help="rows are arriving: answers differ")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def program(args, *more):
    command = [os.path.join(args.programs, "tsbs"), "--hosts", args.hosts, "--hours", args.hours, *more]
    if args.last_value:
        command.append("--last-value")
    out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


def types(args):
    """Questions by type, in the order of the types."""
    kinds = {}
    for line in program(args, "--print", "--types", args.types, "--runs", str(args.runs)):
        kinds.setdefault(line["type"], []).append(line)
    return list(kinds.values())


def measure(args, engines, questions):
    kind = questions[0]["type"]
    times = {engine.name: [] for engine in engines}
    step = math.ceil(len(questions) / args.rounds)
    for begin in range(0, len(questions), step):
        for engine in engines:
            times[engine.name] += engine.times(questions[begin:begin + step])
    result = {"type": kind, "runs": len(questions), "ms": times, "differences": []}
    if engines[0].server_ms:
        result["server_ms"], engines[0].server_ms = engines[0].server_ms, []
    if not args.no_compare:
        ours = digest(engines[0].answer(questions[0]))
        result["rows"] = ours["rows"]
        for engine in engines[1:]:
            result["differences"] += differences(engine.name, ours, digest(engine.answer(questions[0])))
    note = "; ".join(f"{name} {median(values):.2f}" for name, values in times.items())
    print(f"{kind}: {note} {' '.join(result['differences'])}", file=sys.stderr)
    return result


def statement(question, dialect):
    """A question in the dialect of DuckDB or ClickHouse; Pulsora's comes from `tsbs`."""
    kind, table = question["type"], dialect["table"]
    start, end = (dialect["time"](question[name]) for name in ("start_ns", "end_ns"))
    window = f"time >= {start} AND time < {end}"
    hosts = ", ".join(f"'{host}'" for host in question["hosts"])
    hosts = f"hostname IN ({hosts}) AND " if hosts else ""
    for prefix, fields in MAXIMA.items():
        if kind.startswith(prefix):
            bucket = dialect["hour" if prefix == "cpu-max-all" else "minute"]
            return f"SELECT {bucket} AS bucket, {listed('max', fields)} FROM {table} WHERE {hosts}{window} GROUP BY 1 ORDER BY 1"
    if kind in MEANS:
        return (f"SELECT {dialect['hour']} AS bucket, hostname, {listed('avg', MEANS[kind])} FROM {table} "
                f"WHERE {window} GROUP BY 1, 2 ORDER BY 1, 2")
    if kind == "groupby-orderby-limit":
        return (f"SELECT {dialect['minute']} AS bucket, max(usage_user) AS max_usage_user FROM {table} "
                f"WHERE time < {end} GROUP BY 1 ORDER BY 1 DESC LIMIT 5")
    if kind.startswith("high-cpu"):
        return f"SELECT {dialect['all']} FROM {table} WHERE {hosts}usage_user > 90.0 AND {window}"
    if kind == "lastpoint":
        return dialect["last"]
    raise ValueError(kind)


def listed(function, fields):
    return ", ".join(f"{function}({name}) AS {function}_{name}" for name in FIELDS[:fields])


def timed(engine, questions):
    times = []
    for at, question in enumerate(questions[:1] + questions):
        since = time.perf_counter()
        engine.run(question)
        if at:
            times.append((time.perf_counter() - since) * 1e3)
    return times


class Pulsora:
    name = "Pulsora"

    def __init__(self, args):
        self.args, self.server_ms = args, []

    def times(self, questions):
        first = questions[0]
        more = ["--log", self.args.log] if self.args.log else []
        line, = program(self.args, "--json", "--url", self.args.url, "--types", first["type"], "--from",
                        str(first["run"]), "--runs", str(len(questions)), *more)
        self.server_ms += line["server_ms"]
        return line["ms"]

    def answer(self, question):
        import pyarrow
        address = urllib.parse.urlsplit(self.args.url)
        connection = http.client.HTTPConnection(address.hostname, address.port)
        connection.request("POST", "/api/v1/query/arrow", json.dumps({"sql": question["sql"]}),
                           {"content-type": "application/json"})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            sys.exit(f"{question['sql']}: {answer.status} {body[:500]}")
        return pyarrow.ipc.open_stream(io.BytesIO(body)).read_all()


def duck_time(nanoseconds):
    return f"TIMESTAMP '{EPOCH + datetime.timedelta(microseconds=nanoseconds // 1000)}'"


class Duck:
    """DuckDB; `source` is what stands behind FROM."""

    def __init__(self, args, table, time="time"):
        import duckdb
        import pyarrow  # noqa: F401 - the answers are its tables
        self.args = args
        os.makedirs(args.dir, exist_ok=True)
        self.base = duckdb.connect(os.path.join(args.dir, "rows.duckdb"))
        self.base.execute("SET TimeZone = 'UTC'")
        # The fastest of the forms tried: DISTINCT ON, arg_max of all columns, and this join.
        last = (f"SELECT rows.* FROM {table} AS rows JOIN (SELECT hostname, max(time) AS time FROM {table} GROUP BY hostname) "
                "AS newest ON rows.hostname = newest.hostname AND rows.time = newest.time ORDER BY rows.hostname")
        self.dialect = {"table": table, "time": duck_time, "minute": f"date_trunc('minute', {time})",
                        "hour": f"date_trunc('hour', {time})", "all": "*", "last": last}

    def run(self, question):
        return self.base.sql(statement(question, self.dialect)).to_arrow_table()

    answer = run

    def times(self, questions):
        return timed(self, questions)


class DuckTable(Duck):
    name = "DuckDB"

    def __init__(self, args):
        super().__init__(args, "cpu")

    def ready(self):
        if not self.base.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'cpu'").fetchall():
            since = time.perf_counter()
            self.base.execute(f"CREATE TABLE cpu AS SELECT * FROM read_parquet('{rows_file(self.args)}')")
            self.base.execute("CHECKPOINT")
            size = os.path.getsize(os.path.join(self.args.dir, "rows.duckdb"))
            (rows,), = self.base.execute("SELECT count(*) FROM cpu").fetchall()
            note_load(self.name, rows, size, since)
        return True


class DuckParquet(Duck):
    name = "DuckDB over our Parquet"

    def __init__(self, args):
        files = os.path.join(args.cold or "", "**", "*.parquet")
        columns = ", ".join(["time", *TAGS, *FIELDS])
        # Our times have nanoseconds and a zone, which date_trunc does not take.
        super().__init__(args, "cold", "make_timestamp_ns(epoch_ns(time))")
        if args.cold:
            source = f"read_parquet('{files}')"
            self.base.execute(f"CREATE OR REPLACE TEMP VIEW cold AS SELECT {columns} FROM {source}")

    def ready(self):
        return bool(self.args.cold)


class Chdb:
    name = "chDB"

    def __init__(self, args):
        from chdb import session
        import pyarrow  # noqa: F401 - the answers are its tables
        self.args = args
        os.makedirs(args.dir, exist_ok=True)
        self.session = session.Session(os.path.join(args.dir, "chdb"))
        last = "SELECT * FROM bench.cpu ORDER BY hostname, time DESC LIMIT 1 BY hostname"
        literal = lambda ns: f"fromUnixTimestamp64Milli(toInt64({ns // 1_000_000}), 'UTC')"
        self.dialect = {"table": "bench.cpu", "time": literal, "minute": "toStartOfMinute(time)",
                        "hour": "toStartOfHour(time)", "all": "*", "last": last}

    def ready(self):
        since = time.perf_counter()
        self.session.query("CREATE DATABASE IF NOT EXISTS bench")
        if "cpu" in str(self.session.query("SHOW TABLES FROM bench", "CSV")):
            return True
        columns = ["time DateTime64(3, 'UTC')", *(f"{tag} LowCardinality(String)" for tag in TAGS),
                   *(f"{field} Int64" for field in FIELDS)]
        self.session.query(f"CREATE TABLE bench.cpu ({', '.join(columns)}) ENGINE = MergeTree ORDER BY (hostname, time)")
        self.session.query(f"INSERT INTO bench.cpu SELECT * FROM file('{rows_file(self.args)}', Parquet)")
        self.session.query("OPTIMIZE TABLE bench.cpu FINAL")
        counted = "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'cpu'"
        rows, size = (int(text) for text in str(self.session.query(counted, "CSV")).strip().split(","))
        note_load(self.name, rows, size, since)
        return True

    def run(self, question):
        return self.session.query(statement(question, self.dialect), "ArrowStream").bytes()

    def answer(self, question):
        import pyarrow
        return pyarrow.ipc.open_stream(io.BytesIO(self.run(question))).read_all()

    def times(self, questions):
        return timed(self, questions)


def rows_file(args):
    """The rows as Parquet, in order of host name and time."""
    path = os.path.join(os.path.abspath(args.dir), "rows.parquet")
    if not os.path.exists(path):
        command = [os.path.join(args.programs, "generate"), "--format", "parquet", "--hosts", args.hosts,
                   "--hours", args.hours, "--out", path + ".new"]
        subprocess.run(command, check=True)
        os.rename(path + ".new", path)
    return path


def note_load(name, rows, size, since):
    seconds = time.perf_counter() - since
    print(f"{name}: {rows} rows in {seconds:.1f} s, {size / max(rows, 1):.1f} bytes a row", file=sys.stderr)


def digest(table):
    """What two answers are compared by: rows, and per column a sum that does not depend on their order."""
    import pyarrow as arrow
    import pyarrow.compute as compute
    sums = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        kind = column.type
        if arrow.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
            kind = column.type
        if arrow.types.is_timestamp(kind):
            column = column.cast(arrow.timestamp("us", kind.tz), safe=False).cast(arrow.int64())
            column = compute.divide(column, 1_000_000)
        elif arrow.types.is_uint32(kind):
            column = column.cast(arrow.int64())
        if arrow.types.is_integer(column.type) or arrow.types.is_floating(column.type):
            sums[name] = float(compute.sum(column).as_py() or 0)
        else:
            counts = compute.value_counts(column.cast(arrow.string())).to_pylist()
            sums[name] = sorted((str(entry["values"]), entry["counts"]) for entry in counts)
    return {"rows": table.num_rows, "sums": sums}


def differences(name, ours, theirs):
    found = []
    if ours["rows"] != theirs["rows"]:
        found.append(f"{name} has {theirs['rows']} rows, Pulsora {ours['rows']};")
    for column, total in ours["sums"].items():
        other = theirs["sums"].get(column)
        if isinstance(total, float) and isinstance(other, float):
            same = math.isclose(total, other, rel_tol=TOLERANCE)
        else:
            same = total == other
        # The newest rows by aggregates have no other tags than the host.
        if not same:
            found.append(f"{name} differs in {column};")
    return found


def median(values):
    return sorted(values)[(len(values) - 1) // 2]


def print_table(engines, results):
    names = [engine.name for engine in engines]
    inside = any(result.get("server_ms") for result in results)
    head = ["type", "rows of the answer", *(f"{name} ms" for name in names)]
    head += ["inside the server ms"] if inside else []
    head += [f"{name} / Pulsora" for name in names[1:]] + ["answers"]
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for result in results:
        medians = [median(result["ms"][name]) for name in names]
        cells = [result["type"], str(result.get("rows", "–")), *(f"{value:.2f}" for value in medians)]
        if inside:
            cells.append(f"{median(result['server_ms']):.2f}" if result.get("server_ms") else "–")
        cells += [f"{value / medians[0]:.1f}" for value in medians[1:]]
        cells.append(" ".join(result["differences"]) or ("agree" if "rows" in result else "not compared"))
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
