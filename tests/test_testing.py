"""The fakes: time that is moved by hand, attempts that are scripted, plans in small shapes."""

from __future__ import annotations

import pytest

from orch_nb.graph.topology import shape
from orch_nb.testing import (
    FakeExecutor,
    Hang,
    ManualClock,
    Took,
    chain,
    diamond,
    fan,
    layered,
    perform,
)  # fmt: skip


def test_a_clock_stands_still_until_it_is_advanced_and_fires_timers_at_their_own_time():
    clock, fired = ManualClock(start=100.0), []
    clock.call_at(103.0, lambda: fired.append(("late", clock.now())))
    clock.call_at(101.0, lambda: fired.append(("soon", clock.now())))
    clock.advance(0.5)
    assert (clock.now(), fired) == (100.5, [])
    clock.advance(5.0)
    assert fired == [("soon", 101.0), ("late", 103.0)]
    assert clock.slept == 5.5


def test_a_timer_that_a_timer_arms_fires_in_the_same_advance():
    clock, fired = ManualClock(start=0.0), []
    clock.call_at(1.0, lambda: clock.call_at(2.0, lambda: fired.append(clock.now())))
    clock.advance(3.0)
    assert fired == [2.0]


def test_a_cancelled_timer_does_not_fire():
    clock = ManualClock(start=0.0)
    clock.call_at(1.0, lambda: pytest.fail("it fired")).cancel()
    assert clock.next_at() is None
    clock.advance(2.0)


def test_a_script_says_how_each_attempt_ends_and_the_last_repeats():
    executor = FakeExecutor({"a": [ValueError("no"), "yes"], "c": [Took("slow", 9.0)]})
    clock = ManualClock()
    run = perform(diamond(retry=2), executor=executor, clock=clock)
    assert dict(run.results) == {"a": "yes", "b": "b", "c": "slow", "d": "d"}
    assert executor.submitted == [("a", 1), ("a", 2), ("b", 1), ("c", 1), ("d", 1)]
    assert executor.most == 2
    assert executor.stopped


def test_a_run_that_never_ends_is_a_timeout_and_leaves_nothing():
    executor = FakeExecutor({"b": [Hang()]})
    with pytest.raises(TimeoutError, match="has not ended"):
        perform(chain("a", "b"), executor=executor, at_most_s=60)
    assert executor.stopped


@pytest.mark.parametrize(
    ("plan", "tasks", "depth", "width"),
    [
        (chain("a", "b", "c"), 3, 3, 1),
        (diamond(), 4, 3, 2),
        (fan(5), 7, 3, 5),
        (layered(4, 3), 12, 4, 3),
        (layered(2, 1), 2, 2, 1),
    ],
    ids=["chain", "diamond", "fan", "layered", "narrow"],
)
def test_plans_have_the_shape_of_their_name(plan, tasks, depth, width):
    found = shape(plan)
    assert (found.tasks, found.depth, found.width) == (tasks, depth, width)
