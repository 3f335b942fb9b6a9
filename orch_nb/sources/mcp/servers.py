"""The servers of a workspace and how each stands: what is asked, what waits for a person, and why.

standings(".")                  every server, with its state
approve(["github"], ".")        a person agrees to what these are now
revoke("github")
chosen("all", ".")              the sources of RESEARCH, and reports of those that are not asked
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from orch_nb.errors import UsageError
from orch_nb.graph.nearest import did_you_mean
from orch_nb.model.research import SourceReport
from orch_nb.sources.mcp.cache import AnswerCache
from orch_nb.sources.mcp.config import Found, Server, find_servers
from orch_nb.sources.mcp.consent import Consent
from orch_nb.sources.mcp.server_source import MCP_TIMEOUT_S, McpSource
from orch_nb.sources.mcp.variables import expanded
from orch_nb.sources.outside import cleaned

__all__ = ["Standing", "approve", "chosen", "listing", "revoke", "standings", "unasked"]

APPROVE_LINE = "orch-nb mcp approve {name}"


class Standing(msgspec.Struct, frozen=True):
    """A server and its state: approved, pending, changed, disabled or broken; `told` says why and
    what to do."""

    server: Server
    state: str
    told: str = ""


def standings(
    workspace: Path | str = ".", environ: Mapping[str, str] | None = None
) -> tuple[tuple[Standing, ...], tuple[tuple[str, str], ...]]:
    """Every server of a workspace as it stands, and the files that cannot be read."""
    found = find_servers(workspace, environ)
    consent = Consent(environ=environ)
    return tuple(_standing(one, consent, environ) for one in found.servers), found.problems


def _standing(server: Server, consent: Consent, environ: Mapping[str, str] | None) -> Standing:
    notes = "".join(f"; {note}" for note in server.notes)
    if server.disabled:
        return Standing(server, "disabled", f"disabled in {server.where}{notes}")
    if server.problem:
        return Standing(server, "broken", f"{server.problem} ({server.where}){notes}")
    state = consent.state(server)
    if state != "approved":
        line = APPROVE_LINE.format(name=_quoted(server.name))
        why = "changed since it was approved" if state == "changed" else "not approved"
        return Standing(server, state, f"pending: {why}; see it with `orch-nb mcp list`, "
                        f"approve it with `{line}`{notes}")  # fmt: skip
    try:
        expanded(server, environ)
    except UsageError as error:
        return Standing(server, "broken", f"not started: {error} ({server.where}){notes}")
    return Standing(server, "approved", notes.removeprefix("; "))


def listing(workspace: Path | str = ".", environ: Mapping[str, str] | None = None) -> str:
    """Every server: its state, what would be started or contacted, and which file says so."""
    stand, problems = standings(workspace, environ)
    lines = []
    for one in stand:
        server = one.server
        lines += [f"{one.state:9} {server.name}", f"          starts   {server.described()}"]
        lines.append(f"          file     {server.where} ({server.tool})")
        if one.told:
            lines.append(f"          {one.told}")
    lines += [f"{'broken':9} {file}: {told}" for file, told in problems]
    return cleaned("\n".join(lines)) or _NONE


_NONE = (
    "No MCP server is configured. They are read from .mcp.json, .cursor/mcp.json and "
    ".vscode/mcp.json here, and from Claude's, Cursor's and VS Code's own files; ORCH_NB_MCP names "
    "another file, or is off."
)


def approve(
    names: Sequence[str], workspace: Path | str = ".", environ: Mapping[str, str] | None = None
) -> list[Server]:
    """Agree to the servers of these names as they are now. Raises UsageError for one that is not
    there or cannot be used; then none is approved."""
    known = find_servers(workspace, environ)
    servers = [_named(name, known) for name in names]
    for server in servers:
        if server.problem:
            raise UsageError(f"`{server.name}` cannot be approved: {server.problem}")
    consent = Consent(environ=environ)
    for server in servers:
        consent.approve(server)
    return servers


def revoke(name: str, environ: Mapping[str, str] | None = None) -> int:
    """Take consent back; returns how many approvals there were."""
    return Consent(environ=environ).revoke(name)


def chosen(
    which: str | Sequence[str] = "all", workspace: Path | str = ".", *, fresh: bool = False,
    timeout_s: float = MCP_TIMEOUT_S, environ: Mapping[str, str] | None = None,
) -> tuple[list[McpSource], list[SourceReport]]:  # fmt: skip
    """The servers that RESEARCH asks, and a report of each that it would and may not.

    `which`: all, none, or names, of which each must be there (UsageError).
    """
    names = [name.strip() for name in which.split(",")] if isinstance(which, str) else list(which)
    if names in (["none"], [""], []):
        return [], []
    stand, problems = standings(workspace, environ)
    if names != ["all"]:
        known = Found(tuple(one.server for one in stand))
        wanted = {_named(name, known).name for name in names}
        stand = tuple(one for one in stand if one.server.name in wanted)
    cache = AnswerCache(environ=environ)
    sources = [
        McpSource(one.server, cache=cache, fresh=fresh, timeout_s=timeout_s, environ=environ)
        for one in stand
        if one.state == "approved" and not one.server.thinks
    ]
    return sources, unasked(stand, problems)


def unasked(
    stand: Sequence[Standing], problems: Sequence[tuple[str, str]] = ()
) -> list[SourceReport]:
    """Reports of what is not asked and why; a server that a person disabled is not told of."""
    reports = [SourceReport(file, error=f"not read: {told}") for file, told in problems]
    return reports + [
        SourceReport(f"{one.server.name} (MCP)", error=one.told)
        for one in stand
        if one.state not in ("approved", "disabled")
    ]


def _named(name: str, known: Found) -> Server:
    by_name = {server.name: server for server in known.servers}
    if name not in by_name:
        there = f" There are: {', '.join(by_name)}." if by_name else " No file names any."
        raise UsageError(f"no MCP server is named `{name}`. {did_you_mean(name, by_name)}{there}")
    return by_name[name]


def _quoted(name: str) -> str:
    return name if name and all(c.isalnum() or c in "-_./@" for c in name) else f'"{name}"'
