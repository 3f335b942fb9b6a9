"""GitHub: workflows of others that are like the one planned, by its code search."""

from __future__ import annotations

import json
import re
from typing import Any

from orch_nb.model.research import Finding
from orch_nb.model.secrets import PLAIN
from orch_nb.sources.mcp.cache import Kept
from orch_nb.sources.mcp.connection import Tool
from orch_nb.sources.mcp.desk import Desk
from orch_nb.sources.mcp.reading import finding
from orch_nb.sources.needs import stems
from orch_nb.sources.source import Query

__all__ = ["ask_github", "code_queries", "knows_github"]

_TOOL = "search_code"
_MOST = 5
#: How a workflow of a system is known in code, in GitHub's search syntax.
_MARKS = {
    "airflow": '"from airflow" language:python', "celery": '"shared_task" language:python',
    "temporal": '"workflow.defn" language:python', "prefect": '"from prefect" language:python',
    "bullmq": '"bullmq" language:typescript', "restate": '"restate.workflow"',
    "xstate": '"createMachine" language:typescript', "argo": '"kind: Workflow" language:yaml',
}  # fmt: skip
_DEFAULT = "path:.github/workflows"
_NAME = re.compile(r"(?<![.!?]\s)(?<!^)\b[A-Z][A-Za-z0-9]{2,}\b", re.MULTILINE)
_WORD = re.compile(r"[A-Za-z]{4,}")


def knows_github(tools: dict[str, Tool]) -> bool:
    return _TOOL in tools


def code_queries(query: Query) -> list[str]:
    """The narrow query first: names in the goal (Redis, Postgres), or its longest words, in files
    that are workflows of a system that is used here."""
    goal = PLAIN.text(query.words)
    known = stems(goal)
    words = [word for word in _WORD.findall(goal) if stems(word) & known]
    names = list(dict.fromkeys([*_NAME.findall(goal), *sorted(words, key=len, reverse=True)]))
    used = [workflow.system for workflow in query.analysis.scope.workflows]
    mark = next((_MARKS[system] for system in used if system in _MARKS), _DEFAULT)
    return list(dict.fromkeys(f"{' '.join(names[:n])} {mark}".strip() for n in (2, 1)))


async def ask_github(desk: Desk, query: Query, tools: dict[str, Tool]) -> list[Finding]:
    """Code like the planned; the wider query if the narrow one finds nothing."""
    properties = tools[_TOOL].schema.get("properties")
    known = properties if isinstance(properties, dict) else {}
    key = "query" if "query" in known else "q"
    pages = {name: _MOST for name in ("perPage", "per_page") if name in known}
    for words in code_queries(query):
        kept = await desk.ask(_TOOL, {key: words, **pages}, _fault)
        found = _files(query, kept, words, desk.ready.server.name)
        if found:
            return found
    return []


def _fault(text: str) -> str:
    whole = _decoded(text)
    if isinstance(whole, dict) and isinstance(whole.get("items"), list):
        return ""
    return f"it answered in a form that is not known: {' '.join(text.split())[:200]}"


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _files(query: Query, kept: Kept, words: str, server: str) -> list[Finding]:
    found: list[Finding] = []
    whole = _decoded(kept.text)
    entries = whole.get("items") if isinstance(whole, dict) else None
    for item in (entries or [])[:_MOST]:
        path = item.get("path") if isinstance(item, dict) else None
        if not isinstance(path, str):
            continue
        repository = item.get("repository")
        repo = repository.get("full_name") if isinstance(repository, dict) else repository
        url = item.get("html_url") or f"https://github.com/{repo}/blob/HEAD/{path}"
        matches = item.get("text_matches")
        fragments = [
            str(one.get("fragment", ""))
            for one in (matches if isinstance(matches, list) else [])
            if isinstance(one, dict)
        ]
        found.append(
            finding(
                query, kept, source=server, title=f"{repo}: {path}", url=str(url),
                excerpt="\n".join(fragments) or f"{path} in {repo}", rank=len(found),
                why=f"a workflow of others, found by “{words}”",
            )
        )  # fmt: skip
    return found
