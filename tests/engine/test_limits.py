"""Limits that tasks share: workers, the slots of pools, rates of starts; and who comes first."""

from __future__ import annotations

import pytest

from orch_nb.engine.memory import MemoryJournal
from orch_nb.model.task import Pool, Rate
from orch_nb.testing import FakeExecutor, Hang, Took, perform

from .plans import gate, plan_of, python, starts, statuses, steadily

NAMES = ("a", "b", "c", "d", "e")


def limited(*tasks, db=1, script=None, people=None, **options):
    """Tasks under a pool `db` of so many slots, or with a rate."""
    pool = db if isinstance(db, Pool) else Pool(db)
    executor = FakeExecutor(script)
    run = perform(
        plan_of(*tasks, pools={"db": pool, "api": Pool(1)}), executor=executor, at=people, **options
    )
    return run, executor


# -- workers


@pytest.mark.parametrize(("workers", "took"), [(1, 5), (2, 3), (5, 1), (50, 1)])
def test_no_more_attempts_than_workers_run_at_once(workers, took):
    executor = FakeExecutor()
    run = perform(plan_of(*map(python, NAMES)), executor=executor, workers=workers)
    assert executor.most == min(workers, 5)
    assert run.duration_s == took


# -- slots


@pytest.mark.parametrize(("slots", "took"), [(1, 5), (2, 3), (5, 1)])
def test_no_more_slots_are_held_than_a_pool_has(slots, took):
    run, executor = limited(*(python(name, pool="db") for name in NAMES), db=slots)
    assert executor.most == slots
    assert run.duration_s == took


def test_a_pool_holds_up_only_those_that_are_in_it():
    run, _ = limited(python("a", pool="db"), python("b", pool="db"), python("c"))
    assert starts(run, "c") == [0]
    assert starts(run, "a", "b") == [0, 1]


def test_an_attempt_may_hold_several_slots():
    run, executor = limited(*(python(n, pool={"db": 2}) for n in NAMES[:3]), db=5)
    assert executor.most == 2
    assert starts(run, "a", "b", "c") == [0, 0, 1]


def test_an_attempt_may_hold_slots_of_several_pools():
    run, _ = limited(
        python("a", pool=("db", "api")), python("b", pool="db"), python("c", pool="api"),
        python("d", pool=("db", "api")), db=2,
    )  # fmt: skip
    assert [starts(run, name) for name in "abcd"] == [[0], [0], [1], [2]]


def test_a_task_that_wants_two_slots_is_not_starved_by_those_that_want_one():
    # Two small ones run, of which one ends early: the big one that is next waits for the other,
    # and nothing smaller slips past it for ever.
    smalls = [python(f"s{n}", pool="db") for n in range(6)]
    big = python("big", pool={"db": 2}, priority=1)
    script = {"s0": [Took(0, 1.0)], "s1": [Took(1, 4.0)], "start": [Took(0, 0.5)]}
    run, _ = limited(
        python("start"), *smalls, python("big", pool={"db": 2}, priority=1, needs="start"),
        db=2, script=script,
    )  # fmt: skip
    assert starts(run, "s0", "s1") == [0, 0]
    assert starts(run, "big") == [4]
    assert min(starts(run, "s2", "s3", "s4", "s5")) == 5
    assert big.priority == 1


def test_what_wants_another_pool_goes_past_what_waits_for_a_slot():
    run, _ = limited(
        python("a", pool="db"), python("b", pool="db", priority=9), python("c", pool="api")
    )
    assert starts(run, "b", "c") == [0, 0]
    assert starts(run, "a") == [1]


def test_a_slot_is_free_between_two_attempts():
    run, _ = limited(
        python("a", pool="db", retry=steadily(2, 5.0)), python("b", pool="db"),
        script={"a": [OSError(), "ok"]},
    )  # fmt: skip
    assert starts(run, "a") == [0, 6]
    assert starts(run, "b") == [1]


@pytest.mark.parametrize("how", ["cancel", "timeout", "abandon"])
def test_a_slot_is_free_again_however_its_attempt_ended(how):
    people = {3.0: lambda driver: driver.cancel("a")} if how == "cancel" else {}
    run, _ = limited(
        python("a", pool="db", timeout=None if how == "cancel" else "3s"), python("b", pool="db"),
        script={"a": [Hang(stoppable=how != "abandon")]}, people=people,
    )  # fmt: skip
    assert starts(run, "b") == [3]


def test_one_that_is_cancelled_while_it_waits_for_slots_holds_up_nobody():
    # a holds one of two slots; b, next, wants both and is cancelled: c may have the other one.
    run, _ = limited(
        python("a", pool="db"), python("b", pool={"db": 2}, priority=1, needs="go"),
        python("c", pool="db", needs="go"), python("go"), db=2,
        script={"a": [Took("a", 9.0)]}, people={3.0: lambda driver: driver.cancel("b")},
    )  # fmt: skip
    assert statuses(run) == {
        "a": "succeeded", "b": "cancelled", "c": "succeeded", "go": "succeeded",
    }  # fmt: skip
    assert starts(run, "c") == [3]


