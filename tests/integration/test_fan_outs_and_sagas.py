"""What came of instances and of compensations, and of results that an earlier run had left."""

from __future__ import annotations

import pytest

from orch_nb.integration.collect import results
from orch_nb.integration.completeness import checks
from orch_nb.integration.integrate import report
from orch_nb.integration.outcome import failures, next_lines
from orch_nb.model import event as ev
from orch_nb.model.goal import Criterion
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task

# -- fan-outs


@pytest.fixture
def fetched(history):
    """urls ─► fetch (five items; those in `bad` fail) ─► joined"""

    def make(*bad, tolerate=0, cause=None):
        plan = Plan(
            goal="g",
            tasks=[
                Task(id="urls", run="m:f"),
                Task(id="fetch", run="m:f", foreach="urls", tolerate=tolerate, owner="ana"),
                Task(id="joined", run="m:f", needs=["fetch"]),
            ],
        )
        run = history(plan).ran("urls", 0, 1).spread("fetch", 1, 5)
        for n in range(5):
            name = f"fetch[{n}]"
            if n in bad:
                run.broke(name, 1, 2 + n, "ValueError", f"no {n}").ended(name, 2 + n, Status.FAILED)
            else:
                run.ran(name, 1, 2 + n, result=str(n * n))
        if len(bad) <= tolerate:
            run.ended("fetch", 6, Status.SUCCEEDED, "some failed, which it allows" if bad else "")
            return run.ran("joined", 6, 7).run()
        run.ended("fetch", 6, Status.FAILED, "2 of 5 instances did not succeed", cause)
        run.ended("joined", 6, Status.UPSTREAM_FAILED, "needs fetch", "fetch")
        return run.run(RunStatus.FAILED)

    return make


def test_instances_are_counted_in_the_outcome_and_tasks_named(fetched):
    told = report(fetched(1, 3))
    assert told.outcome == (
        "Failed: 1 of 3 tasks succeeded in 6 s, 5 instances (2 failed); "
        "`fetch` failed and kept `joined` from running."
    )
    assert told.next_lines == (
        "%orchestrate retry fetch --run nightly-7",
    )  # it tries all that failed


def test_failed_instances_are_failures_the_cause_first_then_their_task(fetched):
    found = failures(fetched(1, 3, cause="fetch[3]"))
    assert [(f.task, f.of, str(f.error), f.kept) for f in found] == [
        ("fetch[3]", "fetch", "ValueError: no 3", ()),
        ("fetch[1]", "fetch", "ValueError: no 1", ()),
        ("fetch", "", "Failed: 2 of 5 instances did not succeed", ("joined",)),
    ]
    assert found[0].next_line == "%orchestrate retry fetch[3] --run nightly-7"
    assert {f.owner for f in found} == {"ana"}


def test_failed_instances_that_are_allowed_are_told_as_that(fetched):
    run = fetched(1, tolerate=1)
    (failure,) = failures(run)
    assert (failure.task, failure.tolerated) == ("fetch[1]", True)
    told = report(run)
    assert told.outcome == "Succeeded: all 3 tasks in 7 s, 5 instances (1 failed)."
    assert told.next_lines == ()
    assert told.complete


def test_of_many_failed_instances_the_first_are_told(history):
    plan = Plan(goal="g", tasks=[Task(id="f", run="m:f", foreach="params.x")])
    run = history(plan).spread("f", 0, 200)
    for n in range(200):
        run.broke(f"f[{n}]", 0, 1, "E").ended(f"f[{n}]", 1, Status.FAILED)
    run.ended("f", 1, Status.FAILED, "200 of 200 instances did not succeed", "f[0]")
    found = failures(run.run(RunStatus.FAILED))
    assert [f.task for f in found] == ["f[0]", "f[1]", "f[2]", "f[3]", "f[4]", "f"]


def test_a_task_of_instances_shows_how_many_succeeded(fetched):
    evidence = {check.subject: check.evidence for check in checks(fetched(1, tolerate=1))}
    assert evidence["fetch"] == (
        "succeeded with 4 of 5 instances in 5 s: some failed, which it allows"
    )


