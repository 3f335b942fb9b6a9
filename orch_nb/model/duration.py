"""Durations: float seconds in code, `"90s"`, `"10m"`, `"1h30m"` in documents."""

from __future__ import annotations

import re

__all__ = ["duration_text", "parse_duration"]

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
LONGEST_S = 366 * 86400.0


def parse_duration(value: float | str) -> float:
    """Seconds of a duration as documents spell it; a bare number is seconds.

    >>> parse_duration("1h30m"), parse_duration("250ms"), parse_duration(2)
    (5400.0, 0.25, 2.0)

    Raises ValueError, with the forms that are understood, for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"{value!r} is not a duration; write 90s, 10m, 1h30m or seconds")
    if isinstance(value, str):
        text = value.strip()
        parts = _PART.findall(text)
        if parts and _PART.sub("", text).strip() == "":
            seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        else:
            try:
                seconds = float(text)
            except ValueError:
                raise ValueError(
                    f"{value!r} is not a duration; write 90s, 10m, 1h30m or seconds"
                ) from None
    else:
        seconds = float(value)
    if not 0.0 <= seconds <= LONGEST_S:
        raise ValueError(f"{value!r} is not a duration between 0 s and one year")
    return seconds


def duration_text(seconds: float) -> str:
    """A duration as documents spell it: the inverse of `parse_duration`.

    >>> duration_text(5400.0), duration_text(0.25), duration_text(2.0)
    ('1h30m', '250ms', '2s')
    """
    if seconds < 1 and round(seconds * 1000) == seconds * 1000:
        return f"{round(seconds * 1000)}ms"
    if seconds != int(seconds):
        return f"{seconds!r}s" if seconds >= 0.001 else f"{seconds:.9f}s"
    rest, text = int(seconds), ""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"
