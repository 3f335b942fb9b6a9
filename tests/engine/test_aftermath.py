"""Which tasks a failure reaches, by needs and rules; and what each system would make of them."""

from __future__ import annotations

import pytest

import orch_nb as nb
from orch_nb.engine.aftermath import parts
from orch_nb.errors import UsageError


def task(name, *needs, **fields):
    return nb.Task(id=name, run=print, needs=list(needs), **fields)


def plan(*tasks):
    return nb.Plan(goal="g", tasks=list(tasks))


def of(found, system):
    return next(one for one in found.outcomes if one.system == system)


def fates(found, system):
    return {fate.task: fate.fate for fate in of(found, system).fates}


def test_each_task_has_its_part():
    """stage ─► orders, refunds ─► joined ─► tidy (all_done);  refunds ─► paid"""
    made = plan(
        task("stage"), task("orders", "stage"), task("refunds", "stage"),
        task("joined", "orders", "refunds"), task("tidy", "joined", trigger="all_done"),
        task("paid", "refunds"),
    )  # fmt: skip

    assert parts(made, "orders") == {
        "stage": "ended", "orders": "fault", "refunds": "begun", "joined": "behind",
        "tidy": "anyway", "paid": "later",
    }  # fmt: skip


def test_estimates_tell_what_has_ended_and_what_has_not_begun():
    """slow (9 s);  quick ─► late;  the fault comes at 9 s, or at 1 s"""
    made = plan(task("slow", estimate="9s"), task("quick", estimate="1s"),
                task("late", "quick", estimate="1s"))  # fmt: skip

    assert parts(made, "slow") == {"slow": "fault", "quick": "begun", "late": "begun"}
    assert parts(made, "quick") == {"slow": "begun", "quick": "fault", "late": "behind"}


@pytest.mark.parametrize(
    ("rule", "part"),
    [("all_success", "behind"), ("none_failed", "behind"), ("all_done", "anyway"),
     ("one_failed", "anyway"), ("one_success", "anyway"), ("all_failed", "passed_over"),
     ("all_done_min_one_success", "anyway"), ("none_skipped", "anyway")],
)  # fmt: skip
def test_a_rule_decides(rule, part):
    """bad, good ─► last"""
    made = plan(task("bad"), task("good"), task("last", "bad", "good", trigger=rule))

    assert parts(made, "bad")["last"] == part


def test_what_follows_what_runs_anyway_runs_too():
    made = plan(task("bad"), task("tidy", "bad", trigger="all_done"), task("mail", "tidy"))
    found = nb.systems(made, "bad")

    assert parts(made, "bad")["mail"] == "anyway"
    assert fates(found, "bullmq")["mail"] == "ends"


def test_a_clean_up_behind_what_waits_for_ever_waits_too():
    """bad ─► next ─► tidy (all_done);  bad ─► tidy"""
    made = plan(task("bad"), task("next", "bad"), task("tidy", "next", trigger="all_done"))

    assert fates(nb.systems(made, "bad"), "bullmq") == {
        "bad": "fails", "next": "waits for ever", "tidy": "waits for ever",
    }  # fmt: skip
    assert fates(nb.systems(made, "bad"), "airflow")["tidy"] == "ends"


def test_a_plan_that_a_system_cannot_say_has_a_reason_and_no_fates():
    fan_out = nb.systems(plan(task("a"), task("b", "a"), task("c", "a")), "b")
    letter_n = nb.systems(plan(task("a"), task("b"), task("c", "a", "b"), task("d", "b")), "a")
    gate = nb.systems(plan(task("a"), nb.Task(id="gate", approval="Go?", needs=["a"])), "a")

    assert of(fan_out, "bullmq").remarks == (
        "`b` and `c` wait for `a`, and a job of a flow has one parent.",
    )
    assert "only `b` before `d`" in of(letter_n, "celery").remarks[0]
    assert of(gate, "celery").remarks == ("`gate` waits for a person, and nothing here does.",)
    assert not of(fan_out, "bullmq").fates


def test_an_optional_task_lets_our_run_succeed_and_no_other():
    made = plan(task("a"), task("extra", "a", required=False))
    found = nb.systems(made, "extra")

    assert of(found, "orch_nb").whole == "succeeded"
    assert of(found, "airflow").whole == "failed"
    assert "It has no word for `required: false`." in of(found, "airflow").remarks


def test_airflow_calls_it_a_success_only_where_all_last_tasks_are():
    tidy = task("tidy", "b", trigger="all_done")
    hidden = plan(task("a"), task("b", "a"), tidy)
    seen = plan(task("a"), task("b", "a"), tidy, task("c", "b"))

    assert of(nb.systems(hidden, "b"), "airflow").whole == "success"
    assert of(nb.systems(seen, "b"), "airflow").whole == "failed"


def test_what_is_tried_without_end_is_told_where_nothing_is_said_of_retries():
    once = of(nb.systems(plan(task("a"))), "temporal")
    thrice = of(nb.systems(plan(task("a", retry=3))), "temporal")

    assert (once.tries, thrice.tries) == ("without end", "3")
    assert "tried without end" in once.remarks[0]
    assert not thrice.remarks


def test_the_frame_has_a_row_a_system_and_task_and_says_what_it_is_inferred_from():
    frame = nb.systems(plan(task("a"), task("b", "a")), "a").df
    row = frame.query("system == 'celery' and task == 'b'").iloc[0]

    assert len(frame) == 14
    assert (row.fate, row.part, row.scenario, row.verdict) == (
        "never runs", "behind", "chain", "failed, never run",
    )  # fmt: skip
    assert frame.attrs["fault"] == "a"


def test_a_task_that_is_not_there_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match="Did you mean `orders`"):
        nb.systems(plan(task("orders")), "ordres")
