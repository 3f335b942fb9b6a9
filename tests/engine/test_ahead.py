"""Attempts that an executor is given before it can run them: when, and how they are taken back.

A hand-over and a commit cost more than a short function does. So while attempts are short, the
executor is given more than run at once; what has not begun can be taken back as if it never was.
"""

from __future__ import annotations

import pytest

from orch_nb.engine.memory import MemoryJournal
from orch_nb.model import event as ev
from orch_nb.model.task import Pool
from orch_nb.testing import Took, perform

from .plans import plan_of, python, starts, statuses, tries
from .queueing import Queueing

SHORT = 0.0005


def short(count, **fields):
    return [python(f"s{n:03}", **fields) for n in range(count)]


def given(*tasks, script=None, workers=1, pools=None, **options):
    """A run, its executor and its journal; attempts are short unless the script says otherwise."""
    executor, journal = Queueing(script, takes_s=SHORT), MemoryJournal()
    run = perform(
        plan_of(*tasks, pools=pools or {}), executor=executor, journal=journal, workers=workers,
        **options,
    )  # fmt: skip
    return run, executor, journal.history("run")


def most_given(history):
    """The most attempts that had started and not ended, as the journal has it."""
    found = now = 0
    for event in history:
        now += isinstance(event, ev.AttemptStarted)
        now -= isinstance(event, (ev.AttemptSucceeded, ev.AttemptFailed, ev.AttemptReturned))
        found = max(found, now)
    return found


def test_while_attempts_are_short_more_are_given_than_run_at_once():
    run, executor, history = given(*short(200), workers=2)
    assert run.succeeded
    assert executor.most == 2
    assert most_given(history) > 20


def test_an_executor_that_does_not_queue_is_given_no_more_than_run():
    class Plain(Queueing):
        ahead = 0

    executor, journal = Plain(takes_s=SHORT), MemoryJournal()
    perform(plan_of(*short(50)), executor=executor, journal=journal, workers=2)
    assert most_given(journal.history("run")) == 2


@pytest.mark.parametrize(
    "fields",
    [{"timeout": "9s"}, {"total_timeout": "9s"}, {"pool": "db"}, {"estimate": "3s"},
     {"run": None, "sh": "true"}],
)  # fmt: skip
def test_what_has_a_time_or_a_limit_or_is_known_to_be_long_stays_until_it_can_run(fields):
    _, _, history = given(*short(50, **fields), workers=2, pools={"db": Pool(9)})
    assert most_given(history) == 2


def test_what_has_not_begun_behind_a_long_one_is_taken_back_and_never_was():
    run, executor, history = given(*short(100), script={"s050": [Took("x", 30.0)]})
    assert run.succeeded
    assert executor.given_back
    back = {e.task for e in history if isinstance(e, ev.AttemptReturned)}
    assert back == {task for task, _ in executor.given_back}
    for task in back:
        assert tries(run, task) == ["succeeded"]
        assert run[task].attempts[0].number == 1
        assert starts(run, task)[0] >= 30


def test_the_more_urgent_goes_first_once_things_have_come_back():
    tasks = [*short(100), python("urgent", priority=9, needs="s010")]
    run, executor, _ = given(*tasks, script={"s030": [Took("x", 30.0)]}, workers=1)
    order = [task for task, _ in executor.submitted]
    assert order.index("urgent") < order.index("s099")
    assert run.succeeded


def test_a_pause_takes_them_back_and_they_start_afterwards():
    people = {0.0052: lambda driver: driver.pause(), 9.0: lambda driver: driver.resume()}
    run, executor, history = given(*short(100), at=people)
    assert run.succeeded
    assert executor.given_back
    paused = next(e.at for e in history if isinstance(e, ev.PauseRequested))
    begun = [a.started.timestamp() for task in run for a in task.attempts]
    assert not [at for at in begun if paused + 2 * SHORT < at < paused + 8.9]


@pytest.mark.parametrize("task", [None, "s099"])
def test_one_that_is_cancelled_while_it_stands_in_the_queue_never_begins(task):
    executor = Queueing(takes_s=SHORT)
    people = {0.0472: lambda driver: (driver.cancel(task), queued.extend(executor.queue))}
    queued = []
    run = perform(plan_of(*short(100)), executor=executor, workers=1, at=people)
    assert "s099" in {request.id for request, _ in queued}  # or this tests nothing
    assert run["s099"].status == "cancelled"
    assert run["s099"].attempts == ()
    assert ("s099", 1) not in executor.submitted
    done = "cancelled" if task is None else "failed"
    assert run.status == done
    others = {status for name, status in statuses(run).items() if name != "s099"}
    assert others == ({"succeeded", "cancelled"} if task is None else {"succeeded"})


def test_a_run_that_is_cut_off_runs_again_what_stood_in_the_queue():
    journal = MemoryJournal()
    plan = plan_of(*short(100))
    with pytest.raises(TimeoutError):
        perform(
            plan, executor=Queueing(takes_s=SHORT), journal=journal, workers=1, at_most_s=0.0102
        )
    before = journal.history("run")
    done = {e.task for e in before if isinstance(e, ev.AttemptSucceeded)}
    assert 0 < len(done) < 100
    executor = Queueing(takes_s=SHORT)
    run = perform(plan, executor=executor, journal=journal, history=before, workers=1)
    assert run.succeeded
    assert {task for task, _ in executor.submitted} == set(plan.by_id) - done
