"""A sequential-thinking server: it is told a chain of thoughts, and keeps it.

It thinks nothing itself: it echoes counters, by which one sees that it has kept what it was told.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from orch_nb.errors import OrchestrationError
from orch_nb.model.research import Answer, SourceReport
from orch_nb.model.secrets import PLAIN
from orch_nb.sources.mcp.config import Server
from orch_nb.sources.mcp.connection import CONNECT_S, Connection, ServerFailed, connected
from orch_nb.sources.mcp.servers import standings
from orch_nb.sources.mcp.variables import expanded

__all__ = ["keep_thoughts", "think"]

_TOOL = "sequentialthinking"
_MOST_THOUGHTS, _MOST_TEXT = 50, 4_000
_CALL_S = 5.0


async def keep_thoughts(
    answers: Sequence[Answer], workspace: Path | str = ".", *, timeout_s: float = 20.0,
    environ: Mapping[str, str] | None = None,
) -> SourceReport | None:  # fmt: skip
    """Tell the answers to the questions of a decomposition to the person's thinking server.

    The report counts the thoughts that it kept; its error says why there are fewer. None if no such
    server is configured. Raises nothing.
    """
    stand = next((one for one in standings(workspace, environ)[0]
                  if one.server.thinks and one.state != "disabled"), None)  # fmt: skip
    if stand is None or not answers:
        return None
    name, started = f"{stand.server.name} (MCP)", time.monotonic()
    if stand.state != "approved":
        return SourceReport(name, error=stand.told)
    kept, error = await think(
        stand.server, [_thought(one) for one in answers], timeout_s=timeout_s, environ=environ
    )
    took = time.monotonic() - started
    return SourceReport(name, duration_s=took, error=error, thoughts=kept)


async def think(
    server: Server, thoughts: Sequence[str], *, timeout_s: float = 20.0,
    environ: Mapping[str, str] | None = None,
) -> tuple[int, str]:  # fmt: skip
    """Tell an approved server a chain of thoughts; how many it kept, and what went wrong."""
    thoughts, kept = list(thoughts)[:_MOST_THOUGHTS], 0
    end = time.monotonic() + timeout_s
    try:
        ready = expanded(server, environ)
        async with connected(ready, min(CONNECT_S, timeout_s)) as connection:
            for number, thought in enumerate(thoughts, 1):
                left = min(_CALL_S, end - time.monotonic())
                if left <= 0:
                    return kept, f"no time was left for the thoughts from {number} on"
                await _tell(connection, thought, number, len(thoughts), left)
                kept = number
    except (ServerFailed, OrchestrationError) as error:
        return kept, str(error)
    return kept, ""


async def _tell(
    connection: Connection, thought: str, number: int, total: int, timeout_s: float
) -> None:
    told = await connection.call(
        _TOOL,
        {
            "thought": PLAIN.text(thought)[:_MOST_TEXT], "thoughtNumber": number,
            "totalThoughts": total, "nextThoughtNeeded": number < total,
        },
        timeout_s,
    )  # fmt: skip
    echoed = None
    with contextlib.suppress(ValueError):
        echoed = json.loads(told)
    if not isinstance(echoed, dict) or echoed.get("thoughtNumber") != number:
        raise ServerFailed(f"it did not confirm thought {number}: {' '.join(told.split())[:200]}")


def _thought(answer: Answer) -> str:
    evidence = f" Evidence: {'; '.join(answer.evidence)}." if answer.evidence else ""
    return f"{answer.question} {answer.answer}{evidence}"
