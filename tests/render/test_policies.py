"""What a plan says of conditions, limits and times, in a table and on its drawing."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from orch_nb.model.plan import Plan
from orch_nb.model.task import Foreach, Pool, Rate, Task
from orch_nb.render import policies
from orch_nb.render.dot import plan_dot, source
from orch_nb.render.drawing import plan_drawings, plan_svg
from orch_nb.render.layout import layered
from orch_nb.render.sections import decompose_section
from orch_nb.render.sketch import task_sketch

SVG = "{http://www.w3.org/2000/svg}"


def is_open() -> bool:
    return True


@pytest.mark.parametrize(
    ("task", "condition", "spread", "pools", "limits"),
    [
        (Task(id="t"), "", "", "", ""),
        (Task(id="t", when="a.rows > 0"), "a.rows > 0", "", "", ""),
        (Task(id="t", when=is_open), "is_open", "", "", ""),
        (Task(id="t", when=lambda: True), "a function", "", "", ""),
        (Task(id="t", foreach="urls"), "", "each of urls", "", ""),
        (Task(id="t", foreach=[1]), "", "each of 1 item", "", ""),
        (Task(id="t", foreach=is_open), "", "each of is_open", "", ""),
        (Task(id="t", foreach=Foreach("urls", "url"), max_active=2), "", "each url of urls", "",
         "2 at once"),
        (Task(id="t", foreach="urls", tolerate="all"), "", "each of urls", "", "all may fail"),
        (Task(id="t", pool="db"), "", "", "db", ""),
        (Task(id="t", pool={"db": 2, "api": 1}), "", "", "db: 2, api", ""),
    ],
)  # fmt: skip
def test_what_a_task_says(task, condition, spread, pools, limits):
    assert policies.condition(task) == condition
    assert policies.spread(task) == spread
    assert policies.pools(task) == pools
    assert policies.limits(task) == limits


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (None, ""),
        (Rate(10, 1.0), "10/s"),
        (Rate(2000, 60.0), "2,000/min"),
        (Rate(5, 3600.0), "5/h"),
        (Rate(3, 10.0), "3 in 10 s"),
    ],
)
def test_a_rate_is_told_as_documents_spell_it(rate, words):
    assert policies.rate(rate) == words


@pytest.fixture
def plan() -> Plan:
    """load ─► check (if load.rows > 0) ─► publish, which can be taken down"""
    return Plan(
        goal="g",
        tasks=(
            Task(id="load", sh="load", pool="api", timeout="30s", total_timeout="5m"),
            Task(id="check", sh="check", needs=("load",), when="load.rows > 0", priority=5),
            Task(id="publish", sh="up", needs=("check",), trigger="none_failed", when=is_open,
                 compensate=Task(id="", sh="down"), pool={"db": 2}),
        ),
        pools={"db": Pool(2), "api": Pool(4, Rate(10, 1.0)), "spare": Pool(1)},
    )  # fmt: skip


def test_a_node_says_on_which_condition_it_runs_and_what_undoes_it(plan):
    svg = plan_svg(plan)
    words = {
        group.get("id"): [text.text for text in group.iter(f"{SVG}text")]
        for group in ET.fromstring(svg).iter(f"{SVG}g")
        if group.get("class") == "node"
    }
    # The name comes first: a live view changes that one, and repaints them all.
    assert words["task-1"] == ["check", "if load.rows > 0"]
    assert words["task-2"] == ["publish", "if is_open", "undo: down"]
    assert "if load.rows > 0" in plan_dot(plan)
    (drawing,) = plan_drawings(plan)
    assert "check after load, if load.rows > 0" in drawing.alt


def test_a_note_that_is_long_is_cut_and_shown_as_it_is():
    plan = Plan(goal="g", tasks=(Task(id="a", run="m:f", when="x < 1 and " * 20 + '"</text>"'),))
    (note,) = task_sketch(plan).boxes[0].notes
    assert len(note) <= 34
    ET.fromstring(plan_svg(plan))
    assert plan_dot(plan).count('"if x < 1') == 0  # the name stands before it, in one label


def test_boxes_with_notes_do_not_overlap_in_our_own_layout(plan):
    wide = Plan(goal="g", tasks=tuple(Task(id=f"t{n}", sh="x", when="a", foreach=[1],
                compensate=Task(id="", sh="undo")) for n in range(3)))  # fmt: skip
    places = sorted(layered(task_sketch(wide)).places, key=lambda place: place.y)
    for above, below in pairwise(places):
        assert above.y + above.height / 2 + 6 < below.y - below.height / 2


def test_a_png_says_the_same_in_words(plan):
    text = source(task_sketch(plan), words=True)
    assert "check\\nif load.rows > 0" in text
    many = Plan(goal="g", tasks=(Task(id="a", run="m:f", foreach="params.x"),))
    assert "peripheries=2" in source(task_sketch(many), words=True)


def test_tables_say_conditions_times_and_limits(plan, rows_of):
    section = decompose_section(plan)
    rows = {row[0]: row for row in rows_of(section, "Tasks")}
    assert rows["check"][4] == "if load.rows > 0"
    assert rows["publish"][4] == "none failed, if is_open"
    assert rows["load"][5] == "30 s, 5 min in all"
    assert rows_of(section, "Limits, priorities, and what undoes") == [
        ["load", "api", "", ""], ["check", "", "5", ""], ["publish", "db: 2", "", "down"],
    ]  # fmt: skip
    assert rows_of(section, "Pools") == [
        ["db", "2", "", "publish"], ["api", "4", "10/s", "load"], ["spare", "1", "", "nobody"],
    ]  # fmt: skip


def test_a_plan_without_any_of_it_has_no_such_tables(family, rows_of):
    for caption in ("Limits, priorities, and what undoes", "Pools"):
        with pytest.raises(AssertionError, match="no table"):
            rows_of(decompose_section(family), caption)
