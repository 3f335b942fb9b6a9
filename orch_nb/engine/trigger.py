"""Trigger rules: may a task run, seen from how its upstream stands?

The semantics are Airflow's (`airflow/ti_deps/deps/trigger_rule_dep.py`): a rule may be decided
before all upstream tasks have ended, skips and failures propagate in their own kind, and a task
without upstream always runs. A cancelled task counts as failed.

    rule          runs                       else
    all_success   all succeeded              a failure: upstream_failed; a skip: skipped
    all_done      all ended
    one_failed    as soon as one failed      all ended without a failure: skipped
    none_failed   all succeeded or skipped   a failure: upstream_failed
"""

from __future__ import annotations

from enum import Enum

from orch_nb.model.task import TriggerRule

__all__ = ["Verdict", "judge"]


class Verdict(Enum):
    WAIT = "wait"
    RUN = "run"
    SKIP = "skip"
    UPSTREAM_FAILED = "upstream_failed"


def judge(rule: TriggerRule, total: int, succeeded: int, skipped: int, failed: int) -> Verdict:  # noqa: PLR0911
    """The verdict on a task with `total` upstream tasks, of which so many ended in each way.

    `failed` counts failed, upstream_failed and cancelled ones.
    """
    if total == 0:
        return Verdict.RUN
    done = succeeded + skipped + failed == total
    if rule is TriggerRule.ALL_SUCCESS:
        if failed:
            return Verdict.UPSTREAM_FAILED
        if skipped:
            return Verdict.SKIP
        return Verdict.RUN if done else Verdict.WAIT
    if rule is TriggerRule.ALL_DONE:
        return Verdict.RUN if done else Verdict.WAIT
    if rule is TriggerRule.ONE_FAILED:
        if failed:
            return Verdict.RUN
        return Verdict.SKIP if done else Verdict.WAIT
    if failed:
        return Verdict.UPSTREAM_FAILED
    return Verdict.RUN if done else Verdict.WAIT
