"""Modules that lie beside a DAG file: read by their syntax trees like itself, never imported.

    dags/shop.py          from plugins.sales import load        load is the function that is
    plugins/sales.py      @task def load(): ...                 written there

Airflow has the folders of DAGs, plugins and configuration on its path, and a repository its root:
a module is looked for beside the file and in the folders above it, up to the one with `.git`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["found", "is_elsewhere"]

_HIGHEST = 6
_MOST_BYTES = 1_000_000
_ELSEWHERE = frozenset((*sys.stdlib_module_names, "airflow", "builtins"))


def is_elsewhere(module: str) -> bool:
    """Whether a module is Python's own or Airflow's, and lies beside no DAG file."""
    return module.partition(".")[0] in _ELSEWHERE


def found(module: str, level: int, path: Path) -> Path | None:
    """The file of `from {level dots}{module} import ...` in the file `path`; None if there is none
    that can be read."""
    if not path.is_file() or (not level and is_elsewhere(module)):
        return None
    parts = module.split(".") if module else []
    for root in [path.resolve().parents[level - 1]] if level else _roots(path.resolve()):
        files = [root.joinpath(*parts, "__init__.py")]
        if parts:
            files.append(root.joinpath(*parts[:-1], f"{parts[-1]}.py"))
        for file in files:
            if file != path.resolve() and file.is_file() and file.stat().st_size <= _MOST_BYTES:
                return file
    return None


def _roots(path: Path) -> Iterator[Path]:
    for folder in list(path.parents)[:_HIGHEST]:
        yield folder
        yield folder / "plugins"
        if (folder / ".git").exists():
            return
