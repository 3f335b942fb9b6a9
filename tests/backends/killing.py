"""Kill -9 at seeded times: the worker, the server, both, or the kernel, run after run.

    python tests/backends/killing.py temporal --runs 20 --seed 1

By hand, since it takes minutes; `test_survival.py` has a case of each. A run is right if it ends as
one that nobody disturbed, and if what begins twice was in flight at the kill: every task leaves a
line, with the time, when it begins and when it ends.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import psutil
from conftest import HERE, System

import orch_nb as nb

VICTIMS = ("worker", "server", "both", "kernel")
_MARGIN_S = 1.0  # an end that is as new as that may not have been told yet
_PATIENCE_S = 120


def plan_of(folder: Path) -> str:
    """15 tasks and 6 instances, some four seconds of them one after the other."""
    lines = ["goal: survive", "tasks:"]

    def task(name: str, seconds: float, needs: Sequence[str] = (), more: str = "") -> None:
        given = json.dumps({"name": name, "folder": str(folder), "seconds": seconds})
        lines.append(f'  {name}: {{run: "backend_tasks:timed_mark", with: {given}, '
                     f"needs: [{', '.join(needs)}]{more}}}")  # fmt: skip

    task("start", 0.2)
    for n in range(6):
        task(f"wide{n}", 0.3 + n / 10, ["start"])
    given = f'{{"folder": {json.dumps(str(folder))}, "seconds": 0.4}}'
    names = json.dumps(str([f"i{n}" for n in range(6)]))
    lines.append(f'  each: {{run: "backend_tasks:timed_mark", foreach: {{name: {names}}}, '
                 f"with: {given}, needs: [start], max_active: 2}}")  # fmt: skip
    lines.append('  flaky: {run: "backend_tasks:third_time", needs: [wide0], '
                 "retry: {maximum_attempts: 4, initial_interval: 400ms}}")  # fmt: skip
    task("join", 0.2, ["wide1", "wide2", "wide3", "wide4", "wide5", "each", "flaky"])
    for n in range(3):
        task(f"link{n}", 0.4, [f"link{n - 1}" if n else "join"])
    lines.append("  shell: {sh: 'echo over', needs: [link2]}")
    task("end", 0.1, ["shell"])
    return "\n".join(lines)


def ended_as(run: nb.Run) -> dict[str, object]:
    return {
        t.task: (str(t.status), len([a for a in t.attempts if a.status != "lost"]))
        for t in [*run.tasks, *run.derived]
    } | {"(run)": str(run.status), "(results)": {t: run.results.get(t) for t in run.plan.by_id}}


def marks(folder: Path) -> list[tuple[str, str, float]]:
    path = folder / "ran"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(name, what, float(at)) for name, what, at in map(str.split, lines)]


def kill_server(system: System) -> None:
    for child in psutil.Process(system.server.pid).children(recursive=True):
        child.kill()
    system.server.stop()


def one(system: System, number: int, victim: str, after_s: float) -> dict[str, object]:
    folder = Path(tempfile.mkdtemp(prefix="killing-"))
    (folder / "plan.yaml").write_text(plan_of(folder))
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH", "")]))
    run_id = f"r{number}"
    began = time.monotonic()
    kernel = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "orch_nb.cli", "run", str(folder / "plan.yaml"),
         "--on", system.url, "--run-id", run_id],
        cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    while not marks(folder):
        assert time.monotonic() < began + _PATIENCE_S, "it does not begin"
        time.sleep(0.02)
    time.sleep(after_s)
    killed = time.time()
    if victim in ("worker", "both"):
        system.worker.kill()
    if victim in ("server", "both"):
        kill_server(system)
    if victim == "kernel":
        kernel.kill()
    system.start()
    journal = folder / ".orch_nb" / "journal.db"
    if victim != "kernel":
        kernel.wait(_PATIENCE_S)
    kernel.wait()
    run = nb.recover(run_id, journal=journal)
    took = time.monotonic() - began
    told = marks(folder)
    begins = Counter(name for name, what, _ in told if what == "begins")
    twice = {name for name, count in begins.items() if count > 1}
    before = {name for name, what, at in told if what == "begins" and at < killed}
    over = {name for name, what, at in told if what == "ends" and at < killed - _MARGIN_S}
    return {
        "victim": victim, "after_s": round(after_s, 2), "took_s": round(took, 1),
        "twice": sorted(twice), "wrong": sorted(twice - (before - over)),
        "ended": ended_as(run),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("system", choices=("temporal", "restate"))
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    chance = random.Random(given.seed)
    system = System(given.system, Path(tempfile.mkdtemp(prefix="killing-"))).start()
    bad = 0
    try:
        folder = Path(tempfile.mkdtemp(prefix="killing-"))
        plan = nb.decompose(plan_of(folder), namespace={})
        expected = ended_as(nb.execute(plan, journal="memory"))
        for number in range(given.runs):
            victim = VICTIMS[number % len(VICTIMS)]
            found = one(system, number, victim, chance.uniform(0.0, 4.0))
            right = found.pop("ended")
            found["as_undisturbed"] = right == expected
            bad += bool(found["wrong"]) or right != expected
            print(json.dumps({"run": number, **found}), flush=True)
            if right != expected:
                assert isinstance(right, dict)
                print({k: (v, right.get(k)) for k, v in expected.items() if right.get(k) != v})
    finally:
        system.stop()
    print(f"{given.system}: {given.runs - bad} of {given.runs} runs right (seed {given.seed})")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
