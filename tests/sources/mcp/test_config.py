"""The servers of a person and a project, as Claude, Cursor and VS Code write them down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orch_nb.sources.mcp.config import find_servers
from orch_nb.sources.mcp.places import cache_folder, places, state_folder


def write(path: Path, text) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text if isinstance(text, str) else json.dumps(text))


def servers_of(workspace, **environ):
    return {one.name: one for one in find_servers(workspace, environ or None).servers}


def test_each_tool_keeps_its_servers_in_a_place_of_its_own(workspace, home):
    def named(name):
        return {"mcpServers": {name: {"command": name}}}

    write(workspace / ".mcp.json", named("code-project"))
    write(workspace / ".cursor/mcp.json", named("cursor-project"))
    write(workspace / ".vscode/mcp.json", {"servers": {"vscode-project": {"command": "v"}}})
    write(home / ".claude.json", named("code-user") | {
        "projects": {str(workspace): named("code-local"), "/elsewhere": named("not-here")}
    })  # fmt: skip
    write(home / ".config/Claude/claude_desktop_config.json", named("desktop"))
    write(home / ".cursor/mcp.json", named("cursor-user"))
    write(home / ".config/Code/User/mcp.json", {"servers": {"vscode-user": {"command": "v"}}})
    assert list(servers_of(workspace)) == [
        "code-project", "cursor-project", "vscode-project", "code-local", "code-user", "desktop",
        "cursor-user", "vscode-user",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("platform", "desktop", "vscode", "state", "cache"),
    [
        ("linux", ".config/Claude", ".config/Code/User", ".local/state/orch_nb", ".cache/orch_nb"),
        ("darwin", "Library/Application Support/Claude", "Library/Application Support/Code/User",
         "Library/Application Support/orch_nb", "Library/Caches/orch_nb"),
        ("win32", "AppData/Roaming/Claude", "AppData/Roaming/Code/User",
         "AppData/Local/orch_nb/state", "AppData/Local/orch_nb/cache"),
    ],
)  # fmt: skip
def test_the_places_are_those_of_the_system(platform, desktop, vscode, state, cache):
    environ = {"HOME": "/srv/ada"}
    found = [str(one.path) for one in places(Path("/w"), environ, platform)]
    assert f"/srv/ada/{desktop}/claude_desktop_config.json" in found
    assert f"/srv/ada/{vscode}/mcp.json" in found
    assert str(state_folder(environ, platform)) == f"/srv/ada/{state}"
    assert str(cache_folder(environ, platform)) == f"/srv/ada/{cache}"


def test_a_folder_within_a_project_has_the_projects_servers(workspace):
    (workspace / ".git").mkdir()
    write(workspace / ".mcp.json", {"mcpServers": {"top": {"command": "x"}}})
    write(workspace / "shop/.mcp.json", {"mcpServers": {"own": {"command": "x"}}})
    assert list(servers_of(workspace / "shop")) == ["own", "top"]


def test_a_variable_names_another_file_or_none(workspace, home, tmp_path):
    write(workspace / ".mcp.json", {"mcpServers": {"a": {"command": "x"}}})
    write(tmp_path / "other.json", {"mcpServers": {"b": {"command": "x"}}})
    assert list(servers_of(workspace, ORCH_NB_MCP=str(tmp_path / "other.json"))) == ["b"]
    assert servers_of(workspace, ORCH_NB_MCP="off") == {}
    gone = find_servers(workspace, {"ORCH_NB_MCP": "/no/such.json"})
    assert gone.problems == (("/no/such.json", "ORCH_NB_MCP names it, and it is not there"),)


def test_pipes_and_http_are_told_apart_by_type_or_by_what_is_there(workspace, configured):
    configured(
        pipe={"command": "npx", "args": ["-y", "a", 7], "env": {"N": 1}},
        http={"url": "https://example.org/mcp", "headers": {"X": "y"}},
        stream={"type": "streamable-http", "url": "https://example.org/mcp"},
        old={"type": "sse", "url": "https://example.org/sse"},
        bare={"url": "https://example.org/sse?key=1"},
    )
    found = servers_of(workspace)
    assert [one.transport for one in found.values()] == ["stdio", "http", "http", "sse", "sse"]
    assert found["pipe"].args == ("-y", "a", "7")
    assert found["pipe"].env == {"N": "1"}


def test_a_broken_entry_disables_that_server_only(workspace, configured):
    configured(
        a={"command": "x"}, b={}, c=7, d={"command": ["x"]}, e={"type": "smoke", "url": "u"},
        f={"type": "http"}, g={"command": "x", "args": "-y"}, h={"command": "x", "env": [1]},
        i={"url": "https://x", "disabled": True},
    )  # fmt: skip
    found = servers_of(workspace)
    assert {name: one.problem for name, one in found.items() if one.problem} == {
        "b": "it has neither a `command` nor a `url`",
        "c": "its entry is not a JSON object",
        "d": "its `command` is not a text",
        "e": "its type `smoke` is not one of stdio, http, sse",
        "f": "it is of type http and has no `url`",
        "g": "its `args` are not a list of texts",
        "h": "its `env` is not a JSON object",
    }
    assert found["i"].disabled


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"mcpServers": {\n"a" 1}}', "line 2"),
        ("[1]", "not a JSON object"),
        ('{"mcpServers": [1]}', "its servers are not a JSON object"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_and_the_others_are(workspace, home, text, told):
    write(workspace / ".mcp.json", text)
    write(home / ".cursor/mcp.json", {"mcpServers": {"a": {"command": "x"}}})
    found = find_servers(workspace)
    assert [one.name for one in found.servers] == ["a"]
    ((file, problem),) = found.problems
    assert file.endswith(".mcp.json")
    assert told in problem


def test_comments_and_trailing_commas_are_read_as_vs_code_does(workspace):
    write(workspace / ".vscode/mcp.json", """{
      // the team's servers
      "servers": { "a": { "command": "x", "args": ["http://not-a-comment", "/* nor this */",] }, },
      /* none
         yet */ "inputs": [],
    }""")  # fmt: skip
    assert servers_of(workspace)["a"].args == ("http://not-a-comment", "/* nor this */")


def test_of_two_files_that_name_a_server_the_nearer_wins_and_the_other_is_told(workspace, home):
    write(workspace / ".mcp.json", {"mcpServers": {"github": {"command": "theirs"}}})
    write(home / ".cursor/mcp.json", {"mcpServers": {"github": {"command": "mine"}}})
    found = servers_of(workspace)["github"]
    assert found.command == "theirs"
    (note,) = found.notes
    assert note.endswith(".cursor/mcp.json has a server of this name too, which is not used")


def test_what_is_shown_of_a_server_has_no_secret(workspace, configured):
    configured(
        a={"command": "npx", "args": ["--api-key", "s3cr3t-value-9000"],
           "env": {"K": "topsecret99"}},
        b={"url": "https://ada:hunter2hunter@example.org/mcp?key=topsecret99",
           "headers": {"Authorization": "Bearer topsecret99"}},
    )  # fmt: skip
    for one in servers_of(workspace).values():
        shown = one.described() + repr(one)
        assert not any(word in shown for word in ("s3cr3t", "topsecret", "hunter2"))
    assert servers_of(workspace)["b"].described() == (
        "http https://example.org/mcp?… with headers Authorization"
    )