def test_a_task_of_instances_has_one_result_of_what_they_returned(fetched):
    texts = {result.task: result.text for result in results(fetched(1, tolerate=1))}
    assert texts == {"fetch": "[0, None, 4, 9, 16]"}


def test_of_many_instances_a_few_results_are_shown(history):
    plan = Plan(goal="g", tasks=[Task(id="f", run="m:f", foreach="params.x")])
    run = history(plan).spread("f", 0, 1000)
    for n in range(1000):
        run.ran(f"f[{n}]", 0, 1, result=f"'{'x' * 500}'")
    (found,) = results(run.ended("f", 1, Status.SUCCEEDED).run())
    assert len(found.text) < 260
    assert found.text.endswith(", … 1,000 results in all]")


# -- sagas


@pytest.fixture
def undone(history):
    """book ✓ ─► pay ✓ ─► ship ✗; `pay` is taken back or, if `stuck`, is not; `book` is."""

    def make(stuck=False, **fields):
        plan = Plan(
            goal="g",
            tasks=[
                Task(id="book", sh="book", compensate=Task(id="", sh="unbook")),
                Task(id="pay", sh="pay", needs=["book"], outputs=["paid.txt"],
                     compensate=Task(id="", sh="refund"), owner="bo"),
                Task(id="ship", sh="ship", needs=["pay"]),
            ],
            criteria=[Criterion("It is paid", ("pay",))],
            **fields,
        )  # fmt: skip
        run = history(plan).ran("book", 0, 1).ran("pay", 1, 2).broke("ship", 2, 3, "E")
        run.ended("ship", 3, Status.FAILED)
        if stuck:
            run.broke("compensate(pay)", 3, 4, "E", "closed")
            run.ended("compensate(pay)", 4, Status.FAILED)
        else:
            run.ran("compensate(pay)", 3, 4)
        return run.ran("compensate(book)", 4, 5)

    return make


def test_what_was_undone_is_counted_apart_from_what_succeeded(undone):
    told = report(undone().run(RunStatus.FAILED))
    assert told.outcome == "Failed: 0 of 3 tasks succeeded in 5 s, 2 compensated; `ship` failed."
    assert [failure.task for failure in told.failures] == ["ship"]


def test_what_was_undone_is_not_there_any_more(undone, tmp_path):
    (tmp_path / "paid.txt").write_text("1")
    found = checks(undone().run(RunStatus.FAILED), tmp_path)
    told = {(check.kind, check.subject): (check.met, check.evidence) for check in found}
    assert told["task", "pay"] == (False, "succeeded in 1 s, then undone")
    assert told["output", "paid.txt"] == (
        False, "`paid.txt`, 1 B, still there though `pay` was undone",
    )  # fmt: skip
    assert told["criterion", "It is paid"][0] is False


def test_what_could_not_be_undone_is_told_first(undone):
    run = undone(stuck=True).run(RunStatus.FAILED)
    told = report(run)
    assert told.outcome == (
        "Failed: 1 of 3 tasks succeeded in 5 s, 1 compensated; "
        "`pay` could not be undone; `ship` failed."
    )
    first, second = told.failures
    assert (first.task, first.of, first.undo, first.owner) == ("compensate(pay)", "pay", True, "bo")
    assert str(first.error) == "E: closed"
    assert second.task == "ship"
    assert next_lines(run, told.failures) == (
        "%orchestrate retry ship --run nightly-7", "%orchestrate compensate pay --run nightly-7",
    )  # fmt: skip


def test_what_was_stuck_before_a_success_is_no_loss(undone):
    run = undone(stuck=True)
    # The run went on: ship was tried anew, which runs again what was undone before it.
    run.add(ev.RunResumed, 6)
    run.add(ev.RetryRequested, 6, task="ship", reset=("ship", "book", "pay"))
    done = run.ran("book", 6, 7).ran("pay", 7, 8).ran("ship", 8, 9).run()
    assert report(done).failures == ()
    assert "undone" not in report(done).outcome


