"""Arc's Python client as it is: every way it writes, every way it queries."""

import pandas
import pyarrow
import pytest
from arc_client import ArcClient
from arc_client.exceptions import ArcIngestionError, ArcQueryError

T_US = 1_700_000_000_000_000


@pytest.fixture
def client(server):
    port = int(server.base.rsplit(":", 1)[1])
    with ArcClient(host="127.0.0.1", port=port, token="any", database="arc") as client:
        yield client


def test_probes(client):
    assert client.health().status == "healthy"
    assert client.ready()
    assert client.auth.verify().valid


def test_writes(client, server):
    times = [T_US, T_US + 1_000_000]
    client.write.write_columnar("columns", {"time": times, "host": ["a", "b"], "v": [1.5, 2.5]})
    client.write.write_columnar("columns", {"time": [T_US // 10**6], "host": ["s"], "v": [3.5]}, time_unit="s",
                                compress=False)
    client.write.write_records([{"measurement": "rows", "timestamp": T_US, "fields": {"v": 5}, "tags": {"host": "a"}}])
    client.write.write_line_protocol(["lines,host=a v=1 1700000000000000000", "lines,host=b v=2"])
    client.write.write_point("points", {"v": 1.5, "n": 2}, {"host": "a"}, T_US)
    client.write.write_dataframe(pyarrow.table({"time": times, "v": [1, 2]}), "arrow")
    frame = pandas.DataFrame({"time": pandas.to_datetime(times, unit="us").astype("datetime64[ns]"), "v": [1.0, 2.0]})
    client.write.write_dataframe(frame, "frame")
    with client.write.buffered(batch_size=100) as buffer:
        for n in range(250):
            fields = {"v": n} if n % 2 else {"w": float(n)}
            buffer.write({"measurement": "buffered", "timestamp": T_US + n, "fields": fields, "tags": {"host": "a"}})
    first = "2023-11-14T22:13:20Z"
    assert server.rows("SELECT time, host, v FROM arc.columns ORDER BY host") == [
        [first, "a", 1.5], ["2023-11-14T22:13:21Z", "b", 2.5], [first, "s", 3.5]]
    assert server.rows("SELECT time, host, v FROM arc.rows") == [[first, "a", 5]]
    assert server.rows("SELECT host, v FROM arc.lines ORDER BY host") == [["a", 1.0], ["b", 2.0]]
    assert server.rows("SELECT host, v, n FROM arc.points") == [["a", 1.5, 2]]
    for table in ["arrow", "frame"]:
        assert server.rows(f"SELECT min(time), sum(v) FROM arc.{table}") == [[first, 3]]
    assert server.rows("SELECT count(*), count(v), count(w) FROM arc.buffered") == [[250, 125, 125]]
    with pytest.raises(ArcIngestionError, match="item 0: .*v"):
        client.write.write_columnar("columns", {"time": [T_US], "host": ["a"], "v": ["text"]})


def test_queries(client):
    client.write.write_columnar("q", {"time": [T_US, T_US + 1], "host": ["a", "b"], "v": [1.5, 2.5]})
    result = client.query.query("SELECT host, v FROM arc.q ORDER BY host")
    assert (result.success, result.columns, result.data) == (True, ["host", "v"], [["a", 1.5], ["b", 2.5]])
    table = client.query.query_arrow("SELECT time, v FROM q ORDER BY time")
    assert table.column("time").cast("int64").to_pylist() == [T_US * 1000, T_US * 1000 + 1000]
    assert client.query.query_pandas("SELECT v FROM q ORDER BY v")["v"].tolist() == [1.5, 2.5]
    assert client.query.estimate("SELECT * FROM q").estimated_rows == 2
    assert "arc" in client.query.list_databases()
    assert "q" in [row[1] for row in client.query.show_tables("arc").data]
    assert "q" in [one.measurement for one in client.query.list_measurements("arc")]
    with pytest.raises(ArcQueryError, match="syntax error at line 1"):
        client.query.query("SELEC")
    with pytest.raises(ArcQueryError, match="does not exist"):
        client.query.query_arrow("SELECT * FROM nope")
