"""Outputs: shown once, updated in place, frozen at the end.

Everything goes through `display_data` with a `display_id`, so that the same output can first hold a
live widget and then the static form that stays in the file. A widget view and static HTML never
stand in one bundle: without a kernel JupyterLab would show "Loading widget..." for it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from IPython import display as ipython_display
from IPython.core.getipython import get_ipython

__all__ = ["Slot", "in_kernel", "show", "watched"]


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
