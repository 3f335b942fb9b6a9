"""Shell commands, each in a process group of its own.

The command goes to `sh -c`; its output is passed to the task's log as it comes and its stdout,
stripped, is the result. A stopped command gets SIGTERM for its whole group, and SIGKILL two seconds
later. One thread a command waits for it: a pipe that a daemonised grandchild keeps open must not
hold up the engine's loop.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Clock, Outcome, Report
from orch_nb.executors.failure import failure_of
from orch_nb.executors.variables import variables
from orch_nb.model.event import Failure

__all__ = ["ShellExecutor"]

_RESULT = 1_000_000  # characters of stdout that are kept as the result
_TAIL = 2000  # characters of stderr that an error quotes
# The command begins when its process group is journaled: what a killed kernel leaves behind is then
# either known to the journal, or meets the end of this pipe and does nothing.
_GATE = 'read -r _ || exit 125; exec </dev/null; exec /bin/sh -c "$1"'
_COLOURS = ("FORCE_COLOR", "CLICOLOR_FORCE")
_TERM_S = 2.0
_DRAIN_S = 0.5  # how long a pipe that outlives the command is read on


class ShellExecutor:
    name = "shell"

    def __init__(self) -> None:
        self._commands: dict[AttemptKey, _Command] = {}

    def start(self, clock: Clock, workers: int) -> None:
        """Each command has a thread and a process of its own, `workers` or not."""
        self._clock = clock

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        for request in attempts:
            command = _Command(request, self._clock)
            self._commands[request.key] = command
            threading.Thread(
                target=self._wait, args=(command, report), name="orch_nb-shell", daemon=True
            ).start()

    def _wait(self, command: _Command, report: Report) -> None:
        try:
            outcome = command.run()
        except Exception as error:  # noqa: BLE001  # no fork, no memory: the attempt failed, the run goes on
            now = self._clock.now()
            outcome = Outcome(command.request.key, now, now, failure=failure_of(error))
        self._commands.pop(command.request.key, None)
        report([outcome])

    def cancel(self, key: AttemptKey) -> bool:
        command = self._commands.get(key)
        if command is None:
            return False
        threading.Thread(target=command.terminate, name="orch_nb-kill", daemon=True).start()
        return True

    def stop(self) -> None:
        for command in list(self._commands.values()):
            command.kill()


class _Command:
    def __init__(self, request: AttemptRequest, clock: Clock) -> None:
        self.request, self._clock = request, clock
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._lock = threading.Lock()
        self._kept: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._size = {"stdout": 0, "stderr": 0}

    def run(self) -> Outcome:
        started = self._clock.now()
        with self._lock:
            if self._stopped:
                return Outcome(self.request.key, started, started, cancelled=True)
            told = self.request.command or self.request.task.sh or ""
            self._process = subprocess.Popen(  # noqa: S603  # a shell is what the task asks for
                ["/bin/sh", "-c", _GATE, "/bin/sh", told],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self.request.setting.workspace or None,
                env=_environment(self.request),
                start_new_session=True,
            )
        process = self._process
        self.request.started_process(process.pid)
        assert process.stdin is not None
        with contextlib.suppress(BrokenPipeError), process.stdin:  # it was stopped meanwhile
            process.stdin.write(b"go\n")
        self._read(process)
        code = process.wait()
        ended = self._clock.now()
        if self._stopped:
            return Outcome(self.request.key, started, ended, exit_code=code, cancelled=True)
        if code != 0:
            return Outcome(
                self.request.key, started, ended, failure=self._failure(code), exit_code=code
            )
        return Outcome(self.request.key, started, ended, self._result(), exit_code=0)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        """Both pipes until they end, or until shortly after the command itself has."""
        assert process.stdout is not None
        assert process.stderr is not None
        decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in self._kept}
        deadline = None
        with selectors.DefaultSelector() as selector, process.stdout, process.stderr:
            selector.register(process.stdout, selectors.EVENT_READ, "stdout")
            selector.register(process.stderr, selectors.EVENT_READ, "stderr")
            while selector.get_map():
                for key, _ in selector.select(timeout=0.1):
                    pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]
                    data = os.read(pipe.fileno(), 65536)
                    text = decoders[key.data].decode(data, final=not data)
                    if text:
                        self._keep(key.data, text)
                    if not data:
                        selector.unregister(pipe)
                if process.poll() is not None:
                    deadline = deadline or time.monotonic() + _DRAIN_S
                    if time.monotonic() > deadline:
                        break

    def _keep(self, stream: str, text: str) -> None:
        self.request.log(stream, text)
        room = _RESULT - self._size[stream]
        if stream == "stderr":  # an error quotes the end of it
            self._kept[stream] = [("".join(self._kept[stream]) + text)[-_TAIL:]]
        elif room > 0:
            self._kept[stream].append(text[:room])
        self._size[stream] += len(text)

    def _result(self) -> str:
        text = "".join(self._kept["stdout"]).strip()
        more = self._size["stdout"] - _RESULT
        return f"{text}\n… ({more} more characters are in the log)" if more > 0 else text

    def _failure(self, code: int) -> Failure:
        said = "".join(self._kept["stderr"]).strip() or self._result()[-_TAIL:]
        if len(said) >= _TAIL and "\n" in said:  # a piece of a line is no line
            said = said.partition("\n")[2]
        how = f"killed by {_signal_name(-code)}" if code < 0 else f"exit code {code}"
        lines = said.splitlines()
        last = f": {lines[-1].strip()}" if lines else ""
        return Failure("ShellError", f"{how}{last}", "\n".join(lines[-30:]), ("ShellError",))

    def terminate(self) -> None:
        """SIGTERM for the group, then SIGKILL. Called in a thread of its own."""
        with self._lock:
            self._stopped = True
            process = self._process
        if process is None:
            return
        self._signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):  # asked politely for long enough
            process.wait(_TERM_S)
        self._signal(signal.SIGKILL)

    def kill(self) -> None:
        with self._lock:
            self._stopped = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            try:
                os.killpg(self._process.pid, number)
            except (ProcessLookupError, PermissionError):
                return  # the group is gone


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # one of the real-time signals, most of which have no name
        return f"signal {number}"


def _environment(request: AttemptRequest) -> dict[str, str]:
    # The interpreter's own folder first: `pytest` is the one of this kernel's environment, as a
    # person expects who has not activated it.
    here = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    path = path if here in path.split(os.pathsep) else f"{here}{os.pathsep}{path}"
    # A kernel asks for colours that a person at `!command` would see; a result must not hold them.
    outer = {name: value for name, value in os.environ.items() if name not in _COLOURS}
    return {**outer, "PATH": path, **variables(request)}
