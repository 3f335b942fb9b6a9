"""The shape of a plan follows from its needs and its hierarchy."""

from __future__ import annotations

import networkx
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.graph.topology import (
    ancestors,
    children,
    compiled,
    descendants,
    downstream,
    find_cycles,
    invert,
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


def test_a_plan_as_numbers() -> None:
    # fetch ─► split ─► store ─► load ─► report
    nested = Plan(
        goal="g",
        tasks=[
            Task(id="fetch"),
            Task(id="load", needs=["fetch"], subtasks=[Task(id="split"), Task(id="store")]),
            Task(id="report", needs=["load"]),
        ],
    )
    found = compiled(nested)
    assert found.ids == ["fetch", "load", "split", "store", "report"]
    assert found.index == {task: n for n, task in enumerate(found.ids)}
    assert found.up == [(), (0, 3), (0,), (2,), (1,)]
    assert found.down == [(1, 2), (4,), (3,), (1,), ()]
    assert found.order == [0, 2, 3, 1, 4]
    assert found.whole
    assert compiled(nested) is found


def test_needs_that_are_no_tasks_are_left_out_and_it_is_said() -> None:
    found = compiled(plan(a=[], b=["zzz", "a", "a"]))
    assert found.up == [(), (0,)]
    assert not found.whole
    assert compiled(plan(a=[], b=["a", "a"])).whole


def test_of_tasks_of_one_name_the_last_counts() -> None:
    tasks = [Task(id="a"), Task(id="b", needs=["a"]), Task(id="a", needs=["b"])]
    found = compiled(Plan(goal="g", tasks=tasks))
    assert (found.ids, found.up, found.order) == (["a", "b"], [(1,), (0,)], [])


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Tasks with needs and parents of any kind: unknown ones, circles and duplicates too."""
    names = [f"t{n}" for n in range(draw(st.integers(1, 8)))]
    some = st.sampled_from([*names, "none"])
    return Plan(
        goal="g",
        tasks=[
            Task(
                id=name,
                needs=draw(st.none() | st.lists(some, max_size=3)),
                parent=draw(st.none() | st.none() | some),
            )
            for name in names
        ],
    )


@given(plans())
def test_numbers_and_names_tell_the_same_graph(found_plan: Plan) -> None:
    found, edges = compiled(found_plan), upstream(found_plan)
    assert list(edges) == found.ids == [task.id for task in found_plan]
    assert [tuple(found.ids[place] for place in up) for up in found.up] == list(edges.values())
    assert downstream(found_plan) == invert(edges)
    assert sorted(n for level in levels(found_plan) for n in level) == sorted(order(edges))


@given(plans())
def test_an_order_has_every_task_after_what_it_waits_for(found_plan: Plan) -> None:
    found = compiled(found_plan)
    seen: set[int] = set()
    for place in found.order:
        assert set(found.up[place]) <= seen
        seen.add(place)
    assert len(seen) == len(found.order)
    missing = set(range(len(found.ids))) - seen
    assert all(set(found.up[place]) & missing for place in missing)  # on a cycle, or behind one
    assert bool(missing) == bool(find_cycles(upstream(found_plan)))


@given(plans())
def test_the_edges_follow_the_three_rules(found_plan: Plan) -> None:
    edges, known = upstream(found_plan), found_plan.by_id
    families = children(found_plan)
    for task in found_plan:
        waits = set(edges[task.id])
        assert waits >= {need for need in task.needs or () if need in known}
        for child in families.get(task.id, ()):
            siblings = families[task.id]
            waited = any(child in (known[other].needs or ()) for other in siblings)
            assert waited or child in waits
        if task.parent in known and task.parent != task.id:
            family = families[task.parent]
            if not any(need in family for need in task.needs or ()):
                assert waits >= {n for n in known[task.parent].needs or () if n in known}
