"""What INTEGRATE says of a run: outcome, completeness, failures, plan against run, what next."""

from __future__ import annotations

from typing import Any

import msgspec

from orch_nb.model.analysis import Analysis
from orch_nb.model.event import Failure
from orch_nb.model.plan import Plan
from orch_nb.model.research import Research
from orch_nb.model.run import Run
from orch_nb.model.status import Status
from orch_nb.model.view import Method, View

__all__ = ["Check", "Comparison", "FailureReport", "Operation", "Report", "Result"]


class Check(msgspec.Struct, frozen=True):
    """One line of the completeness table. `kind`: task, output or criterion; `subject` is what had
    to be, `tasks` who had to bring it, `evidence` what shows that it is so or what is missing."""

    kind: str
    subject: str
    tasks: tuple[str, ...]
    met: bool
    evidence: str = ""


class FailureReport(msgspec.Struct, frozen=True):
    """A task that failed: its error, how often it was tried, what it kept from running, and the
    exact line that goes on (`next_line`).

    `of` is the task that an instance is of, or whose compensation failed: then `undo` is set, and
    what the task did is still there. `tolerated`: an instance whose task succeeded all the same.
    """

    task: str
    error: Failure
    attempts: int
    kept: tuple[str, ...] = ()
    owner: str = ""
    next_line: str = ""
    of: str = ""
    undo: bool = False
    tolerated: bool = False


class Comparison(msgspec.Struct, frozen=True):
    """Plan against run for one task, in seconds; `critical_plan` and `critical_run` say whether it
    was on the critical path of the plan, and of the run as it was."""

    task: str
    status: Status
    estimate_s: float | None
    duration_s: float | None
    wait_s: float | None
    critical_plan: bool = False
    critical_run: bool = False


class Result(msgspec.Struct, frozen=True):
    """What a task returned: `text` is a bounded preview, `kind` how it is kept (json, pickle, or
    unstored), `size_bytes` how much."""

    task: str
    story: str | None
    text: str
    kind: str
    size_bytes: int


class Report(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The account of a run. `outcome` is one sentence, `next_lines` what a person can do now.

    `report.df` is a DataFrame of the completeness checks; `report.to_html(path)` and
    `report.to_markdown(path)` write all five phases to one file that needs no network.
    """

    run: Run
    outcome: str
    results: tuple[Result, ...] = ()
    checks: tuple[Check, ...] = ()
    failures: tuple[FailureReport, ...] = ()
    comparison: tuple[Comparison, ...] = ()
    next_lines: tuple[str, ...] = ()
    planned_s: float | None = None
    analysis: Analysis | None = None
    research: Research | None = None

    df = View("report.df")
    to_html = Method("report.to_html")
    to_markdown = Method("report.to_markdown")

    @property
    def complete(self) -> bool:
        """Whether every check is met."""
        return all(check.met for check in self.checks)

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return View("report.show").__get__(self, Report)


class Operation(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What `%%orchestrate` and `orchestrate` leave: the five phases' values, in one.

    `run` and `report` are None for a draft (a goal in words, planned and not run); `body` is the
    cell's text, `kind` python, yaml or goal ("" where nobody knows); `document` is the plan as
    YAML.
    """

    plan: Plan
    kind: str
    body: str = ""
    name: str = ""
    analysis: Analysis | None = None
    research: Research | None = None
    run: Run | None = None
    report: Report | None = None
    document: str = ""

    @property
    def draft(self) -> bool:
        return self.run is None

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return View("operation.show").__get__(self, Operation)
