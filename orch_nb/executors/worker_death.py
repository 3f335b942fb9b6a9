"""What is told of an attempt whose worker process died: how, in words, and where to look."""

from __future__ import annotations

import signal

from orch_nb.model.event import Failure

__all__ = ["death"]

_CRASHES = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGSYS")


def death(code: int, last_words: str, *, began: bool) -> Failure:
    """`code` as `subprocess` has it, negative for a signal; `last_words` the end of its stderr;
    `began` is false for a worker that never came so far as to run anything."""
    if began:
        message = f"the worker process that ran it {_how(code)}"
    else:
        message = f"its worker process did not start: it {_how(code)}"
    lines = last_words.splitlines()
    if lines and not began:
        message += f" ({lines[-1].strip()})"
    return Failure("WorkerDied", message, "\n".join(lines[-40:]), ("WorkerDied", "Exception"))


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}: something called os._exit, or ended the interpreter"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # one of the real-time signals, most of which have no name
        name = f"signal {-code}"
    if name == "SIGKILL":
        return (
            "was killed by SIGKILL: by somebody, or by the system when memory ran out "
            "(`dmesg` or the container's events tell)"
        )
    if name in _CRASHES:
        return f"was killed by {name}: a crash in native code; what it wrote last is below"
    return f"was killed by {name}"
