"""What an `%orchestrate` line means by a name: a run, an operation or a task, of this kernel or the
journal.

Without a name it is the last one of this kernel, else of the journal; of several that go on, the
one that has the tasks that are named.
"""

from __future__ import annotations

from typing import Any

from orch_nb import phases
from orch_nb.archive import past_operation
from orch_nb.engine.journal import open_journal
from orch_nb.engine.ports import Journal
from orch_nb.engine.session import LiveRun
from orch_nb.errors import PlanError, RunNotFound, UsageError
from orch_nb.graph.nearest import did_you_mean
from orch_nb.model.plan import Plan
from orch_nb.model.report import Operation
from orch_nb.model.run import Run
from orch_nb.notebook.session import SESSION

__all__ = ["Meant"]


class Meant:
    """Names, and what they stand for. `names` is the namespace of the person's cells."""

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names
        self.run_id = ""  # of `--run ID`

    def _reported(self, run: str) -> Operation:
        """The operation of that run; without a name the last one, of this kernel or the journal."""
        known = self._meant(run) if run else SESSION.last
        if isinstance(known, Operation) and known.report is not None:
            return known
        return past_operation(run or self._past("").run_id, self._journal())

    def _meant(self, name: str) -> Operation | str:
        """An operation of this kernel, by its name or its run, which may be in no journal; else
        what `load` makes of the words."""
        for operation in (SESSION.last, *SESSION.operations.values()):
            run = operation.run if operation is not None else None
            if operation is not None and run is not None and name in (operation.name, run.run_id):
                return operation
        return name

    def _named(self, name: str) -> Operation:
        if name:
            return SESSION.operation(name)
        if SESSION.last is None:
            raise UsageError("Nothing has been planned in this kernel yet.")
        return SESSION.last

    def _past(self, run: str) -> Run:
        """A run by name, or the last one: of this kernel, else of the journal."""
        last = SESSION.last.run if SESSION.last is not None else None
        if last is not None and run in ("", last.run_id):
            return last
        journal = self._journal()
        if not run:
            rows = journal.runs()
            if not rows:
                raise RunNotFound(f"The journal {journal.path} has no runs yet.")
            run = rows[0].run_id
        return phases.past_run(journal.history(run), journal)

    def _task_of(self, run: Run, task: str) -> None:
        derived = [t.task for t in run.derived]
        if task and task not in run.plan and task not in derived:
            hint = did_you_mean(task, [*run.plan.by_id, *derived])
            raise UsageError(f"Run {run.run_id} has no task `{task}`. {hint}")

    def _live(self) -> dict[str, Any]:
        live = SESSION.running()
        if self.run_id:
            live = {name: one for name, one in live.items() if name == self.run_id}
        if not live:
            named = f"Run {self.run_id} is not" if self.run_id else "No run is"
            raise UsageError(f"{named} going on. (While a cell runs, use its buttons.)")
        return live

    def _steered(self, *tasks: str) -> LiveRun | None:
        """The run that goes on and is meant: the one that is named, or that has these tasks; None
        where the run that is meant has ended. Raises UsageError where several could be meant."""
        live = SESSION.running()
        if self.run_id:
            return live.get(self.run_id)
        have = {
            name: one
            for name, one in live.items()
            if all(_has(one.snapshot(), task) for task in tasks)
        }
        if len(have) > 1:
            names = ", ".join(have)
            raise UsageError(f"Several runs could be meant: {names}. Add --run and one of them.")
        return next(iter((have or live).values()), None)

    def _with_functions(self, plan: Plan, run_id: str) -> Plan:
        try:
            return phases.checked(plan, self.names)
        except PlanError as error:
            raise UsageError(
                f"Run {run_id} cannot go on yet: its functions are not in this kernel. Run the "
                "%%orchestrate cell that defines them (it goes on with the run that was cut off), "
                f"or the cells that they come from.\n{error}"
            ) from None

    def _bound(self, past: Run) -> Plan:
        """The plan of a past run with the functions of this kernel."""
        last = SESSION.last
        mine = last if last is not None and self._is(last, past.run_id) else None
        return self._with_functions(mine.plan if mine is not None else past.plan, past.run_id)

    def _is(self, operation: Operation, run: str) -> bool:
        return operation.run is not None and operation.run.run_id == run

    def _keep(self, operation: Operation) -> None:
        self.names["_orch"] = operation
        SESSION.remember(operation)

    def _journal(self) -> Journal:
        return open_journal(None)

    def _journal_of(self, run: Run) -> Journal:
        return open_journal(SESSION.memory if run.journal == "memory" else run.journal)


def _has(run: Run, task: str) -> bool:
    return task in run.plan or any(task == one.task for one in run.derived)
