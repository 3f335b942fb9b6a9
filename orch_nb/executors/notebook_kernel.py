"""A kernel for one notebook: started, given its cells one after another, ended.

    start ─► its process group is journaled ─► cells ─► shut down
                        stop, from any thread: the group is killed at once

It is driven by nbclient. papermill, which does so too, is a layer of progress bars, remote stores
and a command line around it, cannot be stopped from outside and waits for each notebook in turn; of
papermill we keep its conventions (`notebook_file`).

The kernel is one of this very Python, whatever kernelspecs the machine has, unless the notebook
names another. It is spoken to over Unix sockets in a folder of its own: many notebooks that start
at once do not compete for ports, and no other user of the machine can reach them.
"""

from __future__ import annotations

import ast
import asyncio
import builtins
import contextlib
import functools
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["CellError", "Kernel", "KernelDied", "Stopped", "language"]

_IOPUB_S = 60  # how long a cell's outputs may come after its end, on a machine under load
_START_S = 60
_STDERR = 2000  # characters of a dead kernel's last words
_OWN = ("", "python3")
# Which classes an error is of, asked of the kernel in its own words.
_KINDS = (
    "[c.__qualname__ if c.__module__ == 'builtins' else c.__module__ + '.' + c.__qualname__ "
    "for c in __import__('sys').last_type.__mro__[:-1]]"
)
_KINDS_S = 5.0


class CellError(Exception):
    """A cell raised. `number` counts cells from 1; `prompt` is its In [n]."""

    def __init__(self, told: Any, kinds: tuple[str, ...], number: int, prompt: int | None) -> None:
        super().__init__(told.evalue)
        self.name, self.message = str(told.ename), str(told.evalue)
        self.traceback = "\n".join(told.get("traceback", ()))
        self.kinds, self.number, self.prompt = kinds, number, prompt


class KernelDied(Exception):
    """The kernel's process ended while a cell ran, or before the first could."""


class Stopped(Exception):
    """`stop` was called."""


def language(notebook: Any) -> str:
    """What the notebook's kernel speaks. Raises LookupError if there is no such kernel here."""
    name = notebook.metadata.get("kernelspec", {}).get("name", "")
    return "python" if name in _OWN else str(_spec(name).language).lower()


def _spec(name: str) -> Any:
    from jupyter_client import kernelspec

    if name in _OWN:
        from ipykernel.kernelspec import get_kernel_dict

        return kernelspec.KernelSpec(resource_dir="", **get_kernel_dict())
    manager = kernelspec.KernelSpecManager()
    try:
        return manager.get_kernel_spec(name)
    except kernelspec.NoSuchKernel:
        there = ", ".join(sorted({"python3", *manager.find_kernel_specs()}))
        raise LookupError(
            f"the notebook asks for the kernel `{name}`, which is not installed here. There are: "
            f"{there}. Choose one of them in the notebook, or install that one."
        ) from None


