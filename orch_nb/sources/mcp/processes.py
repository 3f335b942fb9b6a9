"""A server's process: started in a group of its own, and gone at the end with all that it started.

The pipes are bounded. What stands on stdout and is no message goes into the log with what stands on
stderr; a line that is longer than any answer, or more of them than anybody asked for, ends the
process. Every wait is bounded too, and the last step needs no loop: it kills.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from orch_nb.model.secrets import Mask
from orch_nb.sources.mcp.variables import Ready

__all__ = ["Log", "ServerProcess", "inherited"]

MOST_LINE = 8 << 20
MOST_TOLD = 64 << 20
_MOST_LOG = 256 << 10
_CHUNK = 1 << 16
_GRACE_S = 0.5
#: What a server is given of our environment: where it is, how it reaches the net; no tokens.
_INHERITED = (
    "HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "LC_ALL", "LC_CTYPE", "TZ",
    "TMPDIR", "TEMP", "TMP", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy",
    "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "npm_config_registry",
    "npm_config_cache", "UV_CACHE_DIR", "APPDATA", "LOCALAPPDATA", "HOMEDRIVE", "HOMEPATH",
    "PATHEXT", "PROCESSOR_ARCHITECTURE", "SYSTEMDRIVE", "SYSTEMROOT", "USERNAME", "USERPROFILE",
)  # fmt: skip
#: `npx` with a registry that does not answer would try for a minute.
_OURS = {"npm_config_fetch_retries": "0", "npm_config_update_notifier": "false"}


def inherited(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of every server, before its own `env`."""
    environ = os.environ if environ is None else environ
    return {name: environ[name] for name in _INHERITED if name in environ} | _OURS


class Log:
    """What a server writes to stderr, in a file for whoever looks for a fault: masked, bounded."""

    def __init__(self, path: Path, mask: Mask) -> None:
        self.path, self.mask = path, mask
        self.last = ""
        self._left = _MOST_LOG
        self._file: Any = None
        with contextlib.suppress(OSError):  # a disk that refuses is no reason not to ask
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = path.open("w", encoding="utf-8")

    def line(self, data: bytes) -> None:
        text = self.mask.text(data[:4096].decode("utf-8", "replace")).rstrip()
        if text.strip() and "│" not in text[:1]:
            self.last = text.strip()
        if self._file is None or self._left <= 0:
            return
        self._left -= len(text) + 1
        with contextlib.suppress(OSError):
            self._file.write(text + "\n" if self._left > 0 else "… the rest is left out\n")

    def close(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None


def _program(ready: Ready, path: str) -> str:
    """Looked up as a shell would: `./server` from the server's folder, a name on its PATH."""
    beside = Path(ready.cwd or ".", ready.command).absolute()
    named = len(Path(ready.command).parts) > 1 or Path(ready.command).is_absolute()
    found = shutil.which(str(beside) if named else ready.command, path=path)
    if found is None:
        raise FileNotFoundError(f"there is no program `{ready.mask.text(ready.command)}`")
    return found


#: Those that were started and not stopped: a program that ends meanwhile takes them with it.
_ALIVE: set[ServerProcess] = set()


@atexit.register
def _none_outlives_us() -> None:
    for process in list(_ALIVE):
        process.kill()


class ServerProcess:
    """The process of a server that speaks over its pipes."""

    def __init__(self, process: asyncio.subprocess.Process, log: Log) -> None:
        self.process, self.log = process, log
        self.trouble = ""  # why we ended it ourselves
        self._seen: dict[int, psutil.Process] = {}
        self._group = process.pid
        _ALIVE.add(self)

    @classmethod
    async def start(cls, ready: Ready, log: Log) -> ServerProcess:
        """Raises OSError if there is no such program or folder."""
        env = inherited() | ready.env
        program = _program(ready, env.get("PATH", os.defpath))
        process = await asyncio.create_subprocess_exec(
            program, *ready.args, env=env, cwd=ready.cwd,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        return cls(process, log)

    async def lines(self) -> AsyncIterator[bytes]:
        """What it writes to stdout, line by line; ends when it does or when it is too much."""
        assert self.process.stdout is not None
        pieces: list[bytes] = []
        size = told = 0
        while chunk := await self.process.stdout.read(_CHUNK):
            told += len(chunk)
            *whole, rest = chunk.split(b"\n")
            for line in whole:
                yield b"".join([*pieces, line])
                pieces, size = [], 0
            pieces.append(rest)
            size += len(rest)
            if size > MOST_LINE or told > MOST_TOLD:
                most = MOST_LINE if size > MOST_LINE else MOST_TOLD
                self.trouble = f"it was stopped: it told more than {most >> 20} MB"
                self.kill()
                return

    async def errors(self) -> None:
        """Keep what it writes to stderr, until it ends."""
        assert self.process.stderr is not None
        rest = b""
        while chunk := await self.process.stderr.read(_CHUNK):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                self.log.line(line)
            rest = rest[-4096:]
        if rest:
            self.log.line(rest)

    async def settled(self, seconds: float) -> None:
        """Give it a moment to end, and its last words to arrive; nothing if it goes on."""
        assert self.process.stdout is not None
        if self.process.stdout.at_eof() and await self._ended(seconds):
            await asyncio.sleep(0.05)

    async def send(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        await self.process.stdin.drain()

    # -- the end -------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Close its stdin, then ask its group to end, then kill; about a second at most."""
        try:
            self.note_family()
            assert self.process.stdin is not None
            self.process.stdin.close()
            if not await self._ended() and sys.platform != "win32":
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._group, signal.SIGTERM)
                await self._ended()
            self.note_family()
        finally:
            self.kill()
            _ALIVE.discard(self)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.process.wait(), _GRACE_S)
            self._close_pipes()

    def kill(self) -> None:
        """Kill it and all that it started, now."""
        self.note_family()
        if sys.platform != "win32":
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, signal.SIGKILL)
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        for one in self._seen.values():
            with contextlib.suppress(psutil.Error):
                one.kill()  # psutil knows a process by its start too, so it kills no stranger

    def note_family(self) -> None:
        """Remember what it has started: a child that left the group is found by its parent only."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.process.pid).children(recursive=True):
                self._seen.setdefault(child.pid, child)

    async def _ended(self, seconds: float = _GRACE_S) -> bool:
        """Whether it ended in the time that it is given. `wait` would also wait for whoever has
        its pipes, so it is looked at."""
        for _ in range(int(seconds / 0.01)):
            if self.process.returncode is not None:
                return True
            await asyncio.sleep(0.01)
        return False

    def _close_pipes(self) -> None:
        """A child that cannot be killed may hold a pipe; nobody else waits for it."""
        transport: Any = getattr(self.process, "_transport", None)
        if transport is not None:
            with contextlib.suppress(PermissionError, ProcessLookupError):
                transport.close()
