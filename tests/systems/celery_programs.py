"""The scenarios as Celery's own canvas: a task is a message, a plan a chain, a group or a chord."""

from __future__ import annotations

import os
from typing import Any

import marks
from celery import Celery, chain, chord, group

SLOW = 1.5

app = Celery("scenarios", broker=f"{os.environ['REDIS']}/0", backend=f"{os.environ['REDIS']}/1")
app.conf.update(
    worker_hijack_root_logger=False, result_chord_retry_interval=0.1, task_track_started=True,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": 3, "unacked_restore_interval": 1, "unacked_restore_throttle": 1,
    },
)  # fmt: skip


@app.task
def do(name: str, fails: int = 0, seconds: float = 0.0) -> str:
    return marks.work(name, fails, seconds)


@app.task(bind=True, max_retries=2)
def again(self: Any, name: str, fails: int) -> str:
    try:
        return marks.work(name, fails)
    except marks.Fault as fault:
        raise self.retry(exc=fault, countdown=0.5 * 2**self.request.retries) from fault


@app.task(bind=True)
def each(self: Any, names: list[str], after: Any) -> Any:
    """As many tasks as there are names, found out while it runs."""
    raise self.replace(
        chord(group(do.si(n, *((99, 0) if n[-1] == "1" else (0, SLOW))) for n in names), after)
    )


@app.task(acks_late=True, reject_on_worker_lost=True)
def kept(name: str, seconds: float) -> str:
    """A message that is acknowledged when the work is done, not when it begins."""
    return marks.work(name, 0, seconds)


class Canvas:
    """A canvas and the id that each task of it has."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}

    def __call__(self, name: str, fails: int = 0, seconds: float = 0.0, task: Any = do) -> Any:
        """A task that takes nothing from the one before it."""
        arguments = (name, seconds) if task is kept else (name, fails, seconds)
        if task is again:
            arguments = (name, fails)
        role = name.partition(".")[2]
        self.ids[role] = name
        return task.si(*arguments).set(task_id=name)


def unsaid(t: Canvas) -> Any:
    return t("unsaid.task", 99)


def retry(t: Canvas) -> Any:
    return t("retry.task", 2, task=again)


def in_chain(t: Canvas) -> Any:
    return chain(t("chain.before"), t("chain.task", 99), t("chain.after"), t("chain.last"))


def join(t: Canvas) -> Any:
    return chord(group(t("join.task", 99), t("join.sibling", 0, SLOW)), t("join.join"))


def branch(t: Canvas) -> Any:
    beside = chain(t("branch.sibling", 0, SLOW), t("branch.follower"))
    return chord(group(t("branch.task", 99), beside), chain(t("branch.join"), t("branch.last")))


def late(t: Canvas) -> Any:
    last = t("late.cleanup")
    both = chain(t("late.task", 99), t("late.after"))
    both.link(last)
    both.link_error(last)
    return both


def cleanup(t: Canvas) -> Any:
    last = t("cleanup.cleanup")
    one = t("cleanup.task", 99)
    one.link(last)
    one.link_error(last)
    return one


def timeout(t: Canvas) -> Any:
    return t("timeout.task", 0, 4.0).set(time_limit=1)


def undo(t: Canvas) -> Any:
    failing = t("undo.task", 99)
    failing.link_error(t("undo.undo"))
    return chain(t("undo.before"), failing)


def foreach(t: Canvas) -> Any:
    names = [f"foreach.item{n}" for n in range(3)]
    return each.s(names, t("foreach.after")).set(task_id="foreach.each")


def killed(t: Canvas) -> Any:
    """And beside the chain a task that is acknowledged as it begins, which is the default."""
    kept_chain = chain(
        t("killed.before", 0, 0.1, kept), t("killed.task", 0, 2.0, kept),
        t("killed.after", 0, 0.1, kept),
    )  # fmt: skip
    return group(kept_chain, t("killed.plain", 0, 2.0))


def diamond(t: Canvas) -> Any:
    sides = group(t("diamond.left"), t("diamond.right"))
    return chain(t("diamond.top"), chord(sides, t("diamond.bottom")))


CANVAS = {
    "unsaid": unsaid, "retry": retry, "chain": in_chain, "join": join, "branch": branch,
    "cleanup": cleanup, "late": late,
    "timeout": timeout, "undo": undo, "foreach": foreach, "killed": killed, "diamond": diamond,
}  # fmt: skip
