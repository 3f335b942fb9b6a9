"""What stands in a text and is not seen: terminal sequences, controls, marks of direction.

Whoever shows a text takes it out (`render.plaintext`), and whoever looks for secrets looks past it:
a word that a terminal shows in two colours is one word to whom reads it.
"""

from __future__ import annotations

import re

__all__ = ["ANSI", "CONTROL", "seen", "seen_bytes"]

ANSI = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: titles, links
    r"|\x1b[PX^_][^\x1b]*\x1b\\"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"
)
#: Controls but tab and newline; marks and overrides of direction; what breaks a line unseen; byte
#: order marks, tags, noncharacters.
CONTROL = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\U000e0000-\U000e007f]"
)
_BYTES = re.compile(rb"(?:\x1b|\\u001[bB]|\\x1[bB])\[[0-?]*[ -/]*[@-~]")


def seen(text: str) -> str:
    """`text` as it is seen; the same object where nothing in it is unseen."""
    if CONTROL.search(text) is None:
        return text
    return CONTROL.sub("", ANSI.sub("", text))


def seen_bytes(data: bytes) -> bytes:
    """Bytes without the colours of terminals, as such or as JSON and Python write them."""
    return _BYTES.sub(b"", data) if b"[" in data else data
