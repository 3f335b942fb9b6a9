"""Which modules go along with what is sent, where a worker has not got them: a person's own.

What was installed is not sent by value: it is not made for that (a library in C cannot even be),
and the worker says what is to be installed there.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

from orch_nb.executors.worker_pickles import modules_of

__all__ = ["own_modules"]

_INSTALLED = tuple(
    Path(sysconfig.get_path(name)).resolve()
    for name in ("purelib", "platlib", "stdlib", "platstdlib")
)


def own_modules(name: str) -> list[str]:
    """The modules of this process that another one meant, which found no module `name`, and that
    stand in no folder of installed packages."""
    return [module for module in modules_of(name) if _is_own(module)]


def _is_own(name: str) -> bool:
    file = getattr(sys.modules[name], "__file__", None)
    if file is None:  # a namespace, or what was made while running
        return name not in sys.builtin_module_names
    path = Path(file).resolve()
    return not any(path.is_relative_to(folder) for folder in _INSTALLED)
