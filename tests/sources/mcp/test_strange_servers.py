"""Whatever a server does, it is its own error, in time, told in words, and nothing of it is left.

Real servers over real pipes: `servers/strange.py` is made with the official SDK, `servers/liar.py`
with none.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time

import pytest

from orch_nb.sources.mcp.places import cache_folder
from orch_nb.sources.mcp.servers import approve

#: What a machine that has other things to do may add to a bound.
SLACK_S = 3.0
TOKEN = "tok-9f8e7d6c5b4a3210"


@pytest.fixture
def asked(configured, researched, python_server):
    """`asked("flood")` is the report on a server of that kind, its findings, and how long it took;
    beside it a good server is asked, which has to answer whatever the other does."""

    def ask(mode, file="strange", timeout_s=20.0, **fields):
        configured(odd=python_server(file, mode, **fields),
                   good=python_server("liar", "good"))  # fmt: skip
        started = time.monotonic()
        research = researched("odd", "good", timeout_s=timeout_s)
        took = time.monotonic() - started
        reports = {one.name: one for one in research.sources}
        assert reports["good (MCP)"].error == ""
        assert reports["good (MCP)"].findings == 1
        found = [one for one in research.findings if one.source == "odd"]
        return reports["odd (MCP)"], found, took

    return ask


def test_one_that_answers_gives_findings_with_link_date_and_what_they_answer(asked):
    report, found, _ = asked("good")
    assert report.error == ""
    assert {one.title for one in found} == {"Dual writes", "Backfill"}
    assert {one.citation.url for one in found} == {
        "https://example.org/dual", "https://example.org/fill"
    }  # fmt: skip
    assert all(one.date == time.strftime("%Y-%m-%d", time.gmtime()) for one in found)


@pytest.mark.parametrize("mode", ["hang at start", "hang in a call"])
def test_one_that_hangs_is_given_up_on_in_time(asked, mode):
    report, found, took = asked(mode, timeout_s=5.0)
    assert found == []
    assert "start within" in report.error if mode == "hang at start" else "within" in report.error
    assert took < 5 + SLACK_S


def test_one_that_crashes_is_told_with_its_last_words_and_its_log(asked):
    report, _, took = asked("crash")
    assert "it ended with exit code 7: boom: the disk is on fire" in report.error
    assert "its log: " in report.error
    log = next((cache_folder() / "mcp-logs").glob("odd-*.log"))
    assert "boom" in log.read_text()
    assert took < 10


def test_a_flood_is_cut_off(asked):
    report, found, took = asked("flood")
    assert report.error.startswith("it was stopped: it told more than 8 MB")
    assert found == []
    assert took < 15


def test_a_flood_of_noise_on_stderr_harms_nobody_and_its_log_is_bounded(asked):
    report, found, _ = asked("noise")
    assert report.error == ""
    assert len(found) == 2
    log = next((cache_folder() / "mcp-logs").glob("odd-*.log"))
    assert log.stat().st_size < 1 << 20


def test_a_storm_of_notices_holds_nobody_up(asked):
    report, _, took = asked("storm", file="liar")
    assert report.error == ""
    assert took < 15


def test_garbage_on_stdout_is_passed_over_and_kept_in_the_log(asked, caplog):
    with caplog.at_level(logging.DEBUG):
        report, found, _ = asked("garbage")
    assert report.error == ""
    assert len(found) == 2
    log = next((cache_folder() / "mcp-logs").glob("odd-*.log"))
    assert "(on stdout, no message) Welcome to Strange 1.0!" in log.read_text()
    assert not [one for one in caplog.records if one.name.startswith(("mcp", "client", "httpx"))]


def test_one_that_ignores_being_told_to_end_is_killed_with_all_it_started(asked):
    report, found, took = asked("stubborn")
    assert report.error == ""
    assert len(found) == 2
    assert took < 15  # and `nothing_is_left` looks for its children


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("picture", "it answered without text (image)"),
        ("empty", "it answered without text (text)"),
        ("elicit", "licitation"),
        ("sample", "ampling"),
    ],
)
def test_no_answer_of_use_is_an_error(asked, mode, told):
    report, found, _ = asked(mode)
    assert told in report.error
    assert found == []


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("error", "GitHub API error: Bad credentials"),
        ("result", "ValidationError"),
        ("tools", "ValidationError"),
        ("structure", "structured content"),
        ("version", ""),
        ("stranger", "no answer within"),
    ],
)
def test_a_lie_is_an_error(asked, mode, told):
    report, found, took = asked(mode, file="liar", timeout_s=6.0)
    assert told.lower() in report.error.lower()
    assert report.error
    assert "\x1b" not in report.error
    assert found == []
    assert took < 6 + SLACK_S


def test_a_schema_that_is_none_makes_no_tool_to_search_with(asked):
    report, found, _ = asked("schema", file="liar")
    assert report.error
    assert found == []


def test_a_list_of_tools_without_an_end_is_cut(asked):
    report, found, _ = asked("endless", file="liar")
    assert report.error == ""
    assert len(found) == 1


def test_an_answer_nested_beyond_reason_is_only_text(asked):
    report, found, _ = asked("deep", file="liar")
    assert report.error == ""
    assert all(len(one.excerpt) < 1000 for one in found)


def test_a_token_is_masked_in_errors_findings_logs_and_the_cache(asked, monkeypatch):
    monkeypatch.setenv("TOKEN", TOKEN)
    report, _, _ = asked("error", env={"TOKEN": "${TOKEN}"})
    assert "the token ‹secret TOKEN› is refused" in report.error
    report, found, _ = asked("leak", env={"TOKEN": "${TOKEN}"})
    assert [one.excerpt for one in found] == ["It is ‹secret TOKEN› here"]
    for path in cache_folder().rglob("*"):
        assert path.is_dir() or TOKEN not in path.read_text()


def test_a_server_sees_none_of_the_environment_but_what_it_was_given(asked, monkeypatch):
    monkeypatch.setenv("TOKEN", TOKEN)
    _, found, _ = asked("leak")  # it tells TOKEN, which its entry does not name
    assert [one.excerpt for one in found] == ["It is None here"]


def test_instructions_in_an_answer_are_shown_as_data_and_flagged(asked):
    report, found, _ = asked("inject")
    assert report.error == ""
    bad = next(one for one in found if one.title == "Dual writes")
    assert "instructions to its reader" in bad.why
    assert "\x1b" not in bad.excerpt
    assert bad.citation.url == ""  # javascript: is no address
    assert bad.score < next(one for one in found if one.title == "Backfill").score


def test_nothing_that_writes_is_ever_called(asked, tmp_path):
    calls = tmp_path / "calls"
    report, found, _ = asked("writes", env={"CALLS": str(calls)})
    assert report.error == ""
    assert len(found) == 2
    assert {json.loads(line)[0] for line in calls.read_text().splitlines()} == {"search_notes"}


def test_a_program_that_is_not_there_is_told(configured, researched):
    configured(none={"command": "no-such-program-at-all"})
    report = researched("none").sources[-1]
    assert report.error == "there is no program `no-such-program-at-all`"


def test_all_of_them_at_once_take_no_longer_than_the_phase(configured, researched, python_server):
    modes = ["hang at start", "hang in a call", "crash", "stubborn", "garbage"]
    configured(**{mode: python_server("strange", mode) for mode in modes})
    started = time.monotonic()
    research = researched(*modes, timeout_s=8.0)
    assert time.monotonic() - started < 8 + SLACK_S
    assert len(research.sources) == len(modes)


def test_whoever_is_awaited_is_told(configured, researched, python_server):
    configured(slow=python_server("strange", "hang at start"))
    told = []
    researched("slow", timeout_s=5.0, progress=told.append)
    assert told[0] == ("slow (MCP)",)
    assert told[-1] == ()


def test_a_program_that_ends_meanwhile_takes_its_servers_with_it(configured, python_server, home):
    workspace = configured(slow=python_server("strange", "hang at start"))
    approve(["slow"], workspace)
    code = (
        "import threading, orch_nb as nb, time\n"
        f"a = nb.analyze('Move carts', {str(workspace)!r})\n"
        "threading.Thread(target=lambda: nb.research(a), daemon=True).start()\n"
        "from orch_nb.sources.mcp.processes import _ALIVE\n"
        "while not _ALIVE: time.sleep(0.01)\n"
        "print('started')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "started\n", done.stderr  # and `nothing_is_left`
