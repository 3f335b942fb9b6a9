"""A real kernel, its outputs as a frontend would hold them.

    kernel.run("%%orchestrate ...")     waits for the cell's end; `Cell` has outputs and reply
    kernel.start("...") / kernel.finish(cell)     the same in two halves, to act in between
    kernel.wish("approve", "gate")      what the room's page sends when that button is pressed
    kernel.state("gate")                what the page knows of a task, by what was sent to it

`person=True` is a frontend that answers questions (JupyterLab): live widgets, runs that wait.
Without it the request is what nbclient sends: nobody is there.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
PATIENCE_S = 60


@dataclass
class Cell:
    """One request: `outputs` as they would be saved, `reply` the kernel's answer."""

    id: str
    outputs: list[dict[str, Any]] = field(default_factory=list)
    reply: dict[str, Any] = field(default_factory=dict)
    idle: bool = False
    seconds: float = 0.0

    @property
    def error(self) -> str:
        """The traceback that is shown, without colours; empty if there is none."""
        found = [one for one in self.outputs if one["output_type"] == "error"]
        return _ANSI.sub("", "\n".join(found[0]["traceback"])) if found else ""

    @property
    def printed(self) -> str:
        return "".join(one["text"] for one in self.outputs if one["output_type"] == "stream")

    def of(self, mimetype: str) -> str:
        """All outputs of one type, joined."""
        return "\n".join(one["data"].get(mimetype, "") for one in self.outputs if "data" in one)

    @property
    def text(self) -> str:
        return self.of("text/plain")

    @property
    def html(self) -> str:
        return self.of("text/html")

    @property
    def everything(self) -> str:
        return "\n".join([self.text, self.html, self.of("text/markdown"), self.printed, self.error])

    @property
    def types(self) -> set[str]:
        return {name for one in self.outputs for name in one.get("data", ())}


class RoomPage:
    """A room as its page knows it, by what the kernel sent."""

    def __init__(self, comm: str, traits: dict[str, Any]) -> None:
        self.id, self.traits = comm, traits
        self.head: dict[str, Any] = traits["head"]
        self.rows: list[dict[str, Any]] = json.loads(traits["rows"])
        self.states: dict[int, list[Any]] = {}
        self.answers: dict[str, Any] = {}

    def take(self, content: dict[str, Any], buffers: list[Any]) -> None:
        if "long" in content:
            content = {**content, content["long"]: json.loads(bytes(buffers[0]))}
        if content["kind"] == "states":
            self.states.update({state[0]: state[1:] for state in content["states"]})
        elif content["kind"] == "rows":
            self.rows += content["rows"][max(0, len(self.rows) - content["from"]) :]
        else:
            self.answers[content["kind"]] = content

    def of(self, task: str) -> list[Any]:
        """`[status, attempts, begun, finished, reason, bars]` of a task."""
        pending = ["pending", 0, None, None, "", None]
        row = next((n for n, row in enumerate(self.rows) if row.get("id") == task), -1)
        return self.states.get(row, pending)


