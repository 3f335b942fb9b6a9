"""What is told before a run starts: kept results that are used, and what could be lost.

Kept results: 2 of 4 tasks are not run again.
  - chart runs: its source changed
  - mail runs: what it needs, chart, runs first
On recovery these would run again, since their results cannot be kept:
  - connection: a sqlite3.Connection cannot be pickled
On the system that owns this run:
  - cache: every task runs (dropped)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orch_nb.render.document import Block, Code, Listing, Paragraph, Text, line

__all__ = ["beforehand_blocks", "beforehand_text"]

_MANY = 12


def beforehand_blocks(
    forecasts: Sequence[Any], not_kept: Mapping[str, str], losses: Sequence[Any] = ()
) -> tuple[Block, ...]:
    """Blocks for what `phases.beforehand` gave; empty if there is nothing to tell."""
    blocks: list[Block] = []
    if forecasts:
        kept = [f for f in forecasts if f.kept]
        runs = [f for f in forecasts if not f.kept]
        tasks = "task" if len(forecasts) == 1 else "tasks"
        said = f"Kept results: {len(kept)} of {len(forecasts)} {tasks} need not run again"
        blocks.append(Paragraph(line(Text(f"{said}.", strong=True))))
        lines = [line(Code(f.task), f": {f.why}") for f in (*runs[:_MANY], *kept[:_MANY])]
        left = len(forecasts) - len(lines)
        if left:
            lines.append(line(f"and {left} more"))
        blocks.append(Listing(tuple(lines)))
    if not_kept:
        which = "This result" if len(not_kept) == 1 else "These results"
        blocks.append(
            Paragraph(
                line(
                    Text(f"{which} cannot be kept in the journal:", strong=True),
                    " recovering this run would run the task again.",
                )
            )
        )
        lines = [line(Code(task), f": {why}") for task, why in list(not_kept.items())[:_MANY]]
        if len(not_kept) > _MANY:
            lines.append(line(f"and {len(not_kept) - _MANY} more"))
        blocks.append(Listing(tuple(lines)))
    if losses:
        blocks.append(Paragraph(line(Text("On the system that owns this run:", strong=True))))
        blocks.append(Listing(tuple(line(f"{loss} ({loss.severity})") for loss in losses)))
    return tuple(blocks)


def beforehand_text(
    forecasts: Sequence[Any], not_kept: Mapping[str, str], losses: Sequence[Any] = ()
) -> str:
    """The same as plain text; empty if there is nothing to tell."""
    from orch_nb.render.bundle import blocks_bundle

    blocks = beforehand_blocks(forecasts, not_kept, losses)
    return str(blocks_bundle(blocks)["text/plain"]) if blocks else ""
