"""Python: pyproject.toml, setup.cfg, setup.py (as a syntax tree), requirements, Pipfile, and the
applications of a Django project."""

from __future__ import annotations

import ast
import configparser
import re
import tomllib
from collections.abc import Iterable, Iterator
from typing import Any

from orch_nb.analysis.declared import Declared, Reference, Surroundings, line_of
from orch_nb.analysis.scan import File

__all__ = ["django_settings", "pyproject", "requirements", "setup_cfg", "setup_py", "table"]

_NAME = re.compile(r"^\s*([A-Za-z0-9][\w.-]*)")


def table(value: Any) -> dict[str, Any]:
    """`value` if it is a table, else an empty one."""
    return value if isinstance(value, dict) else {}


def _part(file: File, name: str, kind: str, line: int | None, **more: Any) -> Declared:
    return Declared(
        name=name, kind=kind, path=file.path, line=line, system="python", language="Python",
        folder=file.folder, **more,
    )  # fmt: skip


def pyproject(text: str, file: File, _: Surroundings) -> Iterable[Declared]:
    data = tomllib.loads(text)
    project = table(data.get("project"))
    poetry = table(table(data.get("tool")).get("poetry"))
    name = project.get("name") or poetry.get("name")
    if not isinstance(name, str):
        return  # a file of tool settings, not of a project
    scripts = project.get("scripts") or project.get("gui-scripts") or poetry.get("scripts")
    line = line_of(text, r"^\s*name\s*=")
    named = [str(one) for one in project.get("dependencies") or [] if isinstance(one, str)]
    named += [str(one) for one in table(poetry.get("dependencies"))]
    uses = tuple(_needed(text, file, named))
    yield _part(file, name, "application" if scripts else "library", line, references=uses)


def _needed(text: str, file: File, named: list[str]) -> Iterator[Reference]:
    for one in named[:300]:
        if match := _NAME.match(one):
            needed = match.group(1)
            line = line_of(text, rf"[\"'\s]{re.escape(needed)}\b")
            yield Reference("imports", needed, file.path, line, text=f"depends on {needed}")


def setup_cfg(text: str, file: File, _: Surroundings) -> Iterable[Declared]:
    config = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        config.read_string(text)
    except configparser.Error as error:
        raise ValueError(str(error).splitlines()[0]) from None
    if name := config.get("metadata", "name", fallback=""):
        runs = config.has_option("options.entry_points", "console_scripts")
        line = line_of(text, r"^\s*name\s*=")
        yield _part(file, name, "application" if runs else "library", line)


def setup_py(text: str, file: File, _: Surroundings) -> Iterable[Declared]:
    tree = ast.parse(text)
    named = {  # NAME = "x" at the top, and setup(name=NAME) below
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        called = getattr(node, "func", None)
        if "setup" not in (getattr(called, "id", ""), getattr(called, "attr", "")):
            continue
        for keyword in getattr(node, "keywords", []):
            value = keyword.value
            known = getattr(value, "value", None) or named.get(getattr(value, "id", ""))
            if keyword.arg == "name" and isinstance(known, str):
                yield _part(file, known, "library", value.lineno)


def requirements(text: str, file: File, _: Surroundings) -> Iterable[Declared]:
    """A folder that only says what it needs is an application; its name is the folder's."""
    if file.folder and text.strip():
        yield _part(file, file.folder.rpartition("/")[2], "application", 1, confidence=0.7)


def django_settings(text: str, file: File, around: Surroundings) -> Iterable[Declared]:
    """The applications of INSTALLED_APPS whose code is in this workspace."""
    if "INSTALLED_APPS" not in text:
        return
    seen: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        names = {getattr(target, "id", "") for target in targets}
        value = getattr(node, "value", None)
        if not any(name.endswith("_APPS") for name in names) or value is None:
            continue
        for constant in ast.walk(value):
            if not isinstance(constant, ast.Constant):
                continue
            app = constant.value
            if not isinstance(app, str) or app in seen:
                continue
            seen.add(app)
            folder = _app_folder(app, file, around)
            if folder is not None:
                yield Declared(
                    name=app.partition(".apps.")[0], kind="module", path=file.path,
                    line=constant.lineno, text="in INSTALLED_APPS", system="django",
                    language="Python", folder=folder, confidence=0.9,
                )  # fmt: skip


def _app_folder(app: str, file: File, around: Surroundings) -> str | None:
    """Where the package of a Django application stands, seen from its settings upwards."""
    inner = app.partition(".apps.")[0].replace(".", "/")
    above = file.folder
    while True:
        folder = f"{above}/{inner}" if above else inner
        if any(around.has(f"{folder}/{name}") for name in ("__init__.py", "apps.py", "models.py")):
            return folder
        if not above:
            return None
        above = above.rpartition("/")[0]
