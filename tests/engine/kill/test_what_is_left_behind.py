"""What a killed engine leaves running: processes that its journal knows, or that do nothing."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest
from children import Scene

from orch_nb.model import event as ev


def wait_for(path):
    until = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < until, f"{path} does not come"
        time.sleep(0.01)


def test_the_process_group_of_a_killed_engine_is_gone_before_its_task_runs_again(stage, tmp_path):
    scene = Scene(stage, tmp_path / "run", "long")
    child = scene.begin()
    wait_for(scene.folder / "group")
    leader = int((scene.folder / "group").read_text())
    assert scene.kill(child)
    assert psutil.pid_exists(leader), "a shell task outlives its engine"
    told = scene.finish(scene.begin())
    assert told["results"] == {"slow": "'0'", "next": "'after'"}
    with pytest.raises(ProcessLookupError):
        os.killpg(leader, 0)


def test_a_command_whose_process_no_journal_knows_does_nothing(stage, tmp_path):
    """Killed with the process of a command made, and its id not yet kept."""
    statements = Scene(stage, tmp_path / "count", "small", executor="inline")
    assert statements.finish(statements.begin(die=["statement", -1]))["passed"]
    for place in range(200):
        scene = Scene(stage, tmp_path / str(place), "one_command")
        child = scene.begin(die=["statement", 70 + place])
        if not child.ended(0.7):
            os.kill(child.pid, signal.SIGKILL)
            scene.died(child)
            break
        assert scene.died(child)
        scene.cut()
        time.sleep(0.05)
        known = [e for e in scene.history() if isinstance(e, ev.ProcessStarted)]
        assert bool(known) >= (scene.folder / "ran").exists()
        for event in known:
            os.killpg(event.pid, signal.SIGKILL)
    else:
        pytest.fail("it never came so far as to run")
