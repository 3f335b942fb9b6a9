"""The story of one cell: the body becomes a plan, five phases are shown, a run is followed.

%%orchestrate Publish the report --workers 4
@task ...

parse the line ─► which body is it? ─► ANALYZE ─► RESEARCH ─► DECOMPOSE
                                           a goal: a draft, nothing runs
                                           a plan: ─► EXECUTE (or go on with a run that was cut
                                                      off) ─► INTEGRATE
"""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from orch_nb import phases
from orch_nb.engine.journal import open_journal
from orch_nb.engine.ports import Journal
from orch_nb.engine.session import LiveRun
from orch_nb.errors import PlanError
from orch_nb.model.plan import Plan
from orch_nb.model.quantity import count
from orch_nb.model.report import Operation
from orch_nb.model.run import Run
from orch_nb.model.secrets import PLAIN
from orch_nb.notebook.display import body_filename, heard, in_kernel, show_only_frames_of, watched
from orch_nb.notebook.following import (
    Frozen,
    Progress,
    Stage,
    Stopped,
    account,
    begun,
    follow,
    stop,
)
from orch_nb.notebook.options import parse_cell_line
from orch_nb.notebook.session import SESSION
from orch_nb.notebook.waiting import Waiting
from orch_nb.planners.body import body_kind
from orch_nb.planners.yaml import dump_plan, plan_from_yaml
from orch_nb.render.beforehand import beforehand_blocks
from orch_nb.render.bundle import blocks_bundle, section_bundle
from orch_nb.render.document import Section
from orch_nb.render.recovery import recovery_blocks
from orch_nb.render.sections import decompose_section

if TYPE_CHECKING:
    from collections.abc import Callable

    from orch_nb.engine.session import Performer
    from orch_nb.model.analysis import Analysis
    from orch_nb.model.research import Research

__all__ = ["Cell"]

_BRIEFLY_S = 2.0  # what stands before a plan that is there already has no more than this

_STEP_S = 0.2
_QUIET_S = 1.0  # before a scan says how far it is, and between two times


