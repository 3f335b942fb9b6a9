"""Functions that a worker elsewhere imports by name."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from datetime import date
from pathlib import Path
from typing import Any

import orch_nb as nb


def one() -> int:
    return 1


def ten() -> int:
    return 10


def three() -> list[int]:
    return [1, 2, 3]


def increment(n: int) -> int:
    return n + 1


def double(n: int) -> int:
    return n * 2


def total(page: list[int]) -> int:
    return sum(page)


def gather(**upstream: Any) -> list[Any]:
    return [upstream[name] for name in sorted(upstream)]


def boom() -> None:
    raise ValueError("no")


def third_time() -> str:
    if nb.current().attempt < 3:
        raise RuntimeError(f"not yet: {nb.current().attempt}")
    return "at last"


def odd_only(n: int) -> int:
    if n % 2 == 0:
        raise ValueError(f"{n} is even")
    return n


async def asleep() -> None:
    await asyncio.sleep(30)


def undo(book: int) -> str:
    return f"undone {book}"


def undo_nothing() -> str:
    return "undone"


def tell(failures: dict[str, str]) -> list[str]:
    return sorted(failures)


def odd_values() -> tuple[Any, ...]:
    return (date(2026, 1, 2), {1: "one"}, b"bytes", 2.5)


def read_values(made: tuple[Any, ...]) -> str:
    day, names, raw, number = made
    return f"{day.year} {names[1]} {raw.decode()} {number}"


def large() -> str:
    return os.urandom(1_500_000).hex()


def largish() -> str:
    return "x" * 900_000


def mark(name: str, folder: str, seconds: float = 0.0) -> str:
    """Leaves a line for each time that it ran."""
    with Path(folder, "ran").open("a") as file:
        file.write(f"{name} begins\n")
    time.sleep(seconds)
    with Path(folder, "ran").open("a") as file:
        file.write(f"{name} ends\n")
    return name


def die_once(folder: str) -> str:
    """Kills the process that it runs in, the first time."""
    path = Path(folder, "pids")
    with path.open("a") as file:
        file.write(f"{os.getpid()}\n")
    if len(path.read_text().split()) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return "well"


def timed_mark(name: str, folder: str, seconds: float) -> str:
    """As `mark`, with the time."""
    for what in ("begins", "ends"):
        with Path(folder, "ran").open("a") as file:
            file.write(f"{name} {what} {time.time()}\n")
        if what == "begins":
            time.sleep(seconds)
    return name
