"""What people do to a run while it goes: pause it, give it workers, answer, cancel, try anew."""

from __future__ import annotations

import pytest

from orch_nb.engine.memory import MemoryJournal
from orch_nb.engine.ports import Request
from orch_nb.model import event as ev
from orch_nb.model.task import Task
from orch_nb.testing import START, FakeExecutor, Hang, ManualClock, Took, chain, fan, perform

from .plans import at, gate, plan_of, python, starts, statuses, steadily, tries


def pause(driver):
    driver.pause(by="ann")


def resume(driver):
    driver.resume(by="ann")


# -- pausing


def test_a_pause_starts_nothing_and_lets_what_runs_go_on():
    run = perform(
        chain("a", "b"), executor=FakeExecutor({"a": [Took("x", 5.0)]}),
        at={2.0: pause, 30.0: resume},
    )  # fmt: skip
    assert run.succeeded
    assert at(run["a"].finished) == 5
    assert starts(run, "b") == [30]


def test_a_pause_holds_retries_too():
    run = perform(
        chain("a", retry=steadily(2, 3.0)), executor=FakeExecutor({"a": [OSError(), "ok"]}),
        at={2.0: pause, 30.0: resume},
    )  # fmt: skip
    assert starts(run, "a") == [0, 30]


def test_a_wait_between_two_attempts_goes_on_during_a_pause():
    run = perform(
        chain("a", retry=steadily(2, 60.0)), executor=FakeExecutor({"a": [OSError(), "ok"]}),
        at={2.0: pause, 30.0: resume},
    )  # fmt: skip
    assert starts(run, "a") == [0, 61]


def test_a_snapshot_and_each_task_say_that_the_run_is_paused():
    seen = []
    people = {
        2.0: pause,
        10.0: lambda driver: seen.extend([driver.snapshot().paused, driver.why("b")]),
        30.0: resume,
        30.5: lambda driver: seen.append(driver.snapshot().paused),
    }
    perform(chain("a", "b"), executor=FakeExecutor({"a": [Took("x", 5.0)]}), at=people)
    assert seen == [True, "the run is paused", False]


def test_pausing_twice_is_pausing_once():
    journal = MemoryJournal()
    people = {0.5: pause, 0.6: pause, 5.0: resume, 6.0: resume, 6.5: resume}
    perform(chain("a", "b", "c"), journal=journal, at=people)
    words = [(type(e).__name__, e.by) for e in journal.history("run") if hasattr(e, "by")]
    assert words.count(("PauseRequested", "ann")) == 1
    assert words.count(("PauseEnded", "ann")) == 1


def test_a_paused_run_with_nothing_left_to_start_ends():
    run = perform(chain("a"), at={0.5: pause})
    assert run.succeeded
    assert run.duration_s == 1


def test_a_paused_run_can_be_cancelled():
    run = perform(chain("a", "b"), at={0.5: pause, 9.0: lambda driver: driver.cancel()})
    assert statuses(run) == {"a": "succeeded", "b": "cancelled"}
    assert (run.status, run.duration_s) == ("cancelled", 9)


def test_a_gate_is_asked_and_answered_during_a_pause():
    run = perform(
        plan_of(python("a"), gate("g", needs="a"), python("b", needs="g")), interactive=True,
        at={0.5: pause, 9.0: lambda driver: driver.approve("g"), 30.0: resume},
    )  # fmt: skip
    assert at(run["g"].finished) == 9
    assert starts(run, "b") == [30]


def test_a_run_that_waits_for_people_alone_does_not_end_while_it_is_paused():
    run = perform(plan_of(python("a"), gate("g")), at={0.5: pause, 9.0: resume})
    assert (run.status, run.duration_s) == ("waiting", 9)


def test_the_next_process_is_not_paused():
    journal = MemoryJournal()
    with pytest.raises(TimeoutError):
        perform(chain("a", "b"), journal=journal, at={0.5: pause}, at_most_s=20)
    assert perform(chain("a", "b"), journal=journal, history=journal.history("run")).succeeded


# -- workers


def workers(number):
    return lambda driver: driver.set_workers(number)


def test_more_workers_start_more_at_once():
    run = perform(fan(6, estimate="1s"), workers=1, at={1.5: workers(3)})
    assert starts(run, *(f"w{n}" for n in range(6))) == [1, 1.5, 1.5, 2, 2.5, 2.5]


