"""How it ended, what failed and what that kept, and plan against run."""

from __future__ import annotations

import pytest

from orch_nb.graph.critical_path import planned_s
from orch_nb.integration.completeness import checks
from orch_nb.integration.integrate import report
from orch_nb.integration.outcome import comparison, failures, realised_path
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan, Story
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task, TriggerRule


@pytest.fixture
def release(history):
    """The run of the sketch, with a task that runs whatever happened.

        lint ──► wheel ──► approve ──► publish
        tests ─► sdist ──────┘            └► notify (all_done)

    tests fail twice and then pass; sdist fails for good.
    """
    plan = Plan(
        goal="Release 2.4",
        stories=[Story(id="Build", owner="the packagers")],
        tasks=[
            Task(id="lint", sh="ruff check", estimate="2s"),
            Task(id="tests", sh="pytest", estimate="6s", retry=3),
            Task(id="wheel", sh="build -w", needs=["lint"], estimate="2s", story="Build"),
            Task(id="sdist", sh="build -s", needs=["tests"], estimate="1s", story="Build"),
            Task(id="approve", approval="Publish?", needs=["wheel", "sdist"]),
            Task(id="publish", sh="twine", needs=["approve"], estimate="1s"),
            Task(id="notify", run=print, needs=["publish"], estimate="1s", trigger="all_done"),
        ],
    )
    run = history(plan).ran("lint", 0, 1.9).ran("wheel", 1.9, 4.1, ready=1.9)
    run.broke("tests", 0, 2, "Flaky").broke("tests", 3, 4, "Flaky").ran("tests", 5, 9.1)
    run.broke("sdist", 9.1, 10.6, "ValueError", "version not found")
    run.ended("sdist", 10.6, Status.FAILED)
    run.ended("approve", 10.6, Status.UPSTREAM_FAILED, "needs sdist", "sdist")
    run.ended("publish", 10.6, Status.UPSTREAM_FAILED, "needs approve", "approve")
    return run.ran("notify", 10.6, 11.6).run(RunStatus.FAILED)


def test_a_failed_run_says_how_much_of_it_succeeded_and_what_stood_in_the_way(release):
    told = report(release)
    assert told.outcome == (
        "Failed: 4 of 7 tasks succeeded in 11.6 s, 2 retries; "
        "`sdist` failed and kept `approve` and `publish` from running."
    )
    assert told.next_lines == ("%orchestrate retry sdist --run nightly-7",)
    assert not told.complete


def test_a_failure_names_its_error_its_tries_what_it_kept_and_whose_it_is(release):
    (failure,) = failures(release)
    assert failure.task == "sdist"
    assert str(failure.error) == "ValueError: version not found"
    assert (failure.attempts, failure.kept) == (1, ("approve", "publish"))
    assert failure.owner == "the packagers"
    assert failure.next_line == "%orchestrate retry sdist --run nightly-7"


def test_what_ran_all_the_same_hides_what_is_behind_it_from_the_failure(history):
    # bad ──► tidy (all_done) ──► after ◄── worse
    plan = Plan(
        goal="g",
        tasks=[
            Task(id="bad"),
            Task(id="worse"),
            Task(id="tidy", needs=["bad"], trigger=TriggerRule.ALL_DONE),
            Task(id="after", needs=["tidy", "worse"]),
        ],
    )
    run = history(plan)
    for task in ("bad", "worse"):
        run.broke(task, 0, 1, "E").ended(task, 1, Status.FAILED)
    run.ran("tidy", 1, 2).ended("after", 2, Status.UPSTREAM_FAILED, "needs worse", "worse")
    assert {f.task: f.kept for f in failures(run.run(RunStatus.FAILED))} == {
        "bad": (),
        "worse": ("after",),
    }


