"""Celery: plans as canvases, where their order is series and parallels, and canvases as plans.

export(plan)              a module with the tasks and the canvas, for `celery -A MODULE worker`
read(text, path)          the canvas in a module (never by running it), or one dumped as JSON
recognises(text, path)    whether a file has a canvas in it
"""

from __future__ import annotations

from orch_nb.formats.celery.canvas import export
from orch_nb.formats.celery.reading import read, recognises

__all__ = ["export", "read", "recognises"]
