"""ANALYZE, for somebody who has never seen the workspace: a minute's reading, the rest in folds.

what the workspace is            one sentence: its parts, its stores, how work flows
the goal                         what it demands, the fields it is of
what it touches                  a table, the most surely touched first
open questions, risks            what a person decides
complexity, components, flows    folded: every factor, part and workflow, bounded
"""

from __future__ import annotations

from orch_nb.catalog.library import patterns
from orch_nb.model.analysis import DEMANDS, Analysis, Evidence
from orch_nb.model.quantity import count, duration, listed, number, percent, size
from orch_nb.render.document import (
    Badge,
    Block,
    Code,
    Fold,
    Line,
    Listing,
    Paragraph,
    Section,
    Text,
    line,
    said,
)
from orch_nb.render.plaintext import one_line
from orch_nb.render.research_section import research_section
from orch_nb.render.rows import table
from orch_nb.render.workspace import drawing, parts_of, place, summary, workflows_of

__all__ = ["analyze_section", "research_section"]

_LEVELS = ("low", "medium", "high")
_LEFT_OUT = {
    "late": "not reached in time", "link": "links", "huge": "too large", "special": "special files",
    "manifest of a test": "manifests of tests", "broken workflow": "broken workflows",
}  # fmt: skip
_SINGULAR = ("link", "manifest of a test", "broken workflow")


def analyze_section(analysis: Analysis, *, is_open: bool = True) -> Section:
    """What ANALYZE found; the line says whether the goal needs orchestration at all."""
    blocks: list[Block | None] = [
        summary(analysis.scope),
        _goal(analysis),
        _touched(analysis),
        _questions(analysis),
        _risks(analysis),
        _complexity(analysis),
        drawing(analysis.scope),
        *parts_of(analysis.scope),
        *workflows_of(analysis.scope),
        _scope(analysis),
    ]
    kept = tuple(block for block in blocks if block is not None)
    return Section(1, "ANALYZE", _finding(analysis), kept, is_open)


def _finding(analysis: Analysis) -> str:
    if not analysis.orchestrate:
        advice = analysis.advice or "one step in one place will do"
        return f"needs no orchestration: {advice.removeprefix('This needs no orchestration: ')}"
    parts = [f"{analysis.operation} ({percent(analysis.confidence)} sure)"]
    parts = parts if analysis.operation else []
    named = [one.name for one in analysis.touched if one.kind == "component"]
    parts += [f"touches {listed([one_line(name, 40) for name in named], 2)}"] if named else []
    parts += [count(len(analysis.constraints), "demand")] if analysis.constraints else []
    parts += [f"{analysis.complexity.level} complexity ({analysis.complexity.score} of 100)"]
    parts += [count(len(analysis.risks), "risk")] if analysis.risks else []
    parts += [count(len(analysis.questions), "open question")] if analysis.questions else []
    return " · ".join(parts)


def _evidence(evidence: Evidence) -> Line:
    where = place(evidence)
    pieces: list[Code | str] = [Code(where)] if where else []
    pieces += [f" {evidence.text}" if where and evidence.text else evidence.text]
    return line(*pieces)


def _goal(analysis: Analysis) -> Block | None:
    items: list[Line] = []
    if analysis.constraints:
        told = [f"{DEMANDS.get(c.kind, c.kind)} (“{c.text}”)" for c in analysis.constraints]
        items.append(line(Text("It demands: ", strong=True), "; ".join(told)))
    elif analysis.goal.constraints:
        told = [f"“{quote}”" for quote in analysis.goal.constraints]
        items.append(line(Text("It demands: ", strong=True), "; ".join(told)))
    fields = [
        f"{one.name} ({one.evidence[0].text})" if one.evidence else one.name
        for one in analysis.domains
    ]
    if fields:
        items.append(line(Text("Its fields: ", strong=True), ", ".join(fields)))
    if analysis.advice and analysis.orchestrate:
        items.append(said(analysis.advice))
    return Listing(tuple(items), "The goal") if items else None


def _touched(analysis: Analysis) -> Block | None:
    rows = []
    for one in analysis.touched:
        where = Code(place(one.evidence) or one.name)
        # A file's name is its place; beside that of another stands where it was seen.
        name = line(where) if one.kind == "file" else line(f"{one_line(one.name, 60)} ", where)
        rows.append((name, line(one.kind), said(one.why)))
    return table(
        "What the goal touches, the surest first", ("what", "", "because"), rows,
        wrap=("what", "because"),
    )  # fmt: skip


def _questions(analysis: Analysis) -> Block | None:
    items = tuple(
        line(q.text, Text(f" ({q.why})", muted=True) if q.why else "") for q in analysis.questions
    )
    return Listing(items, "Open questions") if items else None


def _badge(level: str) -> Line:
    return line(Badge(level)) if level in _LEVELS else line(level)


def _risks(analysis: Analysis) -> Block | None:
    titles = {entry.id: entry.title for entry in patterns()}
    return table(
        "Risks",
        ("risk", "likely", "impact", "because", "what helps"),
        [
            (line(r.name), _badge(r.likelihood), _badge(r.impact), _evidence(r.evidence),
             line(r.mitigation,
                  Text(f" ({titles.get(r.pattern, r.pattern)})", muted=True) if r.pattern else ""))
            for r in analysis.risks
        ],
        wrap=("risk", "because", "what helps"),
    )  # fmt: skip


def _complexity(analysis: Analysis) -> Block | None:
    made = analysis.complexity
    found = table(
        "",
        ("factor", "points", "of", "because"),
        [
            (line(f.name), line(number(f.points)), line(number(f.most)), said(f.evidence))
            for f in made.factors
        ],
        numeric=("points", "of"),
        wrap=("because",),
    )
    if found is None:
        return None
    most = sorted((f for f in made.factors if f.points), key=lambda f: -f.points)[:3]
    told = f"Complexity: {made.score} of 100"
    told += f", most of it {listed([f'{f.name} ({f.points})' for f in most])}" if most else ""
    return Fold(line(Text(told, muted=True)), (found,))


def _scope(analysis: Analysis) -> Block | None:
    scope = analysis.scope
    if not scope.root and not scope.files:
        return None
    told = f"Scanned {count(scope.files, 'file')}, {size(scope.size_bytes)}"
    took = duration(analysis.duration_s or scope.duration_s)
    told += f", in {took}" if took else ""
    named = {why: _LEFT_OUT.get(why, why) for why in scope.skipped}
    named |= {why: why for why in _SINGULAR if scope.skipped.get(why) == 1}
    left = [f"{number(n)} {named[why]}" for why, n in scope.skipped.items() if n]
    told += f"; left out: {listed(left, 12)}" if left else ""
    told += "" if scope.complete else "; stopped at its time bound, so there may be more"
    return Paragraph(line(Text(f"{told}.", muted=True)))
