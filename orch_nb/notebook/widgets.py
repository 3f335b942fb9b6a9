"""The room: what a person sees and steers while a run goes on.

    Room(live)   one ipywidgets box a run: a progress bar, buttons, and the live view
    RoomView     the live view: header, todo list and drawing in one anywidget, which takes deltas

The engine's thread only notes which tasks have changed; a thread of the room's own sends what
changed, at most seven times a second, whatever the number of events, and is the only one to touch
the widgets. Buttons do one thing: they put a wish into the engine's inbox.
"""

from __future__ import annotations

import contextvars
import getpass
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets

from orch_nb.engine.session import LiveRun
from orch_nb.model.event import Event
from orch_nb.model.fold import RunState
from orch_nb.model.plan import Plan
from orch_nb.model.quantity import times
from orch_nb.model.status import Status
from orch_nb.model.task_state import TaskState
from orch_nb.render.drawing import plan_svg
from orch_nb.render.facts import entries
from orch_nb.render.palette import CRITICAL, GREY, LOOKS
from orch_nb.render.sketch import node_ids

__all__ = ["Room", "RoomView"]

_HERE = Path(__file__).parent
_PERIOD_S = 0.15
_WAITS_S = 1.0  # between two looks at what tasks wait for
_WAITING = 300  # tasks whose reason to wait is kept up to date
_RETRIES = 20  # buttons for instances that failed
_DRAWN = 120  # tasks; above, the todo list alone


class RoomView(anywidget.AnyWidget):
    """The page's half stands in room.js. Traits are set once; changes go as messages:

    `{"tasks": [[row, status, attempts, started, finished, reason], ...], "counts": {...},
    "now": seconds, "ended": bool}`; `{"hello": true}` from the page asks for everything anew.
    """

    _esm = _HERE / "room.js"
    _css = _HERE / "room.css"
    goal = traitlets.Unicode("").tag(sync=True)
    rows: traitlets.List[Any] = traitlets.List([]).tag(sync=True)
    svg = traitlets.Unicode("").tag(sync=True)
    looks = traitlets.Dict({}).tag(sync=True)
    started = traitlets.Float(0.0).tag(sync=True)


