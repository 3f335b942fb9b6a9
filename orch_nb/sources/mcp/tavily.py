"""Tavily: pages of the web on how such a goal is reached."""

from __future__ import annotations

import re

from orch_nb.model.research import Finding
from orch_nb.sources.mcp.connection import Tool
from orch_nb.sources.mcp.desk import Desk
from orch_nb.sources.mcp.reading import finding, items
from orch_nb.sources.needs import asked
from orch_nb.sources.source import Query

__all__ = ["ask_tavily", "knows_tavily"]

_NAMES = ("tavily_search", "tavily-search")
_MOST = 5
_PAGE = re.compile(
    r"^Title: (?P<title>[^\n]*)\nURL: (?P<url>\S+)\n(?:Content: (?P<text>.*?))?(?=^Title: |\Z)",
    re.MULTILINE | re.DOTALL,
)


def knows_tavily(tools: dict[str, Tool]) -> bool:
    return any(name in tools for name in _NAMES)


async def ask_tavily(desk: Desk, query: Query, tools: dict[str, Tool]) -> list[Finding]:
    name = next(name for name in _NAMES if name in tools)
    words = asked(query.analysis, "how to plan and orchestrate", most=380)
    properties = tools[name].schema.get("properties", {})
    extra = {"max_results": _MOST} if "max_results" in properties else {}
    kept = await desk.ask(name, {"query": words, **extra}, _fault)
    pages = list(items(kept.text)) or _pages(kept.text)
    return [
        finding(
            query, kept, source=desk.ready.server.name, title=title, excerpt=text, url=url,
            rank=rank, why="a page of the web on how such a goal is reached",
        )
        for rank, (title, text, url) in enumerate(pages[:_MOST])
    ]  # fmt: skip


def _pages(text: str) -> list[tuple[str, str, str]]:
    return [(one["title"], one["text"] or one["title"], one["url"]) for one in _PAGE.finditer(text)]


def _fault(text: str) -> str:
    if text.lstrip().startswith("{") or _PAGE.search(text):
        return ""
    return " ".join(text.split())[:300]
