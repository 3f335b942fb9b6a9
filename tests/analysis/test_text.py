"""A goal read: domains, constraints and open questions, each a quotation."""

from __future__ import annotations

import pytest

from orch_nb.analysis.text import as_goal, domains, questions
from orch_nb.model.analysis import Evidence, Scope, Touched, Workflow
from orch_nb.model.goal import Goal

CARTS = "Move the carts from Redis to Postgres without downtime, and keep a way back."


def test_constraints_are_quoted_from_the_goal():
    goal = as_goal(CARTS)
    assert set(goal.constraints) == {"without downtime", "keep a way back"}
    assert all(quote in goal.text for quote in goal.constraints)


def test_constraints_that_a_goal_brings_are_kept():
    assert as_goal(Goal("Do it", ("for free",))).constraints == ("for free",)


@pytest.mark.parametrize(
    ("text", "quote"),
    [
        ("Freeze it on 1 April 2027, please", "on 1 April 2027"),
        ("Ship by Friday", "by Friday"),
        ("Ship before 2027-03-01", "before 2027-03-01"),
        ("Move it; images must remain pullable.", "images must remain pullable"),
        ("Copy rows without losing any data", "without losing any data"),
    ],
)
def test_deadlines_and_demands(text: str, quote: str):
    assert quote in as_goal(text).constraints


def test_domains_say_by_which_words_they_were_seen():
    seen = {domain.name: domain.evidence[0].text for domain in domains(CARTS)}
    assert seen["databases"] == "“Redis”"


def test_what_the_goal_leaves_open_is_asked():
    asked = " ".join(question.text for question in questions("Release the library", "release"))
    assert "Which version" in asked
    assert "way back" in asked


def test_what_the_goal_says_is_not_asked():
    asked = " ".join(question.text for question in questions(CARTS, "migration"))
    assert "way back" not in asked
    assert "out of service" not in asked


HARD = "Release the shop to all customers, then migrate the data, publish the docs, send invoices"


@pytest.mark.parametrize("operation", ["", "release", "migration", "data pipeline"])
def test_at_most_five_questions_are_asked_and_each_says_why(operation: str):
    asked = questions(HARD, operation)
    assert 0 < len(asked) <= 5
    assert all(question.text.endswith("?") and question.why for question in asked)


def test_two_that_match_equally_well_are_asked_about():
    why = "its name says “orders”"
    touched = [Touched(name, "component", 1.0, why) for name in ("orders-api", "orders-db")]
    asked = questions("Speed up the orders", "", touched=touched)
    assert asked[0].text == "Which of them is meant: orders-api or orders-db?"
    assert questions("Speed up the orders", "", touched=touched[:1])[0].text != asked[0].text


def test_the_environments_that_the_workspace_deploys_to_are_told():
    flows = (
        Workflow("Deploy staging", "github_actions", ("deploy",), Evidence("", "s.yml", 1)),
        Workflow("Deploy production", "github_actions", ("deploy",), Evidence("", "p.yml", 1)),
    )
    asked = questions("Migrate the carts", "migration", scope=Scope(workflows=flows))
    (place,) = [question for question in asked if "first" in question.text]
    assert "staging and production" in place.why


def test_who_decides_is_not_asked_where_the_workspace_says_so():
    text = "Publish the package"
    assert any("Who decides" in question.text for question in questions(text, "release"))
    held = questions(text, "release", owners=".github/CODEOWNERS")
    assert not any("Who decides" in question.text for question in held)


def test_a_date_is_asked_last():
    assert questions("Clean the kitchen", "")[-1].text == "By when is it needed?"


def test_a_long_goal_is_quoted_from_its_beginning_only():
    goal = as_goal("Move it by Friday. " + "word " * 20_000 + "without downtime")
    assert goal.constraints == ("by Friday",)


def test_a_goal_in_another_language_is_told_that_only_english_is_read():
    german = "Migriere die Datenbank ohne Ausfallzeit bis Freitag auf eine neue Version"
    asked = questions(german, "")[0]
    assert "English" in asked.text
    assert "“die”, “ohne”, “bis”" in asked.why
    english = "Migrate the database without downtime by Friday; die on errors, sans doubt"
    assert not any("English" in one.text for one in questions(english, ""))
