"""Whatever is killed in mid-run where Celery, BullMQ or Dask perform its attempts: worker, server,
kernel. How the run ends, and what ran twice. Each has a server and a worker of its own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import queue_workers
from redis_server import free_port, program

import orch_nb as nb
from orch_nb import phases
from orch_nb.engine.journal import SqliteJournal

#: Of those that are killed here on purpose.
pytestmark = [
    pytest.mark.timeout(150),
    pytest.mark.filterwarnings("ignore:.*worker.*answer:RuntimeWarning"),
]


class Site:
    """Where attempts are performed: a server, and a worker that takes from it."""

    needs: str
    server: subprocess.Popen[bytes]
    worker: subprocess.Popen[bytes]

    def __init__(self, folder: Path) -> None:
        pytest.importorskip(self.needs)
        self.folder, self.port = folder, free_port()
        self.start("server")
        self.start("worker")

    def start(self, what: str) -> None:
        setattr(self, what, getattr(self, f"_{what}")())
        if what == "server":
            queue_workers.until(self._answers)

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def _begun(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("a") as log:
            return subprocess.Popen(
                [*words], stdout=log, stderr=log, env=self.environment(), cwd=self.folder,
                start_new_session=True,
            )  # fmt: skip

    def environment(self) -> dict[str, str]:
        """Of whoever performs tasks. What a worker is warned of is another library's matter."""
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
        here = Path(__file__).parent
        path = [str(here), str(here.parent / "executors"), kept.get("PYTHONPATH", "")]
        return kept | {"PYTHONPATH": os.pathsep.join(path), "BROKER": self.address}

    @property
    def address(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def options(self) -> dict[str, Any]:
        """Of `execute`; as text they are those of `orch-nb run`."""
        return {"executor": self.needs, "address": self.address}

    def _server(self) -> Any:
        """It keeps nothing on the disk: one that is started anew has forgotten everything."""
        return self._begun(program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "")

    def close(self) -> None:
        with queue_workers.ended(self.worker, self.server):
            pass


class Celery(Site):
    needs = "celery"

    def _worker(self) -> Any:
        return queue_workers.start_celery(self.address, self.folder / "log")


class BullMQ(Site):
    needs = "bullmq"

    def _worker(self) -> Any:
        more = ("orch_nb", "--patience", "3s")
        return queue_workers.start_bullmq(self.address, self.folder / "log", *more)


class Dask(Site):
    needs = "distributed"

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def options(self) -> dict[str, Any]:
        return {"executor": "dask", "address": self.address}

    def _dask(self, *words: str) -> Any:
        more = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0")
        return self._begun(sys.executable, "-m", "dask", *words, *more)

    def _server(self) -> Any:
        return self._dask("scheduler", "--port", str(self.port))

    def _worker(self) -> Any:
        return self._dask("worker", self.address, "--nthreads", "4")


SITES = {"celery": Celery, "bullmq": BullMQ, "dask": Dask}


@pytest.fixture(params=SITES)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    made = SITES[request.param](tmp_path)
    yield made
    made.close()


@pytest.fixture
def execute(site: Site) -> Iterator[Callable[[nb.Plan], nb.Run]]:
    """`execute(plan)` there, by an app of this process where it is Celery."""
    if not isinstance(site, Celery):
        yield lambda plan: nb.execute(plan, journal="memory", **site.options)
        return
    app = queue_workers.celery_app(site.address)
    yield lambda plan: nb.execute(plan, journal="memory", executor=app)
    queue_workers.close(app)


def marking(folder: Path) -> str:
    """A chain of which each link leaves a mark; the second takes its time."""
    mark = f'run: "backend_tasks:mark", with: {{folder: {json.dumps(str(folder))}'
    return f"""
goal: survive
tasks:
  first: {{{mark}, name: first}}}}
  long: {{{mark}, name: long, seconds: 2}}, needs: [first]}}
  last: {{{mark}, name: last}}, needs: [long]}}
"""


def begins(folder: Path) -> Counter[str]:
    """How often each task has begun."""
    path = folder / "ran"
    lines = path.read_text().splitlines() if path.exists() else []
    return Counter(line.split()[0] for line in lines if line.endswith("begins"))


def killed_in_mid_task(site: Site, what: str, execute: Callable[[nb.Plan], nb.Run]) -> nb.Run:
    def kill() -> None:
        queue_workers.until(lambda: begins(site.folder)["long"])
        queue_workers.kill(getattr(site, what))
        time.sleep(0.5)
        site.start(what)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        return execute(nb.decompose(marking(site.folder), namespace={}))
    finally:
        killer.join()


def test_a_killed_worker_is_replaced_by_another(site, execute, tmp_path: Path, observed):
    run = killed_in_mid_task(site, "worker", execute)
    assert run.succeeded, run.df.to_string()
    assert begins(tmp_path) == {"first": 1, "long": 2, "last": 1}
    told = len(run["long"].attempts)
    assert told == 1  # sent again, or redelivered: to the plan it is the same attempt
    row = "the worker is killed in mid-task"
    observed(row, run.options.executor, f"another begins the task anew; attempts told: {told}")


def test_a_killed_server_that_has_forgotten_everything(site, execute, tmp_path: Path, observed):
    run = killed_in_mid_task(site, "server", execute)
    name, row = run.options.executor, "the server is killed in mid-task"
    often = begins(tmp_path)
    assert often["first"] == 1, "what had succeeded does not run again"
    if name == "dask":  # its scheduler is its memory: no message of it finds its way back
        (attempt,) = run["long"].attempts
        assert (run.status, attempt.error.type) == ("failed", "BackendUnavailable")
        observed(row, name, "the task fails, and says so; attempts told: BackendUnavailable")
        return
    assert run.succeeded, run.df.to_string()
    assert often["last"] == 1
    assert often["long"] in ((2,) if name == "bullmq" else (1, 2))
    assert len(run["long"].attempts) == 1
    again = "is begun anew" if name == "bullmq" else "is begun anew, or goes on in its worker"
    observed(row, name, f"the task {again}, and the run ends well; attempts told: 1")


def test_a_killed_kernel_recovers_its_run(site, tmp_path: Path, observed):
    """By `orch-nb`, as its process has to be one that can be killed."""
    (tmp_path / "plan.yaml").write_text(marking(tmp_path))
    name = "dask" if isinstance(site, Dask) else site.needs
    address = "celery_project:app" if name == "celery" else site.address

    def begun(*words: str) -> Any:
        return site._begun(sys.executable, "-m", "orch_nb.cli", *words)

    there = ("--executor", name, "--address", address)
    kernel = begun("run", "plan.yaml", *there, "--run-id", "r")
    queue_workers.until(lambda: begins(tmp_path)["long"])
    kernel.kill()
    kernel.wait()
    assert begun("recover", "r", *there).wait(90) == 0, (tmp_path / "log").read_text()
    often = begins(tmp_path)
    assert (often["first"], often["last"]) == (1, 1)
    assert often["long"] == 2
    journal = SqliteJournal(tmp_path / ".orch_nb" / "journal.db")
    told = len(phases.past_run(journal.history("r"), journal)["long"].attempts)
    assert told == 2  # as of a kernel that performs its run itself
    row = "the kernel is killed in mid-run"
    observed(row, name, f"stops; recover begins anew what ran; attempts told: {told}")
