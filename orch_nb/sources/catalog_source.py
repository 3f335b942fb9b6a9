"""The built-in catalogue as a source: which patterns fit this goal, each with the reason.

Three reasons, in falling weight: a risk of the analysis names the pattern that mitigates it; the
kind of operation is usually done with it; the goal's own words match its entry. A pattern that has
several reasons is one finding that says them all.
"""

from __future__ import annotations

import msgspec

from orch_nb.catalog.library import pattern, search
from orch_nb.catalog.operations import kind
from orch_nb.model.analysis import Analysis
from orch_nb.model.research import Finding
from orch_nb.sources.source import Query

__all__ = ["CatalogSource"]

_BY_SEVERITY = {"high": 0.9, "medium": 0.7, "low": 0.5}
_BY_KIND = 0.6
_BY_WORDS = 0.5
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
            *_of_words(query.words),
        ]:
            grouped.setdefault(reason.pattern, []).append(reason)
        found = [_finding(name, reasons) for name, reasons in grouped.items()]
        return sorted(found, key=lambda finding: -finding.score)[: query.limit]


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


def _of_words(words: str) -> list[_Reason]:
    ranked = search(words)
    best = ranked[0][1] if ranked else 1.0
    return [
        _Reason(entry.id, _BY_WORDS * score / best, "the goal's words match its entry")
        for entry, score in ranked
    ]


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
