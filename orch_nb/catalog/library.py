"""The built-in catalogue: what patterns there are, and which of them answer some words.

Patterns are data (`patterns/*.yaml`, a file a family), read once, checked, and searched with the
full-text index FTS5 of SQLite in memory: Porter's stemmer, so that "approvals" finds "approval",
and bm25 with the title and the keywords weighted above the prose. Words that people use and no
entry does are looked up in `synonyms.yaml`. Nothing here needs a network or a file of its own.

    >>> [pattern.id for pattern, score in search("undo what was done if a later step fails")][0]
    'saga'

Ranking: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), as
implemented by https://www.sqlite.org/fts5.html#the_bm25_function.
"""

from __future__ import annotations

import functools
import re
import sqlite3
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

import msgspec
import yaml

from orch_nb.errors import EnvironmentFault, UsageError
from orch_nb.model.research import Pattern

__all__ = [
    "FAMILIES", "SYSTEMS", "clear_match", "document", "family_of", "pattern", "patterns", "search",
]  # fmt: skip

SYSTEMS = frozenset({"airflow", "xstate", "bullmq", "restate", "temporal", "celery"})
#: The files of patterns, in their order, each with what its patterns are about.
FAMILIES = {
    "shapes": "The shape of the work",
    "failure": "What fails",
    "effects": "Effects, once and traceable",
    "limits": "Limits and queues",
    "waiting": "Waiting for people and events",
    "time": "Time and intervals",
    "states": "States",
    "change": "Changing what is in use",
}

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_WORD = re.compile(r"[^\W_]+")
#: Weights of the columns of the index below, in their order.
_WEIGHTS = (8.0, 6.0, 3.0, 2.0, 1.0)
_NOISE = 0.02
#: What a synonym counts for, beside a word of the person's own.
_SYNONYM = 0.5
#: So many times the second's score makes the first the one that is meant.
_AHEAD = 2.0
#: Words that say nothing about a pattern; a query of nothing else finds nothing.
_EMPTY = frozenset(
    "a an and are as at be by do for from have how i if in is it its me my no not of on one or our "
    "should so some that the them then there this to up was we what when which who will with you "
    "without want need can must may only all any each every".split()
)


def document(name: str) -> Any:
    """The parsed data file `name` of the catalogue.

    >>> sorted(document("vocabulary.yaml"))
    ['artefacts', 'constraints', 'demands', 'domains', 'stores', 'synonyms']
    """
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=_LOADER)  # noqa: S506  # a safe loader, the C one where there is one


@functools.cache
def _entries() -> dict[str, Any]:
    return {family: document(f"patterns/{family}.yaml") for family in FAMILIES}


@functools.cache
def patterns() -> tuple[Pattern, ...]:
    """Every pattern of the catalogue, in its order."""
    return tuple(_checked([entry for entries in _entries().values() for entry in entries]))


def family_of(name: str) -> str:
    """The family of the pattern with that id, a key of `FAMILIES`."""
    return next(
        family
        for family, entries in _entries().items()
        if any(entry["id"] == name for entry in entries)
    )


def pattern(name: str) -> Pattern:
    """The pattern with that id. Raises UsageError, naming those there are."""
    for entry in patterns():
        if entry.id == name:
            return entry
    known = ", ".join(f"`{entry.id}`" for entry in patterns())
    raise UsageError(f"The catalogue has no pattern `{name}`. It has {known}.")


def _checked(entries: Any) -> list[Pattern]:
    """Patterns of parsed data; ValueError names the entry and what is wrong with it."""
    found: list[Pattern] = []
    for entry in entries:
        name = entry.get("id", "?") if isinstance(entry, Mapping) else "?"
        try:
            value = msgspec.convert(entry, Pattern)
        except msgspec.ValidationError as error:
            raise ValueError(f"pattern `{name}` of the catalogue: {error}") from None
        if unknown := set(value.systems) - SYSTEMS:
            raise ValueError(f"pattern `{name}` names unknown systems: {sorted(unknown)}")
        if not value.citations:
            raise ValueError(f"pattern `{name}` cites nothing")
        if any(value.id == other.id for other in found):
            raise ValueError(f"pattern `{name}` is twice in the catalogue")
        found.append(value)
    return found


