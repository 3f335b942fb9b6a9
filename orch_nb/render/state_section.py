"""EXECUTE of a run that is under way, as a file keeps it: how it stood, when, and what to do if the
kernel was gone before its end."""

from __future__ import annotations

from datetime import datetime

from msgspec.structs import replace

from orch_nb.model.run import Run
from orch_nb.render.document import Code, Paragraph, Section, Text, line
from orch_nb.render.execute_section import execute_section

__all__ = ["state_section"]


def state_section(run: Run, at: datetime, *, over: bool = False) -> Section:
    """The run as it stood `at` (UTC), closed; open where the kernel says that it is `over`."""
    stood = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    words = "no live room stands below? Then the kernel was gone before the run had ended"
    if over:
        words = "then the kernel was shut down"
    told = line(
        Text(f"The run as it stood on {stood}", strong=True), f": {words}. Next: ",
        Code(f"%orchestrate recover {run.run_id}"),
    )  # fmt: skip
    section = execute_section(run, now=at, is_open=over)
    finding = f"{section.finding} · as of {at:%H:%M:%S} UTC"
    return replace(section, finding=finding, blocks=(Paragraph(told), *section.blocks))
