"""The binary under test as a process on a free port, and requests to it."""

import os
import re
import subprocess
import threading
import time

import requests

PATIENCE_S = 120


class Server:
    """A running server; `with` ends it."""

    def __init__(self, data_dir, **settings):
        env = dict(os.environ, NO_COLOR="1", NO_PROXY="*")
        for key, value in settings.items():
            env["PULSORA_" + key.upper()] = value
        self.data_dir = data_dir
        self.process = subprocess.Popen(
            [os.environ["PULSORA_BIN"], "serve", "--listen", "127.0.0.1:0", "--data-dir", str(data_dir)],
            env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        self.output = []
        self.base = None
        self.reader = threading.Thread(target=self._follow, daemon=True)
        self.reader.start()
        self.session = requests.Session()
        self.session.trust_env = False
        self._wait_ready()

    def _follow(self):
        for line in self.process.stdout:
            self.output.append(line)
            found = re.search(r"listening on (http://[0-9.:]+)", line)
            if found and self.base is None:
                self.base = found.group(1)

    def _wait_ready(self):
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            assert self.process.poll() is None, "the server ended:\n" + "".join(self.output)
            if self.base:
                try:
                    if self.session.get(self.base + "/ready").status_code == 200:
                        return
                except requests.ConnectionError:
                    pass
            time.sleep(0.01)
        raise AssertionError("the server is not ready:\n" + "".join(self.output))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.reader.join()

    def request(self, method, path, want=range(200, 300), **kwargs):
        """One request; any status outside `want` fails with the whole answer."""
        answer = self.session.request(method, self.base + path, **kwargs)
        assert answer.status_code in want, f"{method} {path}: {answer.status_code} {answer.text[:1000]}"
        return answer

    def post(self, path, body, content_type, **params):
        return self.request("POST", path, data=body, params=params, headers={"content-type": content_type})

    def get(self, path, **params):
        return self.request("GET", path, params=params)

    def sql(self, statement, format="json"):
        return self.request("POST", "/api/v1/query", json={"sql": statement, "format": format})

    def rows(self, statement):
        return self.sql(statement).json()["data"]

    def flush(self):
        self.request("POST", "/api/v1/flush")
