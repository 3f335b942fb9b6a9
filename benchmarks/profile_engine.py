"""Where does the time of a task go? Shares by module and by line, and calls a task.

    python benchmarks/profile_engine.py layered:100000
    python benchmarks/profile_engine.py chain:1000 --journal file --executor threads --repeat 20
    python benchmarks/profile_engine.py layered:10000 --calls
    python benchmarks/profile_engine.py layered:100000 --recover --repeat 2

A timer interrupts the engine's thread every half a millisecond and notes the line that it is at: a
call into C (SQLite, msgspec, a heap) counts for the line that makes it. Nothing is wrapped, so the
shares are those of an ordinary run; but Python looks up only where a function is entered, a call
has returned or a loop turns, so a line stands for what led to it too. Worker threads are not looked
at. `--calls` counts instead, by cProfile, how often each function is called for a task, which is
the same every time.

The run is `execute_async` on the main thread, where signals arrive; its plan is made before.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import linecache
import pstats
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, Self

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also where nothing is installed

import orch_nb as nb
from benchmarks import ours, work
from benchmarks.shapes import Shape, shape

_EVERY_S = 0.0005
_PACKAGE = Path(nb.__file__).resolve().parent
_STDLIB = Path(asyncio.__file__).parent.parent

Place = tuple[str, int, str]  # file, line, function


def part(file: str) -> str:
    """What a file is called in the account: `engine/scheduler`, `asyncio`, `the tasks`."""
    path = Path(file)
    if path == Path(work.__file__):
        return "the tasks"
    for root, prefix in ((_PACKAGE, ""), (_STDLIB, "stdlib: ")):
        if path.is_relative_to(root):
            return prefix + str(path.relative_to(root).with_suffix(""))
    return path.stem


class Account:
    """What the timer found, and how long the collector of garbage took meanwhile."""

    def __init__(self) -> None:
        self.places: Counter[Place] = Counter()
        self.collecting_s = 0.0
        self.cpu_s = 0.0
        self._began = 0.0

    def __enter__(self) -> Self:
        gc.callbacks.append(self._collected)
        signal.signal(signal.SIGALRM, self._noted)
        signal.setitimer(signal.ITIMER_REAL, _EVERY_S, _EVERY_S)
        self.cpu_s -= time.process_time()
        return self

    def __exit__(self, *error: object) -> None:
        self.cpu_s += time.process_time()
        signal.setitimer(signal.ITIMER_REAL, 0)
        gc.callbacks.remove(self._collected)

    def _noted(self, _: int, frame: FrameType | None) -> None:
        if frame is not None:
            code = frame.f_code
            line = frame.f_lineno or code.co_firstlineno
            self.places[code.co_filename, line, code.co_qualname] += 1

    def _collected(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.perf_counter()
        else:
            self.collecting_s += time.perf_counter() - self._began


def perform(
    of: Shape, executor: str, journal: str, around: Callable[[Callable[[], Any]], None]
) -> None:
    """One run of `of`, whose `execute_async` is handed to `around` as a function to call."""
    kind = work.async_noop if executor == "async" else work.noop
    plan = ours.plan_of(of, kind)
    with tempfile.TemporaryDirectory() as folder:
        where = "memory" if journal == "memory" else str(Path(folder, "journal.db"))
        options: dict[str, Any] = {} if executor == "async" else {"executor": executor}

        async def performed() -> nb.Run:
            return await nb.execute_async(plan, journal=where, **options)

        gc.collect()
        around(lambda: asyncio.run(performed()))


def recover(of: Shape, around: Callable[[Callable[[], Any]], None]) -> None:
    """One recovery of a run that was killed when all of `of` had ended, handed to `around`."""
    with ours.cut(of) as (plan, journal):

        async def performed() -> nb.Run:
            return await nb.recover_async(ours.CUT_RUN, plan, journal=journal)

        gc.collect()
        around(lambda: asyncio.run(performed()))


def told(account: Account, tasks: int, lines: int) -> str:
    """The account as text: microseconds a task by module, then the lines that cost most."""
    total = sum(account.places.values())
    us = account.cpu_s / tasks * 1e6
    parts: Counter[str] = Counter()
    for (file, _, _), count in account.places.items():
        parts[part(file)] += count
    found = [f"{us:8.2f} µs of CPU a task, {total:,} samples"]
    found += [
        f"{count / total * us:8.2f}  {count / total:6.1%}  {name}"
        for name, count in parts.most_common()
        if count / total >= 0.005
    ]
    share = account.collecting_s / account.cpu_s
    found.append(f"{share * us:8.2f}  {share:6.1%}  of it: collecting garbage, wherever it began")
    found += ["", "the lines"]
    for (file, line, function), count in account.places.most_common(lines):
        text = linecache.getline(file, line).strip()
        found.append(
            f"{count / total * us:8.2f}  {count / total:6.1%}  {part(file)}:{line} "
            f"{function}  {text[:70]}"
        )
    return "\n".join(found)


def counted(profile: cProfile.Profile, tasks: int) -> str:
    """Calls a task, those that are made for each task at least every tenth time."""
    rows = []
    stats: dict[Place, tuple[int, int, float, float, Any]] = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    for (file, line, function), (_, calls, *_) in stats.items():
        if calls >= tasks / 10:
            where = "" if file == "~" else f"{part(file)}:{line} "
            rows.append((calls / tasks, where + function))
    rows.sort(key=lambda row: (-row[0], row[1]))
    total = sum(calls for calls, _ in rows)
    return "\n".join(
        [f"{total:8.2f} calls a task", *(f"{calls:8.2f}  {name}" for calls, name in rows)]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Where does the time of a task go?")
    parser.add_argument("shape", nargs="?", default="layered:10000", help="as layered:10000")
    parser.add_argument("--executor", default="inline", choices=["inline", "threads", "async"])
    parser.add_argument("--journal", default="memory", choices=["memory", "file"])
    parser.add_argument("--repeat", type=int, default=5, help="runs that are added up")
    parser.add_argument("--lines", type=int, default=25, help="how many lines are told")
    parser.add_argument("--calls", action="store_true", help="count calls instead")
    parser.add_argument("--recover", action="store_true", help="look at recovery instead")
    asked = parser.parse_args()

    def performed(of: Shape, around: Callable[[Callable[[], Any]], None]) -> None:
        if asked.recover:
            recover(of, around)
        else:
            perform(of, asked.executor, asked.journal, around)

    of = shape(asked.shape)
    performed(shape("chain:20"), lambda run: run())  # loads everything
    if asked.calls:
        profile = cProfile.Profile()
        performed(of, profile.runcall)
        print(counted(profile, len(of)))
        return
    account = Account()

    def sampled(run: Callable[[], Any]) -> None:
        with account:
            run()

    for _ in range(asked.repeat):
        performed(of, sampled)
    print(told(account, len(of) * asked.repeat, asked.lines))


if __name__ == "__main__":
    main()
