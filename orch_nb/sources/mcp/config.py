"""What the files of other tools say of MCP servers, as written: nothing is expanded or started.

One entry that cannot be read disables that server only; of two files that name the same server the
nearer wins, and the other is told of.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec.structs import replace

from orch_nb.model.secrets import PLAIN
from orch_nb.sources.mcp.jsonc import read_jsonc
from orch_nb.sources.mcp.places import Place, places, shown_path

__all__ = ["Found", "Server", "find_servers"]

_MOST_BYTES = 32 << 20  # Claude Code keeps its history beside its servers
_MOST_SERVERS = 50
_HTTP = {"http": "http", "streamable-http": "http", "streamable_http": "http",
         "streamablehttp": "http", "sse": "sse"}  # fmt: skip


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A server as its file writes it. `transport`: stdio, http or sse.

    `problem` is what keeps it from being used, "" if nothing does; `notes` is what else a person
    should know. `values` that are secret may stand here as written, so it never shows itself whole.
    """

    name: str
    file: str
    tool: str = ""
    project: bool = False
    transport: str = "stdio"
    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    env_file: str = ""
    cwd: str = ""
    url: str = ""
    headers: dict[str, str] = {}
    inputs: dict[str, str | None] = {}
    folder: str = ""
    disabled: bool = False
    problem: str = ""
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Server({self.name!r}, file={self.file!r})"

    @property
    def fingerprint(self) -> str:
        """What consent is bound to: a hash of all that decides what is started or contacted, as it
        is written (values of variables are not, so that a new token asks nobody)."""
        return _hashed(
            [self.name, self.file, self.transport, self.command, list(self.args),
             sorted(self.env.items()), self.env_file, _content(self.env_file, self.folder),
             self.cwd, self.url, sorted(self.headers.items())]
        )  # fmt: skip

    @property
    def identity(self) -> str:
        """What its cached answers are known by: as `fingerprint`, without anything secret."""
        return _hashed(
            [self.name, self.transport, self.command, [PLAIN.text(one) for one in self.args],
             sorted(self.env), _bare_url(self.url), sorted(self.headers)]
        )  # fmt: skip

    @property
    def where(self) -> str:
        """Its file as it may be told."""
        return shown_path(self.file, self.folder)

    @property
    def thinks(self) -> bool:
        """Whether it is a sequential-thinking server: told thoughts, never asked anything."""
        said = " ".join((self.name, self.command, self.url, *self.args)).lower()
        return "sequential-thinking" in said or "sequentialthinking" in said

    def described(self) -> str:
        """What would be started or contacted, fit to be shown: no value of a secret."""
        names = [*sorted(self.env), *([f"those in {self.env_file}"] if self.env_file else [])]
        if self.transport == "stdio":
            words = [self.command, *self.args]
            told = PLAIN.text(" ".join(one if one and " " not in one else repr(one)
                                       for one in words))  # fmt: skip
            told += f" (in {self.cwd})" if self.cwd else ""
            return told + (f" with {', '.join(names)}" if names else "")
        told = f"{self.transport} {_bare_url(self.url)}"
        return told + (f" with headers {', '.join(sorted(self.headers))}" if self.headers else "")


class Found(msgspec.Struct, frozen=True):
    """The servers of a workspace, each once; `problems` of whole files as (file, what is wrong)."""

    servers: tuple[Server, ...] = ()
    problems: tuple[tuple[str, str], ...] = ()


def find_servers(workspace: Path | str = ".", environ: Mapping[str, str] | None = None) -> Found:
    """Every server that a person or a project has set down. Reads files, starts nothing."""
    folder = Path(workspace).expanduser().absolute()
    servers: dict[str, Server] = {}
    problems: list[tuple[str, str]] = []
    for place in places(folder, environ):
        where = shown_path(place.path, folder, environ)
        try:
            found = _of_file(place, folder)
        except FileNotFoundError:
            if place.tool == "ORCH_NB_MCP":
                problems.append((where, "ORCH_NB_MCP names it, and it is not there"))
            continue
        except (OSError, ValueError) as error:
            problems.append((where, str(error) or type(error).__name__))
            continue
        for server in found:
            nearer = servers.get(server.name)
            if nearer is None:
                servers[server.name] = server
            elif nearer.file != server.file or nearer.fingerprint != server.fingerprint:
                note = f"{server.where} has a server of this name too, which is not used"
                if note not in nearer.notes:
                    servers[server.name] = replace(nearer, notes=(*nearer.notes, note))
    kept = tuple(servers.values())
    if len(kept) > _MOST_SERVERS:
        problems.append(("mcp", f"of {len(kept)} servers only {_MOST_SERVERS} are looked at"))
    return Found(kept[:_MOST_SERVERS], tuple(problems))


