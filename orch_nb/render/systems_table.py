"""One failure under seven semantics: what each would leave of the plan, and what was seen.

The first table is inferred, and names every task. In the second a row is a verdict on a question,
with a mark in the column of each system that gave it: narrow enough for seven systems, and read
both ways, who agrees with whom and what one system is like. The sentences stand in a fold a
question.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from orch_nb.catalog.observations import observed, recordings, told
from orch_nb.graph.semantics import questions
from orch_nb.model.observation import Aftermath, Outcome, Question
from orch_nb.render.bundle import Bundle, blocks_bundle
from orch_nb.render.document import (
    Block,
    Code,
    Column,
    Fold,
    Line,
    Listing,
    Paragraph,
    Row,
    Table,
    Text,
    line,
    said,
)
from orch_nb.render.rows import table

__all__ = ["aftermath_blocks", "aftermath_bundle", "question_fold"]

#: What each mood is before the words of a verdict.
MOODS = {"good": "✓", "care": "△", "bad": "✗", "none": "·"}
_KEY = "✓ as most would expect, △ read the words, ✗ waits for ever, is lost, or cannot be said."
_NAMES = 8  # of a long list of tasks
_SEEN = (
    "What was seen, question by question: small programs of the same shapes, told with the names "
    "of this plan."
)


def aftermath_bundle(found: Aftermath) -> Bundle:
    """The same as `aftermath_blocks`, for a notebook or a terminal."""
    return blocks_bundle(aftermath_blocks(found))


def aftermath_blocks(found: Aftermath) -> tuple[Block, ...]:
    """What each system would leave of the plan, which is inferred; then what that is inferred
    from: the verdicts on each question, and what was seen, in sentences."""
    asked = questions(found.plan, found.fault)
    words = line(
        Text("If "), Code(found.fault), " fails for good", Text(f": {found.plan.goal}", muted=True)
    )
    folds = tuple(question_fold(question) for question in asked)
    return (
        Paragraph((Text("One failure, seven semantics. ", strong=True), *words)),
        _outcomes(found),
        *_to_know(found),
        _overview(asked),
        Paragraph(line(Text(_SEEN, muted=True))),
        *folds,
        Paragraph((Text(_recorded(), muted=True),)),
    )


def _outcomes(found: Aftermath) -> Table:
    """A row a system: who ends, who is skipped, who waits for ever."""
    lists = ("runs to its end", "in vain", "never runs", "waits for ever")
    made = table(
        "What each would leave of this plan", ("system", *lists, "the whole"),
        [_outcome(one) for one in found.outcomes], wrap=lists,
    )  # fmt: skip
    assert made is not None
    told = f"Inferred from what was seen (below), not run: `{found.fault}` fails, nothing else does"
    if any(fate.part in ("begun", "later") for one in found.outcomes for fate in one.fates):
        told += "; what runs by then is told by the estimates (without one: a second)"
    return replace(made, note=f"{told.replace('`', '')}.")


def _outcome(one: Outcome) -> tuple[Line, ...]:
    by_fate: dict[str, list[str]] = {}
    for fate in one.fates:
        by_fate.setdefault(fate.fate, []).append(fate.task)
    lists = (_named(by_fate.get(fate, ())) for fate in
             ("ends", "in vain", "never runs", "waits for ever"))  # fmt: skip
    whole = line(one.whole) if one.fates else line(Text("cannot be said", strong=True))
    return (line(Text(one.title, strong=True)), *lists, whole)


def _to_know(found: Aftermath) -> tuple[Block, ...]:
    """The remarks, each once, behind the systems that they are of."""
    of: dict[str, list[str]] = {}
    for one in found.outcomes:
        for remark in one.remarks:
            of.setdefault(remark, []).append(one.title)
    items = [
        (Text(f"{', '.join(titles)}: ", strong=True), *said(remark))
        for remark, titles in of.items()
    ]
    return (Listing(tuple(items)),) if items else ()


def _named(tasks: Sequence[str]) -> Line:
    parts: list[Code | str] = []
    for at, task in enumerate(tasks[:_NAMES]):
        parts += [", "] * (at > 0) + [Code(task)]
    if len(tasks) > _NAMES:
        parts.append(f" and {len(tasks) - _NAMES} more")
    return line(*parts)


def _overview(asked: tuple[Question, ...]) -> Table:
    titles = [one.title for one in recordings()]
    columns = (Column("question"), Column("what becomes of it"), *(Column(one) for one in titles))
    rows = tuple(row for question in asked for row in _verdicts(question))
    return Table("What each was seen to do", columns, rows, _KEY)


def _verdicts(question: Question) -> Iterator[Row]:
    """A row for each verdict, what is as hoped first."""
    given = [observed(one.system, question.scenario) for one in recordings()]
    known = {one.verdict: one for one in given}
    order = sorted(known.values(), key=lambda one: list(MOODS).index(one.mood))
    for n, verdict in enumerate(order):
        name = line(Text(question.short, strong=True)) if n == 0 else ()
        marks = (MOODS[one.mood] if one.verdict == verdict.verdict else "" for one in given)
        yield Row((name, line(verdict.verdict), *(line(mark) for mark in marks)))


def question_fold(question: Question) -> Fold:
    """What each system was seen to do, in sentences with the plan's own tasks."""
    return Fold(said(question.words), (Listing(tuple(_items(question))),))


def _items(question: Question) -> Iterator[Line]:
    for system in recordings():
        one = observed(system.system, question.scenario)
        how = " (" if one.observed else " (read, not observed: "
        page = line(how, Text("docs", url=one.url), ")") if one.url else ()
        title = Text(f"{system.title}: ", strong=True)
        verdict = Text(f"{MOODS[one.mood]} {one.verdict}. ")
        yield (title, verdict, *said(told(one, question.roles)), *page)


def _recorded() -> str:
    versions = "; ".join(f"{one.title} {one.versions} ({one.recorded})" for one in recordings())
    return (
        "Recorded from the real systems, each with a small program in its own words, not from this "
        f"plan: {versions}."
    )
