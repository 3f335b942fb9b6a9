"""Attempts handed to an executor without a driver: what it reports is all that is looked at.

`PLACES` are where attempts can run, each with what can be expected of it. The conformance suite is
run for each of them; a new executor is one more line there.
"""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orch_nb.engine.clock import SystemClock
from orch_nb.engine.ports import AttemptRequest, Executor, Outcome, Setting
from orch_nb.executors.local import local_executor
from orch_nb.model.task import Task

HERE = Path(__file__).parent
sys.path[:0] = [str(one) for one in (HERE, HERE.parent) if str(one) not in sys.path]

import queue_workers  # noqa: E402  # beside this file
from redis_server import redis_server  # noqa: E402


@dataclass(frozen=True, kw_only=True)
class Place:
    """An executor of which the conformance suite is true. What it is not true of, it says:

    - `here`: attempts run in this process. They share its objects and context variables, and print
      to its `sys.stdout`; elsewhere objects are copied, and prints go to the attempt's log.
    - `cancels`: an attempt that waits can be stopped. `concurrent`: several run side by side.
    - `bounded`: no more run at once than there are workers, however many are given.
    - `python`: runs functions. `awaits`: coroutines that they give, too.
    - `queues`: what has not begun can be taken back. `live`: prints are told as they are printed.
    - `most`: how many attempts a test may ask for that takes care not to ask for many.
    - `needs`: a fixture, for the packages and servers that there must be.
    """

    name: str
    make: Callable[[], Executor]
    here: bool = True
    cancels: bool = False
    concurrent: bool = True
    bounded: bool = True
    python: bool = True
    awaits: bool = False
    queues: bool = True
    live: bool = True
    most: int = 1000
    needs: str | None = None

    def task(self, function: Callable[..., Any], name: str = "a", **fields: Any) -> Task:
        """A task of which this function is the body."""
        return Task(id=name, run=function, **fields)

    def job(
        self, path: Path, seconds: float = 0.0, name: str = "a", until: Path | str = "/"
    ) -> Task:  # fmt: skip
        """A task that takes some time, and more until there is a file `until`. It tells the file
        `path` of its begin and its end; see `marks`. Its result is its name."""
        return Task(id=name, run=functools.partial(mark, str(path), seconds, name, str(until)))

    def marks(self, path: Path) -> list[tuple[str, str]]:
        """What jobs told, in order: ("+", name) for a begin, ("-", name) for an end."""
        lines = path.read_text().splitlines() if path.exists() else []
        return [(line.split()[0], line.split()[1]) for line in lines]

    def begun(self, path: Path) -> list[str]:
        return [name for what, name in self.marks(path) if what == "+"]

    def most_at_once(self, path: Path) -> int:
        running = most = 0
        for what, _ in self.marks(path):
            running += 1 if what == "+" else -1
            most = max(most, running)
        return most


class AsyncPlace(Place):
    def task(self, function: Callable[..., Any], name: str = "a", **fields: Any) -> Task:
        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            return function(*args, **kwargs)

        return Task(id=name, run=coroutine, **fields)

    def job(
        self, path: Path, seconds: float = 0.0, name: str = "a", until: Path | str = "/"
    ) -> Task:  # fmt: skip
        async def coroutine() -> str:
            note(str(path), "+", name)
            await asyncio.sleep(seconds)
            while not is_there(str(until)):  # noqa: ASYNC110  # another process makes the file
                await asyncio.sleep(0.01)
            note(str(path), "-", name)
            return name

        return Task(id=name, run=coroutine)


class UnsuspendedPlace(AsyncPlace):
    """Coroutine functions whose body does not wait for anything."""

    def task(self, function: Callable[..., Any], name: str = "a", **fields: Any) -> Task:
        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return Task(id=name, run=coroutine, **fields)


class ShellPlace(Place):
    def job(
        self, path: Path, seconds: float = 0.0, name: str = "a", until: Path | str = "/"
    ) -> Task:  # fmt: skip
        command = (
            f"echo '+ {name}' >> {path}; sleep {seconds}; "
            f"while [ ! -e {until} ]; do sleep 0.02; done; echo '- {name}' >> {path}; echo {name}"
        )
        return Task(id=name, sh=command)


class NotebookPlace(Place):
    def job(
        self, path: Path, seconds: float = 0.0, name: str = "a", until: Path | str = "/"
    ) -> Task:  # fmt: skip
        import nbformat

        code = f"""
            import os, time
            def note(what):
                with open({str(path)!r}, "a") as file:
                    file.write(f"{{what}} {name}\\n")
            note("+")
            time.sleep({seconds})
            while not os.path.exists({str(until)!r}):
                time.sleep(0.01)
            note("-")
            """
        cells = [nbformat.v4.new_code_cell(textwrap.dedent(code))]
        book = path.with_name(f"{name}.ipynb")
        nbformat.write(nbformat.v4.new_notebook(cells=cells), book)
        return Task(id=name, notebook=str(book))


