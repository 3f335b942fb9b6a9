"""The demands of a goal: its own words, and none that it takes back."""

from __future__ import annotations

import pytest

from orch_nb.analysis.constraints import _SAME, stated, without_them
from orch_nb.catalog.library import document
from orch_nb.model.analysis import DEMANDS


def told(text: str) -> list[tuple[str, str]]:
    return [(demand.kind, demand.text) for demand in stated(text)]


@pytest.mark.parametrize(
    ("text", "kind", "quote"),
    [
        ("Move it without downtime", "no_downtime", "without downtime"),
        ("Move it; users must not notice", "no_downtime", "users must not notice"),
        ("Rename it while the shop is running", "no_downtime", "while the shop is running"),
        ("Move it, and keep a way back", "reversible", "keep a way back"),
        (
            "If anything fails, roll back to the old version",
            "reversible",
            "If anything fails, roll back to the old version",
        ),
        ("Ship by Friday", "deadline", "by Friday"),
        ("Upgrade it within 2 hours", "deadline", "within 2 hours"),
        ("Ship no later than 2027-03-01", "deadline", "no later than 2027-03-01"),
        ("Host it for under $500 a month", "budget", "under $500 a month"),
        ("Replace it within our budget", "budget", "within our budget"),
        ("Switch DNS only after the copy is verified", "order", "only after the copy is verified"),
        ("Copy it without losing any data", "no_data_loss", "without losing any data"),
        ("Copy it, nothing may be lost", "no_data_loss", "nothing may be lost"),
        ("Delete it after legal has approved it", "approval", "after legal has approved it"),
        ("Nothing goes out without approval", "approval", "approval"),
        ("Patch at most 2 nodes at once", "at_once", "at most 2 nodes at once"),
        ("Patch the nodes one at a time", "at_once", "one at a time"),
        ("Do it, but not during business hours", "window", "not during business hours"),
        ("Deploy it, never on a Friday", "window", "never on a Friday"),
        ("GDPR holds", "compliance", "GDPR"),
        ("Store it; it must not leave the EU", "compliance", "not leave the EU"),
        ("It must run on Windows", "environment", "must run on Windows"),
        ("Install it without internet access", "environment", "without internet access"),
        ("Split it. Don't touch the public API", "unchanged", "Don't touch the public API"),
        ("Move issues only when somebody asks", "condition", "only when somebody asks"),
    ],
)
def test_what_is_demanded_is_quoted(text: str, kind: str, quote: str):
    assert (kind, quote) in told(text)


@pytest.mark.parametrize(
    "text",
    [
        "Downtime is fine",
        "A short outage is acceptable, without downtime is not needed",
        "No need to avoid downtime; it need not be reversible",
        "Rollback is not needed",
        "Publish it without approval",
        "Roll back the release to 1.2",
        "Delete the logs from before 2024-01-01",
        "Restore service after the outage",
        "Add a test",
    ],
)
def test_what_is_taken_back_or_is_the_goal_itself_is_no_demand(text: str):
    assert told(text) == []


def test_what_is_wished_for_keeps_the_word_that_says_so():
    assert told("Move it, ideally without downtime") == [
        ("no_downtime", "ideally without downtime")
    ]


def test_one_quotation_is_one_demand():
    text = "images that are there must remain pullable by Friday"
    assert [kind for kind, _ in told(text)] == ["deadline"]


def test_what_is_left_says_what_the_goal_is_about():
    assert without_them("Move the carts by Friday, at most 2 at once").split() == [
        "Move", "the", "carts", ",",
    ]  # fmt: skip


def test_every_kind_has_a_name_for_a_reader():
    words = document("vocabulary.yaml")
    assert set(DEMANDS) == {
        _SAME.get(kind, kind) for kind in (*words["demands"], *words["constraints"])
    }


def test_what_is_to_be_left_alone_is_not_what_the_goal_is_about():
    assert without_them("Deploy web, without touching the database").strip() == "Deploy web,"
    assert "API stable" in without_them("Split it and keep the API stable")
