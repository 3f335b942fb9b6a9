"""What a goal touches: components, files and workflows, ranked, each with why."""

from __future__ import annotations

import pytest

from orch_nb.analysis.analyze import analyze_goal
from orch_nb.analysis.matching import hits_of
from orch_nb.analysis.terms import goal_terms, stem, words_of
from orch_nb.analysis.touched import touched
from orch_nb.model.analysis import Component, Evidence, Link, Scope, Workflow

#   web ──► cart ──► redis        mail
SHOP = {
    "src/cart/go.mod": "module shop/cart\n",
    "src/cart/main.go": "package main\n\nfunc main() { openCart() }\n",
    "src/cart/redis_store.go": "package main\n\ntype RedisStore struct{}\n\n// redis redis\n",
    "src/cart/redis_store_test.go": "package main\n// redis cart\n",
    "src/mail/go.mod": "module shop/mail\n",
    "src/mail/send.go": "package main\n",
    "src/web/package.json": '{"name": "web"}',
    "src/web/basket_page.ts": "export const page = 1\n",
    "docs/cart.md": "# The cart and redis\n",
    "README.md": "# Shop\n",
}


def part(name: str, kind: str = "service", language: str = "Go") -> Component:
    return Component(name, kind, language, f"src/{name}", Evidence("", f"src/{name}/go.mod", 1))


def names(found, kind: str) -> list[str]:
    return [one.name for one in found if one.kind == kind]


def test_names_are_split_as_people_read_them():
    assert words_of("ProductCatalogService/cart_store.py") == (
        "product", "catalog", "service", "cart", "store", "py",
    )  # fmt: skip
    assert stem("payments") == stem("payment")
    assert stem("speed") == "speed"


def test_a_part_of_a_joined_name_says_less_than_a_word():
    words = goal_terms("the carts")
    assert hits_of("cart_store.go", words)["cart"] == 1.0
    assert 0 < hits_of("cartservice", words)["cart"] < 1.0
    assert "cart" not in hits_of("descartes", words)


def test_the_file_that_says_most_comes_first(repository):
    found = analyze_goal("Move the carts from Redis to Postgres", repository(SHOP)).touched
    assert names(found, "file")[0] == "src/cart/redis_store.go"
    assert names(found, "component")[0] == "cart"


def test_why_and_where_are_told(repository):
    found = analyze_goal("Move the carts from Redis to Postgres", repository(SHOP)).touched
    first = next(one for one in found if one.kind == "file")
    assert "“redis”" in first.why
    assert "“carts”" in first.why
    assert str(first.evidence) == "src/cart/redis_store.go:3"  # the line that names it
    assert first.score == 1.0


def test_tests_and_documents_count_where_the_goal_speaks_of_them(repository):
    root = repository(SHOP)
    quiet = names(analyze_goal("Replace Redis in the cart", root).touched, "file")
    assert quiet.index("src/cart/redis_store.go") == 0
    assert "src/cart/redis_store_test.go" not in quiet[:1]
    asked = names(analyze_goal("Extend the tests of the Redis cart store", root).touched, "file")
    assert "src/cart/redis_store_test.go" in asked
    told = names(analyze_goal("Rewrite the docs of the cart", root).touched, "file")
    assert "docs/cart.md" in told


def test_a_file_that_is_named_is_meant(repository):
    found = analyze_goal("Change the title in README and the colours", repository(SHOP)).touched
    assert found[0].name == "README.md"
    assert found[0].why.startswith("the goal names it")


def test_a_synonym_stands_in_for_a_word_that_the_code_does_not_have(repository):
    files = {"src/basket/store.go": "package main\n", "src/mail/send.go": "package main\n"}
    (found,) = touched_in(files, repository, "Make the cart faster")
    assert (found.name, found.why) == ("src/basket/store.go", "its path says “basket”, for “cart”")


def test_a_word_that_the_code_has_needs_no_synonym(repository):
    found = touched_in(SHOP, repository, "Make the cart faster")
    assert "src/web/basket_page.ts" not in names(found, "file")


def touched_in(files, repository, goal: str):
    return analyze_goal(goal, repository(files)).touched


def test_what_relies_on_a_touched_part_is_touched_less():
    scope = Scope(
        root="/w/shop",
        components=(part("cart"), part("web"), part("mail"), part("redis", "store", "Redis")),
        links=(
            Link("web", "cart", "calls", Evidence("CART_ADDR", "compose.yaml", 7)),
            Link("cart", "redis", "uses"),
        ),
    )
    found = {one.name: one for one in touched("Speed up the cart", scope)}
    assert set(found) == {"cart", "web", "redis"}
    assert found["cart"].score == 1.0 > found["web"].score
    assert found["web"].why == "calls cart"
    assert found["redis"].why == "is used by cart"


def test_a_store_is_known_by_what_it_is():
    scope = Scope(root="/w", components=(part("db", "store", "PostgreSQL"), part("web")))
    (one,) = touched("Upgrade Postgres", scope)
    assert (one.name, one.why) == ("db", "it is a PostgreSQL: “Postgres”")


def test_demands_are_about_no_file(repository):
    files = {**SHOP, "src/friday/window.go": "package main\n"}
    found = touched_in(files, repository, "Change the mail by Friday, in the maintenance window")
    assert "src/friday/window.go" not in names(found, "file")


def test_workflows_that_do_such_a_thing():
    flows = (
        Workflow("Nightly release", "github_actions", ("build", "push"), Evidence("", "r.yml", 3)),
        Workflow("Checks", "github_actions", ("lint",), Evidence("", "c.yml", 3)),
    )
    found = touched("Release 2.0", Scope(root="/w", workflows=flows))
    assert names(found, "workflow") == ["Nightly release"]


def test_a_goal_that_speaks_of_nothing_here_touches_nothing(repository):
    assert touched_in(SHOP, repository, "Plan the summer party") == ()


def test_what_is_told_is_bounded(repository):
    files = {f"src/cart/d{n}/cart_{n}.go": "package main\n" for n in range(400)}
    found = touched_in(files, repository, "Change the cart")
    assert len(names(found, "file")) <= 8


def test_a_version_is_upgraded_where_it_stands(repository):
    files = {
        "pyproject.toml": '[project]\nname = "a"\ndependencies = ["django>=5"]\n',
        "app/migrations/0002_django_prices.py": "import django\n",
        "app/views.py": "import django\n",
    }
    found = touched_in(files, repository, "Upgrade Django to version 6")
    assert names(found, "file")[0] == "pyproject.toml"


@pytest.mark.parametrize("goal", ["cart " * 5000, "()[]{}\\b+*?", "Ж 東京 cart", "a" * 50_000])
def test_any_text_is_read_in_time(repository, goal: str):
    analysis = analyze_goal(goal, repository(SHOP))
    assert analysis.duration_s < 5
