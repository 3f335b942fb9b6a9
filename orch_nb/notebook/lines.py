"""`%orchestrate VERB ...`: what can be asked of finished, waiting and detached runs.

A run in the foreground holds the kernel's queue, so while it goes on a person steers it by its
buttons, or by `orch-nb` from a terminal; the line form acts on runs that have ended or are
detached. Verbs that start work again (run, recover, retry, skip, approve) are shown like a cell.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from orch_nb import phases
from orch_nb.archive import REPORTS, compare, write_report
from orch_nb.engine.journal import open_journal
from orch_nb.engine.launch import check_skip, compensation_of, failed_tasks
from orch_nb.engine.ports import Journal, Request
from orch_nb.errors import EnvironmentFault, RunHeld, UsageError
from orch_nb.graph.nearest import did_you_mean
from orch_nb.model.plan import Plan
from orch_nb.model.report import Operation
from orch_nb.model.run import Run
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.translation import Import
from orch_nb.notebook.catalogue import PREFIX, example_cell, pattern_names, shown_patterns
from orch_nb.notebook.cell import Cell
from orch_nb.notebook.display import show, watched
from orch_nb.notebook.mcp_lines import mcp_line
from orch_nb.notebook.meant import Meant
from orch_nb.notebook.options import split
from orch_nb.notebook.session import SESSION
from orch_nb.notebook.systems import systems
from orch_nb.notebook.translating import export_plan, import_plan
from orch_nb.notebook.waiting import Waiting
from orch_nb.render.bundle import (
    blocks_bundle,
    contrast_bundle,
    document_bundle,
    run_bundle,
)
from orch_nb.render.document import Paragraph, Text
from orch_nb.render.listing import runs_bundle, unfollowed
from orch_nb.render.recovery import recovery_blocks
from orch_nb.render.sections import decompose_section, operation_document

__all__ = ["VERBS", "Line", "usage"]

_LOG_LINES = 2000


class Line(Meant):
    """One performance of an `%orchestrate` line in the user's namespace."""

    def __init__(self, line: str, names: dict[str, Any], waiting: Waiting, shell: Any) -> None:
        super().__init__(names)
        self.words = split(line)
        self.waiting, self.shell = waiting, shell

    async def perform(self) -> Any:
        """Do what the line says; returns what the cell should show, if anything."""
        if not self.words:
            raise UsageError(f"%orchestrate takes one of: {', '.join(VERBS)}. See: %orchestrate?")
        verb, *rest = self.words
        if verb not in VERBS:
            hint = did_you_mean(verb, VERBS)
            raise UsageError(
                f"`{verb}` is nothing that %orchestrate does. {hint}{' ' * bool(hint)}"
                f"It does: {', '.join(VERBS)}. To plan in words, use %%orchestrate."
            )
        self.run_id, rest = _without_run(rest) if verb in _OF_A_RUN else ("", rest)
        found = VERBS[verb](self, *self._arguments(verb, rest))
        return await found if inspect.isawaitable(found) else found

    def _arguments(self, verb: str, words: Sequence[str]) -> Sequence[str]:
        parameters = _parameters(verb)
        any_number = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        needed = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_POSITIONAL]
        if len(words) < len(needed) or (len(words) > len(parameters) and not any_number):
            raise UsageError(f"usage: %orchestrate {usage(verb)}")
        return words

    # -- asking --------------------------------------------------------------------------------

    def status(self, run: str = "") -> None:
        """the state of a run: the one given, a live one, or the last"""
        live = SESSION.running()
        chosen = run or next(iter(live), "")
        if chosen in live:
            show([run_bundle(live[chosen].snapshot())])
        else:
            past, journal = self._past(run), self._journal_of(self._past(run))
            apart = []
            if past.options.on:
                missing = phases.caught_up(past.run_id, journal)
                past = phases.past_run(journal.history(past.run_id), journal)
                apart += [_as_known(missing)] if missing else []
            rows = [row for row in journal.runs() if row.run_id == past.run_id]
            apart += [Paragraph(piece) for row in rows if (piece := unfollowed(row))]
            told = [blocks_bundle((piece,)) for piece in apart]
            show([run_bundle(past), *told])

    def runs(self) -> None:
        """the runs in the journal, the newest first"""
        show([runs_bundle(self._journal().runs())])

    def open(self, run: str = "") -> None:
        """the room of the last operation or of a named run, live, above all five phases of it"""
        last = SESSION.last
        mine = last if last is not None and (not run or self._is(last, run)) else None
        if not watched() or (mine is not None and mine.run is None):
            if mine is not None:
                show([document_bundle(operation_document(mine))])
            else:
                show([run_bundle(self._past(run))])
            return
        from orch_nb.notebook.opening import Opening

        live = SESSION.running().get(run or (mine.run.run_id if mine and mine.run else ""))
        past = live.snapshot() if live is not None else self._past(run)
        if live is None and past.options.on:
            try:
                live = phases.followed(past.run_id, self._journal_of(past))
            except EnvironmentFault as error:  # it is shown as far as it is known
                show([blocks_bundle((_as_known(str(error)),))])
            if live is not None:
                SESSION.begin(live)
                past = live.snapshot()
        operation = mine or Operation(plan=past.plan, kind="yaml", name=past.name)
        journal = self._journal_of(past)
        opened = Opening(
            replace(operation, plan=past.plan, run=past), journal, self._bound, self._keep
        )
        opened.show(live)

    def patterns(self, *words: str) -> None:
        """the catalogue of orchestration patterns: by words, or one by its id as a card"""
        show([shown_patterns(" ".join(words))])

    def mcp(self, *words: str) -> None:
        """the MCP servers that RESEARCH may ask: list, approve NAME, revoke NAME"""
        print(mcp_line(words))

    def log(self, task: str = "", run: str = "") -> None:
        """what a task printed, or all of them, in the last run or the one that is named"""
        live = SESSION.running()
        past = next(iter(live.values())).snapshot() if live and not run else self._past(run)
        self._task_of(past, task)
        journal = open_journal(SESSION.memory if past.journal == "memory" else past.journal)
        lines = journal.read_lines(past.run_id, task=task or None, most=_LOG_LINES)
        if len(lines) == _LOG_LINES:
            print(
                f"… the last {_LOG_LINES:,} lines; all: orch-nb log {past.run_id} {task}".rstrip()
            )
        print(
            "\n".join(line.text if task else f"{line.task} | {line.text}" for line in lines)
            or f"{task or f'Run {past.run_id}'} has printed nothing."
        )

    def report(self, path: str = "report.html", *options: str) -> None:
        """write a run's report to PATH: .html, .md, .pdf or .xml (JUnit); of the last operation, or
        the run that is named; with --code the cells too"""
        runs = [word for word in options if word != "--code"]
        if len(runs) == 1 and _is_report(runs[0]) and not _is_report(path):
            path, runs = runs[0], [path]  # the run was named first
        if len(runs) > 1 or any(word.startswith("-") for word in runs):
            raise UsageError("usage: %orchestrate report [PATH] [RUN] [--code]")
        operation = self._reported(runs[0] if runs else "")
        assert operation.run is not None
        where = SESSION.memory if operation.run.journal == "memory" else operation.run.journal
        log = open_journal(where).read_log if where else None
        code = self._cells() if "--code" in options else []
        written = write_report(operation, path, code=code, log=log)
        print(f"The report of run {operation.run.run_id} is in {written}")

    def _cells(self) -> list[str]:
        """What was run in this kernel, as it was typed."""
        typed = self.shell.history_manager.input_hist_raw
        return [cell for cell in typed if cell.strip()]

    def compare(self, before: str, after: str) -> None:
        """two runs side by side: ids of runs, names of operations, notebooks, HTML reports"""
        show([contrast_bundle(compare(self._meant(before), self._meant(after)))])

    # -- steering ------------------------------------------------------------------------------

    def cancel(self, task: str = "") -> None:
        """cancel the detached run, or one task of it"""
        one = self._steered(task) if task else None
        live = {one.driver.run_id: one} if one is not None else self._live()
        for one in live.values():
            self._task_of(one.snapshot(), task)
            one.cancel(task or None, by="%orchestrate")
        print(f"cancelling {task or ', '.join(live)}")

    def pause(self) -> None:
        """start no further task of the detached run until `resume`"""
        self._each("pause", "pausing")

    def resume(self) -> None:
        """end a pause (a run that was cut off goes on by `recover`)"""
        self._each("resume", "resuming")

    def workers(self, number: str) -> None:
        """change how many tasks of the detached run run at once"""
        if not number.isdigit() or int(number) < 1:
            raise UsageError(f"workers is a whole number of at least 1, not `{number}`.")
        for live in self._live().values():
            live.set_workers(int(number), by="%orchestrate")
        print(f"{number} worker" + "s" * (int(number) != 1))

    def _each(self, verb: str, said: str) -> None:
        live = self._live()
        for one in live.values():
            getattr(one, verb)(by="%orchestrate")
        print(f"{said} {', '.join(live)}")

    async def approve(self, task: str, *note: str) -> None:
        """approve a gate, or tick a todo item, and go on"""
        await self._decide("approve", task, " ".join(note))

    async def reject(self, task: str, *note: str) -> None:
        """reject a gate"""
        await self._decide("reject", task, " ".join(note))

    async def retry(self, *task: str) -> None:
        """try a failed task anew, or all that failed, and what they kept from running"""
        live = self._steered(*task)
        if live is not None:
            run = live.snapshot()
            for one in task or failed_tasks(run):
                self._task_of(run, one)
                live.retry(one, by="%orchestrate")
            print(f"retrying {', '.join(task or failed_tasks(run))}")
            return
        run = self._past(self.run_id)
        await self._go_on(run.run_id, retry=task or failed_tasks(run))

    async def skip(self, task: str, *note: str) -> None:
        """leave a task out: the rest goes on as if it had succeeded with no result"""
        words = " ".join(note)
        live = self._steered(task)
        if live is not None:
            check_skip(live.snapshot(), task)
            live.skip(task, by="%orchestrate", note=words)
            print(f"skipping {task}")
            return
        await self._go_on(
            self._past(self.run_id).run_id, skip=Request("skip", task, "%orchestrate", words)
        )

    async def compensate(self, task: str) -> None:
        """undo what a task did in a run that failed, where that could not be done at its end"""
        if self._steered() is not None:
            raise UsageError("A run is going on: what it did is undone when it has ended.")
        run = self._past(self.run_id)
        await self._go_on(run.run_id, retry=[compensation_of(run, task)])

    async def recover(self, run: str = "") -> None:
        """go on with a run that was cut off: the last such run, or the one that is named"""
        journal = self._journal()
        if not run:
            rows = [row for row in journal.runs() if not row.held]
            ends = ("running", "waiting")
            found = next((row.run_id for row in rows if row.status in ends), None)
            if found is None:
                raise UsageError(
                    "No run of this journal was cut off or waits. See: %orchestrate runs"
                )
            run = found
        await self._go_on(run)

    async def run(self, name: str = "") -> None:
        """run a draft as it stands"""
        operation = self._named(name)
        cell = Cell("", "", self.names, self.waiting)
        cell.options.name = operation.name if operation.name != "_orch" else ""
        plan = phases.checked(operation.plan, self.names)
        cell.stage.show_header(phases.seen(plan))
        cell.stage.show_findings(operation.analysis, operation.research, past=True)
        cell.stage.show_section(decompose_section(phases.seen(plan), document=operation.document))
        await cell.run(operation)

    def edit(self, name: str = "") -> None:
        """turn this cell into the draft, or a pattern's example, as a cell to change"""
        if (example := example_cell(name)) is not None:
            self.shell.set_next_input(example, replace=True)
            return
        if name in SESSION.operations and name in pattern_names():
            print(
                f"`{name}` is a plan of this kernel. The pattern: %orchestrate edit {PREFIX}{name}"
            )
        operation = self._named(name)
        named = operation.name or "_orch"
        option = f" --name {named}" if named != "_orch" else ""
        text = f"%%orchestrate --from {named}{option}\n{operation.document}"
        self.shell.set_next_input(text, replace=True)

    # -- in between ----------------------------------------------------------------------------

    def remember(self, operation: Operation) -> None:
        """Keep a draft as the last operation of this kernel, under its name."""
        self._keep(operation)

    def planned(self, name: str) -> Plan:
        """The plan of a draft or a run by its name, or in a variable; of the last one without."""
        if not name and SESSION.last is not None:
            return SESSION.last.plan
        if name in SESSION.operations:
            return SESSION.operations[name].plan
        value = self.names.get(name)
        if isinstance(value, Plan | Operation | Run | Import):
            return value if isinstance(value, Plan) else value.plan
        found = self._meant(name) if name else self._past("")
        if isinstance(found, Operation):
            return found.plan
        return self._past(name).plan if isinstance(found, str) else found.plan

    async def _decide(self, verb: str, task: str, note: str) -> None:
        live = self._steered(task)
        if live is not None:
            self._task_of(live.snapshot(), task)
            getattr(live, verb)(task, by="%orchestrate", note=note)
            print(f"{verb}: {task}")
            return
        run = self._past(self.run_id)
        self._task_of(run, task)
        if run[task].status is not Status.WAITING:
            raise UsageError(f"`{task}` of run {run.run_id} does not wait for anybody: "
                             f"it is {run[task].status}.")  # fmt: skip
        await self._go_on(run.run_id, decision=Request(verb, task, "%orchestrate", note))

    async def _go_on(
        self, run_id: str, *, retry: Sequence[str] = (), skip: Request | None = None,
        decision: Request | None = None,
    ) -> None:  # fmt: skip
        """Perform the rest of a run of the past, shown like a cell."""
        last = SESSION.last
        mine = last if last is not None and last.run and last.run.run_id == run_id else None
        where = mine.run.journal if mine is not None and mine.run is not None else None
        journal = open_journal(SESSION.memory if where == "memory" else where)
        past = phases.past_run(journal.history(run_id), journal)
        if any(row.held for row in journal.runs() if row.run_id == run_id):
            raise RunHeld(f"Run {run_id} is being worked on. Cancel it there, or wait for its end.")
        plan = self._with_functions(mine.plan if mine is not None else past.plan, run_id)
        cell = Cell("", "", self.names, self.waiting)
        cell.options.journal = journal
        operation = mine or Operation(plan=plan, kind="yaml", name=past.name)
        asked = skip or Request("retry", by="%orchestrate" if retry else "")

        def make(plan: Plan, journal: Journal, watcher: Any) -> Any:
            if decision is not None:
                journal.ask(run_id, decision)  # type: ignore[attr-defined]
            made = phases.resuming(
                run_id, plan, journal=journal, retry=retry, namespace=self.names,
                skip=skip.task if skip is not None else None,
                by=asked.by, note=asked.note,
                observers=[watcher] if watcher is not None else [],
                interactive=cell.interactive,
            )  # fmt: skip
            # Only now: what cannot go on is refused before anything of it is shown.
            cell.stage.show_header(plan, past)
            cell.stage.show_section(decompose_section(plan, past, is_open=not cell.interactive))
            if past.status is RunStatus.CUT_OFF:
                cell.stage.show("recovery", [blocks_bundle(recovery_blocks(past))])
            return made

        await cell.run(operation, make)


