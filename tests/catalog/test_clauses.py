"""A goal taken apart: what it names, in which order, and nothing of it lost."""

from __future__ import annotations

import time

import pytest

from orch_nb.catalog.clauses import parts, read, split_list


def stages(text: str) -> list[list[str]]:
    """The texts of the parts by stage."""
    found: dict[int, list[str]] = {}
    for part in parts(text):
        found.setdefault(part.stage, []).append(part.text)
    return [found[stage] for stage in sorted(found)]


# lint │ type-check │ test ─► build ─► check ─► publish ─► announce
def test_verbs_that_share_an_object_go_side_by_side_and_the_rest_in_a_row():
    assert stages(
        "Release foo: lint, type-check and test the package, build the wheel, check its size, "
        "publish it, then announce it."
    ) == [
        ["lint the package", "type-check the package", "test the package"],
        ["build the wheel"],
        ["check the size of the wheel"],
        ["publish the wheel"],
        ["announce"],
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # what points back comes after what it points at
        (
            "load orders and refunds, clean them, join, and publish a dashboard",
            [["load orders and refunds"], ["clean orders and refunds"], ["join"],
             ["publish a dashboard"]],
        ),
        # one kind of work may go side by side; "then" may not
        (
            "Invite everybody, then order food and book a band",
            [["invite everybody"], ["order food", "book a band"]],
        ),
        # one verb for several things is several things to do
        (
            "Launch: update the docs, the website and the images",
            [["update the docs", "update the website", "update the images"]],
        ),
        # the other's preposition goes with it
        ("CI: test on Linux and macOS", [["test on Linux", "test on macOS"]]),
        ("App: roll out to 10 percent, then to everybody",
         [["roll out to 10 percent"], ["roll out to everybody"]]),
        # before, after, once, first
        (
            "Before switching the reads, back up the database",
            [["back up the database"], ["switch the reads"]],
        ),
        (
            "Back up the database before upgrading Postgres",
            [["back up the database"], ["upgrade Postgres"]],
        ),
        (
            "After the tests pass, deploy to staging; once staging is verified, deploy to prod",
            [["check that the tests pass"], ["deploy to staging"], ["verify staging"],
             ["deploy to prod"]],
        ),
        (
            "Publish the report. Check the numbers before publishing.",
            [["check the numbers"], ["publish the report"]],
        ),
        (
            "Upgrade: rehearse in staging, switch over, back up the database first",
            [["back up the database"], ["rehearse in staging"], ["switch over"]],
        ),
        # numbers and bullets
        (
            "Set up the lab:\n1. unpack the microscope\n2. calibrate it\n3. take images",
            [["unpack the microscope"], ["calibrate the microscope"], ["take images"]],
        ),
        ("Do (1) lint it 2) ship it", [["lint"], ["ship"]]),
        ("Trip:\n- book a train\n- reserve a room", [["book a train", "reserve a room"]]),
    ],
)  # fmt: skip
def test_order_is_what_the_goal_says(text: str, expected: list[list[str]]):
    assert stages(text) == expected


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Delete old accounts: email the owners, then delete them", "delete old accounts"),
        ("Train a model, compare it with the baseline", "compare the model with the baseline"),
        ("Train a model and deploy it if it wins", "deploy the model"),
        ("Update the notes, then tweet about it", "tweet"),
        ("Wait for news, then print it", "print"),
    ],
)
def test_a_pronoun_is_what_it_stands_for_or_nothing(text: str, part: str):
    assert parts(text)[-1].text == part


def test_the_goals_own_words_stay_with_a_part():
    assert [part.said for part in parts("App: build the wheel, publish it")][-1] == "publish it"


@pytest.mark.parametrize(
    "text",
    [
        "Publishing cannot be taken back, so somebody approves it first.",
        "Nothing goes out without the go-ahead of the editor.",
    ],
)
def test_what_asks_for_a_decision_is_no_part(text: str):
    told = read(f"Print the book. {text}")
    assert [part.text for part in told.parts] == ["print the book"]
    assert told.gates == (text.rstrip("."),)


def test_what_only_tells_how_things_are_is_kept_as_context():
    told = read("Incident: the API is read-only because etcd lost quorum. Restore service.")
    assert [part.text for part in told.parts] == ["restore service"]
    assert "the API is read-only because etcd lost quorum" in told.context


def test_what_something_must_be_able_to_is_a_part_at_the_end():
    assert stages("Add a service, deployable with Helm and kustomize, called by the frontend") == [
        ["add a service"],
        ["ensure deployable with Helm", "ensure deployable with kustomize",
         "ensure called by the frontend"],
    ]  # fmt: skip


def test_brackets_and_quotations_are_left_whole():
    assert stages('Plan: say "go, then stop" (and wait, then run), then leave') == [
        ['say "go, then stop" (and wait, then run)'],
        ["leave"],
    ]
    assert split_list("orders, refunds and the (old, slow) feed") == [
        "orders", "refunds", "the (old, slow) feed",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "x", ":", ", , and", "then then", "\x01\x02", "(((", "…"])
def test_odd_texts_break_nothing(text: str):
    assert all(part.text for part in read(text).parts)


def test_a_goal_of_any_length_is_read_in_time():
    started = time.monotonic()
    read("lint, test, build it and " * 4000)
    read("before " * 20_000)
    read("“" * 50_000)
    assert time.monotonic() - started < 5
