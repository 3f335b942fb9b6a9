"""Values tabulate themselves: columns that stay, types that hold without a row."""

from __future__ import annotations

import pandas as pd
import pytest

from orch_nb.graph.schedule import schedule
from orch_nb.model.analysis import Analysis, Component, Evidence, Risk, Scope, Workflow
from orch_nb.model.goal import Goal
from orch_nb.model.plan import Plan
from orch_nb.model.report import Report
from orch_nb.model.research import Citation, Finding, Research
from orch_nb.model.task import Task

PLAN = [
    "task", "title", "description", "story", "parent", "kind", "needs", "trigger", "owner",
    "required", "estimate_s", "critical", "slack_s",
]  # fmt: skip
RUN = [
    "task", "story", "status", "attempts", "started", "finished", "duration_s", "wait_s", "error",
]  # fmt: skip


def is_text(column: pd.Series) -> bool:
    return pd.api.types.is_string_dtype(column.dtype)


def test_a_plan_has_a_row_a_task(plan):
    frame = plan.df
    assert list(frame.columns[: len(PLAN)]) == PLAN
    assert list(frame.task) == [task.id for task in plan.tasks]
    assert frame.needs[3] == ("lint", "types", "tests")
    assert frame.estimate_s.dtype == "float64"
    assert frame.required.dtype == frame.critical.dtype == "bool"
    assert pd.isna(frame.estimate_s[5])
    # tests (7 s) ─► wheel (2 s) ─► approve ─► notify; sdist has a second to spare.
    assert list(frame.query("critical").task) == ["tests", "wheel", "approve", "notify"]
    assert frame.set_index("task").slack_s["sdist"] == 1.0


def test_a_run_has_a_row_a_task(run):
    frame = run.df.set_index("task")
    assert list(run.df.columns[: len(RUN)]) == RUN
    assert frame.attempts["tests"] == 3
    assert frame.attempts.dtype == "int64"
    assert frame.status["sdist"] == "failed"
    assert frame.error["sdist"] == "ValueError: version not found"
    assert frame.error["lint"] == ""
    assert frame.duration_s["wheel"] == pytest.approx(2.2)
    assert str(frame.started.dtype) == "datetime64[us, UTC]"
    assert frame.started["lint"] == pd.Timestamp("2026-11-22 08:41", tz="UTC")
    assert pd.isna(frame.started["approve"])


def test_what_only_some_tasks_say_stands_to_the_right_as_it_is_written():
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="a", run="m:f"),
            Task(
                id="b", run="m:f", when="a > 0", foreach="a", max_active=4, tolerate="20%",
                pool={"db": 2}, priority=-1, total_timeout="5m", cache=True,
                compensate=Task(id="", sh="undo b"),
            ),
        ),
        pools={"db": 2},
    )  # fmt: skip
    frame = plan.df
    assert list(frame.columns[-9:]) == [
        "when", "foreach", "max_active", "tolerate", "pool", "priority", "total_timeout_s",
        "compensate", "cache",
    ]  # fmt: skip
    assert list(frame.iloc[1, -9:]) == [
        "a > 0", "a", 4, "20%", "db: 2", -1, 300.0, "undo b", True,
    ]  # fmt: skip
    plain = frame.iloc[0, -9:]
    assert list(plain[["when", "foreach", "tolerate", "pool", "compensate"]]) == [""] * 5
    assert pd.isna(plain.max_active)
    assert (plain.priority, plain.cache) == (0, False)


def test_the_types_of_those_columns_hold_in_any_plan():
    empty, full = Plan(goal="g").df, Plan(goal="g", tasks=(Task(id="a", foreach=[1]),)).df
    for frame in (empty, full):
        assert frame.max_active.dtype == "Int64"
        assert frame.priority.dtype == "int64"
        assert frame.cache.dtype == "bool"
        assert frame.total_timeout_s.dtype == "float64"
        assert all(is_text(frame[name]) for name in ("when", "foreach", "pool", "compensate"))


