"""Answers are asked for once a week: the cache stands between RESEARCH and real servers."""

from __future__ import annotations

import json
import time

import pytest

from orch_nb.sources.mcp.places import cache_folder
from orch_nb.sources.mcp.processes import ServerProcess


@pytest.fixture
def counted(configured, python_server, tmp_path):
    """A good server that writes down its calls; how many there were."""
    calls = tmp_path / "calls"
    configured(notes=python_server("strange", "good", env={"CALLS": str(calls)}))
    return lambda: len(calls.read_text().splitlines()) if calls.exists() else 0


def age(days):
    """Make every kept answer older."""
    for path in (cache_folder() / "mcp").iterdir():
        kept = json.loads(path.read_text())
        path.write_text(json.dumps({**kept, "at": kept["at"] - days * 86_400}))


def test_a_second_research_asks_nobody_and_starts_nothing(counted, researched, monkeypatch):
    first = researched("notes")
    started = []
    monkeypatch.setattr(ServerProcess, "start", lambda *_: started.append(1))
    second = researched("notes")
    assert (counted(), started) == (1, [])
    assert second.findings == first.findings


def test_what_is_older_than_a_week_or_asked_for_afresh_is_asked_again(counted, researched):
    researched("notes")
    researched("notes", fresh=True)
    assert counted() == 2
    age(8)
    research = researched("notes")
    assert counted() == 3
    assert research.sources[-1].error == ""


def test_offline_the_kept_answer_is_shown_with_its_date_and_that_is_told(
    counted, researched, monkeypatch
):
    researched("notes")
    age(20)
    monkeypatch.setattr("orch_nb.sources.mcp.processes.shutil.which", lambda *_, **__: None)
    research = researched("notes")
    day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - 20 * 86_400))
    found = [one for one in research.findings if one.source == "notes"]
    assert [one.date for one in found] == [day, day]
    report = research.sources[-1]
    assert report.findings == 2
    assert report.error.startswith("there is no program")
    assert f"shown are its answers of {day}, from the cache" in report.error


def test_an_error_is_never_kept(configured, researched, python_server):
    configured(odd=python_server("strange", "empty"))
    researched("odd")
    texts = [json.loads(p.read_text())["text"] for p in (cache_folder() / "mcp").iterdir()]
    assert len(texts) == 1  # the list of its tools
    assert "search_notes" in texts[0]
