"""One server per test module."""

import pytest

from server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("interop") / "data") as server:
        yield server
