"""Following a run from a cell: the room while it goes on, its frozen twin when it is over.

    Stage        the outputs of one cell, in order, each shown when its time comes:
                   header · ANALYZE · RESEARCH · DECOMPOSE · EXECUTE · INTEGRATE
    follow       waits for a live run in steps, so that a Stop is heard
    stop         what a Stop does to the run

The header says "running" at first and the outcome at the end; DECOMPOSE is painted anew by the run;
EXECUTE holds the room (or a line of progress where nobody watches) and then the timeline and todo.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from orch_nb import phases
from orch_nb.engine.session import LiveRun
from orch_nb.errors import Interrupted
from orch_nb.model.analysis import Analysis
from orch_nb.model.event import Event
from orch_nb.model.fold import RunState
from orch_nb.model.plan import Plan
from orch_nb.model.quantity import duration
from orch_nb.model.report import Operation, Report
from orch_nb.model.research import Research
from orch_nb.model.run import Run
from orch_nb.model.status import RunStatus, Status
from orch_nb.notebook.display import Slot, in_kernel
from orch_nb.notebook.waiting import Waiting
from orch_nb.render.bundle import (
    integrate_bundles,
    made_header_bundle,
    section_bundle,
    section_bundles,
)
from orch_nb.render.document import Section
from orch_nb.render.header import header
from orch_nb.render.sections import (
    analyze_section,
    decompose_section,
    execute_section,
    integrate_section,
    research_section,
)
from orch_nb.render.state_section import state_section

__all__ = [
    "Frozen",
    "Progress",
    "Stage",
    "Stopped",
    "account",
    "begun",
    "follow",
    "stop",
    "text_progress",
]

_STEP_S = 0.2
_STOP_S = 10.0
_LEAVE_S = 3.0
_QUIET_S = 1.0  # between two lines of progress
_FIRST_S, _FROZEN_S = 2.0, 10.0  # until the first state that stays in the file, between two


class Stage:
    """The outputs of one cell."""

    def __init__(self) -> None:
        self.read_as = ""  # what the body was taken for, said by DECOMPOSE
        self.sections: dict[str, Section] = {}  # as they were shown last
        self._slots: dict[str, list[Slot]] = {}

    def show(self, part: str, bundles: Sequence[Mapping[str, Any]]) -> None:
        """Show or replace a part. A part keeps its place; it may grow only while it is the last."""
        slots = self._slots.setdefault(part, [])
        for n, bundle in enumerate(bundles):
            if n == len(slots):
                slots.append(Slot())
            slots[n].show(bundle)
        for left in slots[len(bundles) :]:
            left.show({"text/plain": ""})

    def show_section(self, section: Section) -> None:
        self.sections[section.title] = section
        self.show(section.title, section_bundles(section))

    def show_header(
        self, plan: Plan, run: Run | None = None, report: Report | None = None, name: str = ""
    ) -> None:
        made = header(plan, run, report, name=name)
        if run is not None and run.status is RunStatus.RUNNING:
            # A file may keep this of a kernel that is gone.
            made = replace(made, facts=f"{made.facts} · as of {datetime.now(UTC):%H:%M:%S} UTC")
        self.show("header", [made_header_bundle(made)])

    def reserve(self) -> None:
        """EXECUTE as it begins: its line, and the place of the room. Both are taken before the run
        begins, so that what tasks print comes below them."""
        self.show(
            "EXECUTE", [section_bundle(Section(4, "EXECUTE", "under way")), {"text/plain": ""}]
        )

    def withdraw(self) -> None:
        """Nothing was begun: what `reserve` took is empty."""
        self.show("EXECUTE", [])

    def show_live(self, room: Any) -> None:
        """The room in its place."""
        self._slots["EXECUTE"][1].show_widget(room)

    def show_state(self, run: Run) -> None:
        """EXECUTE as the run stands now, above the room, closed: what a file keeps of a kernel that
        is gone."""
        self._slots["EXECUTE"][0].show(section_bundle(state_section(run, datetime.now(UTC))))

    def leave(self, run: Run, *, over: bool = True) -> None:
        """The state of a run that goes on, in all places; `over`: the last one, since the kernel is
        being shut down."""
        self.show_header(run.plan, run)
        self.show_section(decompose_section(run.plan, run, read_as=self.read_as))
        self.show("EXECUTE", section_bundles(state_section(run, datetime.now(UTC), over=over)))

    def tell(self, progress: str) -> None:
        """A line of text in the place of the room."""
        self._slots["EXECUTE"][1].show({"text/plain": progress})

    def show_findings(self, analysis: Analysis | None, found: Research | None, past: bool) -> None:
        """ANALYZE and RESEARCH; closed if they are `past`, since a run follows."""
        if analysis is not None:
            self.show_section(analyze_section(analysis, is_open=not past))
        if found is not None:
            self.show_section(research_section(found, is_open=not past))

    def freeze(
        self, run: Run, report: Report, name: str = "", operation: Operation | None = None
    ) -> None:
        """The static form of a run that has ended, in the place of the live one; the run's data
        goes with it, and what else is known of the `operation`."""
        self.show_header(run.plan, run, report, name)
        known = operation.analysis if operation is not None else None
        self.show_section(decompose_section(run.plan, run, read_as=self.read_as, analysis=known))
        self.show_section(execute_section(run))
        section = self.sections["INTEGRATE"] = integrate_section(report)
        self.show("INTEGRATE", integrate_bundles(section, report, operation))


class Frozen:
    """What stays in the file if the kernel is gone before the run has ended: the header, and the
    state as of some seconds ago behind the line of EXECUTE.

    The header is told anew when a state has changed, at most once a second; the rest every ten. A
    plan of thousands of tasks pays no more than a hundredth of a processor for each.
    """

    def __init__(self, live: LiveRun, stage: Stage) -> None:
        self._live, self._stage = live, stage
        self._next_header = 0.0
        # A state of thousands of tasks costs tenths of a second: the first waits for longer, too.
        self._next_state = time.monotonic() + _FIRST_S + len(live.driver.state.tasks) / 1000
        self._header_of = self._state_of = 0.0  # the last event that each has told of

    def tell(self) -> None:
        begun = time.monotonic()
        if begun < self._next_header or not self._live.driver.state.tasks or not in_kernel():
            return
        now = self._live.driver.state.last
        if now != self._header_of:
            self._header_of = now
            run = self._live.snapshot()
            self._stage.show_header(run.plan, run)
        self._next_header = begun + max(_QUIET_S, 100 * (time.monotonic() - begun))
        begun = time.monotonic()
        if now != self._state_of and begun >= self._next_state:
            self._state_of = now
            self._stage.show_state(self._live.snapshot())
            self._next_state = begun + max(_FROZEN_S, 100 * (time.monotonic() - begun))


class Progress:
    """A line of progress where no widget is: at most one a second, in place where that can be."""

    def __init__(self, plan: Plan, stage: Stage) -> None:
        self._plan, self._stage = plan, stage
        self._last = time.monotonic()
        self._ended: set[str] = set()
        self._told: set[str] = set()
        self._begun = time.monotonic()

    def __call__(self, events: Sequence[Event], state: RunState) -> None:
        """The observer, on the engine's thread: note only."""
        self._state = state

    def tell(self, live: LiveRun) -> None:
        if time.monotonic() - self._last < _QUIET_S:
            return
        self._last = time.monotonic()
        if in_kernel():
            self._stage.tell(text_progress(live, self._last - self._begun))
        else:
            for task in list(live.driver.state.tasks.values()):
                if task.status.ended and task.task not in self._told and len(self._told) < 200:
                    self._told.add(task.task)
                    print(f"  {task.task}: {task.status}")


