"""Two processes that want the same run at the same moment: one has it, the other is told so."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from orch_nb.engine.journal import SqliteJournal
from orch_nb.errors import JournalError
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


def test_a_process_that_is_suspended_still_has_its_run(play):
    """A laptop that was closed goes on when it is opened."""
    played = play("long_steps")
    scene = played.scene()
    child = scene.begin()
    while not scene.history():
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGSTOP)
    told = scene.finish(scene.begin("recover"))
    os.kill(child.pid, signal.SIGCONT)
    assert told["refused"].startswith("RunHeld: ")
    played.end(scene, scene.finish(child))


@pytest.mark.parametrize("shape", ["fan", "small", "saga"])
def test_runs_of_another_process_in_the_same_file_go_on_whoever_is_killed(shape, play, dice, kills):
    played = play(shape)
    for _ in range(max(2, kills // 25)):
        scene = played.scene()
        scene.alone = False
        neighbour = scene.begin("neighbour", runs=3)
        for _ in range(3):
            scene.kill(scene.begin(), dice.random() * played.whole_s)
        told = scene.finish(neighbour)
        assert told["runs"] == [played.expected["status"]] * 3
        played.end(scene)


def test_a_journal_that_many_make_at_once_is_made_once(tmp_path):
    """Who looks while another makes the tables sees all of them or none."""
    errors = []

    def opened(path, moment):
        moment.wait()
        try:
            SqliteJournal(path).close()
        except JournalError as error:
            errors.append(error)

    for n in range(40):
        moment = threading.Barrier(6)
        crowd = [
            threading.Thread(target=opened, args=(tmp_path / f"{n}.db", moment)) for _ in range(6)
        ]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
    assert errors == []
