"""The house stands as docs/design.md draws it: who may know whom, and what a bare import costs."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import orch_nb
from orch_nb.model.view import TARGETS, resolve

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "orch_nb"
MODULES = sorted(
    module.name for module in pkgutil.walk_packages(orch_nb.__path__, prefix="orch_nb.")
)
SOURCES = sorted(PACKAGE.rglob("*.py"))


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- what an import brings


@pytest.mark.parametrize(
    "statement", ["import orch_nb", "from orch_nb import Plan, Task, task, execute"]
)
def test_a_bare_import_loads_nothing_heavy(statement):
    loaded = set(python(f"import sys\n{statement}\nprint(*sys.modules)").split())
    assert "orch_nb" in loaded
    assert not loaded & {
        "IPython", "anywidget", "graphviz", "ipywidgets", "matplotlib", "networkx", "numpy",
        "pandas", "orch_nb.notebook", "orch_nb.render",
    }  # fmt: skip


def test_a_bare_import_loads_few_modules_beside_those_of_asyncio():
    # What that costs in time is measured by `benchmarks/import_cost.py`.
    loaded = python(
        "import sys, asyncio\n"
        "before = set(sys.modules)\n"
        "from orch_nb import Plan, Task, task, execute\n"
        "print(*(set(sys.modules) - before))"
    ).split()
    assert len([name for name in loaded if not name.startswith("orch_nb")]) <= 60
    assert len([name for name in loaded if name.startswith("orch_nb")]) <= 75
    assert "psutil" not in loaded


def test_importing_every_module_leaves_the_public_names_what_they_were():
    # A submodule is bound on its package: a room called like a function would take its place.
    python(
        "import importlib, orch_nb\n"
        "before = {name: getattr(orch_nb, name) for name in orch_nb.__all__}\n"
        f"for name in {MODULES!r}: importlib.import_module(name)\n"
        "changed = [n for n, value in before.items() if getattr(orch_nb, n) is not value]\n"
        "assert not changed, changed"
    )


def test_no_room_or_top_module_has_the_name_of_a_public_function():
    tops = {module.split(".")[1] for module in MODULES}
    assert not tops & set(orch_nb.__all__)


def test_the_public_names_are_sorted_and_each_says_what_it_is():
    assert list(orch_nb.__all__) == sorted(orch_nb.__all__)
    for name in orch_nb.__all__:
        value = getattr(orch_nb, name)
        if callable(value):
            assert inspect.getdoc(value), f"{name} has no docstring"


@pytest.mark.parametrize("module", ["orch_nb", *MODULES])
def test_the_examples_in_docstrings_hold(module):
    assert doctest.testmod(importlib.import_module(module)).failed == 0


# -- views: the one place where orch_nb imports by name


@pytest.mark.parametrize("name", TARGETS)
def test_every_view_finds_its_function(name):
    assert callable(resolve(name))


def test_every_view_of_the_package_is_in_the_table_and_every_row_is_used():
    used = set()
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", "") in ("Method", "View", "resolve")
                and isinstance(node.args[0], ast.Constant)
            ):
                used.add(node.args[0].value)
    assert used == set(TARGETS)


# -- who may know whom: import-linter has the contracts, this is a second net, by other means


class Imports(ast.NodeVisitor):
    """The top-level packages that a file imports, anywhere in it but for the type checker."""

    def __init__(self, source: Path) -> None:
        self.found: set[str] = set()
        self.visit(ast.parse(source.read_text(encoding="utf-8")))

    def visit_If(self, node: ast.If) -> None:
        if getattr(node.test, "id", "") != "TYPE_CHECKING":
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found |= {alias.name.split(".")[0] for alias in node.names}

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.level == 0 and node.module:
            self.found.add(node.module.split(".")[0])

    def visit_Call(self, node: ast.Call) -> None:
        """What is imported by a name that is written out, as packages without types are."""
        if ast.unparse(node.func) in ("importlib.import_module", "import_module", "__import__"):
            given = node.args[0]
            if isinstance(given, ast.Constant):
                self.found.add(str(given.value).split(".")[0])
        self.generic_visit(node)


@pytest.mark.parametrize(
    ("packages", "rooms"),
    [
        ({"graphviz", "graphviz_pure", "networkx", "pandas"}, ("render",)),
        ({"IPython", "anywidget", "ipywidgets"}, ("notebook",)),
        ({"sqlite3"}, ("catalog", "engine")),
        ({"anyio", "httpx2", "mcp", "mcp_types"}, ("sources",)),
        (
            {"bullmq", "celery", "dask", "distributed", "nbclient", "nbformat", "redis"},
            ("executors",),
        ),
        ({"hypercorn", "restate", "temporalio"}, ("backends",)),
        ({"python_ripgrep", "tree_sitter"}, ("analysis",)),
    ],
)
def test_a_package_is_known_only_in_its_room(packages, rooms):
    elsewhere = {
        str(source.relative_to(PACKAGE)): Imports(source).found & packages
        for source in SOURCES
        if source.relative_to(PACKAGE).parts[0] not in rooms
    }
    assert {where: what for where, what in elsewhere.items() if what} == {}


def test_there_is_no_drawer_for_everything():
    assert not [s.name for s in SOURCES if s.stem in ("utils", "util", "helpers", "common")]


# -- what is kept by hand in one place and generated or repeated in another


def test_environment_yml_is_what_pyproject_says(tmp_path):
    made = tmp_path / "environment.yml"
    subprocess.run([sys.executable, ROOT / ".ci" / "environment.py", made], check=True)
    assert made.read_text() == (ROOT / "environment.yml").read_text(), "run: make environment"


def test_every_dependency_has_its_reason():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    design = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    reasons = design.partition("Dependencies and why")[2]
    for dependency in project["dependencies"]:
        name = re.split(r"[<>=]", dependency)[0]
        assert f"`{name}`" in reasons, f"{name} is not in docs/design.md"


def test_a_wheel_has_the_data_files_the_types_and_the_licence(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", tmp_path, ROOT],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    data = [
        path.relative_to(ROOT).as_posix()
        for path in PACKAGE.rglob("*")
        if path.suffix in (".yaml", ".js", ".css", ".typed")
    ]
    assert "orch_nb/py.typed" in data
    assert set(data) <= packed
    assert any(name.endswith("licenses/LICENSE") for name in packed)
    assert not [name for name in packed if name.startswith("tests/")]


# Folders that only some machine has: whoever reads them in a file learns where it was made.
MACHINE_PATH = re.compile(r"(?<![\w.~/-])/(?:home|root|work|farm|Users)/[\w.]+")


def test_no_file_names_a_path_of_the_machine_it_was_made_on():
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: there is no list of the files that are kept")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in (".png", ".ico", ".woff2") or not path.is_file():
            continue
        # Recorded journals are SQLite files, in which text stands as it is.
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{name}: {match[0]}" for match in MACHINE_PATH.finditer(text)]
    assert not found
