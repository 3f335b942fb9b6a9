"""Values as pandas DataFrames: a row a thing, names that stay, types that hold when it is empty.

Times are UTC timestamps, durations float seconds (NaN where there is none), text is text: what is
not there is the empty string, so that a `groupby` keeps it; a whole number that may be missing is a
nullable `Int64`. Columns may be added to the right; none is renamed.

    plan.df[["task", "story", "estimate_s", "critical"]].query("critical")
    run.df.groupby("status").duration_s.sum()
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from orch_nb.graph.critical_path import critical_path
from orch_nb.graph.topology import find_cycles, upstream
from orch_nb.model.account import account, failure_of, on_purpose
from orch_nb.render import policies

if TYPE_CHECKING:
    import pandas as pd

    from orch_nb.model.analysis import Analysis
    from orch_nb.model.contrast import Contrast
    from orch_nb.model.observation import Aftermath
    from orch_nb.model.plan import Plan
    from orch_nb.model.report import Report
    from orch_nb.model.research import Research
    from orch_nb.model.run import Run, TaskRun
    from orch_nb.model.translation import Export, Import

__all__ = [
    "aftermath_frame", "analysis_frame", "components_frame", "contrast_frame", "fits_frame",
    "links_frame", "losses_frame", "parts_frame", "plan_frame", "report_frame", "research_frame",
    "run_frame", "schedule_frame", "systems_frame", "touched_frame", "workflows_frame",
]  # fmt: skip

_DTYPES = {
    "text": "str", "float": "float64", "int": "int64", "count": "Int64", "bool": "bool",
    "time": "datetime64[us, UTC]", "any": "object",
}  # fmt: skip


def _frame(columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """A DataFrame of `rows`, its columns typed by name whether or not there is a row."""
    import pandas as pd

    by_column = list(zip(*rows, strict=True)) or [()] * len(columns)
    return pd.DataFrame(
        {
            name: pd.Series(list(values), dtype=_DTYPES[kind])
            for (name, kind), values in zip(columns.items(), by_column, strict=True)
        }
    )


@functools.cache
def _whole() -> type[pd.DataFrame]:
    """A DataFrame that shows its text whole: the reason of a loss is a sentence, of which pandas
    shows 50 characters. What is made of it (a query, a copy) is a plain one, and so is a pickle."""
    import pandas as pd

    class Whole(pd.DataFrame):
        def __repr__(self) -> str:
            with pd.option_context(
                "display.max_colwidth", None, "display.max_columns", None, "display.width", None,
                "display.expand_frame_repr", False,
            ):  # fmt: skip
                return super().__repr__()

        def _repr_html_(self) -> str:
            with pd.option_context("display.max_colwidth", None):
                return str(super()._repr_html_())  # type: ignore[misc]  # not in pandas' stubs

        @property
        def _constructor(self) -> type[pd.DataFrame]:
            return pd.DataFrame

        def __reduce__(self) -> tuple[Any, ...]:
            return pd.DataFrame, (dict(self.items()),)

    return Whole


def plan_frame(plan: Plan) -> pd.DataFrame:
    """A row a task, in the order of the plan. `needs` is a tuple of ids; a plan with a cycle, which
    has no critical path, gets NaN for `slack_s` and False for `critical`.

    What only some tasks have stands to the right, as documents spell it: `when`, `foreach` with
    `max_active` and `tolerate`, `pool`, `priority`, `total_timeout_s`, `compensate` (what it does),
    `cache`.
    """
    path = None if find_cycles(upstream(plan)) else critical_path(plan)
    critical = set(path.tasks) if path else set()
    slack = path.slack_s if path else {}
    columns = {
        "task": "text", "title": "text", "description": "text", "story": "text", "parent": "text",
        "kind": "text", "needs": "any", "trigger": "text", "owner": "text", "required": "bool",
        "estimate_s": "float", "critical": "bool", "slack_s": "float",
        "maximum_attempts": "int", "timeout_s": "float", "outputs": "any",
        "when": "text", "foreach": "text", "max_active": "count", "tolerate": "text",
        "pool": "text", "priority": "int", "total_timeout_s": "float", "compensate": "text",
        "cache": "bool",
    }  # fmt: skip
    return _frame(
        columns,
        [
            (
                task.id, task.title, task.description, task.story or "", task.parent or "",
                task.kind, task.needs or (), str(task.trigger), task.owner, task.required,
                task.estimate_s, task.id in critical, slack.get(task.id),
                task.retry.maximum_attempts, task.timeout_s, task.outputs,
                policies.condition(task), policies.over(task), task.max_active,
                policies.tolerated(task), policies.pools(task), task.priority,
                task.total_timeout_s, policies.action(task.compensate), task.cache,
            )
            for task in plan.tasks
        ],
    )  # fmt: skip


def run_frame(run: Run) -> pd.DataFrame:
    """A row a task, in the order of the plan, each `foreach` task followed by its instances; then
    the compensations in the order in which they ran, and the plan's `on_failure`.

    `error` is the last attempt's, or ""; `of` is the task that an instance or a compensation is of,
    `index` an instance's place; `instances` how many a task became; `cached` the run whose result
    was used; `injected` how many of its attempts failed on purpose. `attrs` holds `run_id`,
    `status` and `faults`: the faults on purpose that the run was disturbed by.
    """
    columns = {
        "task": "text", "story": "text", "status": "text", "attempts": "int", "started": "time",
        "finished": "time", "duration_s": "float", "wait_s": "float", "error": "text",
        "reason": "text", "title": "text", "parent": "text", "kind": "text",
        "of": "text", "index": "count", "instances": "count", "cached": "text", "injected": "int",
    }  # fmt: skip
    rows = []
    for done in _in_order(run):
        origin = run.plan[done.of] if done.of else None
        task = run.spec(done.task) if origin is None or done.index is None else origin
        home = origin or task
        rows.append(
            (
                done.task, home.story or "", str(done.status), len(done.attempts), done.started,
                done.finished, done.duration_s, done.wait_s, str(failure_of(done) or ""),
                done.reason, task.title, home.parent or "", task.kind,
                done.of or "", done.index, done.instances, done.cached,
                sum(attempt.injected for attempt in done.attempts),
            )
        )  # fmt: skip
    frame = _frame(columns, rows)
    frame.attrs |= _attributes(run)
    return frame


def _in_order(run: Run) -> Iterator[TaskRun]:
    found = account(run)
    for done in run.tasks:
        yield done
        yield from found.instances.get(done.task, ())
    yield from found.undoing
    if found.last is not None:
        yield found.last


def _attributes(run: Run) -> dict[str, Any]:
    """What is true of the whole frame; what was done on purpose is never left out."""
    return {
        "run_id": run.run_id, "status": str(run.status), "faults": list(run.faults),
        "on_purpose": on_purpose(run),
    }  # fmt: skip


def analysis_frame(analysis: Analysis) -> pd.DataFrame:
    """A row a risk."""
    columns = {
        "risk": "text", "likelihood": "text", "impact": "text", "evidence": "text",
        "mitigation": "text", "pattern": "text",
    }  # fmt: skip
    return _frame(
        columns,
        [
            (risk.name, risk.likelihood, risk.impact, str(risk.evidence), risk.mitigation,
             risk.pattern)
            for risk in analysis.risks
        ],
    )  # fmt: skip


def components_frame(analysis: Analysis) -> pd.DataFrame:
    """A row a component of the workspace."""
    columns = dict.fromkeys(("component", "kind", "language", "path", "evidence"), "text")
    return _frame(
        {**columns, "confidence": "float"},
        [
            (part.name, part.kind, part.language, part.path, str(part.evidence), part.confidence)
            for part in analysis.scope.components
        ],
    )


def links_frame(analysis: Analysis) -> pd.DataFrame:
    """A row a link between two components."""
    columns = dict.fromkeys(("source", "target", "kind", "evidence"), "text")
    return _frame(
        {**columns, "confidence": "float"},
        [
            (link.source, link.target, link.kind, str(link.evidence), link.confidence)
            for link in analysis.scope.links
        ],
    )


def workflows_frame(analysis: Analysis) -> pd.DataFrame:
    """A row a workflow that the workspace has already; `tasks` is a tuple of names, `edges` one of
    (before, after)."""
    columns = {
        "workflow": "text", "system": "text", "kind": "text", "tasks": "any", "edges": "any",
        "evidence": "text", "confidence": "float",
    }  # fmt: skip
    return _frame(
        columns,
        [
            (flow.name, flow.system, flow.kind, flow.tasks, flow.edges, str(flow.evidence),
             flow.confidence)
            for flow in analysis.scope.workflows
        ],
    )  # fmt: skip


def parts_frame(analysis: Analysis) -> pd.DataFrame:
    """A row a part of a workflow: a task, an activity, a state, a queue, with its place."""
    columns = dict.fromkeys(("part", "kind", "workflow", "system", "evidence"), "text")
    return _frame(
        {**columns, "confidence": "float"},
        [
            (part.name, part.kind, flow.name, flow.system, str(part.evidence), part.confidence)
            for flow in analysis.scope.workflows
            for part in flow.parts
        ],
    )


def touched_frame(analysis: Analysis) -> pd.DataFrame:
    """A row a file or component that the goal is likely to touch, the likeliest first."""
    columns = {"name": "text", "kind": "text", "score": "float", "why": "text", "evidence": "text"}
    return _frame(
        columns,
        [
            (one.name, one.kind, one.score, one.why, str(one.evidence))
            for one in analysis.touched
        ],
    )  # fmt: skip


def fits_frame(research: Research) -> pd.DataFrame:
    """A row a pattern that fits the goal, the best first."""
    columns = {
        "pattern": "text", "score": "float", "why": "text", "cost": "text", "without": "text",
    }  # fmt: skip
    return _frame(
        columns,
        [(fit.pattern, fit.score, fit.why, fit.cost, fit.without) for fit in research.fits],
    )


def systems_frame(research: Research) -> pd.DataFrame:
    """A row a system: how it would do for the goal; `strengths` and `gaps` are tuples."""
    columns = {
        "system": "text", "verdict": "text", "strengths": "any", "gaps": "any", "url": "text",
    }  # fmt: skip
    return _frame(
        columns,
        [
            (fit.system, fit.verdict, fit.strengths, fit.gaps, fit.citation.url)
            for fit in research.systems
        ],
    )


def research_frame(research: Research) -> pd.DataFrame:
    """A row a finding, best first."""
    columns = {
        "title": "text", "excerpt": "text", "source": "text", "score": "float", "pattern": "text",
        "why": "text", "answers": "text", "date": "text", "citation": "text", "url": "text",
    }  # fmt: skip
    return _frame(
        columns,
        [
            (found.title, found.excerpt, found.source, found.score, found.pattern, found.why,
             found.answers, found.date, found.citation.title, found.citation.url)
            for found in research.findings
        ],
    )  # fmt: skip


def aftermath_frame(found: Aftermath) -> pd.DataFrame:
    """A row a system and task: its fate there, its part in the plan, and the scenario and verdict
    that the fate is inferred from. A plan that a system cannot say has one row, without a task."""
    from orch_nb.catalog.observations import observed

    columns = dict.fromkeys(
        ("system", "task", "fate", "part", "scenario", "verdict", "whole", "remark"), "text"
    )
    rows = []
    for one in found.outcomes:
        remark = " ".join(one.remarks)
        if not one.fates:
            rows.append((one.system, "", "", "", "", "", "", remark))
        for fate in one.fates:
            verdict = observed(one.system, fate.scenario).verdict if fate.scenario else ""
            rows.append(
                (one.system, fate.task, fate.fate, fate.part, fate.scenario, verdict, one.whole,
                 remark)
            )  # fmt: skip
    frame = _whole()(_frame(columns, rows))
    frame.attrs["fault"] = found.fault
    return frame


def losses_frame(made: Export | Import) -> pd.DataFrame:
    """A row a loss of a translation."""
    columns = dict.fromkeys(("what", "task", "why", "severity"), "text")
    rows = [(loss.what, loss.task, loss.why, loss.severity, loss.line) for loss in made.losses]
    return _whole()(_frame({**columns, "line": "count"}, rows))


def report_frame(report: Report) -> pd.DataFrame:
    """A row a completeness check; `tasks` is a tuple of ids. `attrs` as those of `run.df`."""
    columns = {
        "kind": "text", "subject": "text", "tasks": "any", "met": "bool", "evidence": "text",
        "required": "bool", "known": "bool",
    }  # fmt: skip
    frame = _frame(
        columns,
        [
            (c.kind, c.subject, c.tasks, c.met, c.evidence, c.required, c.known)
            for c in report.checks
        ],
    )
    frame.attrs |= _attributes(report.run)
    return frame


def contrast_frame(contrast: Contrast) -> pd.DataFrame:
    """A row a task of either plan. `change` is "", added, removed or changed, `changed` a tuple of
    fields; `_before` and `_after` are the two runs, `apart_s` what it took longer after;
    `same_result` is True, False, or None where nobody can tell. `attrs` holds both run ids."""
    columns = {
        "task": "text", "story": "text", "change": "text", "changed": "any",
        "status_before": "text", "status_after": "text", "duration_before_s": "float",
        "duration_after_s": "float", "apart_s": "float", "attempts_before": "count",
        "attempts_after": "count", "wait_before_s": "float", "wait_after_s": "float",
        "result_before": "text", "result_after": "text", "same_result": "any",
    }  # fmt: skip
    rows = [[getattr(task, name) for name in columns] for task in contrast.tasks]
    frame = _frame(columns, rows)
    frame.attrs |= {"before": contrast.before.run_id, "after": contrast.after.run_id}
    return frame


def schedule_frame(schedule: Any) -> pd.DataFrame:
    """A row a task, in the order of their start: `task, start_s, finish_s`."""
    columns = {"task": "text", "start_s": "float", "finish_s": "float"}
    rows = [(item.task, item.start_s, item.finish_s) for item in schedule.items]
    return _frame(columns, sorted(rows, key=lambda row: (row[1], row[2])))
