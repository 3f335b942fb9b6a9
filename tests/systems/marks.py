"""What the tasks of any system tell: a line in one file when they begin, fail, are stopped, end.

The file is the witness that stands outside every system: it tells what ran, how often and when,
whatever the system itself says of it. Names are `scenario.role`.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Fault(Exception):  # what fails here was meant to
    """The failure that is injected."""


def mark(name: str, what: str) -> None:
    fd = os.open(os.environ["MARKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{time.time():.3f} {name} {what}\n".encode())
    os.close(fd)


def read() -> list[tuple[float, str, str]]:
    path = Path(os.environ["MARKS"])
    lines = path.read_text().splitlines() if path.exists() else []
    return [(float(at), name, what) for at, name, what in (line.split() for line in lines)]


def times(name: str, what: str = "begins") -> list[float]:
    return [at for at, one, told in read() if (one, told) == (name, what)]


def begin(name: str, fails: int) -> None:
    """The first `fails` attempts fail at once."""
    mark(name, "begins")
    if len(times(name)) <= fails:
        mark(name, "fails")
        raise Fault(name)


def work(name: str, fails: int = 0, seconds: float = 0.0) -> str:
    """A task, for what calls functions."""
    begin(name, fails)
    try:
        time.sleep(seconds)
    except BaseException:
        mark(name, "stopped")
        raise
    mark(name, "ends")
    return name


async def work_async(name: str, fails: int = 0, seconds: float = 0.0) -> str:
    """A task, for what awaits coroutines."""
    begin(name, fails)
    try:
        await asyncio.sleep(seconds)
    except BaseException:
        mark(name, "stopped")
        raise
    mark(name, "ends")
    return name


def seen(name: str, what: str = "begins", number: int = 1, within_s: float = 20.0) -> None:
    """Wait until it was told so often. Raises TimeoutError."""
    until(lambda: len(times(name, what)) >= number, within_s, f"{name} {what}")


def until(holds: Callable[[], Any], within_s: float, what: str = "") -> None:
    end = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {within_s} s: {what}")
        time.sleep(0.05)


def settle(scenarios: list[str], least_s: float, quiet_s: float = 2.0) -> None:
    """Wait until each scenario has begun, then so long, then until nobody tells anything more but
    what is tried without end."""
    begun = [name for name in scenarios if name != "approval"]  # which begins with an answer

    def all_begun() -> bool:
        told = {name.partition(".")[0] for _, name, _ in read()}
        return told.issuperset(begun)

    def quiet() -> bool:
        last = max((at for at, name, _ in read() if not name.startswith("unsaid.")), default=0.0)
        return time.time() - last > quiet_s

    until(all_begun, 60, "every scenario begins")
    time.sleep(least_s)
    until(quiet, 60, "the scenarios settle")


def spawn(file: str, *arguments: str) -> subprocess.Popen[bytes]:
    """A program beside this file in a process of its own, which can be killed."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent), os.environ.get("PYTHONPATH", "")])
    # What is warned of in a worker is another library's matter.
    env = {k: v for k, v in os.environ.items() if k != "PYTHONWARNINGS"} | {"PYTHONPATH": path}
    with Path(os.environ["MARKS"]).with_suffix(".log").open("a") as log:
        return subprocess.Popen([sys.executable, file, *arguments], env=env, stdout=log, stderr=log)
