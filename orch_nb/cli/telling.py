"""What a person is told of a run: each thing that happens as it does, and the outcome."""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from orch_nb import phases
from orch_nb.model import event as ev
from orch_nb.model.fold import RunState
from orch_nb.model.quantity import duration
from orch_nb.model.run import Run
from orch_nb.model.status import RunStatus, Status

__all__ = ["for_a_shell", "observers", "outcome"]

_CODES = {RunStatus.SUCCEEDED: 0, RunStatus.WAITING: 3}


def observers(arguments: argparse.Namespace) -> list[Any]:
    return [] if arguments.quiet else [Teller()]


class Teller:
    """Tells on stderr what happens, a line an event that a person would want to know."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    def __call__(self, events: Sequence[ev.Event], state: RunState) -> None:
        for event in events:
            said = self._said(event)
            if said:
                at = duration(time.monotonic() - self._begun)
                print(f"{at:>9}  {said}", file=sys.stderr)

    def _said(self, event: ev.Event) -> str:
        tell = _TOLD.get(type(event))
        return tell(event) if tell is not None else ""


def _started(event: ev.AttemptStarted) -> str:
    again = f" (attempt {event.attempt})" if event.attempt > 1 else ""
    return f"▶ {event.task}{again}"


def _ended(event: ev.TaskEnded) -> str:
    if event.status is Status.FAILED and not event.reason:
        return ""  # its last attempt has said so
    return f"{_GLYPHS.get(event.status, '·')} {event.task}: {event.reason or event.status}"


_TOLD: dict[type[ev.Event], Callable[[Any], str]] = {
    ev.AttemptStarted: _started,
    ev.AttemptSucceeded: lambda e: f"✓ {e.task}",
    ev.AttemptFailed: lambda e: f"✗ {e.task}: {e.error}",
    ev.BackingOff: lambda e: f"↻ {e.task}: next attempt in {duration(e.until - e.at)}",
    ev.Expanded: lambda e: f"▶ {e.task}: {e.count} instances",
    ev.Waiting: lambda e: f"⏸ {e.task}: {e.prompt}",
    ev.TaskEnded: _ended,
    ev.PauseRequested: lambda e: "⏸ paused: no further task starts until `orch-nb resume`",
    ev.PauseEnded: lambda e: "▶ resumed",
    ev.WorkersChanged: lambda e: f"{e.workers} workers",
    ev.CancelRequested: lambda e: (
        f"⊗ the run ends: {e.cause.replace('_', '-')}" if e.cause else "⊗ cancelling"
    ),
}


_GLYPHS = {
    Status.SUCCEEDED: "✓",
    Status.FAILED: "✗",
    Status.SKIPPED: "–",
    Status.UPSTREAM_FAILED: "⊘",
    Status.CANCELLED: "⊗",
}


def outcome(run: Run, arguments: argparse.Namespace) -> int:
    from orch_nb.render.bundle import header_bundle

    report = phases.integrate(run)
    print(for_a_shell(str(header_bundle(run.plan, run, report)["text/plain"]), run.run_id))
    if run.status is RunStatus.WAITING:
        print(f"Then: orch-nb recover {run.run_id}")
    return _CODES.get(run.status, 1)


def for_a_shell(text: str, run_id: str) -> str:
    """The lines that go on, as typed here: `%orchestrate retry a` is `orch-nb retry RUN a`."""
    lines = r"%orchestrate (retry|skip|compensate|approve|reject|recover|resume|pause)\b"
    text = re.sub(rf"(%orchestrate [^\n]*?) --run {re.escape(run_id)}\b", r"\1", text)
    text = text.replace(f"%orchestrate recover {run_id}", "%orchestrate recover")
    text = re.sub(lines, rf"orch-nb \1 {run_id}", text)
    # A shell would take the brackets of an instance for a pattern.
    return re.sub(r"(orch-nb \w+ \S+) ([^\s'\"]+\[\d+\])", r"\1 '\2'", text)
