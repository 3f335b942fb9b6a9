"""`orch-nb mcp`: which MCP servers RESEARCH may ask, and a person's consent to them."""

from __future__ import annotations

import argparse

from orch_nb.errors import UsageError
from orch_nb.sources.mcp.servers import approve, listing, revoke

__all__ = ["mcp_servers"]


def mcp_servers(arguments: argparse.Namespace) -> int:
    """`mcp`, `mcp list`, `mcp approve NAME...`, `mcp revoke NAME...`."""
    act, names = arguments.act, arguments.names
    if act == "list":
        if names:
            raise UsageError("usage: orch-nb mcp list")
        print(listing(arguments.workspace))
        return 0
    if not names:
        raise UsageError(f"usage: orch-nb mcp {act} NAME [NAME...]")
    print("\n".join(done(act, names, arguments.workspace)))
    return 0


def done(act: str, names: list[str], workspace: str) -> list[str]:
    """Approve or revoke, and a line on each."""
    if act == "approve":
        servers = approve(names, workspace)
        return [f"approved {server.name}: {server.described()}" for server in servers]
    told = []
    for name in names:
        many = revoke(name)
        told.append(f"revoked {name}" if many else f"{name} was not approved")
    return told
