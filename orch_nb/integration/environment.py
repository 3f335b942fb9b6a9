"""What a run depended on besides its plan: versions, the state of its workspace, hashes.

Only what can be named without harm: no environment variable, no path outside of the workspace, no
user, no host. Versions are of what the plan's functions use, and of what of the usual packages for
data is loaded. Where another process made the run than makes the report, that is said: what stands
here is then true of the latter.

Git is asked for the commit and whether files differ from it, with hooks and monitors off, and for
at most a second; a workspace that is no repository has neither.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from orch_nb.model.report import Environment
from orch_nb.model.run import Run

__all__ = ["environment"]

_PACKAGES, _PARAMS, _HASHES = 40, 50, 50
_CHARS = 200
_HASHED_BYTES = 20_000_000  # a file beyond that is told without its hash
_GIT_S = 1.0
_USUAL = (
    "numpy", "pandas", "polars", "pyarrow", "scipy", "sklearn", "matplotlib", "torch", "xarray",
    "sqlalchemy", "requests", "httpx", "dask", "distributed", "pandera", "pydantic",
)  # fmt: skip
_GIT = (
    "git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null",
    "status", "--porcelain=v2", "--branch", "--untracked-files=no",
)  # fmt: skip


def environment(run: Run, workspace: str | Path | None = None) -> Environment:
    """As of now; `workspace` is the run's folder, by default the one it says or the current."""
    root = Path(workspace or run.options.workspace or ".")
    commit, changed = _git(root)
    try:
        plan_hash = run.plan.hash
    except (TypeError, ValueError):  # it holds what no document can (a journal in memory may)
        plan_hash = ""
    return Environment(
        python=platform.python_version(),
        platform=f"{platform.system()} {platform.machine()}",
        packages=tuple(_packages(run)),
        params=tuple(
            (name, _short(repr(v))) for name, v in list(run.plan.params.items())[:_PARAMS]
        ),
        hashes=tuple(_hashes(run, root, plan_hash)),
        commit=commit,
        changed=changed,
        same_process=bool(getattr(run.results, "here", False)),
    )


def _short(text: str) -> str:
    return text if len(text) <= _CHARS else text[: _CHARS - 1] + "…"


# -- versions ------------------------------------------------------------------------------------


def _packages(run: Run) -> Iterator[tuple[str, str]]:
    """orch_nb first, then by name."""
    yield "orch_nb", _version("orch_nb")
    used = {name for name in _USUAL if name in sys.modules}
    for function in {id(task.run): task.run for task in run.plan.tasks}.values():
        used |= set(_used(function))
    names = sorted(used - set(sys.stdlib_module_names) - {"orch_nb", "__main__"})
    for name in names[:_PACKAGES]:
        if version := _version(name):
            yield name, version


def _used(function: Any) -> Iterator[str]:
    """The packages that a function names, as far as its globals tell."""
    code, known = getattr(function, "__code__", None), getattr(function, "__globals__", None)
    if not isinstance(code, CodeType) or known is None:
        return
    stack = [code]
    while stack:
        one = stack.pop()
        stack += [const for const in one.co_consts if isinstance(const, CodeType)]
        for name in one.co_names:
            value = known.get(name)
            module = value.__name__ if isinstance(value, ModuleType) else None
            module = module or getattr(value, "__module__", None) or ""
            if value is None and name in sys.modules:  # imported inside of the function
                module = name
            if isinstance(module, str) and module:
                yield module.partition(".")[0]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except Exception:  # noqa: BLE001  # none of that name, or metadata that is no such thing
        found = getattr(sys.modules.get(name), "__version__", "")
        return found if isinstance(found, str) else ""


# -- hashes --------------------------------------------------------------------------------------


def _hashes(run: Run, root: Path, plan_hash: str) -> Iterator[tuple[str, str]]:
    """Of the plan, of results that the journal holds by themselves, of outputs that are files."""
    if plan_hash:
        yield "plan", plan_hash
    left = _HASHES
    for task in run.plan.tasks:
        ref = run[task.id].result
        if ref is not None and ref.hash and ref.hash[0] != "=" and ref.format != "memory":
            yield f"result of {task.id}", ref.hash
            left -= 1
        for name in task.outputs:
            if found := _hash_of(root / name):
                yield name, f"sha256:{found}"
                left -= 1
        if left <= 0:
            return


def _hash_of(path: Path) -> str:
    try:
        if not path.is_file() or path.stat().st_size > _HASHED_BYTES:
            return ""
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except (OSError, ValueError):
        return ""


# -- the workspace -------------------------------------------------------------------------------


def _git(root: Path) -> tuple[str, bool | None]:
    """The commit, and whether tracked files differ from it; "" and None where nobody knows."""
    where = root.resolve()
    if not any((folder / ".git").exists() for folder in (where, *where.parents)):
        return "", None
    try:
        done = subprocess.run(  # noqa: S603  # no word of it is a person's
            _GIT, cwd=root, capture_output=True, text=True, timeout=_GIT_S, check=True,
            env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"},
        )  # fmt: skip
    except (OSError, ValueError, subprocess.SubprocessError):  # no git, not ours, too slow
        return "", None
    lines = done.stdout.splitlines()
    head = next((row.split()[-1] for row in lines if row.startswith("# branch.oid ")), "")
    commit = "" if head.startswith("(") else head
    return commit, any(not row.startswith("#") for row in lines)
