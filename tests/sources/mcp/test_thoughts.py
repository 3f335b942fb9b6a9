"""The five answers of a drafted plan go to the person's thinking server, and RESEARCH tells it."""

from __future__ import annotations

import time

import pytest

import orch_nb as nb
from orch_nb import phases
from orch_nb.model.research import Research, SourceReport
from orch_nb.render.markdown import section_markdown
from orch_nb.render.research_section import research_section
from orch_nb.sources.mcp.servers import approve

GOAL = "Move the carts of this shop from Redis to Postgres without downtime, and keep a way back."


@pytest.fixture
def thinker(configured, python_server):
    """`thinker("hang")` configures a thinking server that does so."""

    def write(*arguments):
        entry = python_server("thinker", "sequential-thinking", *arguments)
        return configured(thoughts=entry)

    return write


def told(operation):
    return next(one for one in operation.research.sources if one.name == "thoughts (MCP)")


def test_the_thoughts_of_a_draft_are_kept_and_the_section_says_so(thinker):
    folder = thinker()
    approve(["thoughts"], folder)
    draft = nb.orchestrate(GOAL, workspace=folder)
    assert (told(draft).thoughts, told(draft).findings, told(draft).error) == (5, 0, "")
    assert "kept 5 thoughts" in section_markdown(research_section(draft.research))


def test_a_server_that_kept_some_thoughts_was_reached():
    some = SourceReport("thoughts (MCP)", error="no time was left", thoughts=2)
    section = research_section(Research(sources=(some,)))
    assert "unreachable" not in section.finding
    assert "kept 2 thoughts; no time was left" in section_markdown(section)


def test_a_server_that_was_not_approved_is_told_of_once_with_the_line_to_approve(thinker):
    draft = nb.orchestrate(GOAL, workspace=thinker())
    assert [one.name for one in draft.research.sources].count("thoughts (MCP)") == 1
    assert "orch-nb mcp approve thoughts" in told(draft).error


def test_a_server_that_hangs_costs_a_few_seconds_and_the_section_says_why(thinker):
    folder = thinker("hang")
    approve(["thoughts"], folder)
    analysis = nb.analyze(GOAL, folder)
    found = nb.research(analysis, mcp="none")
    plan = nb.decompose(analysis, found)
    started = time.monotonic()
    kept = phases.thoughts_kept(plan, analysis, found, timeout_s=1.0)
    assert time.monotonic() - started < 5
    assert kept.sources[-1].thoughts == 0
    assert kept.sources[-1].error


def test_without_a_thinking_server_research_stays_as_it_is(workspace):
    analysis = nb.analyze(GOAL, workspace)
    found = nb.research(analysis)
    assert phases.thoughts_kept(nb.decompose(analysis, found), analysis, found) is found
