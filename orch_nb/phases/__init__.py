"""The story: five phases, five verbs, each taking what the one before it gave.

    goal ─ analyze ─► Analysis ─ research ─► Research ─ decompose ─► Plan
                                                 Plan ─ execute ─► Run ─ integrate ─► Report

This is where the rooms meet. It holds no logic of theirs: it opens journals, picks executors,
bridges from synchronous code to the engine's loop, and hands values on.

    findings     ANALYZE, RESEARCH
    planning     DECOMPOSE
    performing   EXECUTE: execute, recover, and both where there is a loop already
    runs         what a run is begun and gone on with, here or by the system that owns it
    (here)       INTEGRATE, and all five in a row
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from orch_nb.engine.journal import open_journal
from orch_nb.engine.launch import past_run, run_options, seen
from orch_nb.model.secrets import PLAIN
from orch_nb.phases.findings import (
    analyze,
    keep_thoughts,
    research,
    research_async,
    thoughts_kept,
)
from orch_nb.phases.performing import (
    begun_run,
    execute,
    execute_async,
    recover,
    recover_async,
)
from orch_nb.phases.planning import callers_globals, checked, decompose
from orch_nb.phases.runs import (
    beforehand,
    begin,
    caught_up,
    followed,
    losses,
    resuming,
    serve,
    starting,
)

if TYPE_CHECKING:
    import os

    from orch_nb.engine.ports import Journal
    from orch_nb.model.analysis import Analysis
    from orch_nb.model.report import Operation, Report
    from orch_nb.model.research import Research
    from orch_nb.model.run import Run

__all__ = [
    "analyze", "beforehand", "begin", "begun_run", "caught_up", "checked", "decompose", "execute",
    "execute_async", "followed", "integrate", "keep_thoughts", "losses", "noted", "orchestrate",
    "past_run", "recover", "recover_async", "research", "research_async", "resuming",
    "run_options", "seen", "serve", "starting", "thoughts_kept",
]  # fmt: skip


def integrate(
    run: Run,
    *,
    analysis: Analysis | None = None,
    research: Research | None = None,
    workspace: str | os.PathLike[str] | None = None,
    namespace: Mapping[str, Any] | None = None,
) -> Report:
    """The account of a run: outcome, completeness with evidence, failures and what they kept from
    running, plan against run, and the lines that go on.

    `workspace` is the folder that declared outputs are looked for in; None means the run's own.
    `namespace` (`globals()`, say) has the functions and schemas that results are checked with, for
    a run of which only the names of these are known: what it names is imported.
    """
    from orch_nb.integration.integrate import report

    if namespace is not None and any(task.check for task in run.plan.tasks):
        from orch_nb.planners.binding import with_checks

        run = replace(run, plan=with_checks(run.plan, namespace))
    where = Path(workspace or run.options.workspace or ".")
    return report(run, analysis=analysis, research=research, workspace=where)


def orchestrate(
    body: Any,
    *,
    workspace: str | os.PathLike[str] | None = ".",
    namespace: Mapping[str, Any] | None = None,
    goal: str = "",
    kind: str | None = None,
    run: bool | None = None,
    **options: Any,
) -> Operation:
    """The five phases in a row. A goal in words stays a draft unless `run` is True.

    `body`, `namespace`, `goal` and `kind` as for `decompose`; `options` as for `execute`.
    """
    from orch_nb.model.report import Operation
    from orch_nb.planners.body import body_kind
    from orch_nb.planners.yaml import dump_plan

    namespace = namespace if namespace is not None else callers_globals()
    took = body_kind(body, kind) if isinstance(body, str) else "python"
    if took == "goal":
        analysis = analyze(body, workspace)
        found = research(analysis)
        plan = decompose(analysis, found)
        found = thoughts_kept(plan, analysis, found)
    else:
        plan = decompose(body, namespace=namespace, goal=goal, kind=kind)
        analysis = analyze(plan.goal or goal, workspace)
        found = research(analysis, timeout_s=2.0, mcp="none")
    shown = seen(plan, options.get("secrets", ()))
    draft = Operation(
        plan=shown, kind=took, body=PLAIN.text(body) if isinstance(body, str) else "",
        analysis=analysis, research=found, document=dump_plan(shown),
    )  # fmt: skip
    if took == "goal" and not run:
        return draft
    done = execute(plan, namespace=namespace, **options)
    noted(draft, done.run_id, open_journal(options.get("journal")))
    return replace(draft, run=done, report=integrate(done, analysis=analysis, research=found))


def noted(operation: Operation, run_id: str, journal: Journal) -> None:
    """Keep with a run what its operation knew before it, so that the run alone tells all five
    phases."""
    from orch_nb.model.record import note

    journal.write_note(run_id, note(operation))
