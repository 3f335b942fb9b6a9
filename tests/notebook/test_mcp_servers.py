"""MCP servers from a notebook: consent by a line, RESEARCH by a cell, `--mcp` to choose."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

LIAR = Path(__file__).parent.parent / "sources" / "mcp" / "servers" / "liar.py"
DRAFT = "%%orchestrate --out carts\nMove the carts from Redis to Postgres without downtime\n"
PLAN = "%%orchestrate --dry-run\ngoal: g\ntasks: {a: {sh: ls}}\n"


@pytest.fixture
def servers(kernel):
    pytest.importorskip("mcp")
    kernel.ok("import os; os.environ.pop('ORCH_NB_MCP', None)")
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        kernel.ok(f"os.environ['{name}'] = {str(kernel.folder / 'home')!r}")
    entry = {"command": sys.executable, "args": [str(LIAR), "good"]}
    slow = {"command": sys.executable, "args": ["-c", "import time; time.sleep(60)"]}
    path = kernel.folder / ".mcp.json"
    path.write_text(json.dumps({"mcpServers": {"docs": entry, "slow": slow}}))
    yield kernel
    path.unlink()
    kernel.ok("os.environ['ORCH_NB_MCP'] = 'off'")


def test_a_server_is_listed_approved_asked_and_revoked(servers):
    assert "pending   docs" in servers.ok("%orchestrate mcp").printed
    cell = servers.ok(DRAFT)
    assert "docs (MCP)" in cell.text
    assert "not approved" in cell.text
    assert "approved docs: " in servers.ok("%orchestrate mcp approve docs").printed
    servers.ok(DRAFT)
    assert servers.value("[s.error for s in carts.research.sources if 'docs' in s.name]") == "['']"
    assert "revoked docs" in servers.ok("%orchestrate mcp revoke docs").printed
    assert "usage: %orchestrate mcp" in servers.run("%orchestrate mcp start docs").error


def test_a_cell_tells_who_is_awaited(servers):
    slow = f"sleep 3; exec {sys.executable} {LIAR} good"
    entry = {"command": "sh", "args": ["-c", slow]}
    path = servers.folder / ".mcp.json"
    path.write_text(json.dumps({"mcpServers": {"sleepy": entry}}))
    servers.ok("%orchestrate mcp approve sleepy")
    cell = servers.start(DRAFT)
    servers.until(lambda: "waits for sleepy (MCP)" in cell.text)
    servers.finish(cell)
    assert "waits for sleepy" not in cell.text  # what was found has taken its place
    assert "sleepy (MCP)" in cell.text


def test_a_plan_asks_no_server_unless_it_is_named(servers):
    servers.ok("%orchestrate mcp approve docs")
    servers.ok(PLAN)
    names = "[s.name for s in _orch.research.sources]"
    assert servers.value(names) == "['catalogue', 'codebase']"
    servers.ok(PLAN.replace("--dry-run", "--dry-run --mcp docs"))
    assert "docs (MCP)" in servers.value(names)
    assert (
        "no MCP server is named `dosc`" in servers.run(PLAN.replace("run", "run --mcp dosc")).error
    )


def test_a_goal_cell_tells_the_five_answers_to_the_thinking_server(servers):
    thinker = str(LIAR.with_name("thinker.py"))
    entry = {"command": sys.executable, "args": [thinker, "sequential-thinking"]}
    (servers.folder / ".mcp.json").write_text(json.dumps({"mcpServers": {"thoughts": entry}}))
    servers.ok("%orchestrate mcp approve thoughts")
    assert "kept 5 thoughts" in servers.ok(DRAFT).text
    assert servers.value("carts.research.sources[-1].thoughts") == "5"
