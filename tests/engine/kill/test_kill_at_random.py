"""kill -9 at any moment, and again while it recovers: nothing that was committed runs again,
nothing is lost, order is kept, and the end is that of a run which was left alone.

A case is a shape on an executor. Its run is killed at a random moment of its whole life (the start
of the process included), recovered by another process, which may be killed as well, and so on; then
it is brought to its end, and `verdict.judge` compares what the journals held at each death with
what the tasks really did. `ORCH_NB_KILLS=500` has as many cases.
"""

from __future__ import annotations

import os

import pytest
from plans_to_kill import SHAPES

KILLS = int(os.environ.get("ORCH_NB_KILLS", "50"))
MOST = 4  # deaths of one run

# What only threads can show: a cancel while a function goes on. What no other process can have.
_NOT = {("cancelled", "inline"), ("cancelled", "processes"), ("unkept", "processes")}
EVERY = [
    (shape, executor)
    for executor in ("threads", "processes", "inline")
    for shape in SHAPES
    if (shape, executor) not in _NOT
]
CASES = [(*EVERY[n % len(EVERY)], n // len(EVERY)) for n in range(KILLS)]


@pytest.mark.parametrize(("shape", "executor", "nth"), CASES)
def test_a_killed_run_ends_as_if_nothing_had_been(shape, executor, nth, play, dice):
    played = play(shape, executor)
    scene, deaths = played.killed(dice), 1
    while deaths < MOST and dice.random() < 0.6:
        # Soon after its start a process replays and takes up what was left.
        moment = dice.choice([0.02, 0.1, 1.0]) * dice.random() * played.whole_s
        if not scene.kill(scene.begin(), moment):
            break
        deaths += 1
    print(f"{scene}: {deaths} deaths")
    played.end(scene)


@pytest.mark.parametrize("shape", ["diamond", "saga", "mixed"])
def test_the_fault_that_kills_is_a_kill_like_any(shape, play):
    played = play(shape)
    scene = played.scene()
    assert scene.died(scene.begin(options={"faults": ["kill"]}))
    scene.cut()
    played.end(scene)
