"""A run on a loop of its own, in a daemon thread: how synchronous code and notebooks start one.

    live = LiveRun.start(lambda: Driver(...))     returns at once
    live.cancel() / .approve(task) / .snapshot()  from any thread, while it goes on
    live.result()                                 waits for the end; Ctrl-C cancels the run cleanly

The thread runs in a copy of the starter's context, so that what tasks print lands in the cell that
started them. `run_sync` does the same for any coroutine. A synchronous call from a task that runs
on the engine's own loop would stop that loop while it waits for it, so it raises `NestedLoopError`,
unless the person has called `allow_nested()`.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from orch_nb.engine.ports import entered
from orch_nb.errors import NestedLoopError
from orch_nb.model.run import Run

if TYPE_CHECKING:
    from orch_nb.engine.driver import Driver
    from orch_nb.engine.follower import Follower

__all__ = ["LiveRun", "Performer", "allow_nested", "run_sync"]

#: What makes a run go on: its driver here, or who follows it where another system owns it.
Performer: TypeAlias = "Driver | Follower"

T = TypeVar("T")

_STEP_S = 0.2  # an interrupt during one long wait would arrive only when it ends
_CANCEL_S = 10.0

_here = threading.local()
_nested = False


def allow_nested() -> None:
    """Let synchronous functions be called inside async tasks, by nest-asyncio2.

    It patches asyncio for the whole process (`asyncio.run`, `asyncio.Task`) and cannot be undone,
    so nothing calls it but you. `await execute_async(...)` needs none of it.
    """
    global _nested  # noqa: PLW0603  # the patch is as global as this flag
    import nest_asyncio2

    nest_asyncio2.apply()
    _nested = True


def _on_engine_loop() -> bool:
    if not getattr(_here, "engine", False) and entered.get() is None:
        return False
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        return True
    return False


def refuse_nested(function: str, instead: str) -> bool:
    """True if a nested call is allowed here and needed; raises NestedLoopError if only needed."""
    if not _on_engine_loop():
        return False
    if _nested:
        return True
    raise NestedLoopError(
        f"`{function}` was called inside an async task, on the loop that runs the tasks, and would "
        f"stop it. Write `await {instead}(...)`, or call orch_nb.allow_nested() first."
    )


def _in_thread(work: Callable[[], None], name: str) -> threading.Thread:
    def main() -> None:
        _here.engine = True
        work()

    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(main,), name=name, daemon=True)
    thread.start()
    return thread


def _to_the_end(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None]) -> None:
    """`run_until_complete`, also where a task stops the loop that runs it."""
    task = loop.create_task(coroutine)
    while not task.done():
        try:
            loop.run_until_complete(task)
        except RuntimeError as error:
            if "stopped before" not in str(error):
                raise


def run_sync(coroutine: Coroutine[Any, Any, T], function: str, instead: str) -> T:
    """The result of a coroutine, from code that is not async, whatever loop runs around it."""
    try:
        nested = refuse_nested(function, instead)
    except NestedLoopError:
        coroutine.close()
        raise
    if nested:
        return asyncio.get_running_loop().run_until_complete(coroutine)
    found: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            found.append(asyncio.run(coroutine))
        except BaseException as error:  # noqa: BLE001  # raised again by whom waits
            errors.append(error)

    thread = _in_thread(work, f"orch_nb-{function}")
    while thread.is_alive():
        thread.join(_STEP_S)
    if errors:
        raise errors[0]
    return found[0]


class LiveRun:
    """A run in progress. Attributes: `driver`, and `done`, an Event that is set at the end."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self._ready = threading.Event()
        self.driver: Performer
        self._run: Run | None = None
        self._error: BaseException | None = None

    @classmethod
    def start(cls, make: Callable[[], Performer]) -> LiveRun:
        """Make a driver on a new loop and drive it; returns when the run is in the journal.

        Raises what `make` raises, and what keeps the run from beginning (RunExists, JournalError).
        """
        live = cls()

        async def main() -> None:
            live.driver = make()
            live._ready.set()
            try:
                live._run = await live.driver.drive(alone=True)
            except BaseException as error:
                live._error = error
                raise
            finally:
                # Not when the loop has closed: that waits for coroutines which do not let
                # themselves be cancelled, and for threads that they left behind.
                live.done.set()

        def work() -> None:
            try:
                with asyncio.Runner() as runner:
                    _to_the_end(runner.get_loop(), main())
            except BaseException as error:  # noqa: BLE001  # told to whom asks for the result
                live._error = error
            finally:
                live.done.set()
                live._ready.set()

        _in_thread(work, "orch_nb-engine")
        try:
            live._ready.wait()
            while hasattr(live, "driver") and not live.driver.begun.wait(0.02):
                if live.done.is_set():
                    break
        except KeyboardInterrupt:  # its tasks may run before whoever starts it goes on
            live._ready.wait(_CANCEL_S)
            if hasattr(live, "driver"):
                live._interrupted()
            raise
        if live._error is not None:
            raise live._error
        return live

    def cancel(self, task: str | None = None, by: str = "") -> None:
        self.driver.cancel(task, by)

    def approve(self, task: str, by: str = "", note: str = "") -> None:
        self.driver.approve(task, by, note)

    def reject(self, task: str, by: str = "", note: str = "") -> None:
        self.driver.reject(task, by, note)

    def retry(self, task: str, by: str = "") -> None:
        self.driver.retry(task, by)

    def skip(self, task: str, by: str = "", note: str = "") -> None:
        self.driver.skip(task, by, note)

    def pause(self, by: str = "") -> None:
        self.driver.pause(by)

    def resume(self, by: str = "") -> None:
        self.driver.resume(by)

    def set_workers(self, workers: int, by: str = "") -> None:
        self.driver.set_workers(workers, by)

    @property
    def trouble(self) -> str:
        """What keeps anything new from being heard of a run that another system owns, in words;
        empty where nothing does."""
        return self.driver.trouble

    def abandon(self, wait_s: float = 2.0) -> None:
        """Leave the run where it stands, since this process ends: what tasks do while it falls
        apart around them is no failure of theirs. Waits until that holds."""
        with contextlib.suppress(RuntimeError):  # the loop has closed: the run has just ended
            self.driver.abandon()
        self.done.wait(wait_s)

    def snapshot(self) -> Run:
        return self._run if self._run is not None else self.driver.snapshot()

    def finished(self) -> Run:
        """The run after `done`. Raises what ended it if it could not be performed."""
        if self._error is not None:
            raise self._error
        assert self._run is not None
        return self._run

    def result(self) -> Run:
        """Wait for the end. An interrupt (Ctrl-C, Stop) cancels the run, then is raised again."""
        try:
            while not self.done.wait(_STEP_S):
                pass
        except KeyboardInterrupt:
            self._interrupted()
            raise
        return self.finished()

    def _interrupted(self) -> None:
        self.cancel(by="interrupt")
        heard = self.done.wait(_STEP_S if self.trouble else _CANCEL_S)
        if not heard and self.driver.follows:  # it leaves the wish in the journal
            self.abandon()
