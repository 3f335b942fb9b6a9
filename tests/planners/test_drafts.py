"""Drafts as those who would have to carry them out read them: a gallery of goals of many kinds."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise

import pytest
from msgspec.structs import replace

from orch_nb import analyze, decompose
from orch_nb.analysis.analyze import analyze_goal
from orch_nb.catalog.clauses import read
from orch_nb.graph.topology import ancestors, upstream
from orch_nb.graph.validate import check
from orch_nb.model.analysis import Component, Evidence, Link, Touched
from orch_nb.planners.patterns import PatternPlanner
from orch_nb.planners.yaml import dump_plan, plan_from_yaml

RELEASE = (
    "Release foo 0.1.0 to PyPI: lint, type-check and test the package, build the wheel, check its "
    "size, publish it, then announce it. Publishing cannot be taken back, so somebody approves it "
    "first."
)
GALLERY = [
    RELEASE,
    (
        "Publish version 1.4.2 of our Rust CLI as crates and Homebrew formula: run clippy and "
        "the tests, update the changelog, tag, publish, then tweet about it"
    ),
    (
        "Ship mylib 3.0 to PyPI after benchmarking it against 2.9; backport the security fix "
        "first and freeze main while we release"
    ),
    (
        "Release the Android app 5.1: build the bundle, run the smoke tests on three devices, "
        "upload it to the Play Store, roll out to 10 percent, then to everybody"
    ),
    (
        "Deploy the checkout service to production: run the tests, build the image, deploy to "
        "staging, have QA sign off, canary 5%, then roll out and notify support"
    ),
    (
        "Every night, load invoices from Stripe and payments from the bank's CSV export, "
        "reconcile them, flag mismatches, and email finance a report"
    ),
    "Load orders and refunds, clean them, join, and publish a dashboard",
    (
        "Ingest click logs from S3, deduplicate, sessionise, aggregate by day and write a "
        "table into BigQuery"
    ),
    ("Combine weather, traffic and accident data into one table and draw a map of black spots"),
    (
        "Upgrade Postgres from 12 to 16: back up the database first, test the restore, "
        "rehearse in staging, then switch over during the maintenance window"
    ),
    (
        "Move the sessions from Redis to Postgres: dual-write, backfill, verify counts, "
        "switch reads, then retire Redis."
    ),
    (
        "Move the file uploads from the local disk to S3, copy the old files, verify "
        "checksums, switch the app, and delete the old files only after two weeks"
    ),
    (
        "Split the users table into users and profiles without downtime; old clients must "
        "keep working"
    ),
    ("Move our 40 repositories from Bitbucket to GitHub, archive the old ones, and update the CI"),
    (
        "Before we turn off the old VPN, migrate every laptop to WireGuard and check that "
        "everyone can connect"
    ),
    'Rename the Python package "foo_utils" to "footools" and keep the old import working',
    (
        "Compare sleep quality between students who drink coffee and those who do not, "
        "controlling for age, and write a two-page report"
    ),
    (
        "Train a model that predicts which customers churn, compare it with the current rule, "
        "and deploy it if it is better"
    ),
    (
        "Explore the survey data: clean it, look at each question by region, find what goes "
        "with satisfaction, and present it to the board"
    ),
    "Is the new checkout page better than the old one? Analyse the A/B test",
    (
        "Delete inactive accounts older than 3 years: export them first, email the owners, "
        "wait two weeks, get approval from legal, then delete them and write an audit note."
    ),
    (
        "Organise a two-day workshop: find a venue, invite four speakers, open registration, "
        "order catering and print badges. Printing cannot be taken back, so Ana checks the "
        "names before."
    ),
    (
        "Incident: checkout returns 500s since 14:02; find what changed, roll back the last "
        "deploy, verify that orders go through, then write a post-mortem"
    ),
    (
        "Add a rate limiter to the API gateway: write the middleware, add tests, make it "
        "configurable via Helm, document it, then enable it in production for 5% of users "
        "first"
    ),
    "Rotate all production TLS certificates before 1 December without downtime",
    (
        "Write the grant proposal: outline, budget and letters of support, have Maria review "
        "it, submit by Friday"
    ),
    (
        "Set up the lab:\n"
        "1. unpack the microscope\n"
        "2. calibrate it\n"
        "3. take test images\n"
        "4. send the images to the vendor"
    ),
    (
        "Refactor the billing module: extract the tax rules, add unit tests, replace the old "
        "calls, and remove the legacy code once the tests pass"
    ),
    "Clean the kitchen",
]


def draft(goal: str, workspace=None):
    analysis = analyze_goal(goal, workspace)
    return asyncio.run(PatternPlanner().plan(analysis.goal, analysis))


def before(plan, first: str, then: str) -> bool:
    return first in ancestors(upstream(plan), then)


def row(plan, *ids: str) -> bool:
    """Whether each of `ids` comes before the next."""
    return all(before(plan, a, b) for a, b in pairwise(ids))


def gates_above(plan, task: str) -> list[str]:
    return [t.id for t in plan if t.approval and before(plan, t.id, task)]


@pytest.mark.parametrize("goal", GALLERY)
def test_a_draft_is_sound_short_in_its_names_and_survives_being_written_down(goal: str):
    plan = draft(goal)
    assert check(plan) == []
    again = plan_from_yaml(dump_plan(plan))
    assert [(t.id, t.needs, t.title) for t in again] == [(t.id, t.needs, t.title) for t in plan]
    assert all(len(t.title) <= 40 and len(t.id) <= 20 for t in plan)
    assert all("Done when" in t.description for t in plan)


@pytest.mark.parametrize("goal", GALLERY)
def test_no_pronoun_is_part_of_a_title_that_the_goals_words_make(goal: str):
    own = [t for t in draft(goal) if "it is as the goal says" in t.description]
    assert not [t.title for t in own if re.search(r"\b(it|its|them|their)\b", t.title)]


@pytest.mark.parametrize("goal", GALLERY)
def test_no_word_of_the_goal_that_says_what_to_do_is_lost(goal: str):
    plan = draft(goal)
    whole = " ".join(part.said for part in read(goal).parts if part.leading)
    told = " ".join([whole, *(f"{t.title} {t.description}" for t in plan)]).lower()
    tail = goal.partition(": ")[2] or goal
    words = set(re.findall(r"[a-z]{6,}", tail.lower()))
    lost = {w for w in words if w[:5] not in told}
    assert len(lost) <= 0.15 * len(words), lost


@pytest.mark.parametrize("goal", GALLERY)
def test_what_is_no_todo_of_the_goal_says_why_it_is_there(goal: str):
    plan = draft(goal)
    optional = {"freeze", "milestone", "backport", "deprecations", "bench", "audit", "schedule"}
    for task in plan:
        if task.id in optional:
            assert re.search(r"The goal says|It is here because", task.description), task.id


# lint │ types │ tests ─► bump ─► build ─► size │ trial ─► approve ─► tag ─► publish ─► announce
def test_what_a_release_names_is_the_methods_own_task_or_stands_where_it_is_named():
    plan = draft(RELEASE)
    assert len(plan) <= 18
    assert row(plan, "build", "check_size_wheel", "approve", "publish_wheels_sdist", "announce")
    assert all(row(plan, check, "build") for check in ("lint", "types", "tests"))
    assert not any(before(plan, a, b) for a in ("lint", "types") for b in ("tests", "types"))
    for task, said in (("types", "type-check"), ("tests", "test the package"), ("build", "build")):
        assert f"The goal says: “{said}" in plan[task].description
    assert "somebody approves it first" in plan["approve"].description
    assert not {"type_check", "test_package", "publish_it", "freeze", "milestone"} & set(plan.by_id)


def test_a_large_release_has_what_large_ones_have_and_says_by_what_it_is_large():
    plan = draft(
        "Release Foo 2.0 from the maintenance branch: PyPI, npm, Docker images and conda packages "
        "for Linux, macOS and Windows"
    )
    assert {"milestone", "backport", "rebuild", "watch"} <= set(plan.by_id)
    assert "maintenance branch" in plan["milestone"].description


def test_a_workspace_brings_only_the_optional_tasks_that_it_shows(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "foo"\n')
    bare = draft("Release foo 1.0", tmp_path)
    (tmp_path / "CHANGELOG.md").write_text("# Changes\n")
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "run.py").write_text("x = 1\n")
    (tmp_path / "mkdocs.yml").write_text("site_name: x\n")
    full = draft("Release foo 1.0", tmp_path)
    assert {"notes"} == set(bare.by_id) - set(full.by_id)
    assert {"changelog", "bench", "follow_documentation"} == set(full.by_id) - set(bare.by_id)
    assert "CHANGELOG.md" in full["changelog"].description
    assert "benchmarks/run.py" in full["bench"].description


def test_release_branches_in_ci_are_a_reason_to_backport(tmp_path):
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    (folder / "ci.yml").write_text(
        "on:\n  push:\n    branches: [main, 'release/**']\njobs: {t: {}}\n"
    )
    plan = draft("Release foo 1.0", tmp_path)
    assert ".github/workflows/ci.yml:3" in plan["backport"].description


# extract ─► validate ─► clean ─► join ─► make ─► check ─► approve ─► load ─► publish
def test_a_pipelines_own_steps_stand_where_they_are_named():
    plan = draft("Load orders and refunds, clean them, join, and publish a dashboard")
    assert row(plan, "extract_orders", "validate_orders", "clean_orders_refunds", "join",
               "transform", "approve", "load", "publish_dashboard")  # fmt: skip
    assert not before(plan, "extract_orders", "extract_refunds")
    assert "The goal says: “join”" in plan["join"].description


def test_sources_that_are_named_with_their_places_are_those():
    plan = draft("Load invoices from Stripe and payments from the bank, then email a report")
    assert [t.title for t in plan if t.id.startswith("extract")] == [
        "Extract invoices (Stripe)", "Extract payments (bank)",
    ]  # fmt: skip


def test_a_migrations_steps_are_the_methods_and_none_is_there_twice():
    plan = draft(GALLERY[10])
    assert row(plan, "dual_write", "backfill", "verify", "approve", "switch", "approve_end",
               "retire")  # fmt: skip
    for task in ("dual_write", "backfill", "verify", "switch", "retire"):
        assert "The goal says" in plan[task].description
    assert not {"verify_counts", "switch_reads", "retire_redis"} & set(plan.by_id)


def test_what_is_named_first_comes_first():
    plan = draft(GALLERY[9])
    assert row(plan, "backup", "test_restore", "staging", "approve", "rest")


# load ─► check ─► species 1 │ 2 │ 3 ─► compare ─► doubt │ chart ─► report
def test_a_question_to_data_is_planned_as_one():
    plan = draft("Tell three species of penguins apart by their bills")
    groups = [t.id for t in plan if t.id.startswith("group_")]
    assert len(groups) == 3
    assert not any(before(plan, a, b) for a in groups for b in groups)
    assert all(row(plan, "load_data", "check", group, "compare", "report") for group in groups)
    assert not any(t.approval for t in plan)
    assert "by the bills" in plan["compare"].description


def test_groups_that_are_named_are_looked_at_by_name():
    plan = draft("Compare DuckDB, Polars and pandas on the taxi data")
    assert [t.title for t in plan if t.id.startswith("group_")] == [
        "Describe DuckDB", "Describe Polars", "Describe pandas",
    ]  # fmt: skip
    assert plan["load_taxi_data"].title == "Load the taxi data"


def test_a_model_is_tested_on_what_it_has_not_seen_and_given_out_behind_a_gate():
    plan = draft(GALLERY[17])
    assert row(plan, "split", "model", "evaluate", "conclude", "approve", "deploy_model")
    assert not before(plan, "baseline", "model")


# export ─► email ─► wait ─► verify ─► legal approves ─► delete ─► note
def test_an_unknown_kind_of_goal_keeps_its_clauses_its_order_and_its_own_gate():
    plan = draft(GALLERY[20])
    assert row(plan, "export_inactive", "email_owners", "wait_two_weeks", "verify", "approve",
               "delete_inactive", "write_audit_note")  # fmt: skip
    assert plan["approve"].title == "Get approval from legal"
    assert [t.id for t in plan if t.approval] == ["approve"]


@pytest.mark.parametrize(
    ("goal", "final"),
    [
        ("Collect the letters, sort them, then burn the rest", "burn_rest"),
        ("Write the newsletter, proofread it and send it to the members", "send_newsletter"),
        ("Add a flag, test it, and enable it in production", "enable_flag"),
        ("Paint the shed and close the old account", "close_old_account"),
    ],
)
def test_what_cannot_be_undone_stands_behind_a_gate_and_a_check(goal: str, final: str):
    plan = draft(goal)
    assert gates_above(plan, final) == ["approve"]
    assert before(plan, "verify", "approve")
    assert before(plan, final, "outcome")


def test_what_can_be_undone_needs_no_gate():
    plan = draft("Paint the shed and repair the roof")
    assert not any(t.approval for t in plan)
    assert not before(plan, "paint_shed", "repair_roof")


def test_what_the_goal_says_cannot_be_undone_is_believed_though_its_verb_is_harmless():
    plan = draft("Find a venue and glue the posters. Glueing cannot be undone.")
    assert gates_above(plan, "glue_posters") == ["approve"]
    assert "Glueing cannot be undone" in plan["approve"].description


def test_how_things_are_is_quoted_where_the_work_begins():
    plan = draft("Incident: the API is read-only because etcd lost quorum. Restore service.")
    assert "“the API is read-only because etcd lost quorum”" in plan.tasks[0].description
    assert row(plan, "state", "restore_service", "verify")


@pytest.mark.parametrize("goal", GALLERY)
def test_an_undo_watches_what_it_can_take_back_and_never_a_gate(goal: str):
    plan = draft(goal)
    undone = [t for t in plan if t.trigger == "one_failed"]
    assert all(plan[need].approval is None for task in undone for need in task.needs or ())
    assert all(task.needs for task in undone)


def test_what_is_only_retired_has_nothing_new_beside_it():
    plan = draft("Retire the old login service")
    assert "beside" not in plan
    assert row(plan, "users", "approve", "turn_off", "verify", "approve_end", "retire")


def test_taking_the_way_back_is_not_keeping_one():
    plan = draft("Incident: checkout is down; roll back the last deploy, then tell the team")
    assert "roll_back_last" in plan
    assert "way_back" not in plan


def test_of_a_store_that_the_goal_touches_only_those_that_use_it_are_checked():
    parts = [
        Component(name, kind, "Python", name)
        for name, kind in (("db", "store"), ("orders", "service"), ("web", "service"))
    ]
    link = Link("orders", "db", "uses", Evidence("DATABASE_URL", "compose.yaml", 9))
    goal = "Move the orders from Postgres to CockroachDB without downtime"
    analysis = analyze(goal, None)
    analysis = replace(
        analysis, scope=replace(analysis.scope, components=tuple(parts), links=(link,)),
        touched=(Touched("db", "component", 1.0, "it is a PostgreSQL"),),
    )  # fmt: skip
    plan = decompose(analysis)
    checked = [task for task in plan if task.id.startswith("component")]
    assert [task.title for task in checked] == ["Check how orders uses Postgres"]
    assert "compose.yaml:9" in checked[0].description
