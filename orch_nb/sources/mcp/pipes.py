"""The two transports that the SDK's client is given: bounded pipes, and bounded HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from orch_nb.sources.mcp.processes import MOST_LINE, MOST_TOLD, ServerProcess
from orch_nb.sources.mcp.variables import Ready

__all__ = ["over_http", "over_pipes"]

_HTTP_S = 30.0


@asynccontextmanager
async def over_pipes(process: ServerProcess) -> AsyncIterator[tuple[Any, Any]]:
    """Messages to and from a process, which is stopped at the end, come what may."""
    import anyio
    from mcp.shared.message import SessionMessage

    told, read = anyio.create_memory_object_stream[Any](0)
    write, to_send = anyio.create_memory_object_stream[Any](0)

    async def reading() -> None:
        try:
            async with told:
                async for line in process.lines():
                    message = _message(line, process)
                    if message is not None:
                        await told.send(SessionMessage(message))
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            return  # nobody listens any more
        finally:
            process.note_family()

    async def writing() -> None:
        try:
            async with to_send:
                async for message in to_send:
                    data = message.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await process.send(data.encode() + b"\n")
        except (anyio.ClosedResourceError, anyio.BrokenResourceError, OSError):
            await told.aclose()  # it does not listen: whoever waits for an answer is told

    tasks = [asyncio.create_task(work()) for work in (reading, writing, process.errors)]
    try:
        yield read, write
    finally:
        write.close()
        read.close()
        try:
            await process.stop()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for stream in (told, to_send, read, write):
                stream.close()
            process.log.close()


def _message(line: bytes, process: ServerProcess) -> Any:
    """The message that a line is; None for one that is none, which is kept in the log."""
    import mcp_types

    if not line.strip():
        return None
    if line.lstrip()[:1] == b"{":
        with contextlib.suppress(ValueError, RecursionError):
            return mcp_types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    process.log.line(b"(on stdout, no message) " + line)
    return None


@asynccontextmanager
async def over_http(ready: Ready) -> AsyncIterator[tuple[Any, Any]]:
    """Messages over streamable HTTP, or the older SSE."""
    import httpx2
    from mcp.client.sse import sse_client
    from mcp.client.streamable_http import streamable_http_client

    def client(*_: Any, **__: Any) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(
            headers={**ready.headers, "Accept-Encoding": "identity"},
            timeout=httpx2.Timeout(_HTTP_S), event_hooks={"response": [_bounded]},
        )  # fmt: skip

    await _looked_up(ready.url)
    if ready.server.transport == "sse":
        async with sse_client(ready.url, httpx_client_factory=client) as streams:
            yield streams
        return
    async with (
        client() as http,
        streamable_http_client(
            ready.url, http_client=http, max_sse_event_size=MOST_LINE, terminate_on_close=False
        ) as streams,
    ):
        yield streams


async def _looked_up(url: str) -> None:
    """Find the host first, in a thread of our own: the loop's would be waited for at its end, and a
    name server that does not answer takes its time. A proxy looks it up itself."""
    if getproxies():
        return
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    found: asyncio.Future[str] = loop.create_future()

    def settle(error: str) -> None:
        if not found.done():
            found.set_result(error)

    def look() -> None:
        try:
            socket.getaddrinfo(parts.hostname, parts.port or parts.scheme)
            error = ""
        except (OSError, UnicodeError) as fault:
            error = str(fault)
        with contextlib.suppress(RuntimeError):  # the loop has ended before
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=look, name="orch_nb-lookup", daemon=True).start()
    if error := await found:
        raise ConnectionError(f"it cannot be reached: {parts.hostname}: {error}")


async def _bounded(response: Any) -> None:
    """Let no more of an answer in than anybody asked for, and nothing that unpacks to more."""
    import httpx2

    if response.headers.get("content-encoding", "identity") != "identity":
        raise httpx2.DecodingError("it answered in a coding that nobody asked for")
    inner = response.stream

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            told = 0
            async for chunk in inner:
                told += len(chunk)
                if told > MOST_TOLD:
                    raise httpx2.ReadError(f"it told more than {MOST_TOLD >> 20} MB")
                yield chunk

        async def aclose(self) -> None:
            await inner.aclose()

    response.stream = Bounded()
