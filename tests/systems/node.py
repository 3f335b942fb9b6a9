"""Where Node's packages are: `ORCH_NB_NODE_MODULES`, or what `npm install` makes in the project."""

from __future__ import annotations

import json
import os
from pathlib import Path

NODE_MODULES = Path(
    os.environ.get("ORCH_NB_NODE_MODULES", Path(__file__).parents[2] / "node_modules")
)


def package_version(name: str) -> str:
    found = NODE_MODULES / name / "package.json"
    return str(json.loads(found.read_text())["version"]) if found.exists() else ""
