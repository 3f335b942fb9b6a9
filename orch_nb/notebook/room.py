"""The room: what a person sees of a run and steers it by, live.

    Room(subject)     a widget for a run of this kernel (`Here`) or of a journal (`Elsewhere`)
    room.start()      begins to send what changes
    room.close()      ends it; a page that was reloaded meanwhile keeps what it shows

A thread of the room's own does everything: it sends what changed, at most seven times a second
whatever the number of events, answers what pages ask, and hands wishes on. It takes a twenty-fifth
of a processor at most: what it has used decides when it looks again. Messages of pages arrive on
whatever thread the kernel hears on, and only go into its inbox.
"""

from __future__ import annotations

import contextvars
import functools
import getpass
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from orch_nb.engine.session import LiveRun
from orch_nb.errors import OrchestrationError
from orch_nb.graph.topology import downstream, upstream
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task_state import TaskState
from orch_nb.notebook.cards import card
from orch_nb.notebook.head import Head
from orch_nb.notebook.moments import moments
from orch_nb.notebook.room_view import LETTERS, RoomView, looks
from orch_nb.notebook.rows import Rows
from orch_nb.notebook.standing import Standing
from orch_nb.notebook.subjects import Here, Subject
from orch_nb.render import html
from orch_nb.render.document import Section
from orch_nb.render.plaintext import one_line
from orch_nb.render.zoom import Zoomed, zoomed

__all__ = ["Room", "person"]

_PERIOD_S = 0.14
_SHARE = 33  # of the time, one part may be spent on sending what changed
_OUTLOOKS = 100  # and one on how long it will still take
_SLOWEST_S = 3.0
_HEAD_S = 1.0
_LETTERS_S = 2.0
_REASON = 300
_BARS = 12
_LINES = 2000
_DEAF = (
    "This cell keeps the kernel busy, so the buttons rest until it ends. "
    "`await nb.execute_async(...)` and %%orchestrate leave it free; from a terminal: "
    "orch-nb pause | cancel | approve | retry."
)

_log = logging.getLogger("orch_nb")

#: Goes on with a run that nobody performs: (verb, task, note) -> what performs it now.
GoOn = Callable[[str, str | None, str], Subject]


