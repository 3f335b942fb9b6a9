"""Outputs: shown once, updated in place, frozen at the end.

Everything goes through `display_data` with a `display_id`, so that the same output can first hold a
live widget and then the static form that stays in the file. A widget view and static HTML never
stand in one bundle: without a kernel JupyterLab would show "Loading widget..." for it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from IPython import display as ipython_display
from IPython.core.getipython import get_ipython

from orch_nb.errors import OrchestrationError

__all__ = [
    "Slot",
    "body_filename",
    "heard",
    "in_kernel",
    "polling",
    "show",
    "show_only_frames_of",
    "watched",
]


def in_kernel() -> bool:
    """Whether outputs can be updated: a Jupyter kernel, not a terminal."""
    return getattr(get_ipython(), "kernel", None) is not None


def watched() -> bool:
    """Whether a person is there: a frontend that answers questions sent this request.

    nbclient, papermill and nbmake send `allow_stdin: false`; JupyterLab, Notebook and VS Code send
    true.
    """
    kernel = getattr(get_ipython(), "kernel", None)
    return bool(getattr(kernel, "_allow_stdin", False))


def heard() -> bool:
    """Whether clicks reach the kernel while an async cell runs: ipykernel 7 takes messages of
    widgets meanwhile, an older one where jupyter-ui-poll fetches them (`polling`)."""
    return not _old_kernel() or importlib.util.find_spec("jupyter_ui_poll") is not None


def _old_kernel() -> bool:
    kernel: Any = getattr(get_ipython(), "kernel", None)
    if not type(kernel).__module__.startswith("ipykernel"):
        return False
    from ipykernel._version import __version__

    return int(__version__.split(".")[0]) < 7


def polling() -> Any:
    """A context that gives `poll(n)`, which takes up to n messages of pages while a cell runs, or
    None where nothing has to be fetched. Other cells' requests are kept for later by it.

    `with` it poll blocks, `async with` it is awaited.
    """
    if not _old_kernel() or not heard():
        return None
    from jupyter_ui_poll import ui_events

    return ui_events()


def body_filename(body: str) -> str:
    """What tracebacks call the body of the cell that runs: `<%%orchestrate in cell 5, 1f3a>`.

    The digest keeps apart what has the same count: cells in a cell, and cells without a history.
    """
    count = getattr(get_ipython(), "execution_count", 0)
    digest = hashlib.sha256(body.encode("utf-8", "replace")).hexdigest()[:4]
    return f"<%%orchestrate in cell {count}, {digest}>"


def show_only_frames_of(filename: str, error: BaseException) -> None:
    """Have IPython show an error of the person's code from its first line in `filename` on.

    Above it stand only the frames that led there, ours. Errors of our own have no frames at all.
    """
    shell = get_ipython()
    first = error.__traceback__
    while first is not None and first.tb_frame.f_code.co_filename != filename:
        first = first.tb_next
    if shell is None or first is None or isinstance(error, OrchestrationError):
        return

    def render() -> Any:
        return shell.InteractiveTB.structured_traceback(type(error), error, first)

    # IPython asks an exception for its own rendering before it makes one.
    error._render_traceback_ = render  # type: ignore[attr-defined]


# IPython's display functions have no types.
_publish: Any = ipython_display.publish_display_data
_display: Any = ipython_display.display
_update: Any = ipython_display.update_display


def show(bundles: Sequence[Mapping[str, Any]]) -> None:
    """Display mimebundles, each as an output of its own."""
    for bundle in bundles:
        _publish(dict(bundle))


class Slot:
    """One output whose content changes: the first `show` displays it, the next ones replace it."""

    def __init__(self) -> None:
        self._id = uuid.uuid4().hex
        self._shown = False

    def show(self, bundle: Mapping[str, Any]) -> None:
        """Display or replace the content with a mimebundle."""
        _publish(dict(bundle), transient={"display_id": self._id}, update=self._shown)
        self._shown = True

    def show_widget(self, widget: Any) -> None:
        """Display or replace the content with a live widget."""
        show_it = _update if self._shown else _display
        show_it(widget, display_id=self._id)
        self._shown = True
