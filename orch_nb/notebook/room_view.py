"""The page's half of a room: one anywidget, its program and its style in the folder `page`.

Traits are what a page shows that no message has reached: a kernel that is kept busy by its cell
hears nothing and yet has its pages follow. All else goes as messages.

From the page:

    {"ask": "hello"}                        a page was opened, reloaded, or is a second view
    {"ask": "card", "task": id}             {"ask": "section", "name": "ANALYZE"}
    {"ask": "log", "task": id or "", "after": seq}
    {"ask": "drawing", "open": "all" | "none" | ["open", group]}
    {"ask": "history"}                      {"ask": "see", "rows": [row, ...]}
    {"do": verb, "task": id or null, "note": text}

To the page, each with `kind`; what may be long is JSON in the message's buffer, `long` its name:

    rows     rows of what came to be in the run, after the plan's: {"from": n, "rows": [...]}
    states   [[row, status, attempts, begun, finished, reason, bars], ...] and `now`, seconds
    head     what stands above the tabs, as the trait of that name
    card, log, section, drawing, history     the answers
    printed  there are new lines of output;  refused: why a wish cannot be granted
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from orch_nb.model.status import Status
from orch_nb.render.palette import CRITICAL, GREY, LOOKS

__all__ = ["CODES", "LETTERS", "RoomView", "looks", "program"]

_PAGE = Path(__file__).parent / "page"

#: One letter a status, for the trait `states`.
LETTERS = {status.value: letter for status, letter in zip(Status, "abcdefghijklmnop", strict=False)}
CODES = {letter: status for status, letter in LETTERS.items()}


@functools.cache
def program() -> str:
    """The page's program: the files of `page` in the order of their names, as one module."""
    return "\n".join(part.read_text("utf-8") for part in sorted(_PAGE.glob("*.js")))


def looks() -> dict[str, Any]:
    """The palette, for the page."""
    found: dict[str, Any] = {
        state: {"glyph": one.glyph, "word": one.word, "text": one.text, "fill": one.fill}
        for state, one in LOOKS.items()
    }
    return {**found, "_grey": GREY, "_critical": CRITICAL}


class RoomView(anywidget.AnyWidget):
    """The widget of a run: see the module's docstring for what goes to and fro."""

    _esm = program()
    _css = (_PAGE / "room.css").read_text("utf-8")
    goal = traitlets.Unicode("").tag(sync=True)
    run_id = traitlets.Unicode("").tag(sync=True)
    rows = traitlets.Unicode("[]").tag(sync=True)  # JSON: ten thousand are sent as one value
    states = traitlets.Unicode("").tag(sync=True)
    codes = traitlets.Dict(CODES).tag(sync=True)
    head = traitlets.Dict({}).tag(sync=True)
    drawing = traitlets.Dict({}).tag(sync=True)
    looks = traitlets.Dict({}).tag(sync=True)
    started = traitlets.Float(0.0).tag(sync=True)
    hears = traitlets.Bool(True).tag(sync=True)

    def __repr__(self) -> str:
        """What stands in a file, and where no widgets are."""
        return f"The live room of run {self.run_id or 'that begins'}: it needs its kernel."

    deaf = traitlets.Unicode("").tag(sync=True)
