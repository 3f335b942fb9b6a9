"""The driver in manual time: what is committed before what, waits, timeouts, people, the fold."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch_nb.engine.driver import Driver
from orch_nb.engine.memory import MemoryJournal
from orch_nb.engine.ports import Request
from orch_nb.errors import JournalError
from orch_nb.model import event as ev
from orch_nb.model.fold import replay
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Approval, RetryPolicy, Task
from orch_nb.testing import (
    FakeExecutor,
    Hang,
    ManualClock,
    Took,
    chain,
    diamond,
    fan,
    layered,
    nothing,
    perform,
)  # fmt: skip


def gate(name="g", **fields):
    return Task(id=name, approval=Approval("Ship?", fields.pop("default", None)), **fields)


def plan_of(*tasks):
    return Plan(goal="g", tasks=tasks)


def python(name, **fields):
    return Task(id=name, run=nothing, **fields)


# -- time


def test_a_run_takes_as_long_as_its_longest_chain():
    clock = ManualClock()
    run = perform(diamond(), executor=FakeExecutor({"c": [Took("c", 5.0)]}), clock=clock)
    assert run.succeeded
    assert run.duration_s == pytest.approx(7)
    assert run["d"].wait_s == 0


def test_attempts_back_off_by_the_policy_and_by_nothing_else():
    policy = RetryPolicy(
        maximum_attempts=4, initial_interval_s=10, backoff_coefficient=3, maximum_interval_s=50,
        jitter=0,
    )  # fmt: skip
    executor = FakeExecutor({"a": [OSError("x")] * 3 + ["ok"]})
    run = perform(chain("a", retry=policy), executor=executor)
    starts = [attempt.started for attempt in run["a"].attempts]
    ends = [attempt.finished for attempt in run["a"].attempts]
    waits = [(b - a).total_seconds() for a, b in zip(ends, starts[1:], strict=False)]
    assert waits == [10, 30, 50]
    assert [attempt.status for attempt in run["a"].attempts] == ["failed"] * 3 + ["succeeded"]
    assert run["a"].error is None
    assert run.results["a"] == "ok"


def test_an_attempt_past_its_timeout_is_stopped_and_tried_again():
    executor = FakeExecutor({"a": [Hang(), "ok"]})
    run = perform(chain("a", timeout="30s", retry=2), executor=executor)
    first, second = run["a"].attempts
    assert (first.timed_out, first.abandoned, first.duration_s) == (True, False, 30)
    assert str(first.error) == "TimeoutError: took longer than its timeout of 30 s"
    assert second.status == "succeeded"
    assert executor.cancelled == [("a", 1)]


def test_an_attempt_that_cannot_be_stopped_is_abandoned_and_the_run_goes_on():
    executor = FakeExecutor({"a": [Hang(stoppable=False)]})
    plan = plan_of(python("a", timeout="3s"), python("b", needs=("a",), trigger="all_done"))
    run = perform(plan, executor=executor)
    (attempt,) = run["a"].attempts
    assert (attempt.timed_out, attempt.abandoned, attempt.duration_s) == (True, True, 3)
    assert "its thread still runs" in attempt.error.message
    assert run["b"].status == "succeeded"


class Deaf(FakeExecutor):
    """Says that it stops an attempt, and does not."""

    def cancel(self, key):
        self.cancelled.append(key)
        return True


def test_an_attempt_that_does_not_end_when_it_is_stopped_is_given_up_after_a_while():
    clock = ManualClock()
    run = perform(chain("a", timeout="3s"), executor=Deaf({"a": [Hang()]}), clock=clock)
    assert run["a"].attempts[0].abandoned
    assert 3 < clock.slept <= 10


def test_what_an_abandoned_attempt_still_reports_is_passed_over():
    executor = Deaf({"a": [Took("late", 20.0)]})
    run = perform(plan_of(python("a", timeout="3s"), python("b")), executor=executor)
    assert run["a"].status == "failed"
    executor = Deaf({"a": [Took("late", 10.0)], "b": [Took("b", 60.0)]})
    run = perform(plan_of(python("a", timeout="3s"), python("b")), executor=executor)
    assert run["a"].status == "failed"
    assert "a" not in run.results


def test_a_timeout_counts_for_each_attempt_anew():
    executor = FakeExecutor({"a": [Took(OSError("x"), 2.0), Took("ok", 2.5)]})
    run = perform(chain("a", timeout="3s", retry=2), executor=executor)
    assert run.succeeded


def test_a_wait_that_was_cancelled_does_not_cut_the_next_one_short():
    #  a fails, its wait of 100 s is cancelled after 10 s, it is tried anew after 20 s and fails
    policy = RetryPolicy(maximum_attempts=2, initial_interval_s=100, jitter=0)
    people = {
        10.0: lambda driver: driver.cancel("a"),
        20.0: lambda driver: driver.retry("a"),
        300.0: lambda driver: driver.approve("g"),
    }
    executor = FakeExecutor({"a": [OSError("x"), OSError("x"), "ok"]})
    plan = plan_of(python("a", retry=policy), gate())
    run = perform(plan, executor=executor, interactive=True, at=people)
    second, third = run["a"].attempts[1:]
    assert (third.started - second.finished).total_seconds() == 100


# -- what is committed before what


class Recording(MemoryJournal):
    """Tells what it keeps, in the list that the executor tells what it runs in."""

    def __init__(self, told):
        super().__init__()
        self.told = told

    def create(self, run_id, event):
        super().create(run_id, event)
        self.told.append(("kept", type(event).__name__, None))

    def append(self, run_id, events, blobs=()):
        super().append(run_id, events, blobs)
        for event in events:
            self.told.append(("kept", type(event).__name__, getattr(event, "task", None)))


class Telling(FakeExecutor):
    def __init__(self, told, *more):
        super().__init__(*more)
        self.told = told

    def submit(self, attempts, report):
        self.told += [("runs", request.task.id) for request in attempts]
        super().submit(attempts, report)


def test_a_start_is_committed_before_it_is_performed_and_a_success_before_its_dependents_start():
    told = []
    run = perform(layered(4, 3), executor=Telling(told), journal=Recording(told), workers=2)
    assert run.succeeded
    assert told[0] == ("kept", "RunStarted", None)
    assert told[-1] == ("kept", "RunEnded", None)
    for task in run.plan.tasks:
        start = told.index(("runs", task.id))
        assert told.index(("kept", "AttemptStarted", task.id)) < start
        for need in task.needs:
            assert told.index(("kept", "AttemptSucceeded", need)) < start


def test_what_follows_from_one_event_is_one_transaction():
    batches = []

    class Batches(MemoryJournal):
        def append(self, run_id, events, blobs=()):
            super().append(run_id, events, blobs)
            batches.append([type(event).__name__ for event in events])

    perform(chain("a", "b", "c"), executor=FakeExecutor({"a": [OSError()]}), journal=Batches())
    assert batches == [
        ["AttemptStarted"], ["AttemptFailed", "TaskEnded", "TaskEnded", "TaskEnded", "RunEnded"],
    ]  # fmt: skip


def test_observers_are_told_what_was_committed_in_order():
    told, journal = [], MemoryJournal()
    perform(diamond(), journal=journal, observers=[lambda events, state: told.extend(events)])
    assert told == journal.history("run")


def test_an_observer_that_raises_is_dropped_with_a_warning_and_the_run_goes_on():
    calls, told = [], []

    def bad(events, state):
        calls.append(events)
        raise ValueError("I cannot")

    with pytest.warns(RuntimeWarning, match="dropped.*I cannot"):
        run = perform(diamond(), observers=[bad, lambda events, state: told.extend(events)])
    assert run.succeeded
    assert len(calls) == 1
    assert isinstance(told[-1], ev.RunEnded)


@pytest.mark.parametrize("after", range(3))
def test_a_journal_that_fails_ends_the_run_and_stops_its_attempts(after):
    class Broken(MemoryJournal):
        left = after
        released = False

        def append(self, run_id, events, blobs=()):
            if self.left == 0:
                raise JournalError("the disk is gone")
            self.left -= 1
            super().append(run_id, events, blobs)

        def release(self, run_id):
            self.released = True
            super().release(run_id)

    journal, executor = Broken(), FakeExecutor({"w1": [Hang()]})
    with pytest.raises(JournalError, match="the disk is gone"):
        perform(fan(3), executor=executor, journal=journal)
    assert executor.stopped
    assert journal.released
    assert ("w1", 1) not in executor.submitted or ("w1", 1) in executor.cancelled
    kept = replay(journal.history("run"))  # what was kept can be gone on with
    assert kept.status == "running"


def test_a_journal_that_cannot_keep_the_output_ends_the_run_and_leaves_nothing_running():
    class NoLogs(MemoryJournal):
        def write_log(self, run_id, lines):
            raise JournalError("no room for output")

    class Chatty(FakeExecutor):
        def submit(self, attempts, report):
            attempts[0].log("stdout", "hello\n")
            super().submit(attempts, report)

    executor = Chatty({"a": [Hang()]})
    with pytest.raises(JournalError, match="no room"):
        perform(chain("a"), executor=executor, journal=NoLogs())
    assert executor.stopped


def test_a_run_that_somebody_else_has_is_not_released_by_who_failed_to_make_it():
    journal = MemoryJournal()
    journal.create("run", ev.RunStarted(at=1.0, run_id="run", plan=chain("a")))
    with pytest.raises(Exception, match="has a run `run`"):
        perform(chain("a"), journal=journal)
    assert [row.held for row in journal.runs()] == [True]


def test_a_process_is_journaled_before_its_executor_lets_it_work():
    journal, seen = MemoryJournal(), []

    class Processes(FakeExecutor):
        def submit(self, attempts, report):
            def work():
                request.started_process(1)
                kinds = [type(event).__name__ for event in journal.history("run")]
                seen.append("ProcessStarted" in kinds)
                begin(attempts, report)

            (request,), begin = attempts, super().submit
            threading.Thread(target=work).start()

    async def main():
        clock = ManualClock()
        driver = Driver(
            chain("a"), run_id="run", journal=journal, executor=Processes(takes_s=0.0),
            options=ev.RunOptions(), clock=clock,
        )  # fmt: skip
        run = asyncio.ensure_future(driver.drive())
        while not run.done():
            await asyncio.sleep(0.01)
            clock.advance(0.01)
        return run.result()

    assert asyncio.run(main()).succeeded
    assert seen == [True]


# -- people


def test_a_gate_waits_for_its_person_and_the_report_knows_who_and_how_long():
    people = {7.0: lambda driver: driver.approve("g", by="ann", note="looks fine")}
    plan = plan_of(gate(), python("b", needs=("g",)))
    run = perform(plan, interactive=True, at=people)
    assert run.succeeded
    assert (run["g"].decided_by, run["g"].note) == ("ann", "looks fine")
    assert run["g"].wait_s == pytest.approx(7)
    assert run["g"].reason == "approved by ann: looks fine"


def test_an_answer_to_a_gate_that_does_not_wait_is_passed_over():
    people = {0.5: lambda driver: driver.approve("g"), 60.0: lambda driver: driver.reject("g")}
    plan = plan_of(python("a"), gate(needs=("a",)))
    run = perform(plan, interactive=True, at=people)
    assert run["g"].status == "failed"


@pytest.mark.parametrize("verb", ["cancel", "approve", "reject", "retry"])
def test_a_word_about_a_task_that_is_none_harms_nothing(verb):
    run = perform(diamond(), at={0.5: lambda driver: getattr(driver, verb)("nope")})
    assert run.succeeded


def test_cancelling_stops_what_runs_and_ends_the_run():
    executor = FakeExecutor({"b": [Hang()]})
    run = perform(diamond(), executor=executor, at={5.0: lambda driver: driver.cancel(by="ann")})
    assert run.status == "cancelled"
    assert {task.task: task.status.value for task in run} == {
        "a": "succeeded", "b": "cancelled", "c": "succeeded", "d": "cancelled",
    }  # fmt: skip
    assert run["b"].attempts[0].status == "cancelled"


def test_cancelling_twice_is_cancelling_once():
    executor = FakeExecutor({"a": [Hang()]})
    people = {2.0: lambda driver: (driver.cancel(), driver.cancel()), 2.1: Driver.cancel}
    run = perform(chain("a"), executor=executor, at=people)
    assert run.status == "cancelled"
    assert executor.cancelled == [("a", 1)]


def test_a_retry_in_mid_run_takes_along_what_the_failure_kept_from_running():
    #  a ✗ ─► b        slow runs meanwhile
    executor = FakeExecutor({"a": [OSError("x"), "ok"], "slow": [Took("slow", 30.0)]})
    plan = plan_of(python("a"), python("b", needs=("a",)), python("slow"))
    run = perform(plan, executor=executor, at={5.0: lambda driver: driver.retry("a")})
    assert run.succeeded
    assert [attempt.status for attempt in run["a"].attempts] == ["failed", "succeeded"]


def test_requests_of_other_processes_are_taken_while_it_runs():
    journal = MemoryJournal()
    people = {3.0: lambda driver: journal.ask("run", Request("approve", "g", "bob"))}
    run = perform(plan_of(gate()), journal=journal, interactive=True, at=people)
    assert run["g"].decided_by == "bob"


def test_a_request_that_means_nothing_is_passed_over():
    journal = MemoryJournal()
    for request in (Request("dance"), Request("cancel", "nope"), Request("approve", None)):
        journal.ask("run", request)
    assert perform(diamond(), journal=journal).succeeded


# -- going on


def cut_off(plan, events, **options):
    """A journal whose run was cut off after `events`, recovered by a new driver."""
    journal = MemoryJournal()
    first = ev.RunStarted(at=1_800_000_000.0, run_id="run", plan=plan)
    journal.create("run", first)
    journal.append("run", events)
    journal.release("run")
    clock = ManualClock(1_800_000_100.0)
    history = journal.history("run")
    return perform(plan, journal=journal, history=history, clock=clock, **options), journal


def started(task, attempt=1):
    return ev.AttemptStarted(at=1_800_000_001.0, task=task, attempt=attempt)


def succeeded(task, **result):
    return ev.AttemptSucceeded(
        at=1_800_000_002.0, task=task, attempt=1, started=1_800_000_001.0,
        result=ev.ResultRef(**result),
    )  # fmt: skip


def failed(task):
    return ev.AttemptFailed(
        at=1_800_000_002.0, task=task, attempt=1, started=1_800_000_001.0,
        error=ev.Failure("OSError"),
    )  # fmt: skip


def test_what_was_in_flight_runs_again_and_what_had_succeeded_does_not():
    executor = FakeExecutor()
    events = [started("a"), succeeded("a"), started("b"), started("c"), succeeded("c")]
    run, _ = cut_off(diamond(), events, executor=executor)
    assert run.succeeded
    assert executor.submitted == [("b", 2), ("d", 1)]
    assert [attempt.status for attempt in run["b"].attempts] == ["lost", "succeeded"]
    assert run.resumed == 1


def test_a_run_cut_off_before_its_first_turn_starts():
    run, _ = cut_off(diamond(), [])
    assert run.succeeded


def test_a_result_that_was_not_kept_is_made_again_where_it_is_needed():
    #  a ✓ ─► b ✓ ─► c      only b's result is needed, but to make it a's is
    executor = FakeExecutor()
    events = [
        started("a"), succeeded("a", format="unstored"),
        started("b"), succeeded("b", format="unstored"),
    ]  # fmt: skip
    run, _ = cut_off(chain("a", "b", "c"), events, executor=executor)
    assert run.succeeded
    assert executor.submitted == [("a", 2), ("b", 2), ("c", 1)]


def test_a_result_that_was_not_kept_and_is_not_needed_is_left():
    executor = FakeExecutor()
    events = [started("a"), succeeded("a", format="unstored"), started("b"), succeeded("b")]
    run, _ = cut_off(chain("a", "b", "c"), events, executor=executor)
    assert run.succeeded
    assert executor.submitted == [("c", 1)]


def test_retrying_a_failed_task_makes_again_what_it_needs_and_nobody_kept():
    #  a ✓ (unstored) ─► b ✗ ─► c
    executor = FakeExecutor()
    events = [
        started("a"), succeeded("a", format="unstored"), started("b"), failed("b"),
        ev.TaskEnded(at=1_800_000_002.0, task="b", status=Status.FAILED),
        ev.TaskEnded(at=1_800_000_002.0, task="c", status=Status.UPSTREAM_FAILED, cause="b"),
        ev.RunEnded(at=1_800_000_002.0, status=RunStatus.FAILED),
    ]  # fmt: skip
    plan = chain("a", "b", "c")
    run, _ = cut_off(plan, events, executor=executor, retry="b")
    assert run.succeeded
    assert executor.submitted == [("a", 2), ("b", 2), ("c", 1)]


def test_a_run_that_was_being_cancelled_starts_nothing_when_it_goes_on():
    executor = FakeExecutor()
    events = [started("first"), ev.CancelRequested(at=1_800_000_002.0)]
    run, _ = cut_off(fan(3), events, executor=executor)
    assert run.status == "cancelled"
    assert executor.submitted == []


def test_a_task_that_was_being_cancelled_does_not_begin_when_the_run_goes_on():
    executor = FakeExecutor()
    events = [started("a"), started("b"), ev.CancelRequested(at=1_800_000_002.0, task="a")]
    run, _ = cut_off(plan_of(python("a"), python("b")), events, executor=executor)
    assert run["a"].status == "cancelled"
    assert executor.submitted == [("b", 2)]


def test_a_wait_between_attempts_goes_on_where_it_was():
    executor = FakeExecutor()
    plan = chain("a", retry=3)
    wait = ev.BackingOff(at=1_800_000_002.0, task="a", until=1_800_000_150.0)
    run, _ = cut_off(plan, [started("a"), failed("a"), wait], executor=executor)
    assert run["a"].attempts[1].started.timestamp() == 1_800_000_150


def test_what_people_said_while_nobody_worked_on_the_run_counts():
    journal = MemoryJournal()
    plan = plan_of(gate(), python("b", needs=("g",)))
    first = perform(plan, journal=journal)
    assert first.status == "waiting"
    journal.ask("run", Request("approve", "g", "ann"))
    second = perform(plan, journal=journal, history=journal.history("run"))
    assert second.succeeded
    assert second["g"].decided_by == "ann"


def test_going_on_with_a_waiting_run_that_nobody_answered_waits_again():
    journal = MemoryJournal()
    plan = plan_of(gate(), python("b", needs=("g",)))
    for resumed in range(3):
        history = journal.history("run") if resumed else ()
        run = perform(plan, journal=journal, history=history)
        assert (run.status, run.resumed) == ("waiting", resumed)
    assert perform(plan, journal=journal, history=journal.history("run"), approve=["g"]).succeeded


def test_an_engine_that_is_stopped_leaves_a_run_that_can_be_gone_on_with():
    journal, executor = MemoryJournal(), FakeExecutor({"b": [Hang()]})

    async def main():
        driver = Driver(
            chain("a", "b", "c"), run_id="run", journal=journal, executor=executor,
            options=ev.RunOptions(), clock=ManualClock(),
        )  # fmt: skip
        run = asyncio.ensure_future(driver.drive())
        for _ in range(5):
            await asyncio.sleep(0)
            driver.clock.advance(1.0)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    assert executor.stopped
    assert [row.held for row in journal.runs()] == [False]
    run = perform(chain("a", "b", "c"), journal=journal, history=journal.history("run"))
    assert run.succeeded
    assert len(run["a"].attempts) == 1


# -- the fold


OUTCOMES = st.one_of(
    st.just("ok"),
    st.builds(Took, st.sampled_from(["ok", OSError("x")]), st.floats(0, 20)),
    st.builds(Hang, st.booleans()),
    st.just(ValueError("x")),
)


@settings(max_examples=60)
@given(
    script=st.dictionaries(
        st.sampled_from(["t0.0", "t1.0", "t1.1", "t2.2", "t3.1"]),
        st.lists(OUTCOMES, min_size=1, max_size=3),
    ),
    cancel=st.none() | st.floats(0, 30),
    retry=st.none() | st.floats(0, 30),
    workers=st.integers(1, 5),
)
def test_replaying_the_journal_gives_the_very_run(script, cancel, retry, workers):
    journal, plan = MemoryJournal(), layered(4, 3, timeout="9s", retry=2)
    people = {}
    if retry is not None:
        people[retry] = lambda driver: driver.retry("t1.0")
    if cancel is not None:
        people[cancel] = Driver.cancel
    executor = FakeExecutor(script)
    run = perform(plan, executor=executor, journal=journal, at=people, workers=workers)
    assert executor.most <= workers + sum(a.abandoned for task in run for a in task.attempts)
    told = replay(journal.history("run")).snapshot(run.results, journal=journal.path)
    assert told == run
    assert run.status != "running"


def test_of_two_answers_in_one_turn_the_first_is_told():
    plan = plan_of(gate())
    state = replay(
        [
            ev.RunStarted(at=1.0, run_id="r", plan=plan),
            ev.Waiting(at=1.0, task="g", prompt="Ship?"),
            ev.Decided(at=2.0, task="g", approved=True, by="ann", note="fine"),
            ev.Decided(at=2.0, task="g", approved=False, by="bob", note="wait"),
            ev.TaskEnded(at=2.0, task="g", status=Status.SUCCEEDED, reason="approved by ann: fine"),
        ]
    )
    told = state.snapshot()["g"]
    assert (told.decided_by, told.note) == ("ann", "fine")
