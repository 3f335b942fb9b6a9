"""Results in a form that outlives the process: JSON where that loses nothing, else a pickle.

A result is kept by the hash of its bytes, so equal results are kept once. JSON is tried first since
anybody may read it; it is used only if reading it back gives an equal value of the same types (a
tuple would come back as a list). JSON of a few characters is its own hash (`=5`, `="ok"`): it
stands in the event, and most results need no bytes of their own. Everything else is pickled:

    frames, arrays, tuples, dates ...     by pickle, by C
    what is of __main__ or of a function  by cloudpickle, which takes functions and classes along

What neither can hold is `unstored`: its task runs again when the run is recovered. The person is
told before a run, from what a task says that it returns (`unkeepable`, in `engine.keeping`) and
from what earlier runs found (`Journal.known_unstored`).

A pickle is only ever loaded from the journal that this process's user wrote, to continue a run;
never from a report.
"""

from __future__ import annotations

import hashlib
import json
import math
import pickle
import reprlib
import sys
from collections.abc import Collection
from json.encoder import encode_basestring_ascii
from typing import Any

import msgspec
from msgspec.structs import replace

from orch_nb.engine.keeping import unkeepable, unkeepable_result
from orch_nb.engine.ports import Blob
from orch_nb.engine.rich import rich
from orch_nb.model.event import ResultRef
from orch_nb.model.preview import encode_rich
from orch_nb.model.secrets import Mask

__all__ = [
    "digest", "preview", "restore", "rich", "said", "short", "store", "unkeepable",
    "unkeepable_result", "unsecret",
]  # fmt: skip

_PREVIEW = 240
_SHORT = reprlib.Repr()  # bounded at every level: the repr of a million rows would take seconds
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = _SHORT.maxset = 12
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = _PREVIEW
_BIG = 1 << 1023  # Python refuses to write or read numbers of thousands of digits
_LARGEST = 900_000_000  # bytes; SQLite's bound of a value is a thousand million
_INLINE = 128  # characters of JSON that stand in the reference itself
_CLEAR = {str, bool, type(None)}  # what JSON gives back as it was, whatever it is
_NOTHING: tuple[ResultRef, None] = (ResultRef(), None)


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
    except BaseException as error:  # noqa: BLE001  # `sys.exit` in a foreign method, too
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"


def said(error: BaseException) -> str:
    """An exception in a line. Never raises, whatever its `__str__` does."""
    try:
        return _bounded(f"{type(error).__name__}: {error}")
    except BaseException:  # noqa: BLE001
        return type(error).__name__


def _bounded(text: str) -> str:
    # File names may hold lone surrogates, which no UTF-8 can hold.
    plain = text[: 4 * _PREVIEW].encode("utf-8", "backslashreplace").decode()
    head = " ".join(plain.split())
    return head if len(head) <= _PREVIEW else head[: _PREVIEW - 1] + "…"


def short(value: Any) -> ResultRef | None:
    """The reference of a number or a text that stands in it; None for all other values.

    Most results are of this kind, and a run may have a million of them.
    """
    kind = type(value)
    if kind is int:
        if not -(1 << 63) <= value < 1 << 63:
            return None
        text = shown = str(value)
    elif kind is str:
        if len(value) > _INLINE - 2 or not value.isascii():
            return None
        text, shown = encode_basestring_ascii(value), " ".join(value.split())
        if len(text) > _INLINE:
            return None
    elif kind is bool:
        text, shown = ("true", "True") if value else ("false", "False")
    elif kind is float and value - value == 0.0:
        text = shown = repr(value)
    else:
        return None
    return ResultRef(format="json", hash="=" + text, size=len(text), preview=shown)


def store(value: Any) -> tuple[ResultRef, Blob | None]:
    """A reference to `value` and, unless it stands in that or cannot be kept, its bytes."""
    if value is None:
        return _NOTHING
    ref = short(value)
    if ref is not None:
        return ref, None
    shown = preview(value)
    try:
        form, data = _bytes(value)
    except BaseException as error:  # noqa: BLE001  # anything may be raised by a foreign __reduce__
        return _unstored(value, shown, said(error))
    if len(data) > _LARGEST:
        reason = f"it has {len(data):,} bytes, and a journal holds {_LARGEST:,} of one result"
        return _unstored(value, shown, reason, len(data))
    if form == "json" and len(data) <= _INLINE:
        own = "=" + data.decode()
        return ResultRef(format=form, hash=own, size=len(data), preview=shown), None
    looks = _looks(value)
    ref = ResultRef(
        format=form, hash=digest(data), size=len(data), preview=shown, rich=_hash(looks)
    )
    return ref, Blob(ref, data, looks)


