"""The critical path is the longest chain, and slack is what the others may lose."""

from __future__ import annotations

import networkx
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.graph.critical_path import critical_path, remaining
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
