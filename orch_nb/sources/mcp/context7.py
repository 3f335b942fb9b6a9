"""Context7: the current documentation of a library, by its id; of the six systems they are known.

A library that this workspace uses and that is not one of the six is resolved by its name first.
Its errors come as answers: a text without any snippet is one.
"""

from __future__ import annotations

import asyncio
import re

import msgspec

from orch_nb.model.research import Finding
from orch_nb.sources.mcp.cache import Kept
from orch_nb.sources.mcp.connection import ServerFailed, Tool
from orch_nb.sources.mcp.desk import Desk
from orch_nb.sources.mcp.reading import finding, link_in
from orch_nb.sources.needs import asked
from orch_nb.sources.source import Query

__all__ = ["LIBRARIES", "Library", "ask_context7", "knows_context7"]

_RESOLVE, _QUERY, _BEFORE = "resolve-library-id", "query-docs", "get-library-docs"
_EACH = 2
_MOST_OTHERS = 2
_USED_HERE = 0.15
_ID = re.compile(r"Context7-compatible library ID:\s*(/[\w.\-]+/[\w./\-]+)")
_RULE = re.compile(r"\n\s*(?:-{8,}|={8,})\s*\n")
_TITLE = re.compile(r"^(?:#{1,4}\s+|TITLE:\s*)(.+)$", re.MULTILINE)
_SOURCE = re.compile(r"^(?:Source|SOURCE):\s*(\S+)\s*$", re.MULTILINE)
_LABEL = re.compile(r"^(?:DESCRIPTION|CODE|LANGUAGE):[ \t]*", re.MULTILINE)


class Library(msgspec.Struct, frozen=True):
    """A library's id, its name for people, and what it is asked about."""

    id: str
    system: str
    about: str


LIBRARIES = (
    Library("/websites/airflow_apache_apache-airflow_3_1_1", "Airflow", "DAG patterns"),
    Library("/websites/stately_ai", "XState", "state machines"),
    Library("/websites/bullmq_io", "BullMQ", "job queues"),
    Library("/restatedev/documentation", "Restate", "durable workflows"),
    Library("/temporalio/temporal", "Temporal", "workflow retries"),
    Library("/websites/celeryq_dev_en_stable", "Celery", "distributed tasks"),
)
#: Systems of workflows that are found in a workspace, by the name that Context7 resolves.
_OTHERS = {
    "prefect": "Prefect", "dagster": "Dagster", "argo": "Argo Workflows", "dbt": "dbt",
    "snakemake": "Snakemake", "tekton": "Tekton", "luigi": "Luigi",
    "github_actions": "GitHub Actions", "gitlab_ci": "GitLab CI",
}  # fmt: skip


def knows_context7(tools: dict[str, Tool]) -> bool:
    return _QUERY in tools or _BEFORE in tools


async def ask_context7(desk: Desk, query: Query, tools: dict[str, Tool]) -> list[Finding]:
    """What each of the six systems says to what this goal needs, and others that are used here."""
    used = {workflow.system for workflow in query.analysis.scope.workflows}
    others = [name for key, name in _OTHERS.items() if key in used][:_MOST_OTHERS]
    asking = [_of_library(desk, query, library, tools, used) for library in LIBRARIES]
    if _RESOLVE in tools:
        asking += [_resolved(desk, query, name, tools, used) for name in others]
    return [one for found in await asyncio.gather(*asking) for one in found]


async def _resolved(
    desk: Desk, query: Query, name: str, tools: dict[str, Tool], used: set[str]
) -> list[Finding]:
    library = Library(await _resolve(desk, query, name), name, "workflows")
    return await _of_library(desk, query, library, tools, used) if library.id else []


async def _resolve(desk: Desk, query: Query, name: str) -> str:
    """The id of a library; empty if it has none."""
    arguments = {"libraryName": name, "query": asked(query.analysis, name)}
    try:
        kept = await desk.ask(_RESOLVE, arguments, lambda text: "" if _ID.search(text) else text)
    except ServerFailed:  # the desk keeps what went wrong
        return ""
    found = _ID.search(kept.text)
    return found[1] if found else ""


async def _of_library(
    desk: Desk, query: Query, library: Library, tools: dict[str, Tool], used: set[str]
) -> list[Finding]:
    words = asked(query.analysis, f"{library.system} {library.about}")
    if _QUERY in tools:
        tool, arguments = _QUERY, {"libraryId": library.id, "query": words}
    else:
        tool = _BEFORE
        arguments = {"context7CompatibleLibraryID": library.id, "topic": words}
    try:
        kept = await desk.ask(tool, arguments, _fault)
    except ServerFailed:  # the desk keeps what went wrong; the other libraries are asked still
        return []
    extra = _USED_HERE if library.system.lower() in used else 0.0
    return _snippets(query, kept, library, desk.ready.server.name, extra)


def _fault(text: str) -> str:
    """An answer without a snippet is an error's text: rate limits, no such library, no network."""
    whole = _SOURCE.search(text) or "```" in text or len(_TITLE.findall(text)) > 1
    return "" if whole else " ".join(text.split())[:300] or "its answer is empty"


def _snippets(
    query: Query, kept: Kept, library: Library, server: str, extra: float
) -> list[Finding]:
    found: list[Finding] = []
    for text in _RULE.split(kept.text):
        title, source = _TITLE.search(text), _SOURCE.search(text)
        if title is None:
            continue
        body = _TITLE.sub("", _SOURCE.sub("", text, count=1), count=1)
        url = source[1] if source else link_in(body)
        if not url.startswith("http"):
            url = f"https://context7.com{library.id}"
        found.append(
            finding(
                query, kept, source=server, title=f"{library.system}: {title[1].strip()}",
                excerpt=re.sub(r"\n{2,}", "\n", _LABEL.sub("", body)), url=url, rank=len(found),
                extra=extra, why=f"{library.system}’s documentation on {library.about}, "
                "asked what this goal needs of it",
            )
        )  # fmt: skip
        if len(found) == _EACH:
            break
    return found
