"""What INTEGRATE says of a run: outcome, completeness, failures, plan against run, what next."""

from __future__ import annotations

from typing import Any

import msgspec

from orch_nb.model.analysis import Analysis
from orch_nb.model.event import Failure
from orch_nb.model.plan import Plan
from orch_nb.model.preview import Rich
from orch_nb.model.research import Research
from orch_nb.model.run import Run
from orch_nb.model.status import Status
from orch_nb.model.view import Method, View

__all__ = [
    "Cause", "Check", "Comparison", "Environment", "FailureReport", "Operation", "Report", "Result",
    "Retried", "StoryTable", "Way",
]  # fmt: skip


class Check(msgspec.Struct, frozen=True):
    """One line of the completeness table. `kind`: task, output, contract or criterion; `subject` is
    what had to be, `tasks` who had to bring it, `evidence` what shows that it is so or what is
    missing. A report is complete without what is not `required`; what is not `known` could not be
    looked at, and is not met."""

    kind: str
    subject: str
    tasks: tuple[str, ...]
    met: bool
    evidence: str = ""
    required: bool = True
    known: bool = True


class FailureReport(msgspec.Struct, frozen=True):
    """A task that failed: its error, how often it was tried, what it kept from running, and the
    exact line that goes on (`next_line`); `ways` are all lines that act on it.

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
    ways: tuple[Way, ...] = ()


class Way(msgspec.Struct, frozen=True):
    """A line that acts on a failure: `verb` retry, skip or compensate, as a `line` of a notebook
    and as a `command` of a shell."""

    verb: str
    line: str
    command: str


class Cause(msgspec.Struct, frozen=True):
    """Why tasks failed: those that failed alike, with the `error` of the first.

    `how` is what is known beyond the error, `outlook` whether it may pass by itself; both are empty
    where nobody can tell. `differ`: the errors of the others are alike, not the same. `total` is
    how many failed so, where `tasks` names only the first of the instances of a `foreach` task.
    `last_lines` is the end of what the first task printed, `kept` what all of them kept from
    running. `undo`, `tolerated` and `of` are as in `FailureReport`.
    """

    tasks: tuple[str, ...]
    error: Failure
    how: str = ""
    outlook: str = ""
    owners: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    attempts: int = 0
    total: int = 0
    last_lines: str = ""
    undo: bool = False
    tolerated: bool = False
    of: str = ""
    differ: bool = False


class Retried(msgspec.Struct, frozen=True):
    """What was tried more than once for the same `causes` and `ended` alike: `again` is how many
    attempts there were beyond each first, `waited_s` the seconds between attempts."""

    tasks: tuple[str, ...]
    causes: tuple[str, ...]
    again: int
    waited_s: float
    ended: str


class StoryTable(msgspec.Struct, frozen=True):
    """The results of a story's tasks (of those without a story: None) in one table of text; `total`
    is how many rows all have. Where shapes do not agree there are no rows, and `note` says why."""

    story: str | None
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    total: int = 0
    note: str = ""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """What a run depended on besides its plan. `packages`, `params` and `hashes` are pairs of a
    name and a text; `changed`: whether tracked files of the workspace differ from `commit` (None:
    nobody knows). `same_process`: whether this was read in the process that made the run."""

    python: str
    platform: str
    packages: tuple[tuple[str, str], ...] = ()
    params: tuple[tuple[str, str], ...] = ()
    hashes: tuple[tuple[str, str], ...] = ()
    commit: str = ""
    changed: bool | None = None
    same_process: bool = False


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
    unstored), `size_bytes` how much, `rich` more of its looks (of the first few)."""

    task: str
    story: str | None
    text: str
    kind: str
    size_bytes: int
    rich: Rich | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The account of a run. `outcome` is one sentence, `next_lines` what a person can do now.

    `causes` are the failures by cause, `retried` what was tried again and why, `tables` results by
    story, as text. `report.df` is a DataFrame of the completeness checks, `report.by_story` a dict
    of DataFrames of the results by story, where their shapes agree; `report.to_html(path)` and
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
    causes: tuple[Cause, ...] = ()
    retried: tuple[Retried, ...] = ()
    tables: tuple[StoryTable, ...] = ()
    environment: Environment | None = None

    df = View("report.df")
    by_story = View("report.by_story")
    to_html = Method("report.to_html")
    to_markdown = Method("report.to_markdown")

    @property
    def complete(self) -> bool:
        """Whether every check is met that is required."""
        return all(check.met for check in self.checks if check.required)

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
