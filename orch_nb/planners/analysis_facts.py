"""What a goal says of a question to data: which data, which groups, by which measure, and whether
something is to be predicted.

Groups that the goal names are looked at one by one; of those it only counts ("three species") there
is one task each all the same, since their work is independent, and it says that the name is open.
"""

from __future__ import annotations

import re

from orch_nb.catalog.clauses import split_list
from orch_nb.planners.notes import Item, Notes

__all__ = ["read_question"]

_NUMBERS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6,
}  # fmt: skip
_COUNTED = re.compile(
    rf"\b(?P<n>{'|'.join(_NUMBERS)})\s+(?P<k>(?:[a-z-]+\s)?(?:species|groups?|classes|regions?|"
    r"cohorts?|variants?|arms?|kinds?|types?|categories|segments?|teams?|countries|cities|models|"
    r"methods?|treatments?|sites?|stores?|products?|libraries|databases|engines|schools?))\b",
    re.IGNORECASE,
)
_COMPARED = re.compile(
    r"\b(?:compare|contrast|distinguish)\s+(?P<l>[^.;:]+?)(?=\s+(?:by|on|in|for|over|across|using|"
    r"regarding|from|at|per|among|between)\b|[.;:]|$)",
    re.IGNORECASE,
)
_VERSUS = re.compile(r"\s+(?:with|to|and|versus|vs\.?|against)\s+(?:the\s+)?", re.IGNORECASE)
_PER = re.compile(
    r"\b(?:(?:per|for each|by each)\s+(?!cent\b|day\b|hour\b|se\b)(?P<any>[a-z]+)|"
    r"(?:by|across|between)\s+(?:the\s+)?(?P<k>region|species|group|country|city|age group|cohort|"
    r"month|year|segment|team|site|store|product|class|school|island|sex)s?)\b",
    re.IGNORECASE,
)
_BY = re.compile(
    r"\bby\s+(?:their|its|the)\s+(?P<m>[a-z][\w -]*?)(?=[,.;:]|\s+(?:and then|then|in|of|from|on|"
    r"with|to|so|and (?:tell|write|plot|draw|report|publish|send))\b|$)",
    re.IGNORECASE,
)
_MODEL = re.compile(
    r"\b((?:train|fit|tune)\w*\b|predict\w*|classif\w+|forecast\w*|classifier|machine learning|"
    r"(?:regression|random forest|neural) \w+)",
    re.IGNORECASE,
)
_DATA = re.compile(
    r"\b(?:in|from|of|on|with|using|load|read|the)\s+(?:the\s+|our\s+|a\s+)?"
    r"(?P<d>(?:[\w.-]+\s+){0,3}?(?:data ?set|data|csv|survey|logs?|measurements|records|"
    r"[\w-]+\.(?:csv|parquet|json|xlsx)))\b",
    re.IGNORECASE,
)
_MOST = 6


def read_question(text: str, notes: Notes) -> None:
    """Writes down what a data analysis needs."""
    data = _DATA.search(text)
    name = re.sub(r"^(?:the|our|a)\s+", "", data.group("d"), flags=re.IGNORECASE) if data else ""
    notes.text["data"] = f"the {name}" if name else "the data"
    notes.items.setdefault("sources", ())
    measure = _BY.search(text)
    notes.text["by_measure"] = f" by the {measure.group('m')}" if measure else ""
    if model := _MODEL.search(text):
        notes.flag("model", f"the goal says “{model.group(0)}”")
    notes.items["groups"] = () if model else tuple(_groups(text))


def _groups(text: str) -> list[Item]:
    compared = _COMPARED.search(text)
    if compared and not _COUNTED.search(compared.group("l")):
        names = [n for part in split_list(compared.group("l")) for n in _VERSUS.split(part)]
        if 1 < len(names) <= _MOST:
            return [Item(name, words=name) for name in names]
    if counted := _COUNTED.search(text):
        many = _NUMBERS[counted.group("n").lower()]
        kind = _one(counted.group("k").lower())
        return [
            Item(f"{kind} {number} of {many}", name=f"{kind} {number}", words=counted.group(0))
            for number in range(1, many + 1)
        ]
    if per := _PER.search(text):
        unit = (per.group("any") or per.group("k")).lower()
        return [Item(f"each {unit}", words=per.group(0))]
    return []


def _one(kind: str) -> str:
    if kind.endswith("ies") and not kind.endswith("species"):
        return f"{kind[:-3]}y"
    if kind.endswith("classes"):
        return kind[:-2]
    return kind if kind.endswith("species") else kind.removesuffix("s")
