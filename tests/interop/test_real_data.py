"""Every real file by every way in, read back by every way out, before and after a flush.

What must come back is what DuckDB finds in the source file.
"""

import duckdb
import pandas
import pytest

from results import of_arrow, of_json
from server import Server
from sources import facts, sources
from ways import WAYS

SOURCES = sources()


@pytest.fixture(scope="module", params=["hot", "parquet"])
def server(request, tmp_path_factory):
    """What a flush writes: segments of our own, or Parquet."""
    hot_for = {"hot": "2h", "parquet": "0s"}[request.param]
    with Server(tmp_path_factory.mktemp("interop") / "data", storage__hot_for=hot_for) as server:
        server.writes_parquet = request.param == "parquet"
        yield server


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_real_data_comes_back_equal(server, source, way):
    send, upsert_with_tags, upsert_without = WAYS[way]
    table = f"{source.name}_{way}"
    time = send(server, source, table)
    wanted = source.frame(upsert_with_tags if source.tags else upsert_without)
    read_back(server, source, table, time, wanted)
    server.flush()
    read_back(server, source, table, time, wanted)
    if server.writes_parquet:
        parquet_agrees(server, source, table, time, wanted)


def read_back(server, source, table, time, wanted):
    """By the row API, and by SQL in JSON and in Arrow."""
    assert server.get(f"/tables/{table}/count").json()["data"] == {"count": len(wanted)}
    answer = server.get(f"/tables/{table}/query", limit=1_000_000)
    assert "x-pulsora-more" not in answer.headers
    same(source.canonical(of_json(answer), time), wanted)
    time_order(pandas.to_datetime(of_json(answer)[time], utc=True))
    ends(server, source, table, time, wanted)
    for format, parse in (("json", of_json), ("arrow", of_arrow)):
        frame = parse(server.sql(f'SELECT * FROM "{table}"', format))
        same(source.canonical(frame, time), wanted)
    aggregates(server, source, table, time, wanted)


def ends(server, source, table, time, wanted):
    """The first and the last row, by the row API and by SQL."""
    for order, at in (("asc", 0), ("desc", len(wanted) - 1)):
        first = of_json(server.get(f"/tables/{table}/query", limit=1, order=order))
        row = source.canonical(first, time)
        assert row["time"][0] == wanted["time"][at]
        statement = f'SELECT * FROM "{table}" ORDER BY "{time}" {order} LIMIT 1'
        row = source.canonical(of_json(server.sql(statement)), time)
        assert row["time"][0] == wanted["time"][at]


def aggregates(server, source, table, time, wanted):
    """Count, sums, least and greatest by SQL against DuckDB's."""
    nanoseconds = f'CAST({{}}("{time}") AS BIGINT)'
    parts = ["count(*)", nanoseconds.format("min"), nanoseconds.format("max")]
    for value in source.values:
        parts += [f'sum("{value}")', f'min("{value}")', f'max("{value}")']
    [row] = server.rows(f'SELECT {", ".join(parts)} FROM "{table}"')
    close(row, facts(wanted, source.values))
    for tag in source.tags:
        got = server.rows(f'SELECT "{tag}", count(*) FROM "{table}" GROUP BY 1 ORDER BY 1')
        assert got == [[name, count] for name, count in wanted.groupby(tag).size().items()]


def parquet_agrees(server, source, table, time, wanted):
    """DuckDB reads the flushed files and finds the same."""
    files = f"{server.data_dir}/cold/*/{table}~*/**/*.parquet"
    relation = duckdb.sql(f"SELECT * FROM read_parquet('{files}')")
    frame = source.canonical(relation.df(), time)
    same(frame, wanted)
    close(facts(frame, source.values), facts(wanted, source.values))


def same(got, wanted):
    pandas.testing.assert_frame_equal(got, wanted, check_dtype=False, check_exact=True)


def close(got, wanted):
    """Sums of floats depend on the order of addition in their last digits."""
    assert got == pytest.approx(wanted, rel=1e-12)


def time_order(times):
    assert times.is_monotonic_increasing
