"""What was tried again, why, how long was waited, and what came of it; alike ones together."""

from __future__ import annotations

from orch_nb.integration.retries import retried
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task


def test_a_task_is_told_with_its_causes_its_waits_and_its_end(history):
    run = history(Plan(goal="g", tasks=[Task(id="a"), Task(id="b")]))
    run.broke("a", 0, 1, "OSError", "disk 1 is full")
    run.broke("a", 3, 4, "OSError", "disk 2 is full")
    run.broke("a", 8, 9, "KeyError", "x").ran("a", 10, 11).ran("b", 0, 1)
    (one,) = retried(run.run())
    assert one.tasks == ("a",)
    assert one.causes == ("OSError: disk 1 is full (twice)", "KeyError: x")
    assert (one.again, one.waited_s, one.ended) == (3, 7.0, "succeeded")


def test_alike_ones_are_told_together_and_the_most_frequent_first(history):
    run = history(Plan(goal="g", tasks=[Task(id=f"t{n}") for n in range(5)]))
    run.broke("t0", 0, 1, "KeyError", "x").ran("t0", 1, 2)
    for n in (1, 2, 3):
        run.broke(f"t{n}", 0, 1, "OSError", f"port {n}").ran(f"t{n}", 2, 3)
    run.broke("t4", 0, 1, "OSError", "port 4").broke("t4", 2, 3, "OSError", "port 4")
    run.ended("t4", 3, Status.FAILED)
    found = retried(run.run(RunStatus.FAILED))
    assert [(one.tasks, one.ended) for one in found] == [
        (("t1", "t2", "t3"), "succeeded"), (("t0",), "succeeded"), (("t4",), "failed"),
    ]  # fmt: skip
    assert found[0].waited_s == 3.0
    assert found[0].causes == ("OSError: port 1",)


def test_an_attempt_that_was_lost_is_told_as_lost(history):
    run = history(Plan(goal="g", tasks=[Task(id="a")])).lost("a", 0, 1).ran("a", 5, 6)
    (one,) = retried(run.run())
    assert one.causes == ("lost with its process",)


def test_nothing_is_told_where_nothing_was_tried_again(history):
    run = history(Plan(goal="g", tasks=[Task(id="a")])).ran("a", 0, 1)
    assert retried(run.run()) == ()
