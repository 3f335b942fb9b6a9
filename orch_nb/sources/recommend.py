"""Which patterns fit a goal: why, what each costs, and what happens without it.

The sources have named patterns, each with its reasons (a risk, the kind of operation, the structure
of the goal, words of it). A recommendation is shorter: six at most, the best first; a special
pattern takes the place of the general one, and what only the kind of operation speaks for stands at
the end and fills up to four. A goal that one step in one place reaches is given none.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from orch_nb.catalog.library import patterns
from orch_nb.model.analysis import Analysis
from orch_nb.model.research import Finding, Fit

__all__ = ["fits"]

_MOST = 6
#: So many are enough, so that what is merely usual need not be added.
_ENOUGH = 4
#: Patterns that score less are findings, no recommendations.
_LEAST = 0.45
_USUAL = "In a "
#: What is a special way of doing what another pattern is for, and so takes its place.
_INSTEAD = {
    "blue_green": "canary", "expand_contract": "canary", "feature_flag": "canary",
    "rolling_update": "canary",
}  # fmt: skip


def fits(analysis: Analysis, findings: Sequence[Finding]) -> tuple[Fit, ...]:
    """The patterns among `findings` that fit the goal of `analysis`, the best first."""
    if not analysis.orchestrate:
        return ()
    known = {entry.id: entry for entry in patterns()}
    best: dict[str, Finding] = {}
    for finding in findings:
        if finding.pattern in known and finding.score >= _LEAST and finding.why:
            kept = best.get(finding.pattern)
            if kept is None or finding.score > kept.score:
                best[finding.pattern] = finding
    for special, general in _INSTEAD.items():
        # Who asks for a canary by name is not told of another way instead.
        if special in best and general in best and "he goal says" not in best[general].why:
            best[special] = _both(best[special], best.pop(general))
    ranked = sorted(best.values(), key=lambda finding: (_usual(finding), -finding.score))
    specific = sum(not _usual(finding) for finding in ranked)
    chosen = ranked[: min(_MOST, max(specific, _ENOUGH))]
    return tuple(
        Fit(
            finding.pattern,
            finding.why,
            known[finding.pattern].cost,
            known[finding.pattern].without,
            finding.score,
        )
        for finding in chosen
    )


def _both(special: Finding, general: Finding) -> Finding:
    """The special pattern, with the reasons for the general one as its own."""
    why = f"{special.why}; {general.why[:1].lower()}{general.why[1:]}"
    return replace(special, why=why, score=max(special.score, general.score))


def _usual(finding: Finding) -> bool:
    """Whether nothing but the kind of operation speaks for it."""
    return finding.why.startswith(_USUAL) and ";" not in finding.why