class Room:
    """The widgets of one run. `widget` is shown; `close` when the run's static form takes over."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._dirty: set[str] = set()
        self._everything = True
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._live: LiveRun | None = None
        self._thread: threading.Thread | None = None
        self._order = [entry.task.id for entry in entries(plan) if entry.task is not None]
        self._row = {task: n for n, task in enumerate(self._order)}
        self._gates: dict[str, ipywidgets.Widget] = {}
        self._retries: dict[str, ipywidgets.Button] = {}
        self._whys: dict[str, str] = {}
        self._next_waits = 0.0
        self._paused = False
        self.view = RoomView(
            goal=plan.goal, rows=_rows(plan), looks=_looks(), svg=_svg(plan), started=time.time()
        )
        self.view.on_msg(self._on_message)
        self.bar = ipywidgets.IntProgress(
            0, 0, max(1, len(plan)), layout=ipywidgets.Layout(width="320px", height="14px")
        )
        self.bar.tooltip = "tasks that have ended"
        self.cancel = self._button("Cancel", "stop", "Cancel the run", lambda: self._wish("cancel"))
        self.hold = self._button("Pause", "pause", "Start no further task", self._pause)
        self.asks = ipywidgets.VBox([])
        self.again = ipywidgets.HBox([], layout=ipywidgets.Layout(flex_flow="row wrap"))
        bar = ipywidgets.HBox(
            [self.bar, self.hold, self.cancel], layout=ipywidgets.Layout(align_items="center")
        )
        self.widget = ipywidgets.VBox([bar, self.asks, self.again, self.view])

    # -- the engine's side ---------------------------------------------------------------------

    def __call__(self, events: Sequence[Event], state: RunState) -> None:
        """The observer: note what changed. Called on the engine's thread."""
        names = {name for event in events if (name := getattr(event, "task", None)) is not None}
        for event in events:
            names.update(getattr(event, "reset", ()))
        with self._lock:
            self._dirty |= names

    def attach(self, live: LiveRun) -> None:
        """Begin to send what changes in `live`."""
        self._live = live
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._send_changes,), name="orch_nb-room", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop sending and close every widget."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2)
        _close(self.widget)

    # -- sending -------------------------------------------------------------------------------

    def _send_changes(self) -> None:
        assert self._live is not None
        # A run that goes on first stands where it stood, for as long as a turn takes.
        self._stop.wait(_PERIOD_S)
        while not self._stop.is_set():
            ended = self._live.done.is_set()
            self._send()
            if ended:
                return
            self._stop.wait(_PERIOD_S)

    def _send(self) -> None:
        assert self._live is not None
        self._note_waits()
        with self._lock:
            dirty, self._dirty = self._dirty, set()
            everything, self._everything = self._everything, False
        tasks = self._live.driver.state.tasks
        if (not dirty and not everything) or not tasks:
            return
        self._show_pause()
        derived = self._live.driver.state.derived
        for name in [n for n in dirty if n in derived]:  # an instance is shown in its task's row
            dirty.add(derived[name].of or "")
            if len(self._retries) < _RETRIES or name in self._retries:
                self._offer(derived[name])
        changed = self._order if everything else [task for task in dirty if task in self._row]
        counts: dict[str, int] = {}
        for task in tasks.values():
            counts[task.status] = counts.get(task.status, 0) + 1
        self.view.send(
            {
                "tasks": [self._delta(tasks[task]) for task in changed],
                "counts": counts,
                "now": time.time(),
            }
        )
        self.bar.value = sum(n for status, n in counts.items() if Status(status).ended)
        for name in changed:
            self._offer(tasks[name])

    def _delta(self, task: TaskState) -> list[Any]:
        started = task.begun
        reason = task.reason
        error = task.last_error
        if task.status is Status.BACKING_OFF and error is not None:
            reason = f"failed {times(task.tries)}, last: {error}"
        elif task.status is Status.FAILED and error is not None:
            reason = str(error)
        elif task.instances is not None and not task.status.ended:
            reason = self._instances(task)
        elif task.cached:
            reason = f"kept result of run {task.cached}"
        if not reason and not task.status.ended and task.status is not Status.RUNNING:
            reason = self._whys[task.task] = self._why(task.task)
        finished = task.finished if task.status.ended else None
        return [
            self._row[task.task], task.status.value, task.tries, started, finished, reason[:300],
        ]  # fmt: skip

    def _instances(self, group: TaskState) -> str:
        """How the instances of a `foreach` task stand."""
        assert self._live is not None
        derived = self._live.driver.state.derived
        each = [derived.get(f"{group.task}[{n}]") for n in range(group.instances or 0)]
        ended = sum(t is not None and t.status.ended for t in each)
        failed = sum(t is not None and t.status is Status.FAILED for t in each)
        return f"{ended} of {len(each)} instances ended" + (f", {failed} failed" if failed else "")

    def _why(self, task: str) -> str:
        assert self._live is not None
        try:
            return self._live.driver.why(task)
        except (KeyError, IndexError):  # it changed on the engine's thread while it was looked at
            return ""

    def _note_waits(self) -> None:
        """Once a second, have those sent whose reason to wait has changed, as far as they are
        shown at once."""
        assert self._live is not None
        if time.monotonic() < self._next_waits:
            return
        self._next_waits = time.monotonic() + _WAITS_S
        tasks = self._live.driver.state.tasks
        waiting = [n for n in self._order if n in tasks and not tasks[n].status.ended][:_WAITING]
        changed = {name for name in waiting if self._whys.get(name, "") != self._why(name)}
        with self._lock:
            self._dirty |= changed

    def _offer(self, task: TaskState) -> None:
        """The buttons that a task's state calls for; gone when it no longer does."""
        name = task.task
        if task.status is Status.WAITING and name not in self._gates:
            self._gates[name] = self._gate(name, task.reason)
            self.asks.children = (*self.asks.children, self._gates[name])
        elif task.status is not Status.WAITING and name in self._gates:
            gone = self._gates.pop(name)
            self.asks.children = tuple(self._gates.values())
            _close(gone)
        failed = task.status is Status.FAILED
        if failed and name not in self._retries:
            self._retries[name] = self._button(
                f"Retry {name}", "refresh", f"Try {name} anew", lambda: self._wish("retry", name)
            )
            self.again.children = tuple(self._retries.values())
        elif not failed and name in self._retries:
            button = self._retries.pop(name)
            self.again.children = tuple(self._retries.values())
            _close(button)

    def _gate(self, name: str, prompt: str) -> ipywidgets.Widget:
        todo = self.plan[name].todo is not None
        yes, no = ("Done", "Not done") if todo else ("Approve", "Reject")
        label = ipywidgets.HTML()
        label.value = f"<b>{_escaped(name)}</b>&ensp;{_escaped(prompt)}"
        approve = self._button(yes, "check", f"{yes}: {name}", lambda: self._wish("approve", name))
        reject = self._button(no, "times", f"{no}: {name}", lambda: self._wish("reject", name))
        approve.button_style = "success"
        return ipywidgets.HBox(
            [label, approve, reject], layout=ipywidgets.Layout(align_items="center")
        )

    # -- the person's side ---------------------------------------------------------------------

    def _button(
        self, text: str, icon: str, tooltip: str, do: Callable[[], None]
    ) -> ipywidgets.Button:
        button = ipywidgets.Button(
            description=text, icon=icon, tooltip=tooltip, layout=ipywidgets.Layout(width="auto")
        )

        def clicked(_: Any) -> None:
            button.disabled = True  # until the engine's answer changes the room
            do()

        button.on_click(clicked)
        return button

    def _wish(self, verb: str, *task: str) -> None:
        if self._live is not None:
            getattr(self._live, verb)(*task, by=_person())

    def _pause(self) -> None:
        self._wish("resume" if self._paused else "pause")

    def _show_pause(self) -> None:
        """The button says what it would do now."""
        assert self._live is not None
        paused = self._live.driver.state.paused
        if paused != self._paused:
            self._paused = paused
            self.hold.description = "Resume" if paused else "Pause"
            self.hold.icon = "play" if paused else "pause"
            self.hold.tooltip = "Start tasks again" if paused else "Start no further task"
            self.hold.disabled = False

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        if isinstance(content, dict) and content.get("hello"):
            with self._lock:
                self._everything = True


