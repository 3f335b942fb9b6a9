"""A pattern as a card, and the lists of patterns: complete, linked, drawn, and in words too."""

from __future__ import annotations

import pytest

from orch_nb.catalog.library import FAMILIES, pattern, patterns
from orch_nb.planners.yaml import plan_from_yaml
from orch_nb.render.listing import patterns_bundle
from orch_nb.render.pattern_card import card_bundle


def card(name: str) -> dict[str, str]:
    return card_bundle(pattern(name), plan_from_yaml(pattern(name).example))


@pytest.mark.parametrize("entry", patterns(), ids=lambda entry: entry.id)
def test_a_card_says_all_that_the_catalogue_knows(entry):
    text = card(entry.id)["text/plain"]
    told = [entry.summary, entry.cost, entry.without, *entry.use_when, *entry.avoid_when]
    told += [word for mode in entry.failure_modes for word in (mode.failure, mode.handling)]
    told += [word for one in entry.systems.values() for word in (one.how, one.url)]
    told += [word for one in entry.citations for word in (one.title, one.url)]
    for words in told:
        assert words.replace("`", "") in text
    assert f"%orchestrate edit {entry.id}" in text
    assert entry.example.splitlines()[-1] in text


def test_a_card_draws_its_example_and_links_every_page():
    html = card("saga")["text/html"]
    assert '<img alt="Task graph of Book a flight' in html
    assert "data:image/svg+xml;base64," in html
    for url in [*(one.url for one in pattern("saga").systems.values()),
                *(one.url for one in pattern("saga").citations)]:  # fmt: skip
        assert f'href="{url}"' in html


def test_a_card_names_the_systems_of_which_no_page_is_known():
    assert "Of Airflow, BullMQ, Celery and XState no page is known" in card("saga")["text/plain"]
    assert "No page of the six systems is known" in card("strangler_fig")["text/plain"]
    assert "no page is known" not in card("timeout_deadline")["text/plain"]


def test_the_list_of_all_is_by_family_and_names_each_id():
    text = patterns_bundle("")["text/plain"]
    assert all(about in text for about in FAMILIES.values())
    assert all(f" {entry.id} " in text for entry in patterns())


def test_a_search_lists_what_it_finds_and_how_to_open_the_first():
    text = patterns_bundle("undo steps")["text/plain"]
    assert "%orchestrate patterns saga opens one as a card" in text
    assert "spelled by" in text
    assert "No pattern of the catalogue speaks of" in patterns_bundle("zyzzyva")["text/plain"]
