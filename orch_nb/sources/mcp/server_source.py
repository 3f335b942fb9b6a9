"""An approved MCP server as a `Source`: known by its tools, asked accordingly.

A server has all its time to answer but the last seconds, which are for leaving it: the phase is
never held up by one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from orch_nb.errors import UsageError
from orch_nb.model.research import Finding
from orch_nb.sources.mcp.cache import AnswerCache
from orch_nb.sources.mcp.config import Server
from orch_nb.sources.mcp.connection import ServerFailed, Tool
from orch_nb.sources.mcp.context7 import ask_context7, knows_context7
from orch_nb.sources.mcp.desk import Desk
from orch_nb.sources.mcp.github import ask_github, knows_github
from orch_nb.sources.mcp.searching import ask_others
from orch_nb.sources.mcp.tavily import ask_tavily, knows_tavily
from orch_nb.sources.mcp.variables import expanded
from orch_nb.sources.source import PartAnswer, Query

__all__ = ["MCP_TIMEOUT_S", "McpSource"]

MCP_TIMEOUT_S = 30.0
_LEAVING_S = 2.5

_Ask = Callable[[Desk, Query, dict[str, Tool]], Awaitable[list[Finding]]]
_KNOWN: tuple[tuple[Callable[[dict[str, Tool]], bool], _Ask], ...] = (
    (knows_context7, ask_context7),
    (knows_github, ask_github),
    (knows_tavily, ask_tavily),
)


class McpSource:
    """Asks one server; `fresh` asks anew what the cache has."""

    def __init__(
        self, server: Server, *, cache: AnswerCache | None = None, fresh: bool = False,
        timeout_s: float = MCP_TIMEOUT_S, environ: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.server, self.fresh, self.timeout_s = server, fresh, timeout_s
        self.name = f"{server.name} (MCP)"
        self.cache = cache or AnswerCache(environ=environ)
        self.environ = environ

    async def search(self, query: Query) -> list[Finding]:
        """Raises PartAnswer with what was found, maybe nothing, where something failed."""
        try:
            ready = expanded(self.server, self.environ)
        except UsageError as error:
            raise PartAnswer(f"not started: {error}", []) from None
        seconds = max(self.timeout_s / 2, self.timeout_s - _LEAVING_S)
        desk = Desk(ready, self.cache, fresh=self.fresh, seconds=seconds)
        found: list[Finding] = []
        try:
            # What it may not be asked, by its own words, is not there for whoever asks.
            tools = {t.name: t for t in await desk.tools() if t.reads is not False}
            found = await _asker(tools)(desk, query, tools)
        except ServerFailed as error:
            desk.trouble = desk.trouble or str(error)
        finally:
            await desk.close()
        if desk.trouble:
            raise PartAnswer(desk.told(), found)
        return found


def _asker(tools: dict[str, Tool]) -> _Ask:
    safe = {name: tool for name, tool in tools.items() if not tool.destroys}
    return next((ask for knows, ask in _KNOWN if knows(safe)), ask_others)
