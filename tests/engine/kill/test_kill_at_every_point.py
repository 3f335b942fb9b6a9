"""Killed at a point of its own choosing: before and after each statement, turn, line, write.

A small plan with a little of everything passes some hundred statements, thirty turns, four thousand
lines of the engine's code and eighty writes of SQLite, and dies at each of them, or in the middle
of it; then the run is recovered, and so it is when it dies at each of them in recovery. With fewer
kills to spend (`ORCH_NB_KILLS`) points are drawn.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from children import Scene

from orch_nb.engine.journal import SqliteJournal
from orch_nb.engine.ports import Request
from orch_nb.model import event as ev

HISTORIES = Path(__file__).parent.parent / "histories"


def points(dice, kills, count, kind):
    """Which of so many points: all of them where there are kills enough."""
    some = kills // 5 if kind != "line" else kills // 2
    if kind != "line" and kills >= 500:
        some = count
    return sorted(dice.sample(range(count), min(count, some)))


def passed(play, verb="execute", of=None, **order):
    scene = play.scene()
    if of is not None:
        scene = resumed(play, of)
    return scene.finish(scene.begin(verb, **order))["passed"]


def resumed(play, template):
    """The same cut-off run once more, in a folder of its own."""
    scene = play.scene()
    shutil.copytree(template.folder, scene.folder, dirs_exist_ok=True)
    scene.cuts = list(template.cuts)
    return scene


def die(scene, verb, kind, point):
    """Whether it died there; threads may take fewer steps than were counted."""
    child = scene.begin(verb, die=[kind, point])
    if scene.died(child):
        scene.cut()
        return True
    return False


KINDS = pytest.mark.parametrize("kind", ["statement", "turn", "line", "write"])
EXECUTORS = pytest.mark.parametrize("executor", ["inline", "threads"])


@pytest.fixture
def played(kind, executor, play, request):
    stages = [request.getfixturevalue("dying_stage")] if kind == "write" else []
    return play("small", executor, *stages)


@KINDS
@EXECUTORS
def test_a_run_that_dies_there_is_recovered(kind, executor, played, dice, kills):
    count = passed(played, die=[kind, -1])
    died = 0
    chosen = points(dice, kills if executor == "inline" else kills // 2, count, kind)
    for point in chosen:
        scene = played.scene()
        died += die(scene, "execute", kind, point)
        print(f"{kind} {point} of {count}: {scene}")
        played.end(scene)
    # Where others run beside the engine, a run may have fewer turns than the one that was counted.
    assert died >= len(chosen) * (0.8 if executor == "inline" else 0.3)


@KINDS
@EXECUTORS
def test_a_recovery_that_dies_there_is_recovered(kind, executor, played, dice, kills):
    count = passed(played, die=["statement", -1])
    died = 0
    # The first two thirds make the file and its tables.
    places = [0.7, 0.8, 0.9] if kills >= 500 else [dice.uniform(0.7, 0.9)]
    for cut in [cut_off(played, round(count * place)) for place in places]:
        passes = passed(played, "recover", cut, die=[kind, -1])
        for point in points(dice, kills if executor == "inline" else kills // 2, passes, kind):
            scene = resumed(played, cut)
            died += die(scene, "recover", kind, point)
            print(f"{kind} {point} of {passes}: {scene}")
            played.end(scene)
    assert died


def cut_off(played, statement):
    scene = played.scene()
    assert die(scene, "execute", "statement", statement)
    history = scene.cuts[0].history
    assert history
    assert not isinstance(history[-1], ev.RunEnded)
    return scene


WORDS = {
    "approve": Request("approve", "gate", by="somebody"),
    "reject": Request("reject", "gate", by="somebody"),
    "skip": Request("skip", "gate", by="somebody", note="not today"),
    "cancel": Request("cancel", by="somebody"),
}
CAME_OF_IT = {
    "approve": "succeeded", "reject": "failed", "skip": "succeeded", "cancel": "cancelled",
}  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
def test_what_somebody_asked_for_survives_every_death(word, play, dice, kills):
    """It stands in the journal until what comes of it does."""
    played = play("gate", "inline")
    asked = played.scene()
    assert asked.finish(asked.begin())["status"] == "waiting"
    journal = SqliteJournal(asked.folder / "j.db")
    journal.ask("r", WORDS[word])
    journal.close()
    passes = passed(played, "recover", asked, die=["statement", -1])
    for point in points(dice, max(kills, 100), passes, "statement"):
        scene = resumed(played, asked)
        die(scene, "recover", "statement", point)
        told = scene.finish(scene.begin())
        assert told["status"] == CAME_OF_IT[word], f"{point} of {passes}: {scene}"


@pytest.mark.parametrize("kind", ["statement", "write"])
def test_a_file_of_version_1_is_brought_up_to_date_whole_or_not_at_all(
    kind, stage, request, tmp_path, dice, kills
):
    on = request.getfixturevalue("dying_stage") if kind == "write" else stage

    def opened(name):
        scene = Scene(on, tmp_path / name, "small")
        shutil.copy(HISTORIES / "v1.db", scene.folder / "j.db")
        return scene

    whole = opened("whole")
    passes = whole.finish(whole.begin("open", die=[kind, -1]))["passed"]
    expected = told_by(whole.folder / "j.db")
    assert expected
    for point in points(dice, kills * 2, passes, kind):
        scene = opened(str(point))
        assert die(scene, "open", kind, point)
        print(f"{kind} {point} of {passes}: {scene}")
        assert told_by(scene.folder / "j.db") == expected


def told_by(path):
    """Every run of a journal with its history, whatever version the file is of."""
    journal = SqliteJournal(path)
    found = {row: journal.history(row.run_id) for row in journal.runs()}
    journal.close()
    return found
