"""What runs on a worker of a cluster or a queue: one attempt, its prints caught, its end
told in bytes.

    attempt(payload)     payload: (function, args, kwargs, Current), pickled
      └► Told, pickled: the value in bytes, or the Failure; how long it took; what it printed

Nothing is left for Dask to pickle or to raise: an exception becomes a `Failure` here, where its
traceback is, and a result that cannot travel is told as such. So whatever Dask itself reports of an
attempt is about the cluster, never about the task.

A worker runs several attempts at once in threads of one process, and `sys.stdout` is one for all of
them. So while attempts run, it is a stream that asks the context who is printing. With a cluster in
this very process, a notebook's, that stream is taken away again with the last attempt.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import pickle
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from orch_nb.engine.ports import Current, entered
from orch_nb.executors.failure import failure_of
from orch_nb.executors.worker_pickles import dumps
from orch_nb.model.event import Failure

__all__ = ["PYTHON", "Told", "attempt"]

#: What code that is sent by value depends on.
PYTHON = "{}.{}".format(*sys.version_info)

_KEPT = 1_000_000  # characters of an attempt's prints that travel back
_PIECE = 4_000  # and that are given up at a time


class Told(msgspec.Struct):
    """How an attempt ended. `missing`: the module without which its function cannot be loaded.

    `value` is pickled, `printed` has (stream, text) in order, `took_s` is in seconds.
    """

    value: bytes = b""
    failure: Failure | None = None
    missing: str = ""
    took_s: float = 0.0
    printed: list[tuple[str, str]] = []


def attempt(
    payload: bytes, python: str = "", leave: Callable[[BaseException], bool] = lambda error: False
) -> bytes:
    """Run one attempt in this thread and tell its end as a pickled `Told`. Raises nothing but what
    `leave` says is no end of the task. `python`: that of whoever sent it, "" for this very one."""
    printed = _Printed()
    begun = time.monotonic()
    with _streams():
        if python not in ("", PYTHON) and b"cloudpickle" in payload:
            told = Told(failure=failure_of(RuntimeError(_other(python))))
        else:
            told = contextvars.copy_context().run(_performed, payload, printed, leave)
    told.took_s = time.monotonic() - begun
    told.printed = printed.told()
    return pickle.dumps(told, protocol=5)


def _other(python: str) -> str:
    return (
        f"its function was sent as code of Python {python}, and its worker has {PYTHON}. Define it "
        "in a module that the worker can import, or start a worker of the same Python"
    )


def _performed(
    payload: bytes, printed: _Printed, leave: Callable[[BaseException], bool]
) -> Told:  # fmt: skip
    _printing.set(printed)
    try:
        work = pickle.loads(payload)  # noqa: S301  # made by the executor at the other end
    except ImportError as error:
        return Told(failure=failure_of(error), missing=error.name or "")
    except BaseException as error:
        if leave(error):
            raise
        return Told(failure=failure_of(error))
    try:
        value = _called(*work)
    except BaseException as error:  # a task that calls sys.exit has failed, and no more
        if leave(error):
            raise
        return Told(failure=failure_of(error))
    try:
        return Told(dumps(value))
    except BaseException as error:
        if leave(error):
            raise
        what = f"its result, a {type(value).__name__}, cannot be sent back from its worker"
        return Told(failure=failure_of(TypeError(f"{what}: {error}")))


def _called(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], now: Current) -> Any:
    entered.set(now)
    value = function(*args, **kwargs)
    return asyncio.run(value) if inspect.iscoroutine(value) else value


# -- prints --------------------------------------------------------------------------------------


class _Printed:
    """What one attempt prints, in order; of much, the beginning and the end."""

    def __init__(self) -> None:
        self._head: list[tuple[str, str]] = []
        self._tail: deque[tuple[str, str]] = deque()
        self._room = self._spare = _KEPT // 2
        self._gone = 0

    def add(self, stream: str, text: str) -> None:
        if self._room > 0:
            self._head.append((stream, text[: self._room]))
            text, self._room = text[self._room :], self._room - len(text)
        for at in range(0, len(text), _PIECE):
            self._tail.append((stream, text[at : at + _PIECE]))
        self._spare -= len(text)
        while self._spare < 0:
            old = self._tail.popleft()[1]
            self._gone += len(old)
            self._spare += len(old)

    def told(self) -> list[tuple[str, str]]:
        """One entry for each change of the stream, and how much there was no room for."""
        between = f"\n… ({self._gone:,} characters were not kept) …\n"
        gap = [(self._head[-1][0], between)] if self._gone else []
        return _together([*self._head, *gap, *self._tail])


def _together(parts: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    runs: list[tuple[str, list[str]]] = []
    for stream, text in parts:
        if not runs or runs[-1][0] != stream:
            runs.append((stream, []))
        runs[-1][1].append(text)
    return [(stream, "".join(texts)) for stream, texts in runs]


_printing: contextvars.ContextVar[_Printed | None] = contextvars.ContextVar(
    "orch_nb_printing", default=None
)


class _Stream:
    """Stands before `sys.stdout` or `sys.stderr`: an attempt's prints to it, all else through."""

    def __init__(self, name: str, behind: Any) -> None:
        self._name, self._behind = name, behind

    def write(self, text: str) -> int:
        printed = _printing.get()
        if printed is None:
            return int(self._behind.write(text))
        printed.add(self._name, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._behind, name)


_lock = threading.Lock()
_running = 0


@contextmanager
def _streams() -> Iterator[None]:
    """Our streams stand before the process's own while at least one attempt runs."""
    global _running  # noqa: PLW0603  # sys.stdout is one for the whole process, and so is this
    with _lock:
        _running += 1
        for name in ("stdout", "stderr"):
            if not isinstance(getattr(sys, name), _Stream):
                setattr(sys, name, _Stream(name, getattr(sys, name)))
    try:
        yield
    finally:
        with _lock:
            _running -= 1
            for name in ("stdout", "stderr"):
                stream = getattr(sys, name)
                if _running == 0 and isinstance(stream, _Stream):
                    setattr(sys, name, stream._behind)  # noqa: SLF001
