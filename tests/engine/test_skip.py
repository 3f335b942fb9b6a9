"""A person skips a task: the rest goes on as if it had succeeded with no result.

a ✗ ─► b ⊘ ─► c ⊘         skip a:   a –, b and c run, b gets None for a
"""

from __future__ import annotations

import pytest

import orch_nb as nb
from orch_nb.engine.memory import MemoryJournal
from orch_nb.engine.ports import Request
from orch_nb.errors import UsageError
from orch_nb.model import event as ev
from orch_nb.model.fold import replay
from orch_nb.model.task import Task
from orch_nb.testing import FakeExecutor, Hang, Took, chain, perform

from .plans import gate, plan_of, python, statuses, steadily


def skip(task, by="ann", note=""):
    return lambda driver: driver.skip(task, by=by, note=note)


# -- in a run that goes on


def test_a_task_that_has_not_started_is_left_out_and_what_needs_it_runs():
    executor = FakeExecutor({"a": [Took("x", 5.0)]})
    run = perform(chain("a", "b", "c"), executor=executor, at={2.0: skip("b")})
    assert run.succeeded
    assert statuses(run) == {"a": "succeeded", "b": "skipped", "c": "succeeded"}
    assert run["b"].reason == "skipped by ann"
    assert run["b"].attempts == ()


def test_it_is_told_who_skipped_it_and_why():
    run = perform(
        chain("a", "b"), executor=FakeExecutor({"a": [Hang()]}),
        at={2.0: skip("a", note="not this week")},
    )  # fmt: skip
    assert run["a"].reason == "skipped by ann: not this week"
    assert (run["a"].decided_by, run["a"].note) == ("ann", "not this week")
    nobody = perform(chain("a"), executor=FakeExecutor({"a": [Hang()]}), at={2.0: skip("a", by="")})
    assert (nobody["a"].reason, nobody["a"].decided_by) == ("skipped by a person", "a person")


def test_one_that_runs_is_stopped_first():
    run = perform(chain("a", "b"), executor=FakeExecutor({"a": [Hang()]}), at={5.0: skip("a")})
    assert run.succeeded
    assert [attempt.status for attempt in run["a"].attempts] == ["cancelled"]
    assert statuses(run) == {"a": "skipped", "b": "succeeded"}


def test_one_that_succeeds_before_it_can_be_stopped_has_succeeded():
    class Deaf(FakeExecutor):
        def cancel(self, key):
            return True  # it says that it will, and goes on

    run = perform(chain("a", "b"), executor=Deaf({"a": [Took("x", 3.0)]}), at={2.9: skip("a")})
    assert run["a"].status == "succeeded"
    assert run["a"].decided_by == ""


def test_a_limit_that_passes_while_it_is_stopped_is_no_failure_of_it():
    plan = plan_of(python("a", total_timeout_s=10.0), python("b", needs="a"))
    executor = FakeExecutor({"a": [Hang(stops_s=5.0)]})
    run = perform(plan, executor=executor, at={8.0: skip("a")})
    assert statuses(run) == {"a": "skipped", "b": "succeeded"}


def test_one_between_two_attempts_has_no_further_one():
    run = perform(
        chain("a", "b", retry=steadily(5, 60.0)), executor=FakeExecutor({"a": [OSError()]}),
        at={5.0: skip("a")},
    )  # fmt: skip
    assert len(run["a"].attempts) == 1
    assert statuses(run) == {"a": "skipped", "b": "succeeded"}


def test_one_that_has_failed_lets_what_it_kept_from_running_go_on():
    plan = plan_of(python("a"), python("b", needs="a"), python("c", needs="b"), gate("g"))
    people = {5.0: skip("a"), 20.0: lambda driver: driver.approve("g")}
    executor = FakeExecutor({"a": [OSError()]})
    run = perform(plan, executor=executor, interactive=True, at=people)
    assert run.succeeded
    assert statuses(run) == {
        "a": "skipped", "b": "succeeded", "c": "succeeded", "g": "succeeded"
    }  # fmt: skip
    assert [attempt.status for attempt in run["a"].attempts] == ["failed"]


def test_a_gate_can_be_skipped():
    plan = plan_of(gate("g"), python("b", needs="g"))
    run = perform(plan, interactive=True, at={5.0: skip("g")})
    assert statuses(run) == {"g": "skipped", "b": "succeeded"}


