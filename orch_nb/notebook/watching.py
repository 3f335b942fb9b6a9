"""What a plain `nb.execute(plan)` in a cell shows: the room, and its twin when the run is over.

    watch(live)             `execute`, `recover`: the cell waits, and the kernel hears no clicks
    watch_async(driver)     `await execute_async(...)`: the kernel goes on hearing
    heard_call(execute)     what `%load_ext orch_nb` makes of a call of `execute`: the call waits in
                            a thread, the cell awaits it, and the kernel goes on hearing

A run that is over at once shows nothing but its line. Where nobody watches (nbclient, papermill) a
line of progress stands in the room's place. The twin is one output, its phases closed: who wants
the run open shows the value. Of many runs in one cell the later ones leave their line only.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

from IPython.core.getipython import get_ipython

from orch_nb import phases
from orch_nb.engine.driver import Driver
from orch_nb.engine.session import LiveRun
from orch_nb.model.run import Run
from orch_nb.notebook.display import Slot, heard, polling, watched
from orch_nb.notebook.following import account, begun, stop, text_progress
from orch_nb.notebook.session import SESSION
from orch_nb.render.bundle import closed_report, header_bundle, section_bundle
from orch_nb.render.sections import decompose_section
from orch_nb.render.state_section import state_section

__all__ = ["heard_call", "watch", "watch_async", "watched_and_heard"]

_STEP_S = 0.1
_STATE_S = 10.0  # between two states that stay in the file
_FETCH = 10  # messages of pages that are taken at a time
_SHORT_S = 0.4  # a room that came and went within would only flicker
_QUIET_S = 1.0
_WHOLE, _LINES = 3, 12  # runs of a cell that leave all of their phases; that leave a line each


class _Watching:
    """The output of one run."""

    def __init__(self, live: LiveRun, *, hears: bool) -> None:
        self.live, self.hears = live, hears
        self.slot, self.nth = _Shown.of_this_cell().place()
        self.below = Slot()
        self.room: Any = None
        self._next_state = 0.0
        self._begun = self._told = time.monotonic()
        self.slot.show({"text/plain": ""})  # its place, above what tasks print

    def look(self) -> None:
        """Called again and again while the run goes on."""
        now = time.monotonic()
        if now - self._begun < _SHORT_S:
            return
        if watched():
            if self.room is None:
                self._open()
            if now >= self._next_state:
                self._keep_state()
        elif now - self._told >= _QUIET_S:
            self._told = now
            self.slot.show({"text/plain": text_progress(self.live, now - self._begun)})

    def _open(self) -> None:
        from orch_nb.notebook.room import Room
        from orch_nb.notebook.subjects import Here

        here = Here(self.live.driver.state.plan)
        self.room = Room(here, hears=self.hears)
        plan = here.plan
        self.room.phase("DECOMPOSE", lambda: decompose_section(plan))
        self.live.driver.observers.append(here)
        self.room.attach(self.live)
        self._keep_state()
        self.below.show_widget(self.room.view)
        SESSION.begin(self.live, lambda: self._keep_state(over=True))

    def _keep_state(self, *, over: bool = False) -> None:
        """How the run stands, above the room: what a file keeps of a kernel that is gone."""
        began = time.monotonic()
        section = state_section(self.live.snapshot(), datetime.now(UTC), over=over)
        self.slot.show(section_bundle(section))
        if over:
            self.below.show({"text/plain": ""})
        self._next_state = began + max(_STATE_S, 100 * (time.monotonic() - began))

    def freeze(self, run: Run) -> None:
        """The twin in the room's place."""
        if self.room is not None:
            self.room.close()
            self.below.show({"text/plain": ""})
        _Shown.of_this_cell().slots[run.run_id] = self.slot
        whole = self.nth <= _WHOLE
        report = account(run, None, None, run.options.workspace or ".")
        if not whole:
            self.slot.show(header_bundle(run.plan, run, report))
            return
        self.slot.show(closed_report(report))


