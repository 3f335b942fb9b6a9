"""What does it cost to walk a codebase and look for everything that ANALYZE asks for, against one
run of ripgrep with the same words on the same tree?

    python benchmarks/scan.py                    # the standard library of this Python
    python benchmarks/scan.py ~/src/shop --rounds 9
    python benchmarks/scan.py --files 100000     # so many small files, made for it

Ours and `rg` are run in turns, so that what slows the machine slows both, and medians are compared,
by the clock and in CPU time (`rg` uses all cores, we use one: on a machine of many the clock is
kinder to it). The target is a ratio of at most 2 by CPU. Where there is no `rg` only ours is told.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from orch_nb.analysis.components import WORDS, inventory
from orch_nb.analysis.scan import scan
from orch_nb.analysis.search import engine

TARGET = 2.0
#: What workflows of other systems are known by, as the readers of ANALYZE ask for it.
SYSTEMS = (
    "airflow", "celery", "bullmq", "temporalio", "go.temporal.io", "restate", "xstate",
    "createMachine", "prefect", "dagster", "snakemake", "tenacity", "stamina", "backoff",
    "argoproj.io", "tekton.dev", "apscheduler",
)  # fmt: skip
#: So long may a scan take here: it is not what is measured.
BUDGET_S = 600.0


def ours(tree: Path) -> int:
    """Walks, and looks for all words in one pass; the number of files that hold any."""
    seen = scan(tree, BUDGET_S)
    found = seen.candidates(*WORDS, *SYSTEMS)
    if not seen.complete:
        raise SystemExit("the scan was cut off: nothing to compare")
    return len(found)


def theirs(rg: str, tree: Path) -> int:
    command = [rg, "--files-with-matches", "--fixed-strings", "--no-messages"]
    command += [f"--regexp={word}" for word in (*WORDS, *SYSTEMS)]
    command += ["--glob=!site-packages", "--glob=!node_modules"]
    command += ["--hidden", "--no-ignore-parent", str(tree)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=BUDGET_S)
    return done.stdout.count(b"\n")


def timed(run: Callable[[], int]) -> tuple[float, float, int]:
    """Seconds by the clock, seconds of CPU (of this process and its children), and the answer."""
    clock, cpu = time.perf_counter(), _cpu_s()
    answer = run()
    return time.perf_counter() - clock, _cpu_s() - cpu, answer


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def make(tree: Path, files: int) -> None:
    """`files` small files, some of them what ANALYZE looks for."""
    for n in range(files):
        folder = tree / f"pkg{n // 1000}" / f"mod{n // 50 % 20}"
        if n % 50 == 0:
            folder.mkdir(parents=True, exist_ok=True)
        word = "from celery import shared_task" if n % 500 == 0 else f"value = {n}"
        (folder / f"m{n}.py").write_text(f"import os\n{word}\n\ndef f{n}():\n    return {n}\n" * 3)


def compare(tree: Path, rounds: int) -> int:
    rg = shutil.which("rg")
    print(f"{tree}: looked for {len(WORDS) + len(SYSTEMS)} words with {engine()}")
    ours(tree)  # what the disk has to say is said once
    mine, other = [], []
    for _ in range(rounds):
        mine.append(timed(lambda: ours(tree)))
        if rg is not None:
            other.append(timed(lambda: theirs(rg, tree)))
    wall, cpu = (statistics.median(row[n] for row in mine) for n in (0, 1))
    print(f"{'orch_nb: walk and search':30} {wall * 1000:8.1f} ms {cpu * 1000:8.1f} ms of CPU, "
          f"{mine[-1][2]} files")  # fmt: skip
    whole = timed(lambda: len(inventory(scan(tree, BUDGET_S)).components))
    print(f"{'  and the components':30} {whole[0] * 1e3:8.1f} ms {whole[1] * 1e3:8.1f} ms of CPU, "
          f"{whole[2]}")  # fmt: skip
    if not other:
        print("rg is not installed: there is nothing to compare with")
        return 0
    their_wall, their_cpu = (statistics.median(row[n] for row in other) for n in (0, 1))
    print(f"{'rg':30} {their_wall * 1000:8.1f} ms {their_cpu * 1000:8.1f} ms of CPU, "
          f"{other[-1][2]} files")  # fmt: skip
    ratio = cpu / their_cpu
    print(f"ratio {wall / their_wall:.2f} by the clock, {ratio:.2f} in CPU, target {TARGET:.0f}")
    return 0 if ratio <= TARGET else 1


def memory(tree: Path) -> None:
    """The peak of what a scan and its search hold."""
    tracemalloc.start()
    ours(tree)
    print(f"peak {tracemalloc.get_traced_memory()[1] / 1e6:.0f} MB")
    tracemalloc.stop()


def main() -> int:
    parser = argparse.ArgumentParser(description="Scanning a codebase against ripgrep.")
    parser.add_argument("tree", nargs="?", type=Path, default=Path(sysconfig.get_path("stdlib")))
    parser.add_argument("--files", type=int, default=0, help="make so many files, and scan them")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    if not asked.files:
        return compare(asked.tree, asked.rounds)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        make(made, asked.files)
        code = compare(made, asked.rounds)
        memory(made)
        return code


if __name__ == "__main__":
    sys.exit(main())
