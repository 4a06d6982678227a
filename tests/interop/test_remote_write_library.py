"""Remote write 2.0, native histograms included, from the Go library of the Prometheus project."""

import os
import pathlib
import shutil
import subprocess

import pytest

SOURCE = pathlib.Path(__file__).parent / "remote_write"


@pytest.fixture(scope="module")
def sender(tmp_path_factory):
    if not shutil.which("go"):
        pytest.skip("go is not installed")
    binary = tmp_path_factory.mktemp("go") / "remote_write"
    env = dict(os.environ, GOFLAGS="-mod=readonly -modcacherw -buildvcs=false")
    built = subprocess.run(["go", "build", "-o", binary, "."], cwd=SOURCE, env=env, capture_output=True, text=True)
    if built.returncode and ("dial tcp" in built.stderr or "requires go" in built.stderr):
        pytest.skip("its modules cannot be had here: " + built.stderr.strip().splitlines()[-1])
    assert built.returncode == 0, built.stderr
    return binary


def test_a_request_is_stored_as_the_library_means_it(server, sender):
    for _ in range(2):
        sent = subprocess.run([sender, server.base], capture_output=True, text=True)
        assert (sent.returncode, sent.stdout.strip()) == (0, "3 1 0"), sent.stderr
    rows = server.rows("SELECT code, label_value, value, isnan(value) FROM http_requests_total ORDER BY time")
    assert [row[:2] for row in rows] == [["200", "taken"]] * 3, "the same request twice is stored once"
    assert [row[2] for row in rows[:2]] == [41.0, 42.5] and [row[3] for row in rows] == [False, False, True]
    histogram = server.rows("SELECT count, sum, schema, zero_threshold, zero_count, positive_buckets, negative_buckets FROM http_request_seconds")
    assert histogram == [[12, 18.4, 1, 0.001, 2, '{"0":1,"1":2,"3":1,"4":1}', '{"-3":3,"-2":3}']]
