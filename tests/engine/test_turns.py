"""Turns of the driver: the loop's, and those that an executor's own thread takes."""

import random
import threading
import time

import pytest

import orch_nb as nb
from orch_nb import phases
from orch_nb.engine.journal import open_journal
from orch_nb.engine.memory import MemoryJournal
from orch_nb.model import event as ev


class Watched(MemoryJournal):
    """Remembers which threads committed."""

    def __init__(self):
        super().__init__()
        self.threads = []

    def append(self, run_id, events, blobs=()):
        self.threads.append(threading.current_thread().name)
        super().append(run_id, events, blobs)


def nothing():
    return None


def chain(length, function=nothing):
    return nb.Plan(
        goal="a chain",
        tasks=[
            nb.Task(id=f"t{n}", run=function, needs=[f"t{n - 1}"] if n else [])
            for n in range(length)
        ],
    )


def in_order(plan, history):
    """Every task began after all that it needs had ended, and everything once."""
    ended, begun = set(), set()
    for event in history:
        if isinstance(event, ev.AttemptStarted):
            assert event.task not in begun
            assert ended.issuperset(plan[event.task].needs), event.task
            begun.add(event.task)
        elif isinstance(event, ev.AttemptReturned):  # it had not begun after all
            begun.remove(event.task)
        elif isinstance(event, ev.AttemptSucceeded):
            assert event.task in begun
            assert event.task not in ended
            ended.add(event.task)
    return ended


def test_a_thread_takes_the_turn_after_what_it_ran():
    journal = Watched()
    run = nb.execute(chain(200), journal=journal)
    assert run.succeeded
    here = [name for name in journal.threads if name == "orch_nb-worker"]
    assert len(here) > 100
    assert len(in_order(run.plan, journal.history(run.run_id))) == 200


def test_who_watches_is_told_on_the_loop_of_everything_in_order():
    journal, threads, told = Watched(), set(), []

    def observer(events, state):
        threads.add(threading.current_thread().name)
        told.extend(events)

    run = nb.execute(chain(200), journal=journal, observers=[observer])
    assert run.succeeded
    assert "orch_nb-worker" in journal.threads
    assert len(threads) == 1
    assert threads.isdisjoint({"orch_nb-worker"})
    assert told == journal.history(run.run_id)


def test_who_watches_is_told_while_the_run_goes_on():
    seen = []

    def work():
        time.sleep(0.0005)

    plan = chain(100, work)
    nb.execute(plan, journal="memory", observers=[lambda events, state: seen.append(time.time())])
    assert len(seen) > 5
    assert seen[-1] - seen[0] > 0.03


@pytest.mark.parametrize("bad", ["raises", "returns"])
def test_what_is_not_a_plain_success_is_left_to_the_loop(bad):
    def last():
        if bad == "raises":
            raise ValueError("no")
        return {"rows": 3}

    plan = chain(30)
    plan = nb.Plan(goal="g", tasks=[*plan.tasks, nb.Task(id="last", run=last, needs=["t29"])])
    run = nb.execute(plan, journal="memory")
    assert str(run.status) == ("failed" if bad == "raises" else "succeeded")
    assert len([task for task in run if task.status == "succeeded"]) == (30 + (bad == "returns"))
    if bad == "returns":
        assert run.results["last"] == {"rows": 3}


def test_what_ended_before_a_long_one_is_known_while_that_runs():
    go_on, seen = threading.Event(), []

    def after():
        seen.append(1)
        if len(seen) == 40:
            go_on.set()

    def long():
        assert go_on.wait(20), "what depends on the short ones has not begun"

    short = [nb.Task(id=f"s{n}", run=nothing, priority=2) for n in range(40)]
    behind = [nb.Task(id=f"a{n}", run=after, needs=[f"s{n}"]) for n in range(40)]
    plan = nb.Plan(goal="g", tasks=[*short, nb.Task(id="long", run=long, priority=1), *behind])
    for workers in (2, 4):
        go_on.clear()
        seen.clear()
        assert nb.execute(plan, journal="memory", workers=workers).succeeded


def test_a_journal_that_is_gone_ends_the_run_from_a_thread_too():
    class Breaking(Watched):
        def append(self, run_id, events, blobs=()):
            super().append(run_id, events, blobs)
            if threading.current_thread().name == "orch_nb-worker" and len(self.threads) > 50:
                raise nb.errors.JournalError("the disk is full")

    with pytest.raises(nb.errors.JournalError, match="the disk is full"):
        nb.execute(chain(2000), journal=Breaking())


def shuffled(rng, size):
    """A random plan of functions that take no time, or some."""

    def quick():
        return None

    def slow():
        time.sleep(0.001)

    def gives():
        return list(range(10))

    tasks = []
    for n in range(size):
        needs = {f"t{rng.randrange(n)}" for _ in range(rng.randrange(3))} if n else ()
        function = rng.choices([quick, slow, gives], [60, 1, 5])[0]
        tasks.append(nb.Task(id=f"t{n}", run=function, needs=sorted(needs)))
    return nb.Plan(goal="g", tasks=tasks)


@pytest.mark.parametrize("seed", range(12))
def test_whatever_people_do_meanwhile_everything_runs_once_and_in_order(seed, tmp_path):
    rng = random.Random(seed)
    plan, path = shuffled(rng, 600), tmp_path / "j.db"
    journal = open_journal(path if seed % 2 else "memory")
    make = phases.starting(plan, journal=journal, options=phases.run_options(workers=4))
    live = phases.begin(make)
    for _ in range(rng.randrange(12)):
        time.sleep(rng.random() * 0.003)
        rng.choice([live.pause, live.resume, lambda: live.set_workers(rng.randrange(1, 9))])()
        live.snapshot()
    live.resume()
    run = live.result()
    assert run.succeeded
    assert len(in_order(plan, journal.history(run.run_id))) == 600


@pytest.mark.parametrize("seed", range(6))
def test_a_cancel_meanwhile_leaves_nothing_half_said(seed):
    rng = random.Random(seed)
    plan, journal = shuffled(rng, 2000), MemoryJournal()
    live = phases.begin(
        phases.starting(plan, journal=journal, options=phases.run_options(workers=4))
    )
    time.sleep(rng.random() * 0.01)
    live.cancel()
    run = live.result()
    history = journal.history(run.run_id)
    assert type(history[-1]) is ev.RunEnded
    ended = in_order(plan, history)
    assert {task.task for task in run if task.status == "succeeded"} == ended
    assert all(task.status.ended for task in run)
