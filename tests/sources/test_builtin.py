"""The two sources of a bare install: the catalogue, and the workspace itself."""

from __future__ import annotations

import asyncio

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
    (tmp_path / "Makefile").write_text("clean:\n\trm x\n")
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
