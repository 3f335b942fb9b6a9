"""A plan's coordination in one word, with the numbers that show it."""

from __future__ import annotations

import pytest

from orch_nb.graph.strategy import coordination
from orch_nb.model.plan import Plan
from orch_nb.model.task import Approval, Task


def strategy(*tasks):
    found = coordination(Plan(goal="g", tasks=tasks))
    return found.name, found.reason


def chain(*names, **options):
    return [
        Task(id=name, needs=[names[n - 1]] if n else [], **options) for n, name in enumerate(names)
    ]


def test_one_after_the_other_is_sequential():
    assert strategy(*chain("a", "b", "c")) == ("sequential", "3 tasks run one after the other.")
    assert strategy(Task(id="a")) == ("sequential", "There is one task.")


def test_tasks_that_never_meet_are_parallel():
    assert strategy(Task(id="a"), Task(id="b")) == (
        "parallel", "None of 2 tasks waits for another.",
    )  # fmt: skip
    # a ─► b    c ─► d
    assert strategy(*chain("a", "b"), *chain("c", "d")) == (
        "parallel", "2 chains run side by side and never meet.",
    )  # fmt: skip


def test_a_diamond_fans_out_and_in():
    #    ┌─► b ─┐
    # a ─┼─► c ─┼─► e
    #    └─► d ─┘
    name, reason = strategy(
        Task(id="a"), *(Task(id=x, needs=["a"]) for x in "bcd"), Task(id="e", needs=list("bcd"))
    )
    assert name == "fan-out/fan-in"
    assert reason == "Up to 3 of 5 tasks run side by side, and 3 meet in `e`."


def test_a_fan_that_never_comes_together_says_so():
    name, reason = strategy(Task(id="a"), *(Task(id=x, needs=["a"]) for x in "bcd"))
    assert (name, reason) == (
        "fan-out/fan-in", "Up to 3 of 4 tasks run side by side: 3 wait for `a`.",
    )  # fmt: skip


def test_more_stages_than_breadth_is_a_pipeline():
    # a ─┐
    #    ├─► c ─► d ─► e
    # b ─┘
    name, reason = strategy(
        Task(id="a"), Task(id="b"), Task(id="c", needs=["a", "b"]), Task(id="d", needs=["c"]),
        Task(id="e", needs=["d"]),
    )  # fmt: skip
    assert (name, reason) == ("pipeline", "5 tasks pass through 4 stages, at most 2 side by side.")


def test_tasks_behind_a_person_are_gated():
    # build ─► approve ─► publish ─► notify
    tasks = [
        Task(id="build"),
        Task(id="approve", approval=Approval("Go?"), needs=["build"]),
        Task(id="publish", needs=["approve"]),
        Task(id="notify", needs=["publish"]),
    ]
    assert strategy(*tasks) == ("gated", "2 of 4 tasks hang behind `approve`.")


def test_a_gate_that_nothing_waits_for_is_no_gate():
    name, _ = strategy(Task(id="a"), Task(id="ok", approval=Approval("Fine?"), needs=["a"]))
    assert name == "sequential"


def test_undoing_after_a_failure_is_a_saga():
    name, reason = strategy(
        Task(id="switch", sh="x"),
        Task(id="roll_back", sh="y", needs=["switch"], trigger="one_failed"),
    )
    assert name == "saga"
    assert reason == "`roll_back` runs only when another task fails, to take work back."


def test_an_alarm_after_a_failure_is_no_saga():
    name, _ = strategy(
        Task(id="switch", sh="x"), Task(id="alarm", needs=["switch"], trigger="one_failed")
    )
    assert name == "sequential"


@pytest.mark.parametrize("count", [2, 10, 1000])
def test_the_reason_is_one_sentence(count):
    _, reason = strategy(*(Task(id=f"t{n}") for n in range(count)))
    assert reason.count(".") == 1


def test_work_that_is_undone_makes_a_saga():
    # book ─► pay ─► ask
    name, reason = strategy(
        Task(id="book", sh="x", compensate={"sh": "y"}),
        Task(id="pay", sh="x", needs=["book"], compensate={"sh": "y"}),
        Task(id="ask", approval=Approval("Go?"), needs=["pay"]),
    )
    assert name == "saga"
    assert reason == (
        "What `book` and `pay` did is undone, the last first, when the run fails or is cancelled."
    )


def test_a_task_for_each_item_fans_out():
    chained = [
        Task(id="files"), Task(id="convert", sh="x", foreach="files", max_active=4),
        Task(id="sum", needs=["convert"]),
    ]  # fmt: skip
    assert strategy(*chained) == (
        "fan-out/fan-in", "`convert` runs once for each item, at most 4 side by side.",
    )  # fmt: skip
    name, reason = strategy(Task(id="a", sh="x", foreach=[1]), Task(id="b", sh="x", foreach=[2]))
    assert (name, reason) == ("fan-out/fan-in", "`a` and `b` run once for each item.")
