"""Trigger rules: their truth table against a reading of the upstream tasks one by one."""

from __future__ import annotations

from itertools import product

import pytest

from orch_nb.engine.trigger import Verdict, judge
from orch_nb.model.plan import Plan
from orch_nb.model.status import Status
from orch_nb.model.task import Task, TriggerRule

HOW = (
    None, Status.SUCCEEDED, Status.SKIPPED, Status.FAILED, Status.UPSTREAM_FAILED,
    Status.CANCELLED,
)  # fmt: skip
VERDICT = {
    "wait": Verdict.WAIT,
    "run": Verdict.RUN,
    "skipped": Verdict.SKIP,
    "upstream_failed": Verdict.UPSTREAM_FAILED,
}


@pytest.mark.parametrize("rule", TriggerRule)
@pytest.mark.parametrize("width", range(5))
def test_every_combination_of_up_to_four_upstream_tasks(rule, width, brute_force):
    names = tuple(f"u{n}" for n in range(width))
    plan = Plan(goal="g", tasks=(*(Task(id=u) for u in names), Task(id="t", trigger=rule)))
    for ends in product(HOW, repeat=width):
        ended = {name: how for name, how in zip(names, ends, strict=True) if how is not None}
        counts = (
            sum(how is Status.SUCCEEDED for how in ends),
            sum(how is Status.SKIPPED for how in ends),
            sum(how in (Status.FAILED, Status.UPSTREAM_FAILED, Status.CANCELLED) for how in ends),
        )
        expected = VERDICT[brute_force(plan, "t", {"t": names}, ended)]
        assert judge(rule, width, *counts) is expected, ends


@pytest.mark.parametrize(
    ("rule", "succeeded", "skipped", "failed", "verdict"),
    [
        ("all_success", 2, 0, 0, Verdict.RUN),
        ("all_success", 1, 0, 0, Verdict.WAIT),
        ("all_success", 0, 0, 1, Verdict.UPSTREAM_FAILED),  # decided before the other has ended
        ("all_success", 0, 1, 0, Verdict.SKIP),
        ("all_done", 1, 0, 0, Verdict.WAIT),
        ("all_done", 0, 1, 1, Verdict.RUN),
        ("one_failed", 0, 0, 1, Verdict.RUN),  # as soon as one has
        ("one_failed", 2, 0, 0, Verdict.SKIP),
        ("none_failed", 1, 1, 0, Verdict.RUN),
        ("none_failed", 0, 2, 0, Verdict.RUN),
        ("none_failed", 1, 0, 1, Verdict.UPSTREAM_FAILED),
    ],
)
def test_the_table_of_the_docstring(rule, succeeded, skipped, failed, verdict):
    assert judge(TriggerRule(rule), 2, succeeded, skipped, failed) is verdict


@pytest.mark.parametrize("rule", TriggerRule)
def test_a_task_without_upstream_always_runs(rule):
    assert judge(rule, 0, 0, 0, 0) is Verdict.RUN
