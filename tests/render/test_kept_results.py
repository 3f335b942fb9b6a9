"""What an earlier run had left is told as that, and never as work of this one."""

from __future__ import annotations

import pytest

from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.run import Run
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task
from orch_nb.render.drawing import plan_svg
from orch_nb.render.facts import marks
from orch_nb.render.sections import decompose_section, execute_section, header

T0 = 1_795_336_860.0


@pytest.fixture
def kept(fold) -> Run:
    """load (from run report-3) ─► report (run anew)"""
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="load", run="m:f", cache=True),
            Task(id="report", run="m:f", needs=("load",)),
        ),
    )
    result = ev.ResultRef("json", "h", 3, "42")
    return fold(
        plan,
        [
            ev.TaskEnded(
                at=T0, task="load", status=Status.SUCCEEDED, result=result, cached="report-3",
                reason="nothing has changed since run report-3",
            ),
            ev.AttemptStarted(at=T0, task="report", attempt=1),
            ev.AttemptSucceeded(at=T0 + 1, task="report", attempt=1, started=T0),
            ev.RunEnded(at=T0 + 1, status=RunStatus.SUCCEEDED),
        ],
    )  # fmt: skip


def test_the_todo_list_says_which_run_it_is_from(kept, rows_of):
    section = execute_section(kept)
    rows = {row[0]: row for row in rows_of(section, "Todo")}
    assert rows["load"][1] == "✓ succeeded from run report-3"
    assert rows["report"][1] == "✓ succeeded"
    assert "from run report-3: 1 result" in section.finding


def test_the_header_counts_them(kept):
    assert (
        "2 of 2 tasks succeeded in 1 s, 1 result of earlier runs" in header(kept.plan, kept).facts
    )


def test_the_drawing_says_so(kept):
    assert "earlier result" in plan_svg(kept.plan, marks(kept))


def test_the_frame_names_the_run(kept):
    assert list(kept.df.cached) == ["report-3", ""]
    assert kept.graph.nodes["load"]["cached"] == "report-3"


def test_the_plan_says_who_may_use_them(kept, rows_of):
    section = decompose_section(kept.plan)
    assert rows_of(section, "Limits, priorities, and what undoes") == [["load", "yes"]]
