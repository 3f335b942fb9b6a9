"""The shape of a plan follows from its needs and its hierarchy."""

from __future__ import annotations

import networkx
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.graph.topology import (
    ancestors,
    descendants,
    downstream,
    find_cycles,
    levels,
    order,
    shape,
    upstream,
)
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task


def plan(**needs: list[str]) -> Plan:
    return Plan(goal="g", tasks=[Task(id=name, needs=waits) for name, waits in needs.items()])


def test_a_diamond_has_depth_three_and_width_two() -> None:
    #   a ─┬─► b ─┬─► d
    #      └─► c ─┘
    diamond = plan(a=[], b=["a"], c=["a"], d=["b", "c"])
    assert levels(diamond) == (("a",), ("b", "c"), ("d",))
    found = shape(diamond)
    assert (found.depth, found.width, found.edges, found.roots, found.leaves) == (
        3, 2, 4, ("a",), ("d",),
    )  # fmt: skip


def test_a_plan_of_nothing_has_no_levels() -> None:
    assert levels(Plan(goal="g")) == ()
    assert shape(Plan(goal="g")).depth == 0


def test_subtasks_inherit_their_parents_needs_and_the_parent_ends_after_them() -> None:
    # fetch ─► split ─► store ─► load ─► report
    nested = Plan(
        goal="g",
        tasks=[
            Task(id="fetch"),
            Task(id="load", needs=["fetch"], subtasks=[Task(id="split"), Task(id="store")]),
            Task(id="report", needs=["load"]),
        ],
    )
    assert upstream(nested) == {
        "fetch": (),
        "load": ("fetch", "store"),
        "split": ("fetch",),
        "store": ("split",),
        "report": ("load",),
    }


def test_subtasks_that_say_they_need_nothing_run_side_by_side() -> None:
    # fetch ─┬─► left ──┬─► load
    #        └─► right ─┘
    nested = Plan(
        goal="g",
        tasks=[
            Task(id="fetch"),
            Task(
                id="load",
                needs=["fetch"],
                subtasks=[Task(id="left", needs=[]), Task(id="right", needs=[])],
            ),
        ],
    )
    edges = upstream(nested)
    assert edges["left"] == edges["right"] == ("fetch",)
    assert edges["load"] == ("fetch", "left", "right")


def test_needs_of_grandparents_reach_the_first_grandchild_only() -> None:
    deep = Plan(
        goal="g",
        tasks=[
            Task(id="x"),
            Task(
                id="p",
                needs=["x"],
                subtasks=[
                    Task(id="q", subtasks=[Task(id="q1"), Task(id="q2")]),
                    Task(id="r", subtasks=[Task(id="r1")]),
                ],
            ),
        ],
    )
    edges = upstream(deep)
    assert edges["q1"] == ("x",)
    assert edges["q2"] == ("q1",)
    assert edges["r1"] == ("q",)


def test_reach_goes_near_and_far() -> None:
    chain = plan(a=[], b=["a"], c=["b"], d=[])
    assert descendants(downstream(chain), "a") == {"b", "c"}
    assert ancestors(upstream(chain), "c") == {"a", "b"}


def test_a_cycle_is_named_in_order() -> None:
    assert find_cycles({"a": ("c",), "b": ("a",), "c": ("b",), "d": ("a",)}) == [["a", "c", "b"]]
    assert find_cycles({"a": ("a",)}) == [["a"]]
    assert find_cycles({"a": (), "b": ("a",)}) == []


def test_a_chain_of_fifty_thousand_needs_no_recursion() -> None:
    edges = {str(n): ((str(n - 1),) if n else ()) for n in range(50_000)}
    assert len(order(edges)) == 50_000
    assert find_cycles(edges) == []


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    size = draw(st.integers(1, 12))
    names = [f"t{n}" for n in range(size)]
    return {
        name: tuple(draw(st.lists(st.sampled_from(names), unique=True, max_size=4)))
        for name in names
    }


@given(graphs())
def test_cycles_agree_with_networkx(edges: dict[str, tuple[str, ...]]) -> None:
    graph = networkx.DiGraph([(task, other) for task, waits in edges.items() for other in waits])
    graph.add_nodes_from(edges)
    knots = [
        knot
        for knot in networkx.strongly_connected_components(graph)
        if len(knot) > 1 or graph.has_edge(*(2 * list(knot)))
    ]
    cycles = find_cycles(edges)
    assert len(cycles) == len(knots)
    for cycle in cycles:
        assert all(b in edges[a] for a, b in zip(cycle, cycle[1:] + cycle[:1], strict=True))
