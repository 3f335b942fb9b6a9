"""Keeps what the SDK and its HTTP client log of our connections out of a person's notebook.

They log whole addresses, which may have a token, and stacks of what becomes a source's error here.
What others do with the same packages in this process is logged as ever.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar

__all__ = ["OURS"]

#: Set in the tasks that own our connections.
OURS: ContextVar[bool] = ContextVar("orch_nb_mcp", default=False)


class _NotOurs(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002  # the name is logging's
        return not OURS.get()


_QUIET = _NotOurs()
for _name in (
    "client", "httpx2", "httpcore2.connection", "httpcore2.http11", "httpcore2.http2",
    "httpcore2.proxy", "httpcore2.socks", "mcp.client.client", "mcp.client.session",
    "mcp.client.sse", "mcp.client.stdio", "mcp.client.streamable_http", "mcp.shared.dispatcher",
    "mcp.shared.jsonrpc_dispatcher", "mcp.shared.tool_name_validation",
):  # fmt: skip
    logging.getLogger(_name).addFilter(_QUIET)
