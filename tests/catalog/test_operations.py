"""Kinds of operation: recognised by their words, and every method sound."""

from __future__ import annotations

import re

import pytest

from orch_nb.catalog.library import patterns
from orch_nb.catalog.operations import classify, kind, operations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Release 2.4", "release"),
        ("Ship version 3.1 of the CLI to PyPI", "release"),
        ("Deploy the payments API to production", "release"),
        ("Publish crates and binaries of 0.9.1", "release"),
        ("Publish the weekly sales report", "data pipeline"),
        ("Load orders from CSV into Postgres every night", "data pipeline"),
        ("Backfill the last 3 years of events into ClickHouse", "data pipeline"),
        ("Move the carts from Redis to Postgres", "migration"),
        ("Upgrade Django from 3.2 to 4.2", "migration"),
        ("Retire the old login service", "migration"),
        ("Tell three species of penguins apart by their bills", "data analysis"),
        ("Compare the sales of both shops across regions", "data analysis"),
        ("Train a model that predicts churn", "data analysis"),
        ("Estimate how many bikes we need from three years of trip data", "data analysis"),
        ("Explore the survey data", "data analysis"),
        ("Set up the lab: unpack the microscope, calibrate it", ""),
        ("Refactor the billing module: extract the tax rules, replace the old calls", ""),
        ("Fix the typo in README", ""),
        ("Organise the summer party", ""),
        ("Add dark mode to the settings page", ""),
    ],
)
def test_a_goal_is_classified_by_its_words(text: str, expected: str):
    found, confidence = classify(text)
    assert found == expected
    assert (confidence > 0) == bool(expected)
    assert confidence <= 1


def test_the_known_kinds_and_any_other_is_the_generic_one():
    known = ["release", "data pipeline", "migration", "data analysis"]
    assert [entry.id for entry in operations()] == known
    assert kind("party").id == ""


def test_every_kind_names_patterns_of_the_catalogue():
    known = {pattern.id for pattern in patterns()}
    assert all(set(entry.patterns) <= known for entry in operations())


@pytest.mark.parametrize("entry", [*operations(), kind("")], ids=lambda e: e.id or "generic")
def test_needs_of_a_method_point_back_so_that_no_draft_has_a_cycle(entry):
    for method in entry.methods:
        seen: set[str] = set()
        for step in method.steps:
            assert set(step.needs) <= seen, (method.id, step.id)
            seen.add(step.id)


@pytest.mark.parametrize("entry", [*operations(), kind("")], ids=lambda e: e.id or "generic")
def test_a_kinds_last_method_fits_every_goal(entry):
    assert entry.methods[-1].when == ""


@pytest.mark.parametrize("entry", [*operations(), kind("")], ids=lambda e: e.id or "generic")
def test_a_title_without_its_names_leaves_room_for_them(entry):
    for method in entry.methods:
        for step in method.steps:
            assert len(step.id) <= 13, step.id
            bare = re.sub(r"{\w+}", "", step.title)
            assert len(bare) <= 36, step.title