def person() -> str:
    """Who sits at the page, as far as the machine knows."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container without a user name
        return "a person"


class Room:
    """The widget of one run. `view` is shown."""

    def __init__(
        self, subject: Subject, *, hears: bool = True, go_on: GoOn | None = None, goal: str = ""
    ) -> None:
        self.subject = subject
        self._go_on = go_on
        self.rows = Rows(subject.plan)
        self._up, self._down = upstream(subject.plan), downstream(subject.plan)
        self._inbox: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._head, self._standing = Head(), Standing()
        self._opened: tuple[str, ...] | None = None
        self._zoom: Zoomed | None = None
        pending = LETTERS["pending"]
        self._letters = [pending if name is not None else "-" for name in self.rows.names]
        self._whys: dict[str, str] = {}
        self._seen: list[str] = []
        self._everything = True
        self._closed = self._complained = False
        self._pages = 0
        self._due_head = self._due_letters = self._due_whys = 0.0
        self._printed = 0
        self.used_s = 0.0
        title = (goal or subject.plan.goal).strip().split("\n")[0]
        self.view = RoomView(
            goal=one_line(title, 160), rows=msgspec.json.encode(self.rows.every).decode(),
            looks=looks(), started=time.time(), hears=hears, deaf=_DEAF, run_id=subject.run_id,
            states="".join(self._letters), drawing=self._drawing(),
        )  # fmt: skip
        self.view.on_msg(self._on_message)

    # -- from outside --------------------------------------------------------------------------

    def phase(self, name: str, make: Callable[[], Section], finding: str = "") -> None:
        """Tell of a phase that has something to show; `make` is called when somebody looks."""
        self._head.phase(name, make, finding)

    def phases(self, sections: Mapping[str, Section]) -> None:
        """`phase` for those that a cell has shown already."""
        for name, section in sections.items():
            if name != "EXECUTE":
                self._head.phase(name, functools.partial(_same, section), section.finding)

    def attach(self, live: LiveRun) -> None:
        """`start` for a run of this kernel."""
        assert isinstance(self.subject, Here)
        self.subject.attach(live)
        self.view.run_id = self.subject.run_id
        self.start()

    def start(self) -> None:
        """Begin to send what changes. The run has begun."""
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._work,), name="orch_nb-room", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Show how it ended, and close the widget; one that a reloaded page holds stays."""
        self._closed = True
        self._inbox.put(None)
        if self.reloaded:
            return
        if self._thread is not None:
            self._thread.join(3)
        if self.view.layout is not None:  # a widget of its own
            self.view.layout.close()
        self.view.close()

    def left(self, sections: Mapping[str, Section]) -> None:
        """What the run has left: for a page whose room stays."""
        if self.reloaded:
            self.phases(sections)
            self._due_head = 0.0
            self._inbox.put({})

    @property
    def reloaded(self) -> bool:
        """Whether another page than the first shows it."""
        return self._pages > 1

    def _on_message(self, _: Any, content: Any, __: Any) -> None:
        if isinstance(content, dict):
            self._inbox.put(content)

    # -- the room's thread ---------------------------------------------------------------------

    def _work(self) -> None:
        pause = _PERIOD_S
        told_end = False
        while True:
            message = self._next(None if told_end else pause)
            began = time.thread_time()
            try:
                while message is not None:
                    self._answer(message)
                    message = self._next(0)
                told_end = not self.subject.live  # before what is sent: the end itself is in it
                self._send()
            except Exception:  # noqa: BLE001  # showing a run must never end it: told, and gone on
                if not self._complained:  # of what comes again several times a second, once
                    self._complained = True
                    _log.exception("the live room could not show a change")
            used = time.thread_time() - began
            self.used_s += used
            used -= self._head.took_s()
            pause = min(_SLOWEST_S, max(_PERIOD_S, used * _SHARE))
            if self._closed and not self.reloaded:
                return

    def _next(self, wait_s: float | None) -> dict[str, Any] | None:
        if self._closed and self.reloaded and wait_s is None:
            return self._inbox.get()
        try:
            return self._inbox.get(timeout=wait_s) if wait_s else self._inbox.get(wait_s is None)
        except queue.Empty:
            return None

    def _send(self) -> None:
        subject = self.subject
        names = subject.changed()
        tasks, derived = subject.state.tasks, subject.state.derived
        if not tasks:
            return
        self._note_waits(names)
        if self._everything:  # a page begins with all pending
            names |= {n for n, task in tasks.items() if task.status is not Status.PENDING}
            names |= set(derived)
        self._add_rows(sorted(name for name in names if name in derived))
        names |= {task.of for name in names if (task := derived.get(name)) and task.of}
        # Instances first: how they stand is what their group says.
        states = [self._state(derived[name]) for name in names if name in derived]
        states += [self._state(tasks[name]) for name in names if name in tasks]
        for at in range(0, len(states), 2000):
            part = states[at : at + 2000]
            self._post({"kind": "states", "now": time.time()}, states=part)
        self._everything = False
        self._tell_head(force=not subject.live)
        if time.monotonic() > self._due_letters or not subject.live:
            self._due_letters = time.monotonic() + _LETTERS_S
            self.view.states = "".join(self._letters)
            self._tell_printed()

    def _post(self, message: dict[str, Any], **long: Any) -> None:
        """Send a message whose long part goes as bytes: the kernel would look at each value of it
        on the way, which costs several times the rest."""
        ((name, value),) = long.items()
        self.view.send({**message, "long": name}, buffers=[msgspec.json.encode(value)])

    def _add_rows(self, names: list[str]) -> None:
        derived = self.subject.state.derived
        at = len(self.rows.every)
        # In the order of their places: fetch[2] before fetch[10].
        for name in sorted(names, key=lambda n: (derived[n].of or "", derived[n].index or 0, n)):
            self.rows.derive(derived[name])
        if self._everything:
            at = self.rows.planned
        for start in range(at, len(self.rows.every), 2000):
            part = self.rows.every[start : start + 2000]
            self._post({"kind": "rows", "from": start}, rows=part)

    def _state(self, task: TaskState) -> list[Any]:
        row = self.rows.of[task.task]
        if row < self.rows.planned:
            self._letters[row] = LETTERS[task.status.value]
        return [row, *self._standing.of(task, self._whys.get(task.task, ""))]

    def _note_waits(self, names: set[str]) -> None:
        """Once a second, what the tasks in sight wait for: nobody pays for what nobody sees."""
        if time.monotonic() < self._due_whys:
            return
        self._due_whys = time.monotonic() + 1.0
        tasks = self.subject.state.tasks
        for name in self._seen:
            task = tasks.get(name)
            if task is None or task.status.ended or task.status is Status.RUNNING:
                continue
            why = self.subject.why(name)
            if self._whys.get(name) != why:
                self._whys[name] = why
                names.add(name)

    def _tell_printed(self) -> None:
        newest = self.subject.journal.read_lines(self.subject.run_id, most=1)
        if newest and newest[-1].seq != self._printed:
            self._printed = newest[-1].seq
            self.view.send({"kind": "printed"})

    # -- what stands above the tabs ------------------------------------------------------------

    def _tell_head(self, *, force: bool = False) -> None:
        if time.monotonic() < self._due_head and not force:
            return
        self._due_head = time.monotonic() + _HEAD_S
        live = self.subject.live
        head = {
            **self._head.made(self.subject), "hears": bool(self.view.hears) or not live,
            "note": self._note(live), "steerable": live or self._go_on is not None,
        }  # fmt: skip
        if head != self.view.head:
            self.view.head = head
        if self.view.run_id != head["run_id"]:
            self.view.run_id = head["run_id"]

    def _note(self, live: bool) -> str:
        """Why nothing new comes of a run that another system owns; and what a page that was
        reloaded has to know at the end: nobody can reach its output."""
        state = self.subject.state
        if live:
            return self.subject.trouble
        if state.options.on and state.status is RunStatus.RUNNING:
            return (
                f"The run goes on at {state.options.on}, and nobody follows it. It is followed "
                f"again with: %orchestrate open {state.run_id}"
            )
        if not self.reloaded or self._go_on is not None:
            return ""
        return (
            "This page was opened while the run went on, so the report is not in its notebook. "
            f"It is there with: %orchestrate open {self.subject.state.run_id}"
        )

    # -- what pages ask ------------------------------------------------------------------------

    def _answer(self, message: Mapping[str, Any]) -> None:
        if "do" in message:
            self._do(str(message["do"]), message.get("task"), str(message.get("note") or ""))
            return
        ask = message.get("ask")
        if ask == "hello":
            self._pages += 1
            self._everything = True
            self._due_head = 0.0
        elif ask == "see":
            rows = [n for n in message.get("rows", ()) if isinstance(n, int)][:100]
            names = self.rows.names
            self._seen = [name for n in rows if n < len(names) and (name := names[n]) is not None]
            self._due_whys = 0.0
        elif ask == "card":
            self._send_card(str(message.get("task")))
        elif ask == "log":
            self._send_log(str(message.get("task") or ""), int(message.get("after") or 0))
        elif ask == "section" and message.get("name") in self._head.sections:
            name = str(message["name"])
            self.view.send({"kind": "section", "name": name, "html": self._section(name)})
        elif ask == "drawing":
            self._zoom_to(message.get("open"))
            self.view.send({"kind": "drawing", "drawing": self._drawing()})
        elif ask == "history":
            history, _ = self.subject.journal.news(self.subject.run_id)
            found = moments(history, self.rows)
            self._everything = True  # rows that the history alone has are sent first
            self._add_rows([])
            self._post({"kind": "history"}, moments=found)

    def _do(self, verb: str, task: str | None, note: str) -> None:
        """Hand a wish on; one that cannot be granted is told on the page."""
        try:
            if self.subject.live:
                for one in self._failed() if verb == "retry" and task is None else [task]:
                    self.subject.wish(verb, one, person(), note)
            elif self._go_on is not None:
                self._switch(self._go_on(verb, task, note))
            else:
                self._refuse(f"The run has ended: %orchestrate open {self.subject.run_id}")
        except (OrchestrationError, ValueError, LookupError) as error:
            self._refuse(str(error))

    def _failed(self) -> list[str | None]:
        tasks = self.subject.state.tasks
        return [name for name, task in tasks.items() if task.status is Status.FAILED]

    def _refuse(self, text: str) -> None:
        self.view.send({"kind": "refused", "text": text})

    def _switch(self, subject: Subject) -> None:
        """The run goes on, performed by somebody else than before."""
        self.subject = subject
        self._everything = True
        self._due_head = 0.0
        self._inbox.put({})  # to look again at once

    def _send_card(self, task: str) -> None:
        derived = self.subject.state.derived.get(task)
        above = derived.of if derived is not None and derived.of else task
        needs, below = list(self._up.get(above, ())), list(self._down.get(above, ()))
        self.view.send(card(self.subject, task, needs, below))

    def _send_log(self, task: str, after: int) -> None:
        lines = self.subject.journal.read_lines(
            self.subject.run_id, after=after, task=task or None, most=_LINES
        )
        told = [[one.seq, one.task, one.attempt, one.stream, one.text, one.at] for one in lines]
        message = {"kind": "log", "task": task, "begun": not after, "more": len(told) >= _LINES}
        self._post(message, lines=told)

    def _section(self, name: str) -> str:
        section = msgspec.structs.replace(self._head.sections[name](), open=True)
        return html.wrap(html.section_html(section))

    def _zoom_to(self, wanted: Any) -> None:
        now = self._zoom
        if wanted == "none":
            self._opened = ()
        elif wanted == "all" and now is not None:
            self._opened = (*now.opened, *now.closed)
        elif isinstance(wanted, list) and len(wanted) == 2 and now is not None:
            self._opened = (*now.opened, str(wanted[1]))

    def _drawing(self) -> dict[str, Any]:
        self._zoom = zoomed(self.subject.plan, self._opened) if len(self.subject.plan) else None
        if self._zoom is None:
            return {}
        nodes = {
            element: of if isinstance(of, str) else {"key": of[0], "tasks": list(of[1])}
            for element, of in self._zoom.nodes.items()
        }
        return {
            "svg": self._zoom.svg, "nodes": nodes, "edges": [list(e) for e in self._zoom.edges],
            "opened": len(self._zoom.opened), "closed": len(self._zoom.closed),
            "note": self._zoom.note,
        }  # fmt: skip


def _same(section: Section) -> Section:
    return section
