"""Airflow DAGs and Celery tasks in Python source, read as a syntax tree and never imported.

A name counts only for what the file binds it to: `@task` of a load tester is no Airflow task, a DAG
class that is imported and never called is no DAG, and `@app.task` is Celery's only where `app` is a
`Celery(...)` or comes from a module that says so.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["airflow_dags", "celery_tasks"]

# A syntax tree costs some milliseconds: most files are told by these to be none.
_MAKES_DAG = re.compile(r"\bDAG\(|@(?:[\w.]+\.)?dag\b")
_MARKS_TASK = re.compile(r"^\s*@[\w.]*task\b", re.MULTILINE)


def _tree(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None  # not for this Python; a template, or Python 2


def _imported(tree: ast.Module, package: str) -> dict[str, str]:
    """Local names bound to things of `package`: name -> dotted origin."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            if node.module.split(".")[0] == package:
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == package:
                    names[alias.asname or alias.name.split(".")[0]] = alias.name
    return names


def _root(node: ast.expr) -> tuple[str, list[str]]:
    """The name that an expression starts from, and the attributes taken of it."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.insert(0, node.attr)
        node = node.value
    if isinstance(node, ast.Call):
        return _root(node.func)
    return (node.id if isinstance(node, ast.Name) else ""), attributes


def _origin(node: ast.expr, names: dict[str, str]) -> str:
    """Where what `node` names comes from, as dotted text; "" if not from `names`."""
    target = node.func if isinstance(node, ast.Call) else node
    base, attributes = _root(target)
    return ".".join([names[base], *attributes]) if base in names else ""


def _text(call: ast.Call, keyword: str, position: int | None = 0) -> str:
    for given in call.keywords:
        if given.arg == keyword and isinstance(given.value, ast.Constant):
            return str(given.value.value)
    if position is not None and len(call.args) > position:
        argument = call.args[position]
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
            return argument.value
    return ""


def airflow_dags(text: str, path: str) -> Iterator[Workflow]:
    """One workflow for each DAG that the file makes; its tasks are in the order of the file.

    Tasks of a file with several DAGs are given to the DAG that they stand in, or to the last one
    begun before them.
    """
    if "airflow" not in text or not _MAKES_DAG.search(text):
        return
    tree = _tree(text)
    names = _imported(tree, "airflow") if tree else {}
    if tree is None or not names:
        return
    marks = [mark for node in ast.walk(tree) for mark in _airflow_marks(node, names)]
    dags = sorted((line, name) for kind, line, name in marks if kind == "dag")
    tasks: dict[int, dict[str, None]] = {line: {} for line, _ in dags}
    for kind, line, name in sorted(marks, key=lambda mark: mark[1]):
        if kind == "task" and dags:
            begun = [start for start, _ in dags if start <= line] or [dags[0][0]]
            tasks[begun[-1]][name] = None
    for line, name in dags:
        yield Workflow(name, "airflow", tuple(tasks[line]), Evidence("DAG", path, line))


def _airflow_marks(node: ast.AST, names: dict[str, str]) -> Iterator[tuple[str, int, str]]:
    """("dag" or "task", line, name) of what a node of the tree makes."""
    if isinstance(node, ast.Call):
        origin = _origin(node, names)
        if origin.rpartition(".")[2] == "DAG":
            yield "dag", node.lineno, _text(node, "dag_id") or "?"
        elif origin and (task_id := _text(node, "task_id", None)):
            yield "task", node.lineno, task_id
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        for decorator in node.decorator_list:
            origin = _origin(decorator, names)
            if origin.endswith(".dag"):
                yield "dag", node.lineno, _dag_id(decorator) or node.name
            elif ".task." in f"{origin}.":
                yield "task", node.lineno, node.name


def _dag_id(decorator: ast.expr) -> str:
    return _text(decorator, "dag_id") if isinstance(decorator, ast.Call) else ""


def celery_tasks(text: str, path: str) -> Iterator[Workflow]:
    """One workflow for the Celery tasks of the file."""
    if not _MARKS_TASK.search(text) or "celery" not in text.lower():
        return
    tree = _tree(text)
    if tree is None:
        return
    names = _imported(tree, "celery")
    apps = _celery_apps(tree, names)
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for decorator in node.decorator_list:
            target = decorator.func if isinstance(decorator, ast.Call) else decorator
            base, attributes = _root(target)
            shared = _origin(decorator, names).endswith(("celery.shared_task", "celery.task"))
            if shared or (base in apps and attributes[-1:] in (["task"], ["periodic_task"])):
                given = _text(decorator, "name", None) if isinstance(decorator, ast.Call) else ""
                found.append((node.lineno, given or node.name))
    if found:
        found.sort()
        module = path.rpartition("/")[2].removesuffix(".py")
        yield Workflow(
            module, "celery", tuple(n for _, n in found), Evidence("tasks", path, found[0][0])
        )


def _celery_apps(tree: ast.Module, names: dict[str, str]) -> set[str]:
    """Names that hold a Celery application: made here, or imported from a module named so."""
    apps: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            if _origin(node.value, names).endswith("celery.Celery"):
                apps |= {t.id for t in node.targets if isinstance(t, ast.Name)}
        elif isinstance(node, ast.ImportFrom) and "celery" in (node.module or ""):
            if (node.module or "").split(".")[0] != "celery":
                apps |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            apps |= {a.asname or a.name for a in node.names if a.name in {"celery", "celery_app"}}
    return apps
