"""Real servers and real workers, each a process of its own that can be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import orch_nb as nb
from orch_nb import phases
from orch_nb.backends.servers import server
from orch_nb.engine.journal import open_journal
from orch_nb.engine.session import LiveRun
from orch_nb.errors import EnvironmentFault

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import conformance  # noqa: E402


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Process:
    """`orch-nb` with arguments, in a process that can be killed and started again."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._folder, self._arguments = folder, arguments
        self._path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH", "")]))
        self._process: subprocess.Popen[str] | None = None

    def start(self, until: str = "") -> Process:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "orch_nb.cli", *self._arguments],
            cwd=self._folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": self._path, "NO_PROXY": "127.0.0.1"},
            start_new_session=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        said = []
        for line in self._process.stdout:
            said.append(line)
            if until in line:
                threading.Thread(target=self._drain, daemon=True).start()
                return self
        raise AssertionError(f"{self._arguments} said: {''.join(said)}")

    def _drain(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        with self._process.stdout as pipe:
            self.said = pipe.read()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """As the machine's end would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """By Ctrl-C; its exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        return self._process.returncode


class System:
    """A server with a worker: `url` is where runs go."""

    def __init__(self, name: str, folder: Path, *, check: bool = False) -> None:
        if check:
            installed(name, folder)
        self.name, self.folder, self.port = name, folder, free_port()
        self.url = f"{name}://127.0.0.1:{self.port}"
        self.server = Process(folder, "dev", name, "--port", str(self.port), "--data", str(folder))
        extra = ("--listen", f"127.0.0.1:{free_port()}") if name == "restate" else ()
        self.worker = Process(
            folder, "worker", name, "--address", f"127.0.0.1:{self.port}", *extra
        )  # fmt: skip

    def start(self) -> System:
        self.server.start(until="Ctrl-C")
        self.worker.start(until="worker:")
        return self

    def stop(self) -> None:
        self.worker.stop()
        self.server.stop()


@pytest.fixture
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], System]]:
    """Starts a system of one's own, to be killed."""
    with ExitStack() as stack:

        def start(name: str) -> System:
            made = started(name, tmp_path_factory.mktemp(name))
            stack.callback(made.stop)
            return made

        yield start


def installed(name: str, folder: Path) -> None:
    """Skip where a server is not installed; in CI that is a failure."""
    try:
        server(name, folder)
    except EnvironmentFault as error:
        if os.environ.get("ORCH_NB_CI") == "1":
            pytest.fail(f"{error} (CI must have it)")
        pytest.skip(str(error))


def started(name: str, folder: Path) -> System:
    return System(name, folder, check=True).start()


@pytest.fixture(scope="session")
def starting() -> Callable[[str, Path], System]:
    """Starts a system in a folder."""
    return started


@pytest.fixture
def starting_server() -> Iterator[Callable[[str, Path], Process]]:
    """Starts a server alone, by `orch-nb dev`."""
    with ExitStack() as stack:

        def start(name: str, folder: Path) -> Process:
            made = System(name, folder, check=True).server
            stack.callback(made.stop)
            return made.start(until="Ctrl-C")

        yield start


@pytest.fixture(scope="session")
def performing() -> Callable[..., nb.Run]:
    """Performs a case of the conformance table, here or `on` another system."""
    return perform


class Acting:
    """An observer that does what people do, when the task is there that they wait for."""

    def __init__(self, act: dict[str, tuple[str, str | None]]) -> None:
        self._left = dict(act)
        self.live: LiveRun | None = None

    def look(self) -> None:
        assert self.live is not None
        tasks = self.live.driver.state.tasks
        for task, (verb, of) in list(self._left.items()):
            if task in tasks and tasks[task].status in ("waiting", "running"):
                del self._left[task]
                arguments = {"by": "ann"}
                getattr(self.live, verb)(*([of] if of else []), **arguments)


def perform(case: conformance.Case, folder: Path, on: str = "") -> nb.Run:
    """A case, performed here or by another system, with what people do to it."""
    plan = nb.decompose(case.plan, namespace={})
    options = phases.run_options(4, on=on, interactive=bool(case.act), **case.options)
    make = phases.starting(
        plan, journal=open_journal(folder / f"{'there' if on else 'here'}.db"), options=options
    )
    live = phases.begin(make)
    acting = Acting(case.act)
    acting.live = live
    until = time.monotonic() + 60
    while not live.done.wait(0.02):
        acting.look()
        assert time.monotonic() < until, live.snapshot().df.to_string()
    return live.finished()


def run_until(live: LiveRun, done: Callable[[nb.Run], Any], patience_s: float = 60) -> nb.Run:
    until = time.monotonic() + patience_s
    while not done(live.snapshot()):
        assert time.monotonic() < until, live.snapshot().df.to_string()
        time.sleep(0.05)
    return live.snapshot()