@pytest.mark.parametrize(
    ("trigger", "status"),
    [("all_success", "succeeded"), ("none_skipped", "succeeded"), ("one_success", "succeeded"),
     ("one_failed", "skipped"), ("all_skipped", "skipped")],
)  # fmt: skip
def test_to_a_trigger_rule_it_has_succeeded(trigger, status):
    plan = plan_of(python("a"), python("b", needs="a", trigger=trigger))
    run = perform(plan, executor=FakeExecutor({"a": [Hang()]}), at={5.0: skip("a")})
    assert run["b"].status == status


def test_what_needs_it_is_given_none():
    given = []

    def a():
        raise ValueError("no")

    def b(a):
        given.append(a)
        return 1

    plan = nb.decompose([a, b])
    journal = MemoryJournal()
    nb.execute(plan, journal=journal, run_id="r")
    run = nb.recover("r", plan, journal=journal, skip="a")
    assert run.succeeded
    assert given == [None]
    with pytest.raises(KeyError, match="skipped"):
        run.results["a"]


# -- fan-outs


def spread(*outcomes):
    script = {f"a[{n}]": [outcome] for n, outcome in enumerate(outcomes)}
    plan = plan_of(python("a", foreach=list(range(len(outcomes)))), python("b", needs="a"))
    return plan, FakeExecutor(script)


def test_a_skipped_instance_is_none_of_the_failed_ones():
    plan, executor = spread(1, Hang(), 3)
    run = perform(plan, executor=executor, at={5.0: skip("a[1]")})
    assert run.succeeded
    assert run["a[1]"].status == "skipped"
    assert run["a"].status == "succeeded"
    assert run.results["a"] == [1, None, 3]


def test_a_skipped_fan_out_ends_with_its_running_instances():
    plan, executor = spread(1, Hang(), Hang())
    run = perform(plan, executor=executor, at={5.0: skip("a")})
    assert statuses(run) == {"a": "skipped", "b": "succeeded"}
    assert [run[f"a[{n}]"].status.value for n in range(3)] == ["succeeded", "skipped", "skipped"]


def test_a_fan_out_that_failed_keeps_what_its_instances_came_to_when_it_is_skipped():
    plan, executor = spread(1, OSError(), 3)
    journal = MemoryJournal()
    perform(plan, executor=executor, journal=journal)
    run = again(plan, journal, "a")
    assert statuses(run) == {"a": "skipped", "b": "succeeded"}
    assert [run[f"a[{n}]"].status.value for n in range(3)] == ["succeeded", "failed", "succeeded"]


# -- in a run that has ended


def again(plan, journal, task, executor=None):
    return perform(
        plan, executor=executor, journal=journal, history=journal.history("run"),
        skip=Request("skip", task, "ann", "later"),
    )  # fmt: skip


def test_a_run_that_failed_goes_on():
    plan, journal = chain("a", "b", "c"), MemoryJournal()
    failed = perform(plan, executor=FakeExecutor({"b": [OSError()]}), journal=journal)
    assert failed.status == "failed"
    run = again(plan, journal, "b")
    assert run.succeeded
    assert statuses(run) == {"a": "succeeded", "b": "skipped", "c": "succeeded"}
    assert replay(journal.history("run")).snapshot()["b"].reason == "skipped by ann: later"


def test_a_run_that_waited_goes_on():
    plan, journal = plan_of(gate("g"), python("b", needs="g")), MemoryJournal()
    assert perform(plan, journal=journal).status == "waiting"
    assert again(plan, journal, "g").succeeded


def test_what_was_undone_for_its_sake_is_done_again():
    plan = plan_of(python("a", compensate={"run": print}), python("b", needs="a"))
    journal = MemoryJournal()
    failed = perform(plan, executor=FakeExecutor({"b": [OSError()]}), journal=journal)
    assert failed["a"].status == "compensated"
    run = again(plan, journal, "b")
    assert statuses(run) == {"a": "succeeded", "b": "skipped"}
    assert len(run["a"].attempts) == 2


