"""ANALYZE as a whole: honest about what was seen, within its time, never fatal."""

from __future__ import annotations

import pytest

from orch_nb.analysis.analyze import analyze_goal
from orch_nb.catalog.library import patterns
from orch_nb.errors import UsageError

CARTS = "Move the carts from Redis to Postgres without downtime."


def names(analysis):
    return {risk.name for risk in analysis.risks}


def test_a_goal_alone_is_enough():
    analysis = analyze_goal(CARTS)
    assert analysis.operation == "migration"
    assert 0 < analysis.confidence <= 1
    assert analysis.scope.files == 0
    assert analysis.orchestrate


def test_a_single_step_is_advised_against():
    analysis = analyze_goal("Fix the typo in README")
    assert not analysis.orchestrate
    assert "one step in one place" in analysis.advice


def test_the_score_is_the_sum_of_factors_that_are_each_bounded_and_explained(repository):
    root = repository({"a/go.mod": "module x/a\n", "b/go.mod": "module x/b\n"})
    analysis = analyze_goal(CARTS, root)
    factors = analysis.complexity.factors
    assert analysis.complexity.score == sum(factor.points for factor in factors)
    assert sum(factor.most for factor in factors) == 100
    assert all(0 <= factor.points <= factor.most and factor.evidence for factor in factors)


def test_a_harder_goal_scores_higher():
    easy, hard = analyze_goal("Add a button"), analyze_goal(CARTS + " Keep a way back by Friday.")
    assert easy.complexity.score < hard.complexity.score


def test_every_risk_has_evidence_and_names_a_pattern_of_the_catalogue(repository):
    root = repository({"compose.yaml": "services:\n  cart:\n    image: redis:7\n", "a.py": ""})
    analysis = analyze_goal(CARTS, root)
    known = {pattern.id for pattern in patterns()} | {""}
    assert all(str(risk.evidence) and risk.mitigation for risk in analysis.risks)
    assert {risk.pattern for risk in analysis.risks} <= known
    data = next(risk for risk in analysis.risks if "data" in risk.name)
    assert (data.evidence.path, data.evidence.line) == ("compose.yaml", 2)


def test_missing_tests_and_ci_are_told_of_a_workspace_that_has_none(repository):
    told = names(analyze_goal(CARTS, repository({"a.py": "x = 1\n"})))
    assert {"no tests were found", "no CI was found"} <= told


def test_they_are_not_told_where_they_are(repository):
    root = repository(
        {
            "a.py": "",
            "tests/test_a.py": "def test_a(): ...\n",
            ".github/workflows/ci.yml": "jobs:\n  tests: {}\n",
        }
    )
    assert not {"no tests were found", "no CI was found"} & names(analyze_goal(CARTS, root))


@pytest.mark.parametrize("test", ["a_test.go", "src/a.spec.ts", "src/CartTest.java"])
def test_tests_of_any_language_count(repository, test: str):
    assert "no tests were found" not in names(analyze_goal(CARTS, repository({test: ""})))


def test_a_scan_that_was_cut_off_claims_nothing_is_missing(repository):
    analysis = analyze_goal(CARTS, repository({"d/a.py": ""}), budget_s=0.0)
    assert not analysis.scope.complete
    assert not {"no tests were found", "no CI was found"} & names(analysis)


def test_a_stated_way_back_is_no_risk():
    assert "no way back is stated" in names(analyze_goal(CARTS))
    assert "no way back is stated" not in names(analyze_goal(CARTS + " Keep a way back."))


def test_an_empty_goal_and_a_missing_workspace_are_usage_errors(tmp_path):
    with pytest.raises(UsageError, match="empty"):
        analyze_goal("  ")
    with pytest.raises(UsageError, match="does not exist"):
        analyze_goal(CARTS, tmp_path / "nowhere")


def test_paths_of_evidence_are_relative_to_the_workspace(repository):
    root = repository({"svc/a/go.mod": "module x/a\n"})
    part = analyze_goal(CARTS, root).scope.components[0]
    assert part.evidence.path == "svc/a/go.mod"
    assert part.path == "svc/a"


def test_a_goal_of_no_known_kind_is_not_nothing():
    score = analyze_goal("Clean the kitchen").complexity
    assert 0 < score.score < 10
    assert score.level == "low"
    assert sum(factor.most for factor in score.factors) == 100


def test_a_question_to_data_is_known_as_one():
    analysis = analyze_goal("Tell three species of penguins apart by their bills")
    assert analysis.operation == "data analysis"
    assert [domain.name for domain in analysis.domains] == ["data analysis"]
    assert any("Which data" in question.text for question in analysis.questions)


def test_the_parts_that_a_goal_names_are_counted_as_the_planner_reads_them():
    analysis = analyze_goal("App: lint and test the code, build it, then ship it")
    factor = next(f for f in analysis.complexity.factors if f.name == "parts of the goal")
    assert factor.evidence == "it names 4 things to do, in 3 steps"
