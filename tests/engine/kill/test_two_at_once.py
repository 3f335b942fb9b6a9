"""Two processes that want the same run at the same moment: one has it, the other is told so."""

from __future__ import annotations

import time

import pytest

from orch_nb.model import event as ev

TIMES = 20


def together(scene, verb):
    """Both begin at the same moment; what each of them told."""
    moment = time.time() + 0.1
    both = [scene.begin(verb, at=moment) for _ in range(2)]
    return [scene.finish(child) for child in both]


def cut_off(played, dice):
    """A run that had begun and had not ended."""
    while True:
        scene = played.killed(dice)
        history = scene.cuts[0].history
        if history and not isinstance(history[-1], ev.RunEnded):
            return scene


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_one_of_two_recoverers_performs_the_run_and_the_other_is_refused(executor, play, dice):
    """Effects once, and in order: `verdict` sees to that."""
    played, refused = play("mixed", executor), 0
    for _ in range(TIMES // 2):
        scene = cut_off(played, dice)
        told = together(scene, "recover")
        assert sum(isinstance(e, ev.RunResumed) for e in scene.history()) == 1
        performed = [one for one in told if "refused" not in one]
        refusals = [one["refused"] for one in told if "refused" in one]
        assert all("is being worked on by process" in one for one in refusals)
        refused += len(refusals)
        # The slower one may find a run that has ended meanwhile: it tells the same of it.
        for one in performed:
            played.end(scene, one)
    assert refused >= TIMES // 4, "they hardly ever met"


def test_one_of_two_that_begin_a_run_of_one_name_begins_it(play):
    played = play("diamond")
    for _ in range(TIMES // 2):
        scene = played.scene()
        told = together(scene, "execute")
        (done,) = [one for one in told if "refused" not in one]
        (refused,) = [one["refused"] for one in told if "refused" in one]
        assert refused.startswith("RunExists: ")
        played.end(scene, done)
