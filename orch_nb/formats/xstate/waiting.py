"""Trigger rules as states: how a task waits for its needs, without a guard.

Each rule comes to two questions. Which end of a need decides at once (`at_once`), and what is
decided when every need has ended and nothing was. Where the latter depends on what the ends were, a
region beside the needs keeps in mind whether one of some kind came (`noted`).

    all_success   at once: a failure, a skip           at the end: run
    one_success   at once: a success                   at the end: failed, if a failure was noted,
                                                       else skipped
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from orch_nb.model.task import Task, TriggerRule

__all__ = ["RULES", "Rule", "first_state", "verdicts", "waiting"]

_RUN, _SKIP, _FAIL = "run", "to_skipped", "to_upstream_failed"
_BAD = ("failed", "upstream_failed", "cancelled")


class Rule(msgspec.Struct, frozen=True):
    """`at_once`: which end of a need decides how; `last`: how it is decided when all have ended;
    `noted`: ends that change this to `then`."""

    at_once: dict[str, str]
    last: str
    noted: tuple[str, ...] = ()
    then: str = ""


def _all(ends: Sequence[str], verdict: str) -> dict[str, str]:
    return dict.fromkeys(ends, verdict)


RULES: dict[TriggerRule, Rule] = {
    TriggerRule.ALL_SUCCESS: Rule(_all(_BAD, _FAIL) | {"skipped": _SKIP}, _RUN),
    TriggerRule.ALL_FAILED: Rule(_all(("succeeded", "skipped"), _SKIP), _RUN),
    TriggerRule.ALL_DONE: Rule({}, _RUN),
    TriggerRule.ALL_DONE_MIN_ONE_SUCCESS: Rule({"skipped": _SKIP}, _FAIL, ("succeeded",), _RUN),
    TriggerRule.ALL_SKIPPED: Rule(_all(("succeeded", *_BAD), _SKIP), _RUN),
    TriggerRule.ONE_FAILED: Rule(_all(_BAD, _RUN), _SKIP),
    TriggerRule.ONE_SUCCESS: Rule({"succeeded": _RUN}, _SKIP, _BAD, _FAIL),
    TriggerRule.ONE_DONE: Rule(_all(("succeeded", "failed", "cancelled"), _RUN), _SKIP),
    TriggerRule.NONE_FAILED: Rule(_all(_BAD, _FAIL), _RUN),
    TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS: Rule(_all(_BAD, _FAIL), _SKIP, ("succeeded",), _RUN),
    TriggerRule.NONE_SKIPPED: Rule({"skipped": _SKIP}, _RUN),
}


def waiting(task: Task, name: str, needs: Sequence[tuple[str, Sequence[str]]]) -> dict[str, Any]:
    """The state in which a task waits for `needs`: their names, and how each may end."""
    rule = RULES[task.trigger]
    first = first_state(task)
    decided = {
        f"xstate.done.state.{need}:{end}": first if verdict == _RUN else verdict
        for need, ends in needs
        for end in ends
        if (verdict := rule.at_once.get(end)) is not None
    }
    regions = {need: _one(need, [e for e in ends if e not in rule.at_once]) for need, ends in needs}
    cancel = {f"{name}.CANCEL": "to_cancelled", "CANCEL": "to_cancelled"}
    found: dict[str, Any] = {"type": "parallel", "on": decided | cancel}
    if not rule.noted:
        return found | {"states": regions, "onDone": first if rule.last == _RUN else rule.last}
    # Which way it goes is kept in mind beside the needs, and told by the end of both.
    noted = [
        f"xstate.done.state.{need}:{end}" for need, ends in needs for end in ends
        if end in rule.noted
    ]  # fmt: skip
    all_ended = f"xstate.done.state.{name}:needs"
    ways = (first if verdict == _RUN else verdict for verdict in (rule.last, rule.then))
    last, then = (f"#{name}:{way.removeprefix('to_')}" for way in ways)
    return found | {
        "states": {
            "needs": {"id": f"{name}:needs", "type": "parallel", "states": regions},
            "noted": {
                "initial": "nothing",
                "states": {
                    "nothing": {"on": dict.fromkeys(noted, "something") | {all_ended: last}},
                    "something": {"on": {all_ended: then}},
                },
            },
        }
    }


def verdicts(rule: TriggerRule) -> set[str]:
    """The endings that waiting by a rule may lead to."""
    found = RULES[rule]
    return {*found.at_once.values(), found.last, found.then} - {_RUN, ""}


def first_state(task: Task) -> str:
    """The state that a task goes to when it may run."""
    if task.when is not None:
        return "deciding"
    if task.waits_for_person:
        return "asking"
    if task.kind == "milestone":
        return "to_succeeded"
    return "working" if task.total_timeout_s is not None else "attempt1"


def _one(need: str, ends: Sequence[str]) -> dict[str, Any]:
    """The region that waits for one need."""
    return {
        "initial": "open",
        "states": {
            "open": {"on": {f"xstate.done.state.{need}:{end}": "ended" for end in ends}},
            "ended": {"type": "final"},
        },
    }
