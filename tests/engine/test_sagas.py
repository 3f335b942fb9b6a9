"""What runs when a run has failed: compensations, the last to complete first; `on_failure`."""

from __future__ import annotations

import pytest

import orch_nb as nb
from orch_nb.engine.memory import MemoryJournal
from orch_nb.model.task import Pool, Rate, Task
from orch_nb.testing import START, FakeExecutor, Hang, ManualClock, Took, nothing, perform

from .plans import gate, plan_of, python, starts, statuses, steadily, tries


def undo(**fields):
    return {"run": nothing, **fields}


#   book ─► pay ─► ship ✗
def trip(*more, script=None, undo_pay=None, on_failure=None, **fields):
    plan = plan_of(
        python("book", compensate=undo()),
        python("pay", needs="book", compensate=undo_pay or undo()),
        python("ship", needs="pay", compensate=undo(), **fields),
        *more,
        on_failure=on_failure,
    )
    return plan, FakeExecutor({"ship": [OSError("no truck")], **(script or {})})


def order(executor):
    return [task for task, _ in executor.submitted]


# -- when, and in which order


def test_what_had_succeeded_is_undone_the_last_first_when_the_run_fails():
    plan, executor = trip()
    run = perform(plan, executor=executor)
    assert run.status == "failed"
    assert order(executor)[3:] == ["compensate(pay)", "compensate(book)"]
    assert statuses(run) == {"book": "compensated", "pay": "compensated", "ship": "failed"}
    assert run["compensate(pay)"].of == "pay"
    assert run["compensate(pay)"].status == "succeeded"
    assert run.spec("compensate(pay)") is plan["pay"].compensate


def test_a_run_that_succeeds_undoes_nothing():
    plan, executor = trip(script={"ship": ["ok"]})
    assert perform(plan, executor=executor).succeeded
    assert order(executor) == ["book", "pay", "ship"]


def test_the_order_is_that_in_which_they_completed_not_that_of_the_plan():
    tasks = [python(name, compensate=undo()) for name in "abc"]
    script = {"a": [Took(0, 3.0)], "b": [Took(0, 1.0)], "c": [Took(0, 2.0)], "x": [OSError()]}
    executor = FakeExecutor(script)
    perform(plan_of(*tasks, python("x", needs=("a", "b", "c"))), executor=executor)
    assert order(executor)[4:] == ["compensate(a)", "compensate(c)", "compensate(b)"]


def test_they_run_one_after_another_when_everything_has_ended():
    plan, executor = trip(python("slow"), script={"slow": [Took(0, 30.0)]})
    run = perform(plan, executor=executor)
    assert starts(run, "compensate(pay)", "compensate(book)") == [30, 31]


def test_a_cancelled_run_is_undone_too():
    plan, executor = trip(script={"ship": [Hang()]})
    run = perform(plan, executor=executor, at={5.0: lambda driver: driver.cancel()})
    assert run.status == "cancelled"
    assert statuses(run) == {"book": "compensated", "pay": "compensated", "ship": "cancelled"}


def test_a_run_that_ran_out_of_time_is_undone_and_that_takes_its_own_time():
    plan, executor = trip(
        script={"ship": [Hang()], "compensate(pay)": [Took(0, 60.0)]},
    )
    run = perform(plan, executor=executor, timeout_s=5.0)
    assert run.status == "failed"
    assert statuses(run)["book"] == "compensated"
    assert run.duration_s == 66


def test_a_failure_that_the_run_bears_undoes_nothing():
    plan, executor = trip(required=False)
    run = perform(plan, executor=executor)
    assert run.succeeded
    assert "compensate(book)" not in order(executor)


def test_a_run_that_waits_for_people_undoes_nothing_yet():
    plan, executor = trip(gate("g"))
    run = perform(plan, executor=executor)
    assert run.status == "waiting"
    assert statuses(run)["book"] == "succeeded"


def test_a_fan_out_is_undone_as_one():
    plan = plan_of(
        python("each", foreach=[0, 1, 2], compensate={"run": lambda each: 0}),
        python("x", needs="each"),
    )
    executor = FakeExecutor({"x": [OSError()]})
    run = perform(plan, executor=executor)
    assert statuses(run)["each"] == "compensated"
    assert order(executor)[4:] == ["compensate(each)"]
    assert executor.requests[-1].kwargs == {"each": ["each[0]", "each[1]", "each[2]"]}


def test_a_compensation_gets_the_result_of_what_it_undoes_and_of_what_that_needed():
    plan, executor = trip(undo_pay={"run": lambda pay, book: 0}, script={"pay": ["receipt 7"]})
    perform(plan, executor=executor)
    request = next(r for r in executor.requests if r.id == "compensate(pay)")
    assert request.kwargs == {"pay": "receipt 7", "book": "book"}
    assert request.current.idempotency_key == "run:compensate(pay)"


