"""Any plan as a canvas of Celery, written the plain way: chains, groups, and links for clean-up."""

from __future__ import annotations

import os
from typing import Any

import marks
import plain
from celery import Celery, chain, group

app = Celery("plain", broker=f"{os.environ['REDIS']}/2", backend=f"{os.environ['REDIS']}/3")
app.conf.update(
    worker_hijack_root_logger=False, result_chord_retry_interval=0.1,
    broker_connection_retry_on_startup=True,
)  # fmt: skip


@app.task
def job(name: str, seconds: float, fails: bool) -> str:
    return plain.work(name, seconds, fails)


def canvas(made: plain.Plain) -> Any:
    from orch_nb.graph.series_parallel import Series

    def of(piece: Any) -> Any:
        if isinstance(piece, str):
            one = made.jobs[piece]
            return job.si(one.name, one.seconds, one.fails).set(task_id=one.name)
        parts = [of(part) for part in piece.parts]
        return chain(*parts) if isinstance(piece, Series) else group(*parts)

    whole = of(plain.pieces(made))
    for one in plain.last(made):
        link = job.si(one.name, one.seconds, one.fails).set(task_id=one.name)
        whole.link(link)
        whole.link_error(link)
    return whole


def observe(plans: list[plain.Plain], wait_s: float) -> dict[str, dict[str, str]]:
    worker = marks.spawn(__file__)
    try:
        marks.until(lambda: app.control.ping(timeout=0.5), 60, "Celery's worker")
        sent = [canvas(made).apply_async() for made in plans]
        marks.settle([made.name for made in plans], wait_s)
        for one in sent:
            one.forget()  # before the connection goes by which it would say so
        return {made.name: {} for made in plans}  # the marks say what ran
    finally:
        worker.terminate()
        worker.wait()
        app.close()


if __name__ == "__main__":
    import plain_celery  # under the name by which messages call its tasks

    plain_celery.app.worker_main(
        ["worker", "-P", "prefork", "-c", "12", "-l", "error", "--without-gossip",
         "--without-mingle"]
    )  # fmt: skip
