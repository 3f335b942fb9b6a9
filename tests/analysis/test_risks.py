"""Risks: what the goal says and what the workspace shows, each with evidence and what helps."""

from __future__ import annotations

import ast
import inspect

import pytest

from orch_nb.analysis import hazards as hazards_module
from orch_nb.analysis import risks as risks_module
from orch_nb.analysis.analyze import analyze_goal
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


def named_patterns() -> set[str]:
    """The last argument of every `Risk(...)` that is made, and of every row of demands."""
    ids = {row[-1] for row in risks_module._OF_DEMANDS.values()}
    for module in (risks_module, hazards_module):
        for call in ast.walk(ast.parse(inspect.getsource(module))):
            if not (isinstance(call, ast.Call) and getattr(call.func, "id", "") == "Risk"):
                continue
            for given in call.args[5:6]:
                ids |= {n.value for n in ast.walk(given)
                        if isinstance(n, ast.Constant) and isinstance(n.value, str)}  # fmt: skip
    return ids


def test_every_pattern_that_is_named_is_in_the_catalogue():
    assert named_patterns() <= {entry.id for entry in patterns()}
    assert {"dead_letter_queue", "expand_contract", "dual_write", "human_gate"} <= named_patterns()


def test_a_lock_file_that_the_scan_left_out_as_generated_is_seen(tmp_path):
    (tmp_path / "package.json").write_text('{"name": "a", "version": "1.0.0"}')
    (tmp_path / "package-lock.json").write_text("{}")
    (tmp_path / "a.ts").write_text("export const a = 1;\n")
    names = named(analyze_goal("Upgrade the dependencies", tmp_path).risks)
    assert "what is built today is not what was tested" not in names


def test_what_is_near_by_links_only_is_not_said_to_be_changed():
    links = [Link(one, "web", "calls", Evidence("", f"{one}.go", 3)) for one in ("a", "b", "c")]
    near = (*CART, Touched("web", "component", 0.6, "calls cart"))
    found = named(
        risks("Change the cart", "", scope(part("cart"), part("web"), links=links), touched=near)
    )
    assert not any("reaches" in name for name in found)


def test_an_api_of_ones_own_is_no_outside_service():
    outside = "an outside service is down, slow or refuses"
    assert outside not in named(risks("Upgrade Django in the API", "", scope(part("api"))))
    assert outside in named(risks("Upgrade Django in the API", "", scope(part("web"))))


def test_what_a_new_part_will_do_is_not_done_by_the_goal():
    final = "a step that cannot be taken back"
    assert final not in named(risks("Add a queue for sending invoices", "", Scope()))
    assert final in named(risks("Send the invoices", "", Scope()))


def test_what_is_to_be_left_alone_brings_no_risk_of_its_own():
    paths = ["db/migrations/20240101_first/migration.sql"]
    name = "code and schema do not fit each other for a while"
    assert name in named(risks("Change the database", "", Scope(), paths=paths))
    apart = "Deploy it without touching the database"
    assert name not in named(risks(apart, "", Scope(), paths=paths))
    lock = ["db/migrations/migration_lock.toml"]
    assert name not in named(risks("Change the database", "", Scope(), paths=lock))


def test_a_test_is_found_by_the_name_without_its_kind():
    basket = Component("basket-api", "service", "C#", "src/Basket.API", Evidence("", "a.csproj", 1))
    paths = ["src/Basket.API/Program.cs", "tests/Basket.UnitTests/BasketServiceTests.cs"]
    found = named(risks("Change the basket", "", scope(basket), paths[1],
                        touched=touches("basket-api"), paths=paths))  # fmt: skip
    assert not any(name.startswith("no test") for name in found)


def test_where_writing_goes_on_a_backup_is_no_way_back():
    live = named(risks("Move carts from Redis to Postgres without downtime", "migration", Scope()))
    still = named(risks("Move carts from Redis to Postgres", "migration", Scope()))
    name = "data are lost or differ afterwards"
    assert (live[name].pattern, still[name].pattern) == ("dual_write", "snapshot_restore")


def test_the_worst_comes_first_and_there_is_an_end():
    goal = (
        "Delete everything by Friday without downtime, GDPR, for under $50, at most 2 at once, "
        "only at night, after legal has approved it, without losing data, in Redis and on AWS"
    )
    found = risks(goal, "migration", scope(part("cart")))
    order = {"high": 0, "medium": 1, "low": 2}
    assert [order[risk.impact] for risk in found] == sorted(order[risk.impact] for risk in found)
    assert len(found) <= 12
