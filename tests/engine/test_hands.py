"""What a worker's hands tell of an attempt."""

from __future__ import annotations

import asyncio
import sys
import threading

import orch_nb as nb
from orch_nb.engine import logs
from orch_nb.engine.away import Errand
from orch_nb.engine.hands import _PRINTED, WorkerHands
from orch_nb.engine.results import store
from orch_nb.executors.local import local_executor
from orch_nb.model.event import AttemptFailed, AttemptSucceeded, RunOptions


def errand_of(run, *, needs=(), **results):
    """A task that is one function."""
    plan = nb.Plan(
        goal="g",
        tasks=[nb.Task(id="a", run=run, needs=needs), *(nb.Task(id=need) for need in needs)],
    )
    return Errand(
        run_id="r", task="a", attempt=1, plan=plan, options=RunOptions(), begun=1.0, at=1.0,
        results=results,
    )  # fmt: skip


def hands_in(folder):
    return WorkerHands(lambda: local_executor("threads"), lambda plan: plan, folder)


def done(run, folder, **more):
    """What is told of a task that is one function."""

    async def performed():
        hands = hands_in(folder)
        with hands.ready():
            return await hands.begin(errand_of(run, **more)).done

    return asyncio.run(performed())


def by_turns(line, times):
    """Each line is a row of its own, being of another stream than the one before it."""

    def prints():
        for number in range(times):
            print(number, line, file=(sys.stdout, sys.stderr)[number % 2])

    return prints


def test_all_that_an_attempt_printed_is_told(tmp_path, capsys):
    told = done(by_turns("", 1_000), tmp_path)
    assert isinstance(told.event, AttemptSucceeded)
    assert [text for _, _, _, text, _ in told.lines] == [f"{n} \n" for n in range(1_000)]


def test_of_more_than_a_system_takes_the_end_is_told_and_how_much_is_missing(tmp_path, capsys):
    told = done(by_turns("x" * 1_000, 1_000), tmp_path)
    gap, *rest = told.lines
    assert rest[-1][3].startswith("999 ")
    assert gap[2:4] == ("", logs.left_out(1_000 - len(rest)))
    assert 300_000 < sum(len(text) for _, _, _, text, _ in rest) < _PRINTED


def test_an_async_function_that_blocks_its_loop_holds_up_no_worker(tmp_path):
    heard = threading.Event()

    async def blocks():
        return heard.wait(5)

    async def worker():
        hands = hands_in(tmp_path)
        with hands.ready():
            job = hands.begin(errand_of(blocks))
            # By the worker's loop, while that function holds its own.
            asyncio.get_running_loop().call_later(0.1, heard.set)
            return await job.done

    told = asyncio.run(worker())
    assert told.event.result.hash == "=true"


class OneWay:
    """A pickle of it cannot be read."""

    def __reduce__(self):
        return int, ("no number",)


def test_a_result_that_cannot_be_read_there_fails_the_task_that_needs_it(tmp_path):
    def reads(b):
        return b

    ref, blob = store(OneWay())
    assert ref.format != "unstored"
    assert blob is not None
    told = done(reads, tmp_path, needs=["b"], b=blob)
    assert isinstance(told.event, AttemptFailed)
    assert "cannot be read here" in told.event.error.message
    assert "This is the worker on" in told.event.error.message
