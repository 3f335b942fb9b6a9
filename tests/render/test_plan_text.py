"""A long plan's document is cut where a task ends, so that what is left of it is YAML."""

from __future__ import annotations

import pytest
import yaml

from orch_nb.model.plan import Plan, Story
from orch_nb.model.task import Task
from orch_nb.planners.dump import dump_plan
from orch_nb.render.document import CodeBlock, Fold
from orch_nb.render.html import block_html
from orch_nb.render.plan_text import excerpt
from orch_nb.render.sections import decompose_section


def plan_of(tasks, stories=0):
    return Plan(
        goal="g", stories=tuple(Story(id=f"S{n}") for n in range(stories)),
        tasks=tuple(
            Task(id=f"t{n}", sh="echo a\necho b", description="read: clean, and store",
                 story=f"S{n * stories // tasks}" if stories else None)
            for n in range(tasks)
        ),
    )  # fmt: skip


def test_a_short_one_is_shown_whole():
    plan = plan_of(30)
    document = dump_plan(plan)
    assert len(document.split("\n")) > 40
    section = decompose_section(plan, document=document)
    (code,) = (
        block.blocks[0] for block in section.blocks
        if isinstance(block, Fold) and isinstance(block.blocks[0], CodeBlock)
    )  # fmt: skip
    assert code.shown == document.strip()
    assert "left out" not in block_html(code)


@pytest.mark.parametrize("stories", [0, 3])
def test_a_long_one_has_whole_tasks_only_and_says_how_many_are_left_out(stories):
    plan = plan_of(1000, stories)
    document = dump_plan(plan)
    shown = excerpt(document, plan)
    assert len(shown) < 21_000
    whole, part = yaml.safe_load(document), yaml.safe_load(shown)
    if stories:
        part, whole = part["stories"]["S0"], whole["stories"]["S0"]
    there = part["tasks"]
    assert there == {task: whole["tasks"][task] for task in there}
    left = 1000 - len(there)
    assert shown.endswith(
        f"# … {left} of 1,000 tasks are left out here. All are in this file's data: "
        "orch_nb.load(FILE).document"
    )


def test_one_task_that_is_longer_than_there_is_room_for_is_left_out_whole():
    plan = Plan(goal="g", tasks=(Task(id="a", sh="echo " + "x" * 30_000),))
    shown = excerpt(dump_plan(plan), plan)
    assert yaml.safe_load(shown)["goal"] == "g"
    assert "1 of 1 task " in shown
