"""Clauses of a goal in a method: merged, placed between their neighbours, never in a circle."""

from __future__ import annotations

import asyncio
import random

import pytest

from orch_nb.analysis.analyze import analyze_goal
from orch_nb.catalog.operations import Method, Step, StoryTemplate
from orch_nb.graph.validate import check
from orch_nb.model.goal import Goal
from orch_nb.planners.facts import read
from orch_nb.planners.patterns import PatternPlanner
from orch_nb.planners.weave import weave

# tests ─► build ─► ok (a gate) ─► publish ─► part ─► announce
METHOD = Method(
    "m",
    "M",
    (
        StoryTemplate(
            "All",
            (
                Step(id="tests", title="Test", done="d", does=("tests",)),
                Step(id="build", title="Build", done="d", does=("build",), needs=("tests",)),
                Step(id="ok", title="Ok", done="d", gate="Go?", needs=("build",)),
                Step(id="publish", title="Publish", done="d", does=("publish",), needs=("ok",)),
                Step(id="part", title="{item}", done="d", each="parts", needs=("publish",)),
                Step(id="announce", title="Tell", done="d", does=("announce",), needs=("part",)),
            ),
        ),
    ),
)


def woven(goal: str) -> dict[str, tuple[str, ...]]:
    """Each step of the woven method, with what it needs."""
    return {s.id: s.needs for s in weave(METHOD, read(Goal(goal), None)).method.steps}


@pytest.mark.parametrize(
    ("goal", "step", "needs", "waits"),
    [
        # between two steps of the method
        ("Box: test it, paint the lid, build it", "paint_lid", ("tests",), "build"),
        # named before what stands behind the gate: before the gate
        ("Box: build it, weigh the lid, publish it", "weigh_lid", ("build",), "ok"),
        # named last, but before the gate is passed: still evidence for it
        ("Box: test it, build it, then paint the lid", "paint_lid", ("build",), "ok"),
        # named after the gate was passed
        ("Box: publish it, then paint the lid", "paint_lid", ("publish",), "announce"),
        # named first
        ("Box: paint the lid, then build it", "paint_lid", (), "build"),
        # the goal's order contradicts the method's: the method's holds, and the gate too
        ("Box: announce it, then paint the lid, then publish it", "paint_lid", (), "ok"),
    ],
)
def test_a_clause_stands_where_it_is_named(goal: str, step: str, needs, waits: str):
    found = woven(goal)
    assert found[step] == needs
    assert step in found[waits]


def test_two_clauses_of_their_own_keep_their_order():
    found = woven("Box: build it, then paint the lid, then dry the lid, then publish it")
    assert found["paint_lid"] == ("build",)
    assert found["dry_lid"] == ("paint_lid",)
    assert {"paint_lid", "dry_lid"} <= set(found["ok"])


def test_a_clause_that_a_step_is_for_makes_no_task():
    found = weave(METHOD, read(Goal("Box: run pytest, upload the wheel"), None))
    assert found.said == {"tests": ["run pytest"], "publish": ["upload the wheel"]}
    assert [step.id for step in found.method.steps] == [
        "tests", "build", "ok", "publish", "announce",
    ]  # fmt: skip


def test_a_clause_with_braces_and_one_that_is_called_like_a_step_break_nothing():
    found = woven("Box: knit {x} and %s, and ok the rest, then build it")
    assert len(found) == len(set(found))


_CLAUSES = (
    "lint|test the package|build the wheel|check its size|publish it|announce it|tag it|"
    "freeze main|weigh the box|dual-write|verify counts|switch reads|retire Redis|"
    "get approval from Ana|load orders from S3|clean them|join|draw a chart|"
    "delete the old files|email the owners|wait two weeks|roll back|deploy to production|"
    "train a model|{x} %s|rename it|back up the database first|make it configurable"
).split("|")
_HEADS = (
    "", "Release foo 1.2: ", "Deploy the API to production: ", "Compare A and B in the data: ",
    "Load orders into BigQuery every night: ", "Move carts from Redis to Postgres: ",
    "Upgrade Django from 3.2 to 4.2: ", 'Rename "a" to "b": ', "Retire the old service: ",
    "Migrate our wiki from Confluence to GitLab: ", "Migrate all hosts from CentOS to Rocky: ",
)  # fmt: skip
_JOINTS = (", ", " and ", ", then ", "; ", ". ", " before ", " once ")


@pytest.mark.parametrize("head", _HEADS)
def test_whatever_is_named_in_whatever_order_the_draft_is_sound(head: str):
    dice = random.Random(head)
    for _ in range(12):
        goal = head + dice.choice(_CLAUSES)
        for _ in range(dice.randint(0, 7)):
            goal += dice.choice(_JOINTS) + dice.choice(_CLAUSES)
        analysis = analyze_goal(goal)
        plan = asyncio.run(PatternPlanner().plan(analysis.goal, analysis))
        assert check(plan) == [], goal
        assert all(len(t.title) <= 40 and len(t.id) <= 20 for t in plan), goal
        assert len(plan.by_id) == len(plan.tasks), goal
