"""What a worker's hands tell of an attempt."""

from __future__ import annotations

import asyncio
import sys

import orch_nb as nb
from orch_nb.engine import logs
from orch_nb.engine.away import Errand
from orch_nb.engine.hands import _PRINTED, WorkerHands
from orch_nb.executors.local import local_executor
from orch_nb.model.event import AttemptSucceeded, RunOptions


def done(run, folder):
    """What is told of a task that is one function."""
    plan = nb.Plan(goal="g", tasks=[nb.Task(id="a", run=run)])
    errand = Errand(
        run_id="r", task="a", attempt=1, plan=plan, options=RunOptions(), begun=1.0, at=1.0
    )

    async def performed():
        hands = WorkerHands(lambda: local_executor("threads"), lambda plan: plan, folder)
        with hands.ready():
            return await hands.begin(errand).done

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
