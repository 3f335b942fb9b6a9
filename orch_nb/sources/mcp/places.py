"""Where other tools keep their MCP servers, and where orch_nb keeps what it knows of them.

    .mcp.json · .cursor/mcp.json · .vscode/mcp.json       of the project, nearest first
    ~/.claude.json · Claude Desktop · ~/.cursor/mcp.json · VS Code's profile    of the person

`ORCH_NB_MCP` names a file that is read in place of all of them, or is `off`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec

__all__ = ["OFF", "Place", "cache_folder", "places", "project_of", "shown_path", "state_folder"]

OFF = ("off", "none", "no", "0")
_MOST_FOLDERS_UP = 40


class Place(msgspec.Struct, frozen=True):
    """A file that may hold servers, the tool that it is of, and whether a project brings it."""

    path: Path
    tool: str
    project: bool = False


def places(
    workspace: Path, environ: Mapping[str, str] | None = None, platform: str = sys.platform
) -> list[Place]:
    """Every file that may name a server, the nearest first; most of them will not be there."""
    environ = os.environ if environ is None else environ
    named = environ.get("ORCH_NB_MCP", "").strip()
    if named.lower() in OFF:
        return []
    if named:
        return [Place(Path(one).expanduser(), "ORCH_NB_MCP") for one in named.split(os.pathsep)]
    home, project = _home(environ), project_of(workspace)
    folders = [workspace] if project == workspace else [workspace, project]
    of_project = [
        Place(folder / name, tool, project=True)
        for folder in folders
        for name, tool in (
            (".mcp.json", "Claude Code"),
            (".cursor/mcp.json", "Cursor"),
            (".vscode/mcp.json", "VS Code"),
        )
    ]
    settings = _settings(home, environ, platform)
    return [
        *of_project,
        Place(home / ".claude.json", "Claude Code"),
        Place(settings / "Claude" / "claude_desktop_config.json", "Claude Desktop"),
        Place(home / ".cursor" / "mcp.json", "Cursor"),
        Place(settings / "Code" / "User" / "mcp.json", "VS Code"),
    ]


def project_of(workspace: Path) -> Path:
    """The folder at or above `workspace` that git knows as the project's; else `workspace`."""
    for folder in [workspace, *workspace.parents][:_MOST_FOLDERS_UP]:
        if (folder / ".git").exists():
            return folder
    return workspace


def shown_path(path: Path | str, folder: Path | str, environ: Mapping[str, str] | None = None
               ) -> str:  # fmt: skip
    """A path as a report may tell it, which others read: from the workspace, or from `~`."""
    home = _home(os.environ if environ is None else environ)
    for base, start in ((Path(folder), ""), (home, "~/")):
        if Path(path).is_relative_to(base):
            return start + Path(path).relative_to(base).as_posix()
    return str(path)


def _home(environ: Mapping[str, str]) -> Path:
    named = environ.get("HOME") or environ.get("USERPROFILE")
    return Path(named) if named else Path.home()


def _settings(home: Path, environ: Mapping[str, str], platform: str) -> Path:
    """The folder in which programs of this system keep their settings."""
    if platform == "darwin":
        return home / "Library" / "Application Support"
    if platform == "win32":
        return Path(environ.get("APPDATA") or home / "AppData" / "Roaming")
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config")


def state_folder(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """Where approvals are kept: what must outlive a cleaning of caches."""
    return _own(environ, platform, "XDG_STATE_HOME", ".local/state", "Application Support")


def cache_folder(environ: Mapping[str, str] | None = None, platform: str = sys.platform) -> Path:
    """Where answers and what servers write to stderr are kept."""
    return _own(environ, platform, "XDG_CACHE_HOME", ".cache", "Caches")


def _own(
    environ: Mapping[str, str] | None, platform: str, variable: str, linux: str, mac: str
) -> Path:
    environ = os.environ if environ is None else environ
    home = _home(environ)
    if environ.get(variable):
        return Path(environ[variable]) / "orch_nb"
    if platform == "darwin":
        return home / "Library" / mac / "orch_nb"
    if platform == "win32":
        local = Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
        return local / "orch_nb" / ("cache" if mac == "Caches" else "state")
    return home / linux / "orch_nb"