def note(path: str, what: str, name: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{what} {name}\n".encode())  # one write: lines of several processes do not mix
    os.close(fd)


def is_there(path: str) -> bool:
    return Path(path).exists()


def mark(path: str, seconds: float, name: str, until: str) -> str:
    note(path, "+", name)
    time.sleep(seconds)
    while not is_there(until):
        time.sleep(0.01)
    note(path, "-", name)
    return name


#: A Dask client of a cluster of threads, while the fixture `cluster` holds it.
CLIENTS: list[Any] = []
#: A Celery app with workers, and the Redis of a queue with BullMQ workers, likewise.
APPS: list[Any] = []
REDIS: list[str] = []

PLACES = {
    place.name: place
    for place in (
        Place(name="inline", make=functools.partial(local_executor, "inline"), concurrent=False),
        Place(name="threads", make=functools.partial(local_executor, "threads")),
        AsyncPlace(name="async", make=functools.partial(local_executor, "threads"), cancels=True,
 awaits=True),
        UnsuspendedPlace(
            name="unsuspended", make=functools.partial(local_executor, "threads"), cancels=True,
            awaits=True,
        ),
        Place(
            name="processes", make=functools.partial(local_executor, "processes"), here=False,
            cancels=True,
        ),
        ShellPlace(
            name="shell", make=functools.partial(local_executor, "threads"), python=False,
            here=False, cancels=True,
        ),
        NotebookPlace(
            name="notebook", make=functools.partial(local_executor, "threads"), python=False,
            here=False, cancels=True, most=3, needs="kernels",
        ),
        Place(
            name="dask", make=lambda: local_executor("dask", address=CLIENTS[0]), here=False,
            bounded=False, queues=False, live=False, awaits=True, needs="cluster",
        ),
        Place(
            name="celery", make=lambda: local_executor("celery", address=APPS[0]), here=False,
            cancels=True, bounded=False, queues=False, live=False, awaits=True, most=200,
            needs="celery_workers",
        ),
        Place(
            name="bullmq", make=lambda: local_executor("bullmq", address=REDIS[0]), here=False,
            bounded=False, queues=False, live=False, awaits=True, most=200, needs="bullmq_workers",
        ),
    )
}  # fmt: skip


class Bench:
    """`bench(task, task, ...)` gives the outcomes by task; `.logs` what they printed."""

    def __init__(self, make: Callable[[], Executor]) -> None:
        self.make = make
        self.workspace = ""
        self.logs: dict[tuple[str, str], str] = {}
        self.pids: dict[str, int] = {}

    def __call__(
        self, *tasks: Task, meanwhile: Callable[[Any], None] | None = None, within_s: float = 30.0,
        workers: int = 8, after_s: float = 0.3, **fields: Any,
    ) -> dict[str, Outcome]:  # fmt: skip
        """`meanwhile(executor)` is called, on the loop, `after_s` after the attempts began."""

        async def steps(session: Session) -> dict[str, Outcome]:
            session.submit(*tasks, **fields)
            if meanwhile is not None:
                session.loop.call_later(after_s, meanwhile, session.executor)
            names = [fields.get("id", task.id) for task in tasks]
            return await session.outcomes_of(*names, within_s=within_s)

        return self.drive(steps, workers)

    def drive(self, steps: Callable[[Session], Any], workers: int = 8) -> Any:
        """Run `await steps(session)` with a started executor, and stop it."""

        async def run() -> Any:
            session = Session(self, workers)
            try:
                return await steps(session)
            finally:
                session.executor.stop()

        return asyncio.run(run())

    def request(
        self, task: Task, args: Any = (), kwargs: Any = None, attempt: int = 1, params: Any = None,
        workspace: str = "", **fields: Any,
    ) -> AttemptRequest:  # fmt: skip
        def log(task: str, attempt: int, stream: str, text: str) -> None:
            self.logs[task, stream] = self.logs.get((task, stream), "") + text

        def process(task: str, attempt: int, pid: int) -> None:
            self.pids[task] = pid

        setting = Setting(
            run_id="nightly-1",
            params=params or {},
            workspace=workspace or self.workspace,
            log=log,
            process=process,
        )
        fields.setdefault("id", task.id)
        return AttemptRequest(
            task=task, attempt=attempt, setting=setting, args=args, kwargs=kwargs or {}, **fields
        )


class Session:
    """An executor at work, on the running loop."""

    def __init__(self, bench: Bench, workers: int = 8) -> None:
        self.bench, self.loop = bench, asyncio.get_running_loop()
        self.executor: Any = bench.make()
        self.clock = SystemClock()
        self.executor.start(self.clock, workers)
        self.reported: list[Outcome] = []
        self._came = asyncio.Event()

    def submit(self, *tasks: Task, **fields: Any) -> None:
        requests = [self.bench.request(task, **fields) for task in tasks]
        self.executor.submit(requests, self.report)

    def report(self, found: Any) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._take, list(found))

    def _take(self, found: list[Outcome]) -> None:
        self.reported += found
        self._came.set()

    @property
    def outcomes(self) -> dict[str, Outcome]:
        return {outcome.key[0]: outcome for outcome in self.reported}

    async def outcomes_of(self, *names: str, within_s: float = 30.0) -> dict[str, Outcome]:
        """Raises TimeoutError."""
        await self.until(lambda: set(names) <= self.outcomes.keys(), within_s)
        return self.outcomes

    async def until(self, holds: Callable[[], Any], within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while not holds():
                self._came.clear()
                try:
                    await asyncio.wait_for(self._came.wait(), 0.02)
                except TimeoutError:
                    continue


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    """A Dask cluster of threads of this process."""
    distributed = pytest.importorskip("distributed")
    loopback = {
        "protocol": "tcp", "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0",
        "worker_dashboard_address": "127.0.0.1:0", "silence_logs": 50,
    }  # fmt: skip
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=4, processes=False, **loopback
        ) as made,
        distributed.Client(made, set_as_default=False) as client,
    ):
        CLIENTS.append(client)
        yield
        CLIENTS.clear()


