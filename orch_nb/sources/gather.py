"""RESEARCH: asks every source at once, and makes one ranked answer of what they say.

Sources are strangers: each is asked in a task of its own and given up on at its time, its exception
or its nonsense becomes the error of its `SourceReport`, and the phase takes no longer than the
longest timeout whatever they do. What two sources say of one thing is one finding.

The order of equals is the order of the sources, so that the same answers make the same research.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

from orch_nb.catalog.library import pattern, patterns
from orch_nb.model.analysis import Analysis
from orch_nb.model.research import Finding, Pattern, Research, SourceReport
from orch_nb.model.secrets import PLAIN
from orch_nb.sources.catalog_source import CatalogSource
from orch_nb.sources.codebase import CodebaseSource
from orch_nb.sources.merging import bounded, merged
from orch_nb.sources.needs import answered
from orch_nb.sources.outside import cleaned
from orch_nb.sources.recommend import fits
from orch_nb.sources.source import PartAnswer, Query, Source
from orch_nb.sources.systems import system_fits

__all__ = ["default_sources", "gather"]

#: A source's findings beyond these are cut: nobody reads them, and a flood is no answer.
_MOST_FINDINGS = 50
_MOST_ERROR = 600
#: Patterns that score less are findings, not recommendations.
_RECOMMENDED = 0.45
_MOST_PATTERNS = 6
#: After this long, and then as often, a person is told who is awaited.
_STEP_S = 1.0

Progress = Callable[[tuple[str, ...]], None]


def default_sources() -> tuple[Source, ...]:
    """What a bare install asks, without a network: the catalogue and the workspace."""
    return (CatalogSource(), CodebaseSource())


async def gather(
    analysis: Analysis,
    sources: Sequence[Source] | None = None,
    timeout_s: float = 5.0,
    *,
    progress: Progress | None = None,
    unasked: Sequence[SourceReport] = (),
) -> Research:
    """What `sources` (default: `default_sources()`) know of the goal of `analysis`.

    A source that has a `timeout_s` of its own is given that many seconds, others `timeout_s`.
    `progress(names)` is called about once a second with the sources that are awaited, if it takes
    longer, and once with none at the end. `unasked` are reports of sources that were not asked.
    Raises only what cancels the caller, and what `progress` raises.
    """
    started = time.monotonic()
    asked = list(default_sources() if sources is None else sources)
    query = Query.of(analysis)
    tasks = [asyncio.ensure_future(_ask(source, query, timeout_s)) for source in asked]
    await _awaited(dict(zip(tasks, map(_name, asked), strict=True)), progress)
    answers = [task.result() for task in tasks]
    tied = [
        bounded(finding, finding.answers or answered(finding, analysis))
        for found, _ in answers
        for finding in found
    ]
    findings = merged(tied)
    chosen = fits(analysis, findings)
    return Research(
        fits=chosen,
        systems=system_fits(analysis, [pattern(fit.pattern) for fit in chosen]),
        findings=tuple(findings),
        patterns=_recommended(findings),
        sources=(*(report for _, report in answers), *unasked),
        duration_s=time.monotonic() - started,
    )


async def _awaited(tasks: dict[asyncio.Future[Any], str], progress: Progress | None) -> None:
    """Wait for all tasks; when that is cancelled, so are they."""
    waiting: set[asyncio.Future[Any]] = set(tasks)
    told = False
    step = None if progress is None else _STEP_S
    try:
        while waiting:
            _, waiting = await asyncio.wait(waiting, timeout=step)
            if waiting and progress is not None:
                progress(tuple(name for task, name in tasks.items() if task in waiting))
                told = True
    except BaseException:
        for task in tasks:
            task.cancel()
        raise
    if told and progress is not None:
        progress(())


def _name(source: Source) -> str:
    return str(getattr(source, "name", type(source).__name__))


async def _ask(
    source: Source, query: Query, timeout_s: float
) -> tuple[list[Finding], SourceReport]:
    name = _name(source)
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
        return [], SourceReport(name, 0, took, _told(f"{type(error).__name__}: {error}"))
    found, told = task.result()
    return found, SourceReport(name, len(found), took, _told(told))


def _told(error: str) -> str:
    """An error as it may be shown, whoever wrote it."""
    return PLAIN.text(" ".join(cleaned(error).split()))[:_MOST_ERROR]


async def _search(source: Source, query: Query) -> tuple[list[Finding], str]:
    """The findings of a source, and what it has to tell besides."""
    told = ""
    answer: Any
    try:
        answer = await source.search(query)
    except PartAnswer as part:
        answer, told = part.findings, str(part)
    if not isinstance(answer, list | tuple) or not all(isinstance(f, Finding) for f in answer):
        raise TypeError("the answer is not a list of findings")
    return list(answer[:_MOST_FINDINGS]), told


def _forget(task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        task.exception()  # retrieved, so that the loop does not report it a second time


def _recommended(findings: list[Finding]) -> tuple[Pattern, ...]:
    known = {entry.id: entry for entry in patterns()}
    chosen = [
        known[finding.pattern]
        for finding in findings
        if finding.pattern in known and finding.score >= _RECOMMENDED
    ]
    return tuple(chosen[:_MOST_PATTERNS])
