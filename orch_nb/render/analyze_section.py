"""ANALYZE and RESEARCH: what is known of the goal, and what others know of it."""

from __future__ import annotations

from orch_nb.model.analysis import Analysis, Evidence
from orch_nb.model.quantity import count, duration, listed, number, percent, size
from orch_nb.model.research import Pattern, Research
from orch_nb.render.document import (
    Badge,
    Block,
    Code,
    Column,
    Fold,
    Line,
    Listing,
    Paragraph,
    Row,
    Section,
    Table,
    Text,
    line,
    said,
)
from orch_nb.render.plaintext import bounded_lines
from orch_nb.render.rows import table

__all__ = ["analyze_section", "research_section"]

_LEVELS = ("low", "medium", "high")


def analyze_section(analysis: Analysis, *, is_open: bool = True) -> Section:
    """What ANALYZE found; the line says whether the goal needs orchestration at all."""
    if analysis.orchestrate:
        parts = [f"{analysis.operation} ({percent(analysis.confidence)} sure)"]
        parts = parts if analysis.operation else []
        parts += [count(len(analysis.domains), "domain")] if analysis.domains else []
        found = len(analysis.scope.components)
        parts += [count(found, "component")] if found else []
        parts += [f"{analysis.complexity.level} complexity ({analysis.complexity.score} of 100)"]
        parts += [count(len(analysis.risks), "risk")] if analysis.risks else []
        finding = " · ".join(parts)
    else:
        finding = f"needs no orchestration: {analysis.advice or 'one step in one place will do'}"
    blocks = (_goal(analysis), *_tables(analysis), *_questions(analysis), _scope(analysis))
    kept = tuple(block for block in blocks if block is not None)
    return Section(1, "ANALYZE", finding, kept, is_open)


def _evidence(evidence: Evidence) -> Line:
    where = evidence.path if evidence.line is None else f"{evidence.path}:{evidence.line}"
    pieces: list[Code | str] = [Code(where)] if evidence.path else []
    pieces += [f" {evidence.text}" if evidence.path else evidence.text]
    return line(*pieces)


def _goal(analysis: Analysis) -> Block | None:
    said = [Text(f"“{c}”") for c in analysis.goal.constraints]
    items: list[Line] = []
    if said:
        pieces: list[Text] = []
        for at, piece in enumerate(said):
            pieces += [Text(", "), piece] if at else [piece]
        items.append(line("The goal says ", *pieces))
    for domain in analysis.domains:
        seen = domain.evidence[0] if domain.evidence else None
        items.append(line(Text(domain.name, strong=True), ": ", *_evidence(seen)) if seen else
                     line(Text(domain.name, strong=True)))  # fmt: skip
    if analysis.advice and analysis.orchestrate:
        items.append(line(analysis.advice))
    return Listing(tuple(items)) if items else None


def _badge(level: str) -> Line:
    return line(Badge(level)) if level in _LEVELS else line(level)


def _tables(analysis: Analysis) -> list[Block | None]:
    return [
        table(
            "Risks",
            ("risk", "likelihood", "impact", "evidence", "mitigation"),
            [
                (line(r.name), _badge(r.likelihood), _badge(r.impact), _evidence(r.evidence),
                 line(r.mitigation))
                for r in analysis.risks
            ],
            wrap=("risk", "evidence", "mitigation"),
        ),
        table(
            f"Complexity: {analysis.complexity.score} of 100",
            ("factor", "points", "of", "because"),
            [
                (line(f.name), line(number(f.points)), line(number(f.most)), said(f.evidence))
                for f in analysis.complexity.factors
            ],
            numeric=("points", "of"),
            wrap=("because",),
        ),
        table(
            "Components",
            ("component", "kind", "language", "path", "evidence"),
            [
                (line(c.name), line(c.kind), line(c.language), line(Code(c.path)),
                 _evidence(c.evidence))
                for c in analysis.scope.components
            ],
            wrap=("evidence",),
        ),
        table(
            "Workflows that are here already",
            ("workflow", "system", "tasks", "evidence"),
            [
                (line(w.name), line(w.system), line(listed(w.tasks, 6)), _evidence(w.evidence))
                for w in analysis.scope.workflows
            ],
            wrap=("tasks", "evidence"),
        ),
    ]  # fmt: skip