@pytest.fixture(scope="session")
def redis() -> Iterator[str]:
    """The address of a Redis of our own."""
    with redis_server() as address:
        yield address


@pytest.fixture(scope="session")
def celery_workers(redis, tmp_path_factory) -> Iterator[Any]:
    """A Celery app with a worker of ten processes."""
    pytest.importorskip("celery")
    app = queue_workers.celery_app(redis)
    worker = queue_workers.start_celery(redis, tmp_path_factory.mktemp("celery") / "log")
    with queue_workers.ended(worker):
        queue_workers.until(lambda: app.control.ping(timeout=0.5))
        APPS.append(app)
        yield app
        APPS.clear()
    queue_workers.close(app)


@pytest.fixture(scope="session")
def bullmq_workers(redis, tmp_path_factory) -> Iterator[str]:
    """A Redis with a BullMQ worker of ten threads."""
    pytest.importorskip("bullmq")
    worker = queue_workers.start_bullmq(redis, tmp_path_factory.mktemp("bullmq") / "log")
    with queue_workers.ended(worker):
        REDIS.append(redis)
        yield redis
        REDIS.clear()


@pytest.fixture
def client(redis) -> Iterator[Any]:
    """What looks into that Redis."""
    redis_py = pytest.importorskip("redis")
    with redis_py.Redis.from_url(redis, decode_responses=True) as made:
        yield made


@pytest.fixture(scope="session")
def gone_sender() -> str:
    """The name of a process that sent something, and has ended."""
    code = "from orch_nb.executors.sender import this_sender; print(this_sender())"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    if not ended.stdout.strip():
        pytest.skip("without /proc nobody can tell")
    return ended.stdout.strip()


@pytest.fixture
def kernels(tmp_path) -> None:
    """What executes notebooks."""
    for package in ("nbclient", "nbformat", "ipykernel"):
        pytest.importorskip(package)


@pytest.fixture(params=[name for name, place in PLACES.items() if place.python])
def place(request) -> Place:
    """Where Python functions run."""
    return had(request)


@pytest.fixture(params=PLACES)
def anywhere(request) -> Place:
    """Where anything runs."""
    return had(request)


def had(request) -> Place:
    place = PLACES[request.param]
    if place.needs is not None:
        request.getfixturevalue(place.needs)
    return place


@pytest.fixture
def places() -> dict[str, Place]:
    return PLACES


@pytest.fixture
def bench(request) -> Bench:
    """A bench for the place that the test asks for."""
    place = next(
        request.getfixturevalue(name) for name in ("place", "anywhere")
        if name in request.fixturenames
    )  # fmt: skip
    made = Bench(place.make)
    if place.name == "notebook":
        made.workspace = str(request.getfixturevalue("tmp_path"))
    return made


@pytest.fixture
def bench_of() -> Callable[[str], Bench]:
    return lambda executor: Bench(functools.partial(local_executor, executor))


@pytest.fixture
def shell() -> Bench:
    return Bench(functools.partial(local_executor, "threads"))
