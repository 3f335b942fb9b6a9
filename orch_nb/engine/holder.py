"""Who works on a run: a process, told apart from a later one with the same id by its birth."""

from __future__ import annotations

import os
import socket

import psutil

__all__ = ["Gone", "alive", "born", "kill_group", "myself"]

Gone = psutil.NoSuchProcess


def born(pid: int) -> float:
    """When a process was made, seconds since the epoch. Raises `Gone`."""
    return round(psutil.Process(pid).create_time(), 2)


def myself() -> str:
    """`host:pid:birth` of this process."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{born(pid)}"


def alive(holder: str) -> bool:
    """Whether the process that `myself()` named still lives. On another host: taken to live."""
    if not holder:
        return False
    host, pid, birth = holder.rsplit(":", 2)
    if host != socket.gethostname():
        return True
    try:
        process = psutil.Process(int(pid))
        return (
            abs(process.create_time() - float(birth)) < 1.0
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.Error:
        return False


def kill_group(pid: int, created: float) -> bool:
    """Kill what is left of a process group of a dead run; True if there was any.

    The group's leader may be gone while its children live, so the group is asked for by id, and
    spared where a leader with that pid was born at another time (the pid was reused).
    """
    if pid <= 1 or pid == _group(os.getpid()):
        return False
    try:
        birth = born(pid)
    except psutil.Error:
        birth = created
    if abs(birth - created) > 1.0:
        return False
    members = [p for p in psutil.process_iter(["pid"]) if _group(p.pid) == pid]
    for process in members:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(members, timeout=5)
    return bool(members)


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except (OSError, AttributeError):
        return None
