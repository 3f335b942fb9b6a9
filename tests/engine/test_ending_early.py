"""What ends a task or the run before its time: timeouts of each kind, and fail-fast."""

from __future__ import annotations

import pytest

from orch_nb.engine.memory import MemoryJournal
from orch_nb.model import event as ev
from orch_nb.testing import START, FakeExecutor, Hang, ManualClock, Took, perform

from .plans import gate, plan_of, python, starts, statuses, steadily, tries


def run_of(*tasks, script=None, **options):
    return perform(plan_of(*tasks), executor=FakeExecutor(script), **options)


# -- one attempt


def test_a_timeout_of_an_attempt_is_a_failure_and_is_tried_again():
    run = run_of(python("a", timeout="3s", retry=steadily(3)), script={"a": [Hang(), Hang(), "ok"]})
    assert tries(run, "a") == ["failed", "failed", "succeeded"]
    assert starts(run, "a") == [0, 4, 8]


@pytest.mark.parametrize(
    ("names", "again"), [(("TimeoutError",), False), (("OSError",), False), (("KeyError",), True)]
)
def test_it_is_a_timeout_error_to_the_retry_policy(names, again):
    from orch_nb.model.task import RetryPolicy

    policy = RetryPolicy(maximum_attempts=2, jitter=0, non_retryable=names)
    run = run_of(python("a", timeout="3s", retry=policy), script={"a": [Hang(), "ok"]})
    assert run.succeeded is again


# -- all attempts of a task


def test_the_time_over_all_attempts_stops_the_one_that_runs_and_there_is_no_other():
    #  fails after 2 s, waits 1 s, runs from 3 s and would run on
    run = run_of(
        python("a", total_timeout="10s", retry=steadily(9)),
        script={"a": [Took(OSError(), 2.0), Hang()]},
    )
    assert tries(run, "a") == ["failed", "failed"]
    assert run["a"].attempts[1].timed_out
    assert run["a"].status == "failed"
    assert run["a"].reason == "took longer than 10 s over all attempts"
    assert "its timeout over all attempts of 10 s" in run["a"].error.message
    assert run.duration_s == 10


def test_the_time_over_all_attempts_ends_a_wait_between_two():
    run = run_of(
        python("a", total_timeout="10s", retry=steadily(9, 60.0)), script={"a": [OSError()]}
    )
    assert tries(run, "a") == ["failed"]
    assert run["a"].status == "failed"
    assert run["a"].reason == "took longer than 10 s over all attempts"
    assert run.duration_s == 10


def test_the_time_over_all_attempts_also_ends_a_wait_for_a_worker():
    run = run_of(
        python("a", total_timeout="10s", retry=steadily(9, 3.0)),
        python("long", needs="go"), python("go"),
        script={"a": [Took(OSError(), 2.0)], "long": [Took("x", 50.0)], "go": [Took("x", 2.5)]},
        workers=2,
    )  # fmt: skip
    assert len(run["a"].attempts) >= 2
    assert run["a"].finished.timestamp() == START + 10


def test_the_time_over_all_attempts_runs_from_the_first_start_not_from_the_plans():
    run = run_of(
        python("before"), python("a", needs="before", total_timeout="10s"),
        script={"before": [Took(0, 60.0)], "a": [Took("ok", 9.0)]},
    )  # fmt: skip
    assert run.succeeded


def test_a_success_in_time_is_not_undone_when_the_time_has_passed():
    run = run_of(
        python("a", total_timeout="5s"), python("b"),
        script={"a": [Took("ok", 4.0)], "b": [Took("x", 20.0)]},
    )  # fmt: skip
    assert run.succeeded


def test_a_task_that_a_person_tries_anew_has_all_its_time_again():
    run = run_of(
        python("a", total_timeout="10s"), gate("g"), script={"a": [Hang(), Took("ok", 9.0)]},
        interactive=True,
        at={15.0: lambda driver: driver.retry("a"), 40.0: lambda driver: driver.approve("g")},
    )  # fmt: skip
    assert tries(run, "a") == ["failed", "succeeded"]