def _unstored(value: Any, shown: str, reason: str, size: int = 0) -> tuple[ResultRef, Blob | None]:
    """What cannot be kept: its looks can."""
    looks = _looks(value)
    ref = ResultRef(format="unstored", size=size, preview=shown, reason=reason, rich=_hash(looks))
    return ref, Blob(ref, b"", looks) if looks else None


def _looks(value: Any) -> bytes:
    found = rich(value)
    return encode_rich(found) if found is not None else b""


def _hash(data: bytes) -> str:
    return digest(data) if data else ""


def unsecret(
    value: Any, ref: ResultRef, blob: Blob | None, mask: Mask
) -> tuple[ResultRef, Blob | None]:
    """The reference and the bytes as they may be kept: none of a value that has a secret in it,
    whose task runs again in a recovery, and a preview that shows nothing of it."""
    if blob is not None and blob.rich and mask.within(blob.rich):
        ref, blob = replace(ref, rich=""), (replace(blob, rich=b"") if blob.data else None)
    if blob is None and not ref.preview.endswith("…"):
        # Of a short text the one is the other; nearly all results end here.
        alike = ref.hash[:1] == "=" and type(value) is str
        if mask.clean(ref.hash) and (alike or mask.clean(ref.preview)):
            return ref, None
    shown = mask.shown(ref.preview)
    data = b"" if ref.format in ("memory", "unstored") else ref.hash.encode()
    held = mask.within(blob.data if blob is not None else data)
    if not held:
        return (ref if shown == ref.preview else replace(ref, preview=shown)), blob
    if isinstance(value, str):
        shown = _bounded(mask.text(value))
    elif shown == ref.preview or "..." in shown or "…" in shown:  # a part of it may be left
        shown = f"<{type(value).__name__} with {held}>"
    reason = f"it holds {held}, and a journal keeps no secrets"
    return ResultRef(format="unstored", preview=shown, reason=reason), None


def digest(data: bytes) -> str:
    """The content hash of bytes."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _bytes(value: Any) -> tuple[str, bytes]:
    if not _is_json(value, set(), 0):
        return "pickle", _pickled(value)
    try:
        return "json", msgspec.json.encode(value)
    except Exception:  # noqa: BLE001  # numbers beyond 64 bits, texts that are no UTF-8
        return "json", json.dumps(value).encode()


def _is_json(value: Any, seen: set[int], depth: int) -> bool:
    """Whether JSON gives back the same value: exact types only, string keys, finite numbers, and no
    list or mapping that stands in two places (JSON would make copies, a pickle keeps it one)."""
    kind = type(value)
    if kind in _CLEAR:
        return True
    if kind is int:
        return bool(-_BIG < value < _BIG)
    if kind is float:
        return math.isfinite(value)
    if depth > 50 or id(value) in seen:
        return False
    if kind is list:
        seen.add(id(value))
        return _are_json(value, seen, depth + 1)
    if kind is dict and set(map(type, value)) <= {str}:
        seen.add(id(value))
        return _are_json(value.values(), seen, depth + 1)
    return False


def _are_json(values: Collection[Any], seen: set[int], depth: int) -> bool:
    """The same of many. Of one plain kind, a million of them are judged without a loop."""
    kinds = set(map(type, values))
    if kinds <= _CLEAR:
        return True
    if kinds == {int}:
        return bool(min(values) > -_BIG and max(values) < _BIG)
    if kinds == {float}:
        return all(map(math.isfinite, values))
    return all(_is_json(value, seen, depth) for value in values)


def _pickled(value: Any) -> bytes:
    """A pickle that another process can read.

    The plain one is many times quicker, and is the same unless something in it is of `__main__` (it
    would be only named, and another process has another `__main__`) or cannot be named at all.
    """
    try:
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    except BaseException:  # noqa: BLE001  # what cannot be kept at all is told by the other
        data = b""
    if data and b"__main__" not in data and not _by_value():
        return data
    import cloudpickle

    taken: bytes = cloudpickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    return taken


def _by_value() -> bool:
    """Whether the person asked cloudpickle to take whole modules along."""
    cloudpickle = sys.modules.get("cloudpickle")
    return bool(cloudpickle is not None and cloudpickle.list_registry_pickle_by_value())


def restore(ref: ResultRef, data: bytes | None) -> Any:
    """The value again. Raises LookupError for one that was not kept, or cannot be read here."""
    if ref.format == "none":
        return None
    if ref.hash[:1] == "=":
        return json.loads(ref.hash[1:])
    if ref.format == "unstored" or data is None:
        raise LookupError(f"this result was not kept: {ref.reason or 'it is not in the journal'}")
    if ref.format == "json":
        return json.loads(data)
    try:
        return pickle.loads(data)  # noqa: S301  # written by this user's own run, see above
    except BaseException as error:  # a class that is gone may raise anything
        raise LookupError(f"this result cannot be read here: {said(error)}") from error
