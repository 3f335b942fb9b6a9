"""`${VAR}` and its kin, expanded when a server is to be started, and what of it must not be seen.

    ${VAR}  ${VAR:-default}  ${env:VAR}          the environment
    ${workspaceFolder}  ${userHome}  ${/}        places
    ${input:ID}                                  what VS Code asks a person: ORCH_NB_INPUT_ID here

A variable that is not set disables its server. What was expanded lives in `Ready` only, as long as
the server runs; its `mask` takes it out of whatever is told of the server.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import msgspec

from orch_nb.errors import UsageError
from orch_nb.model.secrets import SHORTEST, Mask
from orch_nb.sources.mcp.config import Server

__all__ = ["Ready", "expanded", "read_env_file"]

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?\Z", re.DOTALL)
#: Variables that say where and who one is, and are no secret.
_OPEN = frozenset(("HOME", "PWD", "USER", "LOGNAME", "PATH", "SHELL", "LANG", "TMPDIR", "TEMP",
                   "USERPROFILE", "APPDATA", "LOCALAPPDATA", "CI"))  # fmt: skip
#: A value that stands in the file itself is masked from this length on; `info` or `8080` is not.
_LITERAL = 8
_PLAIN_VALUE = re.compile(r"(?:true|false|https?://[^@\s]*|[./~][^\s]*|[a-z]+)\Z", re.IGNORECASE)


class Ready(msgspec.Struct, frozen=True):
    """A server with its variables filled in. It has secrets: never shown, stored or hashed."""

    server: Server
    mask: Mask
    command: str = ""
    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    cwd: str | None = None
    url: str = ""
    headers: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"Ready({self.server.name!r})"


def expanded(server: Server, environ: Mapping[str, str] | None = None) -> Ready:
    """The server as it is started. Raises UsageError naming what is not set or not there."""
    environ = os.environ if environ is None else environ
    secrets: dict[str, list[str]] = {}

    def fill(text: str) -> str:
        return _VARIABLE.sub(lambda found: _value(found[1], server, environ, secrets), text)

    env_file = fill(server.env_file)
    from_file = read_env_file(Path(server.folder, Path(env_file).expanduser())) if env_file else {}
    env = {**from_file, **{name: fill(value) for name, value in server.env.items()}}
    headers = {name: fill(value) for name, value in server.headers.items()}
    url, command = fill(server.url), fill(server.command)
    args = tuple(fill(one) for one in server.args)
    for name, value in {**env, **headers}.items():
        _learn(secrets, name, value)
        _learn(secrets, name, value.partition(" ")[2])  # of `Bearer TOKEN` the token
    for name, value in parse_qsl(urlsplit(url).query):
        _learn(secrets, name, value)
    cwd = fill(server.cwd) or (server.folder if server.project else "")
    # The mask comes last: by now every secret has been met.
    return Ready(
        server=server, mask=Mask(secrets), command=command, args=args, env=env, url=url,
        cwd=str(Path(server.folder, Path(cwd).expanduser())) if cwd else None, headers=headers,
    )  # fmt: skip


def _value(
    body: str, server: Server, environ: Mapping[str, str], secrets: dict[str, list[str]]
) -> str:
    """What stands for `${body}`; what comes from the environment is a secret from now on."""
    folder = server.folder
    fixed = {
        "workspaceFolder": folder, "workspaceRoot": folder, "pathSeparator": os.sep, "/": os.sep,
        "workspaceFolderBasename": Path(folder).name,
        "userHome": environ.get("HOME") or str(Path.home()),
    }  # fmt: skip
    if body in fixed:
        return fixed[body]
    if body.startswith("input:"):
        return _input(body.removeprefix("input:"), server, environ, secrets)
    named = _NAME.match(body)
    if named is None:
        raise UsageError(f"`${{{body}}}` is no variable that can be filled in")
    name, default = named[1], named[2]
    value = environ.get(name)
    if value is None or (not value and default is not None):
        if default is None:
            raise UsageError(f"the environment variable {name} is not set")
        return default
    if name not in _OPEN and len(value.strip()) >= SHORTEST:
        secrets.setdefault(name, []).append(value)
    return value


def _input(
    name: str, server: Server, environ: Mapping[str, str], secrets: dict[str, list[str]]
) -> str:
    variable = "ORCH_NB_INPUT_" + re.sub(r"\W", "_", name).upper()
    value = environ.get(variable)
    if value is None:
        value = server.inputs.get(name)
    if value is None:
        raise UsageError(f"VS Code asks a person for `{name}`; set {variable} to give it here")
    if len(value.strip()) >= SHORTEST:
        secrets.setdefault(name, []).append(value)
    return value


def _learn(secrets: dict[str, list[str]], name: str, value: str) -> None:
    value = value.strip()
    if len(value) >= _LITERAL and not _PLAIN_VALUE.match(value):
        secrets.setdefault(name, []).append(value)


def read_env_file(path: Path) -> dict[str, str]:
    """`NAME=value` a line, as dotenv writes it. Raises UsageError if it cannot be read."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"its envFile {path} cannot be read: {type(error).__name__}") from None
    found = {}
    for raw in text.splitlines():
        line = raw.strip().removeprefix("export ")
        name, sign, value = line.partition("=")
        if not sign or line.startswith("#"):
            continue
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name.strip()] = value
    return found
