"""The journal's file: its tables, how it is opened and brought up to date, what may be wrong there.

    run(run_id, ...)             what `runs` lists, derivable from the events
    worked(n, run_id, seen)      the number of a run, and when its holder last said that it lives
    batch(id, sum, body)         a row an append: a JSON array of events. `id` is the run's number
                                 times 2 ** 32, plus the row's place in the run
    event(run_id, seq, body)     version 1: a row an event. Read, and no longer written
    blob(hash, body)             results, by content hash
    cache(id, key, ...)          which result a cached task had, under the key of what it is made of
    unstored(goal, task, ...)    tasks whose last result could not be kept, and why
    log(run_id, task, ...)       what tasks printed, some lines a row (see `engine.logs`)
    request(run_id, verb, ...)   what a person asked from another process, for the driver to take
    note(run_id, body)           what was known before a run: analysis, research. Made when first
                                 needed: an older orch_nb takes no harm of a table it does not read

`batch` is keyed by one integer because SQLite appends to the right end of such a table for two
thirds of what a row costs under a key of text and number. `sum` is the CRC-32 of the body: SQLite
has none of its own, and a letter that a bad disk changed in an event would go unseen.

A file is ours if it says so (`application_id`), or is of version 1, which did not say it. One of
another application, of a newer version, or emptied while its log still holds something, is left
exactly as it was.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import msgspec

from orch_nb.errors import JournalError
from orch_nb.model.event import RunStarted, decode_event

__all__ = ["FAULTS", "NOTE", "VERSION", "Transaction", "checksum", "connect", "fault"]

VERSION = 3
_OURS = 0x4F52434E  # "ORCN"
_OPEN_S = 10.0  # how long another process's write is waited for when the file is opened
_WRITE_S = 60.0  # and when a run is at stake
# Pages of the log that are moved into the file at a time: a page that is written a hundred times,
# as the last one of `batch` is, is then moved once.
_CHECKPOINT_PAGES = 4000

_VERSION_1 = """
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
_VERSION_2 = """
CREATE TABLE IF NOT EXISTS worked(
  n INTEGER PRIMARY KEY, run_id TEXT NOT NULL UNIQUE, seen REAL NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS batch(
  id INTEGER PRIMARY KEY, sum INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS cache(
  id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, task TEXT NOT NULL, run_id TEXT NOT NULL,
  ref BLOB NOT NULL, parts BLOB NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS cache_of_task ON cache(task, id);
CREATE TABLE IF NOT EXISTS unstored(
  goal TEXT NOT NULL, task TEXT NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL,
  PRIMARY KEY(goal, task)) WITHOUT ROWID;
"""
_VERSION_3 = """
ALTER TABLE log ADD COLUMN at REAL NOT NULL DEFAULT 0;
CREATE INDEX log_of_run ON log(run_id);
"""

#: Makes the table of notes where there is none yet.
NOTE = "CREATE TABLE IF NOT EXISTS note(run_id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID"


#: What sqlite3 raises: of a damaged file also that a name in it is no text.
FAULTS = (sqlite3.Error, UnicodeDecodeError)
#: What stands in `sum` beside the bytes of a row.
checksum = zlib.crc32


def connect(path: str | os.PathLike[str], durability: str) -> sqlite3.Connection:
    """A connection to the journal at `path`, which is made, or brought up to date, where need be.

    `durability` is "process" (what is committed survives a killed process) or "power" (a power cut
    too, at the price of waiting for the disk). Raises JournalError.
    """
    if durability not in ("process", "power"):
        raise ValueError(f"durability is process or power, not {durability!r}")
    db = None
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        _not_emptied(path)
        db = sqlite3.connect(path, timeout=_OPEN_S, isolation_level=None, check_same_thread=False)
        db.execute(f"PRAGMA synchronous={'FULL' if durability == 'power' else 'NORMAL'}")
        # Before there is a log: the file itself then says whose it is, whatever becomes of the log.
        db.execute("BEGIN")  # all that is asked of one state, while others make the tables
        version = _version(db, path)
        db.execute("COMMIT")
        if version < VERSION:
            _update(db, path)
        _enter_wal(db)
        db.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        db.execute("PRAGMA cell_size_check=ON")  # damage is found where it is, not where it leads
        db.execute(f"PRAGMA busy_timeout={_WRITE_S * 1000:.0f}")
    except (*FAULTS, OSError) as error:
        _close(db)
        raise fault(path, error) from None
    except JournalError:
        _close(db)
        raise
    return db


def _close(db: sqlite3.Connection | None) -> None:
    if db is not None:
        with contextlib.suppress(sqlite3.Error):
            db.close()


def _not_emptied(path: str | os.PathLike[str]) -> None:
    """SQLite deletes the write-ahead log of a file that is empty, with all that it holds."""
    file, log = Path(path), Path(f"{os.fspath(path)}-wal")
    if file.exists() and log.exists() and not file.stat().st_size and log.stat().st_size:
        raise JournalError(
            f"The journal {path} is empty, but {log} still holds something of it. Restore a copy "
            "of the journal, or move both files away (a new journal is made)."
        )