def _of_file(place: Place, workspace: Path) -> list[Server]:
    if place.path.is_dir():
        raise ValueError("it is a folder")
    with place.path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES >> 20} MB")
    try:
        whole = read_jsonc(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    if not isinstance(whole, dict):
        raise ValueError("it is not a JSON object")
    made: list[Server] = []
    inputs = _inputs(whole.get("inputs"))
    for entries in _entries(whole, workspace):
        if not isinstance(entries, dict):
            raise ValueError("its servers are not a JSON object")
        for name, entry in entries.items():
            made.append(_server(str(name), entry, place, workspace, inputs))
    return made


def _entries(whole: dict[str, Any], workspace: Path) -> list[Any]:
    """The tables of servers in a file: Claude Code has one a project besides the person's own."""
    projects = whole.get("projects")
    own = projects.get(str(workspace)) if isinstance(projects, dict) else None
    found = [own.get("mcpServers")] if isinstance(own, dict) else []
    found += [whole.get("mcpServers"), whole.get("servers")]
    return [entries for entries in found if entries is not None]


def _inputs(given: Any) -> dict[str, str | None]:
    """VS Code's questions to the person, by id, each with its default if it has one."""
    if not isinstance(given, list):
        return {}
    return {
        str(one["id"]): one["default"] if isinstance(one.get("default"), str) else None
        for one in given
        if isinstance(one, dict) and "id" in one
    }


def _server(
    name: str, entry: Any, place: Place, workspace: Path, inputs: dict[str, str | None]
) -> Server:
    """One entry; what is wrong with it becomes its `problem`."""
    base = Server(
        name=name, file=str(place.path.absolute()), tool=place.tool, project=place.project,
        folder=str(workspace), inputs=inputs,
    )  # fmt: skip
    if not isinstance(entry, dict):
        return replace(base, problem="its entry is not a JSON object")
    try:
        return replace(base, **_fields(entry))
    except ValueError as error:
        return replace(base, problem=str(error), disabled=entry.get("disabled") is True)


def _fields(entry: dict[str, Any]) -> dict[str, Any]:
    url = _text(entry, "url") or _text(entry, "serverUrl")
    command, args = _text(entry, "command"), entry.get("args", [])
    kind = _text(entry, "type") or _text(entry, "transport")
    transport = "stdio" if kind == "stdio" else _HTTP.get(kind.lower())
    if kind and transport is None:
        raise ValueError(f"its type `{kind}` is not one of stdio, http, sse")
    if not kind:
        of_sse = url.split("?", 1)[0].rstrip("/").endswith("/sse")  # where no type says so
        transport = ("sse" if of_sse else "http") if url and not command else "stdio"
    if transport == "stdio" and not command:
        raise ValueError("it has neither a `command` nor a `url`" if not url
                         else "it is of type stdio and has no `command`")  # fmt: skip
    if transport != "stdio" and not url:
        raise ValueError(f"it is of type {kind} and has no `url`")
    if not isinstance(args, list) or not all(isinstance(one, str | int | float) for one in args):
        raise ValueError("its `args` are not a list of texts")
    disabled = entry.get("disabled") is True or entry.get("enabled") is False
    if transport == "stdio":
        return {
            "transport": transport, "command": command, "args": tuple(map(str, args)),
            "env": _table(entry, "env"), "env_file": _text(entry, "envFile"),
            "cwd": _text(entry, "cwd"), "disabled": disabled,
        }  # fmt: skip
    return {
        "transport": transport, "url": url, "headers": _table(entry, "headers"),
        "disabled": disabled,
    }  # fmt: skip


def _text(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key, "")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"its `{key}` is not a text")
    return value


def _table(entry: dict[str, Any], key: str) -> dict[str, str]:
    value = entry.get(key) or {}
    if not isinstance(value, dict):
        raise ValueError(f"its `{key}` is not a JSON object")
    table = {str(name): one for name, one in value.items() if one is not None}
    if not all(isinstance(one, str | int | float) for one in table.values()):
        raise ValueError(f"a value of its `{key}` is not a text")
    return {name: one if isinstance(one, str) else json.dumps(one) for name, one in table.items()}


def _hashed(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _bare_url(url: str) -> str:
    """An address without what may be secret in it: user, password, query."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # `${HOST}:${PORT}`: not an address before it is expanded
        return PLAIN.text(url.split("?", 1)[0])
    if "${" in parts.netloc:
        host, port = parts.netloc.rpartition("@")[2], ""
    return PLAIN.text(f"{parts.scheme}://{host}{port}{parts.path}" + ("?…" if parts.query else ""))


def _content(env_file: str, folder: str) -> str:
    """A hash of what an envFile holds, since it too decides what a program does."""
    if not env_file:
        return ""
    path = Path(folder, Path(env_file.replace("${workspaceFolder}", folder)).expanduser())
    try:
        return hashlib.sha256(path.read_bytes()[:_MOST_BYTES]).hexdigest()
    except OSError:
        return "not there"
