"""What was undone, what could not be, and what ran because the run failed."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from orch_nb.engine.memory import MemoryJournal
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task
from orch_nb.render.document import Fold, Paragraph, plain
from orch_nb.render.drawing import plan_svg
from orch_nb.render.facts import marks
from orch_nb.render.sections import decompose_section, execute_section, header
from orch_nb.render.sketch import task_sketch
from orch_nb.render.timeline import timeline
from orch_nb.testing import START, FakeExecutor, Hang, ManualClock, nothing, perform

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [text.text or "" for text in ET.fromstring(svg).iter(f"{SVG}text")]


# -- the plan


def test_a_plan_says_what_undoes_what_and_what_runs_at_the_end(saga, rows_of):
    section = decompose_section(saga.plan)
    assert rows_of(section, "Limits, priorities, and what undoes") == [
        ["book", "cancel the room"],
        ["pay", "refund"],
    ]
    lines = [plain(block.line) for block in section.blocks if isinstance(block, Paragraph)]
    assert "If the run fails, tell Ada runs at the end, after what can be undone has been." in lines
    boxes = {box.key: box.notes for box in task_sketch(saga.plan).boxes}
    assert boxes["book"] == ("undo: cancel the room",)
    assert boxes["ship"] == ()


# -- the run


def test_what_could_not_be_undone_is_told_before_what_failed(saga):
    lines = [plain(line) for line in header(saga.plan, saga).lines]
    assert lines == [
        (
            "pay is not undone: refund failed twice (ConnectionError: the bank is closed). "
            "What it did is still there."
        ),
        (
            "ship failed twice (RuntimeError: no carrier answers) and kept invoice from running. "
            "Next: %orchestrate retry ship --run order-7"
        ),
        "book was undone.",
    ]
    assert ", 1 compensated, " in header(saga.plan, saga).facts


def test_compensations_are_a_list_in_the_order_in_which_they_ran(saga, rows_of):
    assert rows_of(execute_section(saga), "What ran at the end, in this order") == [
        ["1", "pay", "refund", "✗ failed", "2", "2 s", "ConnectionError: the bank is closed"],
        ["2", "book", "cancel the room", "↶ compensated", "1", "1 s", ""],
        ["3", "on_failure", "tell Ada", "✓ succeeded", "1", "1 s", ""],
    ]


def test_the_todo_list_says_what_was_undone_and_what_was_not(saga, rows_of):
    rows = {row[0]: row for row in rows_of(execute_section(saga), "Todo")}
    assert rows["book"][1] == "↶ compensated"
    assert rows["pay"][1] == "✓ succeeded"
    assert rows["pay"][-1] == "not undone: ConnectionError: the bank is closed"


def test_attempts_to_undo_stand_among_the_attempts(saga, rows_of):
    rows = rows_of(execute_section(saga), "Attempts of what was tried more than once")
    assert [row[0] for row in rows] == ["ship", "", "compensate(pay)", ""]


def test_compensations_have_rows_of_the_timeline_at_its_end(saga):
    words = texts(timeline(saga).svg)
    names = [w for w in words if w.partition(" ×")[0] in saga.plan or "(" in w or "on_" in w]
    assert names[-3:] == ["compensate(pay) ×2", "compensate(book)", "on_failure"]
    assert words.count("↶ 1 s") == 2  # the task, and what undid it
    assert "compensate(book) compensated from 8 s for 1 s" in timeline(saga).alt


def test_a_drawing_tells_what_was_undone_and_what_was_not(saga):
    words = texts(plan_svg(saga.plan, marks(saga)))
    assert "↶ book" in words
    assert "not undone" in words


def test_the_traceback_of_what_could_not_be_undone_comes_first(fold):
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="a", run="m:f", compensate=Task(id="", run="m:g")),
            Task(id="b", run="m:f", needs=("a",)),
        ),
    )

    def failed(task: str, at: float) -> list[ev.Event]:
        error = ev.Failure("ValueError", task, f"in {task}")
        return [
            ev.AttemptStarted(at=at, task=task, attempt=1),
            ev.AttemptFailed(at=at + 1, task=task, attempt=1, started=at, error=error),
            ev.TaskEnded(at=at + 1, task=task, status=Status.FAILED),
        ]

    run = fold(
        plan,
        [
            ev.AttemptStarted(at=1, task="a", attempt=1),
            ev.AttemptSucceeded(at=2, task="a", attempt=1, started=1),
            *failed("b", 2),
            *failed("compensate(a)", 3),
            ev.RunEnded(at=4, status=RunStatus.FAILED),
        ],
    )
    folds = [block for block in execute_section(run).blocks if isinstance(block, Fold)]
    assert [block.blocks[0].text for block in folds[:2]] == ["in compensate(a)", "in b"]


def test_a_cancelled_run_is_undone_without_a_word_of_failure():
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="a", run=nothing, compensate=Task(id="", sh="undo a")),
            Task(id="b", run=nothing, needs=("a",), compensate=Task(id="", sh="undo b")),
            Task(id="c", run=nothing, needs=("b",)),
        ),
        on_failure=Task(id="", sh="tell"),
    )
    run = perform(
        plan, executor=FakeExecutor({"c": [Hang()]}), at={5.0: lambda driver: driver.cancel()}
    )
    assert [plain(line) for line in header(plan, run).lines] == [
        "c was cancelled.",
        "b and a were undone, the last first.",
    ]


def test_what_was_undone_in_an_earlier_round_and_done_anew_is_no_loss(rows_of):
    # book ─► ship: ship fails, book is undone; ship is retried, both run again and succeed
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="book", run=nothing, compensate=Task(id="", sh="undo")),
            Task(id="ship", run=nothing, needs=("book",)),
        ),
    )
    journal = MemoryJournal()
    perform(plan, executor=FakeExecutor({"ship": [ValueError("no")]}), journal=journal)
    run = perform(
        plan, executor=FakeExecutor(), journal=journal, history=journal.history("run"),
        retry="ship",
    )  # fmt: skip
    assert run.succeeded
    assert header(plan, run).lines == ()
    ((*_, why),) = rows_of(execute_section(run), "Undone, in this order")
    assert why == "undone in an earlier round, and done anew since"


def test_what_was_undone_by_hand_after_the_end_stands_after_what_ran_then(rows_of):
    journal = MemoryJournal()
    tasks = [
        Task(id="book", run=nothing, compensate=nothing),
        Task(id="pay", run=nothing, needs=["book"], compensate=nothing),
        Task(id="ship", run=nothing, needs=["pay"]),
    ]
    plan = Plan(goal="g", tasks=tasks, on_failure=nothing)
    script = {"ship": [OSError()], "compensate(pay)": [OSError()]}
    perform(plan, executor=FakeExecutor(script), journal=journal)
    run = perform(
        plan, journal=journal, history=journal.history("run"), retry="compensate(pay)",
        clock=ManualClock(START + 60.0),
    )  # fmt: skip
    section = execute_section(run)
    ran = [row[1] for row in rows_of(section, "What ran at the end, in this order")]
    assert ran == ["book", "on_failure", "pay"]
    assert "book and pay were undone." in [plain(line) for line in header(plan, run).lines]
