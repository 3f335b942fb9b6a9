"""Answers of servers, read: whatever shape they have, they become findings or nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from orch_nb.model.research import Citation, Finding
from orch_nb.sources.mcp.cache import Kept
from orch_nb.sources.needs import overlap, stems
from orch_nb.sources.outside import safe_url
from orch_nb.sources.source import Query

__all__ = ["finding", "items", "link_in", "titled"]

_TITLE = ("title", "name", "heading", "path")
_TEXT = ("content", "text", "snippet", "excerpt", "description", "summary", "body", "raw_content")
_URL = ("html_url", "url", "link", "uri", "href", "source")
_LINK = re.compile(r"https?://[^\s<>\"'`\])}]+")
_BASE, _BY_WORDS, _BY_RANK = 0.3, 0.35, 0.02
_MOST_ITEMS = 20


def finding(
    query: Query, kept: Kept, *, source: str, title: str, excerpt: str, url: str, why: str,
    rank: int = 0, extra: float = 0.0, answers: str = "",
) -> Finding:  # fmt: skip
    """A finding of an answer, scored by how much of the goal it speaks of and by its rank."""
    address = safe_url(url)
    score = _BASE + _BY_WORDS * overlap(f"{title} {excerpt}", stems(query.words)) + extra
    return Finding(
        title=title.strip()[:200] or "untitled",
        excerpt=excerpt.strip(),
        source=source,
        citation=Citation(titled(address) or f"answer of {source}", address),
        score=round(max(0.05, min(0.95, score - _BY_RANK * rank)), 3),
        why=why,
        answers=answers,
        date=kept.date,
    )


def titled(url: str) -> str:
    """An address as a short title: host and the end of the path."""
    if not url:
        return ""
    parts = urlsplit(url)
    path = parts.path.rstrip("/")
    if len(path) > 48:
        path = "/…" + path[-46:]
    return f"{parts.hostname}{path}"


def link_in(text: str) -> str:
    """The first address in a text."""
    found = _LINK.search(text)
    return found[0].rstrip(".,;:") if found else ""


def items(text: str) -> Iterator[tuple[str, str, str]]:
    """(title, text, address) of each thing that an answer in JSON lists; none if it is no JSON."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return
    for one in _listed(whole)[:_MOST_ITEMS]:
        if isinstance(one, str):
            yield (one[:80], one, link_in(one))
        elif isinstance(one, dict):
            title, said = _first(one, _TITLE), _first(one, _TEXT)
            if title or said:
                yield (title or said[:80], said or title, _first(one, _URL))


def _listed(whole: Any) -> list[Any]:
    """The first list in a value: itself, or under a key, two steps down at most."""
    if isinstance(whole, list):
        return whole
    if not isinstance(whole, dict):
        return []
    for value in whole.values():
        if isinstance(value, list) and value:
            return value
    for value in whole.values():
        if isinstance(value, dict) and (found := _listed(value)):
            return found
    return [whole] if _first(whole, _TEXT) else []


def _first(one: dict[str, Any], keys: tuple[str, ...]) -> str:
    return next((value for key in keys if isinstance(value := one.get(key), str) and value), "")
