"""A worker process: what `processes` starts, by `worker_start`, outside of the package.

    main thread      reads attempts from `work`, runs them one after another, writes `results`
    watching thread  gives attempts back that have not begun, and ends all when the engine is gone

It starts with nothing but the interpreter's own modules, so that a worker costs little more than a
bare Python, and imports what a task needs when it needs it. Frames on the pipes are a length and
`marshal`ed tuples; what belongs to the user is inside of them as pickled bytes, loaded in the
attempt that it is for. Functions run in the main thread, in a context of their own each. What they
print goes to the engine line by line; what C code and child processes write to file descriptors 1
and 2 is read there by the engine itself, so that it outlives a crash. A mark in it says where an
attempt ended, since the engine may read it late, with what the next attempt wrote.

Outcomes of attempts that take no time share a frame: they are held while more attempts wait, for
half a millisecond at most, and the watching thread sends what is held when the engine asks. Which
attempt runs stands in memory that is shared with the engine, for when the process dies.
"""

from __future__ import annotations

import _thread
import io
import marshal
import mmap
import os
import select
import sys
import time
from contextvars import copy_context

# `typing`, `collections` and `signal` would double the time that a worker takes to start.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

__all__ = [
    "BARE", "FAILED", "GAVE_BACK", "LOGGED", "MARK", "MARKED", "PICKLED", "PLAIN", "RETURNED",
    "SHARED", "UNKNOWN", "UNSENT", "UP", "Frames", "frame",
]  # fmt: skip

# What a worker tells: a number and ...
UP = 0  # nothing: it can take attempts
RETURNED = 1  # serial, started, finished, a plain value
PICKLED = 2  # serial, started, finished, the value's bytes
FAILED = 3  # serial, started, finished, (type, message, traceback, kinds)
UNSENT = 4  # serial, started, finished, the type of the value, the same of the error
UNKNOWN = 5  # serial, started, finished, "function" or "arguments", missing module, the same
LOGGED = 6  # serial, stream, text
GAVE_BACK = 7  # serials

#: Bytes of the memory that worker and engine share.
SHARED = 16

#: What the bytes of a function begin with that is sent as its code.
BARE = b"F"

#: What stands in stdout and stderr where an attempt ended, with its serial in 8 bytes behind it.
MARK = b"\0\x1eorch_nb\x1e"
MARKED = len(MARK) + 8

#: Values of these types travel in the frame itself.
PLAIN = frozenset({type(None), bool, int, float, str, bytes})

_PORTS = "orch_nb.engine.ports"
_HEAD = 8  # bytes of a frame's length
_PIECE = 1 << 16  # what a pipe holds; a larger buffer is mapped and unmapped at each read
_ORPHANED_MS = 2000  # how often it is looked whether the parent is still there
_SIGKILL = 9
_HOLD_S = 0.0005
_MARK_S = 0.0001  # a shorter attempt has started no process
_LINGER_S = 1.0  # for the interpreter's own end, when nothing runs


def frame(message: Any) -> bytes:
    body = marshal.dumps(message)
    return len(body).to_bytes(_HEAD, "little") + body


class Frames:
    """Messages from bytes as they come."""

    def __init__(self) -> None:
        self._left = b""
        self._more: list[bytes] = []  # of a frame longer than what came at once
        self._wanted = 0

    def feed(self, data: bytes) -> Iterator[Any]:
        if self._wanted > len(data):
            self._more.append(data)
            self._wanted -= len(data)
            return
        if self._more or self._left:
            data = b"".join((self._left, *self._more, data))
            self._more.clear()
        at, size = 0, len(data)
        while size - at >= _HEAD:
            end = at + _HEAD + int.from_bytes(data[at : at + _HEAD], "little")
            if end > size:
                self._left, self._wanted = data[at:], end - size
                return
            yield marshal.loads(memoryview(data)[at + _HEAD : end])  # noqa: S302  # of our own child
            at = end
        self._left, self._wanted = data[at:], 0


