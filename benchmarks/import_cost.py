"""What does `import orch_nb` cost, in CPU time, against `import asyncio`?

    python benchmarks/import_cost.py --rounds 15

Each measurement is a fresh process that reads `time.process_time()` around the import, so that
neither the interpreter's start nor a busy machine's waiting counts. The two are interleaved, so
that what slows the machine slows both, and medians are compared. The target is a ratio of at most
4: networkx alone would be 17, pandas more.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

OURS = "from orch_nb import Plan, Task, task, execute"
FLOOR = "import asyncio"
TARGET = 4.0


def cpu_s(statement: str) -> float:
    """Seconds of CPU that a fresh process spends in `statement`."""
    code = (
        f"import time; began = time.process_time()\n{statement}\nprint(time.process_time() - began)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return float(done.stdout)


def measure(rounds: int) -> tuple[float, float]:
    """Median CPU seconds of ours and of the floor, over `rounds` interleaved pairs."""
    for statement in (OURS, FLOOR):
        cpu_s(statement)  # bytecode is written on the first import, and that is not what is asked
    pairs = [(cpu_s(OURS), cpu_s(FLOOR)) for _ in range(rounds)]
    ours, floor = zip(*pairs, strict=True)
    return statistics.median(ours), statistics.median(floor)


def main() -> int:
    parser = argparse.ArgumentParser(description="CPU time of importing orch_nb against asyncio.")
    parser.add_argument("--rounds", type=int, default=15)
    ours, floor = measure(parser.parse_args().rounds)
    print(f"{OURS:48} {ours * 1000:6.1f} ms")
    print(f"{FLOOR:48} {floor * 1000:6.1f} ms")
    print(f"ratio {ours / floor:.2f}, target at most {TARGET:.0f}")
    return 0 if ours / floor <= TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
