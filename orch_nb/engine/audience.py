"""Who watches a run: told on the loop of everything that was committed, in the order of the turns.

    tell(batch)         by the loop: at once, after what is due
    tell_soon(batch)    by another thread that took a turn: due within some milliseconds

So a thread that takes a turn wakes the loop for those who watch two hundred times a second at most,
and who watches need not care where a turn was taken.
"""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from orch_nb.engine.ports import Observer
from orch_nb.engine.results import said
from orch_nb.model.event import Event
from orch_nb.model.fold import RunState

__all__ = ["Audience"]

_SOON_S = 0.005


class Audience:
    """The observers of a run. `lock` is held while they are told, so that batches keep their order;
    false if there is nobody."""

    def __init__(
        self,
        observers: Sequence[Observer],
        state: RunState,
        loop: asyncio.AbstractEventLoop,
        lock: AbstractContextManager[Any],
    ) -> None:
        self.observers = list(observers)
        self._state, self._loop, self._lock = state, loop, lock
        self._due: deque[tuple[Event, ...]] = deque()
        self._soon = False

    def __bool__(self) -> bool:
        return bool(self.observers)

    def tell(self, batch: Sequence[Event]) -> None:
        self._due.append(tuple(batch))
        self.catch_up()

    def tell_soon(self, batch: Sequence[Event]) -> None:
        self._due.append(tuple(batch))
        if not self._soon:
            self._soon = True
            self._loop.call_soon_threadsafe(self._loop.call_later, _SOON_S, self._tell_due)

    def _tell_due(self) -> None:
        self._soon = False
        self.catch_up()

    def catch_up(self) -> None:
        """Tell what is due."""
        with self._lock:
            while self._due:
                self._tell(self._due.popleft())

    def _tell(self, events: Sequence[Event]) -> None:
        for observer in list(self.observers):
            try:
                observer(events, self._state)
            except BaseException as error:  # noqa: BLE001  # no observer may harm the run
                self.observers.remove(observer)
                told = f"an observer of run {self._state.run_id} raised and was dropped: " + said(
                    error
                )
                try:
                    warnings.warn(told, RuntimeWarning, stacklevel=2)
                except RuntimeWarning:  # somebody made warnings errors
                    logging.getLogger("orch_nb").warning(told)
