"""Random rows and random questions, answered by the server and by DuckDB.

Rows come in a random order in many requests, with flushes and kills between them, into an append and an
upsert table; some are sent again, with other fields. DuckDB holds what should be there. Then random
statements (time ranges, tags, fields, order, limits, groups) and random row API requests must agree. `PULSORA_SEEDS` sets how many times (3).
"""

import json
import os
import random

import duckdb
import pandas
import pytest

from server import Server

COLUMNS = ["time", "a", "b", "i", "f", "s", "ok"]
START_S = 1_700_000_000
SEEDS = range(1, 1 + int(os.environ.get("PULSORA_SEEDS", 3)))


def random_row(rng):
    """Few times and tags, so that rows meet; about a third of the cells are null."""
    def maybe(value):
        return value if rng.random() < 0.7 else None

    return {
        "time": START_S + rng.randrange(40) * 40_000,
        "a": maybe(rng.choice("xyz")),
        "b": maybe(f"b {rng.randrange(4)}"),
        "i": maybe(rng.randrange(-5, 20)),
        "f": maybe(rng.randrange(-40, 400) / 8),
        "s": maybe(rng.choice(["", "one", "two words", 'quo"te', "ünï"])),
        "ok": maybe(rng.random() < 0.5),
    }


def line(row):
    def text(value):
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return f"{value}i"
        if isinstance(value, str):
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return repr(float(value))

    tags = "".join(f",{tag}=" + row[tag].replace(" ", "\\ ") for tag in ("a", "b") if row[tag] is not None)
    fields = ",".join(f"{name}={text(row[name])}" for name in ("i", "f", "s", "ok") if row[name] is not None)
    return f"up{tags} {fields} {row['time']}" if fields else None


class Model:
    """What should be there."""

    def __init__(self):
        self.append = []
        self.upsert = {}

    def add(self, row):
        """Per field the last value sent counts; null is not sent."""
        key = (row["time"], row["a"], row["b"])
        kept = self.upsert.setdefault(key, {name: None for name in ("i", "f", "s", "ok")})
        kept.update({name: row[name] for name in kept if row[name] is not None})

    def frame(self, table):
        rows = self.append
        if table == "up":
            rows = [dict(zip(("time", "a", "b"), key)) | fields for key, fields in self.upsert.items()]
        types = {"time": "int64", "a": "string", "b": "string", "i": "Int64", "f": "Float64", "s": "string", "ok": "boolean"}
        return pandas.DataFrame(rows, columns=COLUMNS).astype(types)


def write(server_of, rng, model):
    """Some hundred requests, with flushes and kills between them. Gives the server that is left."""
    server = server_of()
    for _ in range(150):
        rows = [random_row(rng) for _ in range(rng.choice([1, 3, 20]))]
        if rng.random() < 0.5:
            body = "\n".join(json.dumps(row) for row in rows)
            tags = {} if model.append else {"tags": "a,b"}
            server.post("/tables/app/ingest", body.encode(), "application/x-ndjson", time_format="s", **tags)
            model.append += rows
        else:
            rows = [row for row in rows if line(row)]
            if rows:
                server.post("/write", "\n".join(map(line, rows)).encode(), "text/plain", precision="s")
            for row in rows:
                model.add(row)
        chance = rng.random()
        if chance < 0.15:
            server.flush()
        elif chance < 0.18:
            server.__exit__()
            server = server_of()
    return server


def random_where(rng):
    def one():
        time = "TIMESTAMP '" + str(pandas.Timestamp(START_S + rng.randrange(-5, 45) * 40_000, unit="s")) + "'"
        return rng.choice([
            f"time >= {time}", f"time < {time}", f"time = {time}", f"{time} > time",
            f"a = '{rng.choice('xyzw')}'", f"a IN ('x', '{rng.choice('yzw')}')", "a IS NULL", "b IS NOT NULL",
            f"b = 'b {rng.randrange(5)}'", f"a <> '{rng.choice('xyz')}'", "NOT (a = 'x')", f"b > 'b {rng.randrange(4)}'",
            f"i > {rng.randrange(-6, 21)}", f"i = {rng.randrange(-5, 20)}", "i IS NULL", f"f < {rng.randrange(-5, 50)}.5",
            "s = ''", "s IS NULL", "s LIKE '%o%'", "ok", "NOT ok", "ok IS NULL", f"i BETWEEN 0 AND {rng.randrange(10)}",
            f"(a = 'y' OR i > {rng.randrange(20)})", f"(time < {time} OR b IS NULL)", "i + f > 10",
        ])

    return " AND ".join(one() for _ in range(rng.randrange(1, 4)))


