"""Whether a result can be kept, from what a function says it returns: never a false alarm."""

from __future__ import annotations

import array
import asyncio
import collections
import concurrent.futures
import contextlib
import dataclasses
import datetime
import decimal
import enum
import functools
import io
import itertools
import mmap
import operator
import pathlib
import queue
import re
import socket
import sqlite3
import ssl
import subprocess
import sys
import tempfile
import threading
import types
import typing
import uuid
import weakref
import zipfile

import msgspec
import networkx as nx
import numpy as np
import pandas as pd
import pytest

from orch_nb.engine.results import store, unkeepable, unkeepable_result


class Plain:
    pass


class Slotted:
    __slots__ = ("__weakref__", "a")


class Number(int):
    pass


class Items(list):
    pass


class Struct(msgspec.Struct):
    a: int = 1


@dataclasses.dataclass(slots=True)
class Data:
    a: int = 1


class Colour(enum.Enum):
    RED = 1


def rows():
    yield 1


async def rows_later():
    yield 1


@contextlib.contextmanager
def held():
    yield 1


KEPT = [
    1, "a", b"", 1.5, 1j, True, [], (), {}, set(), frozenset(), bytearray(), range(3), slice(1),
    object(), Plain(), Slotted(), Number(), Items(), Struct(), Data(), Colour.RED, types,
    decimal.Decimal(1), datetime.date(2026, 1, 1), datetime.timedelta(1), pathlib.Path(),
    uuid.UUID(int=1), collections.deque(), collections.Counter(), collections.OrderedDict(),
    array.array("i"), itertools.count(), iter([]), map(str, []), enumerate([]), re.compile("a"),
    io.StringIO(), io.BytesIO(), operator.itemgetter(1), functools.partial(int), ValueError(),
    weakref.WeakSet(), len, int, memoryview(b""), {}.keys(), property(), types.SimpleNamespace(),
    np.zeros(3), np.float64(1), np.random.default_rng(1), pd.DataFrame(), pd.Series(dtype=float),
    pd.Timestamp(0), nx.DiGraph(), subprocess.run(["true"], check=True),
]  # fmt: skip


@pytest.mark.parametrize("value", KEPT, ids=lambda value: type(value).__name__)
def test_of_what_can_be_kept_nothing_is_told(value):
    assert store(value)[0].format != "unstored"
    assert unkeepable(type(value)) is None


@pytest.fixture
def unkept():
    """One of each; some are closed afterwards."""
    loop, process = asyncio.new_event_loop(), subprocess.Popen(["true"])
    pool, database = concurrent.futures.ThreadPoolExecutor(), sqlite3.connect(":memory:")
    closed = [
        loop, pool, database, socket.socket(), mmap.mmap(-1, 10),
        zipfile.ZipFile(io.BytesIO(), "w"),
        tempfile.TemporaryFile(),  # noqa: SIM115  # these are closed below
        tempfile.NamedTemporaryFile(),  # noqa: SIM115
        pathlib.Path(__file__).open("rb"),  # noqa: SIM115
    ]  # fmt: skip
    yield [
        rows(), rows_later(), held(), threading.Lock(), threading.RLock(), threading.Thread(),
        threading.Event(), threading.Condition(), threading.Semaphore(), threading.local(),
        queue.Queue(), queue.SimpleQueue(), loop.create_future(), ssl.create_default_context(),
        database.cursor(), re.match("a", "a"), process, concurrent.futures.Future(),
        sys._getframe(), msgspec.json.Encoder(), *closed,
    ]  # fmt: skip
    process.wait()
    for thing in closed:
        thing.shutdown() if thing is pool else thing.close()


def test_what_cannot_be_kept_is_told_by_its_class(unkept):
    for value in unkept:
        assert store(value)[0].format == "unstored", value
        reason = unkeepable(type(value))
        assert reason is not None, value
        assert reason.endswith(("cannot be pickled", "can be read only once"))


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        ("Iterator[int]", "an iterator can be read only once"),
        ("typing.Generator[int, None, None]", "a generator can be read only once"),
        ("threading.Lock", "a lock cannot be pickled"),
        ("list[threading.Lock]", "a lock cannot be pickled"),
        ("dict[str, socket.socket]", "a socket.socket cannot be pickled"),
        ("tuple[int, socket.socket]", "a socket.socket cannot be pickled"),
        ("sqlite3.Connection | None", "a sqlite3.Connection cannot be pickled"),
        ("typing.Optional[sqlite3.Cursor]", "a sqlite3.Cursor cannot be pickled"),
        ("typing.Annotated[socket.socket, 'the door']", "a socket.socket cannot be pickled"),
        ("asyncio.Task[int]", "an asyncio.Task cannot be pickled"),
        ("'socket.socket'", "a socket.socket cannot be pickled"),
        ("list['socket.socket']", "a socket.socket cannot be pickled"),
    ],
)  # fmt: skip
def test_an_annotation_is_understood_as_a_type_and_as_text(annotation, reason):
    names = {**globals(), "Iterator": typing.Iterator}
    assert unkeepable(annotation, names) == reason
    if "'" not in annotation:
        assert unkeepable(eval(annotation, names)) == reason


@pytest.mark.parametrize(
    "annotation",
    [
        "int", "None", "typing.Any", "pd.DataFrame", "tuple[int, ...]", "list[dict[str, float]]",
        "typing.Callable[..., socket.socket]", "type[socket.socket]", "unknown.Thing", "Unknown",
        "typing.Literal['socket.socket']", "not a type", "", "(", "1", "lambda: 0", "[" * 200,
        "list[" * 5000 + "socket.socket" + "]" * 5000, "typing.TypeVar('T')", "Colour.RED",
    ],
)  # fmt: skip
def test_what_is_not_known_to_be_unkeepable_or_not_understood_is_not_judged(annotation):
    assert unkeepable(annotation, globals()) is None


def test_no_code_runs_for_an_annotation():
    class Trap:
        def __getattr__(self, name):
            raise AssertionError("an attribute was asked for")

        def __call__(self):
            raise AssertionError("it was called")

        def __or__(self, other):
            raise AssertionError("it was added to")

    class Lazy:
        @property
        def socket(self):
            raise AssertionError("a property was read")

    names = {"trap": Trap(), "lazy": Lazy(), "Lazy": Lazy}
    for text in ("trap.socket", "trap()", "trap | None", "trap[0]", "lazy.socket", "Lazy.socket"):
        assert unkeepable(text, names) is None


def test_a_function_is_judged_by_what_it_says_it_returns():
    def connect() -> sqlite3.Connection: ...

    def silent(): ...

    async def stream() -> asyncio.StreamReader: ...

    @functools.wraps(connect)
    def wrapped(*args): ...

    class Callable:
        def __call__(self) -> int: ...

    assert unkeepable_result(connect) == "a sqlite3.Connection cannot be pickled"
    assert unkeepable_result(stream) == "an asyncio.streams.StreamReader cannot be pickled"
    assert unkeepable_result(wrapped) == "a sqlite3.Connection cannot be pickled"
    for function in (silent, len, Callable(), functools.partial(connect), 3):
        assert unkeepable_result(function) is None