def test_the_reason_of_a_wait_names_the_pool():
    told = []
    people = {
        0.5: lambda driver: told.extend(map(driver.why, ("b", "c"))),
    }
    limited(
        python("a", pool="db"), python("b", pool="db"), python("c"), python("d"),
        workers=2, people=people,
    )  # fmt: skip
    assert told == ["waits for pool db (1 of 1 in use)", ""]


# -- rates


def test_at_most_so_many_attempts_start_in_any_period():
    pool = Pool(rate=Rate(2, 10.0))
    run, _ = limited(*(python(name, pool="db") for name in NAMES), db=pool)
    assert starts(run, *NAMES) == [0, 0, 10, 10, 20]


def test_the_period_slides():
    #  starts at 0 and at 7 let the next two start at 10 and at 17
    pool = Pool(rate=Rate(2, 10.0))
    run, _ = limited(
        python("a", pool="db"), python("wait"), python("b", pool="db", needs="wait"),
        python("c", pool="db", needs="wait"), python("d", pool="db", needs="wait"),
        db=pool, script={"wait": [Took(0, 7.0)]},
    )  # fmt: skip
    assert starts(run, "a", "b", "c", "d") == [0, 7, 10, 17]


def test_a_rate_counts_starts_whatever_becomes_of_them():
    pool = Pool(rate=Rate(1, 10.0))
    run, _ = limited(
        python("a", pool="db", retry=steadily(3, 0.5)), db=pool,
        script={"a": [OSError(), OSError(), "ok"]},
    )  # fmt: skip
    assert starts(run, "a") == [0, 10, 20]


def test_slots_and_a_rate_hold_both():
    pool = Pool(1, Rate(2, 5.0))
    run, executor = limited(*(python(name, pool="db") for name in NAMES), db=pool)
    assert executor.most == 1
    assert starts(run, *NAMES) == [0, 1, 5, 6, 10]


def test_a_rate_holds_over_a_crash():
    pool, journal = Pool(rate=Rate(1, 10.0)), MemoryJournal()
    plan = plan_of(python("a", pool="db"), python("b", pool="db"), pools={"db": pool})
    with pytest.raises(TimeoutError):
        perform(plan, journal=journal, at_most_s=3)
    from orch_nb.testing import START, ManualClock

    clock = ManualClock(START + 4)
    run = perform(plan, journal=journal, history=journal.history("run"), clock=clock)
    assert starts(run, "a", "b") == [0, 10]


def test_a_run_that_waits_for_a_period_does_not_end_as_one_that_waits_for_people():
    pool = Pool(rate=Rate(1, 100.0))
    run, _ = limited(gate("g"), python("a", pool="db"), python("b", pool="db"), db=pool)
    assert run.status == "waiting"
    assert statuses(run) == {"g": "waiting", "a": "succeeded", "b": "succeeded"}


# -- who comes first


def test_what_is_more_urgent_starts_first_then_the_longest_path_then_the_plans_order():
    #  d has a higher priority; c has the longest path behind it
    tasks = [
        python("a"), python("b"), python("c"), python("d", priority=1), python("e", priority=-1),
        python("f", needs="c"), python("g", needs="f"),
    ]  # fmt: skip
    executor = FakeExecutor()
    perform(plan_of(*tasks), executor=executor, workers=1)
    assert [task for task, _ in executor.submitted] == ["d", "c", "f", "a", "b", "g", "e"]


def test_an_estimate_makes_a_path_longer():
    executor = FakeExecutor()
    perform(
        plan_of(python("short", estimate=1), python("long", estimate="1h")),
        executor=executor, workers=1,
    )  # fmt: skip
    assert executor.submitted[0][0] == "long"


def test_the_most_urgent_of_those_that_wait_for_a_slot_gets_it():
    run, _ = limited(
        python("a", pool="db"), python("late", pool="db"), python("soon", pool="db", priority=5),
        python("then", pool="db", priority=3),
    )  # fmt: skip
    assert [starts(run, name) for name in ("soon", "then", "a", "late")] == [[0], [1], [2], [3]]


def test_instances_stand_where_their_task_does_in_the_order_of_their_items():
    executor = FakeExecutor()
    perform(
        plan_of(python("each", foreach=[0, 1, 2], priority=1), python("a"), python("b")),
        executor=executor, workers=1,
    )  # fmt: skip
    names = [task for task, _ in executor.submitted]
    assert [name for name in names if name.startswith("each")] == ["each[0]", "each[1]", "each[2]"]
    assert names.index("each[2]") < names.index("b")
