"""What six systems would do with a plan document and a failure in it."""

from __future__ import annotations

import argparse
import json

from orch_nb.cli.running import plan_of
from orch_nb.exchange import systems as asked
from orch_nb.render.systems_table import aftermath_bundle

__all__ = ["systems"]


def systems(arguments: argparse.Namespace) -> int:
    found = asked(plan_of(arguments.plan), arguments.fault)
    if arguments.json:
        print(json.dumps(found.df.to_dict("records"), ensure_ascii=False, indent=2))
    else:
        print(aftermath_bundle(found)["text/plain"])
    return 0