class Cell:
    """One performance of an `%%orchestrate` cell in the user's namespace `names`."""

    def __init__(self, line: str, body: str, names: dict[str, Any], waiting: Waiting) -> None:
        self.options = parse_cell_line(line)
        self.body, self.names, self.waiting = body, names, waiting
        self.stage = Stage()
        # A detached run is steered after its cell has ended, when every kernel hears.
        hears = heard() or self.options.detach
        self.interactive = waiting.live and watched() and hears and not self.options.headless

    async def perform(self) -> None:
        """The whole cell. Raises PlanError, UsageError, Interrupted; a failed run raises only with
        `--raise`."""
        options = self.options
        kind = self.stage.read_as = body_kind(self.body, options.kind)
        if kind == "goal":
            operation = await self._draft(self.body)
            self._keep(operation)
            return
        # What is shown and kept is without secrets; the plan behind it is known to the engine.
        plan = phases.seen(await self._plan(kind), options.secrets)
        operation = Operation(
            plan=plan, kind=kind, body=PLAIN.text(self.body), name=self._name(),
            document=_document(plan),
        )  # fmt: skip
        self.stage.show_header(plan)
        operation = await self._look_around(operation, past=True)
        shown = decompose_section(
            plan, read_as=kind, document=operation.document, folded=not options.dry_run,
            is_open=options.dry_run or not self.interactive, analysis=operation.analysis,
        )  # fmt: skip
        self.stage.show_section(shown)
        if options.dry_run:
            self.stage.show_header(plan, name=operation.name or "_orch")
            self._keep(operation)
            return
        await self.run(operation)

    async def run(self, operation: Operation, make: Any = None) -> None:
        """EXECUTE and INTEGRATE of a planned operation; `make` goes on with a run of the past."""
        journal = open_journal(self.options.journal)
        SESSION.memory = journal if journal.path == "memory" else SESSION.memory
        room = self._room(operation)
        progress = None if room is not None else Progress(operation.plan, self.stage)
        watcher = room.subject if room is not None else progress
        try:
            live = self._begun(make or self._starting, operation.plan, journal, watcher)
        except BaseException:
            if room is not None:
                room.close()
            raise
        if isinstance(live, Run):
            if room is not None:
                room.close()
            self._finish(operation, live)
            return
        if room is not None:
            room.attach(live)
            self.stage.show_live(room.view)
            SESSION.begin(live, lambda: self.stage.leave(live.snapshot()))
        if self.options.detach:
            self._detach(operation, live, room, journal)
            return
        try:
            run = await follow(
                live, self.stage, self.waiting, self._kept(operation, journal), progress
            )
        except (KeyboardInterrupt, asyncio.CancelledError):
            run = stop(live)
            self._finish(operation, run)
            raise Stopped(run) from None
        finally:
            if room is not None:
                room.close()
        self._finish(operation, run)
        if room is not None:
            room.left(self.stage.sections)
        if self.options.raises:
            run.raise_for_status()

    def _begun(self, make: Any, plan: Plan, journal: Journal, watcher: Any) -> LiveRun | Run:
        """The run under way, or as it ended where there is nothing to go on with."""
        made = make(plan, journal, watcher)
        if isinstance(made, Run):
            return made
        reserved = watcher is not None and in_kernel()
        if reserved:
            self.stage.reserve()
        try:
            live = phases.begin(made)
        except BaseException:
            if reserved:
                self.stage.withdraw()
            raise
        SESSION.begin(live)
        return live

    # -- the phases ----------------------------------------------------------------------------

    async def _plan(self, kind: str) -> Plan:
        goal = self.options.goal
        if kind == "yaml":
            return plan_from_yaml(self.body, self.names, first_line=2, goal=goal)
        filename = body_filename(self.body)
        try:
            plan = await self.waiting.python_body(self.body, self.names, goal, filename)
        except (Exception, KeyboardInterrupt) as error:
            show_only_frames_of(filename, error)
            raise
        if not plan.tasks:
            raise PlanError("this cell defines no task: mark a function with @task")
        return phases.checked(plan, self.names)

    async def _draft(self, text: str) -> Operation:
        """A goal in words: analysis, research and a draft; nothing runs."""
        text = PLAIN.text(text)
        goal = "\n".join(part for part in (PLAIN.text(self.options.goal), text.strip()) if part)
        analysis = await self._analyze(goal)
        self.stage.show_findings(analysis, None, past=False)
        found = await self._research(analysis)
        self.stage.show_findings(None, found, past=False)
        plan = await self.waiting.off_loop(lambda: phases.decompose(analysis, found))
        name = self._name() or "_orch"
        document = dump_plan(plan)
        self.stage.show_section(
            decompose_section(plan, document=document, read_as="goal", analysis=analysis)
        )
        self.stage.show("next", [_draft_lines(plan, name)])
        found = await self._thoughts_kept(plan, analysis, found)
        return Operation(
            plan=plan, kind="goal", body=text, name=name, analysis=analysis, research=found,
            document=document,
        )  # fmt: skip

    async def _look_around(self, operation: Operation, *, past: bool) -> Operation:
        """ANALYZE and RESEARCH of a plan: from the draft it was made from, or anew, briefly."""
        if self.options.origin:
            origin = SESSION.operation(self.options.origin)
            operation = replace(operation, analysis=origin.analysis, research=origin.research)
        elif not self.options.no_analyze:
            analysis = await self._analyze(operation.plan.goal, _BRIEFLY_S)
            found = await self._research(analysis, "none", _BRIEFLY_S)
            operation = replace(operation, analysis=analysis, research=found)
        self.stage.show_findings(operation.analysis, operation.research, past=past)
        return operation

    async def _research(
        self, analysis: Analysis, mcp: str = "all", timeout_s: float = 30.0
    ) -> Research:
        """RESEARCH, with the servers that `--mcp` names; they take longer than a plan waits."""
        named, over = self.options.mcp, threading.Event()

        def awaited(names: tuple[str, ...]) -> None:
            if names and not over.is_set():
                waits = Section(2, "RESEARCH", f"waits for {', '.join(names)}")
                self.stage.show("RESEARCH", [section_bundle(waits)])

        try:
            return await self.waiting.off_loop(
                lambda: phases.research(
                    analysis, mcp=named or mcp, timeout_s=30.0 if named else timeout_s,
                    fresh=self.options.fresh, progress=awaited,
                )
            )  # fmt: skip
        finally:
            over.set()  # a Stop does not wait for the sources, which are no longer told of

    async def _thoughts_kept(self, plan: Plan, analysis: Analysis, found: Research) -> Research:
        """What RESEARCH found, and whether the person's thinking server kept the five answers."""
        if self.options.mcp == "none":
            return found
        kept = await self.waiting.off_loop(lambda: phases.thoughts_kept(plan, analysis, found))
        if kept is not found:
            self.stage.show_findings(None, kept, past=False)
        return kept

    async def _analyze(self, goal: str, budget_s: float = 30.0) -> Analysis:
        """ANALYZE; past a second its place says how far the scan is."""
        where, over, shown = self.options.workspace, threading.Event(), time.monotonic()

        def scanned(files: int) -> None:
            nonlocal shown
            if not over.is_set() and time.monotonic() - shown >= _QUIET_S:
                shown = time.monotonic()
                told = Section(1, "ANALYZE", f"scanned {count(files, 'file')} …")
                self.stage.show("ANALYZE", [section_bundle(told)])

        try:
            return await self.waiting.off_loop(
                lambda: phases.analyze(goal, where, budget_s=budget_s, progress=scanned)
            )
        finally:
            over.set()  # a Stop does not wait for the scan, which is no longer told of

    def _starting(self, plan: Plan, journal: Journal, watcher: Any) -> Callable[[], Performer]:
        """A new run, unless the last one of this name and an equal plan was cut off."""
        name = self.options.name or ""
        cut = None if self.options.fresh else cut_off(journal, name, plan)
        observers = [watcher] if watcher is not None else []
        if cut is not None:
            past = phases.past_run(journal.history(cut), journal, plan=plan)
            self.stage.show("recovery", [blocks_bundle(recovery_blocks(past))])
            made = phases.resuming(
                cut, plan, journal=journal, observers=observers, namespace=self.names,
                workers=self.options.workers, executor=self.options.executor,
                approve=self.options.approve, interactive=self.interactive,
                fail_fast=self.options.fail_fast or None, timeout=self.options.timeout,
                cache=self.options.cache or None, address=self.options.address,
                faults=self.options.faults or None, secrets=self.options.secrets,
            )  # fmt: skip
            assert not isinstance(made, Run)
            return made
        executor = self.options.executor or ("dask" if self.options.address else "threads")
        chosen = phases.run_options(
            self.options.workers, executor, self.options.approve,
            self._workspace(), interactive=self.interactive, fail_fast=self.options.fail_fast,
            timeout=self.options.timeout, faults=self.options.faults, cache=self.options.cache,
            fresh=self.options.fresh, address=self.options.address or "",
            secrets=self.options.secrets, on=self.options.on,
        )  # fmt: skip
        told = beforehand_blocks(*phases.beforehand(plan, journal, chosen))
        if told:
            self.stage.show("beforehand", [blocks_bundle(told)])
        return phases.starting(
            plan, journal=journal, options=chosen, executor=executor, name=name,
            observers=observers,
        )  # fmt: skip

    def _kept(self, operation: Operation, journal: Journal) -> Callable[[Run], None]:
        """What is done as soon as a run is under way: `_orch` holds it, as it then stands, and the
        journal what was known before it, for a report that is made from it alone."""

        def kept(run: Run) -> None:
            self._keep(replace(operation, run=run))
            if operation.analysis is not None or operation.research is not None:
                phases.noted(operation, run.run_id, journal)

        return kept

    # -- the end -------------------------------------------------------------------------------

    def _finish(self, operation: Operation, run: Run) -> None:
        report = account(run, operation.analysis, operation.research, self._workspace() or ".")
        whole = replace(operation, plan=run.plan, run=run, report=report)
        # Before it is shown: who sees the end of a detached run may ask for it at once.
        self._keep(whole)
        self.stage.freeze(run, report, operation=whole)

    def _detach(self, operation: Operation, live: Any, room: Any, journal: Journal) -> None:
        """Freeze the stage when the run ends, from a thread: the cell itself returns now."""
        import contextvars

        begun(live)
        self.stage.show_header(operation.plan, live.snapshot())
        self._kept(operation, journal)(live.snapshot())

        frozen = Frozen(live, self.stage)

        def freeze() -> None:
            while not live.done.wait(_STEP_S):
                frozen.tell()
            if room is not None:
                room.close()
            self._finish(operation, live.finished())
            if room is not None:
                room.left(self.stage.sections)

        context = contextvars.copy_context()
        threading.Thread(
            target=context.run, args=(freeze,), name="orch_nb-detached", daemon=True
        ).start()

    def _keep(self, operation: Operation) -> None:
        self.names["_orch"] = operation
        if self.options.out:
            self.names[self.options.out] = operation
        SESSION.remember(operation)

    def _name(self) -> str:
        return str(self.options.name or self.options.out or "")

    def _workspace(self) -> str:
        return "" if self.options.workspace == "." else str(self.options.workspace)

    def _room(self, operation: Operation) -> Any:
        if not (self.interactive or (self.options.detach and watched())):
            return None
        from orch_nb.notebook.room import Room
        from orch_nb.notebook.subjects import Here

        room = Room(Here(operation.plan))
        room.phases(self.stage.sections)
        return room


def cut_off(journal: Journal, name: str, plan: Plan) -> str | None:
    """The last run of this name and an equal plan, if it was cut off and nobody works on it, or
    goes on elsewhere and nobody follows it."""
    for row in journal.runs():
        if row.name == name and row.plan_hash == plan.hash:
            return row.run_id if row.cut_off or row.unfollowed else None
    return None


def _document(plan: Plan) -> str:
    """The plan as YAML, for the report; functions stand in it by name."""
    try:
        return dump_plan(plan)
    except TypeError:  # an argument that no document can hold: the plan is shown without it
        return ""


def _draft_lines(plan: Plan, name: str) -> dict[str, Any]:
    from orch_nb.render.document import Code, Listing, Paragraph, Text, line

    return blocks_bundle(
        (
            Paragraph(line(Text("This is a draft: nothing has run.", strong=True))),
            Listing(
                (
                    line(Code(f"%orchestrate edit {name}"), " opens it as a cell to change"),
                    line(Code(f"%orchestrate run {name}"), " runs it as it stands"),
                )
            ),
        )
    )