def test_a_foreach_task_is_followed_by_its_instances(fanned):
    frame = fanned(3, bad=(1,)).df
    assert list(frame.task) == ["fetch", "fetch[0]", "fetch[1]", "fetch[2]", "joined"]
    assert list(frame.of) == ["", "fetch", "fetch", "fetch", ""]
    assert list(frame["index"].dropna()) == [0, 1, 2]
    assert frame.instances[0] == 3
    assert frame.instances.isna().sum() == 4
    assert list(frame.attempts) == [0, 1, 1, 1, 0]
    assert frame.set_index("task").error["fetch[1]"] == "ValueError: page 1 is gone"
    assert set(frame.kind) == {"python"}


def test_compensations_and_what_ran_at_the_end_stand_last(saga):
    frame = saga.df
    assert list(frame.task[-3:]) == ["compensate(pay)", "compensate(book)", "on_failure"]
    assert list(frame.of[-3:]) == ["pay", "book", ""]
    assert list(frame.kind[-3:]) == ["shell"] * 3
    assert list(frame.story[-3:]) == ["Money", "", ""]
    rows = frame.set_index("task")
    assert rows.status["book"] == "compensated"
    assert rows.error["book"] == ""
    assert rows.error["compensate(pay)"] == "ConnectionError: the bank is closed"


def test_the_types_of_a_run_hold_whether_or_not_anything_came_to_be(saga, fanned, run):
    for frame in (saga.df, fanned(2).df, run.df):
        assert [str(frame[name].dtype) for name in ("index", "instances", "injected")] == [
            "Int64", "Int64", "int64",
        ]  # fmt: skip
        assert is_text(frame.of)
        assert is_text(frame.cached)
        assert frame.attrs["run_id"]


def test_stories_that_are_not_said_group_too(family):
    assert list(family.df.groupby("story").size().items()) == [("", 5)]
    assert list(family.df.parent) == ["", "", "load", "load", ""]


def test_an_empty_plan_gives_an_empty_frame_with_its_types(fold):
    empty = Plan(goal="nothing")
    assert list(empty.df.columns[: len(PLAN)]) == PLAN
    assert is_text(empty.df.task)
    assert empty.df.estimate_s.dtype == "float64"
    run = fold(empty, [])
    assert list(run.df.columns[: len(RUN)]) == RUN
    assert str(run.df.started.dtype) == "datetime64[us, UTC]"
    assert run.df.attempts.dtype == "int64"
    assert len(run.df) == 0


def test_a_plan_that_waits_for_itself_has_no_critical_path():
    frame = Plan(goal="g", tasks=(Task(id="a", needs=("b",)), Task(id="b", needs=("a",)))).df
    assert not frame.critical.any()
    assert frame.slack_s.isna().all()


def test_an_analysis_has_frames_of_risks_components_and_workflows():
    analysis = Analysis(
        goal=Goal("g"),
        risks=(Risk("flaky", "high", "low", Evidence("x", "ci.yml", 3), "retry", "retry"),),
        scope=Scope(
            components=(Component("demo", "library", "Python", "."),),
            workflows=(Workflow("ci", "GitHub Actions", ("lint", "test")),),
        ),
    )
    assert analysis.df.risk[0] == "flaky"
    assert analysis.df.evidence[0] == "ci.yml:3 x"
    assert analysis.components.component[0] == "demo"
    assert analysis.workflows.tasks[0] == ("lint", "test")
    empty = Analysis(goal=Goal("g"))
    assert len(empty.df) == len(empty.components) == len(empty.workflows) == 0
    assert list(empty.components.columns) == list(analysis.components.columns)


def test_findings_and_checks_and_a_schedule_are_frames(plan, report):
    found = Finding(title="t", excerpt="e", source="s", citation=Citation("c", "https://u"))
    assert Research(findings=(found,)).df.url[0] == "https://u"
    assert list(Research().df.columns) == list(Research(findings=(found,)).df.columns)
    assert list(report.df.met) == [False, True, True, True]
    assert list(Report(run=report.run, outcome="").df.columns) == list(report.df.columns)
    frame = schedule(plan, workers=2).df
    assert list(frame.columns) == ["task", "start_s", "finish_s"]
    assert frame.start_s.is_monotonic_increasing