def test_fewer_workers_stop_nothing_and_start_less():
    executor = FakeExecutor(takes_s=4.0)
    plan = plan_of(*(python(f"w{n}") for n in range(8)))
    run = perform(plan, executor=executor, workers=4, at={1.0: workers(1)})
    assert starts(run, *(f"w{n}" for n in range(8))) == [0, 0, 0, 0, 4, 8, 12, 16]


def test_the_number_can_be_set_back():
    executor = FakeExecutor(takes_s=4.0)
    plan = plan_of(*(python(f"w{n}") for n in range(6)))
    people = {1.0: workers(1), 2.0: workers(2)}
    run = perform(plan, executor=executor, workers=2, at=people)
    assert starts(run, *(f"w{n}" for n in range(6))) == [0, 0, 4, 4, 8, 8]


def test_the_executor_is_told():
    told = []

    class Listening(FakeExecutor):
        def start(self, clock, workers):
            told.append(workers)
            super().start(clock, workers)

    people = {0.2: workers(5), 0.3: workers(5), 0.4: workers(0), 0.5: workers(-1)}
    run = perform(chain("a"), executor=Listening(), workers=2, at=people)
    assert told == [2, 5]  # what changes nothing or makes no sense is passed over
    assert run.options.workers == 5


# -- answers


def test_a_gate_with_a_timeout_takes_its_default_when_nobody_answers():
    for default, status in (("approve", "succeeded"), ("reject", "failed")):
        run = perform(plan_of(gate("g", default, "30s")), interactive=True)
        assert (run["g"].status, run.duration_s) == (status, 30)
        assert run["g"].decided_by == "timeout"


def test_a_gate_with_a_timeout_and_no_default_fails_when_nobody_answers():
    run = perform(plan_of(gate("g", None, "30s"), python("b", needs="g")), interactive=True)
    assert run["g"].reason == "nobody answered within 30 s"
    assert statuses(run) == {"g": "failed", "b": "upstream_failed"}


def test_an_answer_in_time_counts_and_the_timeout_is_forgotten():
    plan = plan_of(gate("g", "reject", "30s"), python("b", needs="g"))
    executor = FakeExecutor({"b": [Took(0, 60.0)]})
    people = {10.0: lambda driver: driver.approve("g", by="ann")}
    run = perform(plan, executor=executor, interactive=True, at=people)
    assert run.succeeded
    assert run["g"].decided_by == "ann"


def test_a_gates_time_runs_from_its_question():
    plan = plan_of(python("a"), gate("g", "approve", "30s", needs="a"))
    run = perform(plan, executor=FakeExecutor({"a": [Took(0, 100.0)]}), interactive=True)
    assert at(run["g"].finished) == 130


def test_a_gate_that_waits_says_how_long_it_will():
    told = []
    people = {10.0: lambda driver: told.append(driver.why("g"))}
    perform(plan_of(gate("g", "approve", "30s")), interactive=True, at=people)
    assert told == ["waits for a person, 20 s more"]


def test_a_gates_time_goes_on_while_nobody_works_on_the_run():
    for back, finished in ((20.0, 30), (90.0, 90)):
        journal = MemoryJournal()
        plan = plan_of(gate("g", None, "30s"))
        with pytest.raises(TimeoutError):
            perform(plan, journal=journal, interactive=True, at_most_s=5)
        run = perform(
            plan, journal=journal, history=journal.history("run"), interactive=True,
            clock=ManualClock(START + back),
        )  # fmt: skip
        assert run["g"].status == "failed"
        assert at(run["g"].finished) == finished


def test_headless_the_default_answers_at_once_and_without_one_the_run_waits():
    run = perform(plan_of(gate("g", "approve", "30s")))
    assert (run.succeeded, run.duration_s) == (True, 0)
    journal = MemoryJournal()
    plan = plan_of(gate("g", None, "30s"))
    assert perform(plan, journal=journal).status == "waiting"
    late = perform(
        plan, journal=journal, history=journal.history("run"), clock=ManualClock(START + 60)
    )
    assert late["g"].status == "failed"


def test_a_todo_item_is_ticked():
    plan = plan_of(Task(id="t", todo="water the plants"), python("b", needs="t"))
    run = perform(plan, interactive=True, at={3.0: lambda driver: driver.approve("t", by="bob")})
    assert run["t"].reason == "done by bob"
    assert starts(run, "b") == [3]


