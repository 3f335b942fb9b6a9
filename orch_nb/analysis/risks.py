"""What can go wrong, each with what it was seen by and the pattern that helps.

Every rule looks for one thing and says where it was; a rule that finds nothing says nothing. What
the goal says comes first, then what the workspace shows, but only where it bears on the goal: a
store that five services share is a risk of a goal that touches it. That something is missing (no
tests, no CI) is only said of a workspace that was scanned to its end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from orch_nb.analysis.constraints import stated
from orch_nb.analysis.hazards import hazards
from orch_nb.catalog.vocabulary import artefacts, found
from orch_nb.model.analysis import Constraint, Evidence, Risk, Scope, Touched

__all__ = ["risks"]

_IRREVERSIBLE = re.compile(  # done by the goal itself: "a queue for sending mails" sends none
    r"(?<!\bfor )(?<!\bof )(?<!\bby )"
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
_MOST = 12


def risks(
    text: str,
    operation: str,
    scope: Scope,
    tests: str = "",
    *,
    constraints: Sequence[Constraint] | None = None,
    touched: Sequence[Touched] = (),
    paths: Sequence[str] = (),
) -> tuple[Risk, ...]:
    """The risks of a goal in a workspace, the worst first; `tests` is the path of a test, if any,
    `paths` are those of the files that were seen."""
    demands = stated(text) if constraints is None else constraints
    found_risks = [
        *_of_goal(text, operation, demands, scope),
        *_of_demands(demands),
        *_of_stores(text, scope, demands),
        *hazards(text, operation, scope, tests, touched, paths),
    ]
    ranked = sorted(found_risks, key=lambda r: (_SEVERITY[r.impact], _SEVERITY[r.likelihood]))
    return tuple(ranked[:_MOST])


def _said(match: re.Match[str]) -> Evidence:
    return Evidence(text=f"“{match.group(0)}”")


def _of_goal(
    text: str, operation: str, demands: Sequence[Constraint], scope: Scope
) -> Iterator[Risk]:
    irreversible = _IRREVERSIBLE.search(text)
    back = _WAY_BACK.search(text) or any(demand.kind == "reversible" for demand in demands)
    if irreversible:
        yield Risk(
            "a step that cannot be taken back", "medium", "high", _said(irreversible),
            "put an approval right before it, with the evidence to decide by", "human_gate",
        )  # fmt: skip
    if (irreversible or operation in {"migration", "release"}) and not back:
        yield Risk(
            "no way back is stated", "medium", "high",
            Evidence(text="the goal names no rollback, undo or backup"),
            "write down the way back of each step and try it before it is needed", "saga",
        )  # fmt: skip
    own = {word for part in scope.components for word in re.split(r"\W+|_", part.name.lower())}
    outside = next((m for m in _OUTSIDE.finditer(text) if m.group(0).lower() not in own), None)
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


#: By kind of demand: the risk, how likely, how bad, what helps, and the pattern.
_OF_DEMANDS = {
    "no_downtime": (
        "users notice the change", "medium", "high",
        "let old and new run side by side, and move a small share first", "canary",
    ),
    "deadline": (
        "the date is missed", "medium", "medium",
        "look at the critical path, and plan what is left out if it slips", "fan_out_fan_in",
    ),
    "approval": (
        "it waits for an answer that does not come", "medium", "medium",
        "ask early, give the gate a default or a limit of time, and name who stands in",
        "escalation",
    ),
    "window": (
        "the window closes before it is done", "medium", "high",
        "stop at a point from which it goes on in the next window", "freeze_window",
    ),
    "at_once": (
        "more runs at once than is allowed", "low", "high",
        "bound how many run at once in the plan itself, not by care", "rate_limit",
    ),
    "order": (
        "a step runs before what it relies on", "low", "high",
        "write the order down as needs, with a check in between", "chain",
    ),
    "compliance": (
        "data reach a place where they may not be", "low", "high",
        "let somebody responsible approve the design, and keep a record of each access",
        "human_gate",
    ),
    "unchanged": (
        "what was to stay as it is changes with it", "medium", "medium",
        "compare before and after with the checks of its users", "verification_gate",
    ),
    "no_data_loss": (
        "something is lost or counted twice", "low", "high",
        "compare counts and checksums before and after, and keep the old copy until then",
        "snapshot_restore",
    ),
    "budget": (
        "it costs more than it may", "low", "medium",
        "measure the cost of a small part first, and set a limit that stops it", "canary",
    ),
}  # fmt: skip


def _of_demands(demands: Sequence[Constraint]) -> Iterator[Risk]:
    seen = set()
    for demand in demands:
        known = _OF_DEMANDS.get(demand.kind)
        if known and demand.kind not in seen:
            seen.add(demand.kind)
            name, likely, bad, helps, pattern = known
            yield Risk(name, likely, bad, Evidence(text=f"“{demand.text}”"), helps, pattern)


def _of_stores(text: str, scope: Scope, demands: Sequence[Constraint]) -> Iterator[Risk]:
    named = found("stores", text)
    declared = [c for c in scope.components if c.kind in {"store", "queue"}]
    if not named:
        return
    words = ", ".join(f"“{said}”" for said in named.values())
    known = {name.lower() for pair in named.items() for name in pair}
    declared_too = next(
        (c for c in declared if c.language in named or any(n in c.name.lower() for n in known)),
        None,
    )
    evidence = (
        Evidence(f"{words} in the goal", declared_too.evidence.path, declared_too.evidence.line)
        if declared_too
        else Evidence(text=words)
    )
    # Where writing goes on meanwhile, going back to a backup loses what was written since.
    live = len(named) > 1 and any(demand.kind == "no_downtime" for demand in demands)
    yield Risk(
        "data are lost or differ afterwards", "low", "high", evidence,
        "write to both for a time, and compare counts and samples before the switch" if live else
        "back up first, and compare counts and samples before the switch",
        "dual_write" if live else "snapshot_restore",
    )  # fmt: skip
