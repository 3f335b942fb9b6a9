"""Real workers in processes of their own, by `orch-nb worker`: of a Celery app and of BullMQ."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

HERE = Path(__file__).parent


def celery_app(address: str) -> Any:
    """The app of `celery_project`, with its broker at `address`."""
    from celery import Celery

    from orch_nb.executors.celery_worker import register

    app = Celery("tests", broker=f"{address}/0", backend=f"{address}/1")
    app.conf.worker_hijack_root_logger = False
    register(app)
    return app


def close(app: Any) -> None:
    """An app leaves its connections to the result backend for the garbage."""
    app.backend.result_consumer.stop()
    app.backend.client.connection_pool.disconnect()
    app.close()


def start_celery(address: str, log: Path, queue: str = "", *more: str) -> Any:
    command = ["celery", "--app", "celery_project:app", "--concurrency", "10", *more]
    return _start([*command, *(["--queue", queue] if queue else [])], log, BROKER=address)


def start_bullmq(address: str, log: Path, queue: str = "orch_nb", *more: str) -> Any:
    return _start(
        ["bullmq", "--address", address, "--queue", queue, "--concurrency", "10", *more], log
    )


def _start(words: list[str], log: Path, **environment: str) -> Any:
    with log.open("a") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "orch_nb.cli", "worker", *words], stdout=out,
            stderr=subprocess.STDOUT, env=_plain() | environment, start_new_session=True,
        )  # fmt: skip


def _plain() -> dict[str, str]:
    """What is warned of in a worker is another library's matter. It finds what stands here."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}
    path = [str(HERE), str(HERE.parent / "backends"), kept.get("PYTHONPATH", "")]
    return kept | {"PYTHONPATH": os.pathsep.join(filter(None, path))}


def kill(worker: Any) -> None:
    """As a machine that is gone: it and its children, without a word. It first: it would tell of
    its children."""
    family = [psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)]
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    worker.wait(10)


@contextlib.contextmanager
def ended(*workers: Any) -> Iterator[None]:
    """Stops workers at the end, in order if they can."""
    try:
        yield
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.terminate()
        for worker in workers:
            try:
                worker.wait(15)
            except subprocess.TimeoutExpired:
                kill(worker)


def until(holds: Any, within_s: float = 30.0) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.05)
