"""INTEGRATE: the account of a run.

report = integrate.report(run)
report.outcome       'Failed: 5 of 7 tasks succeeded in 11.6 s, 3 retries; `sdist` failed and …'
report.complete      whether every check is met
report.next_lines    ('%orchestrate retry sdist',)
"""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from orch_nb.graph.critical_path import planned_s
from orch_nb.integration.aggregate import story_tables
from orch_nb.integration.causes import causes, ways
from orch_nb.integration.collect import results
from orch_nb.integration.completeness import checks
from orch_nb.integration.environment import environment
from orch_nb.integration.outcome import comparison, failures, next_lines, sentence
from orch_nb.integration.retries import retried
from orch_nb.model.analysis import Analysis
from orch_nb.model.report import Report
from orch_nb.model.research import Research
from orch_nb.model.run import Run

__all__ = ["report"]


def report(
    run: Run,
    *,
    analysis: Analysis | None = None,
    research: Research | None = None,
    workspace: str | Path | None = None,
) -> Report:
    """What came of `run`, at whatever point it stands.

    `workspace` is the folder that declared outputs are looked for in; None means the run's own.
    `analysis` and `research` are handed through, so that one report tells all five phases.
    """
    found = checks(run, workspace)
    failed = tuple(replace(failure, ways=ways(run, failure)) for failure in failures(run))
    return Report(
        run=run,
        outcome=sentence(run, failed, found),
        results=results(run),
        checks=found,
        failures=failed,
        comparison=comparison(run),
        next_lines=next_lines(run, failed),
        planned_s=planned_s(run.plan),
        analysis=analysis,
        research=research,
        causes=causes(run, failed),
        retried=retried(run),
        tables=story_tables(run),
        environment=environment(run, workspace),
    )
