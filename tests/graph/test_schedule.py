"""A schedule keeps every need and every worker, and says how good it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from orch_nb.errors import PlanError, UsageError
from orch_nb.graph.schedule import schedule
from orch_nb.graph.topology import upstream
from orch_nb.model.plan import Plan
from orch_nb.model.task import Approval, Pool, Task


def plan(*tasks):
    return Plan(goal="g", tasks=tasks)


def diamond():
    #    ┌─► b (3) ─┐
    # a ─┤          ├─► d
    #    └─► c (1) ─┘
    return plan(
        Task(id="a", sh="x", estimate=1), Task(id="b", sh="x", estimate=3, needs=["a"]),
        Task(id="c", sh="x", estimate=1, needs=["a"]),
        Task(id="d", sh="x", estimate=1, needs=["b", "c"]),
    )  # fmt: skip


def times(found):
    return {item.task: (item.start_s, item.finish_s) for item in found.items}


def test_with_workers_enough_it_is_the_critical_path():
    found = schedule(diamond())
    assert found.makespan_s == found.bound_s == 5.0
    assert times(found) == {"a": (0, 1), "b": (1, 4), "c": (1, 2), "d": (4, 5)}


def test_with_one_worker_it_is_all_the_work():
    found = schedule(diamond(), workers=1)
    assert found.makespan_s == found.bound_s == 6.0
    assert [item.task for item in found.items] == ["a", "b", "c", "d"]


def test_the_longest_remaining_path_goes_first():
    # short, and long ─► tail: one worker begins with long
    found = schedule(
        plan(
            Task(id="short", sh="x", estimate=2), Task(id="long", sh="x", estimate=1),
            Task(id="tail", sh="x", estimate=5, needs=["long"]),
        ),
        workers=1,
    )  # fmt: skip
    assert [item.task for item in found.items] == ["long", "tail", "short"]


def test_gates_and_milestones_take_no_worker():
    found = schedule(
        plan(
            Task(id="ok", approval=Approval("Go?"), estimate="1h"), Task(id="m"),
            Task(id="a", sh="x", estimate=1), Task(id="b", sh="x", estimate=1),
        ),
        workers=1,
    )  # fmt: skip
    assert times(found) == {"ok": (0, 3600), "m": (0, 0), "a": (0, 1), "b": (1, 2)}
    assert {item.task: item.worker for item in found.items} == {
        "ok": None, "m": None, "a": 0, "b": 0,
    }  # fmt: skip


def test_what_was_measured_overrides_the_estimates():
    assert schedule(diamond(), durations_s={"c": 10.0}).makespan_s == 12.0
    assert schedule(plan(Task(id="a", sh="x")), default_s=7.0).makespan_s == 7.0


@pytest.mark.parametrize(
    ("options", "words"),
    [({"workers": 0}, "at least 1"), ({"workers": True}, "at least 1"),
     ({"pools": {"db": 1}}, "`db` is no pool of the plan"),
     ({"budget_s": -1.0}, "a number of seconds")],
)  # fmt: skip
def test_options_that_cannot_be_are_refused(options, words):
    with pytest.raises(UsageError, match=words):
        schedule(diamond(), **options)


def test_empty_pools_are_no_pools():
    assert schedule(diamond(), pools={}).makespan_s == 5.0


def pooled(slots):
    # four queries that share a database, and one that does not
    tasks = [Task(id=f"q{n}", sh="x", estimate=1, pool="db") for n in range(4)]
    return Plan(goal="g", tasks=[*tasks, Task(id="free", sh="x", estimate=1)], pools={"db": slots})


def test_tasks_wait_for_a_slot_and_let_others_pass():
    found = schedule(pooled(slots=1), workers=2)
    assert times(found) == {
        "q0": (0, 1), "free": (0, 1), "q1": (1, 2), "q2": (2, 3), "q3": (3, 4),
    }  # fmt: skip
    assert found.makespan_s == found.bound_s == 4.0


def test_slots_of_the_plan_may_be_overridden():
    assert schedule(pooled(slots=1)).makespan_s == 4.0
    assert schedule(pooled(slots=1), pools={"db": 4}).makespan_s == 1.0
    assert schedule(pooled(slots=4), pools={"db": 2}).bound_s == 2.0


def test_a_task_may_hold_several_slots_and_several_pools():
    found = schedule(
        Plan(
            goal="g",
            tasks=[
                Task(id="big", sh="x", estimate=2, pool={"db": 2, "api": 1}),
                Task(id="small", sh="x", estimate=1, pool="db"),
                Task(id="other", sh="x", estimate=1, pool="api"),
            ],
            pools={"db": 2, "api": {"rate": {"starts": 1, "period_s": 1.0}}},
        )
    )
    # A pool without slots bounds nothing here.
    assert times(found) == {"big": (0, 2), "other": (0, 1), "small": (2, 3)}
    assert found.bound_s == 2.5


def test_slots_that_cannot_be_are_refused():
    big = Plan(goal="g", tasks=[Task(id="a", sh="x", pool={"db": 2})], pools={"db": 2})
    with pytest.raises(UsageError, match="`a` holds 2 slots of pool `db`, which has 1"):
        schedule(big, pools={"db": 1})
    with pytest.raises(UsageError, match="at least 1 slot, not 0"):
        schedule(big, pools={"db": 0})
    with pytest.raises(UsageError, match="Did you mean `db`"):
        schedule(big, pools={"dbs": 2})


def test_a_higher_priority_goes_before_a_longer_path():
    found = schedule(
        plan(
            Task(id="long", sh="x", estimate=9), Task(id="low", sh="x", estimate=1, priority=-1),
            Task(id="high", sh="x", estimate=1, priority=1),
        ),
        workers=1,
    )  # fmt: skip
    assert [item.task for item in found.items] == ["high", "long", "low"]


def test_a_notebook_takes_a_worker():
    found = schedule(
        plan(*(Task(id=n, notebook=f"{n}.ipynb", estimate=1) for n in "ab")), workers=1
    )
    assert found.makespan_s == found.bound_s == 2.0


def test_a_broken_plan_is_refused():
    with pytest.raises(PlanError, match="is a cycle"):
        schedule(plan(Task(id="a", needs=["b"]), Task(id="b", needs=["a"])))


def test_it_is_a_table_too():
    pandas = pytest.importorskip("pandas")
    table = schedule(diamond()).df
    assert isinstance(table, pandas.DataFrame)
    assert {"task", "start_s", "finish_s"} <= set(table.columns)


@st.composite
def dags(draw):
    count = draw(st.integers(1, 12))
    tasks = []
    for n in range(count):
        needs = draw(st.lists(st.integers(0, n - 1), max_size=3, unique=True)) if n else []
        tasks.append(
            Task(id=str(n), sh="x", needs=[str(need) for need in needs],
                 estimate=draw(st.integers(0, 9)))
        )  # fmt: skip
    return plan(*tasks)


@given(dags(), st.lists(st.integers(0, 2), min_size=12, max_size=12), st.integers(2, 4))
def test_no_slot_is_ever_held_twice(found_plan, takes, slots):
    tasks = [
        replace(task, pool={"db": take} if take else None)
        for task, take in zip(found_plan, takes, strict=False)
    ]
    found = schedule(replace(found_plan, tasks=tasks, pools={"db": Pool(slots)}), workers=3)
    held = {task.id: (task.pool or {}).get("db", 0) for task in tasks}
    assert len(found.items) == len(tasks)
    for item in found.items:
        at = [o for o in found.items if o.start_s <= item.start_s < o.finish_s]
        assert sum(held[other.task] for other in at) <= slots
        assert len(at) <= 3
    assert found.bound_s <= found.makespan_s + 1e-9


@given(dags(), st.none() | st.integers(1, 4))
def test_no_need_and_no_worker_is_ever_overstepped(found_plan, workers):
    found = schedule(found_plan, workers)
    when = times(found)
    assert set(when) == {task.id for task in found_plan}
    for task, waits in upstream(found_plan).items():
        assert all(when[other][1] <= when[task][0] for other in waits)
    for item in found.items:
        others = [
            other for other in found.items
            if other is not item and other.worker == item.worker
            and other.start_s < item.finish_s and item.start_s < other.finish_s
        ]  # fmt: skip
        assert not others
    limit = workers or len(found_plan)
    assert found.bound_s - 1e-9 <= found.makespan_s <= (2 - 1 / limit) * found.bound_s + 1e-9