def test_a_failure_of_what_runs_at_the_end_is_a_failure_too(undone):
    run = undone(on_failure=Task(id="", sh="tell"))
    run.broke("on_failure", 5, 6, "E", "no mail").ended("on_failure", 6, Status.FAILED)
    told = report(run.run(RunStatus.FAILED))
    assert [failure.task for failure in told.failures] == ["ship", "on_failure"]
    assert told.failures[1].next_line == ""
    assert "`ship` and `on_failure` failed" in told.outcome


def test_a_cancelled_run_that_was_undone_goes_on_where_it_was_cancelled(history):
    plan = Plan(
        goal="g",
        tasks=[
            Task(id="a", sh="a", compensate=Task(id="", sh="undo")),
            Task(id="b", sh="b", needs=["a"]),
        ],
    )
    run = history(plan).ran("a", 0, 1).ended("b", 2, Status.CANCELLED, "cancelled by ana")
    told = report(run.ran("compensate(a)", 2, 3).run(RunStatus.CANCELLED))
    assert told.outcome == "Cancelled: 0 of 2 tasks succeeded in 3 s, 1 compensated."
    assert told.next_lines == ("%orchestrate retry b --run nightly-7",)


# -- results of earlier runs


def test_results_of_earlier_runs_are_counted_and_named_as_evidence(history, tmp_path):
    (tmp_path / "out.csv").write_text("x")
    plan = Plan(
        goal="g",
        tasks=[
            Task(id="a", sh="a", cache=True, outputs=["out.csv"]),
            Task(id="b", sh="b", needs=["a"]),
        ],
        criteria=[Criterion("a is there", ("a",))],
    )
    run = history(plan).kept("a", 0, "report-3", result="42").ran("b", 0, 1).run()
    told = report(run, workspace=tmp_path)
    assert told.outcome == "Succeeded: all 2 tasks in 1 s, 1 result of earlier runs used."
    evidence = {check.kind: check.evidence for check in told.checks if "a" in check.tasks}
    assert evidence["task"] == "nothing has changed since run `report-3`: its result is used"
    assert evidence["output"] == "`out.csv`, 1 B, from run `report-3` or before"
    assert evidence["criterion"].endswith("its result is used → 42")
    assert [(result.task, result.text) for result in told.results] == [("a", "42")]


# -- what is cancelled with its run


def test_what_a_timeout_cancelled_is_no_failure_of_its_own(history):
    plan = Plan(goal="g", tasks=[Task(id="a"), Task(id="b"), Task(id="c", needs=["b"])])
    run = history(plan).ran("a", 0, 1)
    for task in ("b", "c"):
        run.ended(task, 5, Status.CANCELLED, "cancelled: the run took longer than 5 s")
    told = report(run.run(RunStatus.FAILED))
    assert told.failures == ()
    assert told.outcome == (
        "Failed: 1 of 3 tasks succeeded in 5 s; "
        "the run took longer than 5 s, which cancelled `b` and `c`."
    )
    assert told.next_lines == ("%orchestrate retry b --run nightly-7",)
    assert [check.evidence for check in told.checks][1:] == [
        "cancelled: the run took longer than 5 s"
    ] * 2


def test_faults_on_purpose_are_part_of_the_outcome(history):
    plan = Plan(goal="g", tasks=[Task(id="a")])
    told = report(history(plan, faults=("a=down:1s",)).ran("a", 0, 1).run())
    assert told.outcome == (
        "Succeeded: 1 task in 1 s. Faults on purpose: `a=down:1s`; none has struck."
    )


def test_ten_thousand_failures_are_reported_at_once(history):
    # as many that failed as they kept from running: nobody looks through all for each
    count = 5000
    plan = Plan(
        goal="g",
        tasks=[Task(id=f"a{n}") for n in range(count)]
        + [Task(id=f"b{n}", needs=[f"a{n}"]) for n in range(count)],
    )
    run = history(plan)
    for n in range(count):
        run.broke(f"a{n}", 0, 1, "E").ended(f"a{n}", 1, Status.FAILED)
        run.ended(f"b{n}", 1, Status.UPSTREAM_FAILED, "", f"a{n}")
    told = report(run.run(RunStatus.FAILED))
    assert len(told.failures) == count
    assert told.failures[7].kept == ("b7",)
    assert told.next_lines == ("%orchestrate retry --run nightly-7",)
    assert len(told.outcome) < 200
