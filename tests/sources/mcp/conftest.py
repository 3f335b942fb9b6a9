"""A home without any MCP server, a workspace to write some into, and no process left afterwards."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import shutil
import sys
import time
from pathlib import Path

import psutil
import pytest

from orch_nb.analysis.analyze import analyze_goal
from orch_nb.sources.gather import gather
from orch_nb.sources.mcp.servers import approve, chosen

SERVERS = Path(__file__).parent / "servers"
CI = os.environ.get("ORCH_NB_CI") == "1"
GOAL = "Move the carts of this shop from Redis to Postgres without downtime, and keep a way back."


def absent(what: str) -> None:
    """Skip for want of `what`; in CI fail, since a check that was skipped has not passed."""
    if CI:
        pytest.fail(f"{what} is missing, and CI must have it")
    pytest.skip(f"{what} is not here")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A person's home of the test's own."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "ORCH_NB_MCP"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def configured(workspace):
    """`configured(name={...})` writes the project's .mcp.json."""

    def write(**servers):
        (workspace / ".mcp.json").write_text(json.dumps({"mcpServers": servers}))
        return workspace

    return write


@pytest.fixture
def python_server():
    """`python_server("strange", "flood")` is the entry of one of the servers beside this file."""
    if importlib.util.find_spec("mcp") is None:
        absent("the package mcp (pip install 'orch_nb[mcp]')")

    def entry(file, *arguments, **fields):
        return {
            "command": sys.executable, "args": [str(SERVERS / f"{file}.py"), *map(str, arguments)],
            **fields,
        }  # fmt: skip

    return entry


@pytest.fixture
def researched(workspace):
    """`researched()` asks the approved servers of the workspace, and nobody else."""
    analysis = analyze_goal(GOAL, workspace)

    def ask(*names, approved=True, timeout_s=20.0, fresh=False, **options):
        if approved:
            approve(names, workspace)
        sources, unasked = chosen("all", workspace, timeout_s=timeout_s, fresh=fresh)
        return asyncio.run(gather(analysis, sources, timeout_s, unasked=unasked, **options))

    return ask


@pytest.fixture(autouse=True)
def nothing_is_left(home):
    """No process that a test's servers were, or started, outlives it: they are known by the home
    that they were given, whoever's children they have become."""
    me = psutil.Process()
    before = set(me.children(recursive=True))  # of other tests of this process
    yield
    end = time.monotonic() + 3
    while left := {*_with_home(home), *me.children(recursive=True)} - before:
        assert time.monotonic() < end, f"left behind: {left}"
        time.sleep(0.05)


def _with_home(home):
    found = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if one.pid != os.getpid() and one.environ().get("HOME") == str(home):
                found.append(one)
    return found


@pytest.fixture(scope="session")
def npm_server():
    """`npm_server("context7-mcp")` is the command of a server from npm: on the PATH, or below the
    folder that ORCH_NB_NPM names."""

    def find(name, package):
        folder = os.environ.get("ORCH_NB_NPM")
        path = os.environ.get("PATH", os.defpath)
        if folder:
            path = os.pathsep.join((str(Path(folder, "node_modules", ".bin")), path))
        found = shutil.which(name, path=path)
        if shutil.which("node") is None or found is None:
            absent(f"{name} (npm install {package}, in the folder that ORCH_NB_NPM names)")
        return found

    return find
