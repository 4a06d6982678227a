"""The ways into a table: the same rows in each format that people send.

Each way takes the server, a source and the name of the table, sends the whole file in a few requests and
gives the name of the table's time column.
"""

import io
import json

import msgpack
import pandas
import pyarrow
import pyarrow.parquet

ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"
REQUESTS = 3


def pieces(frame):
    """A frame cut in a few pieces, in the order of its rows."""
    size = -(-len(frame) // REQUESTS)
    return [frame.iloc[at:at + size] for at in range(0, len(frame), size)]


def milliseconds(column):
    return (pandas.to_datetime(column).astype("datetime64[ms]").astype("int64")).tolist()


def plain(column):
    """The values as Python numbers and texts."""
    return column.tolist()


def tags_parameter(source):
    return {"tags": ",".join(source.tags)} if source.tags else {}


def csv(server, source, table):
    body = source.path.read_bytes()
    server.post(f"/tables/{table}/ingest", body, "text/csv", **tags_parameter(source))
    return source.time


def csv_pieces(server, source, table):
    """CSV in a few requests, written by pandas."""
    for piece in pieces(source.read()):
        body = piece.to_csv(index=False).encode()
        server.post(f"/tables/{table}/ingest", body, "text/csv", **tags_parameter(source))
    return source.time


def rows(source, piece):
    piece = piece.assign(**{source.time: piece[source.time].astype(str)})
    return piece.to_dict("records")


def json_rows(server, source, table):
    for piece in pieces(source.read()):
        body = json.dumps(rows(source, piece))
        server.post(f"/tables/{table}/ingest", body, "application/json", **tags_parameter(source))
    return source.time


def ndjson(server, source, table):
    for piece in pieces(source.read()):
        body = "".join(json.dumps(row) + "\n" for row in rows(source, piece))
        server.post(f"/tables/{table}/ingest", body, "application/x-ndjson", **tags_parameter(source))
    return source.time


def line_protocol(server, source, table):
    def escaped(text):
        return text.replace(" ", "\\ ").replace(",", "\\,").replace("=", "\\=")

    def number(value):
        return f"{value}i" if isinstance(value, int) else repr(value)

    for piece in pieces(source.read()):
        times = milliseconds(piece[source.time])
        tags = [plain(piece[tag]) for tag in source.tags]
        values = [plain(piece[value]) for value in source.values]
        lines = []
        for at, time in enumerate(times):
            key = "".join(f",{escaped(tag)}={escaped(column[at])}" for tag, column in zip(source.tags, tags))
            fields = ",".join(f"{escaped(name)}={number(column[at])}" for name, column in zip(source.values, values))
            lines.append(f"{escaped(table)}{key} {fields} {time}")
        server.post("/write", "\n".join(lines).encode(), "text/plain", precision="ms")
    return "time"


def metric_json(server, source, table):
    for piece in pieces(source.read()):
        times = milliseconds(piece[source.time])
        points = []
        for row, time in zip(piece.to_dict("records"), times):
            point = {"metric": table, "timestamp": time}
            if source.values == ("value",):
                point["value"] = row["value"]
            else:
                point["fields"] = {name: row[name] for name in source.values}
            if source.tags:
                point["tags"] = {name: row[name] for name in source.tags}
            points.append(point)
        answer = server.post("/write", json.dumps(points), "application/json")
        assert answer.json() == {"written": len(points)}
    return "time"


def msgpack_columns(server, source, table):
    for piece in pieces(source.read()):
        columns = {"time": milliseconds(piece[source.time])}
        columns.update({name: plain(piece[name]) for name in (*source.tags, *source.values)})
        item = {"m": table, "columns": columns}
        if source.tags:
            item["tags"] = list(source.tags)
        server.post("/api/v1/write/msgpack", msgpack.packb(item), "application/msgpack", precision="ms")
    return "time"


def msgpack_rows(server, source, table):
    """Row items with their tags, in a batch."""
    for piece in pieces(source.read()):
        items = []
        for row, time in zip(piece.to_dict("records"), milliseconds(piece[source.time])):
            item = {"m": table, "t": time, "fields": {name: row[name] for name in source.values}}
            item["tags"] = {name: row[name] for name in source.tags} or {"source": source.name}
            items.append(item)
        body = msgpack.packb({"batch": items})
        server.post("/api/v1/write/msgpack", body, "application/msgpack", precision="ms")
    return "time"


def arrow_table(source, piece):
    """Tags as dictionaries, as Arrow producers send them."""
    table = pyarrow.Table.from_pandas(piece, preserve_index=False)
    for tag in source.tags:
        at = table.column_names.index(tag)
        table = table.set_column(at, tag, table.column(tag).cast(pyarrow.string()).dictionary_encode())
    return table


def arrow(server, source, table):
    for at, piece in enumerate(pieces(source.read())):
        data = arrow_table(source, piece)
        compression = [None, "lz4", "zstd"][at % 3]
        options = pyarrow.ipc.IpcWriteOptions(compression=compression)
        sink = io.BytesIO()
        with pyarrow.ipc.new_stream(sink, data.schema, options=options) as writer:
            writer.write_table(data, max_chunksize=1000)
        server.post(f"/tables/{table}/ingest", sink.getvalue(), ARROW, **tags_parameter(source))
    return source.time


def parquet(server, source, table):
    for at, piece in enumerate(pieces(source.read())):
        sink = io.BytesIO()
        codec = ["snappy", "zstd", "gzip"][at % 3]
        pyarrow.parquet.write_table(arrow_table(source, piece), sink, compression=codec)
        server.post(f"/tables/{table}/ingest", sink.getvalue(), PARQUET, **tags_parameter(source))
    return source.time


# Name, the way, and whether the table it makes is an upsert table (with tags, without tags).
WAYS = {
    "csv": (csv, False, False),
    "csv_pieces": (csv_pieces, False, False),
    "json_rows": (json_rows, False, False),
    "ndjson": (ndjson, False, False),
    "line_protocol": (line_protocol, True, True),
    "metric_json": (metric_json, True, True),
    "msgpack_columns": (msgpack_columns, True, False),
    "msgpack_rows": (msgpack_rows, True, True),
    "arrow": (arrow, False, False),
    "parquet": (parquet, False, False),
}
