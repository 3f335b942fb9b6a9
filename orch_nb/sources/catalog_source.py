"""The built-in catalogue as a source: which patterns fit this goal, each with the reason.

A pattern is only named for a reason that can be said: a risk of the analysis that it mitigates, the
kind of operation that is usually done with it, the structure of the goal (what it lists side by
side, what it puts one after the other), or words of the goal that are the pattern's own vocabulary,
which are quoted. A pattern that has several reasons is one finding that says them all. Where there
is no reason nothing is named: then no pattern is called for.
"""

from __future__ import annotations

import msgspec

from orch_nb.catalog.clauses import Part, parts
from orch_nb.catalog.library import pattern, patterns
from orch_nb.catalog.operations import kind
from orch_nb.catalog.vocabulary import cues, found
from orch_nb.model.analysis import Analysis
from orch_nb.model.research import Citation, Finding
from orch_nb.sources.source import Query

__all__ = ["CatalogSource"]

_BY_SEVERITY = {"high": 0.9, "medium": 0.7, "low": 0.5}
_BY_KIND = 0.6
_BY_WORDS = 0.65
_BY_STRUCTURE = 0.5
_BY_STORES = 0.8
_MOST_SAID = 4
_NONE = 0.1
#: How much each further reason adds.
_ALSO = 0.04


class _Reason(msgspec.Struct, frozen=True):
    pattern: str
    weight: float
    text: str


class CatalogSource:
    """Offline, and quick: a millisecond or two."""

    name = "catalogue"

    async def search(self, query: Query) -> list[Finding]:
        grouped: dict[str, list[_Reason]] = {}
        for reason in [
            *_of_risks(query.analysis),
            *_of_kind(query.analysis),
            *_of_stores(query.words, query.analysis.operation),
            *_of_structure(query.words, query.analysis.operation),
            *_of_words(query.words),
        ]:
            grouped.setdefault(reason.pattern, []).append(reason)
        named = [_finding(name, reasons) for name, reasons in grouped.items()] or [_none()]
        return sorted(named, key=lambda finding: -finding.score)[: query.limit]


def _of_risks(analysis: Analysis) -> list[_Reason]:
    return [
        _Reason(
            risk.pattern, _BY_SEVERITY.get(risk.impact, 0.5), f"it mitigates the risk “{risk.name}”"
        )
        for risk in analysis.risks
        if risk.pattern
    ]


def _of_kind(analysis: Analysis) -> list[_Reason]:
    if not analysis.operation:
        return []
    usual = kind(analysis.operation).patterns
    return [
        _Reason(name, _BY_KIND, f"in a {analysis.operation}, {why}") for name, why in usual.items()
    ]


def _of_stores(words: str, operation: str) -> list[_Reason]:
    """Data that move from one store to another while they are in use."""
    stores = list(found("stores", words).values())
    if operation != "migration" or len(stores) < 2:
        return []
    said = f"data move between stores: “{stores[0]}” and “{stores[1]}”"
    return [_Reason("dual_write", _BY_STORES, said)]


def _of_structure(words: str, operation: str) -> list[_Reason]:
    """A chain for what the goal puts in a row, a fan-out for what may go side by side."""
    stages: dict[int, list[Part]] = {}
    for part in parts(words):
        if not (part.leading and operation):  # else it names the whole, and is none of its parts
            stages.setdefault(part.stage, []).append(part)
    reasons = []
    widest = max(stages.values(), key=len, default=[])
    if len(widest) > 1:
        said = "the goal names things that may go side by side"
        reasons.append(_Reason("fan_out_fan_in", _BY_STRUCTURE, f"{said}: {_listed(widest)}"))
    if len(stages) > 2:
        row = [stages[stage][0] for stage in sorted(stages)]
        said = "the goal puts things one after the other"
        reasons.append(_Reason("chain", _BY_STRUCTURE, f"{said}: {_listed(row)}"))
    return reasons


def _listed(named: list[Part]) -> str:
    shown = ", ".join(f"“{part.said or part.text}”" for part in named[:_MOST_SAID])
    return shown + (" …" if len(named) > _MOST_SAID else "")


def _of_words(words: str) -> list[_Reason]:
    return [
        _Reason(name, _BY_WORDS, f"the goal says “{said}”") for name, said in cues(words).items()
    ]


def _none() -> Finding:
    return Finding(
        title="No pattern is called for",
        excerpt="A plain plan will do: tasks, what each needs, and how one sees that it is done.",
        source=CatalogSource.name,
        citation=Citation(title=f"the built-in catalogue of {len(patterns())} patterns"),
        score=_NONE,
        why="No risk, no kind of operation and no word of the goal asks for one",
    )


def _finding(name: str, reasons: list[_Reason]) -> Finding:
    entry = pattern(name)
    reasons = sorted(reasons, key=lambda reason: -reason.weight)
    score = min(1.0, reasons[0].weight + _ALSO * (len(reasons) - 1))
    why = "; ".join(dict.fromkeys(reason.text for reason in reasons))
    return Finding(
        title=entry.title,
        excerpt=entry.summary,
        source=CatalogSource.name,
        citation=entry.citations[0],
        score=round(score, 3),
        pattern=entry.id,
        why=why[:1].upper() + why[1:],
    )
