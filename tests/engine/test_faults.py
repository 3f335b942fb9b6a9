"""Faults on purpose: how they are written, which attempts they fail, and how that is told."""

from __future__ import annotations

import os
import signal

import pytest

from orch_nb.engine.faults import Faults, checked_faults, parse_fault, without_kill
from orch_nb.engine.memory import MemoryJournal
from orch_nb.errors import UsageError
from orch_nb.model.task import Pool
from orch_nb.testing import START, FakeExecutor, ManualClock, Took, perform

from .plans import gate, plan_of, python, starts, statuses, steadily, tries


def run_of(*tasks, faults, pools=None, **options):
    executor = FakeExecutor(options.pop("script", None))
    plan = plan_of(*tasks, pools=pools or {})
    run = perform(plan, executor=executor, faults=checked_faults(plan, faults), **options)
    return run, executor


# -- how they are written


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("fetch=2", {"task": "fetch", "attempts": 2}),
        (" fetch = 2 ", {"task": "fetch", "attempts": 2}),
        ("fetch=20%", {"task": "fetch", "share": 0.2}),
        ("fetch=0.5%", {"task": "fetch", "share": 0.005}),
        ("fetch=100%", {"task": "fetch", "share": 1.0}),
        ("api=down:30s", {"task": "api", "down_s": 30.0}),
        ("api=down:1m30s", {"task": "api", "down_s": 90.0}),
        ("kill", {"kill": True, "task": ""}),
        ("kill=fetch", {"kill": True, "task": "fetch"}),
    ],
)
def test_a_fault_as_it_is_written(text, fields):
    fault = parse_fault(text)
    assert {name: getattr(fault, name) for name in fields} == pytest.approx(fields)


@pytest.mark.parametrize(
    "text",
    ["fetch", "fetch=", "=2", "fetch=0", "fetch=-1", "fetch=0%", "fetch=101%", "fetch=often",
     "fetch=down", "fetch=down:soon", "fetch=2.5", ""],
)  # fmt: skip
def test_what_is_no_fault_is_refused_with_the_forms(text):
    with pytest.raises(
        UsageError, match="Write TASK=2, TASK=20%, TASK=down:30s, kill or kill=TASK"
    ):
        parse_fault(text)


def test_a_fault_of_what_the_plan_does_not_have_is_refused_with_the_nearest_name():
    plan = plan_of(python("fetch"), gate("g"), pools={"database": Pool(1)})
    assert checked_faults(plan, "fetch=2") == ("fetch=2",)
    assert checked_faults(plan, ["fetch=2", "database=down:3s"])[1] == "database=down:3s"
    with pytest.raises(UsageError, match=r"`fetsh` is no task of this plan.*fetch"):
        checked_faults(plan, "fetsh=2")
    with pytest.raises(UsageError, match="`g` runs nothing that could fail"):
        checked_faults(plan, "g=1")


# -- which attempts


def test_the_first_so_many_attempts_fail_and_the_function_is_not_called():
    run, executor = run_of(python("a", retry=steadily(5)), python("b"), faults=["a=2"])
    assert tries(run, "a") == ["failed", "failed", "succeeded"]
    assert executor.submitted == [("b", 1), ("a", 3)]
    assert run.succeeded


def test_an_injected_failure_says_so_wherever_it_is_told():
    run, _ = run_of(python("a"), faults=["a=1"])
    (attempt,) = run["a"].attempts
    assert attempt.injected
    assert attempt.error.type == "InjectedFault"
    assert attempt.error.message == "attempt 1 fails on purpose (--fault a=1)"
    assert run.faults == ("a=1",)


def test_a_failure_of_its_own_is_not_marked():
    run, _ = run_of(python("a", retry=2), faults=["a=1"], script={"a": [OSError()]})
    assert [attempt.injected for attempt in run["a"].attempts] == [True, False]


def test_a_share_of_attempts_fails_which_ones_depends_on_the_run_alone():
    def failed(run_id):
        run, _ = run_of(
            python("a", foreach=list(range(200)), tolerate="all"), faults=["a=20%"], run_id=run_id
        )
        return {t.task for t in run.instances("a") if t.status == "failed"}

    assert 20 <= len(failed("one")) <= 60
    assert failed("one") == failed("one")
    assert failed("one") != failed("two")


def test_all_of_them_fail_with_a_hundred_per_cent():
    run, _ = run_of(python("a", retry=steadily(3)), faults=["a=100%"])
    assert tries(run, "a") == ["failed"] * 3


def test_a_task_that_is_down_fails_what_starts_until_it_is_up():
    run, _ = run_of(python("a", retry=steadily(9, 4.0)), faults=["a=down:10s"])
    assert starts(run, "a") == [0, 4, 8, 12]
    assert tries(run, "a") == ["failed", "failed", "failed", "succeeded"]
    assert "`a` is down for 10 s on purpose" in run["a"].attempts[0].error.message


def test_a_pool_that_is_down_fails_whatever_holds_its_slots():
    run, _ = run_of(
        python("a", pool="db"), python("b", pool="db", needs="late"), python("late"), python("c"),
        faults=["db=down:5s"], pools={"db": Pool(9)}, script={"late": [Took(0, 6.0)]},
    )  # fmt: skip
    assert statuses(run) == {
        "a": "failed", "b": "succeeded", "late": "succeeded", "c": "succeeded",
    }  # fmt: skip


def test_one_instance_has_its_own_faults():
    run, _ = run_of(python("a", foreach=[0, 1], retry=steadily(2)), faults=["a=1"])
    assert [len(task.attempts) for task in run.instances("a")] == [2, 2]


def test_a_fault_holds_in_the_next_process_and_counts_attempts_over_both():
    journal = MemoryJournal()
    plan = plan_of(python("a", retry=steadily(9, 10.0)))
    with pytest.raises(TimeoutError):
        perform(plan, journal=journal, faults=("a=3",), at_most_s=15)
    run = perform(
        plan, journal=journal, history=journal.history("run"), faults=("a=3",),
        clock=ManualClock(START + 16),
    )  # fmt: skip
    assert tries(run, "a") == ["failed"] * 3 + ["succeeded"]


# -- the process itself


@pytest.fixture
def killed(monkeypatch):
    """The signals that a process would have sent itself."""
    sent = []

    def kill(pid, number):
        sent.append((pid, number))
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "kill", kill)
    return sent


def test_a_kill_comes_when_half_of_the_tasks_have_ended(killed):
    faults = Faults(["kill"], "run", 0.0, tasks=5)
    faults.ended(2)
    assert killed == []
    with pytest.raises(KeyboardInterrupt):
        faults.ended(3)
    assert killed == [(os.getpid(), signal.SIGKILL)]


def test_a_kill_of_a_task_comes_when_that_starts_and_its_start_is_kept(killed):
    journal = MemoryJournal()
    with pytest.raises(KeyboardInterrupt):
        perform(plan_of(python("a"), python("b", needs="a")), journal=journal, faults=("kill=b",))
    assert [(type(e).__name__, getattr(e, "task", "")) for e in journal.history("run")][-2:] == [
        ("AttemptSucceeded", "a"), ("AttemptStarted", "b"),
    ]  # fmt: skip


def test_a_kill_happens_once():
    assert without_kill(["kill", "a=2", "kill=b"]) == ("a=2",)
    assert not Faults([], "run", 0.0, tasks=5)
