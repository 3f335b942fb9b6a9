"""What a project shows itself by: files and folders that say how it works.

A changelog, a documentation site, benchmarks, and release branches in CI each call for a task of
their own when a version is released; a project without them needs none. Each is told with its path.
"""

from __future__ import annotations

import re

from orch_nb.analysis.scan import Scan
from orch_nb.model.analysis import Evidence

__all__ = ["landmarks"]

_CHANGELOG = re.compile(
    r"^(docs?/)?(CHANGELOG|CHANGES|HISTORY|NEWS|RELEASES)(\.\w+)?$", re.IGNORECASE
)
_DOCS = re.compile(
    r"^(?:mkdocs\.ya?ml|\.readthedocs\.ya?ml|book\.toml|"
    r"(?:(?:docs?|website)/(?:source/)?)?(?:conf\.py|docusaurus\.config\.[jt]s))$"
)
_BENCHMARKS = re.compile(r"^(benchmarks?|benches|perf)/|^asv\.conf\.json$", re.IGNORECASE)
_ACTIONS = re.compile(r"^\.github/workflows/[^/]+\.ya?ml$")
_RELEASE_BRANCH = re.compile(
    r"^\s*(?:-|branches(?:-ignore)?:).*\b(?:release|releases|maint\w*|stable)\b[^#\n]*[*/\d]",
    re.IGNORECASE | re.MULTILINE,
)
_OF_PATH = (("changelog", _CHANGELOG), ("docs", _DOCS), ("benchmarks", _BENCHMARKS))


def landmarks(scan: Scan) -> dict[str, Evidence]:
    """Name to the first path of `scan` that shows it; what was not seen is not there."""
    found: dict[str, Evidence] = {}
    for file in scan.files:
        for name, pattern in _OF_PATH:
            if name not in found and pattern.search(file.path):
                found[name] = Evidence(path=file.path)
        if "release_branches" not in found and _ACTIONS.match(file.path) and not scan.out_of_time:
            text = scan.read(file) or ""
            if match := _RELEASE_BRANCH.search(text):
                line = text.count("\n", 0, match.end()) + 1
                found["release_branches"] = Evidence(match.group(0).strip(), file.path, line)
    return found
