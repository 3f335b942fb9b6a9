"""What goes to another process, as bytes: by pickle where that is safe, else by cloudpickle.

Pickle names a class or function by its module, which is of no use to another process where the
module is `__main__`, a notebook's: cloudpickle takes such things along. It is some ten times slower
for everything else, so pickle is tried first, and its bytes are used unless they name `__main__`.
"""

from __future__ import annotations

import functools
import io
import marshal
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from orch_nb.executors.worker import BARE

__all__ = ["dumps", "dumps_function", "modules_of"]

_MARK = "__orch_task__"  # what `@task` leaves on a function: for planners, of no use elsewhere


def dumps(value: Any, by_value: Iterable[str] = ()) -> bytes:
    """`value` as bytes for `pickle.loads`; what modules named in `by_value` define is in them, too.

    Raises whatever the value's own way of being pickled raises.
    """
    cloudpickle = sys.modules.get("cloudpickle")
    modules = [sys.modules[name] for name in by_value if name in sys.modules]
    if not modules and not (cloudpickle and cloudpickle.list_registry_pickle_by_value()):
        data = _with_pickle(value)
        if data is not None and b"__main__" not in data:
            return data
    return _with_cloudpickle(value, modules)


def _with_pickle(value: Any) -> bytes | None:
    try:
        return pickle.dumps(value, protocol=5)
    except BaseException:  # noqa: BLE001  # a lambda, a class of a function: cloudpickle may know how
        return None


def _with_cloudpickle(value: Any, modules: Iterable[ModuleType]) -> bytes:
    import cloudpickle

    known = cloudpickle.list_registry_pickle_by_value()
    added = [module for module in modules if module.__name__ not in known]
    for module in added:
        cloudpickle.register_pickle_by_value(module)
    try:
        file = io.BytesIO()
        _pickler()(file, protocol=5).dump(value)
        return file.getvalue()
    finally:
        for module in added:
            cloudpickle.unregister_pickle_by_value(module)


@functools.cache
def _pickler() -> Callable[..., Any]:
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
        """Leaves the options of `@task` behind, which may be anything, and need our planners."""

        def reducer_override(self, obj: Any) -> Any:
            reduced = super().reducer_override(obj)
            if type(obj) is FunctionType and type(reduced) is tuple:
                state, slots = reduced[2]
                state.pop(_MARK, None)
                return (*reduced[:2], (state, slots), *reduced[3:])
            return reduced

    return Pickler


def dumps_function(function: Any, by_value: Iterable[str] = ()) -> bytes:
    """A function for `Worker`: as `dumps` has it, or, where it is a notebook's and uses nothing but
    modules, as its bare code, for which a worker need not import cloudpickle."""
    bare = type(function) is FunctionType and function.__module__ == "__main__" and not by_value
    return (_bare(function) if bare else None) or dumps(function, by_value)


def _bare(function: FunctionType) -> bytes | None:
    if function.__closure__ or function.__kwdefaults__ or set(function.__dict__) - {_MARK}:
        return None
    names = {name for code in _codes(function.__code__) for name in code.co_names}
    used = {name: function.__globals__[name] for name in names if name in function.__globals__}
    if not all(_is_importable(value) for value in used.values()):
        return None
    modules = {name: module.__name__ for name, module in used.items()}
    within = [
        module for module in sys.modules.copy()  # another thread may import something
        if module.partition(".")[0] in modules.values() and names.issuperset(module.split(".")[1:])
    ]  # fmt: skip
    parts = (
        function.__code__, function.__name__, function.__qualname__, modules, within,
        function.__defaults__,
    )  # fmt: skip
    try:
        return BARE + marshal.dumps(parts)
    except ValueError:  # a default that is more than plain data
        return None


def _is_importable(value: Any) -> bool:
    return (
        type(value) is ModuleType
        and value.__spec__ is not None
        and value.__name__ != "__main__"
        and sys.modules.get(value.__name__) is value
    )


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if type(constant) is CodeType:
            yield from _codes(constant)


def modules_of(name: str) -> list[str]:
    """The modules of this process that another one meant, which found no module `name`."""
    if not name or name in sys.modules:
        return [name] if name else []
    return [module for module in sys.modules.copy() if module.startswith(f"{name}.")]
