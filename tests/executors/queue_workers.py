"""Real workers in processes of their own: of a Celery app, of a BullMQ queue."""

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
    from celery import Celery

    from orch_nb.executors.celery_worker import register

    app = Celery("tests", broker=f"{address}/0", backend=f"{address}/1")
    app.conf.worker_hijack_root_logger = False
    register(app)
    return app


def start_celery(address: str, log: Path, name: str = "w", queue: str = "celery") -> Any:
    return _start([sys.executable, str(Path(__file__)), "celery", address, name, queue], log)


def start_bullmq(address: str, log: Path, queue: str = "orch_nb") -> Any:
    return _start([sys.executable, str(Path(__file__)), "bullmq", address, queue], log)


def _start(command: list[str], log: Path) -> Any:
    with log.open("a") as out:
        return subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=_plain())


def _plain() -> dict[str, str]:
    """What is warned of in a worker is another library's matter."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONWARNINGS"}


def kill(worker: Any) -> None:
    """As a machine that is gone: it and its children, without a word."""
    family = [*psutil.Process(worker.pid).children(recursive=True), psutil.Process(worker.pid)]
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


if __name__ == "__main__":
    kind, address, *more = sys.argv[1:]
    if kind == "celery":
        name, queue = more
        celery_app(address).worker_main(
            ["worker", "-P", "prefork", "-c", "10", "-l", "warning", "-n", f"{name}@%h",
             "-Q", queue, "--without-gossip", "--without-mingle"]
        )  # fmt: skip
    else:
        import asyncio

        from orch_nb.executors.bullmq_worker import work

        asyncio.run(work(address, more[0], concurrency=10))
