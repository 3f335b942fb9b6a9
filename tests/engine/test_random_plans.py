"""Random DAGs, outcomes, rules and people, in any order and any number a turn: the laws hold.

The laws stand in conftest (`Turns._law`): nothing starts before its upstream allows it, after its
end, twice, or beyond the workers; nothing ends twice; the fold and the scheduler agree after every
turn. Here: the run always ends, and every status is the one that the rules' definition gives.
"""

from __future__ import annotations

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from orch_nb.model.fold import replay
from orch_nb.model.plan import Plan
from orch_nb.model.status import Status
from orch_nb.model.task import Approval, RetryPolicy, Task, TriggerRule
from orch_nb.testing import nothing

from .airflow_rules import possible

shared = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)


@st.composite
def plans(draw, gates: bool = False, most: int = 9):
    """Each task may need any that stand before it, so that there are no cycles."""
    tasks = []
    for n in range(draw(st.integers(1, most))):
        needs = draw(st.sets(st.sampled_from(range(n)), max_size=3)) if n else set()
        kind = draw(
            st.sampled_from(["run", "run", "run", "milestone", "gate"][: 5 if gates else 4])
        )
        tasks.append(
            Task(
                id=f"t{n}",
                run=nothing if kind == "run" else None,
                approval=Approval("?") if kind == "gate" else None,
                needs=tuple(f"t{other}" for other in sorted(needs)),
                trigger=draw(st.sampled_from(TriggerRule)),
                retry=RetryPolicy(maximum_attempts=draw(st.integers(1, 3))),
                required=draw(st.booleans()),
            )
        )
    return Plan(goal="g", tasks=tuple(tasks))


@shared
@given(plan=plans(), workers=st.integers(1, 4), data=st.data())
def test_the_final_statuses_are_those_of_the_definition(plan, workers, data, turns):
    run = turns(plan, workers=workers)
    outcome = {}  # of each task's last attempt
    while run.outcome is None:
        task = data.draw(st.sampled_from(sorted(run.running) or sorted(backing_off(run))))
        if task not in run.running:
            run.turn(run.elapsed(task))
        elif data.draw(st.booleans()):
            outcome[task] = "succeeded"
            run.turn(run.succeed(task))
        else:
            outcome[task] = "failed"
            run.turn(run.fail(task))
    for task in plan.tasks:
        # A rule may be decided before all upstream tasks have ended, by whichever was first.
        told = possible(task.trigger, [run.ended[other].value for other in run.up[task.id]])
        ran = {outcome.get(task.id, "succeeded")} if "run" in told else set()
        assert run.status(task.id).value in ran | (told - {"run"})
    good = ("succeeded", "skipped")
    met = all(run.statuses[task.id] in good for task in plan.tasks if task.required)
    assert run.outcome == ("succeeded" if met else "failed")
    assert replay(run.events).snapshot() == run.state.snapshot()


def backing_off(run):
    return [task for task, status in run.statuses.items() if status == "backing_off"]


def waiting(run):
    return [task for task, status in run.statuses.items() if status == "waiting"]


def something(run, data, spoken_for):
    """One thing that may happen now, as the driver's inbox would hold it."""
    retryable = [
        task for task, status in run.statuses.items()
        if status in ("failed", "skipped", "upstream_failed", "cancelled")
    ]  # fmt: skip
    options = [("cancel", None)]
    options += [(kind, task) for task in run.running for kind in ("succeed", "fail")]
    options += [("elapsed", task) for task in backing_off(run)]
    options += [(kind, task) for task in waiting(run) for kind in ("approve", "reject")]
    options += [("cancel", task) for task in run.statuses]
    options += [("retry", task) for task in retryable]
    kind, task = data.draw(st.sampled_from(sorted(options, key=str)))
    if kind in ("succeed", "fail"):
        if task in spoken_for:
            return None  # an attempt is reported once
        spoken_for.add(task)
        return run.succeed(task) if kind == "succeed" else run.fail(task)
    if kind in ("approve", "reject"):
        return run.decide(task, kind == "approve")
    return getattr(run, kind)(task)


@shared
@given(
    plan=plans(gates=True, most=6),
    workers=st.integers(1, 3),
    interactive=st.booleans(),
    data=st.data(),
)
def test_whatever_people_do_in_whatever_turn_the_laws_hold_and_the_run_ends(
    plan, workers, interactive, data, turns
):
    run = turns(plan, workers=workers, interactive=interactive)
    for _ in range(data.draw(st.integers(0, 8))):
        if run.outcome is not None:
            break
        spoken_for = set()
        happened = [something(run, data, spoken_for) for _ in range(data.draw(st.integers(1, 4)))]
        run.turn(*(one for one in happened if one is not None))
        stop(run)
    finish(run)
    event(run.outcome)
    assert run.outcome is not None
    assert replay(run.events).snapshot() == run.state.snapshot()


def stop(run):
    """What the driver does with stops, and the executor answers."""
    # A stop of an attempt that ended in the very same turn finds nothing.
    stops = {one.task for one in run.stops if run.running.get(one.task) == one.attempt}
    if stops:
        run.turn(*(run.fail(task, "Cancelled", cancelled=True) for task in sorted(stops)))


def finish(run):
    for _ in range(200):
        if run.outcome is not None:
            return
        happened = [run.succeed(task) for task in run.running]
        happened += [run.elapsed(task) for task in backing_off(run)]
        happened += [run.decide(task) for task in waiting(run)]
        assert happened, f"nothing is left to happen and the run goes on: {run.statuses}"
        run.turn(*happened)
        stop(run)


@shared
@given(plan=plans(gates=True), workers=st.integers(1, 4), data=st.data())
def test_a_run_cut_off_after_any_event_goes_on_to_an_end(plan, workers, data, turns):
    first = turns(plan, workers=workers, interactive=True)
    for _ in range(data.draw(st.integers(0, 6))):
        if first.outcome is not None:
            break
        first.turn(something(first, data, set()))
        stop(first)
    # A journal keeps whole turns; whatever is cut off between them was never committed.
    second = turns(plan, workers=workers, interactive=True, history=first.events)
    kept = {task for task, status in first.ended.items() if status is Status.SUCCEEDED}
    stop(second)
    finish(second)
    again = {e.task for e in second.events[len(first.events) :] if hasattr(e, "attempt")}
    started = again - {e.task for e in second.events if type(e).__name__ == "AttemptLost"}
    assert not kept & started
    assert second.outcome is not None
    assert replay(second.events).snapshot() == second.state.snapshot()