def _version(db: sqlite3.Connection, path: str | os.PathLike[str]) -> int:
    """The version of the file, 0 for a new one. Raises JournalError for one that is not ours."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (owner,) = db.execute("PRAGMA application_id").fetchone()
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")}
    if owner == _OURS:
        if version > VERSION:
            raise JournalError(
                f"The journal {path} was written by a newer orch_nb (its format is {version}, "
                f"this one reads {VERSION}). Upgrade orch_nb, or use another file: --journal PATH."
            )
        return int(version)
    if owner == 0 and version == 0 and not tables:
        return 0
    if owner == 0 and version == 1 and {"run", "event", "blob", "log", "request"} <= tables:
        return 1
    raise JournalError(
        f"{path} is a database of another application (it has the tables "
        f"{', '.join(sorted(tables)[:5]) or 'of nobody'}) and was left as it is. "
        "Use another file: --journal PATH."
    )


def _update(db: sqlite3.Connection, path: str | os.PathLike[str]) -> None:
    """Make the tables, or add what an older version had not. What is there is never rewritten."""
    db.execute("BEGIN IMMEDIATE")
    try:
        version = _version(db, path)  # another process may have been quicker
        if version < VERSION:
            for statement in (_VERSION_1 + _VERSION_2 + _VERSION_3).split(";"):
                db.execute(statement)
            if version == 1:
                _rehash(db)
            db.execute(f"PRAGMA application_id={_OURS}")
            db.execute(f"PRAGMA user_version={VERSION}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _rehash(db: sqlite3.Connection) -> None:
    """A run that can go on is found by its plan's hash, and a plan of today is hashed with the
    fields that it has today."""
    db.execute("INSERT OR IGNORE INTO worked(run_id) SELECT run_id FROM run ORDER BY rowid")
    query = (
        "SELECT run_id, body FROM event NATURAL JOIN run WHERE seq=0 "
        "AND status IN ('running', 'waiting')"
    )
    for run_id, body in db.execute(query).fetchall():
        with contextlib.suppress(msgspec.DecodeError):  # told when somebody asks for that run
            first = decode_event(body)
            if isinstance(first, RunStarted):
                db.execute("UPDATE run SET plan_hash=? WHERE run_id=?", (first.plan.hash, run_id))


def _enter_wal(db: sqlite3.Connection) -> None:
    """Several processes may make a journal at once, and for this SQLite does not wait."""
    until = time.monotonic() + _OPEN_S
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


class Transaction:
    """`with Transaction(...)`: all that is written inside is kept, or nothing.

    A class and not a generator: this stands in the way of every task that has a result. Raises
    JournalError for what SQLite says against it. One connection has one transaction at a time, so
    a thread waits here for another.
    """

    __slots__ = ("_db", "_execute", "_lock", "_path")

    def __init__(self, path: str, db: sqlite3.Connection, lock: threading.RLock) -> None:
        self._path, self._db, self._lock = path, db, lock
        self._execute = db.cursor().execute

    def __enter__(self) -> Callable[..., sqlite3.Cursor]:
        self._lock.acquire()
        try:
            self._execute("BEGIN IMMEDIATE")
        except FAULTS as error:
            self._lock.release()
            raise fault(self._path, error) from None
        except BaseException:
            self._lock.release()
            raise
        return self._execute

    def __exit__(
        self, kind: object, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                self._execute("COMMIT")
        except FAULTS as failed:
            error = failed
        finally:
            self._undo()
            self._lock.release()
        if isinstance(error, FAULTS):
            raise fault(self._path, error) from None

    def _undo(self) -> None:
        if self._db.in_transaction:  # SQLite ends it itself where the disk is full
            with contextlib.suppress(sqlite3.Error):
                self._execute("ROLLBACK")


def fault(path: str | os.PathLike[str], error: Exception) -> JournalError:
    """What went wrong with the journal's file, in words, and what to do."""
    text = str(error)
    number = getattr(error, "errno", None)
    garbled = isinstance(error, UnicodeDecodeError) or "decode to UTF-8" in text
    if garbled or "malformed" in text or "not a database" in text:
        way = "It is damaged: move it away (a new one is made), or restore a copy."
    elif "full" in text or number == errno.ENOSPC:
        way = "The disk is full: free some room, then recover the run."
    elif "I/O" in text:
        way = (
            "The disk does not take or give its bytes (a failing disk, a quota, a limit on the "
            "size of files, or the file was moved or deleted): see to it, then recover the run."
        )
    elif "locked" in text:
        way = "Another process is writing to it all the time: end that, or use another file."
    elif "UNIQUE" in text:
        way = "Another process goes on with the same run: end one of them, then recover the run."
    elif "closed database" in text:
        way = "It was closed: open it again."
    elif "no such table" in text:
        way = "Its tables are gone: move it away (a new one is made), or restore a copy."
    else:
        way = 'Use a folder that can be written (--journal PATH), or journal="memory".'
    return JournalError(f"The journal {path} cannot be used: {text}. {way}")
