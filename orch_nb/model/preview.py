"""A result as a person looks at it: the head of a table, or a picture; bounded, and only data.

    frame of 1,000 × 40  ──►  Rich("table", columns=12 of them, rows=the first 10, as text)
    figure               ──►  Rich("picture", png=b"\\x89PNG...", width=640, height=480)

It is made where a result is kept and stands beside it in the journal, so that a room or a report
shows what a pickle holds without loading it: whoever reads it decodes JSON, and runs nothing.
"""

from __future__ import annotations

import msgspec

__all__ = ["Rich", "decode_rich", "encode_rich"]


class Rich(msgspec.Struct, frozen=True, omit_defaults=True):
    """`kind` is "table" or "picture"; `title` names the type and its size, as people write it.

    A table: `columns` and `dtypes` of the first columns, `rows` of text of the first rows, and the
    whole value's `shape`, (rows, columns). `index`: the first column is the rows' own labels.
    A picture: the bytes of a `png`, its `width` and `height` in pixels; without bytes, `note` says
    why. `note` tells of anything else that was left out.
    """

    kind: str
    title: str = ""
    columns: tuple[str, ...] = ()
    dtypes: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    shape: tuple[int, ...] = ()
    index: bool = False
    png: bytes = b""
    width: int = 0
    height: int = 0
    note: str = ""


#: JSON of one.
encode_rich = msgspec.json.Encoder().encode


def decode_rich(body: bytes) -> Rich:
    """The looks that a JSON text tells of. Raises msgspec.DecodeError on what is none."""
    return msgspec.json.decode(body, type=Rich)
