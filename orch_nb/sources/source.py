"""What a source is: somewhere to look for how a goal like this one is reached.

A port of one method. A source may be slow, wrong or down: `gather` bounds and isolates it, so it
need not care. The tiny fake for tests is `tests/sources/fakes.py`.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import msgspec

from orch_nb.model.analysis import Analysis
from orch_nb.model.research import Finding

__all__ = ["PartAnswer", "Query", "Source"]


class PartAnswer(Exception):
    """Raised by a source that has findings and yet something to tell of: what failed, or that these
    are answers of an earlier day."""

    def __init__(self, told: str, findings: list[Finding]) -> None:
        super().__init__(told)
        self.findings = findings


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What a source is asked: the goal's words, and the whole analysis for sources that want more.

    `limit` is how many findings are of use; a source may give fewer.
    """

    words: str
    analysis: Analysis
    limit: int = 10

    @classmethod
    def of(cls, analysis: Analysis, limit: int = 10) -> Query:
        return cls(words=analysis.goal.text, analysis=analysis, limit=limit)


@runtime_checkable
class Source(Protocol):
    """Answers a query with findings, each with its citation and a score from 0 to 1."""

    name: str

    async def search(self, query: Query) -> list[Finding]:
        """Findings for `query`, best first. Whatever it raises is shown and stops nothing."""
        ...
