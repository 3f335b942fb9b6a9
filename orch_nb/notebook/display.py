"""Outputs: shown once, updated in place, frozen at the end.

Everything goes through `display_data` with a `display_id`, so that the same output can first hold a
live widget and then the static form that stays in the file. A widget view and static HTML never
stand in one bundle: without a kernel JupyterLab would show "Loading widget..." for it.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from IPython.core.getipython import get_ipython
from IPython.display import display, publish_display_data

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


def show(bundles: Sequence[Mapping[str, Any]]) -> None:
    """Display mimebundles, each as an output of its own."""
    for bundle in bundles:
        publish_display_data(dict(bundle))


class Slot:
    """One output whose content changes. `show` the first time, `update` afterwards."""

    def __init__(self) -> None:
        self._id = uuid.uuid4().hex
        self._shown = False

    def show(self, bundle: Mapping[str, Any]) -> None:
        """Display or replace the content with a mimebundle."""
        transient = {"display_id": self._id}
        publish_display_data(dict(bundle), transient=transient, update=self._shown)
        self._shown = True

    def show_widget(self, widget: Any) -> None:
        """Display or replace the content with a live widget."""
        if self._shown:
            from IPython.display import update_display

            update_display(widget, display_id=self._id)
        else:
            display(widget, display_id=self._id)
        self._shown = True
