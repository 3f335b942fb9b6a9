"""What a translation kept and lost: the text of an export, the plan of an import, the losses."""

from __future__ import annotations

import os
from pathlib import Path

from orch_nb.model.quantity import count
from orch_nb.model.translation import Export, Import, Loss
from orch_nb.render.bundle import Bundle, blocks_bundle
from orch_nb.render.document import (
    Block,
    Code,
    CodeBlock,
    Fold,
    Line,
    Paragraph,
    Table,
    Text,
    line,
    said,
)
from orch_nb.render.drawing import plan_drawings
from orch_nb.render.rows import table
from orch_nb.render.statechart import chart_drawing

__all__ = ["losses_table", "save", "translation_bundle"]

_LANGUAGES = {".py": "python", ".json": "json", ".ts": "typescript", ".js": "javascript"}
_MOST = 60


def losses_table(losses: tuple[Loss, ...]) -> Table | None:
    """What the other side cannot say; None where nothing is lost."""
    rows: list[tuple[Line, ...]] = [
        (_where(loss), line(loss.what), line(loss.severity), said(loss.why))
        for loss in losses[:_MOST]
    ]  # fmt: skip
    return table(
        "Losses", ("where", "what", "it is", "what becomes of it"), rows,
        wrap=("what becomes of it",), left_out=max(0, len(losses) - _MOST),
    )  # fmt: skip


def _where(loss: Loss) -> Line:
    of = Code(loss.task) if loss.task else Text("the plan")
    return line(of) if loss.line is None else line(of, f", line {loss.line}")


def translation_bundle(made: Export | Import) -> Bundle:
    """The sentence first, then the losses, then the plan or the text."""
    lost = count(len(made.losses), "loss", "losses") if made.losses else "nothing is lost"
    told = losses_table(made.losses)
    blocks: list[Block] = []
    if isinstance(made, Export):
        blocks.append(
            Paragraph(line(Text(f"Exported to {made.system}", strong=True), f": {lost}."))
        )
        blocks += [told] if told is not None else []
        blocks += [Paragraph(said(made.usage))] if made.usage else []
        language = _LANGUAGES.get(made.suffix, "")
        words = line(Text("The file", muted=True))
        blocks.append(Fold(words, (CodeBlock(made.text, language),), True))
    else:
        of = f"{count(len(made.plan), 'task')} read from {made.system}"
        if made.chart is not None and not made.plan.tasks:
            of = f"A statechart read from {made.system}, which is no plan"
        blocks.append(Paragraph(line(Text(of, strong=True), f": {lost}.")))
        blocks += [told] if told is not None else []
        blocks += plan_drawings(made.plan)
        if made.chart is not None and not made.plan.tasks:
            blocks += chart_drawing(made.chart)
    return blocks_bundle(tuple(blocks))


def save(made: Export, path: str | os.PathLike[str]) -> Path:
    """Write an export to `path`, and its further files beside it. Raises OSError."""
    target = Path(path).expanduser()
    target.write_text(made.text, encoding="utf-8")
    for name, text in made.files.items():
        (target.parent / name).write_text(text, encoding="utf-8")
    return target
