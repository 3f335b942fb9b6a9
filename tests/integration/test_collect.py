"""Results by task, grouped by story."""

from __future__ import annotations

from orch_nb.integration.collect import results
from orch_nb.model.plan import Plan, Story
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task


def test_results_come_story_by_story_in_the_order_of_the_plan(history):
    plan = Plan(
        goal="g",
        stories=[Story(id="Verify"), Story(id="Ship")],
        tasks=[
            Task(id="wheel", story="Ship"),
            Task(id="lint", story="Verify"),
            Task(id="free"),
            Task(id="tests", story="Verify"),
        ],
    )
    run = history(plan)
    for n, task in enumerate(("lint", "tests", "wheel", "free")):
        run.ran(task, n, n + 1, result=f"{task} ok")
    found = results(run.run())
    assert [(r.story, r.task, r.text) for r in found] == [
        (None, "free", "free ok"),
        ("Verify", "lint", "lint ok"),
        ("Verify", "tests", "tests ok"),
        ("Ship", "wheel", "wheel ok"),
    ]
    assert (found[0].kind, found[0].size_bytes) == ("json", 7)


def test_a_task_that_returned_nothing_or_did_not_succeed_has_no_result(history):
    plan = Plan(goal="g", tasks=[Task(id="quiet"), Task(id="bad"), Task(id="late")])
    run = history(plan).ran("quiet", 0, 1).broke("bad", 0, 1, "ValueError")
    run.ended("bad", 1, Status.FAILED).ended("late", 1, Status.CANCELLED)
    assert results(run.run(RunStatus.FAILED)) == ()


def test_a_result_that_could_not_be_stored_says_why():
    from orch_nb.model import event as ev
    from orch_nb.model.fold import RunState

    state = RunState()
    state.apply(ev.RunStarted(at=1.0, run_id="r", plan=Plan(goal="g", tasks=[Task(id="a")])))
    state.apply(ev.AttemptStarted(at=1.0, task="a", attempt=1))
    ref = ev.ResultRef(format="unstored", reason="a generator has no copy")
    state.apply(ev.AttemptSucceeded(at=2.0, task="a", attempt=1, started=1.0, result=ref))
    (found,) = results(state.snapshot())
    assert (found.kind, found.text) == ("unstored", "a generator has no copy")
