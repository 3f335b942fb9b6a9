"""The critical path is the longest chain, and slack is what the others may lose."""

from __future__ import annotations

import networkx
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.graph.critical_path import critical_path, planned_s, remaining, urgency
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task


def plan(**tasks: tuple[float, list[str]]) -> Plan:
    return Plan(
        goal="g",
        tasks=[Task(id=n, sh="x", estimate_s=s, needs=needs) for n, (s, needs) in tasks.items()],
    )


def test_the_longer_arm_of_a_diamond_is_critical() -> None:
    #   a:1 ─┬─► b:5 ─┬─► d:2
    #        └─► c:3 ─┘
    found = critical_path(plan(a=(1, []), b=(5, ["a"]), c=(3, ["a"]), d=(2, ["b", "c"])))
    assert found.tasks == ("a", "b", "d")
    assert found.length_s == 8
    assert found.slack_s == {"a": 0, "b": 0, "c": 2, "d": 0}
    assert found.start_s["d"] == 6


def test_gates_and_milestones_take_no_time_and_stay_on_the_path() -> None:
    # build:4 ─► approve:0 ─► publish:1 ─► done:0
    gated = Plan(
        goal="g",
        tasks=[
            Task(id="build", sh="x", estimate_s=4.0),
            Task(id="approve", approval="ok?", needs=["build"]),
            Task(id="publish", sh="x", needs=["approve"]),
            Task(id="done", needs=["publish"]),
        ],
    )
    found = critical_path(gated)
    assert found.tasks == ("build", "approve", "publish", "done")
    assert found.length_s == 5


def test_realised_durations_override_estimates() -> None:
    two = plan(a=(1, []), b=(2, []))
    assert critical_path(two).tasks == ("b",)
    assert critical_path(two, {"a": 9.0}).tasks == ("a",)


def test_remaining_is_the_longest_chain_from_the_start_of_a_task() -> None:
    assert remaining(plan(a=(1, []), b=(5, ["a"]), c=(3, ["a"]))) == {"a": 6, "b": 5, "c": 3}


def test_urgency_is_the_same_by_place_in_the_plan() -> None:
    # ask:0 ─► a:1 ─► b:1 ─► done:0, and book:1 beside them
    found = Plan(
        goal="g",
        tasks=[
            Task(id="done", needs=["b"]),
            Task(id="ask", approval="?"),
            Task(id="a", sh="x", needs=["ask"]),
            Task(id="b", run=print, needs=["a"]),
            Task(id="book", notebook="x.ipynb"),
            Task(id="call", todo="Ring", estimate_s=4.0),
        ],
    )
    assert urgency(found) == [0.0, 2.0, 2.0, 1.0, 1.0, 4.0]
    assert urgency(found, default_s=3.0) == [0.0, 6.0, 6.0, 3.0, 3.0, 4.0]
    assert remaining(found) == dict(zip(found.by_id, urgency(found), strict=True))


def test_a_plan_takes_as_long_as_its_estimates_if_all_work_has_one() -> None:
    book = Task(id="book", notebook="x.ipynb", needs=["a"])
    assert planned_s(plan(a=(1, []), b=(5, ["a"]))) == 6.0
    assert planned_s(Plan(goal="g", tasks=[Task(id="a", sh="x", estimate_s=1.0), book])) is None


def test_an_empty_plan_has_no_path() -> None:
    assert critical_path(Plan(goal="g")).tasks == ()


@given(st.data())
def test_length_agrees_with_networkx(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 10))
    tasks = {}
    for n in range(size):
        earlier = [f"t{m}" for m in range(n)]
        needs = data.draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else []
        tasks[f"t{n}"] = (float(data.draw(st.integers(0, 9))), needs)
    found = critical_path(plan(**tasks))
    graph = networkx.DiGraph()
    graph.add_node("end")
    for name, (length, needs) in tasks.items():
        graph.add_edge(name, "end", weight=length)
        for need in needs:
            graph.add_edge(need, name, weight=tasks[need][0])
    assert found.length_s == networkx.dag_longest_path_length(graph)
    assert sum(tasks[t][0] for t in found.tasks) == found.length_s
    assert all(found.slack_s[t] == 0 for t in found.tasks)
    assert max(urgency(plan(**tasks))) == found.length_s
