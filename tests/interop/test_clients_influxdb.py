"""The Python clients of InfluxDB v1, v2 and v3 as they are: they write, and SQL gives it back."""

import pandas
import pytest
from influxdb import DataFrameClient
from influxdb import InfluxDBClient as V1
from influxdb.exceptions import InfluxDBClientError
from influxdb_client import BucketRetentionRules, Point, WritePrecision
from influxdb_client import InfluxDBClient as V2
from influxdb_client.client.write_api import SYNCHRONOUS, WriteOptions
from influxdb_client.rest import ApiException

T = 1_700_000_000


def port(server):
    return int(server.base.rsplit(":", 1)[1])


@pytest.mark.parametrize("gzip", [False, True])
def test_v1(server, gzip):
    db = f"v1 {gzip}"
    client = V1("127.0.0.1", port(server), "user", "secret", database=db, gzip=gzip)
    assert client.ping()
    client.create_database(db)
    assert {"name": db} in client.get_list_database()
    assert client.get_list_measurements() == []
    point = {"measurement": "cpu", "tags": {"host": "a b,c"}, "time": "2024-01-01T00:00:00Z",
             "fields": {"v": 1.5, "n": 3, "text": 'say "x"\nand y', "ok": True}}
    assert client.write_points([point])
    points = [{"measurement": "cpu", "tags": {"host": "h"}, "fields": {"v": float(n)}, "time": T + n}
              for n in range(1000)]
    assert client.write_points(points, time_precision="s", batch_size=300)
    lines = [f"cpu,host=line v={n} {(T + n) * 1000}" for n in range(10)]
    assert client.write_points(lines, protocol="line", time_precision="ms")
    assert server.rows(f'SELECT host, v, n, text, ok FROM "{db}".cpu ORDER BY time DESC LIMIT 1') == [
        ["a b,c", 1.5, 3, r'say "x"\nand y', True]]  # this client writes a line break as two characters
    counts = server.rows(f'SELECT host, count(*), sum(v) FROM "{db}".cpu GROUP BY host ORDER BY host')
    assert counts == [["a b,c", 1, 1.5], ["h", 1000, 499500.0], ["line", 10, 45.0]]
    with pytest.raises(InfluxDBClientError, match="line 2"):
        client.write_points(["cpu v=1 1", "cpu v= 2"], protocol="line")
    with pytest.raises(InfluxDBClientError, match="/api/v1/query"):
        client.query("SELECT * FROM cpu")
    assert client.get_list_measurements() == [{"name": "cpu"}]
    client.drop_measurement("cpu")
    client.drop_database(db)
    assert {"name": db} not in client.get_list_database()


def test_v1_dataframe(server):
    client = DataFrameClient("127.0.0.1", port(server), database="v1frame")
    # This client takes the numbers of an index for nanoseconds.
    index = pandas.to_datetime(["2024-01-01", "2024-01-02"]).as_unit("ns")
    frame = pandas.DataFrame({"v": [1.0, 2.0], "host": ["a", "b"]}, index=index)
    assert client.write_points(frame, "frame", tag_columns=["host"])
    assert server.rows("SELECT time, host, v FROM v1frame.frame ORDER BY time") == [
        ["2024-01-01T00:00:00Z", "a", 1.0], ["2024-01-02T00:00:00Z", "b", 2.0]]


