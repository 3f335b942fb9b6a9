"""What XState does: `xstate_driver.mjs` in Node, and the process killed from outside."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import marks
from node import NODE_MODULES, package_version

PROGRAM = Path(__file__).with_suffix(".mjs")


def missing() -> str:
    there = shutil.which("node") and package_version("xstate")
    return "" if there else "npm install xstate (and Node 20)"


def versions() -> str:
    return f"{package_version('xstate')}, in Node"


def command(*arguments: str) -> list[str]:
    return [str(shutil.which("node")), str(PROGRAM), str(NODE_MODULES), *arguments]


def observe(scenarios: list[str]) -> dict[str, Any]:
    rest = [name for name in scenarios if name != "killed"]
    found: dict[str, Any] = {}
    if rest:
        ran = subprocess.run(
            command(*rest), capture_output=True, text=True, timeout=60, env=os.environ
        )
        if ran.returncode:
            raise RuntimeError(ran.stderr)
        found = json.loads(ran.stdout)
    if "killed" in scenarios:
        found["killed"] = killed()
    return found


def killed() -> dict[str, Any]:
    """A program that writes every snapshot of its actor, killed, and begun with the last."""
    with tempfile.TemporaryDirectory() as folder:
        file = str(Path(folder, "snapshot.json"))
        first = subprocess.Popen(command("--hold", file))
        marks.seen("killed.task")
        first.kill()
        first.wait()
        marks.mark("killed.kill", "ends")
        subprocess.run(command("--hold", file, file), check=True, timeout=60)
        return {"states": {"whole": json.loads(Path(file).read_text())["status"]}, "facts": {}}
