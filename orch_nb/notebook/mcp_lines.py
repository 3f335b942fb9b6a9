"""`%orchestrate mcp`: which MCP servers RESEARCH may ask, and a person's consent to them."""

from __future__ import annotations

from collections.abc import Sequence

from orch_nb.errors import UsageError
from orch_nb.sources.mcp.servers import approve, listing, revoke

__all__ = ["ACTS", "mcp_line"]

ACTS = ("list", "approve", "revoke")


def mcp_line(words: Sequence[str]) -> str:
    """What `mcp [list]`, `mcp approve NAME...` or `mcp revoke NAME...` has to say."""
    act, names = (words[0], list(words[1:])) if words else ("list", [])
    if act not in ACTS or (act == "list") == bool(names):
        raise UsageError("usage: %orchestrate mcp [list | approve NAME... | revoke NAME...]")
    if act == "list":
        return listing().replace("orch-nb mcp", "%orchestrate mcp")
    if act == "approve":
        return "\n".join(f"approved {one.name}: {one.described()}" for one in approve(names))
    return "\n".join(
        f"revoked {name}" if revoke(name) else f"{name} was not approved" for name in names
    )