def _questions(analysis: Analysis) -> list[Block]:
    if not analysis.questions:
        return []
    items = tuple(
        line(q.text, Text(f" ({q.why})", muted=True) if q.why else "") for q in analysis.questions
    )
    return [Listing(items, "Open questions")]


def _scope(analysis: Analysis) -> Block | None:
    scope = analysis.scope
    if not scope.root and not scope.files:
        return None
    top = sorted(scope.languages.items(), key=lambda item: -item[1])
    languages = ", ".join(f"{name} {number(n)}" for name, n in top[:6])
    told = f"Scanned {count(scope.files, 'file')}, {size(scope.size_bytes)}"
    told += f" ({languages})" if languages else ""
    left = ", ".join(f"{number(n)} {why}" for why, n in scope.skipped.items() if n)
    told += f"; left out {left}" if left else ""
    told += f"; took {duration(analysis.duration_s or scope.duration_s)}"
    told += "" if scope.complete else "; stopped at its time bound, so there may be more"
    return Paragraph(line(Text(told, muted=True)))


def research_section(research: Research, *, is_open: bool = True) -> Section:
    """What RESEARCH brought, each with where it can be checked."""
    silent = [source for source in research.sources if source.error]
    parts = [
        f"{count(len(research.patterns), 'pattern')} fit" + "s" * (len(research.patterns) == 1)
    ]
    parts += [count(len(research.findings), "finding")] if research.findings else []
    asked = f"{count(len(research.sources), 'source')} asked"
    parts += [asked + (f", {number(len(silent))} unreachable" if silent else "")]
    blocks = [*_patterns(research), _findings(research), _sources(research)]
    kept = tuple(block for block in blocks if block is not None)
    return Section(2, "RESEARCH", " · ".join(parts), kept, is_open)


def _link(pattern: Pattern) -> Line:
    if not pattern.citations:
        return ()
    return line(Text(pattern.citations[0].title, url=pattern.citations[0].url))


def _patterns(research: Research) -> list[Block | None]:
    why = {found.pattern: found.why for found in research.findings if found.pattern}
    first = table(
        "Patterns",
        ("pattern", "what it is", "why here", "source"),
        [
            (
                line(Text(p.title, strong=True)),
                line(p.summary),
                line(why.get(p.id) or (p.use_when[0] if p.use_when else "")),
                _link(p),
            )
            for p in research.patterns
        ],
        wrap=("what it is", "why here"),
    )
    cautions = table(
        "When not to use them, and what fails",
        ("pattern", "not when", "can fail", "handled by"),
        [
            (line(p.title), line("; ".join(p.avoid_when)), said(mode.failure), said(mode.handling))
            for p in research.patterns
            for mode in p.failure_modes[:3]
        ],
        wrap=("not when", "can fail", "handled by"),
    )
    spelled = table(
        "How systems spell them",
        ("pattern", "system", "how"),
        [
            (line(p.title), line(name), line(Text(spelling.how, url=spelling.url)))
            for p in research.patterns
            for name, spelling in p.systems.items()
        ],
        wrap=("how",),
    )
    more = tuple(block for block in (cautions, spelled) if block is not None)
    fold = Fold(line(Text("When not to, and how systems spell them", muted=True)), more)
    return [first, fold if more else None]


def _findings(research: Research) -> Block | None:
    rows = [
        (
            line(found.title),
            line(bounded_lines(found.excerpt, 4, 240)),
            line(found.why),
            line(found.source),
            line(Text(found.citation.title, url=found.citation.url)),
        )
        for found in research.findings
        if not found.pattern or found.pattern not in {p.id for p in research.patterns}
    ]
    return table(
        "Findings", ("finding", "says", "why here", "from", "source"), rows,
        wrap=("finding", "says", "why here", "source"),
    )  # fmt: skip


def _sources(research: Research) -> Block | None:
    rows = tuple(
        Row(
            (
                line(source.name),
                line(Badge("unreachable" if source.error else "answered")),
                line(number(source.findings)),
                line(duration(source.duration_s)),
                line(source.error),
            )
        )
        for source in research.sources
    )
    if not rows:
        return None
    columns = (
        Column("source"), Column(""), Column("findings", numeric=True),
        Column("took", numeric=True), Column("error", wrap=True),
    )  # fmt: skip
    return Table("Sources", columns, rows)
