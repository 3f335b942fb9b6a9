"""Who works on a run: a process, told apart from a later one with the same id by its birth.

The birth of a process is kept as a *mark*: on Linux its start in clock ticks since the machine
started, and which start of the machine that was.

    mark = 16 bits of the machine's boot id, 36 bits of ticks       a whole number below 2 ** 52

Times since the epoch would not do: the kernel derives them from the wall clock, so that when a
clock is set every process seems to be another one, and a run that is worked on seems free. Where
there is no such file, and in journals of version 1, a mark is the birth in seconds since the epoch,
and is compared with a second's tolerance. psutil is imported on use: most runs need none of it.
"""

from __future__ import annotations

import functools
import hashlib
import os
import socket
from pathlib import Path

__all__ = ["Gone", "alive", "born", "elsewhere", "kill_group", "myself"]


class Gone(Exception):
    """There is no process of that number."""


_TICKS = 1 << 36
_SECONDS = 1 << 33  # marks below are seconds since the epoch


def born(pid: int) -> float:
    """The mark of a process. Raises `Gone`."""
    boot = _boot()
    if boot is None:
        import psutil

        try:
            return round(psutil.Process(pid).create_time(), 2)
        except psutil.NoSuchProcess:
            raise Gone(pid) from None
    try:
        # Everything up to the last bracket is its name, which may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        raise Gone(pid) from None
    return float(boot * _TICKS + int(fields[19]) % _TICKS)


@functools.cache
def _boot() -> int | None:
    """A number from 1 to 65535 for this start of the machine; None where there is no telling."""
    try:
        name = Path("/proc/sys/kernel/random/boot_id").read_bytes()
        Path("/proc/self/stat").read_bytes()
    except OSError:
        return None
    return int.from_bytes(hashlib.sha256(name.strip()).digest()[:2], "big") or 1


def _is(pid: int, mark: float) -> bool:
    """Whether the process `pid` of now is the one that had that mark."""
    if mark >= _SECONDS:
        try:
            return born(pid) == mark
        except Gone:
            return False
    import psutil

    try:
        return abs(psutil.Process(pid).create_time() - mark) < 1.0
    except psutil.Error:
        return False


def myself() -> str:
    """`host:pid:mark` of this process."""
    return _named(os.getpid())


@functools.cache
def _named(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}:{born(pid):.2f}"


def elsewhere(holder: str) -> bool:
    """Whether `holder` is of another machine or container, where nobody here can look."""
    return holder.rsplit(":", 2)[0] != socket.gethostname()


def alive(holder: str) -> bool:
    """Whether the process that `myself()` named still lives, on this machine."""
    if not holder or elsewhere(holder):
        return False
    import psutil

    _, pid, mark = holder.rsplit(":", 2)
    if not _is(int(pid), float(mark)):
        return False
    try:
        return psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def kill_group(pid: int, created: float) -> bool:
    """Kill what is left of a process group of a dead run; True if there was any.

    The group's leader may be gone while its children live, so the group is asked for by id, and
    spared where a leader with that pid was born at another time (the pid was reused), or the
    machine was started anew since.
    """
    import psutil

    if pid <= 1 or pid == _group(os.getpid()) or _before_boot(created):
        return False
    if psutil.pid_exists(pid) and not _is(pid, created):
        return False
    members = [p for p in psutil.process_iter(["pid"]) if _group(p.pid) == pid]
    for process in members:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(members, timeout=5)
    return bool(members)


def _before_boot(mark: float) -> bool:
    """Whether a process of that mark can be of this start of the machine no more."""
    if mark >= _SECONDS:
        return int(mark) // _TICKS != _boot()
    import psutil

    return mark < psutil.boot_time() - 60  # that too shifts a little when the clock is set


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except (OSError, AttributeError):
        return None
