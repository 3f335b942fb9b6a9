"""What a goal says of a data pipeline: sources, result, target, how often, how far back."""

from __future__ import annotations

import re

from orch_nb.catalog.vocabulary import found
from orch_nb.planners.clauses import split_list
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
_LONGEST = 60
_MOST = 8


def read_pipeline(text: str, notes: Notes) -> None:
    """Writes down what a data pipeline needs."""
    stores = list(found("stores", text).values())
    sink = _SINK.search(text)
    somewhere = stores[-1] if stores else "the place where its users read it"
    notes.text["sink"] = sink.group(1) if sink else somewhere
    outputs = (_NOT_OF_IT.sub("", match.group(1)) for match in _OUTPUT.finditer(text))
    notes.items["outputs"] = tuple(Item(output) for output in dict.fromkeys(outputs) if output)
    first = notes.items["outputs"][:1]
    notes.text["output"] = f"the {first[0].text}" if first else "the result"
    sources = _sources(text)
    notes.items["sources"] = tuple(Item(name) for name in sources) or (Item("each source"),)
    schedule, period = _SCHEDULE.search(text), _PERIOD.search(text)
    notes.text["schedule"] = schedule.group(1) if schedule else "as agreed"
    notes.text["period"] = period.group(1) if period else "the past"
    for flag, holds in (
        ("many_sources", len(sources) > 1),
        ("scheduled", schedule is not None),
        ("backfill", period is not None or "backfill" in text.lower()),
    ):
        if holds:
            notes.flags.add(flag)


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
