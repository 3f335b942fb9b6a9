"""Numbers for their reader: 1.9 s, 3 min 20 s, 48 kB; never 1.8999999, never a bare 3.

    >>> duration(1.8999999), duration(200), size(48213), count(1, "task")
    ('1.9 s', '3 min 20 s', '48 kB', '1 task')

Here and not in `render`, since sentences are made where their facts are known: `integration` writes
evidence with these, `render` tables. `model.duration` has the exact spelling of documents.
"""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["count", "duration", "listed", "number", "percent", "size", "times", "when"]

_SCALE = ("B", "kB", "MB", "GB", "TB", "PB")


def duration(seconds: float | None) -> str:
    """Two units at most, the smaller one whole; "" for None.

    >>> [duration(s) for s in (0, 0.0002, 0.12, 0.9996, 2.0, 59.96, 180, 7500, 200000)]
    ['0 s', '<1 ms', '120 ms', '1 s', '2 s', '1 min', '3 min', '2 h 5 min', '2 d 8 h']
    """
    if seconds is None:
        return ""
    if seconds < 0:
        return "−" + duration(-seconds)
    if seconds < 0.9995:
        whole = round(seconds * 1000)
        return f"{whole} ms" if whole else ("<1 ms" if seconds else "0 s")
    if seconds < 59.95:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    if seconds < 3599.5:
        return _pair(round(seconds), 60, "min", "s")
    if seconds < 86370:
        return _pair(round(seconds / 60), 60, "h", "min")
    return _pair(round(seconds / 3600), 24, "d", "h")


def _pair(units: int, per: int, big: str, small: str) -> str:
    high, low = divmod(units, per)
    return f"{number(high)} {big} {low} {small}" if low else f"{number(high)} {big}"


def size(count_bytes: int) -> str:
    """Bytes in powers of 1000, as disks and package indexes count them.

    >>> [size(n) for n in (0, 999, 1250, 48213, 999_999, 5_600_000)]
    ['0 B', '999 B', '1.2 kB', '48 kB', '1 MB', '5.6 MB']
    """
    value, unit = float(count_bytes), 0
    while value >= 999.5 and unit < len(_SCALE) - 1:
        value, unit = value / 1000, unit + 1
    text = f"{value:.1f}".removesuffix(".0") if unit and value < 9.95 else f"{value:.0f}"
    return f"{text} {_SCALE[unit]}"


def number(value: int) -> str:
    """A whole number with its thousands apart: 12,000."""
    return f"{value:,}"


def count(value: int, noun: str, plural: str = "") -> str:
    """A number with what it counts.

    >>> count(1, "story", "stories"), count(12000, "task")
    ('1 story', '12,000 tasks')
    """
    return f"{number(value)} {noun if value == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """A share from 0 to 1: 34 %."""
    return f"{round(share * 100)} %"


def times(value: int) -> str:
    """How often: once, twice, 3 times."""
    return {1: "once", 2: "twice"}.get(value, f"{number(value)} times")


def when(at: datetime | None) -> str:
    """A time in UTC, which means the same to every reader: 2026-11-22 08:41 UTC."""
    return "" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def listed(names: list[str] | tuple[str, ...], most: int = 3) -> str:
    """Names in a sentence, the rest counted.

    >>> listed(["a", "b"]), listed(["a", "b", "c", "d", "e"])
    ('a and b', 'a, b, c and 2 more')
    """
    names = list(names)
    if len(names) > most:
        return f"{', '.join(names[:most])} and {number(len(names) - most)} more"
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
