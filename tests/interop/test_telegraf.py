"""A real Telegraf, built with the plugins that are needed, sends what it collects in every way that the docs show."""

import os
import shutil
import subprocess

import pytest

VERSION = "v1.37.2"
PLUGINS = [
    "inputs.file", "inputs.mem", "parsers.influx", "outputs.arc", "outputs.http", "outputs.influxdb", "outputs.influxdb_v2",
    "serializers.influx", "serializers.msgpack", "serializers.prometheusremotewrite",
]
BUILD_S = 900
LINES = """\
weather,city=Berlin,station=1 temperature=21.5,humidity=40i,sunny=true,note="dry \\"air\\"" 1700000000000000000
weather,city=Paris,station=2 temperature=18.25,humidity=55i,sunny=false 1700000001000000002
"""
OUTPUTS = {
    "influxdb": """
[[outputs.influxdb]]
  urls = ["{base}"]
  database = "{database}"
""",
    "influxdb_v2": """
[[outputs.influxdb_v2]]
  urls = ["{base}"]
  organization = "any"
  bucket = "{database}"
  token = "any"
""",
    "arc": """
[[outputs.arc]]
  url = "{base}/api/v1/write/msgpack"
  api_key = "any"
  database = "{database}"
""",
    "msgpack": """
[[outputs.http]]
  url = "{base}/api/v1/write/msgpack?db={database}"
  data_format = "msgpack"
""",
    "prometheusremotewrite": """
[[outputs.http]]
  url = "{base}/api/v1/write?db={database}"
  data_format = "prometheusremotewrite"
  [outputs.http.headers]
    Content-Type = "application/x-protobuf"
    Content-Encoding = "snappy"
    X-Prometheus-Remote-Write-Version = "0.1.0"
""",
}


@pytest.fixture(scope="module")
def telegraf(tmp_path_factory):
    """The binary: one of this version on the machine, else built where Go and the modules are."""
    found = shutil.which("telegraf")
    if found:
        return found
    if not shutil.which("go"):
        pytest.skip("neither telegraf nor go is installed")
    bin_dir = tmp_path_factory.mktemp("telegraf")
    env = dict(os.environ, GOBIN=str(bin_dir), GOFLAGS="-modcacherw -buildvcs=false")
    tags = ",".join(["custom", *PLUGINS])
    command = ["go", "install", "-tags", tags, f"github.com/influxdata/telegraf/cmd/telegraf@{VERSION}"]
    try:
        built = subprocess.run(command, env=env, capture_output=True, text=True, timeout=BUILD_S)
    except subprocess.TimeoutExpired:
        pytest.skip(f"telegraf is not built within {BUILD_S} s")
    if built.returncode:
        pytest.skip("telegraf cannot be built here: " + built.stderr.strip().splitlines()[-1])
    return str(bin_dir / "telegraf")


@pytest.fixture(scope="module")
def send(telegraf, server, tmp_path_factory):
    """Sends the lines and the memory of this machine once, by one output, into a database of its name."""
    directory = tmp_path_factory.mktemp("configuration")
    (directory / "lines").write_text(LINES)

    def send(output):
        config = directory / f"{output}.conf"
        config.write_text(f"""
[agent]
  omit_hostname = true
  precision = "1ns"
[[inputs.file]]
  files = ["{directory}/lines"]
  data_format = "influx"
[[inputs.mem]]
""" + OUTPUTS[output].format(base=server.base, database=output))
        ran = subprocess.run([telegraf, "--config", config, "--once"], capture_output=True, text=True, timeout=60)
        assert ran.returncode == 0 and " E! " not in ran.stderr, ran.stderr

    return send


@pytest.mark.parametrize("output", ["influxdb", "influxdb_v2", "msgpack", "arc"])
def test_metrics_are_rows_of_their_table(output, send, server):
    send(output)
    # Arc's plugin sends microseconds and sets no tags apart.
    exact = "CAST(time AS BIGINT)" if output != "arc" else "CAST(time AS BIGINT) / 1000 * 1000"
    rows = server.rows(f"SELECT {exact}, city, station, temperature, humidity, sunny, note FROM {output}.weather ORDER BY time")
    second = 1_700_000_001_000_000_002 if output != "arc" else 1_700_000_001_000_000_000
    assert rows == [
        [1_700_000_000_000_000_000, "Berlin", "1", 21.5, 40, True, 'dry "air"'],
        [second, "Paris", "2", 18.25, 55, False, None],
    ]
    assert server.rows(f"SELECT count(*), min(total) > 0 FROM {output}.mem") == [[1, True]]


def test_prometheus_remote_write_has_a_table_for_each_field(send, server):
    send("prometheusremotewrite")
    rows = server.rows("SELECT city, station, value FROM prometheusremotewrite.weather_temperature ORDER BY time")
    assert rows == [["Berlin", "1", 21.5], ["Paris", "2", 18.25]]
    assert server.rows("SELECT count(*) FROM prometheusremotewrite.mem_total") == [[1]]
