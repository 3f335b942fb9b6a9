"""Risks: what the goal says and what the workspace shows, each with evidence and what helps."""

from __future__ import annotations

import inspect
import re

import pytest

from orch_nb.analysis import hazards as hazards_module
from orch_nb.analysis import risks as risks_module
from orch_nb.analysis.risks import risks
from orch_nb.catalog.library import patterns
from orch_nb.model.analysis import (
    Component,
    Evidence,
    Link,
    Risk,
    Scope,
    Touched,
    Workflow,
    WorkflowPart,
)


def part(name: str, kind: str = "service", language: str = "Go") -> Component:
    return Component(name, kind, language, f"src/{name}", Evidence("", f"src/{name}/go.mod", 1))


def scope(*components: Component, links=(), workflows=(), **more) -> Scope:
    return Scope(
        root="/w", files=9, languages={"Go": 9}, components=components, links=tuple(links),
        workflows=tuple(workflows), **more,
    )  # fmt: skip


def named(found: tuple[Risk, ...]) -> dict[str, Risk]:
    return {risk.name: risk for risk in found}


def touches(*names: str) -> tuple[Touched, ...]:
    return tuple(Touched(name, "component", 1.0, "its name") for name in names)


CART = touches("cart")


@pytest.mark.parametrize(
    ("goal", "name"),
    [
        ("Move it without downtime", "users notice the change"),
        ("Finish it by Friday", "the date is missed"),
        ("Do it after legal has approved it", "it waits for an answer that does not come"),
        ("Do it only at night", "the window closes before it is done"),
        ("Patch at most 2 nodes at once", "more runs at once than is allowed"),
        ("Store it, GDPR holds", "data reach a place where they may not be"),
        ("Split it without touching the API", "what was to stay as it is changes with it"),
        ("Copy it without losing any data", "something is lost or counted twice"),
        ("Host it for under $50", "it costs more than it may"),
    ],
)
def test_each_demand_has_its_risk_and_its_own_words(goal: str, name: str):
    risk = named(risks(goal, "", Scope()))[name]
    assert risk.evidence.text.startswith("“")
    assert risk.mitigation


def test_a_touched_part_that_many_rely_on():
    links = [Link(one, "cart", "calls", Evidence("", f"{one}.go", 3)) for one in ("a", "b", "c")]
    found = named(risks("Change the cart", "", scope(part("cart"), links=links), touched=CART))
    risk = found["a fault in cart reaches 3 components"]
    assert (risk.impact, str(risk.evidence)) == ("high", "a.go:3 a, b and c rely on it")
    assert not any("reaches" in name for name in named(
        risks("Change the cart", "", scope(part("cart"), links=links[:2]), touched=CART)
    ))  # fmt: skip


def test_a_store_that_several_share_bears_on_a_goal_that_names_it():
    store = part("db", "store", "PostgreSQL")
    links = [Link(one, "db", "uses") for one in ("a", "b", "c")]
    at = scope(store, links=links)
    assert "db is shared by 3 components" in named(risks("Move Postgres away", "", at))
    assert not any("shared" in name for name in named(risks("Add a button", "", at)))


def test_a_queue_without_a_place_for_what_cannot_be_handled():
    queue = Workflow("mails", "bullmq", ("send",), Evidence("", "mail.ts", 4), kind="queue")
    lost = "what cannot be handled is lost or blocks the queue"
    assert lost in named(risks("Send webhooks from a queue", "", scope(workflows=[queue])))
    kept = Workflow(
        "mails", "bullmq", ("send",), Evidence("", "mail.ts", 4),
        parts=(WorkflowPart("mails-dead-letter", "queue"),),
    )  # fmt: skip
    assert lost not in named(risks("Send webhooks from a queue", "", scope(workflows=[kept])))
    assert lost not in named(risks("Change the colour", "", scope(workflows=[queue])))


def test_retries_by_hand_bear_on_a_goal_that_calls_or_retries():
    by_hand = Workflow("call", "retry", ("call",), Evidence("", "http.py", 7), kind="tenacity")
    name = "retries multiply with those written by hand"
    found = named(risks("Retry the calls of the API", "", scope(workflows=[by_hand])))
    assert str(found[name].evidence) == "http.py:7 call"
    assert name not in named(risks("Change the colour", "", scope(workflows=[by_hand])))


def test_migrations_bear_on_data():
    paths = ["src/cart/migrations/0001_first.py"]
    name = "code and schema do not fit each other for a while"
    assert name in named(risks("Add a column to the table", "", Scope(), paths=paths))
    assert name not in named(risks("Change the colour", "", Scope(), paths=paths))


def test_versions_that_nothing_holds():
    name = "what is built today is not what was tested"
    loose = named(risks("Upgrade the dependencies", "", Scope(), paths=["package.json"]))
    assert str(loose[name].evidence).startswith("package.json:1")
    held = ["package.json", "package-lock.json"]
    assert name not in named(risks("Upgrade the dependencies", "", Scope(), paths=held))


def test_what_is_touched_and_has_no_test():
    paths = ["src/web/web_test.go", "src/cart/main.go"]
    at = scope(part("cart"), part("web"))
    told = named(risks("Change the cart", "", at, "src/web/web_test.go", touched=CART, paths=paths))
    assert "no test of cart was found" in told
    other = named(
        risks("Change the web", "", at, "src/web/web_test.go", touched=touches("web"), paths=paths)
    )
    assert not any(name.startswith("no test of") for name in other)


def test_every_pattern_that_is_named_is_in_the_catalogue():
    known = {entry.id for entry in patterns()}
    source = inspect.getsource(risks_module) + inspect.getsource(hazards_module)
    ids = set(re.findall(r'^\s+(?:"[^"]+", )?"([a-z]+(?:_[a-z]+)*)",?$', source, re.MULTILINE))
    rows = {row[-1] for row in risks_module._OF_DEMANDS.values()}
    assert rows <= known
    assert {one for one in ids if "_" in one and one in known} >= {"retry_backoff"}


def test_the_worst_comes_first_and_there_is_an_end():
    goal = (
        "Delete everything by Friday without downtime, GDPR, for under $50, at most 2 at once, "
        "only at night, after legal has approved it, without losing data, in Redis and on AWS"
    )
    found = risks(goal, "migration", scope(part("cart")))
    order = {"high": 0, "medium": 1, "low": 2}
    assert [order[risk.impact] for risk in found] == sorted(order[risk.impact] for risk in found)
    assert len(found) <= 12