def test_a_compensation_may_be_a_shell_command():
    plan, executor = trip(undo_pay={"sh": "refund {{ pay }}"}, script={"pay": ["7"]})
    perform(plan, executor=executor)
    assert [r.command for r in executor.requests if r.id == "compensate(pay)"] == ["refund 7"]


# -- its own retries, times and limits


def test_a_compensation_has_its_own_retries():
    plan, executor = trip(
        undo_pay=undo(retry=steadily(3, 10.0)),
        script={"compensate(pay)": [OSError(), OSError(), "ok"]},
    )
    run = perform(plan, executor=executor)
    assert tries(run, "compensate(pay)") == ["failed", "failed", "succeeded"]
    assert starts(run, "compensate(pay)") == [3, 14, 25]
    assert starts(run, "compensate(book)") == [26]
    assert statuses(run)["pay"] == "compensated"


def test_one_that_fails_for_good_is_told_and_the_next_goes_on():
    plan, executor = trip(script={"compensate(pay)": [ValueError("no refund")]})
    run = perform(plan, executor=executor)
    assert run["compensate(pay)"].status == "failed"
    assert str(run["compensate(pay)"].error) == "ValueError: no refund"
    assert statuses(run) == {"book": "compensated", "pay": "succeeded", "ship": "failed"}


def test_a_compensation_has_its_own_timeouts():
    plan, executor = trip(
        undo_pay=undo(timeout="5s", retry=9, total_timeout="12s"),
        script={"compensate(pay)": [Hang()]},
    )
    run = perform(plan, executor=executor)
    assert tries(run, "compensate(pay)") == ["failed", "failed"]
    assert run["compensate(pay)"].reason == "took longer than 12 s over all attempts"
    assert statuses(run)["book"] == "compensated"


def test_a_compensation_stands_under_its_pools():
    plan = plan_of(
        python("a", compensate=undo(pool="db")), python("b", compensate=undo(pool="db")),
        python("x", needs=("a", "b")), pools={"db": Pool(rate=Rate(1, 50.0))},
    )  # fmt: skip
    run = perform(plan, executor=FakeExecutor({"x": [OSError()]}))
    assert starts(run, "compensate(a)", "compensate(b)") == [2, 52]


def test_a_person_may_cancel_one_compensation_and_the_next_goes_on():
    plan, executor = trip(script={"compensate(pay)": [Hang()]})
    people = {9.0: lambda driver: driver.cancel("compensate(pay)")}
    run = perform(plan, executor=executor, at=people)
    assert run["compensate(pay)"].status == "cancelled"
    assert statuses(run) == {"book": "compensated", "pay": "succeeded", "ship": "failed"}
    assert run.status == "failed"


def test_cancelling_the_run_does_not_stop_what_undoes_it():
    plan, executor = trip(script={"compensate(pay)": [Took(0, 30.0)]})
    run = perform(plan, executor=executor, at={9.0: lambda driver: driver.cancel()})
    assert statuses(run)["pay"] == statuses(run)["book"] == "compensated"
    assert run.status == "failed"


def test_a_pause_holds_compensations_too():
    plan, executor = trip()
    people = {2.5: lambda driver: driver.pause(), 50.0: lambda driver: driver.resume()}
    run = perform(plan, executor=executor, at=people)
    assert starts(run, "compensate(pay)", "compensate(book)") == [50, 51]
    assert run.status == "failed"


# -- on_failure


def alarm(**fields):
    return Task(id="on_failure", run=lambda failures: 0, **fields)


def test_it_runs_once_after_everything_with_what_failed():
    plan, executor = trip(on_failure=alarm(), script={"compensate(book)": [OSError("stuck")]})
    run = perform(plan, executor=executor)
    assert order(executor)[-1] == "on_failure"
    assert executor.requests[-1].kwargs == {
        "failures": {"ship": "OSError: no truck", "compensate(book)": "OSError: stuck"}
    }
    assert run["on_failure"].status == "succeeded"
    assert run.status == "failed"


def test_a_rejected_gate_is_told_by_its_reason():
    plan = plan_of(gate("g", "reject"), on_failure=alarm())
    executor = FakeExecutor()
    perform(plan, executor=executor)
    assert executor.requests[-1].kwargs == {"failures": {"g": "rejected by default"}}


def test_it_has_its_own_retries_and_its_failure_changes_nothing():
    plan = plan_of(python("a"), on_failure=alarm(retry=steadily(2)))
    executor = FakeExecutor({"a": [OSError()], "on_failure": [OSError()]})
    run = perform(plan, executor=executor)
    assert tries(run, "on_failure") == ["failed", "failed"]
    assert run.status == "failed"


