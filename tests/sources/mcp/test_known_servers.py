"""What Context7, GitHub and Tavily are asked, how their answers and errors are read, and the cache:
by a fake desk, since their services are elsewhere."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from orch_nb.analysis.analyze import analyze_goal
from orch_nb.model.analysis import Workflow
from orch_nb.sources.mcp.cache import AnswerCache, Kept
from orch_nb.sources.mcp.config import Server
from orch_nb.sources.mcp.connection import ServerFailed, Tool
from orch_nb.sources.mcp.context7 import LIBRARIES, ask_context7
from orch_nb.sources.mcp.github import ask_github, code_queries
from orch_nb.sources.mcp.searching import may_be_asked, search_tools
from orch_nb.sources.mcp.tavily import ask_tavily
from orch_nb.sources.mcp.variables import expanded
from orch_nb.sources.source import Query

GOAL = "Move the carts of this shop from Redis to Postgres without downtime, and keep a way back."
QUERY = Query.of(analyze_goal(GOAL))


class FakeDesk:
    """Answers by tool; keeps what it was asked; treats faults as the real one does."""

    def __init__(self, **answers):
        self.answers, self.asked, self.faults = answers, [], []
        self.ready = expanded(Server(name="s", file="f", command="x"), {})

    async def ask(self, tool, arguments, fault=lambda text: ""):
        self.asked.append((tool, arguments))
        text = self.answers[tool.replace("-", "_")]
        text = text(arguments) if callable(text) else text
        if wrong := fault(text):
            self.faults.append(wrong)
            raise ServerFailed(wrong)
        return Kept(text, time.time())


def tool(name, *required, **fields):
    properties = {one: {"type": "string"} for one in required}
    return Tool(name=name, schema={"properties": properties, "required": list(required)}, **fields)


def by_name(*tools):
    return {one.name: one for one in tools}


SNIPPETS = """### Retry a task

Source: https://docs.example.org/retries

Give the task a retry policy when you move data to Postgres.

```python
@task(retries=3)
```

--------------------------------

### Carts and a way back

Source: https://docs.example.org/saga

