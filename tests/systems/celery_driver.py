"""What Celery does: a broker, a worker of processes, one canvas a scenario, its result backend.

REDIS=ADDRESS python tests/systems/celery_driver.py worker    # a worker that can be killed
"""

from __future__ import annotations

import contextlib
import os
from importlib.metadata import version
from typing import Any

import marks
import psutil
from redis_server import redis_server

SETTLED_S = 4.0
#: What Celery has no word for.
NOTHING = {
    "approval": (
        "A canvas has no gate: a task that waited for a person would hold its worker.",
        "https://docs.celeryq.dev/en/stable/userguide/canvas.html",
    )
}


def missing() -> str:
    return ""  # `redis_server` tells of the server itself


def versions() -> str:
    return f"{version('celery')}, prefork, on Redis"


def observe(scenarios: list[str]) -> dict[str, Any]:
    with redis_server() as address:
        os.environ["REDIS"] = address
        import celery_programs as programs

        worker = marks.spawn(__file__, "worker")
        try:
            marks.until(lambda: programs.app.control.ping(timeout=0.5), 60, "Celery's worker")
            rest = [name for name in scenarios if name != "killed" and name not in NOTHING]
            sent = {name: send(programs, name) for name in rest}
            marks.settle(rest, SETTLED_S if rest else 0)
            found = {name: states(programs, canvas) for name, canvas in sent.items()}
            if "killed" in scenarios:
                canvas = send(programs, "killed")
                marks.seen("killed.task")
                marks.seen("killed.plain")
                kill(worker)
                marks.mark("killed.kill", "ends")
                worker = marks.spawn(__file__, "worker")
                with contextlib.suppress(TimeoutError):
                    marks.seen("killed.after", "ends", 1, 20)
                found["killed"] = states(programs, canvas)
            return found
        finally:
            kill(worker)
            programs.app.close()


def send(programs: Any, scenario: str) -> Any:
    canvas = programs.Canvas()
    programs.CANVAS[scenario](canvas).apply_async()
    return canvas


def states(programs: Any, canvas: Any) -> dict[str, Any]:
    ids = canvas.ids.items()
    return {"states": {role: programs.app.backend.get_state(i) for role, i in ids}, "facts": {}}


def kill(worker: Any) -> None:
    """As a machine that is gone: it and its children, without a word."""
    if worker.poll() is None:
        one = psutil.Process(worker.pid)
        for process in [*one.children(recursive=True), one]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    worker.wait(10)


if __name__ == "__main__":
    import celery_programs

    celery_programs.app.worker_main(
        ["worker", "-P", "prefork", "-c", "8", "-l", "error", "--without-gossip",
         "--without-mingle"]
    )  # fmt: skip