@pytest.mark.parametrize("end", ["succeeded", "cancelled", "waiting"])
def test_it_does_not_run_where_the_run_did_not_fail(end):
    tasks = {"succeeded": [], "cancelled": [python("hang")], "waiting": [gate("g")]}[end]
    executor = FakeExecutor({"hang": [Hang()]})
    people = {5.0: lambda driver: driver.cancel()} if end == "cancelled" else {}
    run = perform(plan_of(python("a"), *tasks, on_failure=alarm()), executor=executor, at=people)
    assert run.status == end
    assert "on_failure" not in order(executor)


# -- going on, and trying anew


def test_a_saga_that_is_cut_off_goes_on_where_it_was():
    journal = MemoryJournal()
    plan, executor = trip(on_failure=alarm(), script={"compensate(book)": [Hang()]})
    with pytest.raises(TimeoutError):
        perform(plan, executor=executor, journal=journal, at_most_s=30)
    assert order(executor)[3:] == ["compensate(pay)", "compensate(book)"]
    again = FakeExecutor()
    run = perform(plan, executor=again, journal=journal, history=journal.history("run"))
    assert again.submitted == [("compensate(book)", 2), ("on_failure", 1)]
    assert statuses(run) == {"book": "compensated", "pay": "compensated", "ship": "failed"}
    assert tries(run, "compensate(book)") == ["lost", "succeeded"]


def test_a_compensation_that_failed_for_good_is_not_tried_again_by_the_next_process():
    journal = MemoryJournal()
    plan, executor = trip(script={"compensate(pay)": [OSError()], "compensate(book)": [Hang()]})
    with pytest.raises(TimeoutError):
        perform(plan, executor=executor, journal=journal, at_most_s=30)
    again = FakeExecutor()
    run = perform(plan, executor=again, journal=journal, history=journal.history("run"))
    assert order(again) == ["compensate(book)"]
    assert statuses(run)["pay"] == "succeeded"


def test_a_wait_between_two_attempts_of_a_compensation_goes_on_in_the_next_process():
    journal = MemoryJournal()
    script = {"compensate(pay)": [OSError(), "ok"]}
    plan, executor = trip(undo_pay=undo(retry=steadily(2, 60.0)), script=script)
    with pytest.raises(TimeoutError):
        perform(plan, executor=executor, journal=journal, at_most_s=30)
    run = perform(
        plan, executor=FakeExecutor(), journal=journal, history=journal.history("run"),
        clock=ManualClock(START + 40),
    )  # fmt: skip
    assert starts(run, "compensate(pay)") == [3, 64]


@pytest.mark.parametrize("cause", ["cancel", "timeout", "fail_fast"])
def test_why_a_run_is_undone_holds_in_the_next_process(cause):
    journal = MemoryJournal()
    plan, executor = trip(
        python("other", needs="book"), on_failure=alarm(),
        script={"ship": [Hang()], "other": [Hang()], "compensate(book)": [Hang()]},
    )  # fmt: skip
    if cause == "fail_fast":
        executor.script["ship"] = [OSError()]
    options = {"timeout_s": 9.0} if cause == "timeout" else {"fail_fast": cause == "fail_fast"}
    people = {9.0: lambda driver: driver.cancel()} if cause == "cancel" else {}
    with pytest.raises(TimeoutError):
        perform(plan, executor=executor, journal=journal, at=people, at_most_s=30, **options)
    again = FakeExecutor()
    run = perform(plan, executor=again, journal=journal, history=journal.history("run"), **options)
    assert run.status == ("cancelled" if cause == "cancel" else "failed")
    assert order(again) == ["compensate(book)"] + ["on_failure"] * (cause != "cancel")


def test_a_retry_after_the_end_runs_again_what_was_undone():
    journal = MemoryJournal()
    plan, executor = trip(on_failure=alarm(), script={"ship": [OSError(), "ok"]})
    first = perform(plan, executor=executor, journal=journal)
    assert first.status == "failed"
    history = journal.history("run")
    again = FakeExecutor()
    run = perform(plan, executor=again, journal=journal, history=history, retry="ship")
    assert run.succeeded
    assert again.submitted == [("book", 2), ("pay", 2), ("ship", 2)]
    assert statuses(run) == {"book": "succeeded", "pay": "succeeded", "ship": "succeeded"}


