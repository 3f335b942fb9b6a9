"""One table of what a state looks like: glyph, word, text colour, background.

HTML, DOT, SVG, Markdown, text and the live view all read `LOOKS`, so that a state looks the same
wherever it is met. Every pair of text and background has a contrast of at least 4.5 to 1 (WCAG 2.2,
1.4.3), and no state differs from another by its colour alone.

`GREY` is the one grey for secondary text, rules and edges. It stands on pages whose colour nobody
knows: 4.5 to 1 on white asks for a luminance of at most 0.183, on #111 of at least 0.200, so both
at once cannot be had. `#797979` is the best that can: 4.35 on white, 4.34 on #111.

    >>> look("failed").glyph, look("failed").word
    ('✗', 'failed')
"""

from __future__ import annotations

import msgspec

__all__ = ["CRITICAL", "GREY", "INK", "LOOKS", "RULE", "Look", "contrast", "look"]

#: Secondary text, rules and edges, on any page.
GREY = "#797979"
#: The critical path; twice as wide as other edges, so that it shows without colour too.
CRITICAL = "#bf5af2"
#: Text on a background of our own.
INK = "#24292f"
#: The same, for lines between rows: they part, and need not be read.
RULE = "#79797955"


class Look(msgspec.Struct, frozen=True):
    """How a state shows: `glyph` and `word` say it, `text` on `fill` (hex colours) underline it."""

    glyph: str
    word: str
    text: str
    fill: str

    def __str__(self) -> str:
        return f"{self.glyph} {self.word}"


#: Every `Status` and `RunStatus`, what an attempt can be beyond them, and the words of reports.
LOOKS: dict[str, Look] = {
    "pending": Look("○", "pending", "#424a53", "#eaeef2"),
    "ready": Look("◎", "ready", "#0757b8", "#eaeef2"),
    "running": Look("▶", "running", "#0757b8", "#dcecff"),
    "backing_off": Look("↻", "backing off", "#8a4b00", "#ffeccc"),
    "waiting": Look("⏸", "waiting", "#6b2fb3", "#efe2ff"),
    "succeeded": Look("✓", "succeeded", "#1a7f37", "#dafbe1"),
    "failed": Look("✗", "failed", "#b42318", "#ffe2df"),
    "skipped": Look("–", "skipped", "#424a53", "#eaeef2"),
    "upstream_failed": Look("⊘", "upstream failed", "#7a2e1f", "#f6e3dc"),
    "cancelled": Look("⊗", "cancelled", "#6b4e16", "#f3e8d2"),
    "compensated": Look("↶", "compensated", "#0b5a66", "#d6f1f4"),
    "paused": Look("‖", "paused", "#6b2fb3", "#efe2ff"),
    "injected": Look("⚑", "failed on purpose", "#8a4b00", "#ffeccc"),
    "faults": Look("⚑", "faults on purpose", "#8a4b00", "#ffeccc"),
    "lost": Look("⚡", "lost", "#8a4b00", "#ffeccc"),
    "cut_off": Look("⚡", "cut off", "#8a4b00", "#ffeccc"),
    "draft": Look("✎", "draft", "#0757b8", "#dcecff"),
    "met": Look("✓", "met", "#1a7f37", "#dafbe1"),
    "missing": Look("✗", "missing", "#b42318", "#ffe2df"),
    "broken": Look("✗", "does not hold", "#b42318", "#ffe2df"),
    "unknown": Look("?", "not checked", "#424a53", "#eaeef2"),
    "answered": Look("✓", "answered", "#1a7f37", "#dafbe1"),
    "unreachable": Look("✗", "unreachable", "#b42318", "#ffe2df"),
    "good": Look("✓", "good", "#1a7f37", "#dafbe1"),
    "possible": Look("◐", "possible", "#8a4b00", "#ffeccc"),
    "poor": Look("✗", "poor", "#b42318", "#ffe2df"),
    "low": Look("▁", "low", "#424a53", "#eaeef2"),
    "medium": Look("▄", "medium", "#8a4b00", "#ffeccc"),
    "high": Look("█", "high", "#b42318", "#ffe2df"),
    "plan": Look("", "", INK, "#eef1f4"),
}


def look(state: str) -> Look:
    """The look of a state; one that is not in the table shows its own name, in grey."""
    return LOOKS.get(state) or Look("·", str(state), "#424a53", "#eaeef2")


def contrast(one: str, other: str) -> float:
    """The contrast of two hex colours, from 1 to 21.

    Source: https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio
    """
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