def text_progress(live: LiveRun, took_s: float) -> str:
    """How a run stands, as one line of text."""
    tasks = list(live.driver.state.tasks.values())
    ended = sum(task.status.ended for task in tasks)
    running = [task.task for task in tasks if task.status is Status.RUNNING]
    waiting = [task.task for task in tasks if task.status is Status.BACKING_OFF]
    now = f", running: {', '.join(running[:5])}" if running else ""
    later = f", backing off: {', '.join(waiting[:5])}" if waiting else ""
    return f"▶ {ended} of {len(tasks)} tasks ended after {duration(took_s)}{now}{later}"


async def follow(
    live: LiveRun,
    stage: Stage,
    waiting: Waiting,
    under_way: Callable[[Run], None],
    progress: Progress | None = None,
) -> Run:
    """Wait for the end of a run; `under_way` is told once that it has begun."""
    begun(live)
    under_way(live.snapshot())
    frozen = Frozen(live, stage)
    frozen.tell()
    while not live.done.is_set():
        await waiting.pause(_STEP_S)
        frozen.tell()
        if progress is not None:
            progress.tell(live)
    return live.finished()


def begun(live: LiveRun) -> None:
    """Wait, some milliseconds, for the run's first event: from then on it has a name and a time.
    A run that cannot begin at all is told by whoever asks for its end."""
    while not live.driver.state.tasks and not live.done.is_set():
        time.sleep(0.002)


def stop(live: LiveRun) -> Run:
    """Cancel a run since its cell is interrupted, and wait for its end, blocking: the interrupt
    could hit another await too."""
    live.cancel(by="Stop")
    if not live.done.wait(_STEP_S if live.trouble else _STOP_S):
        live.driver.executor.stop()
        live.done.wait(_LEAVE_S)
    return live.snapshot()


class Stopped(Interrupted):
    """`Interrupted`, of a run that was under way."""

    def __init__(self, run: Run) -> None:
        if run.status is RunStatus.RUNNING and run.options.on:
            super().__init__(
                f"{run.options.on} has not told that run {run.run_id} is cancelled: as far as is "
                "known it goes on there. The cancel is handed in when it is followed again: "
                f"%orchestrate open {run.run_id}"
            )
            return
        super().__init__(f"run {run.run_id} was cancelled. Its journal keeps what had succeeded.")


def account(run: Run, analysis: Analysis | None, found: Research | None, workspace: str) -> Report:
    """INTEGRATE for a run that a cell followed."""
    return phases.integrate(run, analysis=analysis, research=found, workspace=workspace)
