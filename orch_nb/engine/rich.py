"""What a result looks like, made while it is at hand: see `model.preview`.

    rich(frame)    the first rows and columns as text, dtypes, shape     pandas, polars, numpy,
    rich(figure)   a PNG of at most 300 kB                               lists of flat dicts
    rich("text")   None: its one-line preview is all that there is

Types are known by what they can do, and by the module that they come from: no library is imported
for this that the value did not bring. Whatever a foreign method raises, there is no preview then;
a result is never lost for the sake of its picture.
"""

from __future__ import annotations

import base64
import io
import math
import reprlib
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from orch_nb.model.preview import Rich

__all__ = ["PNG_BYTES", "rich"]

ROWS, COLUMNS, CHARS = 10, 12, 80
PNG_BYTES = 300_000
_PIXELS = 1600  # of the longer side
_DPI = 100.0
_MAGIC = b"\x89PNG\r\n\x1a\n"
_PLAIN = frozenset({str, int, float, bool, type(None)})
_CELL = reprlib.Repr()
_CELL.maxlist = _CELL.maxtuple = _CELL.maxdict = _CELL.maxset = 6
_CELL.maxstring = _CELL.maxother = _CELL.maxlong = CHARS


def rich(value: Any) -> Rich | None:
    """The preview of any value; None where there is nothing but its text. Never raises."""
    kind = type(value)
    own = kind.__module__ == "builtins"  # nearly all results are: they cost this line
    if (own and kind is not list) or isinstance(value, type):
        return None
    if kind.__module__.startswith("orch_nb."):
        return None  # a plan or a run draws itself only where somebody looks
    try:
        for make in (_records,) if own else (_frame, _series, _array, _picture):
            found = make(value)
            if found is not None:
                return found
    except BaseException:  # noqa: BLE001  # `sys.exit` in a foreign method, too
        return None
    return None


# -- tables --------------------------------------------------------------------------------------


def _records(value: Any) -> Rich | None:
    """A list of flat dicts, judged by its first rows: the keys are columns."""
    if type(value) is not list or not value or type(value[0]) is not dict:
        return None
    top = value[:ROWS]
    keys: dict[Any, None] = {}
    for row in top:
        if type(row) is not dict or not all(type(cell) in _PLAIN for cell in row.values()):
            return None
        keys |= dict.fromkeys(row)
    if not keys:
        return None
    chosen = list(keys)[:COLUMNS]
    return _table(
        f"list of {len(value):,} × {len(keys):,}",
        chosen,
        [
            next((type(r[key]).__name__ for r in top if r.get(key) is not None), "")
            for key in chosen
        ],
        [["" if row.get(key) is None else row[key] for key in chosen] for row in top],
        (len(value), len(keys)),
    )


def _shape(value: Any, length: int) -> tuple[int, ...] | None:
    """The shape, if it is known: that of a lazy frame would have to be worked out."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and len(shape) == length and all(type(n) is int for n in shape):
        return shape
    return None


def _frame(value: Any) -> Rich | None:
    shape = _shape(value, 2)
    if shape is None or not (hasattr(value, "columns") and hasattr(value, "head")):
        return None
    names, top = list(value.columns)[:COLUMNS], value.head(ROWS)
    if hasattr(top, "iloc"):  # pandas
        part = top.iloc[:, :COLUMNS]
        dtypes, rows = list(part.dtypes), part.itertuples(index=False, name=None)
        labels = _labels(top.index)
    else:
        part = top[:, :COLUMNS] if hasattr(top, "rows") else top
        dtypes, rows, labels = list(part.dtypes), part.rows(), None
    return _table(_named(value, shape), names, dtypes, rows, shape, labels)


def _labels(index: Any) -> tuple[str, Sequence[Any]] | None:
    """The rows' own labels, where they are more than numbers that count them."""
    if type(index).__name__ == "RangeIndex":
        return None
    name = getattr(index, "name", None)
    return ("" if name is None else str(name), list(index))


def _series(value: Any) -> Rich | None:
    shape = _shape(value, 1)
    if shape is None or not (hasattr(value, "dtype") and hasattr(value, "head")):
        return None
    top = value.head(ROWS)
    name = getattr(value, "name", None)
    labels = _labels(top.index) if hasattr(top, "index") and hasattr(top, "iloc") else None
    rows = [[cell] for cell in top.to_list()]
    heads = ["" if name is None else name]
    return _table(_named(value, shape), heads, [value.dtype], rows, (shape[0], 1), labels)