#: What takes `--run ID`.
_OF_A_RUN = (
    "approve", "cancel", "compensate", "pause", "reject", "resume", "retry", "skip", "workers",
)  # fmt: skip


def _as_known(missing: str) -> Paragraph:
    """Above a run that is shown without what is new of it."""
    return Paragraph((Text(f"As far as this journal knows: {missing}"),))


def _without_run(words: list[str]) -> tuple[str, list[str]]:
    """The run that is named by `--run ID`, and the words without that."""
    if "--run" not in words:
        return "", words
    at = words.index("--run")
    if at + 1 == len(words):
        raise UsageError("--run takes the id of a run. See: %orchestrate runs")
    return words[at + 1], [*words[:at], *words[at + 2 :]]


def _is_report(path: str) -> bool:
    return path.lower().endswith(REPORTS)


def _parameters(verb: str) -> list[inspect.Parameter]:
    return list(inspect.signature(VERBS[verb]).parameters.values())[1:]


def usage(verb: str) -> str:
    """`retry TASK`, `report [PATH]`, `patterns [WORDS]`: a verb and what may follow it."""
    words = [
        p.name.upper()
        if p.default is p.empty and p.kind is not p.VAR_POSITIONAL
        else f"[{p.name.upper()}]"
        for p in _parameters(verb)
    ]
    return " ".join([verb, *words])


VERBS: dict[str, Callable[..., Any]] = {
    "status": Line.status,
    "runs": Line.runs,
    "open": Line.open,
    "cancel": Line.cancel,
    "pause": Line.pause,
    "resume": Line.resume,
    "workers": Line.workers,
    "retry": Line.retry,
    "skip": Line.skip,
    "compensate": Line.compensate,
    "approve": Line.approve,
    "reject": Line.reject,
    "recover": Line.recover,
    "run": Line.run,
    "edit": Line.edit,
    "report": Line.report,
    "compare": Line.compare,
    "log": Line.log,
    "patterns": Line.patterns,
    "import": import_plan,
    "export": export_plan,
    "systems": systems,
    "mcp": Line.mcp,
}
