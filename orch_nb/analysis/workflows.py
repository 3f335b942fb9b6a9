"""How work already flows through a codebase: CI files, Makefiles, scripts, DAGs, task queues.

Each finding has its file and line and the names of its tasks, as far as they can be read without
running anything. Systems: `github_actions`, `gitlab_ci`, `make`, `npm`, `airflow`, `celery`, and
`tool`, a check or build that a configuration file shows the project to use: its one task is the
command (`pytest` where there are tests, `ruff check .` where it is configured).
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import yaml

from orch_nb.analysis.manifests import compose_nodes, line_of
from orch_nb.analysis.python_source import airflow_dags, celery_tasks
from orch_nb.analysis.scan import File, Scan, of_tests
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["a_test", "workflows"]

_ACTIONS = re.compile(r"^\.github/workflows/[^/]+\.ya?ml$")
_MAKEFILES = frozenset({"Makefile", "GNUmakefile", "makefile"})
_TARGET = re.compile(r"^(?P<names>[A-Za-z0-9][\w./ -]*?)\s*:(?![=:])", re.MULTILINE)
_GITLAB_KEYS = frozenset(
    "default include stages variables workflow image services cache before_script "
    "after_script pages:deploy".split()
)
_TEST_FILE = re.compile(r"(^|/)(test_[^/]+|[^/]+_test)\.py$")
_ANY_TEST = re.compile(
    r"(^|/)(test_[^/]+\.py|[^/]+_test\.(py|go|rb|exs|dart|cc|cpp)|[^/]+\.(test|spec)\.[cm]?[jt]sx?|"
    r"[^/]*Tests?\.(java|kt|cs|swift|php)|[^/]+_spec\.rb)$"
)


def workflows(scan: Scan) -> tuple[Workflow, ...]:
    """Every workflow that was seen, those near the root first.

    Python is read last, since there is most of it; that of tests is not work that flows.
    """
    found: list[Workflow] = []
    for file in sorted(scan.files, key=lambda file: file.language == "Python"):
        if scan.out_of_time:
            scan.complete = False
            break
        found += _of_file(scan, file)
    found += _tools(scan)
    return tuple(sorted(found, key=lambda w: (w.evidence.path.count("/"), w.system, w.name)))


def a_test(scan: Scan) -> str:
    """The path of the first file whose name is that of a test, "" if there is none."""
    return next((file.path for file in scan.files if _ANY_TEST.search(file.path)), "")


def _of_file(scan: Scan, file: File) -> list[Workflow]:
    try:
        if _ACTIONS.match(file.path):
            return list(_github(scan.read(file) or "", file))
        if file.path == ".gitlab-ci.yml":
            return list(_gitlab(scan.read(file) or "", file))
        if file.name in _MAKEFILES:
            return list(_make(scan.read(file) or "", file))
        if file.name == "package.json":
            return list(_scripts(scan.read(file) or "", file))
        if file.name.endswith(".py") and not of_tests(file.path):
            text = scan.read(file) or ""
            return [*airflow_dags(text, file.path), *celery_tasks(text, file.path)]
    except ValueError:
        scan.skipped["broken workflow"] += 1
    return []


def _mapping(node: yaml.Node | None, key: str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if name.value == key:
                return name.start_mark.line + 1, value
    return None


def _github(text: str, file: File) -> Iterator[Workflow]:
    root = compose_nodes(text)
    jobs = _mapping(root, "jobs")
    if jobs is None or not isinstance(jobs[1], yaml.MappingNode):
        return
    named = _mapping(root, "name")
    name = named[1].value if named else file.name.rpartition(".")[0]
    tasks = tuple(str(key.value) for key, _ in jobs[1].value)
    yield Workflow(str(name), "github_actions", tasks, Evidence("jobs", file.path, jobs[0]))


def _gitlab(text: str, file: File) -> Iterator[Workflow]:
    root = compose_nodes(text)
    if root is None:
        return
    jobs = [
        (str(key.value), key.start_mark.line + 1)
        for key, value in root.value
        if isinstance(value, yaml.MappingNode)
        and not str(key.value).startswith(".")
        and key.value not in _GITLAB_KEYS
        and any(_mapping(value, name) for name in ("script", "trigger", "extends"))
    ]
    if jobs:
        names = tuple(name for name, _ in jobs)
        yield Workflow("GitLab CI", "gitlab_ci", names, Evidence("jobs", file.path, jobs[0][1]))


def _make(text: str, file: File) -> Iterator[Workflow]:
    targets: dict[str, int] = {}
    for match in _TARGET.finditer(text):
        for name in match.group("names").split():
            if "%" not in name and "$" not in name and "/" not in name and "." not in name:
                targets.setdefault(name, text.count("\n", 0, match.start()) + 1)
    if targets:
        evidence = Evidence("targets", file.path, min(targets.values()))
        yield Workflow(file.name, "make", tuple(targets), evidence)


def _scripts(text: str, file: File) -> Iterator[Workflow]:
    data = json.loads(text)
    scripts = data.get("scripts") if isinstance(data, dict) else None
    if isinstance(scripts, dict) and scripts:
        line = line_of(text, r'^\s*"scripts"\s*:')
        yield Workflow(
            "npm scripts", "npm", tuple(map(str, scripts)), Evidence("scripts", file.path, line)
        )


def _tools(scan: Scan) -> Iterator[Workflow]:
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
