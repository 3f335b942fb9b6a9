"""What a goal demands of the way it is reached, in its own words.

    >>> [(c.kind, c.text) for c in stated("Move it without downtime by Friday; cost is no issue")]
    [('no_downtime', 'without downtime'), ('deadline', 'by Friday')]

The words are data (`catalog/vocabulary.yaml`): what the planner reads as `constraints`, and more
that only ANALYZE tells, as `demands`. A demand that is taken back is none: "downtime is fine", "it
need not be reversible", "publish it without approval". One that is wished for stays, with the word
that says so: "ideally without downtime". What the goal is about is no demand of the way: "Roll back
the release" asks for the rollback itself.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from orch_nb.catalog.vocabulary import spans
from orch_nb.model.analysis import Constraint, Evidence

__all__ = ["stated", "without_them"]

#: What the planner's words are called here; each kind has its name in `model.analysis.DEMANDS`.
_SAME = {"way_back": "reversible", "no_loss": "no_data_loss"}
#: These say least, and give way to what says the same more exactly.
_VAGUE = ("must", "limit", "order")
_TAKEN_BACK_AFTER = re.compile(
    r"\s*[\w ]{0,20}?\b(?:is|are|would be|was|being)\s+(?:perfectly |quite |absolutely )?"
    r"(?:fine|ok|okay|acceptable|allowed|tolerable|optional|unnecessary|irrelevant|"
    r"not (?:an? )?(?:needed|required|necessary|important|problem|issue|concern|must)|"
    r"no (?:problem|issue|concern|must))\b",
    re.IGNORECASE,
)
_TAKEN_BACK_BEFORE = re.compile(
    r"(?:\bno need (?:for|to(?: be)?|of)|\bneed(?:n['’]t| not)(?: be)?|"
    r"\b(?:do|does|did|must|should)(?:n['’]t| not) (?:have|need|care|worry)(?: about| for| to)?"
    r"(?: be| keep| have)?|\bdon['’]t (?:care|worry|bother|need)(?: about| with)?|"
    r"\bregardless of|\bno matter|\b(?:is|are)(?:n['’]t| not) (?:required|needed)(?: to)?(?: be)?|"
    r"\bnot necessarily|\bthere is no|\bwith no|\bwithout)\s+(?:an?\s+|any\s+|the\s+)?$",
    re.IGNORECASE,
)
#: "without approval" is a demand only where something must not happen without it.
_DENIED = re.compile(
    r"\b(?:no|not|never|nobody|nothing|none|cannot|can['’]?t|don['’]t|mustn['’]t|won['’]t)\b",
    re.IGNORECASE,
)
_SOFT = re.compile(
    r"\b(?:ideally|preferably|if (?:at all )?possible|if we can|as far as possible|where possible)"
    r",?\s*(?:also\s+|and\s+)?$",
    re.IGNORECASE,
)
_NO_DEADLINE = re.compile(
    r"\b(?:from|since|created|dated|older|data|logs?|records?|orders?|files?|entries|made|sent|as)"
    r"\s+$",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(r"[.;:!?]|,\s+(?:but|and)\b|\bbut\b")
#: What is only named in order to be left alone.
_APART = re.compile(r"without|do not|don.t|never|must not|may not|leav", re.IGNORECASE)
_LINK = re.compile(r"^(?:and|but|or|so)\s+", re.IGNORECASE)
_LEAD = re.compile(r"\W*(?:please |let['’]?s |we (?:want|need|have) to |can you )?$", re.IGNORECASE)


class _Hit(NamedTuple):
    start: int
    end: int
    kind: str


@functools.lru_cache(maxsize=64)
def stated(text: str) -> tuple[Constraint, ...]:
    """The demands that `text` makes, in their order, each quoted from it."""
    found = []
    for hit in _chosen(text):
        quote = _LINK.sub("", " ".join(text[hit.start : hit.end].split()).strip(" ,;:"))
        found.append(Constraint(quote, hit.kind, Evidence(f"“{quote}”")))
    return tuple({(c.kind, c.text.lower()): c for c in found}.values())


def without_them(text: str) -> str:
    """`text` without the words of its demands: what is left says what the goal is about.

    >>> without_them("Move the carts without downtime")
    'Move the carts '
    """
    kept, at = [], 0
    for hit in _chosen(text):
        apart = hit.kind == "unchanged" and _APART.match(text, hit.start)
        if apart or hit.kind not in {"must", "order", "condition", "unchanged", "limit"}:
            kept.append(text[at : hit.start])
            at = max(at, hit.end)
    return "".join([*kept, text[at:]])


@functools.lru_cache(maxsize=64)
def _chosen(text: str) -> tuple[_Hit, ...]:
    """Hits that hold, without those that say what a more exact one says."""
    hits: list[_Hit] = []
    for section in ("demands", "constraints"):
        for name, start, end in spans(section, text):
            hit = _Hit(_with_wish(text, start), end, _kind(_SAME.get(name, name), text, start, end))
            if end > start and _holds(text, hit, start):
                hits.append(hit)
    hits.sort(key=lambda hit: (hit.kind in _VAGUE, hit.start, hit.start - hit.end))
    kept: list[_Hit] = []
    for hit in hits:
        if not any(_same(hit, other) for other in kept):
            kept.append(hit)
    return tuple(sorted(kept))


def _same(hit: _Hit, other: _Hit) -> bool:
    return hit.start < other.end and other.start < hit.end


def _kind(kind: str, text: str, start: int, end: int) -> str:
    """`kind`, where the planner's broader words say several things."""
    words = text[start:end].lower()
    if kind == "limit":
        if words.startswith(("only when", "only if")):
            return "condition"
        if re.search(r"\b(minutes?|hours?|days?|weeks?|months?)\b", words):
            return "deadline"
    return kind


def _with_wish(text: str, start: int) -> int:
    wish = _SOFT.search(text[:start])
    return wish.start() if wish else start


def _holds(text: str, hit: _Hit, start: int) -> bool:
    before, after = _clause_around(text, start, hit.end)
    if _TAKEN_BACK_AFTER.match(after):
        return False
    if hit.kind == "approval" and before.rstrip().lower().endswith("without"):
        return bool(_DENIED.search(before))
    if hit.kind not in {"must", "window"} and _TAKEN_BACK_BEFORE.search(before):
        return False
    if hit.kind == "deadline" and _NO_DEADLINE.search(before):
        return False
    # What a goal opens with is what it is about.
    opens = hit.kind == "reversible" and _LEAD.fullmatch(text[:start])
    return not (opens and re.match(r"(?:roll|undo|revert)", text[start:], re.IGNORECASE))


def _clause_around(text: str, start: int, end: int) -> tuple[str, str]:
    """What stands before and after a hit in its own clause."""
    cuts = [0, *(m.end() for m in _CLAUSE_END.finditer(text, 0, start))]
    nearest = _CLAUSE_END.search(text, end)
    return text[cuts[-1] : start], text[end : nearest.start() if nearest else len(text)]
