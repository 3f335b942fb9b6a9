"""What a goal says of a data pipeline: sources, result, target, how often, how far back."""

from __future__ import annotations

import re

from orch_nb.catalog.clauses import Part, split_list
from orch_nb.catalog.vocabulary import acts, found
from orch_nb.catalog.words import phase
from orch_nb.planners.notes import Item, Notes

__all__ = ["read_pipeline"]

_VERBS = r"(?:load|backfill|ingest|extract|sync|collect|import|pull|combine|join|merge|fetch|copy)"
_NEXT = rf"(?:{_VERBS}|build|make|publish|send|compute|create|clean|aggregate|deduplicate|write)"
_DIRECT = re.compile(
    rf"\b{_VERBS}\s+([^;:.]+?)(?=,?\s+(?:from|into|to|in|every|and {_NEXT}|{_NEXT})\b|[;:.]|$)",
    re.IGNORECASE,
)
_ORIGIN = re.compile(
    rf"\bfrom\s+([^;:.]+?)(?=,?\s+(?:into|to|every|so|by|and {_NEXT}|{_NEXT})\b|[;:]|\.(?:\s|$)|$)",
    re.IGNORECASE,
)
_SINK = re.compile(
    r"\binto\s+(?:a |an |the |our )?([\w .-]+?)"
    r"(?=\s+(?:every|each|and|by|so|with|hourly|daily|nightly|weekly)\b|[,;:]|\.(?:\s|$)|$)",
    re.IGNORECASE,
)
_OUTPUT = re.compile(
    r"\b((?:[\w-]+\s+){0,3}?(?:reports?|dashboards?|charts?|tables?|datasets?|marts?|"
    r"summar(?:y|ies)|forecasts?|features?|warehouse))\b",
    re.IGNORECASE,
)
_NOT_OF_IT = re.compile(
    r"^(?:(?:a|an|the|and|or|to|of|from|into|in|for|publish|build|make|create|send|compute|produce|"
    r"generate|hourly|daily|nightly|weekly|monthly|our)\s+)+",
    re.IGNORECASE,
)
_SCHEDULE = re.compile(
    r"\b(hourly|daily|nightly|weekly|monthly|every (?:\w+ )?(?:minutes?|hour|day|night|morning|"
    r"evening|week|month|monday|tuesday|wednesday|thursday|friday|saturday|sunday))\b",
    re.IGNORECASE,
)
_PERIOD = re.compile(
    r"\b((?:the )?(?:last|past) (?:\w+ )?(?:years?|months?|weeks?|days?)|since \d{4}|all history|"
    r"(?:the )?histor\w+(?: data)?)\b",
    re.IGNORECASE,
)
_TOWARDS = re.compile(r"\s+(?:into|onto|every|each|by|so that|for)\s", re.IGNORECASE)
_LONGEST = 60
_MOST = 8


def read_pipeline(text: str, told: list[Part], notes: Notes) -> None:
    """Writes down what a data pipeline needs."""
    stores = list(found("stores", text).values())
    sink = _SINK.search(text)
    somewhere = stores[-1] if stores else "the place where its users read it"
    notes.text["sink"] = sink.group(1) if sink else somewhere
    notes.text["sink_short"] = notes.text["sink"] if sink or stores else "its place"
    outputs = (_NOT_OF_IT.sub("", _lastly(match.group(1))) for match in _OUTPUT.finditer(text))
    notes.items["outputs"] = tuple(Item(output) for output in dict.fromkeys(outputs) if output)
    first = notes.items["outputs"][:1]
    notes.text["output"] = f"the {first[0].text}" if first else "the result"
    sources = _of_part(told) or _sources(text)
    notes.items["sources"] = tuple(Item(name) for name in sources) or (Item("each source"),)
    schedule, period = _SCHEDULE.search(text), _PERIOD.search(text)
    notes.text["schedule"] = schedule.group(1).lower() if schedule else "as agreed"
    notes.text["period"] = period.group(1) if period else "the past"
    if len(sources) > 1:
        notes.flag("many_sources", f"there are {len(sources)} sources")
    if schedule:
        notes.flag("scheduled", f"the goal says “{schedule.group(1)}”")
    if sink or stores:
        notes.flag("named_sink", f"the goal names {notes.text['sink']}")
    if period or "backfill" in text.lower():
        notes.flag("backfill", f"the goal says “{period.group(1) if period else 'backfill'}”")


def _lastly(text: str) -> str:
    """What stands after the last article: of "email finance a report" the report."""
    return re.split(r"\b(?:an?|the|one|into|in|to)\s+", text, flags=re.IGNORECASE)[-1]


def _of_part(told: list[Part]) -> list[str]:
    """The sources of the clause that says what is taken: "a from x and b from y", or all of one."""
    taken = [p for p in told if phase(p.verb) in {"look", "combine"} or "extract" in acts(p.asks)]
    if not taken:
        return []
    part = next((p for p in taken if " from " in p.text or p.leading), taken[0])
    thing = _TOWARDS.split(part.thing)[0]
    items = split_list(thing)
    if sum(" from " in item for item in items) > 1:
        found = [re.split(r"\s+from\s+", item, maxsplit=1) for item in items]
        return [" (".join(map(_bare, pair)) + (")" if len(pair) > 1 else "") for pair in found]
    return _sources(f"load {thing}")


def _sources(text: str) -> list[str]:
    """What is loaded, with where it is loaded from if that is one place; or those places."""
    direct, origin = _DIRECT.search(text), _ORIGIN.search(text)
    chosen = direct or origin
    if chosen is None:
        return []
    places = split_list(origin.group(1)) if origin else []
    if direct and len(places) > 1:
        return [_bare(place) for place in places][:_MOST]
    where = f" ({_bare(places[0])})" if direct and len(places) == 1 else ""
    names = [_bare(item) for item in split_list(chosen.group(1))]
    return [f"{name}{where}" for name in names if 0 < len(name) <= _LONGEST][:_MOST]


def _bare(text: str) -> str:
    text = re.sub(rf"^{_PERIOD.pattern}\s+(?:of\s+)?", "", text, flags=re.IGNORECASE)
    return re.sub(r"^(?:the|our|all|its)\s+", "", text, flags=re.IGNORECASE)
