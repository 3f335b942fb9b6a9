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
from orch_nb.analysis.constraints import stated
from orch_nb.analysis.instead import instead
from orch_nb.analysis.landmarks import landmarks
from orch_nb.analysis.need import need
from orch_nb.analysis.risks import risks
from orch_nb.analysis.scan import Scan, scan
from orch_nb.analysis.text import MOST_TEXT, as_goal, domains, questions
from orch_nb.analysis.touched import touched
from orch_nb.analysis.workflows import a_test, workflows
from orch_nb.catalog.operations import classify
from orch_nb.errors import UsageError
from orch_nb.model.analysis import Analysis, Scope
from orch_nb.model.goal import Goal

__all__ = ["analyze_goal"]

#: The walk gets this share of the time; by then the manifests and workflows are read, and what is
#: left is for a look into the files that the goal touches.
_WALK_SHARE, _READ_SHARE = 0.5, 0.85


def analyze_goal(
    goal: Goal | str,
    workspace: str | Path | None = None,
    *,
    budget_s: float = 30.0,
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
    said = read.text[:MOST_TEXT]
    text = " ".join(said.split())
    seen, scope = _scope(workspace, budget_s, progress)
    operation, confidence = classify(text)
    fields, demands = domains(text), stated(said)
    about = touched(text, scope, seen)
    tests, paths = (a_test(seen), [file.path for file in seen.files]) if seen else ("", [])
    verdict = need(said, demands)
    return Analysis(
        goal=read,
        operation=operation,
        confidence=confidence,
        domains=fields,
        scope=scope,
        complexity=complexity(
            text, operation, fields, scope, constraints=demands, touched=about, tests=tests
        ),
        risks=risks(
            text, operation, scope, tests, constraints=demands, touched=about, paths=paths
        ),
        questions=questions(
            text, operation, constraints=demands, scope=scope, touched=about, owners=_owners(paths)
        ) if verdict.orchestrate else (),
        constraints=demands,
        touched=about,
        orchestrate=verdict.orchestrate,
        advice="" if verdict.orchestrate else instead(text, verdict.reasons[0], scope, about),
        duration_s=time.monotonic() - started,
    )  # fmt: skip


def _owners(paths: list[str]) -> str:
    """The file that says who decides about which part of the code, "" if there is none."""
    return next((path for path in paths if path.rpartition("/")[2] == "CODEOWNERS"), "")


def _scope(
    workspace: str | Path | None, budget_s: float, progress: Callable[[int], None] | None
) -> tuple[Scan | None, Scope]:
    """What was seen of the workspace, and its scope."""
    if workspace is None:
        return None, Scope()
    started = time.monotonic()
    seen = scan(workspace, budget_s * _WALK_SHARE, progress)
    seen.late = started + budget_s * _READ_SHARE
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
    seen.late = started + budget_s
    return seen, scope
