"""Verbs, titles and names."""

from __future__ import annotations

import pytest

from orch_nb.catalog.vocabulary import acts
from orch_nb.catalog.words import MOST_ID, MOST_TITLE, base_verb, fit, phase, slug, verb_of


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("lint", "lint"),
        ("type-check the package", "type-check"),
        ("Dual-write", "dual-write"),
        ("zap the cache", "zap"),
        ("sessionise", "sessionise"),
        ("the thing", ""),
        ("kustomize and Helm", ""),
        ("build's end", ""),
        ("release is near", ""),
    ],
)
def test_a_verb_is_known_by_the_list_or_by_the_article_after_it(text: str, verb: str):
    assert verb_of(text) == verb


def test_forms_of_a_verb_are_one_verb():
    assert [base_verb(v) for v in ("publishing", "cutting", "verified", "making")] == [
        "publish", "cut", "verify", "make",
    ]  # fmt: skip
    assert phase("re-build") == phase("build")


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Lint the package", "Lint the package"),
        ("Deploy the service to the test system (eu)", "Deploy the service to the test system"),
        ("Clean orders and refunds, so that no row is there twice", "Clean orders and refunds"),
        ("Turn the handbook into French and Spanish", "Turn the handbook into French and…"),
        ("x" * 60, "x" * 39 + "…"),
    ],
)  # fmt: skip
def test_a_title_is_cut_where_it_does_not_say_something_else(text: str, title: str):
    assert fit(text) == title
    assert len(fit(text)) <= MOST_TITLE


@pytest.mark.parametrize(
    "text", ["Update the PyPI package", "3 blind mice", "()", "!!!", "é", "a" * 99, "the of and"]
)
def test_a_name_is_short_and_an_identifier(text: str):
    assert slug(text).isidentifier()
    assert len(slug(text)) <= MOST_ID


@pytest.mark.parametrize(
    ("clause", "act"),
    [
        ("type-check the package", "types"),
        ("run mypy", "types"),
        ("run the linter", "lint"),
        ("run pytest", "tests"),
        ("test the package", "tests"),
        ("build the wheel", "build"),
        ("upload the wheel", "publish"),
        ("push the tag", "tag"),
        ("write a blog post", "announce"),
        ("get approval from legal", "approve"),
        ("dual-write", "dual_write"),
        ("verify counts", "compare"),
        ("switch reads", "switch"),
        ("retire Redis", "retire"),
    ],
)
def test_clauses_that_mean_the_same_are_one_act(clause: str, act: str):
    assert act in acts(clause)


@pytest.mark.parametrize("clause", ["write tests", "test the restore", "load test data"])
def test_not_everything_with_test_in_it_is_a_run_of_the_tests(clause: str):
    assert "tests" not in acts(clause)
