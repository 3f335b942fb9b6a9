"""Where Node's packages are: in the folder that `ORCH_NB_NPM` names, or in the project's."""

from __future__ import annotations

import json
import os
from pathlib import Path

NODE_MODULES = Path(os.environ.get("ORCH_NB_NPM", Path(__file__).parents[2])) / "node_modules"


def package_version(name: str) -> str:
    found = NODE_MODULES / name / "package.json"
    return str(json.loads(found.read_text())["version"]) if found.exists() else ""
