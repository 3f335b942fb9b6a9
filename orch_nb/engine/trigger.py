"""Trigger rules: may a task run, seen from how its upstream stands?

The semantics are Airflow's (`airflow/ti_deps/deps/trigger_rule_dep.py`): a rule may be decided
before all upstream tasks have ended, skips and failures propagate in their own kind, and a task
without upstream always runs. A cancelled task counts as failed, and so does an upstream_failed one
in every rule but one_done. (`all_done_setup_success` is not here: it is about setup tasks.)

    rule                         runs when                        else, once it cannot
    all_success                  all succeeded                    a failure: upstream_failed; a skip: skipped
    all_failed                   all failed                       any that did not: skipped
    all_done                     all ended
    all_done_min_one_success     all ended, one succeeded and     a skip: skipped; no success: upstream_failed
                                 none was skipped
    all_skipped                  all were skipped                 any that was not: skipped
    one_failed                   as soon as one failed            all ended without: skipped
    one_success                  as soon as one succeeded         all skipped: skipped; else upstream_failed
    one_done                     as soon as one succeeded/failed  none did (an upstream_failed one did
                                                                  not run): skipped
    none_failed                  all succeeded or skipped         a failure: upstream_failed
    none_failed_min_one_success  the same, and one succeeded      a failure: upstream_failed; all skipped: skipped
    none_skipped                 all ended, none skipped          a skip: skipped
    always                       at once
"""  # noqa: E501

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from orch_nb.model.task import TriggerRule

__all__ = ["Verdict", "judge"]


class Verdict(Enum):
    WAIT = "wait"
    RUN = "run"
    SKIP = "skip"
    UPSTREAM_FAILED = "upstream_failed"


_WAIT, _RUN, _SKIP, _FAILED = (
    Verdict.WAIT, Verdict.RUN, Verdict.SKIP, Verdict.UPSTREAM_FAILED,
)  # fmt: skip


def judge(
    rule: TriggerRule,
    total: int,
    succeeded: int,
    skipped: int,
    failed: int,
    upstream_failed: int = 0,
) -> Verdict:
    """The verdict on a task with `total` upstream tasks, of which so many ended in each way.

    `failed` counts failed and cancelled ones.
    """
    if total == 0:
        return _RUN
    left = total - succeeded - skipped - failed - upstream_failed
    if rule is TriggerRule.ONE_DONE:
        return _one_done(left, succeeded, failed)
    return _RULES[rule](left, succeeded, skipped, failed + upstream_failed)


def _all_success(left: int, succeeded: int, skipped: int, failed: int) -> Verdict:
    if failed:
        return _FAILED
    if skipped:
        return _SKIP
    return _WAIT if left else _RUN


def _all_failed(left: int, succeeded: int, skipped: int, failed: int) -> Verdict:
    if succeeded or skipped:
        return _SKIP
    return _WAIT if left else _RUN


def _all_done(left: int, succeeded: int, skipped: int, failed: int) -> Verdict:
    return _WAIT if left else _RUN


def _all_done_min_one_success(left: int, succeeded: int, skipped: int, failed: int) -> Verdict:
    if skipped:
        return _SKIP
    if left:
        return _WAIT
    return _RUN if succeeded else _FAILED


def _all_skipped(left: int, succeeded: int, skipped: int, failed: int) -> Verdict:
    if succeeded or failed:
        return _SKIP
    return _WAIT if left else _RUN


def _one_failed(left: int, succeeded: int, skipped: int, failed: int) -> Verdict:
    if failed:
        return _RUN
    return _WAIT if left else _SKIP


def _one_success(left: int, succeeded: int, skipped: int, failed: int) -> Verdict:
    if succeeded:
        return _RUN
    if left:
        return _WAIT
    return _FAILED if failed else _SKIP


def _one_done(left: int, succeeded: int, failed: int) -> Verdict:
    if succeeded or failed:
        return _RUN
    return _WAIT if left else _SKIP


def _none_failed(left: int, succeeded: int, skipped: int, failed: int) -> Verdict:
    if failed:
        return _FAILED
    return _WAIT if left else _RUN


def _none_failed_min_one_success(left: int, succeeded: int, skipped: int, failed: int) -> Verdict:
    if failed:
        return _FAILED
    if left:
        return _WAIT
    return _RUN if succeeded else _SKIP


def _none_skipped(left: int, succeeded: int, skipped: int, failed: int) -> Verdict:
    if skipped:
        return _SKIP
    return _WAIT if left else _RUN


def _always(left: int, succeeded: int, skipped: int, failed: int) -> Verdict:
    return _RUN


_RULES: dict[TriggerRule, Callable[[int, int, int, int], Verdict]] = {
    TriggerRule.ALL_SUCCESS: _all_success,
    TriggerRule.ALL_FAILED: _all_failed,
    TriggerRule.ALL_DONE: _all_done,
    TriggerRule.ALL_DONE_MIN_ONE_SUCCESS: _all_done_min_one_success,
    TriggerRule.ALL_SKIPPED: _all_skipped,
    TriggerRule.ONE_FAILED: _one_failed,
    TriggerRule.ONE_SUCCESS: _one_success,
    TriggerRule.NONE_FAILED: _none_failed,
    TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS: _none_failed_min_one_success,
    TriggerRule.NONE_SKIPPED: _none_skipped,
    TriggerRule.ALWAYS: _always,
}
