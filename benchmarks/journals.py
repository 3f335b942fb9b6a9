"""The floors of remembering: rows that are committed before anything acts on them, and read again.

Generators in three parts, as in `floors`.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import work
from benchmarks.floors import Steps
from benchmarks.shapes import Shape

__all__ = ["durable", "durable_json", "replay", "replay_json"]


class Finished(msgspec.Struct, gc=False):
    """What a row says of a finished task."""

    task: str
    status: str
    attempt: int
    started: float
    at: float


_COLUMNS = "CREATE TABLE done(task TEXT NOT NULL, status TEXT NOT NULL, started REAL, at REAL)"
_BODIES = "CREATE TABLE done(seq INTEGER PRIMARY KEY, body BLOB NOT NULL)"


def _database(folder: str, schema: str) -> sqlite3.Connection:
    db = sqlite3.connect(Path(folder, "floor.db"), isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute(schema)
    return db


def durable(shape: Shape) -> Steps:
    """Kahn's algorithm a batch at a time: run what is ready, write a row for each, commit, and only
    then release what needs them. Rows of plain columns; making the file is not timed."""
    now = time.time

    def row(n: int, task: str, started: float) -> tuple[Any, ...]:  # noqa: ARG001
        return (task, "succeeded", started, now())

    return _durable(shape, _COLUMNS, "INSERT INTO done VALUES(?,?,?,?)", row)


def durable_json(shape: Shape) -> Steps:
    """The same with rows that are one JSON body each, encoded by msgspec, as an event log has."""
    now, encode = time.time, msgspec.json.Encoder().encode

    def row(n: int, task: str, started: float) -> tuple[Any, ...]:
        return (n, encode(Finished(task, "succeeded", 1, started, now())))

    return _durable(shape, _BODIES, "INSERT INTO done VALUES(?,?)", row)


def _durable(
    shape: Shape, schema: str, insert: str, row: Callable[[int, str, float], tuple[Any, ...]]
) -> Steps:
    order, body = work.recorders(len(shape))
    ids, down, waiting = shape.ids, shape.downstream, [len(needs) for needs in shape.upstream]
    now = time.time
    with tempfile.TemporaryDirectory() as folder:
        db = _database(folder, schema)
        yield
        ready = [n for n, count in enumerate(waiting) if not count]
        while ready:
            rows = []
            for n in ready:
                started = now()
                body[n]()
                rows.append(row(n, ids[n], started))
            db.execute("BEGIN")
            db.executemany(insert, rows)
            db.execute("COMMIT")
            released = []
            for n in ready:
                for other in down[n]:
                    waiting[other] -= 1
                    if not waiting[other]:
                        released.append(other)
            ready = released
        yield
        shape.check(order)
        assert db.execute("SELECT COUNT(*) FROM done").fetchone() == (len(shape),)
        db.close()


def _written(shape: Shape, folder: str) -> Path:
    """A file with one JSON body for each task of the shape."""
    encode = msgspec.json.Encoder().encode
    bodies = (
        encode(Finished(task, "succeeded", 1, time.time(), time.time())) for task in shape.ids
    )
    db = _database(folder, _BODIES)
    db.execute("BEGIN")
    db.executemany("INSERT INTO done VALUES(?,?)", enumerate(bodies))
    db.execute("COMMIT")
    db.close()
    return Path(folder, "floor.db")


def replay(shape: Shape) -> Steps:
    """The bare replay: open a file of one row a finished task, read each, decode its JSON with
    msgspec into a struct, fold it into a dict of statuses."""
    with tempfile.TemporaryDirectory() as folder:
        path = _written(shape, folder)
        yield
        decode = msgspec.json.Decoder(Finished).decode
        status: dict[str, str] = {}
        db = sqlite3.connect(path)
        for (body,) in db.execute("SELECT body FROM done ORDER BY seq"):
            row = decode(body)
            status[row.task] = row.status
        db.close()
        yield
        assert list(status) == shape.ids


def replay_json(shape: Shape) -> Steps:
    """The same with the json of the standard library, into dicts."""
    with tempfile.TemporaryDirectory() as folder:
        path = _written(shape, folder)
        yield
        status: dict[str, str] = {}
        db = sqlite3.connect(path)
        for (body,) in db.execute("SELECT body FROM done ORDER BY seq"):
            row = json.loads(body)
            status[row["task"]] = row["status"]
        db.close()
        yield
        assert list(status) == shape.ids
