"""No server is started or contacted before a person agreed to just that."""

from __future__ import annotations

import json

import pytest

from orch_nb import cli
from orch_nb.errors import UsageError
from orch_nb.sources.mcp.places import state_folder
from orch_nb.sources.mcp.servers import approve, chosen, listing, revoke, standings


def state(workspace):
    return {one.server.name: one.state for one in standings(workspace)[0]}


def test_a_server_that_was_not_approved_is_pending_and_told_with_the_line_that_approves(configured):
    workspace = configured(docs={"command": "touch", "args": ["started"]})
    sources, (report,) = chosen("all", workspace)
    assert sources == []
    assert report.name == "docs (MCP)"
    assert report.error.startswith("pending: not approved")
    assert "`orch-nb mcp approve docs`" in report.error


def test_nothing_is_started_before(configured, researched):
    workspace = configured(docs={"command": "touch", "args": ["started"]})
    research = researched(approved=False)
    assert research.sources[0].error.startswith("pending")
    assert not (workspace / "started").exists()


@pytest.mark.parametrize(
    "edit",
    [
        {"command": "bash"}, {"args": ["-y", "docs-mcp@2"]}, {"env": {"NODE_OPTIONS": "--inspect"}},
        {"env": {"MODE": "evil"}}, {"cwd": "/tmp"}, {"envFile": "/tmp/.env"},
        {"type": "http", "url": "https://evil.example"},
    ],
)  # fmt: skip
def test_an_edit_asks_again(configured, edit):
    entry = {"command": "npx", "args": ["-y", "docs-mcp"], "env": {"MODE": "read"}}
    workspace = configured(docs=entry)
    approve(["docs"], workspace)
    assert state(workspace) == {"docs": "approved"}
    configured(docs=entry | edit)
    assert state(workspace) == {"docs": "changed"}
    assert "changed since it was approved" in listing(workspace)


def test_another_address_or_header_asks_again(configured):
    workspace = configured(web={"url": "https://a.example/mcp", "headers": {"X": "${KEY:-}"}})
    approve(["web"], workspace)
    configured(web={"url": "https://b.example/mcp", "headers": {"X": "${KEY:-}"}})
    assert state(workspace) == {"web": "changed"}
    configured(web={"url": "https://a.example/mcp", "headers": {"X": "${OTHER:-}"}})
    assert state(workspace) == {"web": "changed"}


def test_a_new_token_in_the_environment_asks_nobody(configured, monkeypatch):
    monkeypatch.setenv("TOKEN", "first-token")
    workspace = configured(docs={"command": "npx", "env": {"TOKEN": "${TOKEN}"}})
    approve(["docs"], workspace)
    monkeypatch.setenv("TOKEN", "second-token")
    assert state(workspace) == {"docs": "approved"}


def test_the_same_entry_in_another_project_asks_again(configured, tmp_path):
    workspace = configured(docs={"command": "npx"})
    approve(["docs"], workspace)
    other = tmp_path / "pulled"
    other.mkdir()
    (other / ".mcp.json").write_text((workspace / ".mcp.json").read_text())
    assert state(other) == {"docs": "pending"}


def test_what_is_kept_of_a_consent_has_no_secret(configured, monkeypatch):
    monkeypatch.setenv("TOKEN", "tok-0123456789")
    workspace = configured(
        docs={"command": "npx", "args": ["literal-secret"], "env": {"T": "${TOKEN}"}},
        web={"url": "https://x.example/mcp?key=literal-secret", "headers": {"A": "literal-secret"}},
    )
    approve(["docs", "web"], workspace)
    path = state_folder() / "mcp-approved.json"
    assert "literal-secret" not in path.read_text()
    assert "tok-0123456789" not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


def test_consent_is_taken_back(configured):
    workspace = configured(docs={"command": "npx"})
    approve(["docs"], workspace)
    assert revoke("docs") == 1
    assert state(workspace) == {"docs": "pending"}
    assert revoke("docs") == 0


def test_a_damaged_file_of_consents_is_no_consent(configured):
    workspace = configured(docs={"command": "npx"})
    approve(["docs"], workspace)
    path = state_folder() / "mcp-approved.json"
    for text in ("{", "[]", json.dumps({"approved": ["docs"]}), "\x00"):
        path.write_text(text)
        assert state(workspace) == {"docs": "pending"}


def test_a_server_that_is_disabled_or_broken_or_lacks_a_variable_is_not_asked(configured):
    workspace = configured(
        off={"command": "x", "disabled": True}, bad={}, unset={"command": "x", "args": ["${NOPE}"]}
    )
    approve(["unset"], workspace)
    assert state(workspace) == {"off": "disabled", "bad": "broken", "unset": "broken"}
    sources, reports = chosen("all", workspace)
    assert sources == []
    assert [report.name for report in reports] == ["bad (MCP)", "unset (MCP)"]
    assert "the environment variable NOPE is not set" in reports[1].error


def test_servers_are_asked_by_name(configured):
    workspace = configured(a={"command": "x"}, b={"command": "x"})
    approve(["a", "b"], workspace)
    assert [one.server.name for one in chosen("b", workspace)[0]] == ["b"]
    assert [one.server.name for one in chosen(["a", "b"], workspace)[0]] == ["a", "b"]
    assert chosen("none", workspace) == ([], [])
    with pytest.raises(UsageError, match=r"no MCP server is named `bb`\. Did you mean `b`"):
        chosen("bb", workspace)


def test_the_command_line_lists_approves_and_revokes(configured, capsys, monkeypatch):
    monkeypatch.chdir(configured(docs={"command": "npx", "args": ["-y", "docs-mcp"]}))
    assert cli.main(["mcp"]) == 0
    assert "pending   docs\n          starts   npx -y docs-mcp" in capsys.readouterr().out
    assert cli.main(["mcp", "approve", "docs"]) == 0
    assert capsys.readouterr().out == "approved docs: npx -y docs-mcp\n"
    assert cli.main(["mcp", "list"]) == 0
    assert "approved  docs" in capsys.readouterr().out
    assert cli.main(["mcp", "revoke", "docs", "docs"]) == 0
    assert capsys.readouterr().out == "revoked docs\ndocs was not approved\n"
    assert cli.main(["mcp", "approve", "dosc"]) == 2
    assert "Did you mean `docs`?" in capsys.readouterr().err
    assert cli.main(["mcp", "approve"]) == 2


def test_where_nothing_is_configured_the_places_are_told(workspace):
    assert ".mcp.json" in listing(workspace)
    assert chosen("all", workspace) == ([], [])
