"""The catalogue of patterns: complete, cited, runnable, and found by its words."""

from __future__ import annotations

import sqlite3

import pytest

from orch_nb.catalog import library
from orch_nb.catalog.library import pattern, patterns, search
from orch_nb.errors import EnvironmentFault, UsageError
from orch_nb.planners.yaml import plan_from_yaml

EXPECTED = {
    "chain", "fan_out_fan_in", "diamond", "dynamic_fan_out", "saga", "human_gate", "retry_backoff",
    "checkpoint_recover", "parallel_states", "parent_child", "rate_limit", "canary",
}  # fmt: skip


def test_the_twelve_patterns_are_there():
    assert {entry.id for entry in patterns()} >= EXPECTED


@pytest.mark.parametrize("entry", patterns(), ids=lambda entry: entry.id)
def test_an_entry_says_when_when_not_what_fails_and_where_to_check_it(entry):
    assert entry.summary
    assert entry.use_when
    assert entry.avoid_when
    assert all(mode.failure and mode.handling for mode in entry.failure_modes)
    assert all(
        citation.title and citation.url.startswith("https://") for citation in entry.citations
    )
    assert all(s.how and s.url.startswith("https://") for s in entry.systems.values())
    assert set(entry.systems) <= library.SYSTEMS


@pytest.mark.parametrize("entry", patterns(), ids=lambda entry: entry.id)
def test_an_example_is_a_plan_that_is_sound_as_it_stands(entry):
    plan = plan_from_yaml(entry.example)
    assert len(plan) >= 2
    assert all(task.sh is None or task.sh.startswith("echo ") for task in plan)


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


def test_results_are_ranked_positive_and_bounded():
    scores = [score for _, score in search("retry approve undo parallel canary", limit=3)]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert min(scores) > 0


@pytest.mark.parametrize("words", ["", "the of and", "zyzzyva", '"', "a OR b NOT ^*:", "'); DROP"])
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