def test_a_gate_that_is_tried_anew_asks_again():
    plan = plan_of(gate("g", None, "30s"), gate("hold"))
    people = {
        40.0: lambda driver: driver.retry("g"),
        60.0: lambda driver: driver.approve("g", by="ann"),
        61.0: lambda driver: driver.approve("hold"),
    }
    journal = MemoryJournal()
    run = perform(plan, interactive=True, at=people, journal=journal)
    assert run.succeeded
    asked = [e for e in journal.history("run") if isinstance(e, ev.Waiting) and e.task == "g"]
    assert [at_.until - START for at_ in asked] == [30, 70]


# -- cancelling and trying anew


def test_cancelling_a_task_that_waits_between_two_attempts_ends_it():
    plan = plan_of(python("a", retry=steadily(3, 60.0)), python("b", needs="a"))
    executor = FakeExecutor({"a": [OSError()]})
    run = perform(plan, executor=executor, at={5.0: lambda driver: driver.cancel("a", by="ann")})
    assert statuses(run) == {"a": "cancelled", "b": "upstream_failed"}
    assert run["a"].reason == "cancelled by ann"


def test_what_depends_on_a_cancelled_task_follows_its_trigger_rule():
    plan = plan_of(
        python("a"), python("never", needs="a"), python("always", needs="a", trigger="all_done"),
        python("then", needs="a", trigger="one_failed"),
    )  # fmt: skip
    executor = FakeExecutor({"a": [Hang()]})
    run = perform(plan, executor=executor, at={5.0: lambda driver: driver.cancel("a")})
    assert statuses(run) == {
        "a": "cancelled", "never": "upstream_failed", "always": "succeeded", "then": "succeeded",
    }  # fmt: skip


def test_a_cancelled_task_can_be_tried_anew():
    plan = plan_of(python("a"), python("b", needs="a"), gate("g"))
    people = {
        5.0: lambda driver: driver.cancel("a"),
        9.0: lambda driver: driver.retry("a"),
        20.0: lambda driver: driver.approve("g"),
    }
    executor = FakeExecutor({"a": [Hang(), "ok"]})
    run = perform(plan, executor=executor, interactive=True, at=people)
    assert run.succeeded
    assert tries(run, "a") == ["cancelled", "succeeded"]


def test_a_retry_in_the_turn_in_which_a_condition_is_judged_puts_that_off():
    #  a ✗ ─► b (all_done, when): b is about to be let in when a is tried anew
    asked, drivers = [], []

    def when(a):
        asked.append(a)
        if len(asked) == 1:
            drivers[0].retry("a")  # handled before this answer
        return True

    plan = plan_of(python("a"), python("b", needs="a", trigger="all_done", when=when))
    executor = FakeExecutor({"a": [OSError(), "ok"]})
    run = perform(plan, executor=executor, at={0.5: drivers.append})
    assert asked == [None, "ok"]
    assert starts(run, "b") == [2]


def test_words_from_other_processes_do_the_same():
    journal = MemoryJournal()

    def ask(*words):
        return lambda driver: journal.ask("run", Request(*words))

    people = {
        0.5: ask("pause", None, "ann"), 5.0: ask("resume", None, "ann"),
        5.5: ask("workers", None, "ann", "2"), 8.0: ask("retry", "a", "ann"),
        9.0: ask("workers", None, "ann", "lots"), 20.0: ask("approve", "g", "ann"),
    }  # fmt: skip
    executor = FakeExecutor({"a": [OSError(), "ok"]})
    plan = plan_of(python("a"), python("b", needs="a"), gate("g"))
    run = perform(plan, executor=executor, journal=journal, interactive=True, at=people, workers=1)
    assert run.succeeded
    assert run.options.workers == 2
    assert not run.paused


def test_a_run_that_another_process_ends_before_it_is_claimed_is_not_gone_on_with(tmp_path):
    import orch_nb as nb
    from orch_nb.engine.journal import SqliteJournal

    class Late(SqliteJournal):
        """Another process recovers the run between this one's look at it and its claim."""

        def claim(self, run_id):
            if not told:
                told.append(nb.recover(run_id, journal=tmp_path / "j.db", approve=["g"]))
            super().claim(run_id)

    told = []
    plan = plan_of(gate("g"))
    assert nb.execute(plan, journal=tmp_path / "j.db", run_id="r").status == "waiting"
    late = Late(tmp_path / "j.db")
    run = nb.recover("r", journal=late, approve=["g"])
    assert run.succeeded
    assert sum(isinstance(event, ev.RunResumed) for event in late.history("r")) == 1
    assert not late.runs()[0].held
