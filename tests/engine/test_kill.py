"""kill -9 at any moment, then recover: nothing that had succeeded runs again, nothing is lost.

A child process performs a plan of shell and Python tasks that each append a line to a file when
they begin and one when they end. It is killed at a random moment, and a new process recovers the
run; `ORCH_NB_KILLS=200` does it more often.

     a0 ─► b0 ─► c0 ─┐            a: python, b: shell, c: python (async), in four lanes
     a1 ─► b1 ─► c1 ─┼─► end
     ...             ┘
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter

import psutil
import pytest

from orch_nb.engine.journal import SqliteJournal
from orch_nb.errors import RunNotFound
from orch_nb.model import event as ev
from orch_nb.model.fold import replay

KILLS = int(os.environ.get("ORCH_NB_KILLS", "15"))
LANES = 4

PROGRAM = textwrap.dedent(
    """
    import asyncio, os, sys, time
    import orch_nb as nb
    from orch_nb.model import event as ev

    journal, effects, lanes = sys.argv[1], sys.argv[2], int(sys.argv[3])

    def write(line):
        with open(effects, "a") as file:
            file.write(line + "\\n")

    def note(what):
        write(f"{what} {nb.current().task} {os.getpid()}")

    def first():
        note("begin"); time.sleep(0.03); note("end")
        return nb.current().task

    async def last(**upstream):
        note("begin"); await asyncio.sleep(0.02); note("end")
        return list(upstream.values())

    def all_of(*upstream):
        return sorted(map(str, upstream))

    SH = (f'echo "begin $ORCH_TASK $$" >> {effects}; sleep 0.04; (sleep 0.03; true); '
          f'echo "end $ORCH_TASK $$" >> {effects}; echo $ORCH_TASK')
    tasks = []
    for n in range(lanes):
        tasks += [
            nb.Task(id=f"a{n}", run=first),
            nb.Task(id=f"b{n}", sh=SH, needs=[f"a{n}"]),
            nb.Task(id=f"c{n}", run=last, needs=[f"b{n}"]),
        ]
    tasks.append(nb.Task(id="end", run=all_of, needs=[f"c{n}" for n in range(lanes)]))
    plan = nb.Plan(goal="lanes", tasks=tasks)

    if len(sys.argv) > 4:
        run = nb.recover("r", plan, journal=journal)
    else:
        print("go", flush=True)
        run = nb.execute(plan, journal=journal, run_id="r", workers=3)
    print(run.status, run.results["end"])
    """
)


@pytest.fixture
def program(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)

    def start(*more):
        return subprocess.Popen(
            [sys.executable, "program.py", "j.db", "effects", str(LANES), *more],
            cwd=tmp_path, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    return start


def finished(process):
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return told.strip().splitlines()[-1]


def effects(folder, what):
    path = folder / "effects"
    lines = path.read_text().splitlines() if path.exists() else []
    return [line.split()[1:] for line in lines if line.startswith(what)]


def committed(folder):
    history = SqliteJournal(folder / "j.db").history("r")
    return {e.task for e in history if isinstance(e, ev.AttemptSucceeded)}, history


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Seconds that a run takes, and what it prints."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "program.py").write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, "program.py", "j.db", "effects", str(LANES)],
        cwd=folder, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    process.stdout.readline()
    begun = time.monotonic()
    told = finished(process)
    assert told.startswith("succeeded")
    return time.monotonic() - begun, told


@pytest.mark.parametrize("moment", range(KILLS))
def test_a_killed_run_is_recovered_without_repeating_what_had_succeeded(
    program, tmp_path, uninterrupted, moment
):
    whole_s, expected = uninterrupted
    child = program()
    child.stdout.readline()
    time.sleep(whole_s * (moment + random.random()) / KILLS)
    child.kill()
    child.communicate()
    try:
        before, history = committed(tmp_path)
    except RunNotFound:  # killed before there was one: nothing can have been done
        assert effects(tmp_path, "begin") == []
        return
    began = Counter(task for task, _ in effects(tmp_path, "begin"))
    assert before - {"end"} <= {task for task, _ in effects(tmp_path, "end")}

    assert finished(program("recover")) == expected

    after = Counter(task for task, _ in effects(tmp_path, "begin"))
    again = {task for task in after if after[task] > began[task]}
    assert not again & before, "a committed success ran again"
    whole, history = committed(tmp_path)
    assert len(whole) == 3 * LANES + 1, "a task was lost"
    assert (
        Counter(e.task for e in history if isinstance(e, ev.AttemptSucceeded)).most_common(1)[0][1]
        == 1
    ), "a success was recorded twice"
    final = replay(history).snapshot()
    assert final.succeeded
    assert final.resumed == (1 if len(before) < 3 * LANES + 1 else final.resumed)
    overlapping(tmp_path)


def overlapping(folder):
    """No two attempts of one shell task ran at the same time: the first was gone, or had ended."""
    open_ = {}
    for line in (folder / "effects").read_text().splitlines():
        what, task, pid = line.split()
        if not task.startswith("b"):
            continue
        if what == "begin":
            open_[task] = pid
        else:
            assert open_[task] == pid, f"an earlier attempt of {task} was still running"


LONG = textwrap.dedent(
    """
    import sys
    import orch_nb as nb

    plan = nb.decompose('''
    goal: long
    tasks:
      slow: {sh: "if [ -e again ]; then ps -o pid= -g $(cat group) | wc -l; exit; fi;
                  touch again; echo $$ > group; (trap '' TERM HUP; sleep 300) & sleep 300"}
      next: {sh: "echo after", needs: [slow]}
    ''')
    if len(sys.argv) > 1:
        run = nb.recover("r", journal="j.db")
    else:
        run = nb.execute(plan, journal="j.db", run_id="r")
    print(run.status, run.results["slow"])
    """
)


def test_the_process_group_of_a_killed_kernel_is_gone_before_its_task_runs_again(tmp_path):
    (tmp_path / "long.py").write_text(LONG)
    child = subprocess.Popen([sys.executable, "long.py"], cwd=tmp_path)
    until = time.monotonic() + 20
    group = tmp_path / "group"
    while not (group.exists() and group.read_text().endswith("\n")) and time.monotonic() < until:
        time.sleep(0.02)
    leader = int(group.read_text())
    child.kill()
    child.wait()
    assert psutil.pid_exists(leader), "a shell task outlives its kernel"
    done = subprocess.run(
        [sys.executable, "long.py", "recover"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "succeeded 0\n", done.stderr
    with pytest.raises(ProcessLookupError):
        os.killpg(leader, 0)


BETWEEN = textwrap.dedent(
    """
    import os, sys
    import orch_nb as nb
    from orch_nb.engine.journal import SqliteJournal
    from orch_nb.model import event as ev

    class Dies(SqliteJournal):
        "Is killed with the process of a shell task made, and its id not yet kept."
        def append(self, run_id, events, blobs=()):
            if any(isinstance(event, ev.ProcessStarted) for event in events):
                os.kill(os.getpid(), 9)
            super().append(run_id, events, blobs)

    plan = nb.decompose("goal: g\\ntasks: {a: {sh: 'echo $$ >> ran; sleep 300'}}")
    nb.execute(plan, journal=Dies("j.db"), run_id="r")
    """
)


def test_a_command_whose_process_no_journal_knows_does_nothing(tmp_path):
    (tmp_path / "between.py").write_text(BETWEEN)
    done = subprocess.run([sys.executable, "between.py"], cwd=tmp_path)
    assert done.returncode == -signal.SIGKILL
    time.sleep(0.5)
    assert not (tmp_path / "ran").exists()
    history = SqliteJournal(tmp_path / "j.db").history("r")
    assert [type(event).__name__ for event in history] == ["RunStarted", "AttemptStarted"]