def test_an_attempt_that_cannot_be_stopped_is_left_behind():
    run = run_of(python("a", total_timeout="10s"), script={"a": [Hang(stoppable=False)]})
    assert run["a"].status == "failed"
    assert run["a"].attempts[0].abandoned


@pytest.mark.parametrize("back", [8.0, 30.0])
def test_the_time_over_all_attempts_goes_on_while_nobody_works_on_the_run(back):
    journal = MemoryJournal()
    plan = plan_of(python("a", total_timeout="20s"))
    with pytest.raises(TimeoutError):
        perform(plan, executor=FakeExecutor({"a": [Hang()]}), journal=journal, at_most_s=5)
    executor = FakeExecutor({"a": [Hang()]})
    run = perform(
        plan, executor=executor, journal=journal, history=journal.history("run"),
        clock=ManualClock(START + back),
    )  # fmt: skip
    assert run["a"].status == "failed"
    assert run["a"].finished.timestamp() == START + max(back, 20)
    assert executor.submitted == ([("a", 2)] if back < 20 else [])  # too late: it never begins


# -- the run


def test_a_run_that_takes_too_long_has_failed_and_everything_left_is_cancelled():
    run = run_of(
        python("a"), python("b", needs="a"), python("c", needs="b"),
        python("d", retry=steadily(9, 60)),
        script={"b": [Hang()], "d": [OSError()]}, timeout_s=10.0,
    )  # fmt: skip
    assert run.status == "failed"
    assert run.duration_s == 10
    assert statuses(run) == {
        "a": "succeeded", "b": "cancelled", "c": "cancelled", "d": "cancelled",
    }  # fmt: skip
    assert run["c"].reason == "cancelled: the run took longer than 10 s"


def test_a_run_that_ends_in_time_is_none():
    assert run_of(python("a"), timeout_s=10.0).succeeded


def test_a_run_that_waits_for_a_person_also_runs_out_of_time():
    run = run_of(gate("g"), interactive=True, timeout_s=10.0)
    assert (run.status, run["g"].status) == ("failed", "cancelled")


def test_the_time_between_two_processes_is_not_the_runs():
    #  5 s of its 10 have passed when it is cut off; it goes on an hour later
    journal, plan = MemoryJournal(), plan_of(python("a"))
    hangs = {"a": [Hang()]}
    with pytest.raises(TimeoutError):
        perform(
            plan, executor=FakeExecutor(hangs), journal=journal, timeout_s=10.0, at_most_s=5,
            at={5.0: lambda driver: driver.set_workers(3)},  # the last that was heard of it
        )  # fmt: skip
    run = perform(
        plan, executor=FakeExecutor(hangs), journal=journal, history=journal.history("run"),
        clock=ManualClock(START + 3600), timeout_s=10.0,
    )  # fmt: skip
    assert run.status == "failed"
    assert run.finished.timestamp() == START + 3605


def test_a_run_that_ran_out_of_time_and_is_cut_off_before_its_end_has_still_failed():
    class Deaf(FakeExecutor):
        def cancel(self, key):
            return True  # and does nothing

    journal = MemoryJournal()
    plan = plan_of(python("a"), python("b", needs="a"))
    with pytest.raises(TimeoutError):
        perform(plan, executor=Deaf({"a": [Hang()]}), journal=journal, timeout_s=10.0, at_most_s=12)
    executor = FakeExecutor()
    run = perform(
        plan, executor=executor, journal=journal, history=journal.history("run"), timeout_s=10.0
    )
    assert run.status == "failed"
    assert executor.submitted == []


# -- fail-fast


def test_without_fail_fast_what_can_still_run_does():
    run = run_of(python("a"), python("b"), python("c", needs="b"), script={"a": [OSError()]})
    assert statuses(run) == {"a": "failed", "b": "succeeded", "c": "succeeded"}
    assert run.status == "failed"


