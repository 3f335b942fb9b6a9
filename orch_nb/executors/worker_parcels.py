"""What an attempt is sent to a worker as, and what is told where that cannot be done."""

from __future__ import annotations

import functools
import inspect
import itertools
import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from orch_nb.engine.ports import AttemptRequest, Setting
from orch_nb.executors.worker_pickles import dumps, dumps_function, modules_of
from orch_nb.model.event import Failure

__all__ = ["Parcel", "Parcels", "unloadable", "unmade", "unreturnable", "unsendable"]

#: id of the task, attempt, its arguments' bytes, and of an instance its place and its item's bytes
Parcel = tuple[str, int, bytes | None, int | None, bytes | None]

_INSTEAD = "or have it run in this process: --executor threads"


class Parcels:
    """Remembers each function's bytes, which are sent once to each worker.

    A notebook's function is sent with the values that its globals have when it is first needed.
    """

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}  # by the function's id
        self._functions: dict[int, tuple[Any, bytes]] = {}  # held, so that no other gets its id
        self._count = itertools.count(1)
        self._by_value: set[str] = set()

    def packed(self, request: AttemptRequest) -> tuple[int, Parcel]:
        """The function's number, and the rest. Raises whatever cannot be pickled raises."""
        function = request.task.run
        number = self._numbers.get(id(function))
        if number is None:
            number = next(self._count)
            self._functions[number] = (function, dumps_function(function, self._by_value))
            self._numbers[id(function)] = number
        given = None
        if request.args or request.kwargs:
            given = dumps((request.args, dict(request.kwargs)), self._by_value)
        item = None if request.item is None else dumps(request.item, self._by_value)
        return number, (request.id, request.attempt, given, request.index, item)

    def function(self, number: int) -> bytes:
        return self._functions[number][1]

    def setting(self, setting: Setting) -> tuple[str, bytes]:
        """Its params are there for `current()`; those that cannot be sent are left out."""
        try:
            return setting.run_id, dumps(dict(setting.params), self._by_value)
        except BaseException:  # noqa: BLE001  # few tasks ask, and none depends on what it does not get
            sendable = {name: value for name, value in setting.params.items() if _goes(value)}
            return setting.run_id, dumps(sendable, self._by_value)

    @property
    def generation(self) -> int:
        """Grows when things are packed in another way than before."""
        return len(self._by_value)

    def take_along(
        self, request: AttemptRequest, generation: int, what: str, missing: str
    ) -> bool:  # fmt: skip
        """A worker could not load this: from now on send what its modules define with it.

        False if it was sent so already (`generation` is that of its packing), or if it is not known
        which module is meant.
        """
        if generation < self.generation:
            return True
        names = set(modules_of(missing))
        if what == "function":
            names |= set(modules_of(_module_of(request.task.run)))
        names -= {*self._by_value, "__main__", *sys.stdlib_module_names}
        self._by_value |= names
        if names:
            self._numbers.clear()
        return bool(names)


def _module_of(function: Any) -> str:
    """Where a callable is defined: a partial's function, a method's, an object's class."""
    while isinstance(function, functools.partial):
        function = function.func
    function = getattr(function, "__func__", function)
    if not isinstance(function, (FunctionType, type)):
        function = type(function)
    return function.__module__ or ""


def unsendable(request: AttemptRequest, error: BaseException) -> Failure:
    """What is told of an attempt that cannot be sent: which part of it, and what to do."""
    why = _first_line(error)
    for what, value in _parts(request):
        if not _goes(value):
            message = (
                f"{what} ({_kind(value)}) cannot be sent to a worker process: {why}. "
                f"Make it inside of the task, {_INSTEAD}"
            )
            return _not_sendable(message)
    return _not_sendable(f"it cannot be sent to a worker process: {why}. Change that, {_INSTEAD}")


def unreturnable(kind: str, told: tuple[str, str, str, tuple[str, ...]]) -> Failure:
    """What is told of a result that its worker cannot send: `told` is the error's."""
    why = told[1].partition("\n")[0]
    message = (
        f"its result ({kind.removeprefix('builtins.')}) cannot be sent back from the worker "
        f"process: {why}. Return data, or write a file and return its path, {_INSTEAD}"
    )
    return _not_sendable(message)


def unloadable(what: str, told: tuple[str, str, str, tuple[str, ...]]) -> Failure:
    """What is told of an attempt that its worker could not load: `told` is the error's."""
    kind, why, traceback, kinds = told
    message = (
        f"the task's {what} cannot be loaded in a worker process: {why}. What it needs must be "
        f"importable there (this process's sys.path and folder are the worker's), {_INSTEAD}"
    )
    return Failure(kind, message, traceback, kinds)


def unmade(failure: Failure) -> Failure:
    """What is told of a result that this process cannot make of the bytes that came."""
    message = (
        f"its result came back from the worker process, and cannot be made anew here: {failure}. "
        f"Return plainer data, {_INSTEAD}"
    )
    return _not_sendable(message)


def _not_sendable(message: str) -> Failure:
    return Failure("NotSendable", message, "", ("NotSendable", "TypeError", "Exception"))


def _parts(request: AttemptRequest) -> Iterator[tuple[str, Any]]:
    """Everything that is sent of an attempt, by the name that a person knows it by."""
    yield from ((f"its argument `{n}`", value) for n, value in _arguments(request))
    if request.item is not None:
        yield "its item", request.item
    try:
        used = inspect.getclosurevars(request.task.run)
    except TypeError:  # no Python function
        used = None
    if used is not None:
        for name, value in {**used.nonlocals, **used.globals}.items():
            yield f"`{name}`, which its function uses,", value
    yield "its function", request.task.run


def _arguments(request: AttemptRequest) -> Iterator[tuple[str, Any]]:
    try:
        bound = inspect.signature(request.task.run).bind(*request.args, **request.kwargs)
    except (TypeError, ValueError):  # they do not fit; this is not what is told here
        yield from ((str(n), value) for n, value in enumerate(request.args, 1))
        yield from request.kwargs.items()
    else:
        yield from bound.arguments.items()


def _goes(value: Any) -> bool:
    try:
        dumps(value)
    except BaseException:  # noqa: BLE001
        return False
    return True


def _kind(value: Any) -> str:
    cls = type(value)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__name__}"


def _first_line(error: BaseException) -> str:
    try:
        return str(error).partition("\n")[0] or type(error).__name__
    except BaseException:  # noqa: BLE001
        return type(error).__name__
