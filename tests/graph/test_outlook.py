"""How long a run will still take: the longest path of what is left, or the work by the workers."""

from __future__ import annotations

import pytest

from orch_nb.graph.outlook import Outlook, outlook
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task


def plan(*tasks):
    return Plan(goal="g", tasks=tasks)


def task(name, estimate=None, *needs, **more):
    return Task(id=name, run="m:f", needs=needs, estimate=estimate, **more)


CHAIN = plan(task("a", 2), task("b", 3, "a"), task("c", 4, "b"))
WIDE = plan(*(task(f"t{n}", 6) for n in range(10)))


def test_a_chain_takes_the_sum_of_what_is_left_whatever_the_workers():
    assert outlook(CHAIN, {}, {}, 8) == Outlook(9.0)
    assert outlook(CHAIN, {"a": 2.5}, {}, 8) == Outlook(7.0)


def test_what_has_run_already_of_a_task_counts():
    assert outlook(CHAIN, {"a": 2.0}, {"b": 1.0}, 8) == Outlook(6.0)


def test_a_task_that_runs_longer_than_expected_is_not_nearly_done_for_ever():
    late = outlook(CHAIN, {"a": 2.0}, {"b": 30.0}, 8)
    assert late is not None
    assert late.remaining_s == pytest.approx(3.0 + 4.0), "a tenth of what it has run, then the rest"


def test_a_wide_plan_takes_its_work_by_the_workers():
    assert outlook(WIDE, {}, {}, 2) == Outlook(30.0)
    assert outlook(WIDE, {}, {}, 100) == Outlook(6.0)


def test_a_task_without_an_estimate_takes_what_others_of_its_story_took_and_is_a_guess():
    stories = plan(
        task("a", None, story="x"), task("b", None, story="x"), task("c", None, story="y"),
        task("d", None, story="y"), task("e", None, story="z"),
    )  # fmt: skip
    found = outlook(stories, {"a": 4.0, "c": 10.0}, {}, 1)
    assert found == Outlook(4.0 + 10.0 + 7.0, guessed=True), "of its own story; else of all"


def test_nothing_is_said_where_nothing_is_known():
    assert outlook(plan(task("a"), task("b")), {}, {}, 1) is None
    assert outlook(plan(task("a"), task("b")), {"a": None}, {}, 1) is None, "it did not run"


def test_a_person_and_a_milestone_count_as_no_time():
    gates = plan(
        Task(id="gate", approval="ok?"), Task(id="item", todo="look"), Task(id="done"),
        task("after", 5, "gate", "item", "done"),
    )  # fmt: skip
    assert outlook(gates, {}, {}, 4) == Outlook(5.0)


def test_a_run_at_its_end_has_nothing_left():
    assert outlook(CHAIN, {"a": 1.0, "b": 1.0, "c": None}, {}, 1) == Outlook(0.0)


def test_what_is_known_to_be_left_of_a_task_stands_for_its_estimate():
    assert outlook(CHAIN, {"a": 2.0}, {}, 8, {"b": 10.0}) == Outlook(14.0, guessed=True)
