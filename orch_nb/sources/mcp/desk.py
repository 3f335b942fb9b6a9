"""Asks one server, through the cache: an answer that is fresh enough starts no server.

An answer from the cache in place of one that could not be had is told, with its date; an answer
that is an error's text in disguise is an error, and never kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any

import msgspec

from orch_nb.errors import OrchestrationError
from orch_nb.sources.mcp.cache import AnswerCache, Kept
from orch_nb.sources.mcp.connection import (
    CONNECT_S,
    Connection,
    ServerFailed,
    Tool,
    connected,
    log_of,
)
from orch_nb.sources.mcp.places import shown_path
from orch_nb.sources.mcp.variables import Ready

__all__ = ["Desk"]

_CALL_S = 10.0
_AT_ONCE = 3
_LISTING = "tools/list"


def _right(_: str) -> str:
    return ""


class Desk:
    """For one phase. `fresh`: answers that are kept are asked for anew; `seconds`: all it may take.

    `trouble` is the first thing that went wrong, "" if nothing did.
    """

    def __init__(
        self, ready: Ready, cache: AnswerCache, *, fresh: bool = False, seconds: float = 27.5
    ) -> None:
        self.ready, self.cache, self.fresh = ready, cache, fresh
        self.trouble = ""
        self.dates: list[str] = []  # of answers that had to do, since none could be had
        self._end = time.monotonic() + seconds
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._connection: Connection | None = None
        self._failed: ServerFailed | None = None
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def tools(self) -> tuple[Tool, ...]:
        """What the server can do. Raises ServerFailed."""
        identity = self.ready.server.identity
        kept = self.cache.get(identity, _LISTING, {})
        if kept is not None and kept.fresh(self.cache.now()) and not self.fresh:
            return _listing(kept)
        try:
            found = await (await self._connected()).tools(self._left(_CALL_S))
        except ServerFailed as error:
            self._told(error)
            if kept is None:
                raise
            return _listing(kept)
        text = msgspec.json.encode(found).decode()
        self.cache.put(identity, _LISTING, {}, self.ready.mask.text(text))
        return found

    async def ask(
        self, tool: str, arguments: Mapping[str, Any], fault: Callable[[str], str] = _right
    ) -> Kept:
        """The answer of a tool. `fault` says what is wrong with a text that only looks like one.
        Raises ServerFailed if there is none, now or in the cache."""
        identity = self.ready.server.identity
        kept = self.cache.get(identity, tool, arguments)
        if kept is not None and kept.fresh(self.cache.now()) and not self.fresh:
            return kept
        try:
            text = await self._called(tool, arguments, fault)
        except ServerFailed as error:
            self._told(error)
            if kept is None:
                raise
            self.dates.append(kept.date)
            return kept
        return self.cache.put(identity, tool, arguments, text)

    async def _called(
        self, tool: str, arguments: Mapping[str, Any], fault: Callable[[str], str]
    ) -> str:
        async with self._turn:
            connection = await self._connected()
            text = await connection.call(tool, dict(arguments), self._left(_CALL_S))
        if wrong := fault(text):
            raise ServerFailed(wrong)
        return text

    async def close(self) -> None:
        """End the connection, if there is one."""
        await self._stack.aclose()

    def told(self) -> str:
        """What went wrong, for a person, with what was used in place of answers and the log."""
        if not self.trouble:
            return ""
        words = self.trouble
        if self.dates:
            words += f"; shown are its answers of {min(self.dates)}, from the cache"
        log = log_of(self.ready)
        if self.ready.server.transport == "stdio" and log.is_file() and log.stat().st_size:
            words += f" (its log: {shown_path(log, self.ready.server.folder)})"
        return words

    async def _connected(self) -> Connection:
        """The one connection; one that could not be made is not tried again."""
        async with self._opening:
            if self._failed is not None:
                raise self._failed
            if self._connection is None:
                try:
                    self._connection = await self._stack.enter_async_context(
                        connected(self.ready, self._left(CONNECT_S))
                    )
                except (ServerFailed, OrchestrationError) as error:
                    self._failed = ServerFailed(str(error))
                    raise self._failed from None
            return self._connection

    def _left(self, most: float) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise ServerFailed("its time is over")
        return min(most, left)

    def _told(self, error: ServerFailed) -> None:
        self.trouble = self.trouble or str(error)


def _listing(kept: Kept) -> tuple[Tool, ...]:
    try:
        return msgspec.json.decode(kept.text, type=tuple[Tool, ...])
    except msgspec.MsgspecError as error:
        raise ServerFailed("the list of its tools that was kept is damaged") from error
