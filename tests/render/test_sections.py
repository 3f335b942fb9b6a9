"""The outcome first; each phase one line that says its finding and opens to its detail."""

from __future__ import annotations

import pytest

from orch_nb.model import event as ev
from orch_nb.model.analysis import Analysis, Complexity, Component, Domain, Factor, Scope
from orch_nb.model.goal import Goal
from orch_nb.model.plan import Plan
from orch_nb.model.research import Research, SourceReport
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task
from orch_nb.render.document import CodeBlock, Drawing, Fold, plain, said
from orch_nb.render.markdown import section_markdown
from orch_nb.render.sections import (
    analyze_section,
    decompose_section,
    document,
    execute_section,
    header,
    integrate_section,
    report_document,
    research_section,
)

from .showing import tables

T0 = 1_795_336_860.0


def test_the_header_says_how_it_ended_why_and_what_is_next(run, report):
    made = header(run.plan, run, report)
    assert made.title == "Release 2.4"
    assert made.state == "failed"
    assert made.facts == (
        "5 of 7 tasks succeeded in 11.6 s, 3 retries, 4 workers · run nightly-7 · "
        "2026-11-22 08:41 UTC"
    )
    assert [plain(line) for line in made.lines] == [
        (
            "sdist failed twice (ValueError: version not found) and kept Approve it from running. "
            "Next: %orchestrate retry sdist --run nightly-7"
        )
    ]
    assert header(run.plan, run).lines == made.lines  # a run alone knows as much


def test_a_draft_says_that_nothing_has_run_and_how_to_go_on(plan):
    made = header(plan, name="release")
    assert made.state == "draft"
    assert made.facts == "7 tasks in 3 stories · nothing has run"
    assert "%orchestrate run release" in plain(made.lines[0])


def test_a_run_that_waits_names_whom_it_asks(plan, fold):
    run = fold(
        plan,
        [
            ev.Waiting(at=T0 + 1, task="approve", prompt="Publish to PyPI?"),
            ev.RunEnded(at=T0 + 2, status=RunStatus.WAITING),
        ],
    )
    assert [plain(line) for line in header(plan, run).lines] == [
        (
            "Approve it waits for a person: Publish to PyPI? "
            "Next: %orchestrate approve approve --run nightly-7"
        )
    ]


def test_what_was_cancelled_is_named(plan, fold):
    events = [ev.TaskEnded(at=T0 + 1, task=task.id, status=Status.CANCELLED) for task in plan.tasks]
    run = fold(plan, [*events, ev.RunEnded(at=T0 + 1, status=RunStatus.CANCELLED)])
    (line,) = header(plan, run).lines
    assert plain(line) == "lint, types, tests, wheel, sdist and 2 more were cancelled."


def test_many_failures_are_counted_not_listed(fold):
    plan = Plan(goal="g", tasks=tuple(Task(id=f"t{n}") for n in range(9)))
    events = [
        ev.TaskEnded(at=T0, task=t.id, status=Status.FAILED, reason=f"no {word}")
        for t, word in zip(plan, "abcdefghi", strict=True)
    ]
    lines = header(plan, fold(plan, events)).lines
    assert len(lines) == 4
    assert plain(lines[-1]) == "6 more tasks failed."


def test_analyze_and_research_say_their_finding():
    analysis = Analysis(
        goal=Goal("g"),
        domains=(Domain("packaging"),),
        scope=Scope(components=(Component("a", "library", "Python", "."),)),
        complexity=Complexity((Factor("components", 34, 100),)),
    )
    assert analyze_section(analysis).finding == ("medium complexity (34 of 100)")
    alone = Analysis(goal=Goal("g"), orchestrate=False, advice="Run `make` once.")
    assert analyze_section(alone).finding == "needs no orchestration: Run `make` once."
    asked = Research(sources=(SourceReport("a"), SourceReport("b", error="no answer")))
    assert research_section(asked).finding == "0 patterns fit · 2 sources asked, 1 unreachable"


def test_decompose_says_shape_strategy_and_critical_path(plan):
    section = decompose_section(plan)
    assert section.finding == (
        "7 tasks in 3 stories · gated · critical path tests → wheel → Approve it → notify, "
        "about 9.5 s · 4 levels deep, at most 3 at once"
    )
    assert isinstance(section.blocks[0], Drawing)
    assert "What can fail, and how it is handled" in tables(section)


def test_the_hierarchy_is_indented_below_what_it_belongs_to(plan, family):
    rows = tables(decompose_section(plan))["Tasks"].rows
    assert [(row.depth, plain(row.cells[0])) for row in rows[:3]] == [
        (0, "Verify"), (1, "lint"), (1, "types"),
    ]  # fmt: skip
    rows = tables(decompose_section(family))["Tasks"].rows
    assert [(row.depth, plain(row.cells[0])) for row in rows] == [
        (0, "fetch"), (0, "Load the tables load"), (1, "split"), (1, "store"), (0, "report"),
    ]  # fmt: skip


