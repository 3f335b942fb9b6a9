"""Airflow's trigger rules, read off its own code, for the engine's to be held against.

Source: `TriggerRuleDep._evaluate_direct_relatives` (apache/airflow, airflow-core, of 2025,
ti_deps/deps/trigger_rule_dep.py). There, first, a task may get a state without being run; then
comes whether it may run. A cancelled task, which Airflow does not know, counts as a failed one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from orch_nb.model.task import TriggerRule

__all__ = ["ENDS", "possible", "verdict"]

ENDS = frozenset({"succeeded", "failed", "skipped", "upstream_failed", "cancelled", "compensated"})


def verdict(rule: TriggerRule, upstream: Sequence[str | None]) -> str:
    """run, wait, skipped or upstream_failed, given how each upstream task ended (None: not yet)."""
    if not upstream or rule == "always":
        return "run"
    count = Counter(upstream)
    total = len(upstream)
    success = count["succeeded"] + count["compensated"]
    skipped = count["skipped"]
    failed = count["failed"] + count["cancelled"]
    unreached = count["upstream_failed"]
    bad = failed + unreached
    done = success + skipped + bad == total
    without_running = {
        "all_success": [(bad, "upstream_failed"), (skipped, "skipped")],
        "all_failed": [(success or skipped, "skipped")],
        "all_done": [],
        "all_done_min_one_success": [
            (skipped, "skipped"), (done and not success, "upstream_failed"),
        ],
        "all_skipped": [(success or bad, "skipped")],
        "one_failed": [(done and not bad, "skipped")],
        "one_success": [
            (skipped == total, "skipped"), (done and not success, "upstream_failed"),
        ],
        "one_done": [(done and not (failed or success), "skipped")],
        "none_failed": [(bad, "upstream_failed")],
        "none_failed_min_one_success": [(bad, "upstream_failed"), (skipped == total, "skipped")],
        "none_skipped": [(skipped, "skipped")],
    }  # fmt: skip
    for holds, state in without_running[rule.value]:
        if holds:
            return state
    may_run = {
        "all_success": success == total,
        "all_failed": bad == total,
        "all_done": done,
        "all_done_min_one_success": done and not skipped and success,
        "all_skipped": skipped == total,
        "one_failed": bad,
        "one_success": success,
        "one_done": success + failed,
        "none_failed": success + skipped == total,
        "none_failed_min_one_success": success + skipped == total,
        "none_skipped": done and not skipped,
    }
    return "run" if may_run[rule.value] else "wait"


def possible(rule: TriggerRule, upstream: Sequence[str | None]) -> set[str]:
    """Every verdict that may come out, whichever of the upstream tasks ended first: a rule may be
    decided before all of them have. None: one that never ends; an empty set: there is no verdict.
    """
    found: set[str] = set()
    seen: set[tuple[str | None, ...]] = set()
    stack: list[tuple[str | None, ...]] = [(None,) * len(upstream)]
    while stack:
        known = stack.pop()
        if known in seen:
            continue
        seen.add(known)
        now = verdict(rule, known)
        if now != "wait":
            found.add(now)
            continue
        for place, status in enumerate(upstream):
            if known[place] is None and status is not None:
                stack.append((*known[:place], status, *known[place + 1 :]))
    return found
