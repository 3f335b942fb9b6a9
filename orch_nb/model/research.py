"""What RESEARCH brings: patterns and findings, each with the source it can be checked at."""

from __future__ import annotations

from typing import Any

import msgspec

from orch_nb.model.view import View

__all__ = ["Citation", "FailureMode", "Finding", "Pattern", "Research", "SourceReport", "Spelling"]


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
    it does; `example` is a small plan document that runs as it stands.
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


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that a source said. `score` ranks within a research, higher first;
    `pattern` is the id of a catalogue entry where the finding is one; `why` is why it is here."""

    title: str
    excerpt: str
    source: str
    citation: Citation
    score: float = 0.0
    pattern: str = ""
    why: str = ""


class SourceReport(msgspec.Struct, frozen=True, omit_defaults=True):
    """How asking one source went; `error` is "" when it answered."""

    name: str
    findings: int = 0
    duration_s: float = 0.0
    error: str = ""


class Research(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Findings, best first, the catalogue's patterns that fit, and how each source did.

    `research.df` is a DataFrame of the findings.
    """

    findings: tuple[Finding, ...] = ()
    patterns: tuple[Pattern, ...] = ()
    sources: tuple[SourceReport, ...] = ()
    duration_s: float = 0.0

    df = View("research.df")

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return View("research.show").__get__(self, Research)
