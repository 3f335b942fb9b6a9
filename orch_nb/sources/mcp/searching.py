"""Any other server: its tools that search, found by their schemas. Nothing that writes is called.

A tool is asked if all it must be given is one text that is a query, and if it says that it only
reads; where it says nothing of that, its name has to say that it searches and nothing else.
"""

from __future__ import annotations

import re

from orch_nb.model.research import Finding
from orch_nb.sources.mcp.cache import Kept
from orch_nb.sources.mcp.connection import ServerFailed, Tool
from orch_nb.sources.mcp.desk import Desk
from orch_nb.sources.mcp.reading import finding, items, link_in
from orch_nb.sources.needs import asked
from orch_nb.sources.source import Query

__all__ = ["ask_others", "may_be_asked", "search_tools"]

_QUERIES = ("query", "q", "search", "search_query", "searchQuery", "searchTerm", "search_term",
            "question", "keywords", "text", "term", "topic", "prompt")  # fmt: skip
_SEARCHES = frozenset("search find lookup docs documentation query ask browse retrieve".split())
_ACTS = frozenset(
    "create update delete write send post put patch remove insert set add exec execute run edit "
    "move rename upload publish merge push commit close open start stop cancel approve sql deploy "
    "pay buy order install kill drop truncate grant invite share replace reset apply save "
    "store".split()
)
_MOST_TOOLS, _MOST_ITEMS = 2, 5


def may_be_asked(tool: Tool) -> bool:
    """Whether a tool is one that only looks: by what it declares, else by its name."""
    if tool.destroys or tool.reads is False:
        return False
    words = set(re.findall(r"[a-z]+", re.sub(r"([A-Z])", r" \1", tool.name).lower()))
    if words & _ACTS:
        return False
    return tool.reads is True or bool(words & _SEARCHES)


def search_tools(tools: dict[str, Tool]) -> list[tuple[str, str]]:
    """(tool, name of its argument) of each tool that searches, those named so first."""
    found = []
    for tool in tools.values():
        key = _query_of(tool)
        words = set(re.findall(r"[a-z]+", re.sub(r"([A-Z])", r" \1", tool.name).lower()))
        if key and may_be_asked(tool) and (words & _SEARCHES or key != "text"):
            found.append((not words & _SEARCHES, tool.name, key))
    return [(name, key) for _, name, key in sorted(found)[:_MOST_TOOLS]]


def _query_of(tool: Tool) -> str:
    """The one argument that a tool must be given, if that is a query in words."""
    properties, required = tool.schema.get("properties"), tool.schema.get("required")
    if not isinstance(properties, dict):
        return ""
    needed = required if isinstance(required, list) else []
    names = needed or [name for name in properties if name in _QUERIES][:1]
    if len(names) != 1 or names[0] not in _QUERIES:
        return ""
    schema = properties.get(names[0])
    if not isinstance(schema, dict) or schema.get("type", "string") != "string":
        return ""
    return "" if "enum" in schema else str(names[0])


async def ask_others(desk: Desk, query: Query, tools: dict[str, Tool]) -> list[Finding]:
    """What the search tools of a server say to the goal; one that fails is told of by the desk."""
    chosen = search_tools(tools)
    if not chosen:
        raise ServerFailed("it has no tool that searches by words and only reads")
    found: list[Finding] = []
    for name, key in chosen:
        try:
            kept = await desk.ask(name, {key: asked(query.analysis)})
        except ServerFailed:
            continue
        found += _findings(query, kept, name, desk.ready.server.name)
    return found


def _findings(query: Query, kept: Kept, tool: str, server: str) -> list[Finding]:
    why = f"what `{tool}` of this MCP server answers to the goal"
    listed = list(items(kept.text))[:_MOST_ITEMS]
    if not listed:
        title = next((line.strip("# ") for line in kept.text.splitlines() if line.strip()), tool)
        listed = [(title[:120], kept.text, link_in(kept.text))]
    return [
        finding(query, kept, source=server, title=title, excerpt=text, url=url, rank=rank, why=why)
        for rank, (title, text, url) in enumerate(listed)
    ]
