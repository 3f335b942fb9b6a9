"""What a translation kept and lost: the text of an export, the plan of an import, the losses."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

from orch_nb.errors import UsageError
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
from orch_nb.render.whole_file import target_of, written

__all__ = ["differs", "losses_table", "save", "translation_bundle"]

_LANGUAGES = {".py": "python", ".json": "json", ".ts": "typescript", ".js": "javascript",
              ".mjs": "javascript"}  # fmt: skip
_MOST = 60
_OPEN_LINES = 120  # a longer file is shown whole too, but closed
_WHOLE_LINES = 2000


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
        blocks.append(_file("The file", made.text, _LANGUAGES.get(made.suffix, "")))
        for name, text in made.files.items():
            language = _LANGUAGES.get(PurePath(name).suffix, "")
            blocks.append(_file(f"Beside it: {name}", text, language, closed=True))
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


def _file(title: str, text: str, language: str, *, closed: bool = False) -> Fold:
    """A file as it is, to read and to copy; of a very long one the beginning and the end."""
    lines = text.count("\n")
    whole = lines <= _WHOLE_LINES
    told = f", {count(lines, 'line')}" + ("" if whole else "; all of it: print(export.text)")
    words = line(Text(title + told, muted=True))
    return Fold(
        words, (CodeBlock(text, language, whole=whole),), not closed and lines <= _OPEN_LINES
    )


def save(made: Export, path: str | os.PathLike[str]) -> Path:
    """Write an export to `path`, and its further files beside it. A file at `path` is replaced, as
    by any writer; a further file that is there and says something else is not. Raises UsageError
    for that, a folder, and a folder that is not there; nothing is written then."""
    target = target_of(path)
    beside = {target.parent / name: text for name, text in made.files.items()}
    taken = next((one for one, text in beside.items() if _is_another(one, text)), None)
    if taken is not None:
        raise UsageError(
            f"`{taken}` is there already and says something else; the export writes a file of that "
            "name beside its own. Choose another folder, or move it away."
        )
    for one, text in beside.items():
        written(text, one)
    return written(made.text, target)


def _is_another(path: Path, text: str) -> bool:
    """Whether a file of that name is there that no export wrote: an earlier one's begins alike."""
    if not differs(path, text):
        return False
    first = text.partition("\n")[0].encode()
    return path.is_dir() or not path.read_bytes().startswith(first)


def differs(path: Path, text: str) -> bool:
    """Whether there is something at the path, and it is not this text."""
    return path.exists() and (path.is_dir() or path.read_bytes() != text.encode())
