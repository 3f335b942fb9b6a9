"""The journal: every event of every run, in a SQLite file that survives a killed kernel.

    event(run_id, seq, body)     one JSON row an event; the run is what folding them gives
    blob(hash, body)             results, by content hash
    run(run_id, ...)             an index for listing, derivable from the events
    log(run_id, task, ...)       what shell tasks printed
    request(run_id, verb, ...)   what a person asked from another process, for the driver to take

WAL mode; `append` is one transaction. `synchronous=NORMAL` survives the death of the process
("process"), `FULL` a power cut too ("power"). A run is held by one live process at a time: `claim`
takes it in an immediate transaction.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from orch_nb.engine import holder, results
from orch_nb.engine.memory import MemoryJournal, within
from orch_nb.engine.ports import Blob, Journal, Request, RunRow
from orch_nb.errors import JournalError, RunExists, RunHeld, RunNotFound
from orch_nb.model.event import (
    Event,
    ResultRef,
    RunEnded,
    RunResumed,
    RunStarted,
    decode_event,
    encode_event,
)

__all__ = ["DEFAULT_PATH", "SqliteJournal", "open_journal"]

DEFAULT_PATH = Path(".orch_nb") / "journal.db"
VERSION = 1
#: Runs that drivers of this process work on, as (file, run).
_held_here: set[tuple[str, str]] = set()
_BUSY_S = 10.0  # how long another process's write is waited for

_SCHEMA = """
CREATE TABLE IF NOT EXISTS run(
  run_id TEXT PRIMARY KEY, name TEXT NOT NULL, goal TEXT NOT NULL, plan_hash TEXT NOT NULL,
  status TEXT NOT NULL, started REAL NOT NULL, finished REAL, holder TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS event(
  run_id TEXT NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY(run_id, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blob(hash TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS log(
  id INTEGER PRIMARY KEY, run_id TEXT NOT NULL, task TEXT NOT NULL, attempt INTEGER NOT NULL,
  stream TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS log_of_task ON log(run_id, task, id);
CREATE TABLE IF NOT EXISTS request(
  id INTEGER PRIMARY KEY, run_id TEXT NOT NULL, verb TEXT NOT NULL, task TEXT,
  asked_by TEXT NOT NULL, note TEXT NOT NULL, at REAL NOT NULL);
"""


def open_journal(journal: str | os.PathLike[str] | Journal | None = None) -> Journal:
    """`None`: the default file; `"memory"`: one that is gone with the process; else a path."""
    if journal is None:
        return SqliteJournal(DEFAULT_PATH)
    if journal == "memory":
        return MemoryJournal()
    if isinstance(journal, (str, os.PathLike)):
        return SqliteJournal(Path(journal))
    return journal


class SqliteJournal:
    """A journal in a file. Opens or creates it; raises JournalError, saying what to do."""

    def __init__(self, path: str | os.PathLike[str], *, durability: str = "process") -> None:
        if durability not in ("process", "power"):
            raise ValueError(f"durability is process or power, not {durability!r}")
        self.path = str(path)
        self._where = os.path.realpath(path)
        self._seq: dict[str, int] = {}
        self._logged: dict[tuple[str, str], int] = {}
        self._lock = threading.RLock()  # one connection has one transaction at a time
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._open(durability)
        except (sqlite3.Error, OSError) as error:
            raise self._fault(error) from None

    def _open(self, durability: str) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise JournalError(
                f"The journal {self.path} was written by a newer orch_nb (its format is {version}, "
                f"this one reads {VERSION}). Upgrade orch_nb, or use another file: --journal PATH."
            )
        self._enter_wal()
        level = "FULL" if durability == "power" else "NORMAL"
        self._db.execute(f"PRAGMA synchronous={level}")
        if version == 0:
            self._db.executescript(_SCHEMA)
            self._db.execute(f"PRAGMA user_version={VERSION}")

    def _enter_wal(self) -> None:
        """Several processes may make a journal at once, and for this SQLite does not wait."""
        until = time.monotonic() + _BUSY_S
        while True:
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > until:
                    raise
                time.sleep(0.01)
            else:
                return

    def _fault(self, error: Exception) -> JournalError:
        text = str(error)
        if "malformed" in text or "not a database" in text:
            way = "It is damaged: move it away (a new one is made), or restore a copy."
        elif "full" in text or getattr(error, "errno", None) == 28:
            way = "The disk is full: free some room, then recover the run."
        elif "locked" in text:
            way = "Another process is writing to it all the time: end that, or use another file."
        else:
            way = 'Use a folder that can be written (--journal PATH), or journal="memory".'
        return JournalError(f"The journal {self.path} cannot be used: {text}. {way}")

    @contextlib.contextmanager
    def _transaction(self, mode: str = "") -> Iterator[sqlite3.Connection]:
        try:
            with self._lock:
                self._db.execute(f"BEGIN {mode}")
                try:
                    yield self._db
                    self._db.execute("COMMIT")
                except BaseException:
                    if self._db.in_transaction:  # SQLite ends it itself where the disk is full
                        self._db.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            raise self._fault(error) from None

    def _read(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._fault(error) from None

    # -- events --------------------------------------------------------------------------------

    def create(self, run_id: str, event: Event, plan_hash: str) -> None:
        """Begin a run with its first event. Raises RunExists."""
        assert isinstance(event, RunStarted)
        with self._transaction("IMMEDIATE") as db:
            if db.execute("SELECT 1 FROM run WHERE run_id=?", (run_id,)).fetchone():
                raise RunExists(
                    f"The journal {self.path} has a run `{run_id}` already. "
                    f"Continue it with recover({run_id!r}), or choose another run_id."
                )
            db.execute(
                "INSERT INTO run VALUES(?,?,?,?,?,?,NULL,?)",
                (run_id, event.name, event.plan.goal, plan_hash, "running", event.at,
                 holder.myself()),
            )  # fmt: skip
            db.execute("INSERT INTO event VALUES(?,0,?)", (run_id, encode_event(event)))
        self._seq[run_id] = 1
        _held_here.add((self._where, run_id))

    def claim(self, run_id: str) -> None:
        """Hold an existing run for this process. Raises RunNotFound, RunHeld."""
        with self._transaction("IMMEDIATE") as db:
            row = db.execute("SELECT holder FROM run WHERE run_id=?", (run_id,)).fetchone()
            if row is None:
                raise self._unknown(run_id)
            if self._alive(run_id, row[0]):
                raise RunHeld(
                    f"Run `{run_id}` is being worked on by process {row[0].split(':')[-2]}. "
                    "Cancel it there, or wait for its end."
                )
            db.execute("UPDATE run SET holder=? WHERE run_id=?", (holder.myself(), run_id))
            (seq,) = db.execute(
                "SELECT COALESCE(MAX(seq)+1, 0) FROM event WHERE run_id=?", (run_id,)
            ).fetchone()
        self._seq[run_id] = seq
        _held_here.add((self._where, run_id))

    def _alive(self, run_id: str, by: str) -> bool:
        """Whether the holder works on the run. This process may have lost it without being able to
        write that down, where the disk was full."""
        ours = by == holder.myself() and (self._where, run_id) not in _held_here
        return holder.alive(by) and not ours

    def release(self, run_id: str) -> None:
        _held_here.discard((self._where, run_id))
        with self._transaction() as db:
            db.execute(
                "UPDATE run SET holder='' WHERE run_id=? AND holder=?", (run_id, holder.myself())
            )

    def append(self, run_id: str, events: Sequence[Event], blobs: Sequence[Blob] = ()) -> None:
        """Keep a batch, all or nothing. When this returns the batch survives a kill."""
        seq = self._seq[run_id]
        rows = [(run_id, seq + n, encode_event(event)) for n, event in enumerate(events)]
        with self._transaction() as db:
            if blobs:
                db.executemany(
                    "INSERT OR IGNORE INTO blob VALUES(?,?)", [(b.ref.hash, b.data) for b in blobs]
                )
            db.executemany("INSERT INTO event VALUES(?,?,?)", rows)
            for event in events:
                if isinstance(event, RunEnded):
                    db.execute(
                        "UPDATE run SET status=?, finished=? WHERE run_id=?",
                        (event.status.value, event.at, run_id),
                    )
                elif isinstance(event, RunResumed):
                    db.execute(
                        "UPDATE run SET status='running', finished=NULL WHERE run_id=?", (run_id,)
                    )
        self._seq[run_id] = seq + len(rows)

    def history(self, run_id: str) -> list[Event]:
        """All events of a run, in order. Raises RunNotFound."""
        rows = self._read("SELECT body FROM event WHERE run_id=? ORDER BY seq", run_id)
        if not rows:
            raise self._unknown(run_id)
        try:
            return [decode_event(body) for (body,) in rows]
        except msgspec.DecodeError as error:
            raise JournalError(
                f"The journal {self.path} holds an event of run `{run_id}` that cannot be read: "
                f"{error}. It is damaged, or was written by a newer orch_nb."
            ) from None

    def _unknown(self, run_id: str) -> RunNotFound:
        known = [row[0] for row in self._read("SELECT run_id FROM run ORDER BY started DESC")][:5]
        latest = f" The latest are: {', '.join(known)}." if known else " It has no runs yet."
        return RunNotFound(f"The journal {self.path} has no run `{run_id}`.{latest}")

    # -- results, logs, requests ---------------------------------------------------------------

    def store(self, value: Any) -> tuple[ResultRef, Blob | None]:
        return results.store(value)

    def load(self, ref: ResultRef) -> Any:
        """A result again. Raises LookupError where it was not kept."""
        rows = self._read("SELECT body FROM blob WHERE hash=?", ref.hash) if ref.hash else []
        return results.restore(ref, rows[0][0] if rows else None)

    def write_log(self, run_id: str, lines: Sequence[tuple[str, int, str, str]]) -> None:
        """Keep output as (task, attempt, stream, text); past a bound per task the rest is dropped,
        and a last line says so."""
        rows = []
        for task, attempt, stream, text in lines:
            kept = within(self._logged, (run_id, task), text)
            if kept:
                rows.append((run_id, task, attempt, stream, kept))
        with self._transaction() as db:
            db.executemany(
                "INSERT INTO log(run_id, task, attempt, stream, text) VALUES(?,?,?,?,?)", rows
            )

    def read_log(self, run_id: str, task: str) -> str:
        rows = self._read(
            "SELECT text FROM log WHERE run_id=? AND task=? ORDER BY id", run_id, task
        )
        return "".join(text for (text,) in rows)

    def ask(self, run_id: str, request: Request) -> None:
        """Leave a request for the process that works on the run. Raises RunNotFound."""
        with self._transaction("IMMEDIATE") as db:
            if not db.execute("SELECT 1 FROM run WHERE run_id=?", (run_id,)).fetchone():
                raise self._unknown(run_id)
            db.execute(
                "INSERT INTO request(run_id, verb, task, asked_by, note, at) VALUES(?,?,?,?,?,?)",
                (run_id, request.verb, request.task, request.by, request.note, time.time()),
            )

    def take_requests(self, run_id: str) -> list[Request]:
        """The requests left for a run, each once."""
        query = "SELECT id, verb, task, asked_by, note FROM request WHERE run_id=? ORDER BY id"
        rows = self._read(query, run_id)
        if rows:
            with self._transaction() as db:
                db.executemany("DELETE FROM request WHERE id=?", [(row[0],) for row in rows])
        return [Request(verb, task, by, note) for _, verb, task, by, note in rows]

    def requests_left(self, run_id: str) -> int:
        """How many requests wait to be taken."""
        (row,) = self._read("SELECT COUNT(*) FROM request WHERE run_id=?", run_id)
        return int(row[0])

    # -- listing -------------------------------------------------------------------------------

    def runs(self) -> list[RunRow]:
        """All runs, the newest first."""
        rows = self._read(
            "SELECT run_id, name, goal, status, started, finished, plan_hash, holder FROM run "
            "ORDER BY started DESC, rowid DESC"
        )
        found = []
        for run_id, name, goal, status, started, finished, plan_hash, by in rows:
            held = self._alive(run_id, by)
            found.append(RunRow(run_id, name, goal, status, started, finished, plan_hash, held))
        return found

    def close(self) -> None:
        self._db.close()

    def __del__(self) -> None:
        # A run reads its results from here for as long as somebody holds it, so nobody can say
        # earlier when the file is done with; from Python 3.13 on, leaving it open is a warning.
        if hasattr(self, "_db"):
            self._db.close()