Compensate each step.
"""


def test_context7_is_asked_for_each_of_the_six_systems_what_this_goal_needs():
    desk = FakeDesk(query_docs=SNIPPETS)
    found = asyncio.run(ask_context7(desk, QUERY, by_name(tool("query-docs"))))
    assert [arguments["libraryId"] for _, arguments in desk.asked] == [
        "/websites/airflow_apache_apache-airflow_3_1_1", "/websites/stately_ai",
        "/websites/bullmq_io", "/restatedev/documentation", "/temporalio/temporal",
        "/websites/celeryq_dev_en_stable",
    ]  # fmt: skip
    for (_, arguments), library in zip(desk.asked, LIBRARIES, strict=True):
        assert library.about in arguments["query"]
        assert "Redis to Postgres" in arguments["query"]
        assert "Patterns: " in arguments["query"]
    assert found[0].title == "Airflow: Retry a task"
    assert found[0].citation.url == "https://docs.example.org/retries"
    assert "retry policy" in found[0].excerpt
    assert len(found) == 12


def test_a_library_that_is_used_here_is_resolved_by_name_first():
    listed = "- Title: Prefect\n- Context7-compatible library ID: /prefecthq/prefect\n"
    desk = FakeDesk(query_docs=SNIPPETS, resolve_library_id=listed)
    scope = QUERY.analysis.scope.__class__(workflows=(Workflow("flow", "prefect"),))
    analysis = analyze_goal(GOAL).__class__(goal=QUERY.analysis.goal, scope=scope)
    tools = by_name(tool("query-docs"), tool("resolve-library-id"))
    asyncio.run(ask_context7(desk, Query.of(analysis), tools))
    resolved = next(args for name, args in desk.asked if name == "resolve-library-id")
    assert resolved["libraryName"] == "Prefect"
    assert "/prefecthq/prefect" in [args.get("libraryId") for _, args in desk.asked]


@pytest.mark.parametrize(
    "text",
    [
        "Rate limited or quota exceeded. Create a free API key at https://context7.com/dashboard.",
        "The library you are trying to access does not exist. Please try with a different ID.",
        "Error fetching library context. Please try again later. TypeError: fetch failed",
        "Documentation not found or not finalized for this library.",
    ],
)
def test_an_error_that_context7_gives_as_an_answer_is_an_error(text):
    desk = FakeDesk(query_docs=text)
    assert asyncio.run(ask_context7(desk, QUERY, by_name(tool("query-docs")))) == []
    assert desk.faults[0] == text


CODE = json.dumps({
    "total_count": 1,
    "items": [{
        "name": "migrate.yml", "path": ".github/workflows/migrate.yml",
        "html_url": "https://github.com/a/b/blob/1/.github/workflows/migrate.yml",
        "repository": {"full_name": "a/b"}, "text_matches": [{"fragment": "pg_restore carts"}],
    }],
})  # fmt: skip


def test_github_is_asked_for_workflows_like_the_one_planned():
    assert code_queries(QUERY)[0] == "Redis Postgres path:.github/workflows"


@pytest.mark.parametrize("key", ["q", "query"])
def test_githubs_argument_is_what_its_live_schema_calls_it(key):
    desk = FakeDesk(search_code=CODE)
    (found,) = asyncio.run(ask_github(desk, QUERY, by_name(tool("search_code", key))))
    assert list(desk.asked[0][1]) == [key]
    assert found.title == "a/b: .github/workflows/migrate.yml"
    assert found.excerpt == "pg_restore carts"
    assert found.citation.url.startswith("https://github.com/a/b/blob")


def test_a_narrow_search_that_finds_nothing_is_widened():
    desk = FakeDesk(search_code=lambda a: '{"items": []}' if "Postgres" in a["q"] else CODE)
    assert asyncio.run(ask_github(desk, QUERY, by_name(tool("search_code", "q"))))
    assert len(desk.asked) == 2


@pytest.mark.parametrize(
    "text", ["sorry", "[]", '{"items": 3}', '{"items": [1, {"path": 4}, {"repository": []}]}']
)
def test_a_strange_answer_of_github_is_an_error_or_nothing(text):
    desk = FakeDesk(search_code=text)
    try:
        found = asyncio.run(ask_github(desk, QUERY, by_name(tool("search_code", "q"))))
    except ServerFailed:
        found = []
    assert found == []


PAGES = (
    "Detailed Results:\n\nTitle: Dual writes\nURL: https://e.org/d\nContent: Write twice.\n\n"
    "Title: Backfill\nURL: https://e.org/b\nContent: Copy.\n"
)


@pytest.mark.parametrize(
    "text",
    [
        PAGES,
        json.dumps({"results": [
            {"title": "Dual writes", "url": "https://e.org/d", "content": "Write twice."},
            {"title": "Backfill", "url": "https://e.org/b", "content": "Copy."},
        ]}),
    ],
)  # fmt: skip
def test_tavilys_pages_are_read_in_both_of_its_forms(text):
    desk = FakeDesk(tavily_search=text)
    found = asyncio.run(ask_tavily(desk, QUERY, by_name(tool("tavily_search", "query"))))
    assert [(one.title, one.citation.url, one.excerpt) for one in found] == [
        ("Dual writes", "https://e.org/d", "Write twice."), ("Backfill", "https://e.org/b", "Copy.")
    ]  # fmt: skip


def test_what_looks_like_a_secret_in_a_goal_is_asked_nobody():
    goal = analyze_goal("Move carts to postgres://ada:hunter2hunter@db/shop with ghp_" + "aB3" * 12)
    desk = FakeDesk(query_docs=SNIPPETS, tavily_search='{"results": []}')
    asyncio.run(ask_context7(desk, Query.of(goal), by_name(tool("query-docs"))))
    asyncio.run(ask_tavily(desk, Query.of(goal), by_name(tool("tavily_search", "query"))))
    assert "hunter2" not in str(desk.asked)
    assert "aB3aB3" not in str(desk.asked)


@pytest.mark.parametrize(
    ("one", "fits"),
    [
        (tool("search_docs", "query"), True),
        (tool("lookup", "q"), True),
        (tool("ask_wiki", "question", reads=True), True),
        (tool("summon", "query", reads=True), True),
        (tool("summon", "query"), False),
        (tool("search_docs", "query", reads=False), False),
        (tool("search_docs", "query", reads=True, destroys=True), False),
        (tool("search_and_replace", "query", reads=True), False),
        (tool("executeQuery", "query", reads=True), False),
        (tool("run_sql", "query"), False),
        (tool("search_files", "path", "pattern", reads=True), False),
        (tool("search_docs", "query", "library"), False),
        (tool("read_file", "path", reads=True), False),
        (Tool(name="search", schema={"properties": [1], "required": "query"}), False),
        (Tool(name="search", schema={"properties": {"query": 5}, "required": ["query"]}), False),
    ],
)
def test_any_other_server_is_asked_by_tools_that_search_and_only_read(one, fits):
    assert bool(search_tools(by_name(one))) is fits
    assert may_be_asked(one) or not fits


# -- the cache -----------------------------------------------------------------------------------

DAY = 86_400


def test_an_answer_is_kept_with_its_date_and_is_fresh_for_a_week(tmp_path):
    now = [1_790_000_000.0]
    cache = AnswerCache(tmp_path / "mcp", now=lambda: now[0])
    cache.put("server", "search", {"q": "x"}, "found")
    kept = cache.get("server", "search", {"q": "x"})
    assert (kept.text, kept.date) == ("found", "2026-09-21")
    assert kept.fresh(now[0] + 7 * DAY)
    assert not kept.fresh(now[0] + 8 * DAY)
    assert cache.get("server", "search", {"q": "y"}) is None
    assert cache.get("other", "search", {"q": "x"}) is None
    now[0] += 91 * DAY
    assert cache.get("server", "search", {"q": "x"}) is None
    assert list((tmp_path / "mcp").iterdir()) == []


def test_the_cache_is_bounded_and_what_is_damaged_is_removed(tmp_path):
    cache = AnswerCache(tmp_path / "mcp", most_files=5)
    for n in range(20):
        cache.put("s", "t", {"n": n}, "x")
    assert len(list((tmp_path / "mcp").iterdir())) == 5
    cache.put("s", "t", {"n": "big"}, "x" * (2 << 20))
    assert cache.get("s", "t", {"n": "big"}) is None
    for path in (tmp_path / "mcp").iterdir():
        path.write_text('{"text": 5')
    assert [cache.get("s", "t", {"n": n}) for n in range(20)] == [None] * 20
    assert list((tmp_path / "mcp").iterdir()) == []


def test_a_disk_that_refuses_is_no_failure(tmp_path):
    (tmp_path / "file").write_text("")
    cache = AnswerCache(tmp_path / "file")
    assert cache.put("s", "t", {}, "found").text == "found"
    assert cache.get("s", "t", {}) is None
