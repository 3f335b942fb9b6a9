"""BullMQ: plans as flows, where each task has at most one that waits for it, and flows as plans.

export(plan)              the tree that `FlowProducer.add` takes, as JSON
read(text, path)          a flow, in JSON or as the literal in a script, as a plan
recognises(text, path)    whether a file has a flow in it
"""

from __future__ import annotations

from orch_nb.formats.bullmq.flow import export
from orch_nb.formats.bullmq.reading import read, recognises

__all__ = ["export", "read", "recognises"]
