"""What the readers of workflows share: a page, the pages of one kind, and a finding being drafted.

A page is a file whose text has been read because it holds one of a reader's words. A reader takes
the pages that are its own and yields workflows; it never opens a file itself.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from orch_nb.analysis.scan import Scan, of_tests
from orch_nb.model.analysis import Evidence, Workflow, WorkflowPart

__all__ = ["GUESSED", "LIKELY", "SURE", "Draft", "Page", "Pages", "a_test_file"]

#: How sure a finding is: read from a syntax tree or a format; by a rule; by a rule that may err.
SURE, LIKELY, GUESSED = 1.0, 0.8, 0.6

_TEST_NAME = re.compile(
    r"^(test_[^/]+\.py|[^/]+_tests?\.(py|go|rb|exs|rs)|tests?\.(py|rs)|conftest\.py|"
    r"[^/]+[.-](test|spec|cy|stories)\.[cm]?[jt]sx?|"
    r"[^/]*(Test|Tests|Spec|IT)\.(java|kt|cs|swift|php|scala)|[^/]+_spec\.rb)$"
)
_TEST_FOLDER = re.compile(
    r"(^|/)(mocha|spec|specs|__mocks__|mocks|[\w.-]+[.-](Unit|Functional|Integration)?Tests?|"
    r"unit_?tests?|integration_?tests?|t/(unit|integration|smoke))/",
    re.IGNORECASE,
)


def a_test_file(path: str) -> bool:
    """Whether the file is a test or stands among tests, by its name and its folders.

    >>> a_test_file("app/order_test.go"), a_test_file("app/latest.go")
    (True, False)
    """
    return bool(
        of_tests(path) or _TEST_NAME.match(path.rpartition("/")[2]) or _TEST_FOLDER.search(path)
    )


class Page:
    """A file that was read: its path (relative, `/`-separated) and its text."""

    __slots__ = ("_starts", "path", "text")

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text = path, text
        self._starts: list[int] | None = None

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def stem(self) -> str:
        return self.name.partition(".")[0] or self.name

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]

    def line(self, offset: int) -> int:
        """The line, from 1, of a place in the text."""
        if self._starts is None:
            self._starts = [0, *(match.end() for match in re.finditer("\n", self.text))]
        return bisect_right(self._starts, offset)


class Pages:
    """The pages that one reader asked for, in the scan's order; stops where the time is up."""

    __slots__ = ("_pages", "_scan")

    def __init__(self, scan: Scan, pages: Sequence[Page]) -> None:
        self._scan, self._pages = scan, pages

    def __iter__(self) -> Iterator[Page]:
        for page in self._pages:
            if self._scan.out_of_time:
                self._scan.complete = False
                return
            yield page

    def broken(self) -> None:
        """Count a file that is none of its kind, or that does not parse."""
        self._scan.skipped["broken workflow"] += 1


class Draft:
    """A workflow while it is read; tasks, edges and parts keep the order of their first mention."""

    __slots__ = ("_edges", "_parts", "_tasks", "confidence", "evidence", "kind", "name", "system")

    def __init__(
        self, name: str, system: str, kind: str, evidence: Evidence, confidence: float = SURE
    ) -> None:
        self.name, self.system, self.kind = name, system, kind
        self.evidence, self.confidence = evidence, confidence
        self._tasks: dict[str, None] = {}
        self._edges: dict[tuple[str, str], None] = {}
        self._parts: dict[tuple[str, str], WorkflowPart] = {}

    @property
    def tasks(self) -> tuple[str, ...]:
        return tuple(self._tasks)

    def task(
        self, name: str, kind: str, line: int | None, text: str = "", confidence: float = SURE
    ) -> None:
        """A part that the workflow performs."""
        self._tasks[name] = None
        self.part(name, kind, line, text, confidence)

    def part(
        self,
        name: str,
        kind: str,
        line: int | None,
        text: str = "",
        confidence: float = SURE,
        path: str = "",
    ) -> None:
        evidence = Evidence(text, path or self.evidence.path, line)
        part = WorkflowPart(name, kind, evidence, min(confidence, self.confidence))
        self._parts.setdefault((name, kind), part)

    def edge(self, before: str, after: str) -> None:
        if before and after and before != after:
            self._edges[before, after] = None

    def done(self) -> Workflow:
        """The workflow; an edge counts only between tasks that were seen."""
        edges = tuple(e for e in self._edges if e[0] in self._tasks and e[1] in self._tasks)
        return Workflow(
            self.name, self.system, tuple(self._tasks), self.evidence, self.kind, edges,
            tuple(self._parts.values()), self.confidence,
        )  # fmt: skip
