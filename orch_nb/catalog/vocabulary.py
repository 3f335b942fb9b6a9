"""The words by which a goal is read: domains, constraints, stores, artefacts.

ANALYZE and the planner read the same goal, and they must agree on what it says; neither may import
the other, so the words are data here. Matching is by regular expression over the goal's own text,
without regard to case: it says what was seen and where, and never guesses beyond that.

    >>> found("stores", "Move the carts from Redis to Postgres")
    {'Redis': 'Redis', 'PostgreSQL': 'Postgres'}
"""

from __future__ import annotations

import functools
import re

import msgspec

from orch_nb.catalog.library import document

__all__ = [
    "Artefact", "acts", "artefacts", "artefacts_by_id", "constraints", "cues", "found", "spans",
]  # fmt: skip


class Artefact(msgspec.Struct, frozen=True):
    """Something that a release puts into the world.

    `stage`: package, release or follow (see `vocabulary.yaml`); `undo` and `check` are phrases.
    """

    id: str
    words: str
    name: str
    stage: str
    undo: str
    check: str


@functools.cache
def _vocabulary(section: str) -> tuple[tuple[str, re.Pattern[str]], ...]:
    words: dict[str, str] = document("vocabulary.yaml")[section]
    return tuple((name, re.compile(text, re.IGNORECASE)) for name, text in words.items())


def found(section: str, text: str) -> dict[str, str]:
    """Names of a section (domains, stores) whose words stand in `text`, in the order in which they
    first stand there, each with the words as they are written."""
    hits = [
        (match.start(), name, match.group(0).strip())
        for name, pattern in _vocabulary(section)
        if (match := pattern.search(text))
    ]
    return {name: words for _, name, words in sorted(hits)}


def constraints(text: str) -> dict[str, str]:
    """What `text` demands, by kind (no_downtime, way_back, deadline, ...), each quoted from it."""
    return {name: quote.strip(" ,;:") for name, quote in found("constraints", text).items()}


def spans(section: str, text: str) -> list[tuple[str, int, int]]:
    """Every place where words of a section stand in `text`: name, start, end."""
    return [
        (name, match.start(), match.end())
        for name, pattern in _vocabulary(section)
        for match in pattern.finditer(text)
    ]


@functools.cache
def _acts() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (name, re.compile(words, re.IGNORECASE)) for name, words in document("acts.yaml").items()
    )


def acts(clause: str) -> tuple[str, ...]:
    """What `clause`, in the imperative, asks for, the most special act first.

    >>> acts("type-check the package")
    ('types',)
    """
    return tuple(name for name, pattern in _acts() if pattern.search(clause))


@functools.cache
def _cues() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple(
        (name, re.compile(words, re.IGNORECASE)) for name, words in document("cues.yaml").items()
    )


def cues(text: str) -> dict[str, str]:
    """Patterns of the catalogue whose vocabulary `text` speaks, each with the words.

    >>> cues("Retry what is flaky")
    {'retry_backoff': 'Retry'}
    """
    return {name: match.group(0) for name, pattern in _cues() if (match := pattern.search(text))}


@functools.cache
def _artefacts() -> tuple[tuple[Artefact, re.Pattern[str]], ...]:
    rows = msgspec.convert(document("vocabulary.yaml")["artefacts"], list[Artefact])
    return tuple((row, re.compile(row.words, re.IGNORECASE)) for row in rows)


def artefacts(text: str) -> list[tuple[Artefact, str, int]]:
    """What `text` would publish, in its order: the artefact, the words, their position."""
    hits = [
        (artefact, match.group(0), match.start())
        for artefact, pattern in _artefacts()
        if (match := pattern.search(text))
    ]
    return sorted(hits, key=lambda hit: hit[2])


def artefacts_by_id() -> dict[str, Artefact]:
    """Every artefact that the vocabulary knows."""
    return {artefact.id: artefact for artefact, _ in _artefacts()}
