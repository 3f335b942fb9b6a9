"""A pattern of the catalogue as a card: what it is, its example drawn, when, and what fails.

Saga · saga · What fails
A row of steps that each change something in another system, ...
[flight] ─► [hotel] ─► [train]
Use it when ...   Not when ...   Cost ...   Without it ...
What can fail, and how it is handled; how the six systems spell it; sources
%orchestrate edit saga
"""

from __future__ import annotations

from orch_nb.catalog.library import FAMILIES, SYSTEMS, family_of
from orch_nb.model.plan import Plan
from orch_nb.model.quantity import listed
from orch_nb.model.research import Pattern
from orch_nb.render.bundle import Bundle, blocks_bundle
from orch_nb.render.document import (
    Block,
    Code,
    CodeBlock,
    Fold,
    Line,
    Listing,
    Paragraph,
    Text,
    line,
    said,
)
from orch_nb.render.drawing import plan_drawings
from orch_nb.render.rows import table
from orch_nb.render.text import block_text

__all__ = ["SYSTEM_TITLES", "card_blocks", "card_bundle"]

SYSTEM_TITLES = {
    "airflow": "Airflow", "bullmq": "BullMQ", "celery": "Celery", "restate": "Restate",
    "temporal": "Temporal", "xstate": "XState",
}  # fmt: skip


def card_bundle(pattern: Pattern, plan: Plan) -> Bundle:
    """The card of `pattern`; `plan` is its example, read. Its text, for a terminal, cuts nothing
    short and writes addresses out."""
    written = "\n\n".join(block_text(block) for block in card_blocks(pattern, plan, written=True))
    return {**blocks_bundle(card_blocks(pattern, plan)), "text/plain": written}


def card_blocks(pattern: Pattern, plan: Plan, *, written: bool = False) -> tuple[Block, ...]:
    """What the card shows; `written` with lists instead of tables and addresses as text."""
    sources = tuple(_link(cited.title, cited.url, written) for cited in pattern.citations)
    example = (CodeBlock(pattern.example, "yaml"),)
    blocks: list[Block | None] = [
        Paragraph(
            line(
                Text(pattern.title, strong=True),
                Text(f" · {pattern.id} · {FAMILIES[family_of(pattern.id)]}", muted=True),
            )
        ),
        Paragraph(said(pattern.summary)),
        *plan_drawings(plan),
        Listing(tuple(said(one) for one in pattern.use_when), "Use it when"),
        Listing(tuple(said(one) for one in pattern.avoid_when), "Not when"),
        Paragraph(line(Text("Cost: ", strong=True), *said(f"{pattern.cost}."))),
        Paragraph(line(Text("Without it: ", strong=True), *said(f"{pattern.without}."))),
        _failures(pattern, written),
        *_spelled(pattern, written),
        Listing(sources, "Sources"),
        Fold(line(Text("The example as a plan document", muted=True)), example),
        Paragraph(
            line(
                Code(f"%orchestrate edit {pattern.id}"),
                " turns its cell into this example, ready to run.",
            )
        ),
    ]
    return tuple(block for block in blocks if block is not None)


def _link(title: str, url: str, written: bool) -> Line:
    return line(f"{title}, {url}") if written else line(Text(title, url=url))


def _failures(pattern: Pattern, written: bool) -> Block | None:
    caption = "What can fail, and how it is handled"
    modes = pattern.failure_modes
    if written:
        told = tuple((*said(mode.failure), Text(" "), *said(mode.handling)) for mode in modes)
        return Listing(told, caption)
    rows = [(said(mode.failure), said(mode.handling)) for mode in modes]
    titles = ("what fails", "how it is handled")
    return table(caption, titles, rows, wrap=titles)


def _spelled(pattern: Pattern, written: bool) -> list[Block | None]:
    """How the systems spell it, each with its page; those of which no page is known are named."""
    missing = [SYSTEM_TITLES[name] for name in sorted(SYSTEMS - set(pattern.systems))]
    if len(missing) == len(SYSTEMS):
        told = "No page of the six systems is known that says how they spell it."
        return [Paragraph(line(Text(told, muted=True)))]
    found = (_spelled_list if written else _spelled_table)(pattern)
    if not missing:
        return [found]
    told = f"Of {listed(missing, most=len(missing))} no page is known that says how."
    return [found, Paragraph(line(Text(told, muted=True)))]


_SPELLED = "How the six systems spell it"


def _spelled_list(pattern: Pattern) -> Block | None:
    return Listing(
        tuple(
            (Text(f"{SYSTEM_TITLES[name]}: "), *said(one.how), Text(f", {one.url}"))
            for name, one in sorted(pattern.systems.items())
        ),
        _SPELLED,
    )


def _spelled_table(pattern: Pattern) -> Block | None:
    rows = [
        (line(Text(SYSTEM_TITLES[name], url=one.url)), said(one.how))
        for name, one in sorted(pattern.systems.items())
    ]
    return table(_SPELLED, ("system", "how"), rows, wrap=("how",))
