"""XState: plans as machines, and machines as plans where they do not go round.

export(plan)              a machine of XState 5 as JSON, without guards, and a driver for Node
read(text, path)          a machine, in JSON or as the literal in a script, as plan and chart
recognises(text, path)    whether a file has a machine in it
"""

from __future__ import annotations

from orch_nb.formats.xstate.machine import export
from orch_nb.formats.xstate.reading import read, recognises

__all__ = ["export", "read", "recognises"]