def test_a_column_in_which_nobody_says_anything_is_left_out(family):
    titles = [column.title for column in tables(decompose_section(family))["Tasks"].columns]
    assert "owner" not in titles
    assert "estimate" not in titles


def test_without_estimates_the_critical_path_is_counted_not_timed(family):
    assert "load" not in decompose_section(family).finding.split("critical")[0]
    assert "5 tasks ·" in decompose_section(family).finding


def test_a_plan_that_waits_for_itself_says_so():
    ring = Plan(goal="g", tasks=(Task(id="a", needs=("b",)), Task(id="b", needs=("a",))))
    assert "waits for itself: a → b → a" in decompose_section(ring).finding


def test_once_there_is_a_run_what_is_past_is_closed(report):
    plan = report.run.plan
    before = document(plan, analysis=Analysis(goal=Goal("g")), research=Research())
    assert [section.open for section in before.sections] == [True, True, True]
    after = document(
        plan, report.run, report, analysis=Analysis(goal=Goal("g")), research=Research()
    )
    assert [s.title for s in after.sections] == [
        "ANALYZE", "RESEARCH", "DECOMPOSE", "EXECUTE", "INTEGRATE",
    ]  # fmt: skip
    assert [s.open for s in after.sections] == [False, False, True, True, True]
    assert [s.title for s in report_document(report).sections] == [
        "DECOMPOSE", "EXECUTE", "INTEGRATE",
    ]  # fmt: skip


def test_execute_is_a_todo_list_with_reasons(run):
    section = execute_section(run)
    assert section.finding == (
        "11.6 s · planned 9.5 s · ✗ 1 failed · ⊘ 1 upstream failed · ✓ 5 succeeded"
    )
    rows = {plain(r.cells[0]): [plain(c) for c in r.cells] for r in tables(section)["Todo"].rows}
    assert rows["Verify"][1] == "3 of 3 succeeded"
    assert rows["tests"] == ["tests", "✓ succeeded", "3", "7.4 s", "7 s", "0 s", ""]
    assert rows["sdist"][-1] == "ValueError: version not found"
    assert rows["Approve it approve"][1] == "⊘ upstream failed"


def test_what_failed_is_open_with_its_own_traceback(run):
    fold = next(block for block in execute_section(run).blocks if isinstance(block, Fold))
    assert fold.open
    assert isinstance(fold.blocks[0], CodeBlock)
    assert "build_sdist" in fold.blocks[0].text


def test_a_long_todo_list_shows_what_needs_attention_first(many, fold):
    plan = many(120, 0)
    run = fold(plan, [ev.TaskEnded(at=T0, task="t99", status=Status.FAILED, reason="no")])
    section = execute_section(run)
    rows = tables(section)["Todo: what needs attention"].rows
    assert [plain(row.cells[0]) for row in rows] == ["t99"]
    assert len(tables(section)[""].rows) == 120


def test_integrate_says_what_is_missing_first(report):
    section = integrate_section(report)
    assert section.finding == (
        "1 of 2 required tasks succeeded · 1 of 1 output there · 1 of 1 criterion met"
    )
    rows = tables(section)["Completeness"].rows
    assert [plain(cell) for cell in rows[0].cells][1:] == [
        "sdist", "", "failed after 2 attempts", "✗ missing",
    ]  # fmt: skip
    assert plain(tables(section)["Results"].rows[0].cells[1]) == "dist/demo-2.4.whl"


@pytest.mark.parametrize(
    ("text", "pieces"),
    [("`a` and `b c`", ["a", " and ", "b c"]), ("it`s", ["it`s"]), ("", [])],
)
def test_names_between_backticks_are_code(text, pieces):
    assert [piece.text for piece in said(text)] == pieces


def test_a_line_that_goes_on_can_be_typed_as_it_stands(fold):
    plan = Plan(goal="g", tasks=(Task(id="two words"),))
    failed = ev.TaskEnded(at=T0, task="two words", status=Status.FAILED, reason="no")
    run = fold(plan, [failed, ev.RunEnded(at=T0, status=RunStatus.FAILED)])
    assert plain(header(plan, run).lines[0]).endswith(
        'Next: %orchestrate retry "two words" --run nightly-7'
    )
    # While the run goes on a line would wait behind its cell: there is a button instead.
    assert "Next" not in plain(header(plan, fold(plan, [failed])).lines[0])


def test_one_of_what_was_left_out_is_said_as_one():
    scope = Scope(root="/w", files=2, skipped={"manifest of a test": 1, "link": 2})
    told = section_markdown(analyze_section(Analysis(goal=Goal("g"), scope=scope)))
    assert "1 manifest of a test and 2 links" in told
