"""The five questions of a decomposition as a table: a row each, with what its answer rests on."""

from __future__ import annotations

from orch_nb.graph.questions import five_answers
from orch_nb.model.analysis import Analysis
from orch_nb.model.plan import Plan
from orch_nb.render.document import Line, Table, Text, line, said
from orch_nb.render.plaintext import one_line
from orch_nb.render.rows import table

__all__ = ["SUMMARY", "five_questions"]

SUMMARY = "Five questions of a decomposition"
_ANSWER, _EVIDENCE = 400, 240


def five_questions(plan: Plan, analysis: Analysis | None = None) -> Table | None:
    """None where there is nothing to ask: a plan of one or two tasks, or with a cycle."""
    rows = [
        (
            line(Text(answer.question, strong=True)),
            said(one_line(answer.answer, _ANSWER)),
            _joined(answer.evidence),
        )
        for answer in five_answers(plan, analysis)
    ]
    return table(
        SUMMARY, ("question", "answer", "because"), rows, wrap=("question", "answer", "because")
    )


def _joined(evidence: tuple[str, ...]) -> Line:
    pieces: list[Line] = []
    for at, told in enumerate(evidence):
        pieces += [line("; ")] if at else []
        pieces.append(said(one_line(told.removesuffix("."), _EVIDENCE)))
    return tuple(piece for row in pieces for piece in row)
