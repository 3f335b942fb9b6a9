"""ANALYZE: a goal and a workspace to an `Analysis`, within a time bound.

The goal is read as text, the workspace is walked and its manifests and workflows are parsed;
nothing of it is imported or run. Everything that is said carries its evidence: words of the goal,
or a file and line.

    >>> analyze_goal("Fix the typo in README").orchestrate
    False
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from orch_nb.analysis.complexity import complexity
from orch_nb.analysis.components import inventory
from orch_nb.analysis.landmarks import landmarks
from orch_nb.analysis.risks import risks
from orch_nb.analysis.scan import scan
from orch_nb.analysis.text import as_goal, domains, questions, single_step
from orch_nb.analysis.workflows import a_test, workflows
from orch_nb.catalog.operations import classify
from orch_nb.catalog.vocabulary import found
from orch_nb.errors import UsageError
from orch_nb.model.analysis import Analysis, Scope
from orch_nb.model.goal import Goal

__all__ = ["analyze_goal"]

#: The walk gets this share of the time, reading what it found the rest.
_WALK_SHARE = 0.5


def analyze_goal(
    goal: Goal | str,
    workspace: str | Path | None = None,
    *,
    budget_s: float = 2.0,
    progress: Callable[[int], None] | None = None,
) -> Analysis:
    """What is known of `goal` in `workspace` (a folder; None: the goal alone).

    `budget_s` bounds the scan in seconds: what it did not reach is left out, and `scope.complete`
    says so. `progress` is called with the number of files seen so far. Raises UsageError for an
    empty goal, and for a workspace that is no folder or cannot be read.
    """
    started = time.monotonic()
    read = as_goal(goal)
    if not read.text.strip():
        raise UsageError("The goal is empty; say in a sentence what is to be reached.")
    text = " ".join(read.text.split())
    operation, confidence = classify(text)
    scope, test = _scope(workspace, budget_s, progress)
    fields = domains(text)
    reason = single_step(text, operation, len(found("stores", text)))
    return Analysis(
        goal=read,
        operation=operation,
        confidence=confidence,
        domains=fields,
        scope=scope,
        complexity=complexity(text, operation, fields, scope),
        risks=risks(text, operation, scope, test),
        questions=questions(text, operation),
        orchestrate=not reason,
        advice=_advice(reason),
        duration_s=time.monotonic() - started,
    )


def _advice(reason: str) -> str:
    if not reason:
        return ""
    return (
        f"This needs no orchestration: {reason}. "
        "Do it directly, in a cell or a shell, and look at the result."
    )


def _scope(
    workspace: str | Path | None, budget_s: float, progress: Callable[[int], None] | None
) -> tuple[Scope, str]:
    """The scope of the workspace, and the path of a test in it."""
    if workspace is None:
        return Scope(), ""
    started = time.monotonic()
    seen = scan(workspace, budget_s * _WALK_SHARE, progress)
    seen.late = started + budget_s
    made = inventory(seen)
    flows = workflows(seen)
    scope = Scope(
        root=seen.root,
        files=len(seen.files),
        size_bytes=seen.size_bytes,
        languages=dict(seen.languages.most_common()),
        skipped=dict(seen.skipped),
        components=made.components,
        links=made.links,
        workflows=flows,
        landmarks=landmarks(seen),
        complete=seen.complete,
        duration_s=time.monotonic() - started,
    )
    return scope, a_test(seen)
