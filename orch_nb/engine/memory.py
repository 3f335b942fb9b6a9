"""A journal in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

from orch_nb.engine import logs, results
from orch_nb.engine.ports import Blob, Cached, LogLine, Printed, Request, RunRow
from orch_nb.errors import RunExists, RunHeld, RunNotFound
from orch_nb.model.event import Event, ResultRef, RunEnded, RunStarted
from orch_nb.model.plan import Plan
from orch_nb.model.preview import Rich

__all__ = ["MemoryJournal"]

_NOTHING = (ResultRef(), None)


class MemoryJournal:
    """A journal that is gone with the process: for tests and throwaway runs. Same interface.

    Events and results are the objects themselves, so it takes a list's place for each and no more.
    """

    path = "memory"

    def __init__(self) -> None:
        self._events: dict[str, list[Event]] = {}
        self._rows: dict[str, RunRow] = {}
        self._values: list[Any] = []
        self._bytes: dict[str, bytes] = {}
        self._hashes: dict[str, str | None] = {}
        self._looks: dict[str, Rich | None] = {}
        self._cache: dict[str, Cached] = {}
        self._notes: dict[str, bytes] = {}
        self._logs: dict[str, dict[int, logs.Row]] = {}
        self._bounds = logs.Bounds(lambda run_id, task: ())
        self._logging = threading.Lock()  # logs are followed from other threads
        self._rows_logged = 0
        self._requests: dict[str, list[Request]] = {}
        self._held: set[str] = set()

    def create(self, run_id: str, event: Event) -> None:
        assert isinstance(event, RunStarted)
        if run_id in self._events:
            raise RunExists(f"This journal has a run `{run_id}` already; recover it.")
        self._events[run_id] = [event]
        self._held.add(run_id)
        self._rows[run_id] = RunRow(
            run_id, event.name, event.plan.goal, "running", event.at, None, "", True
        )

    def claim(self, run_id: str) -> None:
        if run_id not in self._events:
            raise RunNotFound(f"This journal has no run `{run_id}`.")
        if run_id in self._held:
            raise RunHeld(f"Run `{run_id}` is being worked on.")
        self._held.add(run_id)

    def release(self, run_id: str) -> None:
        self._held.discard(run_id)

    def append(self, run_id: str, events: Sequence[Event], blobs: Sequence[Blob] = ()) -> None:
        self._events[run_id] += events
        for blob in blobs:  # of a run that another system performs
            self._bytes.update(blob.rows)

    def position(self, run_id: str) -> int:
        return len(self._events.get(run_id, ()))

    def history(self, run_id: str, plan: Plan | None = None) -> list[Event]:
        if run_id not in self._events:
            raise RunNotFound(f"This journal has no run `{run_id}`.")
        return list(self._events[run_id])

    def news(self, run_id: str, after: int = 0) -> tuple[list[Event], int]:
        found = self.history(run_id)
        return found[after:], len(found)

    def store(self, value: Any) -> tuple[ResultRef, Blob | None]:
        """A reference to the very object; nothing of it is written or hashed."""
        if value is None:
            return _NOTHING
        ref = results.short(value)
        if ref is None:
            self._values.append(value)
            number = str(len(self._values) - 1)
            ref = ResultRef(format="memory", hash=number, preview=results.preview(value))
        return ref, None

    def load(self, ref: ResultRef) -> Any:
        if ref.format == "memory":
            return self._values[int(ref.hash)]
        return results.restore(ref, self._bytes.get(ref.hash))

    def load_rich(self, ref: ResultRef) -> Rich | None:
        """What a result looks like, made when somebody asks first: the value itself is there."""
        if ref.format != "memory":
            return None if ref.format == "none" else results.rich(self.load(ref))
        if ref.hash not in self._looks:
            self._looks[ref.hash] = results.rich(self.load(ref))
        return self._looks[ref.hash]

    def content_hash(self, ref: ResultRef, value: Any = None) -> str | None:
        """What stands for a result in the key of a later one; None for one that has no bytes."""
        if ref.format != "memory":
            return "none" if ref.format == "none" else ref.hash or None
        if ref.hash not in self._hashes:
            self._hashes[ref.hash] = results.store(self.load(ref))[0].hash or None
        return self._hashes[ref.hash]

    def remember(self, entries: Sequence[Cached]) -> None:
        """Keep results for later runs, by their keys."""
        for entry in entries:
            self._cache.pop(entry.key, None)  # the newest stands last
            self._cache[entry.key] = entry

    def recall(self, key: str) -> Cached | None:
        return self._cache.get(key)

    def last_cached(self, task: str) -> Cached | None:
        """The newest entry of a task, to say what has changed since."""
        return next((c for c in reversed(self._cache.values()) if c.task == task), None)

    def known_unstored(self, tasks: Iterable[str], goal: str | None = None) -> dict[str, str]:
        """None: this journal holds everything, for as long as there is somebody to ask."""
        return {}

    def write_log(self, run_id: str, lines: Sequence[Printed]) -> None:
        """Keep output; of each task the beginning and the end, past a bound."""
        with self._logging:
            rows = self._logs.setdefault(run_id, {})
            for task, attempt, stream, text, at in lines:
                self._rows_logged += 1
                number = self._rows_logged
                rows[number] = (number, task, attempt, stream, text, at)
                for old, instead in self._bounds.of(run_id, task).take(number, text):
                    if instead is None:
                        del rows[old]
                    else:
                        rows[old] = (*rows[old][:3], "", instead, rows[old][5])

    def read_log(self, run_id: str, task: str) -> str:
        """All that is kept of what a task printed."""
        return "".join(row[4] for row in self._logged(run_id, task))

    def read_lines(
        self, run_id: str, *, after: int = 0, task: str | None = None, most: int = 2000
    ) -> list[LogLine]:
        rows = self._logged(run_id, task)
        if after:
            first = logs.row_of(after)
            return logs.following((row for row in rows if row[0] >= first), after, most)
        return logs.newest(reversed(rows), most)

    def _logged(self, run_id: str, task: str | None) -> list[logs.Row]:
        with self._logging:
            rows = list(self._logs.get(run_id, {}).values())
        return rows if task is None else [row for row in rows if row[1] == task]

    def write_note(self, run_id: str, body: bytes) -> None:
        self._notes[run_id] = body

    def read_note(self, run_id: str) -> bytes | None:
        return self._notes.get(run_id)

    def ask(self, run_id: str, request: Request) -> None:
        self._requests.setdefault(run_id, []).append(request)

    def take_requests(self, run_id: str) -> list[Request]:
        return self._requests.pop(run_id, [])

    def runs(self) -> list[RunRow]:
        found = []
        for run_id, row in self._rows.items():
            events = self._events[run_id]
            first = events[0]
            assert isinstance(first, RunStarted)
            end = events[-1] if isinstance(events[-1], RunEnded) else None
            on = "" if end or run_id in self._held else first.options.on
            found.append(
                RunRow(
                    run_id, row.name, row.goal,
                    end.status.value if end else "running", row.started,
                    end.at if end else None, _hash(first.plan), run_id in self._held,
                    on,
                )
            )  # fmt: skip
        return found[::-1]

    def close(self) -> None:
        """Nothing to close; what it holds stays readable."""


def _hash(plan: Plan) -> str:
    """The plan's hash; empty where it holds what no document can (this journal needs none)."""
    try:
        return plan.hash
    except (TypeError, ValueError):
        return ""