def test_two_failures_both_kept_what_needed_both(history):
    plan = Plan(goal="g", tasks=[Task(id="a"), Task(id="b"), Task(id="c", needs=["a", "b"])])
    run = history(plan)
    for task in ("a", "b"):
        run.broke(task, 0, 1, "E").ended(task, 1, Status.FAILED)
    run.ended("c", 1, Status.UPSTREAM_FAILED, "needs a, which ended failed", "a")
    assert [f.kept for f in failures(run.run(RunStatus.FAILED))] == [("c",), ("c",)]


def test_a_rejected_gate_is_a_failure_in_the_words_of_who_rejected_it(history):
    plan = Plan(goal="g", tasks=[Task(id="ok", approval="Publish?")])
    run = history(plan).add(ev.Waiting, 1, task="ok", prompt="Publish?")
    run.add(ev.Decided, 5, task="ok", approved=False, by="ana", note="not on a Friday")
    run.ended("ok", 5, Status.FAILED, "rejected by ana: not on a Friday")
    (failure,) = failures(run.run(RunStatus.FAILED))
    assert str(failure.error) == "Rejected: rejected by ana: not on a Friday"
    assert (failure.attempts, failure.next_line) == (0, "%orchestrate retry ok --run nightly-7")


def test_a_task_cancelled_alone_is_named_like_a_failure(history):
    plan = Plan(goal="g", tasks=[Task(id="a"), Task(id="b")])
    run = history(plan).ran("a", 0, 1).ended("b", 1, Status.CANCELLED, "cancelled by ana")
    told = report(run.run(RunStatus.FAILED))
    assert str(told.failures[0].error) == "Cancelled: cancelled by ana"
    assert told.next_lines == ("%orchestrate retry b --run nightly-7",)


def test_a_success_has_nothing_to_go_on_with(history):
    plan = Plan(goal="g", tasks=[Task(id="a"), Task(id="b", needs=["a"])])
    told = report(history(plan).ran("a", 0, 1).ran("b", 1, 2).run())
    assert told.outcome == "Succeeded: all 2 tasks in 2 s."
    assert (told.next_lines, told.failures, told.complete) == ((), (), True)


def test_a_success_with_an_output_missing_says_so(history, tmp_path):
    plan = Plan(goal="g", tasks=[Task(id="a", outputs=["x.csv"])])
    told = report(history(plan).ran("a", 0, 1).run(), workspace=tmp_path)
    assert told.outcome == "Succeeded: 1 task in 1 s, but not all is there: output `x.csv`."
    assert not told.complete


def test_a_failure_that_was_not_required_leaves_the_run_succeeded(history):
    plan = Plan(goal="g", tasks=[Task(id="a"), Task(id="mail", required=False)])
    run = history(plan).ran("a", 0, 1).broke("mail", 0, 1, "E").ended("mail", 1, Status.FAILED)
    told = report(run.run())
    assert told.outcome == (
        "Succeeded: 1 of 2 tasks in 1 s; `mail` failed, which was not required."
    )
    assert told.complete


def test_a_run_that_waits_names_whom_it_waits_for_and_the_line_that_goes_on(history):
    plan = Plan(
        goal="g", tasks=[Task(id="a"), Task(id="ok it", approval="Go?", needs=["a"])]
    )  # an id with a space: the line must still be one that can be pasted
    run = history(plan).ran("a", 0, 2).add(ev.Waiting, 2, task="ok it", prompt="Go?")
    told = report(run.run(RunStatus.WAITING))
    assert told.outcome == "Waiting for a person: `ok it`; 1 of 2 tasks succeeded in 2 s."
    assert told.next_lines == ('%orchestrate approve "ok it" --run nightly-7',)


def test_a_cancelled_run_goes_on_from_the_first_tasks_that_it_left(history):
    # a ──► b ──► d, and c ──► d
    plan = Plan(
        goal="g",
        tasks=[
            Task(id="a"),
            Task(id="b", needs=["a"]),
            Task(id="c"),
            Task(id="d", needs=["b", "c"]),
        ],
    )
    run = history(plan).ran("a", 0, 1)
    for task in "bcd":
        run.ended(task, 2, Status.CANCELLED, "cancelled")
    told = report(run.run(RunStatus.CANCELLED))
    assert told.outcome == "Cancelled: 1 of 4 tasks succeeded in 2 s."
    assert told.next_lines == (
        "%orchestrate retry b --run nightly-7",
        "%orchestrate retry c --run nightly-7",
    )
    assert told.failures == ()


