"""Which process sent an attempt, and whether it is there still: nobody hears of what it sent else.

A run that is recovered sends anew what its first process had sent. What of that nobody has begun is
then not to run as well. It can be told on the machine of that process alone, and only where there
is /proc: the name of a process holds its host, its namespace of processes, the machine's start, its
number and its birth in clock ticks. Of any other it is held that it is there.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

__all__ = ["has_gone", "this_sender"]


def this_sender() -> str:
    """The name of this process, without colons or spaces; "" where there is no telling."""
    place, born = _place(), _born(os.getpid())
    return f"{place}-{os.getpid()}-{born}" if place and born else ""


def has_gone(sender: str) -> bool:
    """Whether a process of that name was on this machine, and is not any more."""
    place, _, mark = sender.rpartition("-")
    place, _, pid = place.rpartition("-")
    return bool(place) and place == _place() and pid.isdigit() and _born(int(pid)) != mark


def _place() -> str:
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    except OSError:
        return ""
    number = "".join(letter for letter in space if letter.isdigit())
    host = socket.gethostname().replace(":", "_")
    return f"{host}-{number}-{boot.strip().replace('-', '')}"


def _born(pid: int) -> str:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    fields = stat.rpartition(b")")[2].split()  # before it is its name, which may hold anything
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode("ascii")
