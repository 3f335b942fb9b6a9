"""Everything in a journal's file that is no event: results, what later runs want of them, output,
requests of other processes."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from orch_nb.engine import carryover, logs, results, schema
from orch_nb.engine.ports import Blob, Cached, LogLine, Printed, Request
from orch_nb.errors import RunNotFound
from orch_nb.model.event import ResultRef
from orch_nb.model.preview import Rich, decode_rich

__all__ = ["Tables"]


_LOGGED = "SELECT id, task, attempt, stream, text, at FROM log WHERE run_id=?"


def _text(text: str) -> str:
    """Text from outside may hold lone surrogates (a file name, an argument), and no UTF-8 does."""
    return text.encode("utf-8", "backslashreplace").decode()


class Tables:
    """A connection to a journal's file, with all but its events. Raises JournalError."""

    def __init__(self, path: str | os.PathLike[str], *, durability: str = "process") -> None:
        self.path = str(path)
        self._bounds = logs.Bounds(self._known)
        self._begun_here: set[str] = set()  # runs of which nobody else has kept any output
        self._taken: dict[str, list[int]] = {}  # requests of a run that were handed out last
        self._lock = threading.RLock()  # one connection has one transaction at a time
        self._db = schema.connect(path, durability)
        self._execute = self._db.cursor().execute
        self._transaction = schema.Transaction(self.path, self._db, self._lock)

    def _read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            with self._lock:
                return self._db.execute(query, values).fetchall()
        except schema.FAULTS as error:
            raise schema.fault(self.path, error) from None

    def _unknown(self, run_id: str) -> RunNotFound:
        known = [row[0] for row in self._read("SELECT run_id FROM run ORDER BY rowid DESC LIMIT 5")]
        latest = f" The latest are: {', '.join(known)}." if known else " It has no runs yet."
        return RunNotFound(f"The journal {self.path} has no run `{run_id}`.{latest}")

    # -- results, and what later runs want of them ---------------------------------------------

    def store(self, value: Any) -> tuple[ResultRef, Blob | None]:
        return results.store(value)

    def load(self, ref: ResultRef) -> Any:
        """A result again. Raises LookupError where it was not kept, or is damaged."""
        if ref.format == "none" or ref.hash[:1] == "=":
            return results.restore(ref, None)
        data = self._blob(ref.hash)
        if data is not None and results.digest(data) != ref.hash:
            raise LookupError(
                f"this result is damaged: its bytes in {self.path} are not those that were written"
            )
        return results.restore(ref, data)

    def load_rich(self, ref: ResultRef) -> Rich | None:
        """What a result looks like, from JSON alone; None where it is not kept, or is damaged."""
        if ref.hash[:1] == "=":
            return results.rich(results.restore(ref, None))
        data = self._blob(ref.rich)
        if data is None or results.digest(data) != ref.rich:
            return None
        return decode_rich(data)

    def _blob(self, key: str) -> bytes | None:
        rows = self._read("SELECT body FROM blob WHERE hash=?", key) if key else []
        return rows[0][0] if rows else None

    def content_hash(self, ref: ResultRef, value: Any = None) -> str | None:
        """What stands for a result in the key of a later one; None for one that was not kept."""
        return "none" if ref.format == "none" else ref.hash or None

    def remember(self, entries: Sequence[Cached]) -> None:
        """Keep results for later runs, by their keys."""
        with self._transaction as execute:
            carryover.keep(execute, entries)

    def recall(self, key: str) -> Cached | None:
        """The entry of that key, if its result is still there."""
        found = self._cached("WHERE key=?", key)
        if found is None or found.ref.format == "none" or found.ref.hash[:1] == "=":
            return found
        there = self._read("SELECT 1 FROM blob WHERE hash=?", found.ref.hash)
        return found if there else None

    def last_cached(self, task: str) -> Cached | None:
        """The newest entry of a task, to say what has changed since."""
        return self._cached("WHERE task=? ORDER BY id DESC LIMIT 1", task)

    def _cached(self, where: str, value: str) -> Cached | None:
        rows = self._read(f"SELECT key, task, run_id, ref, parts FROM cache {where}", value)  # noqa: S608  # of two constants
        try:
            return carryover.cached(rows[0]) if rows else None
        except msgspec.DecodeError:  # damaged: as good as none
            return None

    def known_unstored(self, tasks: Iterable[str], goal: str | None = None) -> dict[str, str]:
        """Those of `tasks` whose result could not be kept when they last succeeded, with the
        reason; in runs of `goal`, or (None) of any plan."""
        wanted = set(tasks)
        rows = self._read("SELECT task, reason, goal FROM unstored ORDER BY at")
        return {t: reason for t, reason, of in rows if t in wanted and goal in (None, of)}

    # -- what was known before a run -----------------------------------------------------------

    def write_note(self, run_id: str, body: bytes) -> None:
        """Keep what was found out before a run (analysis, research), in place of what was kept."""
        with self._transaction as execute:
            execute(schema.NOTE)
            execute("INSERT OR REPLACE INTO note VALUES(?,?)", (run_id, body))

    def read_note(self, run_id: str) -> bytes | None:
        """What `write_note` kept; None where nothing was."""
        if not self._read("SELECT 1 FROM sqlite_master WHERE type='table' AND name='note'"):
            return None
        rows = self._read("SELECT body FROM note WHERE run_id=?", run_id)
        return bytes(rows[0][0]) if rows else None

    # -- logs, requests ------------------------------------------------------------------------

    def write_log(self, run_id: str, lines: Sequence[Printed]) -> None:
        """Keep output; of each task the beginning and the end, past a bound."""
        with self._transaction as execute:
            for task, attempt, stream, text, at in lines:
                kept, bounds = _text(text), self._bounds.of(run_id, task)
                number = execute(
                    "INSERT INTO log(run_id, task, attempt, stream, text, at) VALUES(?,?,?,?,?,?)",
                    (run_id, task, attempt, stream, kept, at),
                ).lastrowid
                for old, instead in bounds.take(int(number or 0), kept):
                    if instead is None:
                        execute("DELETE FROM log WHERE id=?", (old,))
                    else:
                        execute("UPDATE log SET stream='', text=? WHERE id=?", (instead, old))

    def read_log(self, run_id: str, task: str) -> str:
        """All that is kept of what a task printed."""
        return "".join(row[4] for row in self._logged(run_id, task))

    def read_lines(
        self, run_id: str, *, after: int = 0, task: str | None = None, most: int = 2000
    ) -> list[LogLine]:
        """What a run's tasks printed, or one of them: the first `most` lines after `after`, or
        without it the newest `most`."""
        first, order = (logs.row_of(after), "ASC") if after else (0, "DESC")
        query = f"{_LOGGED} AND id>=?"
        values: list[Any] = [run_id, first]
        if task is not None:
            query += " AND task=?"
            values.append(task)
        query += f" ORDER BY id {order}"
        try:
            with self._lock, contextlib.closing(self._db.execute(query, values)) as rows:
                return logs.following(rows, after, most) if after else logs.newest(rows, most)
        except schema.FAULTS as error:
            raise schema.fault(self.path, error) from None

    def _known(self, run_id: str, task: str) -> list[logs.Row]:
        return [] if run_id in self._begun_here else self._logged(run_id, task)

    def _logged(self, run_id: str, task: str) -> list[logs.Row]:
        return self._read(f"{_LOGGED} AND task=? ORDER BY id", run_id, task)

    def ask(self, run_id: str, request: Request) -> None:
        """Leave a request for the process that works on the run. Raises RunNotFound."""
        with self._transaction as execute:
            if not execute("SELECT 1 FROM run WHERE run_id=?", (run_id,)).fetchone():
                raise self._unknown(run_id)
            execute(
                "INSERT INTO request(run_id, verb, task, asked_by, note, at) VALUES(?,?,?,?,?,?)",
                (
                    run_id,
                    request.verb,
                    request.task,
                    _text(request.by),
                    _text(request.note),
                    time.time(),
                ),
            )

    def take_requests(self, run_id: str) -> list[Request]:
        """The requests left for a run, each once. Asked several times a second.

        They stay in the file until the next `append` of the run, which has to hold what came of
        them, or, where nothing did, until the next call: no kill finds them gone and nothing done.
        """
        query = "SELECT id, verb, task, asked_by, note FROM request WHERE run_id=? ORDER BY id"
        rows = self._read(query, run_id)
        if not rows:
            return []
        over = self._taken.get(run_id, [])
        if over:
            with self._transaction as execute:
                self._drop_taken(execute, run_id)
        new = [row for row in rows if row[0] not in over]
        self._taken[run_id] = [row[0] for row in new]
        return [Request(verb, task, by, note) for _, verb, task, by, note in new]

    def _drop_taken(self, execute: carryover.Execute, run_id: str) -> None:
        for number in self._taken.pop(run_id, ()):
            execute("DELETE FROM request WHERE id=?", (number,))

    def requests_left(self, run_id: str) -> int:
        """How many requests wait to be taken."""
        (row,) = self._read("SELECT COUNT(*) FROM request WHERE run_id=?", run_id)
        return int(row[0])

    def close(self) -> None:
        self._db.close()

    def __del__(self) -> None:
        # A run reads its results from here for as long as somebody holds it, so nobody can say
        # earlier when the file is done with; from Python 3.13 on, leaving it open is a warning.
        if hasattr(self, "_db"):
            self._db.close()
