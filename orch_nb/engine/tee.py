"""What tasks print in this process goes where it would go, and to the log of its task as well.

    print ─► sys.stdout ─► Tee ─┬─► Output.echo of the run whose task prints here (`ports.entered`)
                                └─► the stream behind: the cell's output, the terminal

A Tee stands in the place of `sys.stdout` and `sys.stderr` while at least one run goes on in this
process, and nobody but tasks meets more of it than one look at a context variable. What a task's
own threads print belongs to it if they were given a copy of its context (`asyncio.to_thread` does).

Others may put their own streams there, before, behind or in between (`contextlib.redirect_stdout`,
pytest, a kernel): each is left where it was put. A Tee that cannot be taken away, since another
stream stands before it, lets everything pass. Handlers of `logging` hold the stream that there was
when they were made, so those that hold ours are given the Tee meanwhile.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from orch_nb.engine import forks
from orch_nb.engine.ports import AttemptRequest, Echo, entered

__all__ = ["Tee", "show", "standing"]

_NAMES = ("stdout", "stderr")


class Tee:
    """Stands before `sys.stdout` or `sys.stderr`, and is it in all else."""

    def __init__(self, name: str, behind: Any) -> None:
        self._name, self._behind = name, behind
        self._forks = forks.count()

    def _found(self) -> tuple[Echo, str, int] | None:
        """Whose output this is. In the child of a fork nobody's: its locks may be held for ever."""
        request = entered.get()
        if type(request) is not AttemptRequest or forks.count() != self._forks:
            return None
        echo = request.setting.echo
        return None if echo is None else (echo, request.id, request.attempt)

    @property
    def behind(self) -> Any:
        """The stream that it stands before; what is there now, where that has been closed."""
        if getattr(self._behind, "closed", False):
            now = getattr(sys, self._name)
            return getattr(sys, f"__{self._name}__") if now is self or now is None else now
        return self._behind

    def write(self, text: str) -> int:
        found = self._found() if isinstance(text, str) else None
        if found is None:
            count: int = self.behind.write(text)
            return count
        echo, task, attempt = found
        shown = echo.echo(task, attempt, self._name, text)
        if shown:
            self.behind.write(shown)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        found = self._found()
        if found is not None:
            echo, task, attempt = found
            shown = echo.flush(task, attempt, self._name)
            if shown:
                self.behind.write(shown)
        self.behind.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self.behind)


_lock = threading.Lock()
_runs = 0


@contextlib.contextmanager
def standing() -> Iterator[None]:
    """Tees stand before both streams while this, or another of these, is entered."""
    global _runs  # noqa: PLW0603  # sys.stdout is one for the whole process, and so is this
    with _lock:
        _runs += 1
        for name in _NAMES:
            stream = getattr(sys, name)
            if stream is not None and not isinstance(stream, Tee):
                tee = Tee(name, stream)
                setattr(sys, name, tee)
                _hand_over(stream, tee)
    try:
        yield
    finally:
        with _lock:
            _runs -= 1
            for name in _NAMES if _runs == 0 else ():
                stream = getattr(sys, name)
                if isinstance(stream, Tee):
                    setattr(sys, name, stream._behind)  # noqa: SLF001  # closed or not
                    _hand_over(stream, stream._behind)  # noqa: SLF001


def _hand_over(held: Any, instead: Any) -> None:
    """Have the handlers of `logging` that write to one stream write to another."""
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    for logger in loggers:
        for handler in getattr(logger, "handlers", ()):  # a place for a logger to come has none
            if isinstance(handler, logging.StreamHandler) and handler.stream is held:
                handler.stream = instead


def show(shown: Iterable[tuple[str, str]]) -> None:
    """Write (stream, text) to who looks on, past the Tees."""
    for name, text in shown:
        stream = getattr(sys, name)
        behind = stream.behind if isinstance(stream, Tee) else stream
        # Whoever looked on may have gone (a pipe, a closed file): the run goes on.
        with contextlib.suppress(OSError, ValueError):
            if behind is not None:
                behind.write(text)
