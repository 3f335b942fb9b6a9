"""The scheduler by events alone: what starts, in which order, how many, and what ends it."""

from __future__ import annotations

import pytest

from orch_nb.engine.acts import Stop
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.task import Approval, RetryPolicy, Task
from orch_nb.phases import execute
from orch_nb.testing import chain, diamond, fan, nothing


def plan_of(**tasks):
    """`plan_of(a="", b="a")`: tasks and what they need; a dict gives more fields."""
    made = []
    for name, needs in tasks.items():
        fields = needs if isinstance(needs, dict) else {"needs": tuple(needs.split())}
        acts = any(key in fields for key in ("approval", "todo", "milestone"))
        fields = {k: v for k, v in fields.items() if k != "milestone"}
        made.append(Task(id=name, run=None if acts else nothing, **fields))
    return Plan(goal="g", tasks=tuple(made))


def started(batch):
    return [event.task for event in batch if isinstance(event, ev.AttemptStarted)]


# -- order and limits


def test_a_chain_starts_one_after_another(turns):
    run = turns(chain("a", "b", "c"))
    assert list(run.running) == ["a"]
    assert started(run.turn(run.succeed("a"))) == ["b"]
    assert started(run.turn(run.succeed("b"))) == ["c"]
    run.turn(run.succeed("c"))
    assert run.outcome == "succeeded"


def test_a_join_waits_for_all_its_branches(turns):
    #      ┌─► b ─┐
    #  a ──┤      ├─► d
    #      └─► c ─┘
    run = turns(diamond())
    assert started(run.turn(run.succeed("a"))) == ["b", "c"]
    assert started(run.turn(run.succeed("c"))) == []
    assert started(run.turn(run.succeed("b"))) == ["d"]


def test_no_more_attempts_run_at_once_than_there_are_workers(turns):
    run = turns(fan(10), workers=3)
    run.turn(run.succeed("first"))
    assert list(run.running) == ["w0", "w1", "w2"]
    assert started(run.turn(run.succeed("w1"))) == ["w3"]
    assert started(run.turn(run.succeed("w0"), run.succeed("w2"))) == ["w4", "w5"]


def test_what_most_hangs_behind_starts_first_then_the_order_of_the_plan(turns):
    #  short            long ─► x ─► y          also
    plan = plan_of(short="", long="", x="long", y="x", also="")
    run = turns(plan, workers=1)
    assert list(run.running) == ["long"]
    order = ["long"]
    while run.outcome is None:
        order += started(run.turn(run.succeed(order[-1])))
    assert order == ["long", "x", "short", "y", "also"]


def test_an_estimate_counts_for_the_order(turns):
    plan = plan_of(quick={"estimate_s": 1.0}, slow={"estimate_s": 60.0}, next="quick")
    assert list(turns(plan, workers=1).running) == ["slow"]


def test_a_milestone_ends_at_once_and_takes_no_worker(turns):
    run = turns(plan_of(a="", m={"milestone": 1, "needs": ("a",)}, b="m"), workers=1)
    assert started(run.turn(run.succeed("a"))) == ["b"]
    assert run.statuses["m"] == "succeeded"


def test_a_plan_of_milestones_ends_in_its_first_turn(turns):
    assert turns(plan_of(a={"milestone": 1}, b={"milestone": 1, "needs": ("a",)})).outcome == (
        "succeeded"
    )


# -- failures and retries


def test_what_a_failure_kept_from_running_names_it(turns):
    #  a ✗ ─► b ─► c
    run = turns(chain("a", "b", "c"))
    run.turn(run.fail("a"))
    assert run.statuses == {"a": "failed", "b": "upstream_failed", "c": "upstream_failed"}
    told = {e.task: (e.cause, e.reason) for e in run.events if isinstance(e, ev.TaskEnded)}
    assert told["b"] == ("a", "needs a, which ended failed")
    assert told["c"] == ("b", "needs b, which ended upstream failed")
    assert run.outcome == "failed"


def test_a_task_that_is_not_required_may_fail(turns):
    run = turns(plan_of(a={"required": False}, b=""))
    run.turn(run.fail("a"), run.succeed("b"))
    assert run.outcome == "succeeded"


def test_a_failed_attempt_backs_off_and_frees_its_worker(turns):
    run = turns(plan_of(a={"retry": RetryPolicy(maximum_attempts=2, jitter=0)}, b=""), workers=1)
    batch = run.turn(run.fail("a"))
    (wait,) = [event for event in batch if isinstance(event, ev.BackingOff)]
    assert wait.until == run.now + 1
    assert started(batch) == ["b"]
    run.turn(run.elapsed("a"))
    assert run.status("a") == "ready"  # b has the only worker
    assert started(run.turn(run.succeed("b"))) == ["a"]
    run.turn(run.fail("a"))
    assert run.statuses["a"] == "failed"
    assert run.events[-2].reason == "failed 2 times"


def test_a_lost_attempt_uses_up_no_try(turns):
    first = turns(chain("a"))
    again = turns(chain("a"), history=first.events)
    assert again.running == {"a": 2}
    again.turn(again.fail("a"))
    assert again.outcome == "failed"


