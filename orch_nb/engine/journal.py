"""The journal: every event of every run, in a SQLite file that survives a killed kernel.

`append` is one row, in one transaction: the JSON of a whole batch of events, made and later read in
C. The run is what folding them gives. WAL mode; `synchronous=NORMAL` survives the death of the
process ("process"), `FULL` a power cut too ("power"). The tables are in `engine.schema`.

A run is held by one live process at a time: `claim` takes it in an immediate transaction. Whether
the holder lives is asked of the machine (`engine.holder`); of one on another machine, or in another
container, only the journal can tell, so a holder says in it now and then that it lives.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from orch_nb.engine import carryover, holder, schema
from orch_nb.engine.ports import Blob, Journal, Request, RunRow
from orch_nb.engine.schema import checksum
from orch_nb.engine.tables import Tables
from orch_nb.errors import JournalError, RunExists, RunHeld
from orch_nb.model.event import (
    Event,
    RunEnded,
    RunResumed,
    RunStarted,
    decode_event,
    decode_events,
    decode_owner,
    decode_start,
    encode_events,
)
from orch_nb.model.plan import Plan

__all__ = ["DEFAULT_PATH", "SqliteJournal", "open_journal"]

DEFAULT_PATH = Path(".orch_nb") / "journal.db"
#: Runs that drivers of this process work on, as (file, run).
_held_here: set[tuple[str, str]] = set()
_PLACES = 1 << 32  # rows that a run may have
_BEAT_S = 30.0  # how often a holder says that it lives
_SILENT_S = 300.0  # and after what silence one elsewhere is taken to be gone
_BATCH = "INSERT INTO batch VALUES(?,?,?)"


def open_journal(journal: str | os.PathLike[str] | Journal | None = None) -> Journal:
    """`None`: the default file; `"memory"`: one that is gone with the process; else a path."""
    if journal is None:
        return SqliteJournal(DEFAULT_PATH)
    if journal == "memory":
        from orch_nb.engine.memory import MemoryJournal

        return MemoryJournal()
    if isinstance(journal, (str, os.PathLike)):
        return SqliteJournal(Path(journal))
    return journal


def _file(path: str) -> tuple[int, int] | None:
    """Which file is there."""
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _intact(body: bytes, check: int, in_place: bool) -> bytes:
    """`body`, if it is what was written, where it was written. Raises ValueError."""
    if not in_place:
        raise ValueError("some are missing")
    if checksum(body) != check:
        raise ValueError("their bytes are not those that were written")
    return body


class SqliteJournal(Tables):
    """A journal in a file. Opens or creates it; raises JournalError, saying what to do.

    `durability`: "process" (a killed process loses nothing) or "power" (nor does a power cut; every
    append then waits for the disk).
    """

    def __init__(self, path: str | os.PathLike[str], *, durability: str = "process") -> None:
        super().__init__(path, durability=durability)
        self._where = os.path.realpath(path)
        self._file = _file(self._where)
        self._next: dict[str, int] = {}  # the id of the next row of a run
        self._unstored: dict[str, carryover.Unstored] = {}
        self._beats: dict[str, float] = {}

    # -- who works on a run --------------------------------------------------------------------

    def create(self, run_id: str, event: Event) -> None:
        """Begin a run with its first event. Raises RunExists."""
        assert isinstance(event, RunStarted)
        document, plan_hash = event.plan.encoded()
        told = msgspec.structs.replace(event, plan=msgspec.Raw(document))  # not written out twice
        body = encode_events([told])
        with self._transaction as execute:
            if execute("SELECT 1 FROM run WHERE run_id=?", (run_id,)).fetchone():
                raise RunExists(
                    f"The journal {self.path} has a run `{run_id}` already. "
                    f"Continue it with recover({run_id!r}), or choose another run_id."
                )
            execute(
                "INSERT INTO run VALUES(?,?,?,?,?,?,NULL,?)",
                (run_id, event.name, event.plan.goal, plan_hash, "running", event.at,
                 holder.myself()),
            )  # fmt: skip
            execute("INSERT INTO worked(run_id, seen) VALUES(?,?)", (run_id, time.time()))
            (number,) = execute("SELECT last_insert_rowid()").fetchone()
            execute(_BATCH, (number * _PLACES, checksum(body), body))
            unstored = carryover.Unstored(execute, event.plan.goal)
        self._begun_here.add(run_id)
        self._hold(run_id, number * _PLACES + 1, unstored)

    def claim(self, run_id: str) -> None:
        """Hold an existing run for this process. Raises RunNotFound, RunHeld."""
        with self._transaction as execute:
            row = execute("SELECT holder, goal FROM run WHERE run_id=?", (run_id,)).fetchone()
            if row is None:
                raise self._unknown(run_id)
            execute("INSERT OR IGNORE INTO worked(run_id) VALUES(?)", (run_id,))
            found = execute("SELECT n, seen FROM worked WHERE run_id=?", (run_id,)).fetchone()
            if found is None or None in found:
                raise sqlite3.DatabaseError(f"the number of run `{run_id}` is malformed")
            number, seen = found
            if self._alive(run_id, row[0], seen):
                raise self._held(run_id, row[0])
            execute("UPDATE run SET holder=? WHERE run_id=?", (holder.myself(), run_id))
            execute("UPDATE worked SET seen=? WHERE n=?", (time.time(), number))
            (last,) = execute(
                "SELECT MAX(id) FROM batch WHERE id>=? AND id<?",
                (number * _PLACES, (number + 1) * _PLACES),
            ).fetchone()
            unstored = carryover.Unstored(execute, row[1])
        self._hold(run_id, number * _PLACES if last is None else last + 1, unstored)

    def _hold(self, run_id: str, place: int, unstored: carryover.Unstored) -> None:
        self._next[run_id], self._unstored[run_id] = place, unstored
        self._beats[run_id] = time.monotonic()
        _held_here.add((self._where, run_id))

    def _alive(self, run_id: str, by: str, seen: float) -> bool:
        """Whether the holder works on the run. This process may have lost it without being able to
        write that down, where the disk was full."""
        if by and holder.elsewhere(by):
            return abs(time.time() - seen) < _SILENT_S
        ours = by == holder.myself() and (self._where, run_id) not in _held_here
        return holder.alive(by) and not ours

    def _held(self, run_id: str, by: str) -> RunHeld:
        host, pid, _ = by.rsplit(":", 2)
        if not holder.elsewhere(by):
            way = "Cancel it there, or wait for its end."
            return RunHeld(f"Run `{run_id}` is being worked on by process {pid}. {way}")
        return RunHeld(
            f"Run `{run_id}` is being worked on by process {pid} on {host} (this is "
            f"{socket.gethostname()}). Cancel it there, or wait for its end; if that machine is "
            f"gone, the run is free {_SILENT_S / 60:g} minutes after it was last heard of."
        )

    def release(self, run_id: str) -> None:
        _held_here.discard((self._where, run_id))
        self._beats.pop(run_id, None)
        with self._transaction as execute:
            execute(
                "UPDATE run SET holder='' WHERE run_id=? AND holder=?", (run_id, holder.myself())
            )

    def take_requests(self, run_id: str) -> list[Request]:
        """The requests left for a run, each once; see `Tables`. Asked several times a second."""
        if _file(self._where) != self._file:
            raise JournalError(
                f"The journal {self.path} was deleted or replaced while run `{run_id}` was going "
                "on, and what the run does from here on would be kept nowhere. Put the file back, "
                "if it was moved, and go on with the run by recover; or execute the plan anew."
            )
        try:
            self._beat(run_id)
        except schema.FAULTS as error:
            raise schema.fault(self.path, error) from None
        return super().take_requests(run_id)

    def _beat(self, run_id: str) -> None:
        """Say that this process lives. It can be said later, where another process is writing."""
        if time.monotonic() - self._beats.get(run_id, float("inf")) < _BEAT_S:
            return
        with self._lock:
            (patience,) = self._execute("PRAGMA busy_timeout").fetchone()
            self._execute("PRAGMA busy_timeout=0")
            try:
                self._execute("UPDATE worked SET seen=? WHERE run_id=?", (time.time(), run_id))
                self._beats[run_id] = time.monotonic()
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
            finally:
                self._execute(f"PRAGMA busy_timeout={patience}")

    # -- events --------------------------------------------------------------------------------

    def append(self, run_id: str, events: Sequence[Event], blobs: Sequence[Blob] = ()) -> None:
        """Keep a batch, all or nothing. When this returns the batch survives a kill."""
        body = encode_events(events)
        place = self._next[run_id]
        row = (place, checksum(body), body)
        told = carryover.mentions_unstored(body) or self._unstored[run_id]
        if blobs or told or self._taken or b'"t":"run_' in body:
            with self._transaction as execute:
                self._drop_taken(execute, run_id)
                for kept in (kept for blob in blobs for kept in blob.rows):
                    execute("INSERT OR IGNORE INTO blob VALUES(?,?)", kept)
                execute(_BATCH, row)
                if told:
                    self._unstored[run_id].learn(execute, events)
                for event in events:
                    self._index(execute, run_id, event)
        else:  # one statement is a transaction of its own, and a third cheaper
            try:
                with self._lock:
                    self._execute(_BATCH, row)
            except schema.FAULTS as error:
                raise schema.fault(self.path, error) from None
        self._next[run_id] = place + 1

    def _index(self, execute: carryover.Execute, run_id: str, event: Event) -> None:
        """Keep the list of runs in step with what was appended."""
        if isinstance(event, RunEnded):
            execute(
                "UPDATE run SET status=?, finished=? WHERE run_id=?",
                (event.status.value, event.at, run_id),
            )
        elif isinstance(event, RunResumed):
            execute("UPDATE run SET status='running', finished=NULL WHERE run_id=?", (run_id,))

    def position(self, run_id: str) -> int:
        """A number that grows with every batch of a run: the same means nothing was added."""
        ((old,),) = self._read("SELECT COUNT(*) FROM event WHERE run_id=?", run_id)
        return int(old) + self._place(run_id)

    def history(self, run_id: str, plan: Plan | None = None) -> list[Event]:
        """All events of a run, in the order of their commits, whatever the clocks of the processes
        said that worked on it. `plan` stands for the run's own if it is the same. Raises
        RunNotFound."""
        return self._history(run_id, plan)[0]

    def _history(self, run_id: str, plan: Plan | None = None) -> tuple[list[Event], int]:
        """All events, and the place of the last row they came from."""
        old = self._read("SELECT body FROM event WHERE run_id=? ORDER BY seq", run_id)
        rows = self._read(
            "SELECT id, sum, body FROM batch, worked WHERE run_id=? AND id>=n*? AND id<(n+1)*? "
            "ORDER BY id", run_id, _PLACES, _PLACES,
        )  # fmt: skip
        if not rows and not old:
            raise self._unknown(run_id)
        same = plan is not None and (plan.hash,) in self._read(
            "SELECT plan_hash FROM run WHERE run_id=?", run_id
        )
        try:
            found = [decode_event(body) for (body,) in old]
            for place, (number, check, body) in enumerate(rows):
                intact = _intact(body, check, number % _PLACES == place)
                if same and plan is not None and not found:
                    found += decode_start(intact, plan)
                else:
                    found += decode_events(intact)
        except (msgspec.MsgspecError, ValueError, TypeError) as error:
            raise JournalError(
                f"The journal {self.path} holds events of run `{run_id}` that cannot be read: "
                f"{error}. It is damaged, or was written by a newer orch_nb: restore a copy, or "
                "execute the plan as a new run."
            ) from None
        return found, rows[-1][0] if rows else 0

    def news(self, run_id: str, after: int = 0) -> tuple[list[Event], int]:
        """The events committed since `after` (0: all of them), and where the next call begins.

        For whom follows a run of another process. Raises RunNotFound, JournalError.
        """
        if not after:
            return self._history(run_id)
        rows = self._read(
            "SELECT id, sum, body FROM batch, worked WHERE run_id=? AND id>? AND id<(n+1)*? "
            "ORDER BY id", run_id, after, _PLACES,
        )  # fmt: skip
        events: list[Event] = []
        for place, check, body in rows:
            try:
                events += decode_events(_intact(body, check, in_place=place == after + 1))
            except (msgspec.MsgspecError, ValueError, TypeError) as error:
                raise JournalError(f"The journal {self.path} cannot be read: {error}.") from None
            after = place
        return events, after

    def _place(self, run_id: str) -> int:
        ((place,),) = self._read(
            "SELECT COALESCE(MAX(id), 0) FROM batch, worked WHERE run_id=? AND id>=n*? "
            "AND id<(n+1)*?", run_id, _PLACES, _PLACES,
        )  # fmt: skip
        return int(place)

    # -- listing -------------------------------------------------------------------------------

    def runs(self) -> list[RunRow]:
        """All runs, the newest first: the one that was begun last, whatever the clock said."""
        rows = self._read(
            "SELECT run.run_id, name, goal, status, started, finished, plan_hash, holder, "
            "IFNULL(seen, 0) FROM run LEFT JOIN worked USING(run_id) ORDER BY run.rowid DESC"
        )
        found = []
        for run_id, name, goal, status, begun, ended, plan, by, seen in rows:
            held = self._alive(run_id, by, seen)
            on = self._owner(run_id) if status == "running" and not held else ""
            found.append(RunRow(run_id, name, goal, status, begun, ended, plan, held, on))
        return found

    def _owner(self, run_id: str) -> str:
        """The system that a run was given to; "" for this machine."""
        rows = self._read(
            "SELECT body FROM batch, worked WHERE run_id=? AND id=n*?", run_id, _PLACES
        )
        try:
            return decode_owner(rows[0][0]) if rows else ""
        except (msgspec.MsgspecError, TypeError):  # damaged: whoever reads the run itself is told
            return ""
