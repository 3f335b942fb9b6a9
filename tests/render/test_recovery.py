"""Before a run goes on that was cut off: what is kept, what runs again, and why."""

from __future__ import annotations

from msgspec.structs import replace

from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.status import Status
from orch_nb.model.task import Task
from orch_nb.render.document import Paragraph, Table, plain
from orch_nb.render.recovery import recovery_blocks

T0 = 1_795_336_860.0


def test_of_a_fan_out_the_instances_that_ended_are_kept(fold):
    plan = Plan(goal="g", tasks=(Task(id="f", run="m:f", foreach=[1, 2, 3]), Task(id="z")))
    events = [
        ev.Expanded(at=T0, task="f", count=3, items=ev.ResultRef()),
        ev.AttemptStarted(at=T0, task="f[0]", attempt=1),
        ev.AttemptStarted(at=T0, task="f[1]", attempt=1),
        ev.AttemptSucceeded(at=T0 + 1, task="f[0]", attempt=1, started=T0),
    ]
    head, table = recovery_blocks(fold(plan, events))
    assert isinstance(head, Paragraph)
    assert "0 of 2 tasks have ended and are kept, 2 run now" in plain(head.line)
    assert isinstance(table, Table)
    assert [[plain(cell) for cell in row.cells] for row in table.rows] == [
        ["f", "▶ running", "1 of 3 instances have ended and are kept, the others run"],
        ["z", "○ pending", "had not started"],
    ]


def test_a_run_that_another_system_owns_went_on(fold):
    plan = Plan(goal="g", tasks=(Task(id="a"), Task(id="b")))
    options = ev.RunOptions(on="temporal://127.0.0.1:7233")
    events = [ev.TaskEnded(at=T0, task="a", status=Status.SUCCEEDED)]
    run = replace(fold(plan, events), options=options)
    (told,) = recovery_blocks(run)
    assert isinstance(told, Paragraph)
    assert "which Temporal owns: it went on while nobody looked. 1 of 2 tasks" in plain(told.line)
    assert "cut off" not in plain(told.line)
