"""Many findings made one ranked list: bounded, cleaned, each thing once.

Two findings are one thing if they are the same pattern, or if two sources cite one page, or if they
say the same in nearly the same words. The better one stays, with the reasons of both.
"""

from __future__ import annotations

from msgspec.structs import replace

from orch_nb.model.research import Citation, Finding
from orch_nb.model.secrets import PLAIN
from orch_nb.sources.outside import (
    INSTRUCTS,
    alike,
    cleaned,
    instructs,
    normal_url,
    safe_url,
    words_of,
)

__all__ = ["bounded", "merged"]

_MOST_TEXT = 600
_MOST_TITLE = 200
_MOST_WHY = 600
_DISTRUST = 0.5


def bounded(finding: Finding, answers: str = "") -> Finding:
    """A finding fit to be shown: its text cut, masked and without controls, its address one that a
    page may link to, its score within 0 and 1. One that instructs its reader says so, and sinks."""
    score = min(1.0, max(0.0, finding.score)) if finding.score == finding.score else 0.0
    excerpt = PLAIN.text(cleaned(finding.excerpt[: 8 * _MOST_TEXT]))
    why = PLAIN.text(cleaned(finding.why[: 2 * _MOST_WHY]))[:_MOST_WHY]
    if instructs(cleaned(f"{finding.title}\n{finding.excerpt}")):
        why, score = f"{why}; {INSTRUCTS}" if why else INSTRUCTS, score * _DISTRUST
    if len(excerpt) > _MOST_TEXT:
        excerpt = excerpt[:_MOST_TEXT].rstrip() + " …"
    cited = finding.citation
    return replace(
        finding, excerpt=excerpt, title=PLAIN.text(cleaned(finding.title[:_MOST_TITLE])),
        score=score, why=why, answers=answers,
        citation=Citation(cleaned(cited.title)[:_MOST_TITLE], safe_url(cited.url)),
    )  # fmt: skip


def merged(findings: list[Finding]) -> list[Finding]:
    """Best first; of findings about one thing the best, with the reasons of all."""
    kept: list[Finding] = []
    said: list[frozenset[str]] = []
    at: dict[tuple[str, ...], list[int]] = {}  # where those are that might be the same
    for finding in sorted(findings, key=lambda f: -f.score):
        words = words_of(f"{finding.title} {finding.excerpt}")
        keys = _keys(finding)
        near = [n for key in keys for n in at.get(key, [])]
        if not finding.pattern:
            near += [n for n in range(len(kept)) if kept[n].source != finding.source]
        same = next((n for n in near if _same(kept[n], finding, said[n], words)), None)
        if same is None:
            for key in keys:
                at.setdefault(key, []).append(len(kept))
            kept.append(finding)
            said.append(words)
        else:
            kept[same] = _joined(kept[same], finding)
    return kept


def _keys(finding: Finding) -> list[tuple[str, ...]]:
    if finding.pattern:
        return [("pattern", finding.pattern)]
    cited = finding.citation
    return [("page", normal_url(cited.url) if cited.url else cited.title.strip().lower())]


def _same(one: Finding, other: Finding, said: frozenset[str], words: frozenset[str]) -> bool:
    if one.pattern or other.pattern:
        return one.pattern == other.pattern
    if _keys(one) == _keys(other) and (
        (one.source != other.source and one.citation.url != "")
        or one.title.split() == other.title.split()
        or one.title.lower().split() == other.title.lower().split()
    ):
        return True
    return alike(said, words)


def _joined(kept: Finding, other: Finding) -> Finding:
    """The better finding with what the other has more: its reason, its date, what it answers."""
    why = kept.why
    if other.why and f"; {other.why}; " not in f"; {why}; ":
        why = "; ".join(filter(None, (why, other.why)))
    return replace(
        kept, why=why, date=kept.date or other.date, answers=kept.answers or other.answers
    )
