"""Who holds a run: told apart by birth, whatever the clock says."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import psutil
import pytest

from orch_nb.engine import holder

LINUX = pytest.mark.skipif(
    sys.platform != "linux", reason="elsewhere births are times of the clock"
)
SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def other():
    with subprocess.Popen(SLEEP, start_new_session=True) as process:
        yield process
        process.kill()


def named(process):
    host, _, _ = holder.myself().rsplit(":", 2)
    return f"{host}:{process.pid}:{holder.born(process.pid):.2f}"


def test_a_process_lives_until_it_is_gone(other):
    name = named(other)
    assert holder.alive(holder.myself())
    assert holder.alive(name)
    other.kill()
    while psutil.Process(other.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert not holder.alive(name), "a zombie works on nothing"
    other.wait()
    assert not holder.alive(name)
    with pytest.raises(holder.Gone):
        holder.born(other.pid)


def test_another_process_with_the_same_id_is_another(other):
    host, pid, birth = named(other).rsplit(":", 2)
    assert not holder.alive(f"{host}:{pid}:{float(birth) - 1:.2f}")
    assert not holder.alive(f"{host}:{os.getpid()}:{birth}")


def test_nobody_holds_nothing_and_the_dead_of_other_machines_cannot_be_seen():
    assert not holder.alive("")
    assert not holder.elsewhere(holder.myself())
    assert holder.elsewhere("some:other-machine:1:2.00")


@LINUX
def test_a_clock_that_is_set_makes_no_other_process_of_one(other, monkeypatch):
    name, mark = named(other), holder.born(other.pid)
    true = psutil.boot_time()
    # The kernel says the time of its start by the clock of now, so this moves when that is set.
    monkeypatch.setattr(psutil, "boot_time", lambda: true + 7200)
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: true + 7200)
    assert abs(psutil.Process(other.pid).create_time() - time.time()) > 3600, "the clock jumped"
    assert holder.alive(name)
    assert holder.born(other.pid) == mark
    assert holder.kill_group(other.pid, mark)


@LINUX
def test_what_was_born_before_the_machine_was_started_anew_is_gone(other):
    host, pid, mark = named(other).rsplit(":", 2)
    before = float(mark) + 2**36 if float(mark) < 2**51 else float(mark) - 2**36
    assert not holder.alive(f"{host}:{pid}:{before:.2f}")
    assert not holder.kill_group(other.pid, before)
    assert other.poll() is None


def test_births_that_version_1_kept_are_still_understood(other):
    host, _, _ = holder.myself().rsplit(":", 2)
    birth = psutil.Process(other.pid).create_time()
    assert holder.alive(f"{host}:{other.pid}:{birth:.2f}")
    assert not holder.alive(f"{host}:{other.pid}:{birth - 60:.2f}")
    assert not holder.kill_group(other.pid, birth - 60)
    assert not holder.kill_group(other.pid, 1.0), "the machine was started anew since"
    assert holder.kill_group(other.pid, birth)
    assert not psutil.pid_exists(other.pid)


def test_a_group_whose_leader_is_gone_is_killed_and_our_own_is_spared(tmp_path):
    script = f"sleep 60 & echo $! > {tmp_path}/child; exec sleep 60"
    with subprocess.Popen(["sh", "-c", script], start_new_session=True) as leader:
        while not (tmp_path / "child").exists() or not (tmp_path / "child").read_text().strip():
            time.sleep(0.01)
        mark = holder.born(leader.pid)
        leader.kill()
    child = int((tmp_path / "child").read_text())
    assert psutil.pid_exists(child)
    assert holder.kill_group(leader.pid, mark)
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    assert not holder.kill_group(leader.pid, mark), "there is nobody left"
    assert not holder.kill_group(os.getpgrp(), holder.born(os.getpid()))
    assert not holder.kill_group(1, 0.0)