def watch(live: LiveRun) -> Run:
    """Wait for a run in a cell that keeps the kernel; an interrupt cancels the run."""
    SESSION.begin(live)
    fetch = polling()
    shown = _Watching(live, hears=fetch is not None)
    begun(live)
    try:
        with fetch or nullcontext() as poll:
            while not live.done.wait(_STEP_S):
                shown.look()
                if poll is not None:
                    poll(_FETCH)
    except KeyboardInterrupt:
        shown.freeze(stop(live))
        raise
    run = live.finished()
    shown.freeze(run)
    return run


async def watch_async(driver: Driver) -> Run:
    """Perform a run on the kernel's own loop and show it."""
    live = _OnThisLoop(driver)
    performed = asyncio.ensure_future(driver.drive())
    performed.add_done_callback(lambda _: live.done.set())
    SESSION.begin(live)
    fetch = polling()
    shown = _Watching(live, hears=heard())
    try:
        while not performed.done():
            await asyncio.wait({performed}, timeout=_STEP_S)
            if fetch is not None:
                async with fetch as poll:
                    await poll(_FETCH)
            if driver.state.tasks and not performed.done():
                shown.look()
    except asyncio.CancelledError:
        live.cancel(by="Stop")
        run = await performed
        shown.freeze(run)
        raise
    run = performed.result()
    shown.freeze(run)
    return run


def heard_call(function: Callable[..., Run]) -> Callable[..., Awaitable[Run]]:
    """`execute` or `recover`, to be awaited: see `transformer`."""

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Run:
        shell = get_ipython()
        kwargs.setdefault("namespace", shell.user_ns if shell is not None else {})
        started: list[LiveRun] = []
        token = phases.begun_run.set(started.append)
        try:
            context = contextvars.copy_context()
        finally:
            phases.begun_run.reset(token)
        loop = asyncio.get_running_loop()
        waits = loop.run_in_executor(
            None, context.run, functools.partial(function, *args, **kwargs)
        )
        return await _shown_to_its_end(waits, started)

    return call


async def _shown_to_its_end(waits: asyncio.Future[Run], started: list[LiveRun]) -> Run:
    fetch = polling()
    shown: _Watching | None = None
    try:
        while not waits.done():
            await asyncio.wait({waits}, timeout=_STEP_S)
            if started and shown is None:
                shown = _Watching(started[0], hears=heard())
                SESSION.begin(started[0])
            if shown is not None and shown.live.driver.state.tasks and not waits.done():
                shown.look()
            if fetch is not None:
                async with fetch as poll:
                    await poll(_FETCH)
    except asyncio.CancelledError:
        if started:
            run = await asyncio.to_thread(stop, started[0])
            if shown is not None:
                shown.freeze(run)
        raise KeyboardInterrupt from None
    run = waits.result()
    if started:
        (shown or _Watching(started[0], hears=True)).freeze(run)
    return run


def watched_and_heard() -> bool:
    """Whether a person who watches could answer a run that the cell awaits."""
    return watched() and heard()


class _OnThisLoop(LiveRun):
    """What steers a driver that runs on the loop of whoever awaits it."""

    def __init__(self, driver: Driver) -> None:
        super().__init__()
        self.driver = driver


class _Shown:
    """The runs that a cell has shown, by their ids. One that the cell then displays as a value
    too is shown once: open, as the value."""

    last: _Shown | None = None

    def __init__(self, cell: int) -> None:
        self.cell = cell
        self.slots: dict[str, Slot] = {}
        self._last, self._many = Slot(), 0

    @classmethod
    def of_this_cell(cls) -> _Shown:
        shell = get_ipython()
        cell = getattr(shell, "execution_count", 0)
        if cls.last is None:
            formatter: Any = shell.display_formatter.mimebundle_formatter  # type: ignore[union-attr]
            formatter.for_type(Run, cls._display)
        if cls.last is None or cls.last.cell != cell:
            cls.last = cls(cell)
        return cls.last

    def place(self) -> tuple[Slot, int]:
        """Where the next run of the cell is shown, and the how-manieth it is, from 1. Of a loop's
        many runs the later ones take one place, each from the one before it."""
        self._many += 1
        if self._many <= _LINES:
            self._last = Slot()
        return self._last, self._many

    @classmethod
    def _display(cls, run: Run, **_: Any) -> Any:
        slot = cls.of_this_cell().slots.pop(run.run_id, None)
        if slot is not None:
            slot.show({"text/plain": ""})
        return run._repr_mimebundle_()
