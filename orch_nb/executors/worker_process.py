"""A worker process, seen from the engine: its pipes on the loop, and what ends it.

    work     ──►  frames of attempts; written without waiting, the rest when there is room
    results  ◄──  frames of outcomes and of what was printed
    control  ──►  a byte asks for what has not begun; its end is the worker's
    current  ◄──  shared memory: the number of the attempt that it runs
    stdout, stderr  ◄──  what C code and child processes write

A new process, not a fork of this one: a copy of a process with threads may stand still for ever,
and a notebook has some. It does not import the parent's `__main__` again either.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import functools
import marshal
import mmap
import os
import select
import signal
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any, Protocol

from orch_nb.executors import worker

__all__ = ["Owner", "WorkerProcess"]

_PIECE = 1 << 16
_SCRIPT = str(Path(worker.__file__).resolve().with_name("worker_start.py"))
_TERM_S = 1.0  # between asking a worker to end and killing it
_EXIT_S = 0.002  # a pipe ends a moment before its process does
_PATIENCE = 500  # times _EXIT_S
_TAIL = 4000  # characters of stderr that are kept to be quoted


class Owner(Protocol):
    """Who is told of a worker, on the loop."""

    def told(self, process: WorkerProcess, messages: list[tuple[Any, ...]]) -> None: ...

    def printed(self, process: WorkerProcess, stream: str, text: str, serial: int) -> None:
        """Text of the attempt of this number; 0 is none that has ended."""

    def died(self, process: WorkerProcess, code: int) -> None:
        """It has ended; all that it told was handed on. `code` is negative for a signal."""


class WorkerProcess:
    """Begins a process. Raises OSError where the system has no room for one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, owner: Owner) -> None:
        self._loop, self._owner = loop, owner
        self._frames = worker.Frames()
        self._unsent: deque[memoryview] = deque()
        self._tail = ""
        self._cut = dict.fromkeys(("stdout", "stderr"), b"")  # the beginning of a mark
        self.ends = False  # it takes nothing any more
        self.dead = False
        self._process, self._work, self._results, self._control, self._current = _begin()
        self.pid = self._process.pid
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._outputs = {"stdout": self._process.stdout, "stderr": self._process.stderr}
        self._decoders = {
            name: codecs.getincrementaldecoder("utf-8")("replace") for name in self._outputs
        }
        self._printed = select.poll()
        loop.add_reader(self._results, self._readable)
        for name, pipe in self._outputs.items():
            os.set_blocking(pipe.fileno(), False)
            loop.add_reader(pipe.fileno(), self._output, name)
            self._printed.register(pipe.fileno(), select.POLLIN)

    @property
    def current(self) -> int:
        """The number of the attempt that it has in hand, or had last."""
        return self._current[0]

    @property
    def begun(self) -> int:
        """The number of the last attempt whose body began: then all that it needs is loaded."""
        return self._current[1]

    # -- to it ---------------------------------------------------------------------------------

    def send(self, message: tuple[Any, ...]) -> None:
        data = memoryview(worker.frame(message))
        if self._unsent or self.dead:
            self._unsent.append(data)
            return
        sent = self._write(data)
        if sent < len(data):
            self._unsent.append(data[sent:])
            self._loop.add_writer(self._work, self._writable)

    def _write(self, data: memoryview) -> int:
        try:
            return os.write(self._work, data)
        except BlockingIOError:
            return 0
        except BrokenPipeError:  # it is dead, as the end of its results will tell
            return len(data)

    def _writable(self) -> None:
        data = self._unsent.popleft()
        sent = self._write(data)
        if sent < len(data):
            self._unsent.appendleft(data[sent:])
        if not self._unsent:
            self._loop.remove_writer(self._work)

    def ask_back(self) -> None:
        """Have it give back the attempts that it has not begun."""
        if not self.dead:
            with contextlib.suppress(OSError):  # it is dead, or has been asked often enough
                os.write(self._control, b"b")

    # -- from it -------------------------------------------------------------------------------

    def _readable(self) -> None:
        try:
            data = os.read(self._results, _PIECE)
        except BlockingIOError:
            return
        if data:
            self._read_outputs()  # before it is told that the attempt that wrote it has ended
            try:
                for messages in self._frames.feed(data):
                    self._owner.told(self, messages)
            except (EOFError, ValueError, TypeError):  # something else wrote to its pipe
                self.kill()
        else:
            self._loop.remove_reader(self._results)
            self.ends = True
            self._await_exit(_PATIENCE)

    def _read_outputs(self) -> None:
        if self._printed.poll(0):
            for name in self._outputs:
                self._output(name)

    def _output(self, name: str) -> None:
        pipe = self._outputs[name]
        try:
            data = os.read(pipe.fileno(), _PIECE)
        except BlockingIOError:
            return
        self._split(name, data)
        if not data:
            self._loop.remove_reader(pipe.fileno())

    def _split(self, name: str, data: bytes) -> None:
        """What stands before a mark is of the attempt that ended there. No data is the end."""
        left, final = self._cut[name] + data, not data
        while (at := left.find(worker.MARK)) >= 0 and len(left) >= at + worker.MARKED:
            end = at + worker.MARKED
            serial = int.from_bytes(left[at + len(worker.MARK) : end], "little")
            self._tell(name, left[:at], serial, final=True)
            left = left[end:]
        if at < 0:
            at = left.rfind(worker.MARK[:1], -len(worker.MARK))
        if final or at < 0 or not worker.MARK.startswith(left[at : at + len(worker.MARK)]):
            at = len(left)
        self._cut[name] = left[at:]  # a mark that is not whole yet
        self._tell(name, left[:at], 0, final=final)

    def _tell(self, name: str, data: bytes, serial: int, *, final: bool) -> None:
        text = self._decoders[name].decode(data, final=final)
        if name == "stderr":
            self._tail = (self._tail + text)[-_TAIL:]
        if text or serial:
            self._owner.printed(self, name, text, serial)

    def exited(self) -> bool:
        """Whether it is gone, though somebody else may have its pipes; then its end is told."""
        if self.dead or self._process.poll() is None:
            return False
        self.ends = True
        self._await_exit(_PATIENCE)
        return True

    def _await_exit(self, patience: int) -> None:
        if self.dead:
            return
        code = self._process.poll()
        if code is None and patience:
            self._loop.call_later(_EXIT_S, self._await_exit, patience - 1)
            return
        self.dead = True
        self._signal(signal.SIGKILL)  # what it started goes with it
        code = self._process.wait()
        self._last_words()
        self._close()
        self._owner.died(self, code)

    def _last_words(self) -> None:
        """What it had written when it ended."""
        with contextlib.suppress(OSError):
            while data := os.read(self._results, _PIECE):
                for messages in self._frames.feed(data):
                    self._owner.told(self, messages)
        for name, pipe in self._outputs.items():
            with contextlib.suppress(OSError):
                while data := os.read(pipe.fileno(), _PIECE):
                    self._split(name, data)
                self._split(name, b"")

    @property
    def last_words(self) -> str:
        """The end of what it wrote to stderr, not by `print`: an interpreter that crashes says so
        there."""
        return self._tail.strip()

    # -- its end -------------------------------------------------------------------------------

    def terminate(self) -> None:
        """SIGTERM for it and what it started, and SIGKILL a second later."""
        if not self.dead:
            self._signal(signal.SIGTERM)
            self._loop.call_later(_TERM_S, self.kill)

    def kill(self) -> None:
        if not self.dead:
            self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # the group is gone

    def close(self) -> None:
        """Nothing more is heard of it; an idle worker then ends by itself. `bury` it."""
        if not self.dead:
            self.dead = True
            self._close()

    def _close(self) -> None:
        if not self._loop.is_closed():
            self._loop.remove_writer(self._work)
            for fd in (self._results, *(pipe.fileno() for pipe in self._outputs.values())):
                self._loop.remove_reader(fd)
        for fd in (self._work, self._control, self._results):
            os.close(fd)
        for pipe in self._outputs.values():
            pipe.close()
        self._unsent.clear()

    def bury(self, within_s: float) -> None:
        """Wait for its end, and then make sure of it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(within_s)
        if self._process.returncode is None:
            self._signal(signal.SIGKILL)
            self._process.wait()


def _begin() -> tuple[subprocess.Popen[bytes], int, int, int, memoryview]:
    """The process, our ends of its three pipes, and the memory that is shared with it."""
    with contextlib.ExitStack() as theirs, contextlib.ExitStack() as ours:
        shared = _shared()
        theirs.callback(os.close, shared)
        current = memoryview(mmap.mmap(shared, worker.SHARED)).cast("q")
        its_work, work = os.pipe()
        results, its_results = os.pipe()
        its_control, control = os.pipe()
        for end in (its_work, its_results, its_control):
            theirs.callback(os.close, end)
        for end in (work, results, control):
            ours.callback(os.close, end)
        fds = (its_work, its_results, its_control, shared)
        process = subprocess.Popen(  # noqa: S603  # our own script
            [sys.executable, "-P", _SCRIPT, *map(str, fds), str(worker.SHARED)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=fds,
            start_new_session=True,
        )
        for end in (work, results):
            os.set_blocking(end, False)
        ours.pop_all()
    return process, work, results, control, current


def _shared() -> int:
    """A file that is in no folder: the shared memory, and behind it the code of `worker`."""
    if sys.platform == "linux":
        file = os.memfd_create("orch_nb")
    else:
        import tempfile

        with tempfile.TemporaryFile() as made:
            file = os.dup(made.fileno())
    os.pwrite(file, _code(), worker.SHARED)
    return file


@functools.cache
def _code() -> bytes:
    source = Path(worker.__file__)
    return marshal.dumps(compile(source.read_bytes(), str(source), "exec"))
