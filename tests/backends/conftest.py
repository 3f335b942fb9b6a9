"""Real servers and real workers, each a process of its own that can be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
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
sys.path[:0] = [str(one) for one in (HERE, HERE.parent, HERE.parent / "executors")]

import conformance  # noqa: E402

PATIENCE = "5s"  # that is had with a worker that is silent, where a person would have more
AT_ONCE = 6  # cases of the table side by side


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
    def lives(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """As the machine's end would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def ended(self, within_s: float) -> int:
        """The exit code of one that was told to end."""
        assert self._process is not None
        return self._process.wait(within_s)

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
        listen = ("--listen", f"127.0.0.1:{free_port()}")
        extra = listen if name == "restate" else ("--patience", PATIENCE)
        self.worker = Process(
            folder, "worker", name, "--address", f"127.0.0.1:{self.port}", *extra
        )  # fmt: skip

    def start(self) -> System:
        """Start what does not run."""
        if not self.server.lives:
            self.server.start(until="Ctrl-C")
        if not self.worker.lives:
            self.worker.start(until="worker:")
        return self

    def stop(self) -> None:
        self.worker.stop()
        self.server.stop()


@pytest.fixture(scope="session")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], System]]:
    """A server with a worker, one of each system for all tests. What a test has killed is there
    again for the next."""
    made: dict[str, System] = {}
    with ExitStack() as stack:

        def get(name: str) -> System:
            if name not in made:
                made[name] = System(name, tmp_path_factory.mktemp(name), check=True)
                stack.callback(made[name].stop)
            return made[name].start()

        yield get


def installed(name: str, folder: Path) -> None:
    """Skip where a server is not installed; in CI that is a failure."""
    try:
        server(name, folder)
    except EnvironmentFault as error:
        if os.environ.get("ORCH_NB_CI") == "1":
            pytest.fail(f"{error} (CI must have it)")
        pytest.skip(str(error))


@pytest.fixture
def starting_server() -> Iterator[Callable[[str, Path], Process]]:
    """Starts a server alone, by `orch-nb dev`."""
    with ExitStack() as stack:

        def start(name: str, folder: Path) -> Process:
            made = System(name, folder, check=True).server
            stack.callback(made.stop)
            return made.start(until="Ctrl-C")

        yield start


class Performed:
    """The cases that tests of this session ask for, in one place: performed side by side, and
    looked at one by one."""

    def __init__(self, cases: Sequence[conformance.Case], folder: Path, **where: Any) -> None:
        self._pool = ThreadPoolExecutor(AT_ONCE)
        self._runs = {
            case.name: self._pool.submit(perform, case, folder / f"{number}.db", **where)
            for number, case in enumerate(cases)
        }

    def __getitem__(self, case: conformance.Case) -> nb.Run:
        return self._runs[case.name].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="session")
def performed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Performed]]:
    """Performs the cases in a place: `performed("temporal", on=url)`, `performed("here")`."""
    params = [getattr(item, "callspec", None) for item in request.session.items]
    wanted = {spec.params["case"].name for spec in params if spec and "case" in spec.params}
    cases = [case for case in conformance.CASES if case.name in wanted]
    made: dict[str, Performed] = {}

    def perform_all(name: str, **where: Any) -> Performed:
        if name not in made:
            made[name] = Performed(cases, tmp_path_factory.mktemp(name), **where)
        return made[name]

    yield perform_all
    for one in made.values():
        one.close()


@pytest.fixture(scope="session")
def here(performed: Callable[..., Performed]) -> Performed:
    """The cases as the local engine performs them."""
    return performed("here")


# -- the table for people: see conformance_table ------------------------------------------------


@pytest.fixture
def observed(record_property: Callable[[str, object], None]) -> Callable[[str, str, str], None]:
    """Says what was seen: `observed(row, system, cell)`."""

    def tell(row: str, system: str, cell: str) -> None:
        record_property("conformance", (row, system, cell))

    return tell


_SEEN: dict[tuple[str, str], str] = {}


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" and report.passed:
        for name, told in report.user_properties:
            if name == "conformance":
                row, system, cell = told  # type: ignore[misc]
                _SEEN[row, system] = cell


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    path = os.environ.get("ORCH_NB_CONFORMANCE")
    if not path or not _SEEN:
        return
    import conformance_table

    left = conformance_table.missing(_SEEN)
    if exitstatus != 0 or left:
        print(f"\n{path} is not written: {len(left)} cells were not seen: {left[:5]}")
        session.exitstatus = exitstatus or 1
        return
    Path(path).write_text(conformance_table.markdown(_SEEN), encoding="utf-8")


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


def perform(
    case: conformance.Case, journal: Path, *, on: str = "", executor: Any = "threads",
    address: str = "",
) -> nb.Run:  # fmt: skip
    """A case, performed here or by another system, with what people do to it."""
    plan = nb.decompose(case.plan, namespace={})
    options = phases.run_options(
        4, executor=executor, address=address, on=on, interactive=bool(case.act), **case.options
    )
    make = phases.starting(plan, journal=open_journal(journal), options=options, executor=executor)
    live = phases.begin(make)
    acting = Acting(case.act)
    acting.live = live
    until = time.monotonic() + 60
    while not live.done.wait(0.02):
        acting.look()
        assert time.monotonic() < until, live.snapshot().df.to_string()
    return live.finished()
