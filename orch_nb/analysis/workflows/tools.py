"""Commands that a configuration file shows the project to use, as workflows of the system `tool`.

The one task is the command: `python -m pytest` where there are tests, `ruff check .` where it is
configured, `go build ./...` in a Go module.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from orch_nb.analysis.manifests import line_of
from orch_nb.analysis.scan import File, Scan
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["tools"]

_TEST_FILE = re.compile(r"(^|/)(test_[^/]+|[^/]+_test)\.py$")


def tools(scan: Scan) -> Iterator[Workflow]:
    """Commands that the root's configuration shows the project to use."""
    root = {file.name: file for file in scan.files if not file.folder}
    pyproject = root.get("pyproject.toml")
    text = (scan.read(pyproject) or "") if pyproject else ""
    try:
        data: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        data = {}  # noted where components are read
    tool = data.get("tool") if isinstance(data.get("tool"), dict) else {}

    def configured(name: str, *files: str) -> Evidence | None:
        for own in files:
            if own in root:
                return Evidence(f"{name} is configured", own, 1)
        if isinstance(tool, dict) and name in tool:
            return Evidence(
                f"[tool.{name}]", "pyproject.toml", line_of(text, rf"^\[+tool\.{name}\b")
            )
        return None

    tests = next((f for f in scan.files if _TEST_FILE.search(f.path)), None)
    evidence = configured("pytest", "pytest.ini", "conftest.py")
    if evidence is None and tests is not None:
        evidence = Evidence("tests", tests.path, 1)
    if evidence is not None and tests is not None:
        yield Workflow("test", "tool", ("python -m pytest",), evidence)
    if evidence := configured("ruff", "ruff.toml", ".ruff.toml"):
        yield Workflow("lint", "tool", ("ruff check .",), evidence)
    elif evidence := configured("flake8", ".flake8"):
        yield Workflow("lint", "tool", ("flake8",), evidence)
    if evidence := configured("mypy", "mypy.ini", ".mypy.ini"):
        yield Workflow("types", "tool", ("mypy .",), evidence)
    if isinstance(data.get("build-system"), dict) and isinstance(data.get("project"), dict):
        line = line_of(text, r"^\[build-system\]")
        yield Workflow(
            "build",
            "tool",
            ("python -m build",),
            Evidence("[build-system]", "pyproject.toml", line),
        )
    yield from _compiled_tools(scan, root)


def _compiled_tools(scan: Scan, root: dict[str, File]) -> Iterator[Workflow]:
    if "Cargo.toml" in root:
        evidence = Evidence("a Cargo project", "Cargo.toml", 1)
        yield Workflow("test", "tool", ("cargo test",), evidence)
        yield Workflow("build", "tool", ("cargo build --release",), evidence)
    if "go.mod" in root:
        tests = next((f for f in scan.files if f.path.endswith("_test.go")), None)
        if tests is not None:
            yield Workflow("test", "tool", ("go test ./...",), Evidence("tests", tests.path, 1))
        yield Workflow("build", "tool", ("go build ./...",), Evidence("a Go module", "go.mod", 1))