@pytest.mark.parametrize("login", [{"token": "any", "enable_gzip": True}, {"username": "u", "password": "p"}])
def test_v2(server, login):
    bucket = "v2 " + "-".join(login)
    with V2(url=server.base, org="my org", **login) as client:
        assert client.ping() and client.version()
        assert client.health().status == "pass"
        assert client.ready().status == "ready"
        buckets = client.buckets_api()
        assert buckets.find_bucket_by_name(bucket) is None
        rules = BucketRetentionRules(type="expire", every_seconds=100 * 365 * 86400)
        made = buckets.create_bucket(bucket_name=bucket, retention_rules=rules, org="my org")
        found = buckets.find_bucket_by_name(bucket)
        assert found.id == made.id and found.retention_rules[0].every_seconds == 100 * 365 * 86400
        assert bucket in [one.name for one in buckets.find_buckets_iter(limit=1)]
        with client.write_api(write_options=SYNCHRONOUS) as write:
            point = Point("cpu").tag("host", "a=b").field("v", 1.5).field("n", 2).time(T, WritePrecision.S)
            write.write(bucket, "my org", point, write_precision=WritePrecision.S)
            frame = pandas.DataFrame({"host": ["f"], "v": [2.5]}, index=pandas.to_datetime([T], unit="s"))
            write.write(bucket, record=frame, data_frame_measurement_name="cpu", data_frame_tag_columns=["host"])
            with pytest.raises(ApiException) as refused:
                write.write(bucket, "my org", "cpu,host=a v=")
            assert refused.value.status == 400 and "line 1" in refused.value.message
        failures = []
        options = WriteOptions(batch_size=100, flush_interval=50, max_retries=0)
        with client.write_api(write_options=options, error_callback=lambda *all: failures.append(all)) as write:
            for n in range(250):
                write.write(bucket, "my org", f"batch v={n} {T + n}", write_precision=WritePrecision.S)
        assert failures == []
        assert server.rows(f'SELECT host, v, n FROM "{bucket}".cpu ORDER BY host') == [
            ["a=b", 1.5, 2], ["f", 2.5, None]]
        assert server.rows(f'SELECT count(*), sum(v) FROM "{bucket}".batch') == [[250, 31125.0]]
        start, stop = "1970-01-01T00:00:00Z", "2100-01-01T00:00:00Z"
        client.delete_api().delete(start, stop, '_measurement="cpu" AND host="a=b"', bucket=bucket, org="my org")
        assert server.rows(f'SELECT host FROM "{bucket}".cpu') == [["f"]]
        client.delete_api().delete(start, stop, "", bucket=bucket, org="my org")
        assert server.rows(f'SELECT count(*) FROM "{bucket}".batch') == [[0]]
        with pytest.raises(ApiException, match="/api/v1/query"):
            client.query_api().query(f'from(bucket:"{bucket}")')
        buckets.delete_bucket(made)
        assert buckets.find_bucket_by_name(bucket) is None


@pytest.mark.parametrize("route", ["v2", "v3"])
def test_v3_writes(server, route):
    import influxdb_client_3 as v3

    db = "v3 " + route
    options = v3.WriteOptions(write_type=v3.WriteType.synchronous, use_v2_api=route == "v2")
    options = v3.write_client_options(write_options=options)
    with v3.InfluxDBClient3(host=server.base, database=db, token="any", write_client_options=options,
                            enable_gzip=True) as client:
        assert client.get_server_version()
        client.write(v3.Point("cpu").tag("host", "a").field("v", 1.5).time(T), write_precision="s")
        client.write([f"cpu,host=b v={n} {(T + n) * 10**9}" for n in range(10)])
        frame = pandas.DataFrame({"time": pandas.to_datetime([T], unit="s"), "host": ["f"], "v": [2.5]})
        client.write(frame, data_frame_measurement_name="cpu", data_frame_tag_columns=["host"],
                     data_frame_timestamp_column="time")
        with pytest.raises(v3.InfluxDBError) as refused:
            client.write(["cpu,host=c v=7 1", "cpu,host=c v="])
        assert "line 2" in refused.value.message
        if route == "v3":
            assert [error.line_number for error in refused.value.line_errors] == [2]
    counts = server.rows(f'SELECT host, count(*), sum(v) FROM "{db}".cpu GROUP BY host ORDER BY host')
    assert counts == [["a", 1, 1.5], ["b", 10, 45.0], ["c", 1, 7.0], ["f", 1, 2.5]]
