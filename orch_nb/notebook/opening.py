"""`%orchestrate open RUN`: the live room of any run, its static form below it.

a run of this kernel      one more room on it
of another process        followed in the journal, steered through it
one that has ended        with its history, its logs and its cards; a wish (retry, approve ...)
                          goes on with it here, beside the cells that follow
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from orch_nb import phases
from orch_nb.engine.launch import failed_tasks
from orch_nb.engine.ports import Journal, Request
from orch_nb.engine.session import LiveRun
from orch_nb.errors import UsageError
from orch_nb.model.plan import Plan
from orch_nb.model.report import Operation
from orch_nb.model.run import Run
from orch_nb.model.status import RunStatus
from orch_nb.notebook.display import Slot
from orch_nb.notebook.following import Stage, account
from orch_nb.notebook.room import Room
from orch_nb.notebook.session import SESSION
from orch_nb.notebook.subjects import Elsewhere, Here, Subject

__all__ = ["Opening"]


@dataclass
class Opening:
    """One `open`: shows the room and, below it, the static form, which follows at each end.

    `bound` gives the plan with its functions, or raises UsageError; `keep` is told of the operation
    whenever the run has come to an end.
    """

    operation: Operation
    journal: Journal
    bound: Any
    keep: Any

    def show(self, live: LiveRun | None = None) -> None:
        """Show the run of the operation; `live` where this kernel performs it."""
        run = self.operation.run
        assert run is not None
        self.stage = Stage()
        subject: Subject
        if live is not None:
            subject = here = Here(run.plan)
            here.attach(live)
            live.driver.observers.append(here)
        else:
            subject = Elsewhere(self.journal, run.run_id)
        self.room = Room(subject, go_on=self._go_on)
        Slot().show_widget(self.room.view)
        self._freeze(run)
        self.room.start()
        if subject.live:
            self._freeze_at_end(subject)

    def _freeze(self, run: Run) -> None:
        """The static form, as the run stands: of one that goes on without an account of its end."""
        before = self.operation
        if run.status is RunStatus.RUNNING:
            self.stage.show_header(run.plan, run)
            self.stage.show_findings(before.analysis, before.research, past=True)
            self.stage.leave(run, over=False)
            self.room.phases(self.stage.sections)
            return
        report = account(run, before.analysis, before.research, run.options.workspace or ".")
        self.operation = replace(before, plan=run.plan, run=run, report=report)
        self.stage.show_header(run.plan, run, report)
        self.stage.show_findings(before.analysis, before.research, past=True)
        self.stage.freeze(run, report, operation=self.operation)
        self.room.phases(self.stage.sections)

    def _freeze_at_end(self, subject: Subject) -> None:
        """When somebody ends the run, from a thread: the cell has returned by then."""

        def wait() -> None:
            if isinstance(subject, Here):
                subject.run.done.wait()
                self._freeze(subject.run.finished())
                self.keep(self.operation)
                return
            seen = Elsewhere(self.journal, subject.run_id)  # the room's own tells the room alone
            while seen.live:
                time.sleep(0.5)
                seen.changed()
            history, _ = self.journal.news(subject.run_id)
            self._freeze(phases.past_run(history, self.journal))

        context = contextvars.copy_context()
        threading.Thread(
            target=context.run, args=(wait,), name="orch_nb-opened", daemon=True
        ).start()

    def _go_on(self, verb: str, task: str | None, note: str) -> Subject:
        """Perform the rest of the run in this kernel, since a person wished it on the page."""
        from orch_nb.notebook.room import person

        history, _ = self.journal.news(self.room.subject.run_id)
        past = phases.past_run(history, self.journal)
        plan: Plan = self.bound(past)
        retry: Sequence[str] = ()
        if verb == "retry":
            retry = [task] if task is not None else failed_tasks(past)
        elif verb in ("approve", "reject"):
            self.journal.ask(past.run_id, Request(verb, task, person(), note))  # type: ignore[attr-defined]
        elif verb not in ("recover", "skip"):
            raise UsageError(f"The run has ended: it can be retried, it cannot {verb} any more.")
        here = Here(past.plan)  # as it may be seen
        made = phases.resuming(
            past.run_id, plan, journal=self.journal, retry=retry, observers=[here],
            interactive=True, skip=task if verb == "skip" else None, by=person(), note=note,
        )  # fmt: skip
        if isinstance(made, Run):
            raise UsageError(f"Run {past.run_id} has ended: there is nothing to go on with.")
        live = phases.begin(made)
        SESSION.begin(live)
        here.attach(live)
        self._freeze_at_end(here)
        return here
