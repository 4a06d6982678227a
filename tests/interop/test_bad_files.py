"""Files that only foreign writers can make, and that are no table."""

import io

import pyarrow
import pyarrow.parquet
import pytest

from ways import ARROW, PARQUET


def stream(table):
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def file(table):
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue()


TIMES = pyarrow.array([0, 1], pyarrow.timestamp("s"))
TABLES = {
    "a column twice": (pyarrow.table([TIMES, [1, 2], [3, 4]], ["time", "n", "n"]), 400, "duplicate_column"),
    "a null time": (pyarrow.table([pyarrow.array([0, None], pyarrow.timestamp("s")), [1, 2]], ["time", "n"]), 400, "invalid_time"),
    "lists": (pyarrow.table([TIMES, [[1], [2]]], ["time", "n"]), 422, "type_conflict"),
    "structures": (pyarrow.table([TIMES, [{"a": 1}, {"a": 2}]], ["time", "n"]), 422, "type_conflict"),
    "an empty name": (pyarrow.table([TIMES, [1, 2]], ["time", ""]), 400, "invalid_name"),
}


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("encode, content_type", [(stream, ARROW), (file, PARQUET)], ids=["arrow", "parquet"])
def test_bad_tables_are_refused(server, name, encode, content_type):
    table, status, code = TABLES[name]
    answer = server.request(
        "POST", "/tables/bad/ingest", want=[status], data=encode(table), headers={"content-type": content_type}
    )
    assert answer.json()["code"] == code, answer.text
    assert server.get("/tables").json()["data"] == []
