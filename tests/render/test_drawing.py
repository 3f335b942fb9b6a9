"""A plan draws itself anywhere: without a `dot` on the PATH, without any Graphviz, at any size."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as ET

import pytest

from orch_nb.model.plan import Plan
from orch_nb.model.task import Task
from orch_nb.render import graphviz_program
from orch_nb.render.document import Drawing, Fold, plain
from orch_nb.render.dot import plan_dot
from orch_nb.render.drawing import lay_out, plan_drawings, plan_svg
from orch_nb.render.facts import Mark, marks
from orch_nb.render.graphviz_program import LayoutFailed, run_program
from orch_nb.render.layout import from_graphviz, layered
from orch_nb.render.sketch import group_sketch, node_ids, task_sketch
from orch_nb.render.svg import sketch_svg
from orch_nb.render.timeline import timeline

SVG = "{http://www.w3.org/2000/svg}"


def nodes(svg: str) -> dict[str, str]:
    """The words of each node by its id."""
    return {
        group.get("id"): " ".join(text.text or "" for text in group.iter(f"{SVG}text"))
        for group in ET.fromstring(svg).iter(f"{SVG}g")
        if group.get("class") == "node"
    }


@pytest.fixture
def no_graphviz(monkeypatch):
    monkeypatch.setattr(graphviz_program, "program", lambda: None)


def test_no_dot_on_the_path_is_needed(plan, monkeypatch):
    monkeypatch.setenv("PATH", "")
    graphviz_program.program.cache_clear()
    sketch = task_sketch(plan)
    layout = lay_out(sketch)
    assert layout.frames  # only Graphviz makes room for stories
    (drawing,) = plan_drawings(plan)
    assert drawing.png().startswith(b"\x89PNG")


def test_a_node_says_its_state_by_glyph_and_its_attempts(plan, run):
    words = nodes(plan_svg(plan, marks(run)))
    ids = node_ids(plan)
    assert words[ids["tests"]] == "✓ tests ×3 7.4 s"
    assert words[ids["sdist"]] == "✗ sdist ×2 600 ms"
    assert words[ids["approve"]] == "⊘ Approve it"


def test_the_critical_path_is_twice_as_wide_in_its_own_colour(plan):
    paths = ET.fromstring(plan_svg(plan)).iter(f"{SVG}path")
    widths = {(p.get("stroke"), p.get("stroke-width")) for p in paths if p.get("stroke-width")}
    assert ("#bf5af2", "2.2") in widths
    assert ("#797979", "1.1") in widths


def test_stories_are_dashed_frames_and_other_rules_dashed_edges_with_their_name(plan):
    svg = plan_svg(plan)
    root = ET.fromstring(svg)
    clusters = [g for g in root.iter(f"{SVG}g") if g.get("class") == "cluster"]
    assert [g.find(f"{SVG}text").text for g in clusters] == ["Verify", "Ship", "Tell"]
    assert all(g.find(f"{SVG}rect").get("stroke-dasharray") for g in clusters)
    assert "all done" in svg


def test_subtasks_stand_in_the_frame_of_their_parent(family):
    root = ET.fromstring(plan_svg(family))
    (frame,) = (g for g in root.iter(f"{SVG}g") if g.get("class") == "cluster")
    assert frame.find(f"{SVG}text").text == "Load the tables"
    assert not frame.find(f"{SVG}rect").get("stroke-dasharray")


def test_a_person_is_asked_in_another_shape(plan):
    root = ET.fromstring(plan_svg(plan))
    gate = next(g for g in root.iter(f"{SVG}g") if g.get("id") == node_ids(plan)["approve"])
    assert gate.find(f"{SVG}polygon") is not None


def test_states_change_and_nothing_moves(plan, run, monkeypatch):
    before = ET.fromstring(plan_svg(plan))

    def never(*_: object) -> bytes:
        raise AssertionError("a plan is laid out once")

    monkeypatch.setattr("orch_nb.render.drawing.run_program", never)
    after = ET.fromstring(plan_svg(plan, marks(run)))
    assert [r.attrib["x"] for r in before.iter(f"{SVG}rect")] == [
        r.attrib["x"] for r in after.iter(f"{SVG}rect")
    ]


def test_without_any_graphviz_our_own_layout_draws_every_task(plan, run, no_graphviz):
    (drawing,) = plan_drawings(plan, run)
    assert len(nodes(drawing.svg)) == len(plan)
    assert drawing.png() is None


def test_a_graphviz_that_hangs_or_lies_is_not_waited_for(plan, monkeypatch):
    def hangs(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("dot", 5)

    monkeypatch.setattr(subprocess, "run", hangs)
    with pytest.raises(LayoutFailed):
        run_program("digraph {}", "svg")
    assert len(nodes(plan_svg(plan))) == len(plan)
    with pytest.raises(ValueError, match="something else"):
        from_graphviz(b"{}", task_sketch(plan))


def test_our_own_layout_overlaps_no_two_boxes(family):
    layout = layered(task_sketch(family))
    for n, one in enumerate(layout.places):
        for other in layout.places[n + 1 :]:
            apart_x = abs(one.x - other.x) >= (one.width + other.width) / 2
            apart_y = abs(one.y - other.y) >= (one.height + other.height) / 2
            assert apart_x or apart_y


def test_a_plan_that_waits_for_itself_still_draws():
    ring = Plan(goal="g", tasks=(Task(id="a", needs=("b",)), Task(id="b", needs=("a",))))
    (drawing,) = plan_drawings(ring)
    assert len(nodes(drawing.svg)) == 2
    sketch = task_sketch(ring)
    assert len(nodes(sketch_svg(sketch, layered(sketch)))) == 2


def test_nothing_to_draw_is_no_drawing():
    assert plan_drawings(Plan(goal="nothing")) == ()


def test_above_60_tasks_stories_come_first_and_tasks_behind_a_fold(many):
    plan = many(120, 6)
    states = {f"t{n}": Mark("succeeded" if n < 70 else "pending") for n in range(120)}
    first, near, fold = plan_drawings(plan)
    assert plain(near.summary) == "The critical path"
    assert isinstance(first, Drawing)
    assert list(nodes(first.svg).values()) == [f"Story {n} 20 tasks" for n in range(1, 7)]
    assert isinstance(fold, Fold)
    assert len(nodes(fold.blocks[0].svg)) == 120
    counted = group_sketch(plan, states)
    assert counted.boxes[3].detail == "○ 10  ✓ 10"


def test_above_300_tasks_each_is_a_square_and_its_state_is_said(many, fold):
    plan = many(400, 5)
    run = fold(plan, [])
    _, _, whole = plan_drawings(plan, run)
    assert "○ 400 pending" in whole.blocks[0].svg
    assert whole.blocks[0].width < 1500
    alone, _ = plan_drawings(many(4000, 0))
    assert len(alone.svg) < 1_000_000


def test_the_alternative_text_says_all_that_the_drawing_shows(plan, run):
    (drawing,) = plan_drawings(plan, run)
    for said in (
        "Release 2.4", "7 tasks in 3 stories", "✗ 1 failed", "Critical path: tests",
        "wheel (succeeded) after lint, types and tests", "Approve it (upstream failed)",
    ):  # fmt: skip
        assert said in drawing.alt
    shown = timeline(run)
    for said in ("11.6 s", "tests succeeded", "for 7.4 s, 3 attempts", "sdist failed from 9.1 s"):
        assert said in shown.alt


def test_graphviz_itself_can_draw_the_source(plan):
    assert b"<svg" in run_program(plan_dot(plan), "svg")
