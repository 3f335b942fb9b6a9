"""Without Python's garbage collector for a moment, where much is made that stays.

Replaying 100,000 tasks makes half a million objects, none of which is in a cycle; the collector
would look through all of them again and again, which takes more time than making them.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

__all__ = ["calm"]


@contextlib.contextmanager
def calm() -> Iterator[None]:
    """Hold the collector back in this block, if it was at work."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
