"""A journal in memory, and the bound of output that every journal keeps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from orch_nb.engine import results
from orch_nb.engine.ports import Blob, Cached, Request, RunRow
from orch_nb.errors import RunExists, RunHeld, RunNotFound
from orch_nb.model.event import Event, ResultRef, RunEnded, RunStarted
from orch_nb.model.plan import Plan

__all__ = ["MemoryJournal", "within"]

_LOG_LIMIT = 2_000_000  # characters of output kept per task and run


def within(logged: dict[tuple[str, str], int], task: tuple[str, str], text: str) -> str:
    """What of `text` is kept, given how many characters of the task's output were."""
    written = logged.get(task, 0)
    logged[task] = written + len(text)
    if written > _LOG_LIMIT:
        return ""
    if written + len(text) > _LOG_LIMIT:
        return text[: _LOG_LIMIT - written] + "\n… (more output was not kept)\n"
    return text


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
        self._hashes: dict[str, str | None] = {}
        self._cache: dict[str, Cached] = {}
        self._logs: dict[tuple[str, str], list[str]] = {}
        self._logged: dict[tuple[str, str], int] = {}
        self._notes: dict[str, bytes] = {}
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

    def position(self, run_id: str) -> int:
        return len(self._events.get(run_id, ()))

    def history(self, run_id: str, plan: Plan | None = None) -> list[Event]:
        if run_id not in self._events:
            raise RunNotFound(f"This journal has no run `{run_id}`.")
        return list(self._events[run_id])

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
        return self._values[int(ref.hash)] if ref.format == "memory" else results.restore(ref, None)

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

    def write_log(self, run_id: str, lines: Sequence[tuple[str, int, str, str]]) -> None:
        for task, _, _, text in lines:
            kept = within(self._logged, (run_id, task), text)
            self._logs.setdefault((run_id, task), []).append(kept)

    def read_log(self, run_id: str, task: str) -> str:
        return "".join(self._logs.get((run_id, task), ()))

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
            found.append(
                RunRow(
                    run_id, row.name, row.goal,
                    end.status.value if end else "running", row.started,
                    end.at if end else None, _hash(first.plan), run_id in self._held,
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
