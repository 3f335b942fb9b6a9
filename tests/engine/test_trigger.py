"""Trigger rules: the truth table of all of them, against Airflow's reading of it (`reference`)."""

from __future__ import annotations

from collections import Counter
from itertools import combinations_with_replacement

import pytest

from orch_nb.engine.trigger import Verdict, judge
from orch_nb.model.task import TriggerRule

from .airflow_rules import verdict

HOW = (None, "succeeded", "skipped", "failed", "upstream_failed", "cancelled")
RUN, WAIT, SKIP, FAILED = Verdict.RUN, Verdict.WAIT, Verdict.SKIP, Verdict.UPSTREAM_FAILED
VERDICT = {"wait": WAIT, "run": RUN, "skipped": SKIP, "upstream_failed": FAILED}


def judged(rule: str, *upstream: str | None) -> Verdict:
    count = Counter(upstream)
    failed = count["failed"] + count["cancelled"]
    counts = (count["succeeded"], count["skipped"], failed, count["upstream_failed"])
    return judge(TriggerRule(rule), len(upstream), *counts)


@pytest.mark.parametrize("rule", TriggerRule)
@pytest.mark.parametrize("width", range(5))
def test_every_combination_of_up_to_four_upstream_tasks(rule, width):
    for upstream in combinations_with_replacement(HOW, width):
        expected = VERDICT[verdict(rule, upstream)]
        assert judged(rule, *upstream) is expected, upstream


OK, NO, SK, UF, CA, GO = "succeeded", "failed", "skipped", "upstream_failed", "cancelled", None


@pytest.mark.parametrize(
    ("rule", "upstream", "expected"),
    [
        ("all_success", (OK, OK), RUN),
        ("all_success", (OK, GO), WAIT),
        ("all_success", (NO, GO), FAILED),  # decided before the other has ended
        ("all_success", (CA, GO), FAILED),  # a cancelled task counts as a failed one
        ("all_success", (SK, GO), SKIP),
        ("all_success", (SK, NO), FAILED),
        ("all_failed", (NO, UF), RUN),
        ("all_failed", (NO, GO), WAIT),
        ("all_failed", (OK, GO), SKIP),
        ("all_failed", (SK, GO), SKIP),
        ("all_done", (OK, GO), WAIT),
        ("all_done", (SK, NO), RUN),
        ("all_done_min_one_success", (OK, NO), RUN),
        ("all_done_min_one_success", (OK, GO), WAIT),
        ("all_done_min_one_success", (NO, UF), FAILED),
        ("all_done_min_one_success", (OK, SK), SKIP),  # on any skip
        ("all_done_min_one_success", (SK, GO), SKIP),
        ("all_skipped", (SK, SK), RUN),
        ("all_skipped", (SK, GO), WAIT),
        ("all_skipped", (OK, GO), SKIP),
        ("one_failed", (NO, GO), RUN),  # as soon as one has
        ("one_failed", (UF, GO), RUN),
        ("one_failed", (OK, GO), WAIT),
        ("one_failed", (OK, OK), SKIP),
        ("one_failed", (OK, SK), SKIP),
        ("one_success", (OK, GO), RUN),
        ("one_success", (NO, GO), WAIT),
        ("one_success", (NO, SK), FAILED),
        ("one_success", (SK, SK), SKIP),
        ("one_done", (NO, GO), RUN),
        ("one_done", (OK, GO), RUN),
        ("one_done", (UF, GO), WAIT),  # it did not run
        ("one_done", (UF, SK), SKIP),
        ("none_failed", (OK, SK), RUN),
        ("none_failed", (SK, SK), RUN),
        ("none_failed", (OK, NO), FAILED),
        ("none_failed_min_one_success", (OK, SK), RUN),
        ("none_failed_min_one_success", (SK, SK), SKIP),
        ("none_failed_min_one_success", (UF, GO), FAILED),
        ("none_skipped", (OK, NO), RUN),
        ("none_skipped", (OK, GO), WAIT),
        ("none_skipped", (SK, GO), SKIP),
        ("always", (GO, GO), RUN),
    ],
)
def test_the_table_of_the_docstring(rule, upstream, expected):
    assert judged(rule, *upstream) is expected
    assert VERDICT[verdict(TriggerRule(rule), upstream)] is expected


@pytest.mark.parametrize("rule", TriggerRule)
def test_a_task_without_upstream_always_runs(rule):
    assert judged(rule) is RUN


@pytest.mark.parametrize("rule", TriggerRule)
def test_what_lets_a_task_run_early_is_not_taken_back_by_what_ends_afterwards(rule):
    for upstream in combinations_with_replacement(HOW[1:], 3):
        early = judged(rule, upstream[0], None, None)
        late = judged(rule, *upstream)
        # Of a skip and a failure the first one counts, so which it is may depend on the order.
        assert early in (WAIT, late) or {early, late} == {SKIP, FAILED}, upstream
