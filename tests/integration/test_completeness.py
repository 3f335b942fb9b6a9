"""What had to be, and what shows that it is."""

from __future__ import annotations

import os

import pytest

from orch_nb.integration.completeness import checks
from orch_nb.model import event as ev
from orch_nb.model.goal import Criterion
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task, TriggerRule


def of(kind, run, workspace=None):
    return [check for check in checks(run, workspace) if check.kind == kind]


# -- tasks


def test_a_required_task_that_succeeded_is_met_with_its_time_and_tries(history):
    plan = Plan(goal="g", tasks=[Task(id="tests", title="Run the tests", retry=3)])
    run = history(plan).broke("tests", 0, 1, "Flaky").ran("tests", 2, 9.1).run()
    (check,) = of("task", run)
    assert (check.subject, check.tasks, check.met) == ("Run the tests", ("tests",), True)
    assert check.evidence == "succeeded in 8.1 s, 2 attempts"


def test_an_attempt_lost_with_its_process_is_not_counted_as_a_try(history):
    run = history(Plan(goal="g", tasks=[Task(id="a")])).lost("a", 0, 1).ran("a", 2, 3).run()
    assert of("task", run)[0].evidence == "succeeded in 2 s"


def test_a_failed_task_shows_its_error_on_one_line(history):
    plan = Plan(goal="g", tasks=[Task(id="a")])
    run = history(plan).broke("a", 0, 1, "ValueError", "no version\nin pyproject.toml")
    (check,) = of("task", run.ended("a", 1, Status.FAILED).run(RunStatus.FAILED))
    assert not check.met
    assert check.evidence == "failed: ValueError: no version"


def test_what_was_kept_from_running_says_by_what(history):
    plan = Plan(goal="g", tasks=[Task(id="a"), Task(id="b", needs=["a"])])
    run = history(plan).broke("a", 0, 1, "E").ended("a", 1, Status.FAILED)
    run.ended("b", 1, Status.UPSTREAM_FAILED, "needs a, which ended failed", "a")
    check = of("task", run.run(RunStatus.FAILED))[1]
    assert (check.met, check.evidence) == (False, "upstream failed: needs a, which ended failed")


def test_a_task_skipped_by_its_own_rule_is_met_and_says_so(history):
    plan = Plan(
        goal="g", tasks=[Task(id="a"), Task(id="undo", needs=["a"], trigger=TriggerRule.ONE_FAILED)]
    )
    run = history(plan).ran("a", 0, 1).ended("undo", 1, Status.SKIPPED, "nothing failed").run()
    check = of("task", run)[1]
    assert (check.met, check.evidence) == (True, "skipped by its rule one_failed: nothing failed")


def test_an_optional_task_is_no_check(history):
    plan = Plan(goal="g", tasks=[Task(id="a"), Task(id="b", required=False)])
    run = history(plan).ran("a", 0, 1).broke("b", 0, 1, "E").ended("b", 1, Status.FAILED).run()
    assert [check.tasks for check in of("task", run)] == [("a",)]


def test_a_gate_that_waits_shows_its_question(history):
    plan = Plan(goal="g", tasks=[Task(id="ok", approval="Publish to PyPI?")])
    run = history(plan).add(ev.Waiting, 1, task="ok", prompt="Publish to PyPI?")
    (check,) = of("task", run.run(RunStatus.WAITING))
    assert (check.met, check.evidence) == (False, "waiting for a person: Publish to PyPI?")


# -- outputs


@pytest.fixture
def built(history):
    """A run whose task `build` declares `outputs` and succeeded, or ended as told."""

    def make(*outputs, status=Status.SUCCEEDED, required=True):
        plan = Plan(goal="g", tasks=[Task(id="build", outputs=outputs, required=required)])
        run = history(plan)
        if status == Status.SUCCEEDED:
            return run.ran("build", 0, 1).run()
        if status == Status.FAILED:
            run.broke("build", 0, 1, "E")
        run.ended("build", 1, status)
        return run.run(RunStatus.SUCCEEDED if not required else RunStatus.FAILED)

    return make


def test_an_output_that_exists_is_met_with_its_size(built, tmp_path):
    (tmp_path / "chart.png").write_bytes(b"x" * 48_000)
    run = built("chart.png")
    late = run.started.timestamp() + 1
    os.utime(tmp_path / "chart.png", (late, late))
    (check,) = of("output", run, tmp_path)
    assert (check.subject, check.met) == ("chart.png", True)
    assert check.evidence == "`chart.png`, 48 kB, written by this run at 2027-01-15 08:00 UTC"