def test_fail_fast_stops_what_runs_and_cancels_the_rest():
    #  a fails after 1 s while b runs; c waits for b, d between two attempts
    run = run_of(
        python("a"), python("b"), python("c", needs="b"), python("d", retry=steadily(9, 60)),
        script={"a": [OSError()], "b": [Hang()], "d": [Took(OSError(), 0.5)]}, fail_fast=True,
    )  # fmt: skip
    assert statuses(run) == {
        "a": "failed", "b": "cancelled", "c": "cancelled", "d": "cancelled",
    }  # fmt: skip
    assert run.status == "failed"
    assert run["c"].reason == "cancelled: fail-fast"
    assert run.duration_s == 1


def test_fail_fast_says_who():
    journal = MemoryJournal()
    perform(
        plan_of(python("a"), python("b", needs="a")), executor=FakeExecutor({"a": [OSError()]}),
        journal=journal, fail_fast=True,
    )  # fmt: skip
    (event,) = [e for e in journal.history("run") if isinstance(e, ev.CancelRequested)]
    assert (event.task, event.by, event.cause) == (None, "a", "fail_fast")


def test_fail_fast_waits_for_the_last_try():
    run = run_of(
        python("a", retry=steadily(2)), python("b"), script={"a": [OSError(), "ok"]}, fail_fast=True
    )
    assert run.succeeded


def test_a_task_that_is_not_required_may_fail():
    run = run_of(
        python("a", required=False), python("b"),
        script={"a": [OSError()], "b": [Took(0, 5.0)]}, fail_fast=True,
    )  # fmt: skip
    assert statuses(run) == {"a": "failed", "b": "succeeded"}
    assert run.succeeded


@pytest.mark.parametrize(("tolerate", "status"), [(0, "failed"), (1, "succeeded")])
def test_of_a_fan_out_the_first_that_it_does_not_bear_counts(tolerate, status):
    run = run_of(
        python("each", foreach=[0, 1, 2], tolerate=tolerate),
        script={"each[0]": [OSError()], "each[1]": [Took("x", 5.0)]}, fail_fast=True,
    )  # fmt: skip
    assert run["each"].status == status
    assert run["each[1]"].status == ("cancelled" if status == "failed" else "succeeded")
    assert run.status == status


def test_a_rejected_gate_and_a_condition_that_cannot_be_judged_have_failed_too():
    for task in (gate("g", "reject"), python("g", when="nope")):
        run = run_of(task, python("b"), script={"b": [Took(0, 5.0)]}, fail_fast=True)
        assert statuses(run) == {"g": "failed", "b": "cancelled"}
        assert run.status == "failed"


def test_what_fail_fast_is_busy_stopping_stays_stopped_in_the_next_process():
    class Deaf(FakeExecutor):
        def cancel(self, key):
            return True  # and does nothing

    journal = MemoryJournal()
    plan = plan_of(python("a"), python("b"), python("c", needs="b"))
    executor = Deaf({"a": [OSError()], "b": [Hang()]})
    with pytest.raises(TimeoutError):
        perform(plan, executor=executor, journal=journal, fail_fast=True, at_most_s=3)
    again = FakeExecutor()
    run = perform(
        plan, executor=again, journal=journal, history=journal.history("run"), fail_fast=True
    )
    assert (run.status, again.submitted) == ("failed", [])


# -- of several reasons the first counts


def test_a_cancel_after_the_time_ran_out_makes_it_no_cancelled_run():
    class Slow(FakeExecutor):
        def cancel(self, key):
            self._clock.call_at(self._clock.now() + 3, lambda: FakeExecutor.cancel(self, key))
            return True

    for first, status in (({12.0: "cancel"}, "failed"), ({8.0: "cancel"}, "cancelled")):
        people = {when: lambda driver: driver.cancel() for when in first}
        run = perform(
            plan_of(python("a")), executor=Slow({"a": [Hang()]}), timeout_s=10.0, at=people
        )
        assert run.status == status
