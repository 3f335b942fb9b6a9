"""What RESEARCH brings: patterns and findings, each with the source it can be checked at."""

from __future__ import annotations

from typing import Any

import msgspec

from orch_nb.model.view import View

__all__ = [
    "Answer", "Citation", "FailureMode", "Finding", "Fit", "Pattern", "Research", "SourceReport",
    "Spelling", "SystemFit",
]  # fmt: skip


class Citation(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a statement can be checked: a page's title and address, or `file:line`."""

    title: str
    url: str = ""


class FailureMode(msgspec.Struct, frozen=True):
    """What can fail, and how it is handled."""

    failure: str
    handling: str


class Spelling(msgspec.Struct, frozen=True):
    """How one system writes a pattern: its own names, and the page that says so."""

    how: str
    url: str


class Pattern(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of the catalogue of orchestration patterns.

    `systems` maps airflow, xstate, bullmq, restate, temporal, celery to how each spells it, where
    it does; `example` is a small plan document that runs as it stands; `cost` is what one pays for
    the pattern, `without` what happens where it is called for and left out.
    """

    id: str
    title: str
    summary: str
    use_when: tuple[str, ...]
    avoid_when: tuple[str, ...]
    failure_modes: tuple[FailureMode, ...]
    systems: dict[str, Spelling]
    citations: tuple[Citation, ...]
    keywords: tuple[str, ...] = ()
    example: str = ""
    cost: str = ""
    without: str = ""


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a source said. `score` ranks within a research, higher first;
    `pattern` is the id of a catalogue entry where the finding is one; `why` is why it is here;
    `answers` the question of the analysis that it answers; `date` when the source said it, as
    YYYY-MM-DD, where that is known."""

    title: str
    excerpt: str
    source: str
    citation: Citation
    score: float = 0.0
    pattern: str = ""
    why: str = ""
    answers: str = ""
    date: str = ""


class Fit(msgspec.Struct, frozen=True):
    """A pattern that fits this goal: why, what it costs, and what happens without it."""

    pattern: str
    why: str
    cost: str
    without: str
    score: float = 0.0


class SystemFit(msgspec.Struct, frozen=True):
    """How one of the six systems would do for this goal: `verdict` good, possible or poor."""

    system: str
    verdict: str
    strengths: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
    citation: Citation = Citation("")


class Answer(msgspec.Struct, frozen=True):
    """One of the five questions of a decomposition, answered, and what the answer rests on."""

    question: str
    answer: str
    evidence: tuple[str, ...] = ()


class SourceReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """How asking one source went; `error` is "" when it answered. `thoughts`: how many of the
    answers to the five questions a sequential-thinking server kept."""

    name: str
    findings: int = 0
    duration_s: float = 0.0
    error: str = ""
    thoughts: int = 0


class Research(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Findings, best first, the catalogue's patterns that fit, and how each source did.

    `fits` says of the patterns why they fit, what they cost and what happens without; `systems`
    compares the six systems for this goal. `research.df` is a DataFrame of the findings,
    `.fits_df` and `.systems_df` of those two.
    """

    findings: tuple[Finding, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    sources: tuple[SourceReport, ...] = ()
    duration_s: float = 0.0
    fits: tuple[Fit, ...] = ()
    systems: tuple[SystemFit, ...] = ()

    df = View("research.df")
    fits_df = View("research.fits")
    systems_df = View("research.systems")

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return View("research.show").__get__(self, Research)