def search(words: str, limit: int = 5) -> list[tuple[Pattern, float]]:
    """Patterns that answer `words`, best first, each with its score (higher is better, above 0).

    Any of the words may match; words of two letters and common ones do not count. Without a word
    that counts, nothing is found. Raises EnvironmentFault where this SQLite has no FTS5.
    """
    terms = [w for w in _WORD.findall(words.lower()) if len(w) > 1 and w not in _EMPTY]
    if not terms or limit < 1:
        return []
    scores = _scores(terms)
    for row, score in _scores(_synonyms(terms)).items():
        scores[row] = scores.get(row, 0.0) + _SYNONYM * score
    best = sorted(scores.items(), key=lambda hit: (-hit[1], hit[0]))[:limit]
    found = [(patterns()[row], score) for row, score in best]
    # A word that most entries have scores next to nothing: that is no answer.
    return [(entry, score) for entry, score in found if score > _NOISE * found[0][1]]


def clear_match(words: str) -> Pattern | None:
    """The one pattern that `words` mean: its id or title, or what a search finds far ahead of all
    others; None where several could be meant.

    >>> clear_match("Fan-out / fan-in").id, clear_match("changes")
    ('fan_out_fan_in', None)
    """
    name = _plain(words)
    for entry in patterns():
        if name in (entry.id, _plain(entry.title)):
            return entry
    found = search(words, limit=2)
    ahead = len(found) == 1 or (len(found) > 1 and found[0][1] >= _AHEAD * found[1][1])
    return found[0][0] if ahead else None


def _plain(words: str) -> str:
    return "_".join(_WORD.findall(words.replace("_", " ").lower()))


def _scores(terms: Iterable[str]) -> dict[int, float]:
    """How well each row of the index answers any of `terms`; rows that do not are left out."""
    query = " OR ".join(f'"{term}"' for term in dict.fromkeys(terms))
    if not query:
        return {}
    weights = ", ".join(map(str, _WEIGHTS))
    rows = _index().execute(
        f"SELECT rowid, -bm25(pattern, {weights}) FROM pattern WHERE pattern MATCH ?",  # noqa: S608  # our numbers
        (query,),
    )
    return {int(row): float(score) for row, score in rows}


def _synonyms(terms: Iterable[str]) -> list[str]:
    """The catalogue's words for `terms`, without these themselves."""
    own = set(terms)
    return [word for term in terms for word in _meanings().get(term, ()) if word not in own]


@functools.cache
def _meanings() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for entry in document("synonyms.yaml"):
        for word in entry["words"].split():
            found[word] = (*found.get(word, ()), *entry["mean"].split())
    return found


@functools.cache
def _index() -> sqlite3.Connection:
    # Searched from several threads, never written after this; SQLite itself serialises.
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    try:
        connection.execute(
            "CREATE VIRTUAL TABLE pattern USING fts5("
            "title, keywords, summary, purpose, failures, tokenize='porter unicode61')"
        )
    except sqlite3.OperationalError as error:
        connection.close()
        raise EnvironmentFault(
            "Searching the catalogue of patterns needs SQLite with FTS5, which the SQLite of this "
            f"Python ({sqlite3.sqlite_version}) lacks ({error}). `patterns()` lists them all; "
            "python.org's and conda-forge's Python bring FTS5."
        ) from None
    connection.executemany(
        "INSERT INTO pattern(rowid, title, keywords, summary, purpose, failures) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                row,
                entry.title,
                " ".join(entry.keywords),
                entry.summary,
                " ".join(entry.use_when),
                " ".join(f"{mode.failure} {mode.handling}" for mode in entry.failure_modes),
            )
            for row, entry in enumerate(patterns())
        ],
    )
    return connection
