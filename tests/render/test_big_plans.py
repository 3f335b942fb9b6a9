"""Semantic zoom: 10,000 tasks are told by their stories, critical path and failures."""

from __future__ import annotations

import pytest

from orch_nb.model.plan import Plan
from orch_nb.model.report import Operation
from orch_nb.model.task import Task
from orch_nb.phases import integrate
from orch_nb.render.bundle import header_bundle, integrate_bundles, section_bundles
from orch_nb.render.document import Drawing, Fold, plain
from orch_nb.render.drawing import plan_drawings
from orch_nb.render.facts import marks
from orch_nb.render.focus import focus_sketch, path_table, story_table
from orch_nb.render.integrate_section import integrate_section
from orch_nb.render.overview import overview_svg
from orch_nb.render.page import operations_page
from orch_nb.render.sections import decompose_section, execute_section
from orch_nb.render.sketch import task_sketch
from orch_nb.testing import FakeExecutor, nothing, perform

MB = 1_000_000


def ran(plan, *bad, run_id="big-1"):
    script = {task: [ValueError(f"no <b>{task}</b>")] for task in bad}
    return perform(plan, executor=FakeExecutor(script), run_id=run_id, at_most_s=1e7)


def deep(count, stories):
    """Each task waits for the seventh and the eleventh before it: many levels, few side by side."""
    return Plan(
        goal=f"{count} tasks",
        tasks=tuple(
            Task(
                id=f"t{n}", run=nothing, title=f"Convert the file number {n}",
                needs=tuple(f"t{m}" for m in (n - 7, n - 11) if m >= 0),
                story=f"Story {n * stories // count + 1}" if stories else None,
            )
            for n in range(count)
        ),
    )  # fmt: skip


def weight(bundles):
    """Bytes of outputs as a notebook keeps them: pictures as base64, the data as JSON."""
    total = 0
    for bundle in bundles:
        for kind, value in bundle.items():
            if isinstance(value, bytes):
                total += len(value) * 4 // 3
            elif isinstance(value, str):
                total += len(value.encode())
            else:
                assert kind.endswith("+json")
                total += len(value["data"]) + 200
    return total


@pytest.mark.parametrize("stories", [40, 0, 2500, 1])
def test_ten_thousand_tasks_with_failures_deep_inside_weigh_less_than_two_megabytes(stories):
    run = ran(deep(10_000, stories), "t5003", "t9990")
    report = integrate(run)
    operation = Operation(plan=run.plan, kind="python", run=run, report=report)
    bundles = [
        header_bundle(run.plan, run, report),
        *section_bundles(decompose_section(run.plan, run)),
        *section_bundles(execute_section(run)),
        *integrate_bundles(integrate_section(report), report, operation),
    ]
    assert weight(bundles) < 2 * MB
    page = operations_page([operation])
    assert len(page.encode()) < 2 * MB
    assert "Convert the file number 5003" in page
    assert "ValueError: no &lt;b&gt;t5003&lt;/b&gt;" in page


def test_the_critical_path_and_what_failed_are_always_drawn():
    run = ran(deep(500, 5), "t333")
    sketch = focus_sketch(run.plan, marks(run))
    states = {box.key: box.state for box in sketch.boxes}
    assert states["t333"] == "failed"
    assert states["t326"] == "succeeded", "what it waited for"
    assert states["t340"] == "upstream_failed", "what waited for it"
    critical = [(a.tail, a.head) for a in sketch.arrows if a.critical]
    assert critical[0] == ("t0", "t7")
    assert "… 66 more …" in [box.label for box in sketch.boxes]
    folds = [block for block in plan_drawings(run.plan, run) if isinstance(block, Fold)]
    assert plain(folds[0].summary) == "The critical path, and what failed"
    assert folds[0].open
    assert "Convert the file number 333 (failed)" in folds[0].blocks[0].alt


def test_a_plan_of_which_nothing_is_critical_has_no_such_drawing():
    plan = Plan(goal="g", tasks=tuple(Task(id=f"t{n}", run=nothing) for n in range(100)))
    assert focus_sketch(plan, None) is None
    assert [type(block) for block in plan_drawings(plan)] == [Drawing]


def test_a_story_is_a_row_with_its_states_counted_and_its_first_failure():
    table = story_table(ran(deep(400, 4), "t150"))
    rows = [[plain(cell) for cell in row.cells] for row in table.rows]
    assert rows[0][:3] == ["Story 1", "100", "✓ 100 succeeded"]
    assert rows[1][0] == "Story 2"
    assert rows[1][2].startswith("✗ 1 failed · ")
    assert rows[1][-1] == "t150: ValueError: no <b>t150</b>"


def test_of_many_stories_those_with_failures_come_first():
    table = story_table(ran(deep(1000, 200), "t990"))
    assert plain(table.rows[0].cells[0]) == "Story 199"
    assert table.note == "and 140 rows more, left out here"


def test_the_critical_path_is_a_table_too():
    run = ran(deep(400, 4))
    assert path_table(run).caption == "Critical path: 58 tasks"
    assert len(path_table(run).rows) == 30


def test_what_stands_below_one_another_in_an_overview_is_one_line():
    wide = Plan(goal="g", tasks=tuple(Task(id=f"t{n}", run=nothing) for n in range(10_000)))
    svg, width, height = overview_svg(task_sketch(wide, marks(ran(wide))))
    assert len(svg) < 20_000
    assert svg.count("v438") == 500, "250 columns of 40, once for the edge and once for the paint"
    assert (width, height) < (3000, 500)


def test_an_overview_of_many_levels_goes_on_below_like_a_text():
    svg, width, height = overview_svg(task_sketch(deep(10_000, 0)))
    assert width < 1100
    assert height > 500
    assert "stroke-dasharray" in svg


@pytest.mark.parametrize("tasks", [3, 60, 61, 300])
def test_nothing_of_a_timeline_is_cut_at_its_right_edge(tasks, many):
    import xml.etree.ElementTree as ET

    from orch_nb.render.sketch import text_width
    from orch_nb.render.timeline import timeline

    run = ran(many(tasks, 0), "t2")
    drawing = timeline(run)
    root = ET.fromstring(drawing.svg)
    for text in root.iter("{http://www.w3.org/2000/svg}text"):
        if text.get("text-anchor") == "start":
            end = float(text.get("x")) + text_width(text.text, float(text.get("font-size")))
            assert end <= float(root.get("width"))