def test_a_wait_that_is_over_twice_starts_one_attempt(turns):
    run = turns(chain("a", retry=3))
    run.turn(run.fail("a"))
    run.turn(run.elapsed("a"), run.elapsed("a"))
    assert run.running == {"a": 2}


# -- people


def test_retrying_takes_along_what_the_failure_kept_from_running(turns):
    #  a ✗ ─► b ─► c      x ✗ ─► y
    run = turns(plan_of(a="", b="a", c="b", x="", y="x", open={"todo": "?"}), interactive=True)
    run.turn(run.fail("a"), run.fail("x"))
    assert run.scheduler.reset_by_retry("a") == ("a", "b", "c")
    assert started(run.turn(run.retry("a"))) == ["a"]
    assert run.statuses["y"] == "upstream_failed"
    assert started(run.turn(run.succeed("a"))) == ["b"]


def test_retrying_leaves_what_ran_because_of_the_failure(turns):
    #  a ✗ ─► alarm (one_failed) ✓
    plan = plan_of(a="", alarm={"needs": ("a",), "trigger": "one_failed"}, open={"todo": "?"})
    run = turns(plan, interactive=True)
    run.turn(run.fail("a"))
    run.turn(run.succeed("alarm"))
    run.turn(run.retry("a"))
    run.turn(run.succeed("a"))
    assert run.statuses["alarm"] == "succeeded"


def test_a_retried_task_has_all_its_tries_again(turns):
    run = turns(plan_of(a={"retry": 2}, open={"todo": "?"}), interactive=True)
    run.turn(run.fail("a"))
    run.turn(run.elapsed("a"))
    run.turn(run.fail("a"))
    assert run.status("a") == "failed"
    run.turn(run.retry("a"))
    run.turn(run.fail("a"))
    assert run.status("a") == "backing_off"


def test_what_was_about_to_start_waits_for_an_upstream_that_is_tried_anew(turns):
    #  a ✗ ─► last (all_done), while `busy` and `more` have both workers
    plan = plan_of(a="", busy="", more="", last={"needs": ("a",), "trigger": "all_done"})
    run = turns(plan, workers=2)
    run.turn(run.fail("a"))
    assert run.running.keys() == {"busy", "more"}
    assert run.status("last") == "ready"
    run.turn(run.retry("a"))
    assert started(run.turn(run.succeed("busy"), run.succeed("more"))) == ["a"]
    assert started(run.turn(run.succeed("a"))) == ["last"]


def test_a_gate_asks_waits_and_goes_on(turns):
    run = turns(plan_of(g={"approval": Approval("Ship?")}, b="g"), interactive=True)
    assert run.statuses == {"g": "waiting", "b": "pending"}
    assert run.outcome is None
    assert started(run.turn(run.decide("g"))) == ["b"]


def test_a_rejected_gate_fails(turns):
    run = turns(plan_of(g={"approval": Approval("Ship?")}, b="g"), interactive=True)
    run.turn(run.decide("g", approved=False))
    assert run.statuses == {"g": "failed", "b": "upstream_failed"}


def test_of_two_answers_in_one_turn_the_first_counts(turns):
    run = turns(plan_of(g={"approval": Approval("Ship?")}), interactive=True)
    run.turn(run.decide("g", approved=True), run.decide("g", approved=False))
    assert run.statuses["g"] == "succeeded"


@pytest.mark.parametrize(("default", "status"), [("approve", "succeeded"), ("reject", "failed")])
def test_a_default_answers_only_where_nobody_watches(turns, default, status):
    plan = plan_of(g={"approval": Approval("Ship?", default)})
    assert turns(plan).statuses["g"] == status
    assert turns(plan, interactive=True).statuses["g"] == "waiting"


def test_a_gate_approved_beforehand_does_not_ask(turns):
    run = turns(plan_of(a="", g={"approval": Approval("?"), "needs": ("a",)}), approve=["g"])
    batch = run.turn(run.succeed("a"))
    assert not [event for event in batch if isinstance(event, ev.Waiting)]
    assert run.statuses["g"] == "succeeded"


def test_headless_a_run_ends_as_waiting_when_only_people_are_awaited(turns):
    run = turns(plan_of(g={"approval": Approval("?")}, b="g", other=""))
    assert run.outcome is None
    run.turn(run.succeed("other"))
    assert run.outcome == "waiting"


def test_a_backing_off_task_is_waited_for_before_a_run_ends_as_waiting(turns):
    run = turns(plan_of(g={"approval": Approval("?")}, a={"retry": 2}))
    run.turn(run.fail("a"))
    assert run.outcome is None


# -- cancelling


def test_cancelling_the_run_stops_what_runs_and_ends_the_rest(turns):
    run = turns(diamond())
    run.turn(run.succeed("a"))
    run.turn(run.cancel())
    assert run.stops == [Stop("b", 1), Stop("c", 1)]
    assert run.statuses["d"] == "cancelled"
    assert run.outcome is None  # attempts are still being stopped
    run.turn(run.fail("b", "Cancelled", cancelled=True))
    run.turn(run.fail("c", "Cancelled", cancelled=True))
    assert run.outcome == "cancelled"


