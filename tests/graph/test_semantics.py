"""Which questions a plan and a failure in it ask of every system."""

from __future__ import annotations

import pytest

import orch_nb as nb
from orch_nb.errors import UsageError
from orch_nb.graph.semantics import fault_of, questions


def noop():
    """What is not run here."""


def plan(*tasks):
    return nb.Plan(goal="g", tasks=tasks)


def task(name, *needs, **fields):
    return nb.Task(id=name, run=noop, needs=needs, **fields)


def asked(plan, fault):
    return {one.scenario: one for one in questions(plan, fault)}


def test_the_fault_is_where_most_hangs_on_the_critical_path():
    """slow ─► build ─► ship;  quick ─► ship;  a gate does not fail by itself."""
    gate = nb.Task(id="gate", approval="Go on?")
    made = plan(gate, task("slow", "gate", estimate_s=9), task("quick"), task("build", "slow"),
                task("ship", "build", "quick"))  # fmt: skip

    assert fault_of(made) == "slow"
    assert fault_of(made, "quick") == "quick"


def test_a_fault_that_is_no_task_is_refused_with_the_nearest_name():
    with pytest.raises(UsageError, match=r"no task `biuld`. Did you mean `build`\?"):
        fault_of(plan(task("build")), "biuld")


def test_an_empty_plan_has_nothing_that_fails():
    with pytest.raises(UsageError, match="has no tasks"):
        fault_of(plan())


def test_a_task_alone_asks_only_of_retries_and_of_its_worker():
    assert set(asked(plan(task("a")), "a")) == {"unsaid", "killed"}


def test_a_chain_names_what_waits():
    """sdist ─► publish"""
    found = asked(plan(task("sdist"), task("publish", "sdist")), "sdist")

    assert found["chain"].words == "`publish` waits for `sdist`: what becomes of it?"
    assert found["chain"].roles == {"task": "sdist", "after": "publish"}


def test_a_join_asks_of_the_sibling_and_of_itself():
    """a, b ─► c"""
    found = asked(plan(task("a"), task("b"), task("c", "a", "b")), "a")

    assert found["siblings"].words == "`b` still runs when `a` fails: does it end?"
    assert found["join"].words == "`c` needs `a` and `b`: what becomes of it?"
    assert "chain" not in found


@pytest.mark.parametrize("trigger", ["all_done", "one_failed", "all_failed", "always"])
def test_what_runs_anyway_is_a_clean_up_and_waits_for_nothing(trigger):
    """a ─► b ─► tidy"""
    made = plan(task("a"), task("b", "a"), task("tidy", "b", trigger=trigger))

    assert asked(made, "b")["cleanup"].roles == {"task": "b", "cleanup": "tidy"}
    assert asked(made, "a")["late"].roles == {"task": "a", "cleanup": "tidy", "after": "b"}
    assert "chain" not in asked(made, "b")
    assert "cleanup" not in asked(made, "a")


def test_a_rule_that_the_failure_does_not_meet_is_no_clean_up():
    """a, b ─► alarm (all_failed): one of two has failed, so it is passed over"""
    made = plan(task("a"), task("b"), task("alarm", "a", "b", trigger="all_failed"))

    assert not {"cleanup", "late"}.intersection(asked(made, "a"))


def test_what_needs_only_what_runs_beside_it_asks_whether_it_runs():
    """a;  b ─► c"""
    found = asked(plan(task("a"), task("b"), task("c", "b")), "a")

    assert found["branch"].words == "`c` needs `b` alone, which did not fail: does it run?"
    assert found["branch"].roles == {"task": "a", "sibling": "b", "follower": "c"}


def test_the_task_itself_asks_by_what_it_says():
    made = plan(task("a", retry=3, timeout_s=30.0, foreach=[1, 2]))
    found = asked(made, "a")

    assert set(found) == {"retry", "timeout", "foreach", "killed"}
    assert found["timeout"].words == "`a` takes longer than its 30s: is it stopped?"


def test_what_was_done_before_asks_who_undoes_it_the_nearest_first():
    """one ─► two ─► fails"""
    undo = nb.Task(id="u", run=noop)
    made = plan(task("one", compensate=undo), task("two", "one", compensate=undo),
                task("fails", "two"))  # fmt: skip

    assert asked(made, "fails")["undo"].roles == {
        "task": "fails", "before": "two", "undo": "compensate(two)",
    }  # fmt: skip
    assert "undo" not in asked(made, "one")


def test_a_gate_behind_the_fault_asks_who_waits():
    """a ─► gate ─► b"""
    gate = nb.Task(id="gate", approval="Go on?", needs=["a"])
    found = asked(plan(task("a"), gate, task("b", "gate")), "a")

    assert found["approval"].roles == {"gate": "gate", "after": "b"}


def test_a_diamond_is_found_wherever_it_is_those_of_the_fault_first():
    """x ─► y, z ─► w;  a ─► b, c ─► d"""
    first = [task("x"), task("y", "x"), task("z", "x"), task("w", "y", "z")]
    second = [task("a"), task("b", "a"), task("c", "a"), task("d", "b", "c")]
    made = plan(*first, *second)

    assert asked(made, "b")["diamond"].roles == {
        "top": "a", "left": "b", "right": "c", "bottom": "d",
    }  # fmt: skip
    assert asked(made, "y")["diamond"].roles["top"] == "x"


def test_a_plan_of_ten_thousand_tasks_is_asked_at_once():
    """root ─► 10,000 ─► end"""
    arms = [f"t{n}" for n in range(10_000)]
    made = plan(task("root"), *(task(one, "root") for one in arms), task("end", *arms))

    found = asked(made, "root")

    assert found["diamond"].roles == {"top": "root", "left": "t0", "right": "t1", "bottom": "end"}
