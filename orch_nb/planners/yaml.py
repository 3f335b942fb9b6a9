"""A plan from a YAML document or a Python mapping, checked whole; and back to a document.

    text ─ compose ─► nodes ─ document ─► Plan ─ graph.validate, binding ─► Plan
                        ▲                                    │
    mapping ────────────┘                 PlanError with every problem, in the order of lines

Nothing of the person's runs before the plan is sound: modules that `run: module:function` names are
imported last, and only if there is no other fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from orch_nb.errors import PlanError, Problem
from orch_nb.model.plan import Plan
from orch_nb.model.secrets import PLAIN
from orch_nb.planners.binding import judged, keep_checked
from orch_nb.planners.compose import compose
from orch_nb.planners.document import read
from orch_nb.planners.dump import dump_plan
from orch_nb.planners.nodes import Node, from_python

__all__ = ["dump_plan", "plan_from_mapping", "plan_from_yaml"]

#: More of them help nobody; the rest is counted.
_MOST = 100


def plan_from_yaml(
    text: str, namespace: Mapping[str, Any] | None = None, first_line: int = 2, goal: str = ""
) -> Plan:
    """The plan that a YAML document describes.

    `namespace` is where `run` names are looked up; without one they stay names. The document's
    first line counts as `first_line` (in a cell the magic stands on line 1); `goal` holds where the
    document names none. Raises PlanError with every problem.
    """
    plan, problems = _read(compose(text, first_line), namespace, goal)
    if problems:
        raise PlanError(_shown(problems, text, first_line))
    return plan


def plan_from_mapping(
    mapping: Mapping[str, Any], namespace: Mapping[str, Any] | None = None, goal: str = ""
) -> Plan:
    """The same for a Python mapping, in which `run` may be a callable. Raises PlanError."""
    plan, problems = _read(from_python(mapping), namespace, goal)
    if problems:
        raise PlanError(_shown(problems))
    return plan


def _read(root: Node, namespace: Mapping[str, Any] | None, goal: str) -> tuple[Plan, list[Problem]]:
    reading = read(root, goal)
    plan, problems = reading.plan(), reading.problems
    if not reading.places and problems:
        return plan, problems
    plan, problems = judged(plan, namespace, reading.lines, problems)
    return plan if problems else keep_checked(plan), problems


def _shown(problems: list[Problem], text: str = "", first_line: int = 1) -> list[Problem]:
    """Problems in the order of lines, each with its line of text, as many as one can read."""
    rows = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found = sorted(problems, key=lambda p: (p.line is None, p.line or 0, p.column or 0))
    shown = []
    for problem in found[:_MOST]:
        at = (problem.line or 0) - first_line
        known = problem.line is not None and 0 <= at < len(rows)
        source = PLAIN.text(rows[at].rstrip())[:200] if known else problem.source
        shown.append(replace(problem, source=source, message=PLAIN.text(problem.message)))
    if len(found) > _MOST:
        shown.append(Problem(f"And {len(found) - _MOST:,} problems more."))
    return shown
