"""A real Prometheus scrapes Pulsora and remote-writes into it."""

import re
import shutil
import signal
import socket
import subprocess
import time

import pytest
import requests

from server import Server

PATIENCE_S = 90
MESSAGES = {"1.0": "prometheus.WriteRequest", "2.0": "io.prometheus.write.v2.Request"}
DATABASE = "prometheus"


def version():
    """Major and minor version of the Prometheus on this machine; skips when there is none."""
    if not shutil.which("prometheus"):
        pytest.skip("prometheus is not installed (Debian package prometheus)")
    text = subprocess.run(["prometheus", "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"version (\d+)\.(\d+)", text.stdout + text.stderr)
    return int(found[1]), int(found[2])


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Prometheus:
    """A running Prometheus; `with` ends it."""

    def __init__(self, directory, server, message):
        self.config = directory / "prometheus.yml"
        self.server, self.message = server, message
        self.configure(scrape=True)
        self.log = open(directory / "log", "w+")
        self.base = f"http://127.0.0.1:{free_port()}"
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={self.config}", f"--storage.tsdb.path={directory}/tsdb",
             f"--web.listen-address={self.base.removeprefix('http://')}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT, cwd=directory,
        )

    def configure(self, scrape):
        """Writes the configuration, with or without a target."""
        target = self.server.base.removeprefix("http://")
        message = f"protobuf_message: {self.message}" if self.message else ""
        targets = f"['{target}']" if scrape else "[]"
        self.config.write_text(f"""
global: {{scrape_interval: 1s, external_labels: {{replica: a}}}}
scrape_configs: [{{job_name: pulsora, static_configs: [{{targets: {targets}}}]}}]
remote_write:
  - url: {self.server.base}/api/v1/write?db={DATABASE}
    {message}
    queue_config: {{batch_send_deadline: 200ms}}
    metadata_config: {{send_interval: 1s}}
""")

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def samples(self, query):
        """The raw samples of one series: milliseconds and values."""
        answer = requests.get(self.base + "/api/v1/query", params={"query": query}, timeout=10).json()
        series = answer["data"]["result"]
        return [(round(float(at) * 1000), float(value)) for at, value in series[0]["values"]] if series else []

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()


def wait_for(server, prometheus, statement, good):
    """The rows of a statement, once they are good; a table may not exist yet."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        assert prometheus.process.poll() is None, "prometheus ended:\n" + prometheus.text()
        answer = server.request("POST", "/api/v1/query", want=[200, 404], json={"sql": statement})
        if answer.status_code == 200 and good(answer.json()["data"]):
            return answer.json()["data"]
        time.sleep(0.1)
    raise AssertionError(f"{statement}: {answer.text[:1000]}\n{prometheus.text()[-3000:]}")


@pytest.fixture(params=MESSAGES)
def running(request, tmp_path):
    present = version()
    if request.param == "2.0" and present < (2, 54):
        pytest.skip(f"prometheus {present[0]}.{present[1]} sends remote write 1.0 only")
    message = MESSAGES[request.param] if present >= (2, 54) else None
    with Server(tmp_path / "data") as server, Prometheus(tmp_path, server, message) as prometheus:
        yield server, prometheus


def test_a_real_prometheus_writes_what_it_scrapes(running):
    server, prometheus = running
    tags = "instance, job, replica"
    up = wait_for(server, prometheus, f"SELECT {tags}, value FROM {DATABASE}.up ORDER BY time", lambda rows: len(rows) >= 4)
    assert up[0] == [server.base.removeprefix("http://"), "pulsora", "a", 1.0]

    mine = f"SELECT CAST(time AS BIGINT) / 1000000, value FROM {DATABASE}.up ORDER BY time"
    rows = [tuple(row) for row in server.rows(mine)]
    theirs = prometheus.samples("up[1h]")
    assert rows == theirs[: len(rows)], "every sample once, in order, nothing between"

    buckets = "pulsora_http_request_seconds_bucket"
    rows = wait_for(
        server, prometheus,
        f"SELECT le, max(value) FROM {DATABASE}.{buckets} WHERE route = '/api/v1/write' GROUP BY le", lambda rows: len(rows) > 5,
    )
    counts = {le: count for le, count in rows}
    assert counts["+Inf"] == max(counts.values()) > 0
    wait_for(
        server, prometheus,
        f"SELECT max(value) FROM {DATABASE}.pulsora_ingest_rows_total WHERE protocol = 'remote_write'", lambda rows: rows[0][0],
    )

    prometheus.configure(scrape=False)
    prometheus.reload()
    stale = wait_for(server, prometheus, f"SELECT count(*) FROM {DATABASE}.up WHERE isnan(value)", lambda rows: rows[0][0] > 0)
    assert stale == [[1]], "the end of a series is marked once"
    failed = [line for line in prometheus.text().splitlines() if "non-recoverable" in line]
    assert not failed, failed
