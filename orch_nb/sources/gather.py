"""RESEARCH: asks every source at once, and makes one ranked answer of what they say.

Sources are strangers: each is asked in a task of its own and given up on at its time, its exception
or its nonsense becomes the error of its `SourceReport`, and the phase takes no longer than the
longest timeout whatever they do. What two sources say of one thing is one finding.

The order of equals is the order of the sources, so that the same answers make the same research.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from orch_nb.catalog.library import pattern, patterns
from orch_nb.model.analysis import Analysis
from orch_nb.model.research import Finding, Pattern, Research, SourceReport
from orch_nb.model.secrets import PLAIN
from orch_nb.sources.catalog_source import CatalogSource
from orch_nb.sources.codebase import CodebaseSource
from orch_nb.sources.recommend import fits
from orch_nb.sources.source import Query, Source
from orch_nb.sources.systems import system_fits

__all__ = ["default_sources", "gather"]

#: A source's findings beyond these are cut: nobody reads them, and a flood is no answer.
_MOST_FINDINGS = 50
_MOST_TEXT = 600
#: Patterns that score less are findings, not recommendations.
_RECOMMENDED = 0.45
_MOST_PATTERNS = 6


def default_sources() -> tuple[Source, ...]:
    """What a bare install asks, without a network: the catalogue and the workspace."""
    return (CatalogSource(), CodebaseSource())


async def gather(
    analysis: Analysis, sources: Sequence[Source] | None = None, timeout_s: float = 5.0
) -> Research:
    """What `sources` (default: `default_sources()`) know of the goal of `analysis`.

    A source that has a `timeout_s` of its own is given that many seconds, others `timeout_s`.
    Raises only what cancels the caller.
    """
    started = time.monotonic()
    asked = list(default_sources() if sources is None else sources)
    query = Query.of(analysis)
    answers = await asyncio.gather(*(_ask(source, query, timeout_s) for source in asked))
    findings = _merged([finding for found, _ in answers for finding in found])
    chosen = fits(analysis, findings)
    return Research(
        fits=chosen,
        systems=system_fits(analysis, [pattern(fit.pattern) for fit in chosen]),
        findings=tuple(findings),
        patterns=_recommended(findings),
        sources=tuple(report for _, report in answers),
        duration_s=time.monotonic() - started,
    )


async def _ask(
    source: Source, query: Query, timeout_s: float
) -> tuple[list[Finding], SourceReport]:
    name = str(getattr(source, "name", type(source).__name__))
    limit = float(getattr(source, "timeout_s", timeout_s))
    started = time.monotonic()
    task = asyncio.ensure_future(_search(source, query))
    try:
        await asyncio.wait({task}, timeout=limit)
    finally:
        if not task.done():
            task.cancel()  # and not awaited: a source that swallows it must hold nobody up
            task.add_done_callback(_forget)
    took = time.monotonic() - started
    if not task.done():
        return [], SourceReport(name, 0, took, f"no answer within {limit:g} s")
    if task.cancelled():
        return [], SourceReport(name, 0, took, "it was cancelled by itself")
    if error := task.exception():
        return [], SourceReport(name, 0, took, f"{type(error).__name__}: {error}"[:_MOST_TEXT])
    found = task.result()
    return found, SourceReport(name, len(found), took)


async def _search(source: Source, query: Query) -> list[Finding]:
    answer: Any = await source.search(query)
    if not isinstance(answer, list | tuple) or not all(isinstance(f, Finding) for f in answer):
        raise TypeError("the answer is not a list of findings")
    return [_bounded(finding) for finding in answer[:_MOST_FINDINGS]]


def _forget(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()  # retrieved, so that the loop does not report it a second time


def _bounded(finding: Finding) -> Finding:
    score = min(1.0, max(0.0, finding.score)) if finding.score == finding.score else 0.0
    excerpt = PLAIN.text(finding.excerpt)
    if len(excerpt) > _MOST_TEXT:
        excerpt = excerpt[:_MOST_TEXT].rstrip() + " …"
    return replace(finding, excerpt=excerpt, title=finding.title[:200], score=score)


def _merged(findings: list[Finding]) -> list[Finding]:
    """Best first; of findings about one thing the best, with the reasons of all."""
    best: dict[tuple[str, str], Finding] = {}
    for finding in sorted(findings, key=lambda f: -f.score):
        key = _same(finding)
        kept = best.get(key)
        if kept is None:
            best[key] = finding
        elif finding.why and finding.why not in kept.why:
            best[key] = replace(kept, why="; ".join(filter(None, (kept.why, finding.why))))
    return list(best.values())


def _same(finding: Finding) -> tuple[str, str]:
    if finding.pattern:
        return ("pattern", finding.pattern)
    address = finding.citation.url or finding.citation.title
    return (address.rstrip("/").lower(), " ".join(finding.title.lower().split()))


def _recommended(findings: list[Finding]) -> tuple[Pattern, ...]:
    known = {entry.id: entry for entry in patterns()}
    chosen = [
        known[finding.pattern]
        for finding in findings
        if finding.pattern in known and finding.score >= _RECOMMENDED
    ]
    return tuple(chosen[:_MOST_PATTERNS])
