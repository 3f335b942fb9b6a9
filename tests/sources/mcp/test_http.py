"""Servers over HTTP, on loopback: streamable, and the older SSE; and addresses where none is."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture
def served(python_server):
    """`served("http")` starts a real server and gives its port."""
    running = []

    def serve(kind):
        port = free_port()
        entry = python_server("strange", kind, port)
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        running.append(subprocess.Popen([entry["command"], *entry["args"]], **quiet))
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                assert time.monotonic() < end, "the server did not start"
                time.sleep(0.1)
            else:
                return port

    yield serve
    for one in running:
        one.terminate()
        one.wait(10)


@pytest.mark.parametrize(("kind", "path"), [("http", "mcp"), ("sse", "sse")])
def test_a_server_on_loopback_is_asked(served, configured, researched, kind, path):
    configured(web={"type": kind, "url": f"http://127.0.0.1:{served(kind)}/{path}"})
    research = researched("web")
    assert research.sources[-1].error == ""
    found = [one for one in research.findings if one.source == "web"]
    assert {one.title for one in found} == {"Dual writes", "Backfill"}


class Strange(BaseHTTPRequestHandler):
    """Answers every request in the way that its path says."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        kind = self.path.split("?")[0].strip("/")
        if kind.isdigit():
            self.send_response(int(kind))
            self.end_headers()
        elif kind == "hang":
            time.sleep(60)
        elif kind == "flood":
            self._answer(b"x" * (1 << 20), times=200)
        elif kind == "bomb":
            self._answer(b"\x1f\x8b" + b"\0" * 100, coding="gzip")
        elif kind == "moved":
            self.send_response(307)
            self.send_header("location", "http://evil.example/mcp")
            self.end_headers()
        else:
            self._answer(b"<html>Welcome</html>", kind="text/html")

    do_GET = do_POST  # noqa: N815  # the names are http.server's

    def _answer(self, data, kind="application/json", coding="identity", times=1):
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-encoding", coding)
        self.end_headers()
        try:
            for _ in range(times):
                self.wfile.write(data)
        except OSError:
            pass


@pytest.fixture
def strange():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Strange)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("path", ["401", "404", "500", "hang", "flood", "bomb", "moved", "page"])
def test_an_address_that_is_no_server_is_an_error_in_time(strange, configured, researched, path):
    configured(web={"url": f"{strange}/{path}?key=query-secret-1234"})
    started = time.monotonic()
    research = researched("web", timeout_s=5.0)
    assert time.monotonic() - started < 8
    assert research.sources[-1].error
    assert "query-secret" not in research.sources[-1].error


def test_nobody_listening_and_no_such_host_are_told(configured, researched):
    configured(closed={"url": f"http://127.0.0.1:{free_port()}/mcp"},
               gone={"url": "http://no-such-host.invalid/mcp"})  # fmt: skip
    errors = [one.error for one in researched("closed", "gone", timeout_s=8.0).sources]
    assert all("it cannot be reached" in error for error in errors)
