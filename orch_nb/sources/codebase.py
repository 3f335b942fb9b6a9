"""The workspace itself as a source: how work like this already flows through it.

The workflows were found by ANALYZE; here they become findings with file and line. One that shares
words with the goal, or with its kind of operation, ranks above the rest.
"""

from __future__ import annotations

import re

from orch_nb.model.analysis import Workflow
from orch_nb.model.research import Citation, Finding
from orch_nb.sources.source import Query

__all__ = ["CodebaseSource"]

SYSTEM_NAMES = {
    "github_actions": "GitHub Actions", "gitlab_ci": "GitLab CI", "make": "Make",
    "npm": "npm scripts", "airflow": "Airflow DAG", "celery": "Celery tasks", "tool": "a command",
}  # fmt: skip
_KIND_WORDS = {
    "release": "release publish deploy build dist tag wheel",
    "data pipeline": "load extract transform etl ingest sync export report",
    "migration": "migrate migration deploy backup restore convert import export",
}
_WORD = re.compile(r"[a-z]{3,}")
_BASE, _EACH, _MOST = 0.2, 0.15, 0.8
_SHOWN = 8


class CodebaseSource:
    """Reads the analysis only: no file is opened again."""

    name = "codebase"

    async def search(self, query: Query) -> list[Finding]:
        wanted = _stems(query.words) | _stems(_KIND_WORDS.get(query.analysis.operation, ""))
        found = [_finding(workflow, wanted) for workflow in query.analysis.scope.workflows]
        return sorted(found, key=lambda finding: -finding.score)[: query.limit]


def _stems(text: str) -> set[str]:
    return {re.sub(r"(ing|ed|es|e|s)$", "", word) for word in _WORD.findall(text.lower())}


def _finding(workflow: Workflow, wanted: set[str]) -> Finding:
    own = _stems(f"{workflow.name} {' '.join(workflow.tasks)}".replace("_", " ").replace("-", " "))
    shared = sorted(own & wanted)
    system = SYSTEM_NAMES.get(workflow.system, workflow.system)
    where = f"{workflow.evidence.path}:{workflow.evidence.line or 1}"
    shown = ", ".join(workflow.tasks[:_SHOWN]) + (" …" if len(workflow.tasks) > _SHOWN else "")
    why = (
        "This workspace already does it so"
        if shared
        else "Work that already flows through this workspace"
    )
    return Finding(
        title=f"{workflow.name} ({system})",
        excerpt=f"{len(workflow.tasks)} tasks: {shown}"
        if workflow.tasks
        else "no task could be read",
        source=CodebaseSource.name,
        citation=Citation(title=where),
        score=round(min(_MOST, _BASE + _EACH * len(shared)), 3),
        why=f"{why} (it shares {', '.join(f'“{w}”' for w in shared[:4])} with the goal)"
        if shared
        else why,
    )
