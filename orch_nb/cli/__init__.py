"""The same story without a notebook: `orch-nb run PLAN.yaml`, and what a person may ask afterwards.

Exit codes, for a CI: 0 succeeded · 1 failed or cancelled · 2 a usage or plan error, nothing was
run · 3 waiting for a person (`orch-nb approve RUN TASK`, then `orch-nb recover RUN`) · 130
interrupted.

`approve`, `reject`, `cancel`, `retry`, `skip`, `pause`, `resume` and `workers` work from anywhere:
a live run takes them out of its journal within a second, whichever process performs it, a
notebook's kernel too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from orch_nb.cli.parser import parser
from orch_nb.errors import OrchestrationError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = parser().parse_args(argv)
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, "")  # a plan's `module:function` is found here, as by `python -m`
    try:
        with _terminated_like_interrupted():
            code = int(arguments.do(arguments))
        sys.stdout.flush()
    except OrchestrationError as error:
        print(f"orch-nb: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("orch-nb: stopped; what had succeeded is kept in the journal", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of a pipe has gone: nobody is left to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nor at the exit's flush
        return 1
    except OSError as error:  # a report's folder that is not there, a disk that is full
        print(f"orch-nb: {error}", file=sys.stderr)
        return 2
    return code


@contextlib.contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM (a CI that gives up, `kill`) cancels a run as Ctrl-C does, and leaves no process."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