def _array(value: Any) -> Rich | None:
    if type(value).__module__.partition(".")[0] != "numpy" or not hasattr(value, "dtype"):
        return None
    shape = getattr(value, "shape", ())
    if not shape or value.dtype.names:  # a number; a table of its own kind
        return None
    part, note = value, ""
    if len(shape) > 2:
        if 0 in shape:
            return None
        part = value[(0,) * (len(shape) - 2)]
        note = f"the first of {_times(shape[:-2])} tables"
    cells = part[:ROWS, :COLUMNS].tolist() if part.ndim == 2 else part[:ROWS].tolist()
    rows = cells if part.ndim == 2 else [[cell] for cell in cells]
    wide = part.shape[1] if part.ndim == 2 else 1
    heads = [str(n) for n in range(min(wide, COLUMNS))] if part.ndim == 2 else [""]
    dtypes = [value.dtype] * len(heads)
    found = (int(part.shape[0]), int(wide))
    title = f"{type(value).__name__} {_times(shape)}, {value.dtype}"
    return _table(title, heads, dtypes, rows, found, note=note)


def _times(shape: Iterable[int]) -> str:
    return " × ".join(f"{n:,}" for n in shape)


def _named(value: Any, shape: tuple[int, ...]) -> str:
    return f"{type(value).__name__} {_times(shape)}"


def _table(
    title: str, names: Sequence[Any], dtypes: Sequence[Any], rows: Iterable[Sequence[Any]],
    shape: tuple[int, int] | tuple[int, ...], labels: tuple[str, Sequence[Any]] | None = None,
    note: str = "",
) -> Rich:  # fmt: skip
    cells = [tuple(_cell(cell) for cell in row) for row in rows]
    heads, kinds = [_cell(name) for name in names], [_cell(kind) for kind in map(str, dtypes)]
    if labels is not None:
        heads, kinds = [_text(labels[0]), *heads], ["", *kinds]
        cells = [(_cell(label), *row) for label, row in zip(labels[1], cells, strict=True)]
    return Rich(
        "table", _text(title), tuple(heads), tuple(kinds), tuple(cells), tuple(shape),
        labels is not None, note=note,
    )  # fmt: skip


def _cell(value: Any) -> str:
    if type(value) is str:
        return _text(value)
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else f"{value:.6g}"
    if type(value) in (bool, int):
        return _text(str(value)) if abs(value) < 1 << 200 else "a long number"
    return _text(_CELL.repr(value) if isinstance(value, (list, dict, tuple, set, bytes))
                 else str(value))  # fmt: skip


def _text(text: str) -> str:
    plain = text[: 4 * CHARS].encode("utf-8", "backslashreplace").decode()
    head = " ".join(plain.split())
    return head if len(head) <= CHARS else head[: CHARS - 1] + "…"


# -- pictures ------------------------------------------------------------------------------------


def _picture(value: Any) -> Rich | None:
    """A PNG of what can show itself as one. Methods are looked up on the class: a stand-in that
    answers to every name shows nothing."""
    kind, title = type(value), type(value).__name__
    figure = value if hasattr(kind, "savefig") else getattr(value, "figure", None)
    if hasattr(type(figure), "savefig") and hasattr(type(figure), "get_size_inches"):
        return _within(title, lambda share: _drawn(figure, share))
    if hasattr(kind, "thumbnail") and hasattr(kind, "save") and hasattr(value, "size"):
        return _within(title, lambda share: _saved(value, share))
    data: Any = None
    if callable(getattr(kind, "_repr_png_", None)):
        data = value._repr_png_()
    elif callable(getattr(kind, "_repr_mimebundle_", None)):
        data = value._repr_mimebundle_(include={"image/png"})
        data = (data[0] if isinstance(data, tuple) else data or {}).get("image/png")
    if isinstance(data, tuple):  # with its metadata
        data = data[0]
    if isinstance(data, str):
        data = base64.b64decode(data)
    if not isinstance(data, bytes) or not data.startswith(_MAGIC):
        return None
    return _within(title, lambda share: data if share == 1.0 else _shrunk(data, share))


def _within(title: str, make: Callable[[float], bytes | None]) -> Rich:
    """What `make` gives at full size, or at the largest share of it that fits."""
    data: bytes | None = b""
    for share in (1.0, 0.5, 0.25):
        data = make(share)
        if data is None or len(data) <= PNG_BYTES:
            break
    if not data or len(data) > PNG_BYTES:
        why = f"its picture has more than {PNG_BYTES // 1000} kB and cannot be made smaller here"
        return Rich("picture", title, note=why)
    width, height = struct.unpack(">II", data[16:24])
    return Rich("picture", title, png=data, width=width, height=height)


def _drawn(figure: Any, share: float) -> bytes:
    """A matplotlib figure; its own resolution stays as it was."""
    width, height = figure.get_size_inches()
    dpi = min(_DPI, _PIXELS / max(width, height, 1.0)) * share
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def _saved(image: Any, share: float) -> bytes:
    """An image of Pillow's."""
    width, height = image.size
    scale = min(1.0, _PIXELS / max(width, height, 1)) * share
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        image = image.convert("RGB")
    if scale < 1.0:
        image = image.resize((max(1, round(width * scale)), max(1, round(height * scale))))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _shrunk(data: bytes, share: float) -> bytes | None:
    """A smaller picture, where Pillow is loaded or can be; None where it cannot."""
    try:
        from PIL import Image
    except ImportError:
        return None
    with Image.open(io.BytesIO(data)) as image:
        return _saved(image, share)
