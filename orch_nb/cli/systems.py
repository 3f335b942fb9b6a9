"""What six systems would do with a plan document and a failure in it."""

from __future__ import annotations

import argparse

from orch_nb import phases
from orch_nb.cli.running import plan_of
from orch_nb.render.systems_table import systems_bundle

__all__ = ["systems"]


def systems(arguments: argparse.Namespace) -> int:
    print(systems_bundle(phases.seen(plan_of(arguments.plan)), arguments.fault)["text/plain"])
    return 0
