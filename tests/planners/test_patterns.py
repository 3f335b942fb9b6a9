"""Drafts for goals in words: sound, specific to what is said, honest about what is not."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise

import msgspec
import pytest

from orch_nb.analysis.analyze import analyze_goal
from orch_nb.catalog.library import patterns
from orch_nb.errors import PlanError
from orch_nb.graph.topology import ancestors, shape, upstream
from orch_nb.graph.validate import check
from orch_nb.model.analysis import Analysis, Component, Evidence, Scope, Touched
from orch_nb.model.goal import Goal
from orch_nb.model.research import Research
from orch_nb.planners.facts import read
from orch_nb.planners.patterns import GENERIC, PatternPlanner
from orch_nb.planners.planner import Planner
from orch_nb.planners.yaml import dump_plan, plan_from_yaml

CARTS = "Move the carts from Redis to Postgres without downtime, and keep a way back."
FOO = (
    "Release Foo 3.1.0 to PyPI and npm: freeze main, write the changelog, publish wheels, "
    "GitHub release, then update the docs, the website and the Docker images."
)
GOALS = [
    CARTS,
    "Release 2.4",
    FOO,
    "Deploy the payments API to production gradually",
    "Publish the weekly sales report from orders and refunds",
    "Load orders, customers and refunds from Postgres into BigQuery every night",
    "Backfill the last 3 years of click events from S3 into ClickHouse",
    "Upgrade Django from 3.2 to 4.2 in all services",
    "Migrate our wiki from Confluence to GitLab",
    'Rename the config option "max_conn" to "pool_size" without breaking users',
    "Migrate all hosts from CentOS 7 to Rocky Linux 9 one after the other",
    "Move our container registry from Docker Hub to ghcr.io; old images must stay pullable",
    "Tell three species of penguins apart by their bills",
    "Organise the summer party, invite everybody, then order food and book a band",
    "Fix the typo in README",
    "x",
    "Do <script>alert(1)</script> and {braces} and %s",
]


def draft(goal: str, workspace=None, research: Research | None = None):
    analysis = analyze_goal(goal, workspace)
    return asyncio.run(PatternPlanner().plan(analysis.goal, analysis, research))


def titles(plan):
    return [task.title for task in plan]


def before(plan, first: str, then: str) -> bool:
    return first in ancestors(upstream(plan), then)


def test_it_is_a_planner():
    assert isinstance(PatternPlanner(), Planner)


@pytest.mark.parametrize("goal", GOALS)
def test_a_draft_is_sound_and_survives_being_written_down(goal: str):
    plan = draft(goal)
    assert check(plan) == []
    again = plan_from_yaml(dump_plan(plan))
    assert [(t.id, t.needs, t.title) for t in again] == [(t.id, t.needs, t.title) for t in plan]
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", task.id) for task in plan)


@pytest.mark.parametrize("goal", GOALS)
def test_every_task_has_a_way_to_see_that_it_is_done_and_nobody_is_volunteered(goal: str):
    plan = draft(goal)
    assert all("Done when" in task.description for task in plan)
    assert all(task.owner == "" for task in plan)
    assert plan.criteria
    assert {name for criterion in plan.criteria for name in criterion.tasks} <= set(plan.by_id)


@pytest.mark.parametrize("goal", GOALS[:12])
def test_a_known_kind_has_a_gate_a_way_back_and_parallel_work(goal: str):
    plan = draft(goal)
    assert any(task.approval for task in plan)
    assert any(task.trigger == "one_failed" and not task.required for task in plan)
    assert shape(plan).width >= 2


@pytest.mark.parametrize("goal", GOALS)
def test_without_a_workspace_no_command_is_invented(goal: str):
    assert all(task.sh is None and task.run is None for task in draft(goal))


# backup ─► rehearse ─► approve_write ─► dual_write ─► backfill ─► verify ─► approve ─► switch
def test_a_store_migration_expands_verifies_and_only_then_contracts():
    plan = draft(CARTS)
    row = ["backup", "rehearse", "approve_write", "dual_write", "backfill", "verify", "approve",
           "canary", "switch", "watch", "approve_end", "contract", "retire"]  # fmt: skip
    assert all(before(plan, a, b) for a, b in pairwise(row))
    assert "Redis and Postgres" in plan["dual_write"].description
    assert any("served throughout" in criterion.text for criterion in plan.criteria)


# tests, lint, bench ─► bump ─► release_pr ─► approve ─► tag ─► build ─► publish ─► verify
#                                  ─► GitHub release ─► docs │ website │ Docker images ─► announce
def test_a_release_takes_up_what_the_goal_lists_and_keeps_followers_parallel():
    plan = draft(FOO)
    record = next(t.id for t in plan if t.title.startswith("Publish the GitHub release"))
    follow = [task.id for task in plan if task.id.startswith("follow_")]
    website = next(task.id for task in plan if "website" in task.title)
    assert len(follow) == 2
    for task in (*follow, website):
        assert before(plan, record, task)
        assert not any(before(plan, other, task) for other in (*follow, website) if other != task)
    assert before(plan, "approve", "tag")
    assert "Foo 3.1.0" in plan["freeze"].description
    assert "The goal says: “freeze main”." in plan["freeze"].description


def test_sources_of_a_pipeline_go_side_by_side():
    plan = draft("Load orders and refunds from CSV into Postgres every night")
    assert plan["validate_orders"].needs == ("extract_orders",)
    assert not before(plan, "extract_refunds", "validate_orders")
    assert before(plan, "validate_refunds", "load")
    assert "every night" in plan["schedule"].title


def test_machines_are_changed_one_by_one_and_the_next_only_after_a_decision():
    plan = draft("Migrate every node of the Kubernetes cluster from Docker to containerd")
    row = ["drain", "stop", "uninstall", "install", "reboot", "return_work", "unit_ok", "decide",
           "repeat"]  # fmt: skip
    assert all(before(plan, a, b) for a, b in pairwise(row))
    assert "Cordon and drain the node" in plan["drain"].title


def test_waves_that_the_goal_orders_are_a_chain():
    plan = draft("Migrate the repositories from SVN to Git: docs first, tools next, core last.")
    waves = [task for task in plan if task.id.startswith("wave_")]
    assert len(waves) == 3
    assert waves[1].needs == (waves[0].id,)
    assert waves[2].needs == (waves[1].id,)


def test_a_demand_of_the_goal_becomes_a_task_and_a_criterion():
    plan = draft(GOALS[11])
    criterion = next(c for c in plan.criteria if "must stay pullable" in c.text)
    assert "must stay pullable" in plan[criterion.tasks[0]].title


def test_components_of_the_workspace_are_planned_one_by_one_with_their_place(tmp_path):
    for name in ("api", "web"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "package.json").write_text(f'{{"name": "{name}"}}')
    plan = draft(CARTS, tmp_path)
    assert "api" in plan["component_api"].title
    assert "api/package.json:1" in plan["component_api"].description
    assert not before(plan, "component_api", "component_web")


def test_commands_come_from_what_the_workspace_shows(tmp_path):
    (tmp_path / "Makefile").write_text("test:\n\tpytest\n")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "foo"\n[tool.ruff]\n')
    plan = draft("Release 2.4", tmp_path)
    assert plan["tests"].sh == "make test"
    assert "Makefile:1" in plan["tests"].description
    assert plan["lint"].sh == "ruff check ."
    assert plan["tests"].timeout_s
    assert plan["build"].sh is None
    assert "foo 2.4" in plan["announce"].title
    assert "pyproject.toml" in plan["bump"].description


def test_a_command_of_a_folder_below_is_not_run_at_the_root(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "Makefile").write_text("test:\n\tx\n")
    assert draft("Release 2.4", tmp_path)["tests"].sh is None


def test_a_workflow_that_is_there_for_a_step_is_named(tmp_path):
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "publish.yml").write_text("name: Publish\njobs:\n  upload: {}\n")
    assert ".github/workflows/publish.yml:2" in draft("Release 2.4", tmp_path)["tag"].description


def test_a_goal_of_no_known_kind_gets_a_plan_that_says_it_is_generic():
    plan = draft("Organise the summer party, invite everybody, then order food and book a band")
    assert GENERIC in plan.tasks[0].description
    assert plan.stories[0].description == GENERIC
    assert before(plan, "invite_everybody", "order_food")
    assert not before(plan, "order_food", "book_band")


def test_a_known_kind_does_not_say_so():
    assert all(GENERIC not in task.description for task in draft(CARTS))


def test_patterns_that_research_brought_are_named_where_they_are_used():
    plan = draft(CARTS, research=Research(patterns=patterns()))
    assert "Pattern: Human gate." in plan["approve"].description
    assert "Pattern: Canary." in plan["canary"].description


def test_estimates_are_three_valued_and_in_order():
    for task in draft(CARTS):
        if task.estimate_range_s is not None:
            low, likely, high = task.estimate_range_s
            assert 0 < low <= likely <= high


def test_no_need_is_said_twice():
    # a ─► b ─► c needs no a ─► c
    for goal in GOALS:
        plan = draft(goal)
        above = upstream(plan)
        for task in plan:
            if task.trigger == "all_success":
                for need in task.needs or ():
                    others = [other for other in task.needs or () if other != need]
                    assert not any(need in ancestors(above, other) for other in others)


def test_the_same_goal_gives_the_same_plan():
    assert draft(CARTS).hash == draft(CARTS).hash


def test_the_operation_of_the_analysis_is_followed():
    text = "Tidy up"
    analysis = Analysis(goal=Goal(text), operation="release")
    plan = asyncio.run(PatternPlanner().plan(Goal(text), analysis))
    assert "tag" in plan


def test_an_empty_goal_is_a_plan_error():
    with pytest.raises(PlanError, match="empty"):
        asyncio.run(PatternPlanner().plan("  "))


def test_the_components_that_are_checked_are_those_that_the_goal_means():
    kinds = [("ad", 1), ("cart", 5), ("checkout", 9)]
    scope = Scope(
        root="/w", files=3,
        components=tuple(
            Component(name, "service", "Go", name, Evidence("", "compose.yaml", line))
            for name, line in kinds
        ),
    )  # fmt: skip
    goal = "Release version 2.0 of the checkout service to production"
    meant = (Touched("checkout", "component", 1.0, "its name says “checkout”"),)
    analysis = Analysis(goal=Goal(goal), operation="release", scope=scope, touched=meant)
    assert [item.text for item in read(analysis.goal, analysis).items["components"]] == ["checkout"]
    every = msgspec.structs.replace(analysis, goal=Goal("Release every service, checkout first"))
    assert len(read(every.goal, every).items["components"]) == 3