def random_statement(rng, table):
    """A statement whose answer has one right order."""
    where = random_where(rng) if rng.random() < 0.85 else "true"
    every = ", ".join(f'"{name}"' for name in COLUMNS)
    limit = f" LIMIT {rng.randrange(0, 30)}" if rng.random() < 0.5 else ""
    order = ", ".join(f'"{name}" {rng.choice(["ASC", "DESC"])} NULLS {rng.choice(["FIRST", "LAST"])}' for name in COLUMNS)
    group = rng.choice(["a", "b", "ok", "time", "i"])
    bucket = rng.choice([
        "date_trunc('day', time)", "date_trunc('week', time)", "date_trunc('hour', time)",
        f"time_bucket(INTERVAL '{rng.choice([7, 36])} hours', time)", "time_bucket(INTERVAL '1 week', time)",
    ])
    aggregates = ", ".join(rng.sample(
        ["count(*)", "count(f)", "sum(i)", "sum(f)", "avg(i)", "avg(f)", "min(i)", "max(f)", "min(s)", "max(ok)", "max(time)"], 4,
    ))
    return rng.choice([
        f"SELECT {every} FROM {table} WHERE {where} ORDER BY {order}{limit}",
        f"SELECT count(*), count(i), sum(i), min(f), max(f), min(s), max(time) FROM {table} WHERE {where}",
        f'SELECT "{group}", count(*), sum(i), min(f), max(s) FROM {table} WHERE {where} GROUP BY 1 ORDER BY 1 NULLS FIRST',
        f"SELECT count(*), min(time), max(time) FROM {table}",
        f"SELECT DISTINCT a, b FROM {table} WHERE {where} ORDER BY 1 NULLS FIRST, 2 NULLS FIRST{limit}",
        f"SELECT count(*) FROM (SELECT * FROM {table} WHERE {where}{limit}) AS x",
        f"SELECT {bucket}, {aggregates} FROM {table} WHERE {where} GROUP BY 1 ORDER BY 1 {rng.choice(['ASC', 'DESC'])}{limit}",
        f"SELECT a, {bucket}, b, {aggregates} FROM {table} WHERE {where} GROUP BY 1, 2, 3 "
        f"ORDER BY 2, 1 NULLS LAST, 3 NULLS {rng.choice(['FIRST', 'LAST'])}{limit}",
        f"SELECT a, b, {aggregates} FROM {table} WHERE {where} GROUP BY a, b ORDER BY 1 NULLS FIRST, 2 NULLS LAST{limit}",
    ])


def plain(value):
    """One form for the cells of both sides: nulls, and times as seconds."""
    if value is None or value is pandas.NA or value is pandas.NaT or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, str) and value[:4].isdigit() and value.endswith("Z"):
        return int(pandas.Timestamp(value).timestamp())
    if hasattr(value, "timestamp"):
        return int(pandas.Timestamp(value).tz_localize("UTC").timestamp())
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def check_statements(server, rng, connection):
    for _ in range(150):
        statement = random_statement(rng, rng.choice(["app", "up"]))
        wanted = [[plain(cell) for cell in row] for row in connection.sql(statement).fetchall()]
        got = [[plain(cell) for cell in row] for row in server.rows(statement)]
        assert got == wanted, statement


def check_row_api(server, rng, model):
    for _ in range(60):
        table = rng.choice(["app", "up"])
        frame = model.frame(table)
        start, end = sorted(START_S + rng.randrange(-5, 45) * 40_000 for _ in range(2))
        params = {"start": start, "end": end, "limit": rng.choice([5, 100_000]), "order": rng.choice(["asc", "desc"]), "times": "s"}
        rows = frame[(frame["time"] >= start) & (frame["time"] <= end)]
        count = server.get(f"/tables/{table}/count", start=start, end=end).json()["data"]["count"]
        assert count == len(rows), params
        if rng.random() < 0.6:
            params["tags"] = "a:x" if rng.random() < 0.5 else "a:y,b:b 1"
            rows = rows[(rows["a"] == params["tags"][2]).fillna(False)]
            if "b:" in params["tags"]:
                rows = rows[(rows["b"] == "b 1").fillna(False)]
        got = server.get(f"/tables/{table}/query", **params).json()["data"]
        assert len(got) == min(len(rows), params["limit"]), params
        times = [row["time"] for row in got]
        assert times == sorted(rows["time"], reverse=params["order"] == "desc")[:len(got)], params
        if len(got) == len(rows):
            def key(row):
                return str([row[name] for name in COLUMNS])

            wanted = json.loads(rows.to_json(orient="records"))
            assert sorted(map(key, ({n: plain(r[n]) for n in COLUMNS} for r in got))) \
                == sorted(map(key, ({n: plain(r[n]) for n in COLUMNS} for r in wanted))), params


@pytest.mark.parametrize("seed", SEEDS)
def test_random_questions_have_the_answers_of_duckdb(tmp_path, seed):
    rng = random.Random(seed)
    model = Model()
    with write(lambda: Server(tmp_path / "data"), rng, model) as server:
        connection = duckdb.connect()
        for table in ("app", "up"):
            frame = model.frame(table).assign(time=lambda frame: pandas.to_datetime(frame["time"], unit="s"))
            connection.register(f"{table}_frame", frame)
            connection.sql(f"CREATE TABLE {table} AS SELECT * FROM {table}_frame")
        for _ in range(2):
            check_statements(server, rng, connection)
            check_row_api(server, rng, model)
            server.flush()
