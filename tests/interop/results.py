"""The result formats, each read by a library that is not ours, as frames."""

import io
import json

import msgpack
import pandas
import pyarrow
import pyarrow.parquet


def of_json(answer):
    """Rows as objects (row API) or as arrays beside their columns (SQL)."""
    document = answer.json()
    assert document["success"] is True
    if "columns" in document:
        assert document["row_count"] == len(document["data"])
        return pandas.DataFrame(document["data"], columns=document["columns"])
    return pandas.DataFrame(document["data"])


def of_ndjson(answer):
    return pandas.DataFrame([json.loads(line) for line in answer.text.splitlines()])


def of_csv(answer):
    return pandas.read_csv(io.BytesIO(answer.content))


def of_arrow(answer):
    with pyarrow.ipc.open_stream(answer.content) as reader:
        return reader.read_all().to_pandas()


def of_msgpack(answer):
    """One array per column; times are the timestamp extension."""
    document = msgpack.unpackb(answer.content, timestamp=3)
    assert document["success"] is True
    return pandas.DataFrame(dict(zip(document["columns"], document["data"])))


def of_parquet(answer):
    return pyarrow.parquet.read_table(io.BytesIO(answer.content)).to_pandas()


FORMATS = {
    "json": ("application/json", of_json),
    "ndjson": ("application/x-ndjson", of_ndjson),
    "csv": ("text/csv", of_csv),
    "arrow": ("application/vnd.apache.arrow.stream", of_arrow),
    "msgpack": ("application/msgpack", of_msgpack),
    "parquet": ("application/vnd.apache.parquet", of_parquet),
}
