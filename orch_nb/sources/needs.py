"""What a goal needs to know: the risks and questions of its analysis, as topics to ask about.

A topic is both what a source is asked with and what its findings are tied to.
"""

from __future__ import annotations

import re

import msgspec

from orch_nb.catalog.library import patterns
from orch_nb.model.analysis import Analysis
from orch_nb.model.research import Finding
from orch_nb.model.secrets import PLAIN

__all__ = ["Topic", "answered", "asked", "bounded_words", "overlap", "stems", "topics"]

_WEIGHT = {"high": 3, "medium": 2, "low": 1}
_WORD = re.compile(r"[a-z]{3,}")
#: Words that a goal, a question and a page share by chance.
_EVERYDAY = frozenset(
    "the and for with from that this then into all run make new our set use what when which how who"
    " are was will can may not has have had does its one two any each more most than but out too"
    " way after before should would could need needs work works done keep must while without"
    " about their them they you your".split()
)
_LEAST_SHARED = 2


class Topic(msgspec.Struct, frozen=True):
    """Words to ask with, and the risk or question that an answer would answer."""

    words: str
    answers: str
    pattern: str = ""


def topics(analysis: Analysis) -> list[Topic]:
    """The gravest risks first, then what the goal leaves open."""
    titles = {entry.id: entry.title for entry in patterns()}
    ranked = sorted(
        analysis.risks,
        key=lambda risk: -(_WEIGHT.get(risk.impact, 1) * _WEIGHT.get(risk.likelihood, 1)),
    )
    found = [
        Topic(f"{titles.get(risk.pattern, '')} {risk.name}".strip(), risk.name, risk.pattern)
        for risk in ranked
    ]
    return found + [Topic(question.text, question.text) for question in analysis.questions]


def asked(analysis: Analysis, about: str = "", most: int = 300) -> str:
    """A query in words: what is looked for, the goal, and the patterns that its risks call for.

    It leaves this machine, so what looks like a secret is masked first.
    """
    titles = {entry.id: entry.title for entry in patterns()}
    names = dict.fromkeys(
        titles[topic.pattern].lower() for topic in topics(analysis) if topic.pattern in titles
    )
    goal = bounded_words(analysis.goal.text, most // 2)
    head = f"{about} for: {goal}" if about else goal
    tail = f". Patterns: {', '.join(list(names)[:3])}" if names else ""
    return bounded_words(PLAIN.text(head + tail), most)


def bounded_words(text: str, most: int) -> str:
    """`text` on one line, cut at a word."""
    text = " ".join(text.split())
    return text if len(text) <= most else text[:most].rsplit(" ", 1)[0]


def stems(text: str) -> frozenset[str]:
    """The words of a text without their endings and without everyday ones."""
    return frozenset(
        re.sub(r"(ations?|ation|ing|ed|ies|es|e|s|y)$", "", word)
        for word in _WORD.findall(text.lower())
        if word not in _EVERYDAY
    )


def overlap(text: str, wanted: frozenset[str]) -> float:
    """How much of what is wanted a text speaks of, 0 to 1; half of it is all."""
    return min(1.0, 2 * len(stems(text) & wanted) / len(wanted)) if wanted else 0.0


def answered(finding: Finding, analysis: Analysis) -> str:
    """The risk or question that a finding answers: by its pattern, else by the words they share;
    empty where there is none."""
    known = topics(analysis)
    if finding.pattern:
        return next((one.answers for one in known if one.pattern == finding.pattern), "")
    said = stems(f"{finding.title} {finding.excerpt} {finding.why}")
    best, most = "", _LEAST_SHARED - 1
    for topic in known:
        shared = len(stems(topic.words) & said)
        if shared > most:
            best, most = topic.answers, shared
    return best
