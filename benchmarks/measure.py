"""One measurement: a contender on a shape, in a process of its own, with its result checked.

    sample = in_fresh_process("floors:kahn", "layered:10000")
    sample.us                  microseconds of CPU a task, normalised

CPU time is that of the process, all its threads, and its children, ended or alive. It is divided by
the time of a calibration loop that the same process runs before and after, and is told in
microseconds of a machine on which that loop takes `NOMINAL_S`. So a machine that is slow for a
while, or for good, is slow for all contenders.

A contender is a generator in three parts (see `floors`). It is first run on a small shape of the
same kind, so that what Python loads and compiles on first use is not counted; short ones are then
measured several times, each time anew from its preparation, and the median is taken. A *cold*
measurement is the very first pass instead, loading included.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil

from benchmarks.floors import Steps
from benchmarks.shapes import LAYER, Shape, shape

__all__ = ["NOMINAL_S", "Failed", "Sample", "in_fresh_process", "measured"]

ROOT = Path(__file__).resolve().parent.parent
#: CPU seconds of the calibration loop on the machine that `docs/benchmarks.md` is about, at rest.
NOMINAL_S = 0.008
_LIMIT_S = 900.0
# A measurement is repeated up to so much timed CPU, so often, and so long, preparation included.
_ENOUGH_S, _MOST, _PATIENCE_S = 0.2, 11, 4.0

_QUIET = {"HAMILTON_TELEMETRY_ENABLED": "false", "LANGSMITH_TRACING": "false"}


class Failed(Exception):
    """A measurement that did not come about; the text says why."""


class Sample(msgspec.Struct, kw_only=True):
    """What one process measured. `rss_bytes` is the growth of the peak, where that was asked for;
    then the times are those of the same pass."""

    contender: str
    shape: str
    tasks: int
    cpu_s: float
    wall_s: float
    calibration_s: float
    repeats: int
    rss_bytes: int | None = None

    @property
    def us(self) -> float:
        """Normalised microseconds of CPU a task."""
        return self.cpu_s / self.tasks * 1e6 * NOMINAL_S / self.calibration_s

    @property
    def wall_us(self) -> float:
        """Microseconds a task by the clock, divided by the same calibration."""
        return self.wall_s / self.tasks * 1e6 * NOMINAL_S / self.calibration_s

    @property
    def kb(self) -> float:
        """Kilobytes a task by which the peak of resident memory grew."""
        return (self.rss_bytes or 0) / 1000 / self.tasks


# -- clocks --------------------------------------------------------------------------------------


def calibration_s() -> float:
    """CPU seconds of a fixed loop of what schedulers do: calls, appends, look-ups, small sums."""
    counts = dict.fromkeys(range(1000), 0)
    ready: deque[int] = deque()

    def step(n: int) -> int:
        counts[n] += 1
        return counts[n]

    began = time.process_time()
    for _ in range(40):
        for n in range(1000):
            ready.append(step(n))
        while ready:
            ready.popleft()
    return time.process_time() - began


def _calibrated() -> list[float]:
    return [calibration_s() for _ in range(3)]


def _children_s() -> float:
    """CPU seconds of all children so far, ended or alive. Looking them up costs some itself."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = usage.ru_utime + usage.ru_stime
    alive = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue
        alive += times.user + times.system + times.children_user + times.children_system
    return ended + alive


def _peak_bytes() -> int:
    """The highest resident memory since it was last reset (Linux only)."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise Failed("this system does not say what its peak of memory was")


def _reset_peak() -> int:
    """Give what was freed back to the system, forget the peak; the resident bytes of now."""
    gc.collect()
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except OSError as error:
        raise Failed(f"memory is measured on Linux only: {error}") from error
    return _peak_bytes()


# -- in this process -----------------------------------------------------------------------------


def _small(of: Shape) -> Shape:
    size = {"layered": 2 * LAYER, "grid": 100}.get(of.kind, 20)
    return shape(f"{of.kind}:{min(len(of), size)}")


def measured(contender: str, spelled: str, *, memory: bool = False, cold: bool = False) -> Sample:
    """Measure in this very process. Raises what the contender does, AssertionError where its
    result is wrong."""
    module, _, name = contender.partition(":")
    make: Callable[[Shape], Steps] = getattr(importlib.import_module(f"benchmarks.{module}"), name)
    of = shape(spelled)
    for _ in make(_small(of)) if not cold else ():
        pass
    calibrations = _calibrated()
    cpu: list[float] = []
    wall: list[float] = []
    rss = None
    until = 0.0 if memory or cold else time.monotonic() + _PATIENCE_S
    while not cpu or (sum(cpu) < _ENOUGH_S and len(cpu) < _MOST and time.monotonic() < until):
        steps = make(of)
        next(steps)
        gc.collect()
        before = _reset_peak() if memory else 0
        children_began = _children_s()
        wall_began, cpu_began = time.perf_counter(), time.process_time()
        next(steps)
        cpu_ended, wall_ended = time.process_time(), time.perf_counter()
        cpu.append(cpu_ended - cpu_began + _children_s() - children_began)
        wall.append(wall_ended - wall_began)
        if memory:
            rss = _peak_bytes() - before
        if next(steps, "end") != "end":
            raise Failed(f"{contender} has more than two yields")
    calibrations += _calibrated()
    return Sample(
        contender=contender, shape=spelled, tasks=len(of), cpu_s=statistics.median(cpu),
        wall_s=statistics.median(wall), calibration_s=statistics.median(calibrations),
        repeats=len(cpu), rss_bytes=rss,
    )  # fmt: skip


# -- in a fresh one ------------------------------------------------------------------------------


def in_fresh_process(
    contender: str, spelled: str, *, memory: bool = False, cold: bool = False
) -> Sample:
    """Measure in a process of its own. Raises Failed with the last line that it wrote."""
    paths = [path for path in (os.environ.get("PYTHONPATH"), str(ROOT)) if path]
    env = {**os.environ, **_QUIET, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-m", "benchmarks.measure", contender, spelled]
    with tempfile.TemporaryDirectory(prefix="orch-nb-benchmark-") as folder:
        try:
            done = subprocess.run(
                command + ["memory"] * memory + ["cold"] * cold, env=env, cwd=folder,
                capture_output=True, text=True, timeout=_LIMIT_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise Failed(f"took longer than {_LIMIT_S:.0f} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        said = lines[-1] if lines else f"ended with exit code {done.returncode}"
        raise Failed(said.removeprefix("orch_nb.errors."))
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Sample)


def main() -> None:
    contender, spelled, *how = sys.argv[1:]
    sample = measured(contender, spelled, memory="memory" in how, cold="cold" in how)
    print(msgspec.json.encode(sample).decode())


if __name__ == "__main__":
    main()
