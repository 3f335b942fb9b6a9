"""What can go wrong, each with what it was seen by and the pattern that helps.

Every rule looks for one thing and says where it was; a rule that finds nothing says nothing. That
something is missing (no tests, no CI) is only said of a workspace that was scanned to its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch_nb.catalog.vocabulary import artefacts, constraints, found
from orch_nb.model.analysis import Evidence, Risk, Scope
from orch_nb.model.quantity import count

__all__ = ["risks"]

_IRREVERSIBLE = re.compile(
    r"\b(publish\w*|delet\w+|drop\w*|remov\w+|purg\w+|wip\w+|overwrit\w+|migrat\w+|decommission\w*|"
    r"retir\w+|destroy\w*|truncat\w+|revok\w+|send\w*|freez\w+|cut ?over)\b",
    re.IGNORECASE,
)
_WAY_BACK = re.compile(
    r"\b(roll ?back|way back|revers\w+|undo|revert|restore|back ?up)\b", re.IGNORECASE
)
_OUTSIDE = re.compile(
    r"\b(api|third[- ]party|vendor|github|gitlab|aws|gcp|azure|pypi|npm|crates\.io|docker hub|"
    r"slack|stripe|s3|registry|webhook|email|partner)\b",
    re.IGNORECASE,
)
_MANY = re.compile(r"\b(every|each|all|thousands?|millions?|fleet|whole)\b", re.IGNORECASE)
_SEVERITY = {"high": 0, "medium": 1, "low": 2}


def risks(text: str, operation: str, scope: Scope, tests: str = "") -> tuple[Risk, ...]:
    """The risks of a goal in a workspace, the worst first; `tests` is the path of a test, if
    any."""
    found_risks = [
        *_of_goal(text, operation),
        *_of_stores(text, scope),
        *_of_workspace(scope, tests),
    ]
    return tuple(sorted(found_risks, key=lambda r: (_SEVERITY[r.impact], _SEVERITY[r.likelihood])))


def _said(match: re.Match[str]) -> Evidence:
    return Evidence(text=f"“{match.group(0)}”")


def _of_goal(text: str, operation: str) -> Iterator[Risk]:
    stated = constraints(text)
    irreversible = _IRREVERSIBLE.search(text)
    if irreversible:
        yield Risk(
            "a step that cannot be taken back", "medium", "high", _said(irreversible),
            "put an approval right before it, with the evidence to decide by", "human_gate",
        )  # fmt: skip
    if (irreversible or operation == "migration") and not _WAY_BACK.search(text):
        yield Risk(
            "no way back is stated", "medium", "high",
            Evidence(text="the goal names no rollback, undo or backup"),
            "write down the way back of each step and try it before it is needed", "saga",
        )  # fmt: skip
    if "no_downtime" in stated:
        yield Risk(
            "users notice the change", "medium", "high",
            Evidence(text=f"“{stated['no_downtime']}”"),
            "let old and new run side by side, and move a small share first", "canary",
        )  # fmt: skip
    if "deadline" in stated:
        yield Risk(
            "the date is missed", "medium", "medium", Evidence(text=f"“{stated['deadline']}”"),
            "look at the critical path, and plan what is left out if it slips", "fan_out_fan_in",
        )  # fmt: skip
    outside = _OUTSIDE.search(text)
    if outside or artefacts(text):
        yield Risk(
            "an outside service is down, slow or refuses", "medium", "medium",
            _said(outside) if outside else Evidence(text=f"“{artefacts(text)[0][1]}”"),
            "retry with backoff, bound each call, and make repeating harmless", "retry_backoff",
        )  # fmt: skip
    if many := _MANY.search(text):
        yield Risk(
            "one of many parts fails half-way", "medium", "medium", _said(many),
            "write down what succeeded, so that only the rest is repeated", "checkpoint_recover",
        )  # fmt: skip


def _of_stores(text: str, scope: Scope) -> Iterator[Risk]:
    named = found("stores", text)
    declared = [c for c in scope.components if c.kind in {"store", "queue"}]
    if named:
        words = ", ".join(f"“{said}”" for said in named.values())
        declared_too = next((c for c in declared if c.language in named), None)
        evidence = (
            Evidence(f"{words} in the goal", declared_too.evidence.path, declared_too.evidence.line)
            if declared_too
            else Evidence(text=words)
        )
        yield Risk(
            "data are lost or differ afterwards", "low", "high", evidence,
            "back up first, and compare counts and samples before the switch", "checkpoint_recover",
        )  # fmt: skip


def _of_workspace(scope: Scope, tests: str) -> Iterator[Risk]:
    broken = [c for c in scope.components if c.kind == "broken manifest"]
    if broken:
        yield Risk(
            "a manifest does not parse", "high", "medium", broken[0].evidence,
            "repair it before anything is built on it",
        )  # fmt: skip
    if not scope.root or not scope.complete or not scope.languages:
        return
    systems = {workflow.system for workflow in scope.workflows}
    tested = tests or any(
        "test" in name.lower() for flow in scope.workflows for name in (flow.name, *flow.tasks)
    )
    were = "was" if scope.files == 1 else "were"
    seen = f"{count(scope.files, 'file')} {were} looked at"
    if not tested:
        yield Risk(
            "no tests were found", "medium", "high", Evidence(text=seen),
            "write a check of what must not break, before changing it",
        )  # fmt: skip
    if not systems & {"github_actions", "gitlab_ci"}:
        yield Risk(
            "no CI was found", "medium", "medium",
            Evidence(text=f"{seen}; GitHub Actions and GitLab CI are known"),
            "run the checks as tasks of the plan, so that they are on record",
        )  # fmt: skip
