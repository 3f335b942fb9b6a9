"""The history of a run as a film: what is in it, and which moments are shown."""

from __future__ import annotations

import msgspec
import pytest

from orch_nb.model.film import Film, film, frames
from orch_nb.model.plan import Plan
from orch_nb.model.status import Status
from orch_nb.model.task import RetryPolicy, Task
from orch_nb.testing import FakeExecutor, nothing, perform

TWICE = RetryPolicy(maximum_attempts=2, jitter=0.0, initial_interval_s=10)


def history(*tasks, script=None, **options):
    plan = Plan(goal="g", tasks=tasks)
    return perform(plan, executor=FakeExecutor(script or {}, takes_s=1.0), **options).history


def told(events, most=8):
    return [(round(frame.at), frame.caption) for frame in frames(events, most)]


def test_its_last_state_is_the_run():
    """load ─► shaky (fails once) ─► each (one an item) ─► broken ✗ ─► late"""
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="load", run=nothing, compensate=Task(id="", sh="x")),
            Task(id="shaky", run=nothing, needs=("load",), retry=TWICE),
            Task(id="each", run=nothing, needs=("shaky",), foreach=[1, 2]),
            Task(id="broken", run=nothing, needs=("each",)),
            Task(id="late", run=nothing, needs=("broken",)),
        ),
    )
    script = {"shaky": [ValueError("no"), 1], "broken": [ValueError("no")]}
    run = perform(plan, executor=FakeExecutor(script))
    whole = film(run.history)
    assert whole.tasks == ("load", "shaky", "each", "broken", "late")
    assert whole.states(len(whole.changes)) == [(t.status, len(t.attempts)) for t in run.tasks]
    assert run["load"].status is Status.COMPENSATED
    assert frames(run.history)[-1].states == {
        t.task: (t.status, len(t.attempts)) for t in run.tasks
    }


def test_any_part_of_a_history_gives_the_states_of_that_moment():
    events = history(Task(id="a", run=nothing), Task(id="b", run=nothing, needs=("a",)))
    ways = []
    for n in range(1, len(events) + 1):
        whole = film(events[:n])
        ways.append("".join(status.value[0] for status, _ in whole.states(len(whole.changes))))
    assert list(dict.fromkeys(ways)) == ["pp", "rp", "sp", "sr", "ss"]


def test_a_change_is_four_things_in_json():
    whole = film(history(Task(id="a", run=nothing)))
    assert msgspec.json.encode(whole.changes[0]) == b'[0.0,0,"running",1]'
    assert msgspec.json.decode(msgspec.json.encode(whole), type=Film) == whole


def test_a_plain_run_has_its_start_its_marks_and_its_end():
    chain = [Task(id=f"t{n}", run=nothing, needs=(f"t{n - 1}",) if n else ()) for n in range(8)]
    shown = frames(history(*chain))
    assert [(round(f.at), f.caption) for f in shown] == [
        (0, "`t0` starts"),
        (2, "2 of 8 tasks ended"),
        (4, "4 of 8 tasks ended"),
        (6, "6 of 8 tasks ended"),
        (8, "the run succeeded"),
    ]
    assert not any(frame.loud for frame in shown)


def test_a_failure_a_retry_and_the_end_are_shown():
    """a (fails twice) ─► b       c"""
    events = history(
        Task(id="a", run=nothing, retry=TWICE),
        Task(id="b", run=nothing, needs=("a",)),
        Task(id="c", run=nothing),
        script={"a": [ValueError("no"), ValueError("no")]},
    )
    shown = frames(events)
    assert [(round(f.at), f.caption) for f in shown] == [
        (0, "`a` and `c` start"),
        (1, "`a` fails"),
        (12, "`a` has failed; the run failed"),
    ]
    assert [frame.states["a"] for frame in shown] == [
        (Status.RUNNING, 1), (Status.BACKING_OFF, 1), (Status.FAILED, 2),
    ]  # fmt: skip
    assert [frame.loud for frame in shown] == [False, True, True]


def test_failures_that_come_together_are_one_moment():
    tasks = [Task(id=f"t{n}", run=nothing, retry=TWICE) for n in range(5)]
    events = history(*tasks, script={f"t{n}": [ValueError("no"), 1] for n in range(5)})
    assert (1, "`t0`, `t1` and 3 more fail") in told(events)


def test_a_gate_is_shown_when_it_opens_and_when_it_is_decided():
    events = history(
        Task(id="a", run=nothing),
        Task(id="gate", approval="Ship?", needs=("a",)),
        Task(id="b", run=nothing, needs=("gate",)),
        interactive=True,
        at={7.0: lambda driver: driver.approve("gate", by="Ada")},
    )
    assert told(events) == [
        (0, "`a` starts"),
        (1, "`gate` waits for a person"),
        (7, "`gate` approved"),
        (8, "the run succeeded"),
    ]


def test_what_is_undone_is_shown():
    events = history(
        Task(id="book", run=nothing, compensate=Task(id="", sh="x")),
        Task(id="pay", run=nothing, needs=("book",)),
        script={"pay": [ValueError("no")]},
    )
    captions = [caption for _, caption in told(events)]
    assert captions[1:] == [
        "`pay` has failed", "`compensate(book)` undoes what was done", "the run failed",
    ]  # fmt: skip


@pytest.mark.parametrize("most", [2, 3, 5, 8])
def test_there_are_at_most_so_many_from_all_over_the_run(most):
    chain = [
        Task(id=f"t{n}", run=nothing, needs=(f"t{n - 1}",) if n else (), retry=TWICE)
        for n in range(40)
    ]
    events = history(
        *chain, script={f"t{n}": [ValueError("no"), 1] for n in range(40)}, at_most_s=1e5
    )
    shown = frames(events, most)
    assert len(shown) == most
    assert shown[0].caption == "`t0` starts"
    assert shown[-1].caption == "the run succeeded"
    assert sorted(shown, key=lambda frame: frame.at) == list(shown)
    if most == 8:
        halves = [frame.at > shown[-1].at / 2 for frame in shown[1:-1]]
        assert 2 <= sum(halves) <= 4


def test_what_matters_more_is_not_crowded_out():
    shaky = [Task(id=f"t{n}", run=nothing, needs=(f"t{n - 1}",) if n else (), retry=TWICE)
             for n in range(40)]  # fmt: skip
    script = {f"t{n}": [ValueError("no"), 1] for n in range(40)} | {"late": [ValueError("no")]}
    tail = (Task(id="late", run=nothing, needs=("t20",)),)
    events = history(*shaky, *tail, script=script, at_most_s=1e5)
    assert any("`late` has failed" in caption for _, caption in told(events))


def test_without_a_history_there_is_no_film():
    assert film(()) == Film((), (), 0.0)
    assert frames(()) == ()
