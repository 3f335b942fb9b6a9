"""The two sources of a bare install: the catalogue, and the workspace itself."""

from __future__ import annotations

import asyncio

import pytest

from orch_nb.analysis.analyze import analyze_goal
from orch_nb.sources.catalog_source import CatalogSource
from orch_nb.sources.codebase import CodebaseSource
from orch_nb.sources.source import Query, Source


def ask(source, analysis, **options):
    return asyncio.run(source.search(Query.of(analysis, **options)))


def test_both_are_sources():
    assert isinstance(CatalogSource(), Source)
    assert isinstance(CodebaseSource(), Source)


def test_a_risk_brings_the_pattern_that_mitigates_it():
    analysis = analyze_goal("Delete the old customer records")
    found = {f.pattern: f for f in ask(CatalogSource(), analysis)}
    assert "mitigates the risk" in found["human_gate"].why


def test_each_pattern_is_one_finding_with_its_citation():
    found = ask(CatalogSource(), analyze_goal("Move carts from Redis to Postgres without downtime"))
    assert len({f.pattern for f in found}) == len(found)
    assert all(f.citation.url.startswith("https://") and 0 < f.score <= 1 for f in found)


def test_existing_workflows_are_findings_with_file_and_line(tmp_path):
    workflow = tmp_path / ".github" / "workflows" / "publish.yml"
    workflow.parent.mkdir(parents=True)
    workflow.write_text("name: Publish\njobs:\n  build: {}\n  publish-pypi: {}\n")
    (tmp_path / "Makefile").write_text("dist:\n\tpython -m build\n")
    found = ask(CodebaseSource(), analyze_goal("Release 2.0 to PyPI", tmp_path))
    assert found[0].title == "Publish (GitHub Actions)"
    assert found[0].citation.title == ".github/workflows/publish.yml:2"
    assert "build, publish-pypi" in found[0].excerpt
    assert found[0].score > found[-1].score


def test_no_workspace_no_finding():
    assert ask(CodebaseSource(), analyze_goal("Release 2.0")) == []


def test_the_limit_holds():
    analysis = analyze_goal("Move carts from Redis to Postgres without downtime")
    assert len(ask(CatalogSource(), analysis, limit=2)) == 2


def test_a_workflow_that_shares_no_word_with_the_goal_is_no_finding(tmp_path):
    (tmp_path / "Makefile").write_text("clean:\n\trm x\n")
    assert ask(CodebaseSource(), analyze_goal("Release 2.0 to PyPI", tmp_path)) == []


def test_a_finding_of_the_codebase_quotes_the_words_it_shares(tmp_path):
    (tmp_path / "Makefile").write_text("docs:\n\tsphinx\n")
    found = ask(CodebaseSource(), analyze_goal("Translate the docs and print them", tmp_path))
    assert [f.title for f in found] == ["Makefile (Make)"]
    assert "“docs”" in found[0].why


@pytest.mark.parametrize(
    ("goal", "pattern", "quote"),
    [
        ("Retry the flaky upload until it works", "retry_backoff", "Retry"),
        ("Call the partner, at most 100 requests per minute", "rate_limit", "requests per minute"),
        ("Paint the fence after somebody approves the colour", "human_gate", "approves"),
        ("Resume the download where it stopped", "checkpoint_recover", "Resume"),
        ("Give the new page to 5% of users", "canary", "5% of users"),
    ],
)
def test_words_that_are_a_patterns_own_vocabulary_are_quoted(goal: str, pattern: str, quote: str):
    found = {f.pattern: f for f in ask(CatalogSource(), analyze_goal(goal))}
    assert f"“{quote}”" in found[pattern].why or f"“{quote.lower()}”" in found[pattern].why.lower()


@pytest.mark.parametrize(
    "goal",
    [
        "Tell three species of penguins apart by their bills",
        "Order food for the party and split the bill",
        "Draw a map of the three oldest trees",
        "Write a letter to my aunt",
    ],
)
def test_everyday_words_are_no_reason_for_a_pattern(goal: str):
    analysis = analyze_goal(goal)
    named = {f.pattern for f in ask(CatalogSource(), analysis)} - {"", "fan_out_fan_in"}
    assert named <= {risk.pattern for risk in analysis.risks}


def test_where_nothing_calls_for_a_pattern_that_is_said():
    (found,) = ask(CatalogSource(), analyze_goal("Clean the kitchen"))
    assert found.pattern == ""
    assert found.title == "No pattern is called for"
    assert found.citation.title


# pack ─► load ─► drive            and side by side: a │ b │ c
def test_the_structure_of_a_goal_is_a_reason_and_its_parts_are_quoted():
    chain = ask(CatalogSource(), analyze_goal("Pack the van, then load it, then drive home"))
    assert "“load it”" in next(f for f in chain if f.pattern == "chain").why
    wide = ask(CatalogSource(), analyze_goal("Party: order food, book a band and rent tables"))
    assert "“book a band”" in next(f for f in wide if f.pattern == "fan_out_fan_in").why