class Kernel:
    """`started(pid)` is told its process group, `log(stream, text)` what cells print."""

    def __init__(self, started: Callable[[int], None], log: Callable[[str, str], None]) -> None:
        self._started, self._log = started, log
        self._lock = threading.Lock()
        self._stopped = False
        self._pid: int | None = None
        self._wake: Callable[[], object] | None = None
        self._at: tuple[int, Any] = (0, None)  # the cell that runs: its number and itself

    def execute(self, notebook: Any, cwd: Path, env: Mapping[str, str]) -> None:
        """Run all cells, which leaves their outputs in `notebook`.

        Raises CellError, KernelDied, Stopped; LookupError if the kernel is not installed.
        """
        asyncio.run(self._execute(notebook, cwd, env))

    def stop(self) -> None:
        """Kill the kernel with all that it started, at once."""
        with self._lock:
            self._stopped = True
            self._kill()
            if self._wake is not None:
                self._wake()

    def _kill(self) -> None:
        if self._pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)

    async def _execute(self, notebook: Any, cwd: Path, env: Mapping[str, str]) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="orch-nb-", ignore_cleanup_errors=True) as own:
                await self._session(notebook, Path(own), cwd, env)
        except BaseException:
            if self._stopped:
                raise Stopped from None
            raise
        finally:
            with self._lock:
                self._wake = self._pid = None

    async def _session(self, notebook: Any, own: Path, cwd: Path, env: Mapping[str, str]) -> None:
        from nbclient.exceptions import CellExecutionError, DeadKernelError

        manager = _manager(notebook, own)
        client = self._client(notebook, manager)
        words = own / "stderr"
        try:
            with words.open("wb") as stderr:
                await client.async_start_new_kernel(
                    cwd=str(cwd), env={**os.environ, **env}, stdout=subprocess.DEVNULL,
                    stderr=stderr,
                )  # fmt: skip
            self._up(client, manager.provisioner.pid)
            await self._ready(client, manager)
            await client.async_execute()
        except CellExecutionError:
            raise await self._cell_error(client) from None
        except DeadKernelError:
            raise KernelDied(self._last_words(await _exit_code(manager), words)) from None
        except RuntimeError as error:  # so does jupyter_client tell of a kernel that did not start
            if await manager.is_alive():
                raise
            died = self._last_words(await _exit_code(manager), words)
            raise KernelDied(f"{error}. {died}") from None
        finally:
            await self._end(client, manager)

    def _up(self, client: Any, pid: int) -> None:
        """From here on `stop` has something to kill, and somebody to tell."""
        loop = asyncio.get_running_loop()

        def dead() -> None:  # nbclient itself would look within a second
            if client.task_poll_for_reply is not None:
                client.task_poll_for_reply.cancel()

        with self._lock:
            if self._stopped:
                raise Stopped
            self._pid = pid
            self._wake = functools.partial(loop.call_soon_threadsafe, dead)
        self._started(pid)

    async def _ready(self, client: Any, manager: Any) -> None:
        client.kc = manager.client()
        client.kc.start_channels()
        await client.kc.wait_for_ready(timeout=_START_S)
        client.kc.allow_stdin = False

    def _client(self, notebook: Any, manager: Any) -> Any:
        from nbclient import NotebookClient

        client: Any = NotebookClient(notebook, km=manager, iopub_timeout=_IOPUB_S)
        process = client.process_message

        def message(told: Any, cell: Any, index: int) -> Any:
            if told["msg_type"] == "stream":
                self._log(told["content"]["name"], told["content"]["text"])
            return process(told, cell, index)

        def cell(cell: Any, cell_index: int) -> None:
            self._at = (cell_index + 1, cell)

        client.process_message = message
        client.on_cell_start = cell
        return client

    async def _cell_error(self, client: Any) -> CellError:
        number, cell = self._at
        told = next(o for o in reversed(cell.outputs) if o["output_type"] == "error")
        kinds = await self._kinds(client, told.ename)
        return CellError(told, kinds, number, cell.get("execution_count"))

    async def _kinds(self, client: Any, name: str) -> tuple[str, ...]:
        """The error's class and its bases: as the kernel says, else as Python's own are."""
        with contextlib.suppress(Exception):  # another language, or a kernel that is not well
            message = client.kc.execute(
                "", silent=True, store_history=False, user_expressions={"kinds": _KINDS}
            )
            reply = await asyncio.wait_for(client.async_wait_for_reply(message), _KINDS_S)
            told = reply["content"]["user_expressions"]["kinds"]["data"]["text/plain"]
            kinds = tuple(ast.literal_eval(told))
            if kinds[0].rpartition(".")[2] == name:
                return kinds
        found = getattr(builtins, name, None)
        if isinstance(found, type) and issubclass(found, BaseException):
            return tuple(base.__qualname__ for base in found.__mro__[:-1])
        return (name,)

    def _last_words(self, code: int | None, words: Path) -> str:
        """How the process ended and what it said of it."""
        how = f"exit code {code}"
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                how = f"killed by {signal.Signals(-code).name}"
        number, _ = self._at
        where = f" in cell {number}" if number else " before the first cell"
        said = words.read_text("utf-8", "replace")[-_STDERR:].strip()
        return f"The kernel died{where} ({how})" + (f":\n{said}" if said else "")

    async def _end(self, client: Any, manager: Any) -> None:
        """In good order, unless there is a hurry."""
        if client.kc is not None:
            client.kc.stop_channels()
        with contextlib.suppress(RuntimeError):  # there is none any more
            await manager.shutdown_kernel(now=self._stopped)
        await manager.cleanup_resources()


async def _exit_code(manager: Any) -> int | None:
    code: int | None = await manager.provisioner.poll()
    return code


def _manager(notebook: Any, own: Path) -> Any:
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    name = notebook.metadata.get("kernelspec", {}).get("name", "")
    spec = _spec(name)

    class Specs(KernelSpecManager):
        def get_kernel_spec(self, kernel_name: str) -> Any:
            return spec

    return AsyncKernelManager(
        kernel_name=name or "python3", kernel_spec_manager=Specs(), transport="ipc",
        ip=str(own / "kernel"), connection_file=str(own / "kernel.json"),
    )  # fmt: skip