def _close(widget: ipywidgets.Widget) -> None:
    """Close a widget and all that it made: its children, and the layout and style that it owns."""
    for child in getattr(widget, "children", ()):
        _close(child)
    for part in (getattr(widget, "layout", None), getattr(widget, "style", None)):
        if isinstance(part, ipywidgets.Widget):
            part.close()
    widget.close()


def _person() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a user name
        return "a person"


def _escaped(text: str) -> str:
    import html

    return html.escape(text)


def _rows(plan: Plan) -> list[dict[str, Any]]:
    """The todo list's rows: stories have no `task`; `task` is the index that deltas speak of."""
    rows: list[dict[str, Any]] = []
    number = 0
    nodes = node_ids(plan)
    for entry in entries(plan):
        if entry.task is None:
            assert entry.story is not None
            rows.append({"depth": entry.depth, "label": entry.story.label})
        else:
            task = entry.task
            rows.append(
                {
                    "depth": entry.depth, "label": task.label, "id": task.id, "task": number,
                    "node": nodes[task.id], "needs": list(task.needs or ()),
                }
            )  # fmt: skip
            number += 1
    return rows


def _looks() -> dict[str, Any]:
    found: dict[str, Any] = {
        state: {"glyph": one.glyph, "word": one.word, "text": one.text, "fill": one.fill}
        for state, one in LOOKS.items()
    }
    return {**found, "_grey": GREY, "_critical": CRITICAL}


def _svg(plan: Plan) -> str:
    return plan_svg(plan, {}) if 0 < len(plan) <= _DRAWN else ""
