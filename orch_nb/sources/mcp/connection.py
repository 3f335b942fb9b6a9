"""A connection to one server: one task owns both entering and leaving it.

    ask ─► call ─┐
    ask ─► call ─┼─► the SDK's client ◄─ owner task: enter · wait for the end · leave
                 └─ whoever ends first: the answer, the owner (it crashed), the time

Whatever a server does becomes a `ServerFailed` with its words masked; leaving takes about a second
at most, and its processes are gone then.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from orch_nb.errors import MissingExtra
from orch_nb.sources.mcp.pipes import over_http, over_pipes
from orch_nb.sources.mcp.places import cache_folder
from orch_nb.sources.mcp.processes import Log, ServerProcess
from orch_nb.sources.mcp.quiet import OURS
from orch_nb.sources.mcp.variables import Ready

__all__ = ["CONNECT_S", "Connection", "ServerFailed", "Tool", "connected", "log_of"]

CONNECT_S = 15.0
_LEAVE_S = 2.0
_SETTLE_S = 0.3
_MOST_TEXT = 200_000
_MOST_ERROR = 400
_MOST_TOOLS = 200


class ServerFailed(Exception):
    """A server did not answer, or answered with an error; its words, fit to be shown."""


class Tool(msgspec.Struct, frozen=True):
    """A tool as its server declares it. `reads`: it says that it only reads; None if it says
    nothing of that."""

    name: str
    schema: dict[str, Any] = {}
    reads: bool | None = None
    destroys: bool = False
    description: str = ""


class Connection:
    """Made by `connected`. Several calls may be under way at once."""

    def __init__(self, ready: Ready) -> None:
        self.ready = ready
        self._client: Any = None
        self._process: ServerProcess | None = None
        self._leave = asyncio.Event()
        self._entered = asyncio.Event()
        self._owner: asyncio.Task[None] | None = None
        self._error: BaseException | None = None

    # -- asking --------------------------------------------------------------------------------

    async def tools(self, timeout_s: float = 10.0) -> tuple[Tool, ...]:
        """What the server can do, by its own words. Raises ServerFailed."""

        async def listed() -> list[Any]:
            found: list[Any] = []
            cursor = None
            while len(found) < _MOST_TOOLS:
                page = await self._client.list_tools(cursor=cursor)
                found += page.tools
                cursor = page.next_cursor
                if not cursor or not page.tools:
                    break
            return found

        return tuple(map(_tool, (await self._bounded(listed(), timeout_s))[:_MOST_TOOLS]))

    async def call(self, tool: str, arguments: dict[str, Any], timeout_s: float = 10.0) -> str:
        """The text that a tool answers with. Raises ServerFailed for every kind of error."""
        calling = self._client.call_tool(tool, arguments, read_timeout_seconds=timeout_s)
        return self.ready.mask.text(_text_of(await self._bounded(calling, timeout_s), self.ready))

    async def _bounded(self, asking: Any, timeout_s: float) -> Any:
        """What is asked, unless the server's connection ends or the time is over before."""
        assert self._owner is not None
        task = asyncio.ensure_future(asking)
        try:
            await asyncio.wait(
                {task, self._owner}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if not task.done() and self._owner.done():
                await asyncio.wait({task}, timeout=0.2)  # it may be told so itself
            if task.done() and not task.cancelled() and task.exception() is None:
                return task.result()
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task}, timeout=0.2)
        error = None if task.cancelled() or not task.done() else task.exception()
        if error is None:
            error = self._error or TimeoutError(f"no answer within {timeout_s:g} s")
        elif self._process is not None:
            await self._process.settled(_SETTLE_S)  # its last words may be under way
        raise ServerFailed(self.told(error)) from None

    def told(self, error: BaseException) -> str:
        """An error in words for a person: of the innermost, with what the server said last."""
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        process = self._process
        if process is not None and process.trouble:
            return process.trouble
        words = _words(error)
        ended = process is not None and process.process.returncode is not None
        if ended and process is not None and not isinstance(error, OSError):
            code = process.process.returncode
            words = f"it ended with exit code {code}" if code else "it ended"
            words += f": {process.log.last}" if process.log.last else ""
        return self.ready.mask.text(" ".join(words.split()))[:_MOST_ERROR]

    # -- coming and going ----------------------------------------------------------------------

    async def enter(self, timeout_s: float = CONNECT_S) -> None:
        """Start or contact the server. Raises ServerFailed, and leaves nothing behind then."""
        self._owner = asyncio.create_task(self._own(), name=f"mcp {self.ready.server.name}")
        waiting = asyncio.ensure_future(self._entered.wait())
        try:
            await asyncio.wait(
                {self._owner, waiting}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        except BaseException:
            await self.leave()
            raise
        finally:
            waiting.cancel()
        if self._entered.is_set():
            return
        error = self._error or TimeoutError(f"it did not start within {timeout_s:g} s")
        told = self.told(error)
        last = self._process.log.last if self._process is not None else ""
        if isinstance(error, TimeoutError) and last and last not in told:
            told += f"; its last words: {self.ready.mask.text(last)[:200]}"
        await self.leave()
        raise ServerFailed(told)

    async def _own(self) -> None:
        """The one task that enters the client and leaves it."""
        OURS.set(True)
        import mcp
        from mcp.types import Implementation

        try:
            async with AsyncExitStack() as stack:
                client = mcp.Client(
                    await self._transport(), cache=None,
                    client_info=Implementation(name="orch_nb", version="1"),
                )  # fmt: skip
                self._client = await stack.enter_async_context(client)
                self._entered.set()
                await self._leave.wait()
        except BaseException as error:  # noqa: BLE001  # told to whoever asks; a group may hold any
            self._error = error
        finally:
            if self._process is not None:
                self._process.kill()

    async def _transport(self) -> Any:
        if self.ready.server.transport != "stdio":
            return over_http(self.ready)
        log = Log(log_of(self.ready), self.ready.mask)
        try:
            self._process = await ServerProcess.start(self.ready, log)
        except BaseException:
            log.close()
            raise
        return over_pipes(self._process)

    async def leave(self) -> None:
        """End the connection and every process of it, in bounded time."""
        owner = self._owner
        if owner is None:
            return
        self._leave.set()
        try:
            if not self._entered.is_set():
                owner.cancel()
            await asyncio.wait({owner}, timeout=_LEAVE_S)
        finally:
            if self._process is not None:
                self._process.kill()
            if not owner.done():
                owner.cancel()
        if not owner.done():
            await asyncio.wait({owner}, timeout=_LEAVE_S / 2)


@asynccontextmanager
async def connected(ready: Ready, timeout_s: float = CONNECT_S) -> AsyncIterator[Connection]:
    """A connection for as long as the block runs. Raises ServerFailed, MissingExtra."""
    if importlib.util.find_spec("mcp") is None:
        raise MissingExtra("mcp", "mcp", "Asking MCP servers")
    connection = Connection(ready)
    try:
        await connection.enter(timeout_s)
        yield connection
    finally:
        await connection.leave()


def log_of(ready: Ready) -> Path:
    """Where the last words of a server are kept."""
    server = ready.server
    name = "".join(c if c.isalnum() or c in "-_" else "_" for c in server.name)[:60]
    return cache_folder() / "mcp-logs" / f"{name}-{server.identity[:8]}.log"


def _tool(given: Any) -> Tool:
    notes = given.annotations
    return Tool(
        name=str(given.name), schema=dict(given.input_schema or {}),
        reads=None if notes is None else notes.read_only_hint,
        destroys=notes is not None and notes.destructive_hint is True,
        description=str(given.description or "")[:1000],
    )  # fmt: skip


def _text_of(result: Any, ready: Ready) -> str:
    """The text of an answer; an error, emptiness and what is no text raise ServerFailed."""
    blocks = list(result.content or ())
    texts = [getattr(block, "text", None) or getattr(getattr(block, "resource", None), "text", None)
             for block in blocks]  # fmt: skip
    text = "\n\n".join(one for one in texts if isinstance(one, str) and one.strip())
    if result.is_error:
        told = ready.mask.text(" ".join(text.split()))[:_MOST_ERROR]
        raise ServerFailed(told or "it answered with an error and no words")
    if not text and result.structured_content is not None:
        with contextlib.suppress(TypeError, ValueError):
            text = json.dumps(result.structured_content)
    if not text:
        kinds = sorted({str(getattr(block, "type", "?")) for block in blocks})
        raise ServerFailed(
            f"it answered without text ({', '.join(kinds)})" if kinds else "its answer is empty"
        )
    return text[:_MOST_TEXT]


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return str(error) or "no answer in time"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return f"it wants a person to sign in, or its token is wrong (HTTP {status})"
    if status is not None:
        return f"it answered HTTP {status}"
    name = type(error).__name__
    if name in ("ConnectError", "ConnectTimeout"):
        return f"it cannot be reached ({str(error) or name})"
    text = str(error)
    if isinstance(error, FileNotFoundError | ConnectionError) and error.errno is None:
        return text
    return text if name == "MCPError" and text else f"{name}: {text}" if text else name
