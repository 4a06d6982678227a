"""The OpenTelemetry SDK exports metrics into Pulsora."""

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)
from opentelemetry.sdk.resources import Resource

BOUNDS = [0.1, 0.5, 1.0]
NEVER_MS = 3_600_000


def export(server, database, compression=Compression.NoCompression, temporality=None):
    """Two exports of a few instruments; the second one only adds to the counter."""
    preferred = {Counter: temporality, Histogram: temporality} if temporality else None
    exporter = OTLPMetricExporter(
        endpoint=server.base + "/v1/metrics", headers={"x-pulsora-database": database},
        compression=compression, preferred_temporality=preferred,
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=NEVER_MS)
    views = [
        View(instrument_name="wide", aggregation=ExponentialBucketHistogramAggregation(max_scale=3)),
        View(instrument_name="latency", aggregation=ExplicitBucketHistogramAggregation(BOUNDS)),
    ]
    resource = Resource({"service.name": "shop", "service.instance.id": 7})
    provider = MeterProvider(metric_readers=[reader], views=views, resource=resource, shutdown_on_exit=False)
    meter = provider.get_meter("checkout", "1.2", attributes={"owner": "team a"})
    orders = meter.create_counter("orders.placed", unit="1", description="Orders.")
    orders.add(3, {"region": "eu", "ok": True})
    orders.add(1, {"region": "us", "ok": True})
    meter.create_up_down_counter("carts.open").add(-2)
    meter.create_gauge("temperature").set(21.5, {"ratio": 0.5, "list": ["a", "b"]})
    meter.create_observable_gauge("queue", callbacks=[lambda _: [Observation(4), Observation(5, {"q": "x"})]])
    latency = meter.create_histogram("latency")
    wide = meter.create_histogram("wide")
    for value in [0.05, 0.2, 0.3, 0.7, 5.0]:
        latency.record(value, {"route": "/"})
        wide.record(value)
    wide.record(0)
    assert provider.force_flush()
    orders.add(10, {"region": "eu", "ok": True})
    assert provider.force_flush()
    provider.shutdown()


@pytest.mark.parametrize("compression", [Compression.NoCompression, Compression.Gzip], ids=lambda one: one.name)
def test_every_instrument_arrives(server, compression):
    database = f"otel_{compression.name}"
    export(server, database, compression)
    rows = lambda statement: server.rows(statement.replace("FROM ", f"FROM {database}."))

    tags = '"service.name", "service.instance.id", "otel.scope.name", "otel.scope.version", "otel.scope.owner"'
    fixed = ["shop", "7", "checkout", "1.2", "team a"]
    latest = f'SELECT {tags}, region, ok, "otel.temporality", "otel.monotonic", last(value, time) FROM "orders.placed"'
    by = f'GROUP BY {tags}, region, ok, "otel.temporality", "otel.monotonic" ORDER BY region'
    assert rows(f"{latest} {by}") == [
        fixed + ["eu", "true", "cumulative", "true", 13],
        fixed + ["us", "true", "cumulative", "true", 1],
    ]
    assert rows('SELECT DISTINCT value, "otel.monotonic" FROM "carts.open"') == [[-2, "false"]]
    assert rows('SELECT DISTINCT value, ratio, list FROM "temperature"') == [[21.5, "0.5", '["a","b"]']]
    assert rows('SELECT DISTINCT q, value FROM "queue" ORDER BY value') == [[None, 4], ["x", 5]]

    assert rows('SELECT DISTINCT count, sum, min, max, route FROM "latency"') == [[5, 6.25, 0.05, 5.0, "/"]]
    buckets = rows('SELECT DISTINCT le, value FROM "latency_bucket" ORDER BY value, le DESC')
    assert buckets == [["0.1", 1], ["0.5", 3], ["1", 4], ["+Inf", 5]]
    wide = rows('SELECT DISTINCT count, zero_count, schema, positive_buckets, negative_buckets FROM "wide"')
    assert [row[:3] for row in wide] == [[6, 1, 3]]
    # Bucket i ends at 2^(i/8): 0.05, 0.2, 0.3, 0.7 and 5.
    assert wide[0][3:] == ['{"-34":1,"-18":1,"-13":1,"-4":1,"19":1}', "{}"]


def test_delta_temporality_is_kept(server):
    export(server, "otel_delta", temporality=AggregationTemporality.DELTA)
    rows = server.rows(
        'SELECT "otel.temporality", value FROM otel_delta."orders.placed" WHERE region = \'eu\' ORDER BY time'
    )
    assert rows == [["delta", 3], ["delta", 10]]
    started = server.rows('SELECT count(DISTINCT start_time) FROM otel_delta."orders.placed" WHERE region = \'eu\'')
    assert started == [[2]], "each interval starts where the one before ended"


def test_the_query_of_the_documentation(server):
    export(server, "otel_docs")
    text = open(f"{__file__.rsplit('/', 3)[0]}/docs/integrations.md").read()
    statement = text.split("<!-- buckets -->")[1].split("```sql\n")[1].split("```")[0]
    statement = statement.replace('FROM "', 'FROM otel_docs."').replace("http.server.request.duration", "latency").replace("http.route", "route").replace("0.95", "0.75")
    assert server.rows(statement) == [["/", 5, 0.6, 1.0]]
