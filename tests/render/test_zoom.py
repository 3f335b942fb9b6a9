"""A drawing at any zoom: some groups task by task, the others as one box each."""

from __future__ import annotations

import re

import pytest

from orch_nb.model.plan import Plan, Story
from orch_nb.model.task import Task
from orch_nb.render.zoom import MOST_BOXES, zoomed


def plan(stories, each):
    tasks = [
        Task(
            id=f"s{s}t{n}", run="m:f", story=f"s{s}",
            needs=(f"s{s - 1}t{n}",) if s else (),
        )
        for s in range(stories)
        for n in range(each)
    ]  # fmt: skip
    return Plan(goal="g", tasks=tasks, stories=[Story(id=f"s{s}") for s in range(stories)])


def drawn(found):
    """The ids of the boxes in the picture."""
    return set(re.findall(r'<g id="([^"]+)" class="node"', found.svg))


def test_a_small_plan_is_drawn_task_by_task_and_its_stories_can_be_closed():
    found = zoomed(plan(3, 4))
    assert len(found.nodes) == 12
    assert set(found.nodes) == drawn(found)
    assert found.opened == ("story:s0", "story:s1", "story:s2")
    closed = zoomed(plan(3, 4), ())
    assert [name for name, _ in closed.nodes.values()] == ["story:s0", "story:s1", "story:s2"]


def test_a_large_plan_is_drawn_by_its_stories_and_one_is_opened():
    found = zoomed(plan(5, 40))
    assert len(found.nodes) == 5
    assert found.closed == tuple(f"story:s{n}" for n in range(5))
    opened = zoomed(plan(5, 40), ("story:s2",))
    kinds = [type(of) for of in opened.nodes.values()]
    assert kinds.count(str) == 40
    assert kinds.count(tuple) == 4
    assert set(opened.nodes) == drawn(opened)


def test_every_edge_has_two_ends_in_the_picture_in_the_order_of_its_paths():
    found = zoomed(plan(4, 30), ("story:s1",))
    assert found.edges
    assert all(end in found.nodes for edge in found.edges for end in edge)
    paths = len(re.findall(r"<path d=", found.svg))
    assert paths == 2 * len(found.edges), "a line and a tip each"


def test_more_than_can_be_drawn_is_left_closed_and_said_so():
    found = zoomed(plan(3, MOST_BOXES), ("story:s0", "story:s1"))
    assert not found.opened
    assert "too many tasks to draw" in found.note


def test_a_plan_without_stories_is_grouped_by_its_levels():
    found = zoomed(Plan(goal="g", tasks=[Task(id=f"t{n}", run="m:f") for n in range(100)]))
    assert len(found.nodes) == 100, "one level is no group: its tasks are drawn"
    chain = [Task(id=f"t{n}", run="m:f", needs=(f"t{n - 1}",) if n else ()) for n in range(100)]
    assert zoomed(Plan(goal="g", tasks=chain)).closed[:2] == ("level:1", "level:2")


@pytest.mark.parametrize("many", [0, 1])
def test_a_plan_of_little_is_no_trouble(many):
    assert len(zoomed(Plan(goal="g", tasks=[Task(id="a")][:many])).nodes) == many
