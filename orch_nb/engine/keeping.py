"""Whether a result can be kept, told before there is one: from what a function says it returns.

    def connect() -> sqlite3.Connection: ...     "a sqlite3.Connection cannot be pickled"
    def rows() -> list[dict]: ...                None: nothing is known against it

No annotation is evaluated: a string (and under `from __future__ import annotations` each one is
a string) is taken apart, and only names that the function's module has are looked up, their
attributes only in modules and classes. What is not understood is not judged.
"""

from __future__ import annotations

import ast
import builtins
import collections.abc
import copyreg
import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["unkeepable", "unkeepable_result"]

#: Classes that hold what a process cannot hand on (a lock, a thread, a file, a half-run function),
#: as `module.Name`. Their subclasses are as unkeepable as they are.
_HOLDERS = frozenset(
    """
    asyncio.base_events.BaseEventLoop asyncio.base_events.Server asyncio.streams.StreamReader
    asyncio.streams.StreamWriter asyncio.subprocess.Process concurrent.futures._base.Executor
    concurrent.futures._base.Future contextlib._GeneratorContextManager
    contextlib._AsyncGeneratorContextManager _io.BufferedRandom _io.BufferedReader
    _io.BufferedWriter _io.FileIO logging.Handler multiprocessing.pool.Pool
    multiprocessing.process.BaseProcess queue.Queue queue.SimpleQueue _queue.SimpleQueue
    socket.socket socketserver.BaseServer ssl.SSLContext subprocess.Popen
    tempfile._TemporaryFileWrapper threading.Barrier threading.Condition threading.Event
    threading.Semaphore threading.Thread _thread.RLock _thread._local _thread.lock zipfile.ZipFile
""".split()
)
_ONCE = (
    collections.abc.AsyncGenerator, collections.abc.AsyncIterator, collections.abc.Coroutine,
    collections.abc.Generator, collections.abc.Iterator,
)  # fmt: skip
_CONTAINERS = (tuple, list, dict, set, frozenset, collections.abc.Collection)
#: `threading.Lock` is a function until Python 3.13, and stands in annotations as a class does.
_MAKERS = frozenset({"_thread.allocate_lock", "threading.RLock"})


def unkeepable_result(function: Callable[..., Any]) -> str | None:
    """Why what `function` returns cannot be kept in a journal; None if nothing is known of that."""
    try:
        plain = inspect.unwrap(function)
        found = getattr(plain, "__annotations__", {}).get("return")
        return unkeepable(found, getattr(plain, "__globals__", {}))
    except Exception:  # noqa: BLE001  # a callable may be anything; a guess is not worth an error
        return None


def unkeepable(
    annotation: Any, scope: Mapping[str, Any] = types.MappingProxyType({})
) -> str | None:
    """Why a value of `annotation` cannot be kept, or None. `scope` has the names of a string."""
    try:
        return _judge(annotation, scope)
    except Exception:  # noqa: BLE001  # see above
        return None


def _judge(annotation: Any, scope: Mapping[str, Any]) -> str | None:
    if annotation is None:
        return None
    if isinstance(annotation, typing.ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        return _text(ast.parse(annotation.strip(), mode="eval").body, scope)
    return _known(annotation, [*typing.get_args(annotation)], scope)


def _text(node: ast.expr, scope: Mapping[str, Any]) -> str | None:
    """The same of an annotation that was not evaluated."""
    if isinstance(node, ast.Constant):
        return _judge(node.value, scope) if isinstance(node.value, str) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return _text(node.left, scope) or _text(node.right, scope)
    if isinstance(node, ast.Subscript):
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return _known(_named(node.value, scope), inner, scope)
    return _known(_named(node, scope), [], scope)


def _named(node: ast.expr, scope: Mapping[str, Any]) -> Any:
    """What a dotted name stands for; raises LookupError, without running anything, if unknown."""
    if isinstance(node, ast.Name):
        found = scope.get(node.id, getattr(builtins, node.id, None))
    elif isinstance(node, ast.Attribute):
        owner = _named(node.value, scope)
        if not isinstance(owner, (types.ModuleType, type)):
            raise LookupError(node.attr)
        found = inspect.getattr_static(owner, node.attr)
    else:
        raise LookupError(ast.dump(node))
    if found is None:
        raise LookupError(ast.dump(node))
    return found


def _known(found: Any, inner: list[Any], scope: Mapping[str, Any]) -> str | None:
    """Judge what an annotation is, or is made of: `inner` are the parts between the brackets."""
    origin = typing.get_origin(found) or found
    if origin is typing.Annotated or hasattr(found, "__metadata__"):
        inner, origin = inner[:1], typing.Union
    either = origin in (types.UnionType, typing.Union, typing.Optional)
    if either or (isinstance(origin, type) and issubclass(origin, _CONTAINERS)):
        for part in inner:
            reason = _text(part, scope) if isinstance(part, ast.expr) else _judge(part, scope)
            if reason is not None:
                return reason
    if f"{getattr(origin, '__module__', '')}.{getattr(origin, '__qualname__', '')}" in _MAKERS:
        return "a lock cannot be pickled"
    return _class(origin) if isinstance(origin, type) else None


def _class(kind: type) -> str | None:
    if kind in _ONCE or kind in (types.GeneratorType, types.AsyncGeneratorType):
        return f"{_a(kind.__name__.lower())} can be read only once"
    if any(f"{base.__module__}.{base.__qualname__}" in _HOLDERS for base in kind.__mro__):
        return _refusal(kind)
    return _refusal(kind) if _hides_state(kind) else None


def _refusal(kind: type) -> str:
    module = kind.__module__.lstrip("_")
    name = kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"
    return f"{_a(name)} cannot be pickled"


def _a(name: str) -> str:
    return f"{'an' if name[0].lower() in 'aeio' else 'a'} {name}"


def _hides_state(kind: type) -> bool:
    """Whether a class of a C module keeps more in an instance than it tells pickle of.

    It is the very test by which `object.__reduce_ex__` refuses such an instance (CPython's
    `object_getstate_default`): there is room beside the attributes, and no method that speaks of
    it. So database connections, matches and memory maps are known, whoever made them.
    """
    ways = ("__reduce_ex__", "__reduce__", "__getstate__")
    if any(getattr(kind, way) is not getattr(object, way) for way in ways):
        return False
    if hasattr(kind, "__getnewargs__") or hasattr(kind, "__getnewargs_ex__"):
        return False
    if issubclass(kind, (list, dict, type)) or kind in copyreg.dispatch_table:
        return False
    slots = copyreg._slotnames(kind) or ()  # type: ignore[attr-defined]  # noqa: SLF001
    word = object.__basicsize__ // 2
    told = object.__basicsize__ + word * (
        (kind.__dictoffset__ > 0) + (kind.__weakrefoffset__ > 0) + len(slots)
    )
    return kind.__basicsize__ > told and not _taken_along(kind)


def _taken_along(kind: type) -> bool:
    """Whether cloudpickle has a way of its own: for functions, modules, properties ..."""
    import cloudpickle

    simple = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType)
    return issubclass(kind, simple) or kind in cloudpickle.CloudPickler.dispatch_table