class Worker:
    """`work`, `results` and `control` are file descriptors of pipes; `current` is one of memory
    that the engine sees, too: the serial numbers of the attempt that is had in hand, and of the
    last whose body began."""

    def __init__(self, work: int, results: int, control: int, current: int) -> None:
        self._work, self._results, self._control = work, results, control
        self.current = memoryview(mmap.mmap(current, SHARED)).cast("q")
        self._frames = Frames()
        self._queue: list[tuple[Any, ...]] = []
        self._functions: dict[int, Any] = {}
        self._setting: tuple[str, bytes] = ("", b"")
        self._params: Any = None
        self._offset = 0.0
        self._reading = _thread.allocate_lock()  # held by who reads `work`
        self._sending = _thread.RLock()
        self._held: list[tuple[Any, ...]] = []  # outcomes on their way
        self._busy = False
        self.pid = os.getpid()
        #: The id, number, place and item of the attempt whose body runs.
        self.now: tuple[str, int, int | None, bytes | None] | None = None
        self._streams = (Stream(self, 1), Stream(self, 2))
        self._outputs = (os.dup(1), os.dup(2))  # whatever a task does to its own

    def serve(self) -> None:
        """Attempts until the engine closes the pipe."""
        parent = os.getppid()
        sys.stdout, sys.stderr = self._streams
        sys.meta_path.insert(0, _WhenPortsCome(self))
        _thread.start_new_thread(self._watch, (parent,))
        self.send([(UP,)])
        queue, held, since = self._queue, self._held, 0.0
        while queue or self._fill():
            try:
                attempt = queue.pop(0)
            except IndexError:  # none came, or they were given back
                self.flush()
                continue
            self._busy = True
            told = self._run(*attempt)
            if not held:
                since = told[3]
            held.append(told)
            self._busy = False  # before it is told: who hears of it may end this process
            if not queue or told[0] != RETURNED or told[3] - since > _HOLD_S:
                self.flush()

    # -- reading -------------------------------------------------------------------------------

    def _fill(self) -> bool:
        with self._reading:
            return self._read()

    def _read(self) -> bool:
        data = os.read(self._work, _PIECE)
        for hello, setting, functions, attempts in self._frames.feed(data):
            if hello is not None:
                sys.path[:], self._offset = hello
            if setting is not None:
                self._setting, self._params = setting, None
            self._functions.update(functions)
            self._queue.extend(attempts)
        return bool(data)

    def _watch(self, parent: int) -> None:
        """In a thread of its own: the engine's wishes and its end."""
        wishes = select.poll()
        wishes.register(self._control, select.POLLIN | select.POLLHUP)
        while True:
            if wishes.poll(_ORPHANED_MS):
                if not os.read(self._control, 1):
                    break
                self._give_back()
            elif os.getppid() != parent:  # somebody else has the other end of the pipe as well
                break
        if not self._busy and not self._queue:  # the main thread meets the end of its pipe, too
            time.sleep(_LINGER_S)
        os.killpg(0, _SIGKILL)

    def _give_back(self) -> None:
        if self._reading.acquire(blocking=False):  # else the main thread waits, and has none
            try:
                more = select.poll()
                more.register(self._work, select.POLLIN)
                while more.poll(0) and self._read():
                    pass
            finally:
                self._reading.release()
        serials = []
        while self._queue:
            try:
                serials.append(self._queue.pop(0)[0])
            except IndexError:  # the main thread was quicker
                break
        self.flush()
        self.send([(GAVE_BACK, serials)])

    # -- telling -------------------------------------------------------------------------------

    def flush(self) -> None:
        """Send what is held. From both threads."""
        with self._sending:
            count = len(self._held)
            if count:
                told = self._held[:count]
                del self._held[:count]
                self.send(told)

    def send(self, messages: list[tuple[Any, ...]]) -> None:
        data = frame(messages)
        with self._sending:
            try:
                sent = os.write(self._results, data)
                while sent < len(data):
                    sent += os.write(self._results, memoryview(data)[sent:])
            except BrokenPipeError:  # nobody is left to be told
                os.killpg(0, _SIGKILL)

    # -- attempts ------------------------------------------------------------------------------

    def _run(
        self, serial: int, function: int, task: str, attempt: int, given: bytes | None,
        index: int | None, item: bytes | None,
    ) -> tuple[Any, ...]:  # fmt: skip
        """One attempt, and what is told of it."""
        self.current[0] = serial
        what = "function"
        try:
            body = self._functions[function]
            if type(body) is bytes:
                body = self._functions[function] = _made(body)
            what = "arguments"
            args, kwargs = _loads(given) if given is not None else ((), {})
        except BaseException as error:  # noqa: BLE001
            now, missing = self._now(), str(getattr(error, "name", None) or "")
            return (UNKNOWN, serial, now, now, what, missing, _failure(error))
        self.now = (task, attempt, index, item)
        self.current[1] = serial
        started = self._now()
        try:
            value = copy_context().run(self._call, body, args, kwargs)
        except BaseException as error:  # noqa: BLE001  # sys.exit, too, ends the attempt only
            told: tuple[Any, ...] = (FAILED, serial, started, self._now(), _failure(error))
        else:
            told = self._returned(serial, started, value)
        if os.getpid() != self.pid:  # the child of a fork has come back: the pipes are not its own
            os._exit(0)
        self.now = None
        out, err = self._streams
        if out.held or err.held:
            out.flush()
            err.flush()
        if told[3] - started > _MARK_S:
            self._mark(serial)
        return told

    def _mark(self, serial: int) -> None:
        mark = MARK + serial.to_bytes(8, "little")
        for output in self._outputs:
            try:
                os.write(output, mark)  # of so few bytes, all or none
            except OSError:  # full, where a child process made it one that does not wait
                continue

    def _returned(self, serial: int, started: float, value: Any) -> tuple[Any, ...]:
        ended = self._now()
        if type(value) in PLAIN:
            return (RETURNED, serial, started, ended, value)
        try:
            return (PICKLED, serial, started, ended, _dumps(value))
        except BaseException as error:  # noqa: BLE001
            return (UNSENT, serial, started, ended, _type_name(value), _failure(error))

    def _now(self) -> float:
        return time.monotonic() + self._offset

    def _call(self, body: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if _PORTS in sys.modules:
            self.enter(sys.modules[_PORTS])
        value = body(*args, **kwargs)
        if type(value).__name__ == "coroutine":
            value.close()
            raise TypeError("the function gave a coroutine: write it as `async def`")
        return value

    def enter(self, ports: Any) -> None:
        """Make `orch_nb.current()` know the attempt, if one runs."""
        if self.now is None:
            return
        task, attempt, index, item = self.now
        run_id, params = self._setting
        if self._params is None:
            self._params = _loads(params)
        ports.entered.set(
            ports.Current(
                task=task, attempt=attempt, run_id=run_id, params=self._params, index=index,
                item=None if item is None else _loads(item),
            )
        )  # fmt: skip


class Stream(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` of tasks: lines go to the engine as they end."""

    def __init__(self, worker: Worker, fd: int) -> None:
        self._worker, self._fd = worker, fd
        self.held = ""
        self._lock = _thread.RLock()
        self.name = "stdout" if fd == 1 else "stderr"
        self.buffer = open(fd, "wb", buffering=0, closefd=False)  # noqa: SIM115

    encoding = "utf-8"
    errors = "backslashreplace"

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        with self._lock:
            self.held += text
            cut = self.held.rfind("\n") + 1 or (len(self.held) > _PIECE and len(self.held))
            if cut:
                told, self.held = self.held[:cut], self.held[cut:]
                self._tell(told)
        return len(text)

    def flush(self) -> None:
        with self._lock:
            told, self.held = self.held, ""
            if told:
                self._tell(told)

    def _tell(self, text: str) -> None:
        if os.getpid() == self._worker.pid:
            self._worker.send([(LOGGED, self._worker.current[0], self.name, text)])
        else:  # of a fork, which must not write in between what the worker tells
            os.write(self._fd, text.encode(errors=self.errors))

    def fileno(self) -> int:
        return self._fd

    def writable(self) -> bool:
        return True


class _WhenPortsCome:
    """An import hook: a task that imports orch_nb only in its body has a `current()`, too."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != _PORTS:
            return None
        sys.meta_path.remove(self)
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path)
        spec = next((one for one in found if one is not None and one.loader is not None), None)
        if spec is not None:
            loader: Any = spec.loader
            loader.exec_module = self._then_enter(loader.exec_module)
        return spec

    def _then_enter(self, load: Callable[[Any], None]) -> Callable[[Any], None]:
        def loaded(module: Any) -> None:
            load(module)
            self._worker.enter(module)

        return loaded


def _loads(data: bytes) -> Any:
    try:
        from _pickle import loads  # the half of `pickle` that is needed, in a third of the time
    except ImportError:
        from pickle import loads
    return loads(data)  # noqa: S301  # from the engine that started this process


def _made(data: bytes) -> Callable[..., Any]:
    """A function from its bytes, which may be just its code; see `worker_pickles`."""
    if not data.startswith(BARE):
        body: Callable[..., Any] = _loads(data)
        return body
    code, name, qualname, modules, within, defaults = marshal.loads(data[len(BARE) :])  # noqa: S302
    for module in (*modules.values(), *within):
        __import__(module)
    space = {"__name__": "__main__", "__builtins__": __builtins__}
    space.update((used, sys.modules[module]) for used, module in modules.items())
    cls: Any = type(_made)
    function: Callable[..., Any] = cls(code, space, name, defaults)
    function.__qualname__ = qualname
    return function


def _dumps(value: Any) -> bytes:
    from orch_nb.executors.worker_pickles import dumps

    return dumps(value)


def _failure(error: BaseException) -> tuple[str, str, str, tuple[str, ...]]:
    from orch_nb.executors.failure import failure_of

    told = failure_of(error)
    return (told.type, told.message, told.traceback, told.kinds)


def _type_name(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def main(pipes: list[int]) -> None:
    import faulthandler

    faulthandler.enable(2)
    for pipe in pipes:
        os.set_inheritable(pipe, False)
    Worker(*pipes).serve()