def test_a_success_that_was_faster_than_the_cancel_counts(turns):
    run = turns(chain("a"))
    run.turn(run.cancel())
    run.turn(run.succeed("a"))
    assert run.statuses == {"a": "succeeded"}
    assert run.outcome == "succeeded"


def test_a_cancelled_attempt_is_not_tried_again(turns):
    run = turns(chain("a", retry=5))
    run.turn(run.cancel("a"))
    run.turn(run.fail("a"))
    assert run.statuses == {"a": "cancelled"}


def test_cancelling_one_task_keeps_only_what_needs_it_from_running(turns):
    run = turns(plan_of(a="", b="a", x=""))
    run.turn(run.cancel("b"))
    run.turn(run.succeed("a"), run.succeed("x"))
    assert run.statuses == {"a": "succeeded", "b": "cancelled", "x": "succeeded"}
    assert run.outcome == "failed"


def test_a_cancel_in_the_turn_in_which_a_task_would_start_keeps_it_from_starting(turns):
    run = turns(chain("a", "b"))
    assert started(run.turn(run.succeed("a"), run.cancel())) == []
    assert run.statuses == {"a": "succeeded", "b": "cancelled"}
    assert run.outcome == "cancelled"


def test_a_cancel_before_the_success_that_frees_a_worker_keeps_the_next_from_starting(turns):
    run = turns(plan_of(a="", b=""), workers=1)
    batch = run.turn(run.cancel("b"), run.succeed("a"))
    assert started(batch) == []
    assert run.statuses == {"a": "succeeded", "b": "cancelled"}
    assert run.outcome == "failed"


def test_a_cancel_and_the_end_of_a_wait_in_one_turn_end_the_task_once(turns):
    run = turns(chain("a", retry=2))
    run.turn(run.fail("a"))
    assert started(run.turn(run.cancel(), run.elapsed("a"))) == []
    assert run.outcome == "cancelled"


def test_a_cancel_and_an_answer_in_one_turn_end_the_gate_once(turns):
    run = turns(plan_of(g={"approval": Approval("?")}), interactive=True)
    run.turn(run.cancel(), run.decide("g"))
    assert run.statuses == {"g": "cancelled"}
    assert run.outcome == "cancelled"


def test_a_gate_that_opens_in_the_turn_of_a_cancel_is_cancelled_too(turns):
    run = turns(plan_of(a="", g={"approval": Approval("?"), "needs": ("a",)}), interactive=True)
    run.turn(run.succeed("a"), run.cancel())
    assert run.statuses["g"] == "cancelled"
    assert run.outcome == "cancelled"


def test_a_task_cancelled_and_retried_before_it_ran_starts_once(turns):
    run = turns(plan_of(a="", b="", c=""), workers=2, interactive=True)
    run.turn(run.cancel("c"))
    run.turn(run.retry("c"))
    assert started(run.turn(run.succeed("a"), run.succeed("b"))) == ["c"]
    assert run.running == {"c": 1}


# -- recovering


def test_recovering_starts_only_what_had_not_succeeded(turns):
    first = turns(diamond())
    first.turn(first.succeed("a"))
    first.turn(first.succeed("b"))
    second = turns(diamond(), history=first.events)
    assert second.running == {"c": 2}
    second.turn(second.succeed("c"))
    assert list(second.running) == ["d"]


def test_recovering_keeps_a_wait_between_attempts(turns):
    first = turns(chain("a", retry=3))
    first.turn(first.fail("a"))
    second = turns(chain("a", retry=3), history=first.events)
    assert second.status("a") == "backing_off"
    assert second.running == {}
    second.turn(second.elapsed("a"))
    assert second.running == {"a": 2}


def test_recovering_a_waiting_run_asks_no_second_time(turns):
    plan = plan_of(g={"approval": Approval("Ship?")})
    first = turns(plan)
    second = turns(plan, history=first.events)
    assert sum(isinstance(event, ev.Waiting) for event in second.events) == 1
    assert second.outcome == "waiting"
    third = turns(plan, history=second.events, approve=["g"])
    assert third.outcome == "succeeded"


def test_a_success_in_the_turn_of_the_first_failure_makes_the_right_task_ready():
    """a ✗ ─┐
            ├─► joined        b ✓ ─► after
    c ──────┘

    The first failure ends what holds of plain runs only, while its turn is under way.
    """

    def broken():
        raise ValueError("no")

    plan = Plan(
        goal="g",
        tasks=(
            Task(id="a", run=broken),
            Task(id="b", run=nothing),
            Task(id="after", run=nothing, needs=("b",)),
            Task(id="c", run=nothing),
            Task(id="joined", run=nothing, needs=("a", "c")),
        ),
    )
    run = execute(plan, executor="inline", workers=2, journal="memory")
    assert {done.task: str(done.status) for done in run.tasks} == {
        "a": "failed",
        "b": "succeeded",
        "after": "succeeded",
        "c": "succeeded",
        "joined": "upstream_failed",
    }
    assert run.status == "failed"
