"""A goal read: domains, constraints and open questions, each a quotation."""

from __future__ import annotations

import pytest

from orch_nb.analysis.text import as_goal, domains, questions
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
