"""An exception as a `Failure`: its names, its message, its traceback in the user's own frames."""

from __future__ import annotations

import linecache
import os
import re
import traceback
from pathlib import Path

from orch_nb.model.event import Failure

__all__ = ["failure_of", "with_source"]

_OURS = f"{Path(__file__).resolve().parent.parent}{os.sep}"
_FRAMES = 20
_MESSAGE = 4000


def failure_of(error: BaseException) -> Failure:
    """What an executor reports of an exception. Never raises, whatever its `__str__` does."""
    try:
        message = str(error)
    except BaseException as second:  # noqa: BLE001  # what a foreign method raises ends nobody
        message = f"(its message cannot be shown: {type(second).__name__})"
    kinds = tuple(
        f"{cls.__module__}.{cls.__qualname__}" if cls.__module__ != "builtins" else cls.__qualname__
        for cls in type(error).__mro__[:-1]
    )
    if len(message) > _MESSAGE:
        message = message[:_MESSAGE] + "…"
    return Failure(type(error).__qualname__, _plain(message), _plain(trimmed(error)), kinds)


def _plain(text: str) -> str:
    """Text that any journal can hold: no subclass of str, no lone surrogates of file names."""
    return text.encode("utf-8", "backslashreplace").decode()


def trimmed(error: BaseException) -> str:
    """The traceback without the frames of this package, causes included, bounded in length."""
    try:
        told = traceback.TracebackException.from_exception(error, limit=-200)
    except BaseException as second:  # noqa: BLE001  # a foreign __str__ or __cause__
        return f"(no traceback: {type(second).__name__})"
    seen: set[int] = set()
    part: traceback.TracebackException | None = told
    while part is not None and id(part) not in seen:
        seen.add(id(part))
        kept = [frame for frame in part.stack if not frame.filename.startswith(_OURS)]
        if len(kept) > _FRAMES:
            kept = kept[: _FRAMES // 2] + kept[-_FRAMES // 2 :]
        part.stack = traceback.StackSummary.from_list(kept)
        part = part.__cause__ or part.__context__
    return "".join(told.format()).rstrip()


_FRAME = re.compile(r'  File "(.+)", line (\d+), in ')


def with_source(told: str) -> str:
    """A traceback of another process, with the lines of code that only this one knows: those of
    notebook cells."""
    lines = told.split("\n")
    whole = []
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        whole.append(line)
        frame = _FRAME.match(line)
        if frame and not following.startswith("    "):
            source = linecache.getline(frame[1], int(frame[2])).strip()
            whole += [f"    {source}"] if source else []
    return "\n".join(whole)
