"""What a run leaves in the journal for later runs: cached results, and results that could not be
kept.

    cache      key ─► whose result, where it is, what the key is made of
    unstored   (goal, task) ─► why its last result could not be kept; gone once one was
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from orch_nb.engine.ports import Cached
from orch_nb.model import event as ev

__all__ = ["Unstored", "cached", "keep", "mentions_unstored"]

_encode = msgspec.json.encode
Execute = Callable[..., sqlite3.Cursor]


def keep(execute: Execute, entries: Iterable[Cached]) -> None:
    """Write cache entries; one of an equal key takes the place of the older."""
    now = time.time()
    for entry in entries:
        execute(
            "INSERT OR REPLACE INTO cache(key, task, run_id, ref, parts, at) VALUES(?,?,?,?,?,?)",
            (entry.key, entry.task, entry.run_id, _encode(entry.ref), _encode(entry.parts), now),
        )


def cached(row: tuple[Any, ...]) -> Cached:
    """The entry of a row (key, task, run_id, ref, parts). Raises msgspec.DecodeError."""
    key, task, run_id, ref, parts = row
    return Cached(
        key=key, task=task, run_id=run_id, ref=msgspec.json.decode(ref, type=ev.ResultRef),
        parts=msgspec.json.decode(parts, type=dict[str, str]),
    )  # fmt: skip


def mentions_unstored(body: bytes) -> bool:
    """Whether encoded events may tell of a result that was not kept: looked for in C, since it is
    asked of every batch and nearly always answered with no."""
    return b'"format":"unstored"' in body


class Unstored:
    """The tasks of one goal whose last result could not be kept, as far as this journal knows.

    A `foreach` task stands for its instances: an expansion clears it, an instance may set it again.
    """

    def __init__(self, execute: Execute, goal: str) -> None:
        self._goal = goal
        rows = execute("SELECT task FROM unstored WHERE goal=?", (goal,)).fetchall()
        self._tasks = {task for (task,) in rows}

    def __bool__(self) -> bool:
        return bool(self._tasks)

    def learn(self, execute: Execute, events: Sequence[ev.Event]) -> None:
        """Take from events what they tell of results, in the transaction that keeps them."""
        for event in events:
            for task, reason in _told(event):
                if reason is not None:
                    self._tasks.add(task)
                    execute(
                        "INSERT OR REPLACE INTO unstored(goal, task, reason, at) VALUES(?,?,?,?)",
                        (self._goal, task, reason, event.at),
                    )
                elif task in self._tasks:
                    self._tasks.discard(task)
                    execute("DELETE FROM unstored WHERE goal=? AND task=?", (self._goal, task))


def _told(event: ev.Event) -> Iterator[tuple[str, str | None]]:
    """Tasks, each with the reason why its result was not kept, or None where it was."""
    if isinstance(event, ev.Expanded):
        yield event.task, None
    elif isinstance(event, (ev.AttemptSucceeded, ev.TaskEnded)) and event.result is not None:
        name = event.task.partition("[")[0]
        if event.result.format == "unstored":
            yield name, event.result.reason
        elif name == event.task:
            yield name, None