class Kernel:
    """A kernel process in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.manager = KernelManager(kernel_name="python3")
        # ipykernel warns of unencrypted sockets, which here are the loopback's
        self.manager.start_kernel(cwd=str(folder), extra_arguments=["--IPKernelApp.log_level=50"])
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE_S)
        self.cells: dict[str, Cell] = {}
        self.comms: dict[str, dict[str, Any]] = {}  # the state of each widget
        self.pages: dict[str, RoomPage] = {}
        self._places: dict[str, list[dict[str, Any]]] = {}  # display_id -> the outputs that hold it
        self._pid = self.manager.provisioner.process.pid

    def shutdown(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.context.destroy(linger=0)

    # -- asking --------------------------------------------------------------------------------

    def run(self, code: str, *, person: bool = False, **options: Any) -> Cell:
        return self.finish(self.start(code, person=person, **options))

    def ok(self, code: str, *, person: bool = False, **options: Any) -> Cell:
        """`run` of a cell that must not raise."""
        cell = self.run(code, person=person, **options)
        assert cell.reply["status"] == "ok", cell.error
        return cell

    def start(self, code: str, *, person: bool = False, **options: Any) -> Cell:
        cell = Cell(self.client.execute(code, allow_stdin=person, **options))
        self.cells[cell.id] = cell
        cell.seconds = -time.monotonic()
        return cell

    def finish(self, cell: Cell, timeout: float = PATIENCE_S) -> Cell:
        def over() -> bool:
            return cell.idle and bool(cell.reply)

        self.until(over, timeout)
        cell.seconds += time.monotonic()
        return cell

    def value(self, expression: str) -> str:
        """The repr of an expression in the user's namespace."""
        cell = self.ok(f"print(repr(({expression})), end='')")
        return cell.printed

    # -- what comes back -----------------------------------------------------------------------

    def until(self, ready: Callable[[], Any], timeout: float = PATIENCE_S) -> Any:
        """Take messages until `ready()` says something; its answer."""
        end = time.monotonic() + timeout
        while not (found := ready()):
            assert time.monotonic() < end, f"waited {timeout} s in vain"
            self._take(0.05)
        return found

    def listen(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._take(0.05)

    def _take(self, timeout: float) -> None:
        with contextlib.suppress(queue.Empty):
            self._hear(self.client.get_iopub_msg(timeout=timeout))
        with contextlib.suppress(queue.Empty):
            while True:
                reply = self.client.get_shell_msg(timeout=0)
                cell = self.cells.get(reply["parent_header"].get("msg_id", ""))
                if cell is not None:
                    cell.reply = reply["content"]

    def _hear(self, message: dict[str, Any]) -> None:
        kind, content = message["msg_type"], message["content"]
        cell = self.cells.get(message["parent_header"].get("msg_id", ""), Cell(""))
        if kind == "status":
            cell.idle = cell.idle or content["execution_state"] == "idle"
        elif kind == "stream" and cell.outputs and cell.outputs[-1].get("name") == content["name"]:
            cell.outputs[-1]["text"] += content["text"]
        elif kind in ("stream", "error"):
            cell.outputs.append({"output_type": kind, **content})
        elif kind in ("display_data", "execute_result"):
            output = {"output_type": kind, "data": content["data"]}
            cell.outputs.append(output)
            name = content.get("transient", {}).get("display_id")
            if name:
                self._places.setdefault(name, []).append(output)
        elif kind == "update_display_data":
            for output in self._places.get(content["transient"]["display_id"], ()):
                output["data"] = content["data"]
        elif kind == "clear_output":
            cell.outputs.clear()
        elif kind.startswith("comm_"):
            self._hear_comm(kind, content, message["buffers"])

    def _hear_comm(self, kind: str, content: dict[str, Any], buffers: list[Any]) -> None:
        """What is said to widgets."""
        name, data = content["comm_id"], content.get("data", {})
        if kind == "comm_open":
            self.comms[name] = dict(data.get("state", {}))
            if "codes" in self.comms[name]:
                self.pages[name] = RoomPage(name, self.comms[name])
                self.send({"ask": "hello"})
        elif kind == "comm_close":
            self.comms.pop(name, None)
            self.pages.pop(name, None)
        elif data.get("method") == "custom" and name in self.pages:
            self.pages[name].take(data["content"], buffers)
        elif data.get("method") == "update":
            state = self.comms.setdefault(name, {})
            state.update(data["state"])
            if name in self.pages:
                self.pages[name].head = state["head"]

    # -- a person's hands ----------------------------------------------------------------------

    @property
    def page(self) -> RoomPage | None:
        """The page of the room that is open: of several the one that was opened last."""
        return next(reversed(self.pages.values()), None)

    def state(self, task: str) -> str:
        """The status of a task as the page shows it; empty while there is no room."""
        return self.page.of(task)[0] if self.page is not None else ""

    def told(self, kind: str) -> dict[str, Any]:
        """The newest answer of a kind that a page was sent."""
        page = self.page
        assert page is not None
        return self.until(lambda: page.answers.pop(kind, None))

    def wish(self, verb: str, task: str | None = None, note: str = "") -> None:
        """Press a button of the room, once it is there."""
        shown = {"approve": "waiting", "reject": "waiting", "retry": "failed"}.get(verb)
        if task is not None and shown is not None:
            self.until(lambda: self.state(task) == shown)
        self.until(lambda: self.page is not None and self.page.head.get("steerable"))
        self.send({"do": verb, "task": task, "note": note})

    def send(self, content: dict[str, Any]) -> None:
        """A message of the page to its room."""
        assert self.page is not None, "no room is open"
        data = {"method": "custom", "content": content}
        message = self.client.session.msg("comm_msg", {"comm_id": self.page.id, "data": data})
        self.client.shell_channel.send(message)

    def completions(self, code: str, cursor: int | None = None) -> list[str]:
        where = len(code) if cursor is None else cursor
        reply = self.client.complete(code, where, reply=True, timeout=PATIENCE_S)
        return list(reply["content"]["matches"])

    def kill(self) -> None:
        """SIGKILL, as a machine that runs out of memory does."""
        os.kill(self._pid, signal.SIGKILL)


def new_kernel(folder: Path, *, loaded: bool = True) -> Kernel:
    kernel = Kernel(folder)
    if loaded:
        kernel.ok("%load_ext orch_nb")
    return kernel


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel that the tests of one file share, with the extension loaded."""
    made = new_kernel(tmp_path_factory.mktemp("kernel"))
    yield made
    made.shutdown()


@pytest.fixture
def kernels(tmp_path: Path) -> Iterator[Callable[[], Kernel]]:
    """Makes kernels of one folder, one after the other or side by side."""
    made: list[Kernel] = []

    def make(*, loaded: bool = True) -> Kernel:
        made.append(new_kernel(tmp_path / "work", loaded=loaded))
        return made[-1]

    yield make
    for one in made:
        one.shutdown()
