"""`orch-nb worker` and `orch-nb dev`: what a run needs that another system owns.

orch-nb dev temporal       a server of the system on this machine, until Ctrl-C
orch-nb worker temporal    performs the tasks of the runs that it owns, until Ctrl-C
orch-nb worker celery --app proj.celery:app     performs functions that runs send to its broker
orch-nb worker bullmq --address redis://…       performs those of a queue in Redis
orch-nb run plan.yaml --on temporal
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

from orch_nb import phases
from orch_nb.errors import BackendUnavailable, UsageError

__all__ = ["POOLS", "bullmq", "celery", "dev", "worker"]

#: In which Celery's own worker runs attempts. Only the first can stop one that runs.
POOLS = ("prefork", "threads", "solo")
_LOOK_S = 0.3
_END_S = 3.0


def worker(arguments: argparse.Namespace) -> int:
    """Perform tasks until Ctrl-C or SIGTERM."""
    if arguments.workers < 1:
        raise UsageError(f"--workers is a whole number of at least 1, not {arguments.workers}")
    with contextlib.suppress(asyncio.CancelledError, KeyboardInterrupt):
        asyncio.run(_until_stopped(arguments))
    return 0


def celery(arguments: argparse.Namespace) -> int:
    """Be a worker of a Celery app until Ctrl-C or SIGTERM."""
    from orch_nb.executors.celery_app import app_of, check
    from orch_nb.executors.celery_worker import work

    if not arguments.app:
        raise UsageError("Name the Celery app: orch-nb worker celery --app proj.celery:app")
    at_once = _at_once(arguments)
    app = app_of(arguments.app)
    check(app, arguments.queue)
    return work(app, queue=arguments.queue, concurrency=at_once, pool=arguments.pool, ready=_say)


def bullmq(arguments: argparse.Namespace) -> int:
    """Take jobs of a BullMQ queue until Ctrl-C or SIGTERM."""
    from orch_nb.executors.bullmq import connected, place_of
    from orch_nb.executors.bullmq_worker import work

    if not arguments.address:
        raise UsageError("Name the Redis: orch-nb worker bullmq --address redis://localhost:6379")
    at_once = _at_once(arguments) or 1
    place = place_of(arguments.address)
    connected(place).close()
    asyncio.run(
        work(
            place.redis, arguments.queue or place.queue, at_once, prefix=place.prefix,
            patience_s=arguments.patience, ready=_say,
        )
    )  # fmt: skip
    return 0


def _at_once(arguments: argparse.Namespace) -> int | None:
    number: int | None = arguments.concurrency
    if number is not None and number < 1:
        raise UsageError(f"--concurrency is a whole number of at least 1, not {number}")
    return number


async def _until_stopped(arguments: argparse.Namespace) -> None:
    """Both signals cancel the worker alone: to raise in the loop would end what it needs for its
    own end, too."""
    loop, here = asyncio.get_running_loop(), asyncio.current_task()
    assert here is not None

    def end() -> None:
        """Connections that a server keeps open hold up no process that was told to end."""
        leave = threading.Timer(_END_S, os._exit, (0,))
        leave.daemon = True
        leave.start()
        here.cancel()

    def heed() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as a script's `&` has it
                # Windows has no such handlers (Ctrl-C raises in the loop), nor has another thread.
                with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                    loop.add_signal_handler(number, end)

    def ready(text: str) -> None:
        heed()  # once more: Restate's SDK takes SIGTERM for itself when it is first called
        _say(text)

    heed()
    await phases.serve(
        arguments.system, address=arguments.address, queue=arguments.queue,
        listen=arguments.listen, workers=arguments.workers, patience=arguments.patience,
        ready=ready,
    )  # fmt: skip


def dev(arguments: argparse.Namespace) -> int:
    """Start a server and keep it until Ctrl-C or SIGTERM."""
    from orch_nb.backends.servers import last_words, server, serving

    one = server(arguments.system, Path(arguments.data), arguments.port)
    pause = threading.Event()
    try:
        with serving(one) as process:
            _say(f"{one.address}  (data in {arguments.data}; Ctrl-C ends it)")
            if one.hint:
                _say(f"Then, elsewhere: {one.hint}{_at(arguments)}")
            while process.poll() is None:
                pause.wait(_LOOK_S)
            said = f"{one.system} has ended by itself ({process.returncode}). {last_words(one)}"
            raise BackendUnavailable(said.rstrip())
    except KeyboardInterrupt:
        return 0


def _at(arguments: argparse.Namespace) -> str:
    return f" --address 127.0.0.1:{arguments.port}" if arguments.port else ""


def _say(text: str) -> None:
    print(text)
    sys.stdout.flush()