def test_a_pattern_adds_up_what_it_matches(built, tmp_path):
    (tmp_path / "dist" / "old").mkdir(parents=True)
    for name in ("b.whl", "a.tar.gz", "old/c.whl"):
        (tmp_path / "dist" / name).write_bytes(b"x" * 500)
    run = built("dist/**/*.*")
    (check,) = of("output", run, tmp_path)
    assert check.met
    assert check.evidence.startswith(
        "3 files (dist/a.tar.gz, dist/b.whl and dist/old/c.whl), 1.5 kB"
    )


def test_a_missing_output_is_not_met_and_gives_no_path_of_the_machine_away(built, tmp_path):
    (check,) = of("output", built("out/*.csv"), tmp_path)
    assert (check.met, check.evidence) == (False, "no file matches `out/*.csv`")
    assert str(tmp_path) not in check.evidence


def test_a_name_with_brackets_is_itself_before_it_is_a_pattern(built, tmp_path):
    (tmp_path / "report [final].html").write_text("x")
    assert of("output", built("report [final].html"), tmp_path)[0].met


def test_an_absolute_pattern_is_looked_for_where_it_says(built, tmp_path):
    (tmp_path / "a.csv").write_text("x")
    assert of("output", built(f"{tmp_path}/*.csv"), tmp_path / "elsewhere")[0].met


def test_an_output_that_was_up_to_date_already_counts_and_says_so(built, tmp_path):
    (tmp_path / "a.csv").write_text("x")
    os.utime(tmp_path / "a.csv", (1, 1))
    (check,) = of("output", built("a.csv"), tmp_path)
    assert (check.met, check.evidence) == (
        True, "`a.csv`, 1 B, unchanged by this run, of 1970-01-01 00:00 UTC",
    )  # fmt: skip


def test_what_an_earlier_run_left_does_not_count_for_a_task_that_failed(built, tmp_path):
    (tmp_path / "a.csv").write_text("x")
    os.utime(tmp_path / "a.csv", (1, 1))
    (check,) = of("output", built("a.csv", status=Status.FAILED), tmp_path)
    assert (check.met, check.evidence) == (False, "`a.csv`, 1 B, but from before: `build` failed")


def test_outputs_of_a_skipped_task_are_not_expected(built, tmp_path):
    (check,) = of("output", built("a.csv", status=Status.SKIPPED), tmp_path)
    assert (check.met, check.evidence) == (True, "not expected: skipped")


def test_outputs_of_an_optional_task_that_failed_are_no_check(built, tmp_path):
    assert of("output", built("a.csv", status=Status.FAILED, required=False), tmp_path) == []


def test_a_name_that_no_file_can_have_is_unmet_and_not_an_error(built, tmp_path):
    for pattern in ("a" * 5000, "nul\0byte"):
        (check,) = of("output", built(pattern), tmp_path)
        assert not check.met


def test_the_workspace_of_the_run_is_where_outputs_are_looked_for(history, tmp_path):
    (tmp_path / "a.csv").write_text("x")
    plan = Plan(goal="g", tasks=[Task(id="a", outputs=["a.csv"])])
    run = history(plan, workspace=str(tmp_path)).ran("a", 0, 1).run()
    assert of("output", run)[0].met


# -- criteria


def test_a_criterion_is_met_by_the_success_of_all_its_tasks_with_what_they_returned(history):
    criteria = [Criterion("The tests pass", ("tests", "types"))]
    plan = Plan(goal="g", criteria=criteria, tasks=[Task(id="tests"), Task(id="types")])
    run = history(plan).ran("tests", 0, 9.1, result="12 passed").ran("types", 0, 2).run()
    (check,) = of("criterion", run)
    assert (check.subject, check.tasks, check.met) == (
        "The tests pass",
        ("tests", "types"),
        True,
    )
    assert check.evidence == "`tests` succeeded in 9.1 s → 12 passed; `types` succeeded in 2 s"


def test_a_criterion_is_not_met_where_one_of_its_tasks_was_only_skipped(history):
    plan = Plan(goal="g", criteria=[Criterion("Undone", ("a",))], tasks=[Task(id="a")])
    run = history(plan).ended("a", 1, Status.SKIPPED, "nothing failed").run()
    (check,) = of("criterion", run)
    assert (check.met, check.evidence) == (False, "`a` skipped: nothing failed")


@pytest.mark.parametrize(
    ("tasks", "evidence"),
    [
        ((), "names no task, so nothing shows it"),
        (("gone",), "`gone` is no task of this plan"),
    ],
)
def test_a_criterion_that_nothing_can_show_is_not_met(history, tasks, evidence):
    plan = Plan(goal="g", criteria=[Criterion("It is fast", tasks)], tasks=[Task(id="a")])
    (check,) = of("criterion", history(plan).ran("a", 0, 1).run())
    assert (check.met, check.evidence) == (False, evidence)