def test_a_retry_that_fails_again_is_undone_again():
    journal = MemoryJournal()
    plan, executor = trip()
    perform(plan, executor=executor, journal=journal)
    again = FakeExecutor({"ship": [OSError()]})
    run = perform(
        plan, executor=again, journal=journal, history=journal.history("run"), retry="ship"
    )
    assert order(again)[3:] == ["compensate(pay)", "compensate(book)"]
    assert again.submitted[3] == ("compensate(pay)", 2)
    assert run.status == "failed"


def test_a_retry_also_runs_again_what_came_after_something_undone():
    #  book ─► note ✓ (no compensation), ship ✗: `note` was about a booking that is no more
    journal = MemoryJournal()
    plan, executor = trip(python("note", needs="book"))
    perform(plan, executor=executor, journal=journal)
    again = FakeExecutor()
    run = perform(
        plan, executor=again, journal=journal, history=journal.history("run"), retry="ship"
    )
    assert run.succeeded
    assert sorted(order(again)) == ["book", "note", "pay", "ship"]


def test_a_retry_while_it_is_being_undone_is_passed_over():
    plan, executor = trip(script={"ship": [OSError(), "ok"], "compensate(pay)": [Took(0, 30.0)]})
    run = perform(plan, executor=executor, at={9.0: lambda driver: driver.retry("ship")})
    assert run.status == "failed"
    assert statuses(run)["book"] == "compensated"


def test_a_compensation_that_failed_can_be_tried_anew_by_itself():
    journal = MemoryJournal()
    plan, executor = trip(script={"compensate(pay)": [OSError()]})
    perform(plan, executor=executor, journal=journal)
    again = FakeExecutor()
    run = perform(
        plan, executor=again, journal=journal, history=journal.history("run"),
        retry="compensate(pay)",
    )  # fmt: skip
    assert order(again) == ["compensate(pay)"]
    assert statuses(run) == {"book": "compensated", "pay": "compensated", "ship": "failed"}
    assert run.status == "failed"


def test_a_cancelled_run_stays_one_when_a_compensation_of_it_is_tried_anew():
    journal = MemoryJournal()
    plan, executor = trip(
        on_failure=alarm(), script={"ship": [Hang()], "compensate(pay)": [OSError()]}
    )
    people = {9.0: lambda driver: driver.cancel()}
    assert perform(plan, executor=executor, journal=journal, at=people).status == "cancelled"
    again = FakeExecutor()
    run = perform(
        plan, executor=again, journal=journal, history=journal.history("run"),
        retry="compensate(pay)",
    )  # fmt: skip
    assert (run.status, order(again)) == ("cancelled", ["compensate(pay)"])


def test_a_compensation_that_failed_is_tried_anew_by_its_name(tmp_path):
    stuck = [True]

    def undo():
        if stuck:
            raise OSError("not reachable")

    def fails():
        raise ValueError("no")

    plan = nb.Plan(
        goal="g",
        tasks=[
            nb.Task(id="make", run=lambda: 1, compensate=undo),
            nb.Task(id="fails", run=fails, needs=["make"]),
        ],
    )
    first = nb.execute(plan, journal=tmp_path / "j.db")
    assert (first["make"].status, first["compensate(make)"].status) == ("succeeded", "failed")
    stuck.clear()
    again = nb.recover(first.run_id, plan, journal=tmp_path / "j.db", retry="compensate(make)")
    assert (again["make"].status, again["compensate(make)"].status) == ("compensated", "succeeded")
    assert len(again["fails"].attempts) == 1
    assert again.status == "failed"


def test_what_ran_at_the_end_does_not_run_again_when_one_task_of_it_is_undone_by_hand():
    journal = MemoryJournal()
    plan, executor = trip(
        on_failure=alarm(), script={"compensate(pay)": [OSError()], "compensate(book)": [OSError()]}
    )
    perform(plan, executor=executor, journal=journal)
    again = FakeExecutor()
    run = perform(
        plan, executor=again, journal=journal, history=journal.history("run"),
        retry="compensate(pay)", by="ana",
    )  # fmt: skip
    assert order(again) == ["compensate(pay)"]
    assert run["compensate(book)"].status == "failed"
    assert (run.status, len(run["on_failure"].attempts)) == ("failed", 1)
    assert [(d.verb, d.task, d.by) for d in run.decisions] == [("compensate", "pay", "ana")]


def test_a_retry_of_the_run_itself_has_its_whole_end_again():
    journal = MemoryJournal()
    plan, executor = trip(on_failure=alarm())
    perform(plan, executor=executor, journal=journal)
    again = FakeExecutor({"ship": [OSError()]})
    run = perform(
        plan, executor=again, journal=journal, history=journal.history("run"), retry="ship"
    )
    assert order(again)[3:] == ["compensate(pay)", "compensate(book)", "on_failure"]
    assert len(run["on_failure"].attempts) == 2
