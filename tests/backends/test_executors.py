"""A run whose functions are performed by Dask, Celery or BullMQ ends as it would have here, task by
task: on a real cluster, a real broker and real workers. What is lost is in one table, by name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import conformance
import conformance_table
import pytest
import queue_workers
from redis_server import redis_server

import orch_nb as nb

#: What each cannot do of a plan, or does in another way than the local engine. `{}`: nothing.
LOSSES: dict[str, dict[str, str]] = {
    "dask": {"timeout": "a function that does not return in time goes on running on its worker"},
    "celery": {},  # with the prefork pool; see `RUNS_ON` for what it does better than threads here
    "bullmq": {"timeout": "a function that does not return in time goes on running on its worker"},
}
#: Whether a function still runs when its attempt has timed out. Threads cannot be stopped.
RUNS_ON = {
    "threads": True, "processes": False, "dask": True, "celery": False, "bullmq": True,
    "temporal": True, "restate": True,
}  # fmt: skip


@pytest.fixture(scope="session")
def redis() -> Iterator[str]:
    with redis_server() as address:
        yield address


@pytest.fixture(scope="session")
def dask() -> Iterator[dict[str, Any]]:
    distributed = pytest.importorskip("distributed")
    loopback = {
        "protocol": "tcp", "host": "127.0.0.1", "dashboard_address": "127.0.0.1:0",
        "worker_dashboard_address": "127.0.0.1:0", "silence_logs": 50,
    }  # fmt: skip
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=8, processes=False, **loopback
    ) as cluster:
        yield {"executor": "dask", "address": cluster.scheduler_address}


@pytest.fixture(scope="session")
def celery(redis: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    pytest.importorskip("celery")
    app = queue_workers.celery_app(redis)
    worker = queue_workers.start_celery(redis, tmp_path_factory.mktemp("celery") / "log")
    with queue_workers.ended(worker):
        queue_workers.until(lambda: app.control.ping(timeout=0.5))
        yield {"executor": app}
    queue_workers.close(app)


@pytest.fixture(scope="session")
def bullmq(redis: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    pytest.importorskip("bullmq")
    worker = queue_workers.start_bullmq(redis, tmp_path_factory.mktemp("bullmq") / "log")
    with queue_workers.ended(worker):
        yield {"executor": "bullmq", "address": redis}


@pytest.fixture(params=LOSSES)
def elsewhere(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return request.param, request.getfixturevalue(request.param)


@pytest.mark.parametrize("case", conformance.CASES, ids=lambda case: case.name)
def test_a_run_there_ends_as_it_does_here(
    elsewhere, case, here, performed: Callable[..., Any], observed
):
    name, where = elsewhere
    there = performed(name, **where)
    assert there[case].options.executor == name
    assert conformance.told(there[case]) == conformance.told(here[case])
    observed(case.name, name, conformance_table.EQUAL)
    observed(case.name, "local", "reference")


def runs_on(folder: Path, **where: Any) -> bool:
    """Whether a function goes on after its attempt has timed out."""
    mark = {"name": "slow", "folder": str(folder), "seconds": 4}
    text = f'goal: g\ntasks: {{slow: {{run: "backend_tasks:mark", with: {mark}, timeout: 2s}}}}'
    run = nb.execute(nb.decompose(text, namespace={}), journal="memory", **where)
    (attempt,) = run["slow"].attempts
    assert attempt.timed_out
    assert "slow begins" in (folder / "ran").read_text()
    until = time.monotonic() + 6
    while not (ends := "slow ends" in (folder / "ran").read_text()):
        if time.monotonic() > until:
            break
        time.sleep(0.1)
    return ends


def everywhere(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """Where a run can be performed, by name."""
    where: dict[str, dict[str, Any]] = {"threads": {"executor": "threads"}}
    where["processes"] = {"executor": "processes"}
    where |= {name: request.getfixturevalue(name) for name in LOSSES}
    systems = request.getfixturevalue("systems")
    return where | {name: {"on": systems(name).url} for name in ("temporal", "restate")}


def test_what_a_timeout_stops(request: pytest.FixtureRequest, tmp_path: Path, observed):
    pytest.importorskip("temporalio")
    pytest.importorskip("restate")

    def seen(name: str) -> bool:
        folder = tmp_path / name
        folder.mkdir()
        return runs_on(folder, **where[name])

    where = everywhere(request)
    with ThreadPoolExecutor(len(where)) as pool:
        found = dict(zip(where, pool.map(seen, where), strict=True))
    assert found == RUNS_ON
    row = "a function that does not return within its timeout"
    words = {True: "fails, and runs on in its thread", False: "fails, and is stopped"}
    for name, goes_on in found.items():
        observed(row, name, words[goes_on])
    here = f"{words[found['threads']]}; with `processes` it is stopped"
    observed(row, "local", here)


@pytest.mark.filterwarnings("ignore:.*worker.*answer:RuntimeWarning")  # until it is back
def test_a_task_that_kills_the_process_that_runs_it(
    request: pytest.FixtureRequest, tmp_path: Path, redis: str, observed
):
    """Whoever runs it then, it ends; how often it was tried is told in different ways."""
    distributed = pytest.importorskip("distributed")
    pytest.importorskip("temporalio")
    pytest.importorskip("restate")
    where = everywhere(request)
    del where["threads"]
    systems = request.getfixturevalue("systems")
    where["bullmq"] = {"executor": "bullmq", "address": f"{redis}?queue=mortal"}

    def seen(name: str) -> nb.Run:
        folder = tmp_path / name
        folder.mkdir()
        text = (
            'goal: g\ntasks: {a: {run: "backend_tasks:die_once", with: {folder: '
            f'"{folder}"}}, retry: 2}}}}'
        )
        if name in ("temporal", "restate"):
            worker = systems(name).worker
            threading.Thread(target=reborn, args=(worker,), daemon=True).start()
        return nb.execute(nb.decompose(text, namespace={}), journal="memory", **where[name])

    def reborn(worker: Any) -> None:
        while worker.lives:
            time.sleep(0.05)
        worker.start(until="worker:")

    mortal = [
        queue_workers.start_bullmq(redis, tmp_path / "log", "mortal", "--patience", "2s")
        for _ in range(2)
    ]
    with (
        queue_workers.ended(*mortal),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, protocol="tcp", host="127.0.0.1",
            dashboard_address="127.0.0.1:0", worker_dashboard_address="127.0.0.1:0",
            silence_logs=50,
        ) as cluster,
        ThreadPoolExecutor(len(where)) as pool,
    ):  # fmt: skip
        where["dask"] = {"executor": "dask", "address": cluster.scheduler_address}
        found = dict(zip(where, pool.map(seen, where), strict=True))
    for name, run in found.items():
        ends = "runs again and ends well" if run.succeeded else f"the run ends {run.status}"
        assert run.succeeded, (name, run.df.to_string())
        tries = ", ".join(f"{a.error.type if a.error else a.status}" for a in run["a"].attempts)
        told = f"{ends}; attempts told: {tries}"
        observed("a task kills the process that runs it, once", name, told)
        if name == "processes":
            row = "a task kills the process that runs it, once"
            observed(row, "local", f"with `processes`: {told}")


def test_every_loss_is_named(capsys: pytest.CaptureFixture[str]):
    """What is observed above is what is said; the table is printed for whoever reads the tests."""
    with capsys.disabled():
        for name, lost in LOSSES.items():
            assert ("timeout" in lost) is RUNS_ON[name]
            print(
                f"\n{name}: {'; '.join(f'{k}: {v}' for k, v in lost.items()) or 'no loss'}", end=""
            )
