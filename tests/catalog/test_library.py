"""The catalogue of patterns: complete, cited, runnable, and found by its words."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import yaml

import orch_nb as nb
from orch_nb.catalog import library
from orch_nb.catalog.library import (
    FAMILIES,
    clear_match,
    document,
    family_of,
    pattern,
    patterns,
    search,
)
from orch_nb.errors import EnvironmentFault, UsageError

EXPECTED = {
    "chain", "fan_out_fan_in", "diamond", "dynamic_fan_out", "saga", "human_gate", "retry_backoff",
    "checkpoint_recover", "parallel_states", "parent_child", "rate_limit", "canary",
}  # fmt: skip
QUERIES = yaml.safe_load(Path(__file__).with_name("queries.yaml").read_text(encoding="utf-8"))
#: Where each system's own documentation is.
PAGES = {
    "airflow": "https://airflow.apache.org/docs/",
    "xstate": "https://stately.ai/docs/",
    "bullmq": "https://docs.bullmq.io/",
    "restate": "https://docs.restate.dev/",
    "temporal": "https://docs.temporal.io/",
    "celery": "https://docs.celeryq.dev/en/stable/",
}
#: Examples that do not end as succeeded where nobody watches.
ENDS = {"saga": "failed", "human_gate": "waiting", "canary": "waiting"}


def test_there_are_enough_of_them_and_none_is_there_twice():
    assert {entry.id for entry in patterns()} >= EXPECTED
    assert len(patterns()) >= 44
    for key in ("id", "title", "summary", "example"):
        assert len({getattr(entry, key) for entry in patterns()}) == len(patterns())


def test_every_pattern_has_a_family():
    assert {family_of(entry.id) for entry in patterns()} == set(FAMILIES)


@pytest.mark.parametrize("entry", patterns(), ids=lambda entry: entry.id)
def test_an_entry_says_when_when_not_what_fails_and_where_to_check_it(entry):
    assert entry.summary
    assert entry.use_when
    assert entry.avoid_when
    assert entry.cost
    assert entry.without
    assert entry.failure_modes
    assert all(mode.failure and mode.handling for mode in entry.failure_modes)
    assert entry.citations
    assert all(
        citation.title and citation.url.startswith("https://") for citation in entry.citations
    )
    assert len({citation.url for citation in entry.citations}) == len(entry.citations)
    assert len(set(entry.keywords)) == len(entry.keywords) >= 5


@pytest.mark.parametrize("entry", patterns(), ids=lambda entry: entry.id)
def test_what_is_said_of_a_system_is_cited_from_its_own_documentation(entry):
    assert set(entry.systems) <= set(PAGES)
    for system, spelling in entry.systems.items():
        assert spelling.how
        assert spelling.url.startswith(PAGES[system])


@pytest.mark.parametrize("entry", patterns(), ids=lambda entry: entry.id)
def test_an_example_runs_as_it_stands_and_ends_as_the_pattern_says(entry):
    run = nb.execute(nb.decompose(entry.example), journal="memory")
    assert len(run.plan) >= 2
    assert run.status == ENDS.get(entry.id, "succeeded")


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("saga", {"flight": "compensated", "hotel": "compensated", "train": "failed"}),
        ("branch", {"full": "skipped", "delta": "succeeded", "publish": "succeeded"}),
        ("fallback", {"live": "failed", "cached": "succeeded", "show": "succeeded"}),
        ("cleanup_finally", {"compute": "failed", "give_back": "succeeded"}),
        ("circuit_breaker", {"call": "skipped", "later": "succeeded"}),
        ("fencing_token", {"write_a": "failed", "refused": "succeeded"}),
        ("human_gate", {"approve": "waiting", "publish": "pending"}),
        ("idempotent_consumer", {"book": "succeeded", "again": "skipped"}),
    ],
)
def test_an_example_shows_what_the_pattern_is_about(name: str, states: dict[str, str]):
    run = nb.execute(nb.decompose(pattern(name).example), journal="memory")
    assert {task: run[task].status.value for task in states} == states


@pytest.mark.parametrize(
    ("words", "best"),
    [
        ("undo what was done if a later step fails", "saga"),
        ("approval before publishing", "human_gate"),
        ("flaky network", "retry_backoff"),
        ("HTTP 429 too many requests", "rate_limit"),
        ("resume after a crash", "checkpoint_recover"),
        ("split, run side by side, join", "fan_out_fan_in"),
        ("statechart with regions", "parallel_states"),
        ("give it to five percent of users first", "canary"),
        ("number of files unknown until run time", "dynamic_fan_out"),
        ("child workflow", "parent_child"),
    ],
)
def test_a_search_finds_by_meaningful_words_and_their_stems(words: str, best: str):
    assert search(words)[0][0].id == best


def test_what_people_type_finds_the_pattern_they_mean_among_the_first_three():
    missed = {
        words: found
        for words, wanted in QUERIES.items()
        if wanted not in (found := [entry.id for entry, _ in search(words, limit=3)])
    }
    assert len(missed) <= 0.05 * len(QUERIES), missed


@pytest.mark.parametrize(
    ("words", "one"),
    [
        ("saga", "saga"),
        ("Human gate", "human_gate"),
        ("human-gate", "human_gate"),
        ("Fan-out / fan-in", "fan_out_fan_in"),
        ("split brain", "fencing_token"),
    ],
)
def test_an_id_a_title_or_words_that_mean_one_pattern_are_a_clear_match(words: str, one: str):
    found = clear_match(words)
    assert found is not None
    assert found.id == one


@pytest.mark.parametrize("words", ["", "zyzzyva", "retry approve undo parallel", "queue"])
def test_words_that_could_mean_several_patterns_are_none(words: str):
    assert clear_match(words) is None


def test_synonyms_are_words_of_the_catalogue():
    assert set(QUERIES.values()) <= {entry.id for entry in patterns()}
    for entry in document("synonyms.yaml"):
        assert search(entry["mean"]), entry


def test_results_are_ranked_positive_and_bounded():
    scores = [score for _, score in search("retry approve undo parallel canary", limit=3)]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0


@pytest.mark.parametrize(
    "words", ["", "the of and", "zyzzyva", '"', "a OR b NOT ^*:", "'); TRUNCATE"]
)
def test_words_that_say_nothing_find_nothing_and_break_nothing(words: str):
    assert search(words) == []


def test_an_unknown_pattern_names_those_there_are():
    with pytest.raises(UsageError, match=r"no pattern `sagas`.*`saga`"):
        pattern("sagas")


def test_without_fts5_the_message_says_what_still_works(monkeypatch):
    class Without:
        def execute(self, *_):
            raise sqlite3.OperationalError("no such module: fts5")

        def close(self):
            pass

    library._index().close()
    library._index.cache_clear()
    monkeypatch.setattr(library.sqlite3, "connect", lambda *_, **__: Without())
    with pytest.raises(EnvironmentFault, match=r"FTS5.*`patterns\(\)` lists them all"):
        search("saga")
    monkeypatch.undo()
    assert search("saga")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_when": "text"}, "pattern `x`.*use_when"),
        ({"systems": {"jenkins": {"how": "a", "url": "b"}}}, "unknown systems"),
        ({"citations": []}, "cites nothing"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_name(change, message):
    entry = {
        "id": "x", "title": "X", "summary": "s", "use_when": ["a"], "avoid_when": ["b"],
        "failure_modes": [], "systems": {}, "citations": [{"title": "t", "url": "u"}],
    }  # fmt: skip
    assert library._checked([entry])
    with pytest.raises(ValueError, match=message):
        library._checked([entry | change])
