"""Real servers from npm over real pipes: sequential-thinking, filesystem, and Context7 in front of
a stub of its web service on loopback."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from orch_nb import phases
from orch_nb.model.research import Answer
from orch_nb.sources.mcp.config import find_servers
from orch_nb.sources.mcp.context7 import LIBRARIES
from orch_nb.sources.mcp.servers import approve
from orch_nb.sources.mcp.thinking import keep_thoughts, think

THOUGHTS = [
    Answer("What are the major phases?", "Dual writes, backfill, cut over.", ("the goal",)),
    Answer("What must be sequential?", "The backfill before the cut over."),
    Answer("What can run in parallel?", "The checks."),
    Answer("What is the critical path?", "The backfill."),
    Answer("What can fail, and what then?", "Carts differ: keep Redis as the way back."),
]


@pytest.fixture
def thinking(configured, npm_server):
    package = "@modelcontextprotocol/server-sequential-thinking"
    command = npm_server("mcp-server-sequential-thinking", package)
    return configured(**{"sequential-thinking": {"command": command}})


def test_a_thinking_server_keeps_the_five_answers(thinking):
    approve(["sequential-thinking"], thinking)
    report = phases.keep_thoughts(THOUGHTS, thinking)
    assert (report.name, report.thoughts, report.error) == ("sequential-thinking (MCP)", 5, "")
    assert report.duration_s > 0


def test_a_thinking_server_that_was_not_approved_is_told_nothing(thinking):
    report = asyncio.run(keep_thoughts(THOUGHTS, thinking))
    assert report.thoughts == 0
    assert report.error.startswith("pending: not approved")


def test_a_thinking_server_is_no_source_to_ask(thinking, researched):
    names = [one.name for one in researched("sequential-thinking").sources]
    assert names == []


def test_without_a_thinking_server_there_is_nothing_to_tell(workspace):
    assert asyncio.run(keep_thoughts(THOUGHTS, workspace)) is None


def test_a_server_that_does_not_confirm_is_told_of(configured, python_server):
    configured(liar=python_server("liar", "good"))
    (server,) = find_servers(configured(liar=python_server("liar", "good"))).servers
    kept, error = asyncio.run(think(server, ["one", "two"]))
    assert kept == 0
    assert error == "it did not confirm thought 1: fine"


def test_the_filesystem_server_has_nothing_to_search_by_words(configured, npm_server, researched):
    command = npm_server("mcp-server-filesystem", "@modelcontextprotocol/server-filesystem")
    workspace = configured(files={"command": command, "args": ["${workspaceFolder}"]})
    before = sorted(workspace.iterdir())
    report = researched("files").sources[-1]
    assert report.error.startswith("it has no tool that searches by words and only reads")
    assert sorted(workspace.iterdir()) == before


class Context7(BaseHTTPRequestHandler):
    """Context7's service: what it is asked is kept, and it answers or fails as told."""

    asked: list
    status: int

    def log_message(self, *_):
        pass

    def do_GET(self):
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        type(self).asked.append((parts.path, query))
        if parts.path.endswith("/v2/libs/search"):
            text = json.dumps({"results": [{"id": "/a/b", "title": "B", "description": "d"}]})
        else:
            text = (
                f"### Steps of {query['libraryId']}\n\nSource: https://docs.example.org"
                f"{query['libraryId']}\n\nMove the carts step by step.\n\n```yaml\nsteps: 2\n```\n"
            )
        self.send_response(type(self).status)
        self.end_headers()
        self.wfile.write(text.encode() if type(self).status == 200 else b"")


@pytest.fixture
def context7(configured, npm_server):
    """The real server in front of the stub, which it gives."""
    command = npm_server("context7-mcp", "@upstash/context7-mcp")
    stub = type("Stub", (Context7,), {"asked": [], "status": 200})
    http = ThreadingHTTPServer(("127.0.0.1", 0), stub)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{http.server_port}/api"
    configured(context7={"command": command, "env": {"CONTEXT7_API_URL": address}})
    yield stub
    http.shutdown()
    http.server_close()
    thread.join()


def test_context7_says_what_each_of_the_six_systems_has_for_this_goal(context7, researched):
    research = researched("context7")
    assert research.sources[-1].error == ""
    asked = {query["libraryId"]: query["query"] for _, query in context7.asked}
    assert set(asked) == {library.id for library in LIBRARIES}
    assert "Redis to Postgres" in asked["/temporalio/temporal"]
    found = {one.title: one for one in research.findings if one.source == "context7"}
    one = found["Temporal: Steps of /temporalio/temporal"]
    assert one.citation.url == "https://docs.example.org/temporalio/temporal"
    assert "Move the carts" in one.excerpt
    assert one.date


@pytest.mark.parametrize(("status", "told"), [(429, "Rate limited"), (404, "does not exist")])
def test_an_error_of_context7_is_told_and_not_kept(context7, researched, status, told):
    context7.status = status
    research = researched("context7")
    assert told in research.sources[-1].error
    assert [one for one in research.findings if one.source == "context7"] == []
    context7.status = 200
    assert researched("context7").sources[-1].findings == len(LIBRARIES)


def test_context7_again_is_answered_by_the_cache(context7, researched):
    first = researched("context7")
    many = len(context7.asked)
    assert researched("context7").findings == first.findings
    assert len(context7.asked) == many
