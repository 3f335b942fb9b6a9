"""What a section shows, as tests look at it."""

from __future__ import annotations

from orch_nb.render.document import Fold, Section, Table


def tables(section: Section) -> dict[str, Table]:
    """The tables of a section by caption, those behind folds too."""
    found, stack = {}, list(section.blocks)
    while stack:
        block = stack.pop()
        if isinstance(block, Table):
            found[block.caption] = block
        if isinstance(block, Fold):
            stack += block.blocks
    return found