def test_a_run_still_going_can_be_reported_on(history):
    plan = Plan(goal="g", tasks=[Task(id="a"), Task(id="b", needs=["a"])])
    told = report(history(plan).ran("a", 0, 1).run(None))
    assert told.outcome == "Running: 1 of 2 tasks succeeded so far."
    assert told.next_lines == ("%orchestrate status",)


def test_a_run_that_was_resumed_says_so(history):
    run = history(Plan(goal="g", tasks=[Task(id="a")])).add(ev.RunResumed, 1).ran("a", 1, 2).run()
    assert report(run).outcome == "Succeeded: 1 task in 1 s, recovered once."


# -- plan against run


def test_plan_and_run_stand_side_by_side_for_each_task(release):
    rows = {row.task: row for row in comparison(release)}
    tests = rows["tests"]
    assert (tests.estimate_s, tests.duration_s) == (6.0, pytest.approx(7.1))
    assert rows["wheel"].wait_s == pytest.approx(0.0)
    assert rows["publish"].duration_s is None
    assert [row.task for row in comparison(release) if row.critical_plan] == [
        "tests", "sdist", "approve", "publish", "notify",
    ]  # fmt: skip


def test_the_run_s_own_critical_path_leads_through_what_did_not_run_without_naming_it(release):
    # tests ─► sdist (failed) ┄► approve ┄► publish (neither ran) ┄► notify (all_done)
    assert realised_path(release) == ("tests", "sdist", "notify")


def test_the_critical_path_moves_when_an_estimate_was_wrong(history):
    # a ──► c        planned: b is the long one; in the run it was a
    # b ──┘
    plan = Plan(
        goal="g",
        tasks=[
            Task(id="a", sh="a", estimate="1s"),
            Task(id="b", sh="b", estimate="5s"),
            Task(id="c", sh="c", estimate="1s", needs=["a", "b"]),
        ],
    )
    run = history(plan).ran("a", 0, 8).ran("b", 0, 5).ran("c", 8, 9).run()
    rows = comparison(run)
    assert [r.task for r in rows if r.critical_plan] == ["b", "c"]
    assert [r.task for r in rows if r.critical_run] == ["a", "c"]
    assert planned_s(run.plan) == 6.0


def test_a_closing_milestone_and_an_awaited_gate_are_on_the_path(history):
    plan = Plan(
        goal="g",
        tasks=[
            Task(id="a", sh="a"),
            Task(id="ok", approval="Go?", needs=["a"]),
            Task(id="end", needs=["ok"]),
        ],
    )
    run = history(plan).ran("a", 0, 1).add(ev.Waiting, 1, task="ok", prompt="Go?")
    run.add(ev.Decided, 60, task="ok", approved=True, by="ana")
    run.ended("ok", 60, Status.SUCCEEDED, "approved by ana").ended("end", 60, Status.SUCCEEDED)
    ended = run.run()
    assert realised_path(ended) == ("a", "ok", "end")
    assert {row.task: row.wait_s for row in comparison(ended)}["ok"] == 59.0


def test_without_all_estimates_there_is_no_planned_time(history):
    plan = Plan(goal="g", tasks=[Task(id="a", sh="a", estimate="1s"), Task(id="b", sh="b")])
    run = history(plan).ran("a", 0, 1).ran("b", 0, 1).run()
    assert planned_s(run.plan) is None


def test_a_report_carries_every_part(release):
    told = report(release)
    assert told.run is release
    assert told.checks == checks(release)
    assert told.planned_s == 9.0
    assert [row.task for row in told.comparison] == [task.id for task in release.plan]