def test_a_skipped_task_stays_skipped_when_what_it_needs_is_tried_anew():
    #  a ✓ ─► b – ─► c ✗      the run fails and undoes a; c tried anew, a runs again, b does not
    plan = plan_of(
        python("a", compensate={"run": print}),
        python("b", needs="a"),
        python("c", needs=["a", "b"]),
    )
    journal = MemoryJournal()
    executor = FakeExecutor({"b": [Hang()], "c": [OSError()]})
    perform(plan, executor=executor, journal=journal, at={5.0: skip("b")})
    run = perform(plan, journal=journal, history=journal.history("run"), retry="c")
    assert statuses(run) == {"a": "succeeded", "b": "skipped", "c": "succeeded"}
    assert len(run["a"].attempts) == 2


def test_one_that_was_skipped_can_be_tried_after_all_and_so_is_what_did_without_it():
    plan, journal = chain("a", "b"), MemoryJournal()
    perform(plan, executor=FakeExecutor({"a": [OSError()]}), journal=journal)
    again(plan, journal, "a")
    run = perform(plan, journal=journal, history=journal.history("run"), retry="a")
    assert statuses(run) == {"a": "succeeded", "b": "succeeded"}
    assert run["a"].decided_by == ""
    assert len(run["b"].attempts) == 2


@pytest.mark.parametrize(
    ("task", "told"),
    [("a", "`a` is succeeded"), ("bb", "Did you mean `b`"), ("compensate(a)", "not skipped")],
)
def test_what_cannot_be_skipped_is_refused_with_a_reason(task, told):
    plan = plan_of(python("a", compensate={"run": print}), python("b", needs="a"))
    journal = MemoryJournal()
    perform(
        plan, journal=journal, run_id="r",
        executor=FakeExecutor({"b": [OSError()], "compensate(a)": [OSError()]}),
    )  # fmt: skip
    with pytest.raises(UsageError, match="(?s)" + told.replace("(", r"\(")):
        nb.recover("r", journal=journal, skip=task)


def test_the_run_tells_what_people_did_to_it():
    journal = MemoryJournal()

    def ask(*words):
        return lambda driver: journal.ask("run", Request(*words))

    people = {
        0.5: ask("pause", None, "ann"), 1.5: ask("resume", None, "ann"),
        3.0: ask("skip", "a", "bob", "no need"), 8.0: ask("reject", "g", "cleo", "not yet"),
        9.0: ask("retry", "g", "cleo"), 20.0: ask("approve", "g", "cleo"),
    }  # fmt: skip
    plan = plan_of(python("a"), python("b", needs="a"), gate("g"))
    executor = FakeExecutor({"a": [Hang()], "b": [Took("x", 30.0)]})
    run = perform(plan, executor=executor, journal=journal, interactive=True, at=people)
    assert [(d.verb, d.task, d.by, d.note) for d in run.decisions] == [
        ("pause", None, "ann", ""), ("resume", None, "ann", ""), ("skip", "a", "bob", "no need"),
        ("reject", "g", "cleo", "not yet"), ("retry", "g", "cleo", ""),
        ("approve", "g", "cleo", ""),
    ]  # fmt: skip
    told = ev.decode_events(ev.encode_events(journal.history("run")))
    assert replay(told).snapshot().decisions == run.decisions


def test_who_went_on_with_a_run_is_told_and_an_item_that_was_done_is_ticked():
    journal = MemoryJournal()
    plan = plan_of(Task(id="call", todo="Call Ada"), python("a"))
    executor = FakeExecutor({"a": [OSError()]})
    people = {0.5: lambda driver: driver.approve("call", "ann")}
    perform(plan, executor=executor, journal=journal, interactive=True, at=people)
    told = journal.history("run")
    run = perform(plan, journal=journal, history=told, retry="a", by="bob")
    assert [(d.verb, d.task, d.by) for d in run.decisions] == [
        ("tick", "call", "ann"), ("retry", "a", "bob"),
    ]  # fmt: skip


def test_who_went_on_with_a_run_that_was_cut_off_is_told():
    journal = MemoryJournal()
    perform(plan_of(gate("g"), python("a")), journal=journal)
    history = journal.history("run")
    run = perform(plan_of(gate("g"), python("a")), journal=journal, history=history, by="bob")
    assert [(d.verb, d.task, d.by) for d in run.decisions] == [("recover", None, "bob")]
