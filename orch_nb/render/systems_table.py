"""One failure under seven semantics: a table of verdicts, and behind each question what was seen.

A row is a verdict on a question, with a mark in the column of each system that gave it: narrow
enough for seven systems, and read both ways, who agrees with whom and what one system is like. The
sentences stand in a fold a question.
"""

from __future__ import annotations

from collections.abc import Iterator

from orch_nb.catalog.observations import observed, recordings, told
from orch_nb.graph.semantics import fault_of, questions
from orch_nb.model.observation import Question
from orch_nb.model.plan import Plan
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

__all__ = ["question_fold", "systems_blocks", "systems_bundle"]

#: What each mood is before the words of a verdict.
MOODS = {"good": "✓", "care": "△", "bad": "✗", "none": "·"}
_KEY = "✓ as most would expect, △ read the words, ✗ waits for ever, is lost, or cannot be said."


def systems_bundle(plan: Plan, fault: str = "") -> Bundle:
    """The same as `systems_blocks`, for a notebook or a terminal."""
    return blocks_bundle(systems_blocks(plan, fault))


def systems_blocks(plan: Plan, fault: str = "") -> tuple[Block, ...]:
    """What each system would do with the plan if `fault` failed, by default the task of the
    critical path on which most depends. Raises UsageError for a task that is not there."""
    task = fault_of(plan, fault)
    asked = questions(plan, task)
    words = line(Text("If "), Code(task), " fails", Text(f": {plan.goal}", muted=True))
    return (
        Paragraph((Text("One failure, seven semantics. ", strong=True), *words)),
        _overview(asked),
        *(question_fold(question) for question in asked),
        Paragraph((Text(_recorded(), muted=True),)),
    )


def _overview(asked: tuple[Question, ...]) -> Table:
    titles = [one.title for one in recordings()]
    columns = (Column("question"), Column("what becomes of it"), *(Column(one) for one in titles))
    rows = tuple(row for question in asked for row in _verdicts(question))
    return Table("What each would do", columns, rows, _KEY)


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
