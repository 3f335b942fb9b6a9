"""RESEARCH: what is recommended and why, how the six systems would do, and who said what.

The recommendation comes first, then the six systems; findings each with source, link and date; the
patterns in full and the sources' times are behind folds, unless a source did not answer: then its
error, and what a person can do about it, stand open.
"""

from __future__ import annotations

from orch_nb.catalog.library import patterns as catalogue
from orch_nb.model.quantity import count, duration, listed, number
from orch_nb.model.research import Finding, Pattern, Research, SourceReport, SystemFit
from orch_nb.render.document import (
    Badge,
    Block,
    Fold,
    Line,
    Section,
    Table,
    Text,
    line,
    said,
)
from orch_nb.render.plaintext import bounded_lines
from orch_nb.render.rows import table
from orch_nb.render.workspace import system_name

__all__ = ["research_section"]

_MOST_FINDINGS = 12


def research_section(research: Research, *, is_open: bool = True) -> Section:
    """What RESEARCH brought, each with where it can be checked."""
    silent = [source for source in research.sources if _state(source) == "unreachable"]
    pending = [source for source in research.sources if _pending(source.error)]
    titles = _titles(research)
    best = [titles.get(fit.pattern, fit.pattern) for fit in research.fits]
    parts = [f"recommends {listed(best, 3)}"] if best else []
    found = count(len(research.patterns), "pattern")
    parts += [] if best else [f"{found} fit" + "s" * (len(research.patterns) == 1)]
    parts += [count(len(research.findings), "finding")] if research.findings else []
    asked = f"{count(len(research.sources) - len(pending), 'source')} asked"
    asked += f", {number(len(silent))} unreachable" if silent else ""
    parts += [asked]
    parts += [f"{count(len(pending), 'server')} to approve"] if pending else []
    blocks = [
        _fits(research, titles),
        _patterns(research),
        _systems(research.systems),
        *_findings(research),
        _details(research),
        _sources(research),
    ]
    kept = tuple(block for block in blocks if block is not None)
    return Section(2, "RESEARCH", " · ".join(parts), kept, is_open)


def _titles(research: Research) -> dict[str, str]:
    return {entry.id: entry.title for entry in (*catalogue(), *research.patterns)}


def _pending(error: str) -> bool:
    return error.startswith("pending")


def _link(pattern: Pattern) -> Line:
    if not pattern.citations:
        return ()
    return line(Text(pattern.citations[0].title, url=pattern.citations[0].url))


def _fits(research: Research, titles: dict[str, str]) -> Table | None:
    return table(
        "Recommended",
        ("pattern", "why here", "what it costs", "without it"),
        [
            (line(Text(titles.get(fit.pattern, fit.pattern), strong=True)), said(fit.why),
             said(fit.cost), said(fit.without))
            for fit in research.fits
        ],
        wrap=("pattern", "why here", "what it costs", "without it"),
    )  # fmt: skip


def _patterns(research: Research) -> Table | None:
    """The patterns with their reasons, where no recommendation says them better."""
    if research.fits:
        return None
    why = {found.pattern: found.why for found in research.findings if found.pattern}
    return table(
        "Patterns",
        ("pattern", "what it is", "why here", "source"),
        [
            (line(Text(p.title, strong=True)), line(p.summary),
             line(why.get(p.id) or (p.use_when[0] if p.use_when else "")), _link(p))
            for p in research.patterns
        ],
        wrap=("what it is", "why here"),
    )  # fmt: skip


def _systems(systems: tuple[SystemFit, ...]) -> Block | None:
    return table(
        "The six systems, for this goal",
        ("system", "", "what speaks for it", "what is missing", "source"),
        [
            (line(Text(system_name(s.system), strong=True)),
             line(Badge(s.verdict)),
             said("; ".join(s.strengths)), said("; ".join(s.gaps)),
             line(Text(s.citation.title, url=s.citation.url)))
            for s in systems
        ],
        wrap=("what speaks for it", "what is missing", "source"),
    )  # fmt: skip


def _findings(research: Research) -> list[Block | None]:
    shown = {p.id for p in research.patterns}
    rest = [found for found in research.findings if not found.pattern or found.pattern not in shown]
    return [
        _finding_table("Findings", rest[:_MOST_FINDINGS]),
        _more(rest[_MOST_FINDINGS:]),
    ]


def _more(rest: list[Finding]) -> Fold | None:
    found = _finding_table("", rest)
    words = f"and {count(len(rest), 'finding')} more"
    return Fold(line(Text(words, muted=True)), (found,)) if found is not None else None


def _finding_table(caption: str, some: list[Finding]) -> Table | None:
    return table(
        caption,
        ("finding", "says", "why here", "answers", "from", "date", "source"),
        [
            (line(found.title), line(bounded_lines(found.excerpt, 4, 240)), line(found.why),
             line(found.answers), line(found.source), line(found.date),
             line(Text(found.citation.title, url=found.citation.url)))
            for found in some
        ],
        wrap=("finding", "says", "why here", "answers", "source"),
    )  # fmt: skip


def _details(research: Research) -> Fold | None:
    """What the patterns are, when not to use them, and how systems spell them."""
    what = table(
        "What they are",
        ("pattern", "what it is", "source"),
        [(line(p.title), said(p.summary), _link(p)) for p in research.patterns],
        wrap=("what it is", "source"),
    )
    cautions = table(
        "When not to use them, and what fails",
        ("pattern", "not when", "can fail", "handled by"),
        [
            (line(p.title) if not at else (), said("; ".join(p.avoid_when)) if not at else (),
             said(mode.failure), said(mode.handling))
            for p in research.patterns
            for at, mode in enumerate(p.failure_modes[:3])
        ],
        wrap=("not when", "can fail", "handled by"),
    )  # fmt: skip
    spelled = table(
        "How systems spell them",
        ("pattern", "system", "how"),
        [
            (line(p.title) if not at else (), line(system_name(name)),
             line(Text(spelling.how.replace("`", ""), url=spelling.url)))
            for p in research.patterns
            for at, (name, spelling) in enumerate(p.systems.items())
        ],
        wrap=("how",),
    )  # fmt: skip
    told = (what if research.fits else None, cautions, spelled)
    more = tuple(block for block in told if block is not None)
    words = "What the patterns are, when not to use them, and how systems spell them"
    return Fold(line(Text(words, muted=True)), more) if more else None


def _sources(research: Research) -> Table | None:
    return table(
        "Sources",
        ("source", "", "findings", "took", "what it said"),
        [
            (line(source.name), line(Badge(_state(source))), line(number(source.findings)),
             line(duration(source.duration_s)), said(_told(source)))
            for source in research.sources
        ],
        numeric=("findings", "took"),
        wrap=("what it said",),
    )  # fmt: skip


def _told(source: SourceReport) -> str:
    kept = f"kept {count(source.thoughts, 'thought')}" if source.thoughts else ""
    return "; ".join(part for part in (kept, source.error) if part)


def _state(source: SourceReport) -> str:
    if not source.error or source.thoughts:  # some thoughts were kept, and the words say how many
        return "answered"
    return "waiting" if _pending(source.error) else "unreachable"
