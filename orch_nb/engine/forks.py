"""Forks of this process. The child of a fork has the whole engine, the loop and the journal of its
parent, and must not go on with the run: a task that forks may come back twice.

    born = forks.count()          when the run begins
    forks.count() != born         in a child, for ever
"""

from __future__ import annotations

import os

__all__ = ["count"]

_count = 0


def count() -> int:
    """How many forks this process is away from the first."""
    return _count


def _one_more() -> None:
    global _count  # noqa: PLW0603  # it is the process that is counted
    _count += 1


if hasattr(os, "register_at_fork"):  # else there are no forks
    os.register_at_fork(after_in_child=_one_more)
