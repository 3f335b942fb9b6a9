"""Results in a form that outlives the process: JSON where that loses nothing, else a pickle.

A result is kept by the hash of its bytes, so equal results are kept once. JSON is tried first since
anybody may read it; it is used only if reading it back gives an equal value of the same types (a
tuple would come back as a list). Everything else is pickled by cloudpickle, which takes functions
and classes of a notebook along. What neither can hold is `unstored`: its task runs again when the
run is recovered, and the person is told.

A pickle is only ever loaded from the journal that this process's user wrote, to continue a run;
never from a report.
"""

from __future__ import annotations

import hashlib
import json
import pickle
import reprlib
from typing import Any

from orch_nb.engine.ports import Blob
from orch_nb.model.event import ResultRef

__all__ = ["preview", "restore", "store"]

_PREVIEW = 240
_SHORT = reprlib.Repr()  # bounded at every level: the repr of a million rows would take seconds
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = _SHORT.maxset = 12
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = _PREVIEW
_BITS = 1024
_PLAIN = (str, int, float, bool, type(None))


def preview(value: Any) -> str:
    """A short text of any value, for people. A `__repr__` that raises is told, not hidden."""
    if value is None:
        return ""
    try:
        shape = getattr(value, "shape", None)
        if isinstance(shape, tuple) and len(shape) == 2 and hasattr(value, "columns"):
            columns = ", ".join(str(name) for name in list(value.columns)[:12])
            return _bounded(f"{type(value).__name__} {shape[0]} × {shape[1]}: {columns}")
        return _bounded(value if isinstance(value, str) else _SHORT.repr(value))
    except Exception as error:  # noqa: BLE001
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"


def _bounded(text: str) -> str:
    # File names may hold lone surrogates, which no UTF-8 can hold.
    plain = text[: 4 * _PREVIEW].encode("utf-8", "backslashreplace").decode()
    head = " ".join(plain.split())
    return head if len(head) <= _PREVIEW else head[: _PREVIEW - 1] + "…"


def store(value: Any) -> tuple[ResultRef, Blob | None]:
    """A reference to `value` and, unless it is None or cannot be kept, its bytes."""
    if value is None:
        return ResultRef(), None
    shown = preview(value)
    try:
        if _is_json(value):
            return _kept("json", json.dumps(value).encode(), shown)
        return _kept("pickle", _pickled(value), shown)
    except Exception as error:  # noqa: BLE001  # anything may be raised by a foreign __reduce__
        reason = _bounded(f"{type(error).__name__}: {error}")
        return ResultRef(format="unstored", preview=shown, reason=reason), None


def _kept(form: str, data: bytes, shown: str) -> tuple[ResultRef, Blob]:
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    ref = ResultRef(format=form, hash=digest, size=len(data), preview=shown)
    return ref, Blob(ref, data)


def _is_json(value: Any, seen: set[int] | None = None, depth: int = 0) -> bool:
    """Whether JSON gives back the same value: exact types only, string keys, finite numbers, and no
    list or mapping that stands in two places (JSON would make copies, a pickle keeps it one)."""
    kind = type(value)
    if kind is int:  # Python refuses to write or read thousands of digits
        return int.bit_length(value) < _BITS
    if kind in _PLAIN:
        return kind is not float or value - value == 0.0
    seen = set() if seen is None else seen
    if depth > 50 or id(value) in seen:
        return False
    seen.add(id(value))
    if kind is list:
        return all(_is_json(item, seen, depth + 1) for item in value)
    if kind is dict:
        return all(type(k) is str and _is_json(v, seen, depth + 1) for k, v in value.items())
    return False


def _pickled(value: Any) -> bytes:
    import cloudpickle

    data: bytes = cloudpickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    return data


def restore(ref: ResultRef, data: bytes | None) -> Any:
    """The value again. Raises LookupError for one that was not kept, or cannot be read here."""
    if ref.format == "none":
        return None
    if ref.format == "unstored" or data is None:
        raise LookupError(f"this result was not kept: {ref.reason or 'it is not in the journal'}")
    if ref.format == "json":
        return json.loads(data)
    try:
        return pickle.loads(data)  # noqa: S301  # written by this user's own run, see above
    except Exception as error:  # a class that is gone may raise anything
        reason = _bounded(f"{type(error).__name__}: {error}")
        raise LookupError(f"this result cannot be read here: {reason}") from error
