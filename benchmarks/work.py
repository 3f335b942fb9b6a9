"""What the tasks do: nothing, and leave a trace of it that can be checked.

In one process a task puts its number at the end of a list. In several it stamps the time into a
file that all of them have mapped: a child process finds it through the environment. The functions
live here because a child process imports them by name.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import mmap
import os
import shutil
import struct
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

from benchmarks.shapes import Shape

__all__ = [
    "PROCESSES", "THREADS", "Stamps", "async_noop", "async_recorders", "document", "noop",
    "recorders", "stamp", "stamper", "stamps", "taken", "taking_recorders", "tally",
]  # fmt: skip

THREADS = 4
PROCESSES = 2

_calls = itertools.count()


def noop() -> None:
    """The shared task of nobody in particular: it only counts."""
    next(_calls)


async def async_noop() -> None:
    next(_calls)


def taken() -> int:
    """How often `noop` and `async_noop` were called since this was last asked."""
    global _calls  # noqa: PLW0603  # there is one count in a process
    count = next(_calls)
    _calls = itertools.count()
    return count


def recorders(size: int) -> tuple[list[int], list[Callable[[], None]]]:
    """The list in which tasks leave their numbers, and a function for each task."""
    order: list[int] = []
    append = order.append

    def made(n: int) -> Callable[[], None]:
        def record() -> None:
            append(n)

        return record

    return order, [made(n) for n in range(size)]


def async_recorders(
    size: int,
) -> tuple[list[int], list[Callable[[], Coroutine[Any, Any, None]]]]:
    order: list[int] = []
    append = order.append

    def made(n: int) -> Callable[[], Coroutine[Any, Any, None]]:
        async def record() -> None:
            append(n)

        return record

    return order, [made(n) for n in range(size)]


def taking_recorders(size: int) -> tuple[list[int], list[Callable[..., int]]]:
    """The same for systems that hand in the results of what a task needs: it takes them."""
    order: list[int] = []
    append = order.append

    def made(n: int) -> Callable[..., int]:
        def record(*upstream: int) -> int:  # noqa: ARG001  # they are handed in
            append(n)
            return 0

        return record

    return order, [made(n) for n in range(size)]


# -- across processes ----------------------------------------------------------------------------

_SLOT = struct.Struct("qq")  # how often a task ran, and when, on the clock that all processes share
_COUNT = struct.Struct("q")
_MOST = 1_000_000
_FOLDER = "ORCH_NB_BENCHMARK_STAMPS"
_mapped: dict[tuple[str, int], mmap.mmap] = {}


def _map(name: str, size: int) -> mmap.mmap:
    key = (name, os.getpid())  # what a child got by fork is its parent's
    if key not in _mapped:
        with Path(os.environ[_FOLDER], name).open("a+b") as file:
            file.truncate(size)
            _mapped[key] = mmap.mmap(file.fileno(), size)
    return _mapped[key]


def stamp(n: int) -> None:
    """Task n, in whichever process: counted and dated in a place of its own."""
    slots = _map("stamps", _MOST * _SLOT.size)
    count, _ = _SLOT.unpack_from(slots, n * _SLOT.size)
    _SLOT.pack_into(slots, n * _SLOT.size, count + 1, time.monotonic_ns())


def stamper(n: int) -> Callable[[], None]:
    """Task n as a function without arguments, which pickles."""
    return functools.partial(stamp, n)


def tally() -> None:
    """The shared task in whichever process: each counts in a file of its own."""
    counter = _map(f"tally.{os.getpid()}", _COUNT.size)
    _COUNT.pack_into(counter, 0, _COUNT.unpack_from(counter)[0] + 1)


class Stamps:
    """What the processes left behind since `stamps` began."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def check(self, shape: Shape) -> None:
        """Each task was stamped once, after what it needs. Raises AssertionError."""
        slots = _map("stamps", _MOST * _SLOT.size)
        found = [_SLOT.unpack_from(slots, n * _SLOT.size) for n in range(len(shape))]
        for n, (count, at) in enumerate(found):
            assert count == 1, f"{n} ran {count} times"
            for other in shape.upstream[n]:
                assert found[other][1] < at, f"{n} ran before {other}, which it needs"

    def tallied(self) -> int:
        """How often `tally` ran."""
        files = self._folder.glob("tally.*")
        return sum(_COUNT.unpack(file.read_bytes())[0] for file in files)

    def clear(self, size: int) -> None:
        """To zero, in place: worker processes that live on have the files mapped."""
        slots = _map("stamps", _MOST * _SLOT.size)
        slots[: size * _SLOT.size] = bytes(size * _SLOT.size)
        for file in self._folder.glob("tally.*"):
            with file.open("r+b") as counter:
                counter.write(bytes(_COUNT.size))


@contextlib.contextmanager
def stamps(size: int) -> Iterator[Stamps]:
    """A place for the traces of `size` tasks, which child processes find by the environment."""
    if _FOLDER not in os.environ:
        folder = tempfile.mkdtemp(prefix="orch-nb-benchmark-")
        os.environ[_FOLDER] = folder
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    left = Stamps(Path(os.environ[_FOLDER]))
    left.clear(size)
    yield left


# -- documents -----------------------------------------------------------------------------------


def document(shape: Shape) -> str:
    """The shape as a plan document, a line a task, each running `noop`."""
    lines = ["goal: measured", "tasks:"]
    for task, needs in zip(shape.ids, shape.needs, strict=True):
        also = f", needs: [{', '.join(needs)}]" if needs else ""
        lines.append(f"  {task}: {{run: noop{also}}}")
    return "\n".join(lines) + "\n"
