"""The observations are still true: the real systems, asked anew, do what the file says.

Numbers may differ from day to day; verdicts, states and fates may not. What kills workers waits
for leases to run out and is asked with ORCH_NB_SLOW=1 only.

    ORCH_NB_RECORD=1 pytest tests/systems/test_observations.py      # and write the file anew

Then a test fails for what has changed, the file has the new answers, and `git diff` shows both.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(one) for one in (HERE, HERE.parent) if str(one) not in sys.path]

import record  # noqa: E402  # beside this file
from telling import ANSWERS, SCENARIOS  # noqa: E402

from orch_nb.catalog.observations import (  # noqa: E402
    observations,
    observed,
    recordings,
    told,
)
from orch_nb.graph.semantics import SHORT  # noqa: E402

CI = os.environ.get("ORCH_NB_CI") == "1"
SLOW = os.environ.get("ORCH_NB_SLOW") == "1"
RECORD = os.environ.get("ORCH_NB_RECORD") == "1"
ASKED = tuple(name for name in SCENARIOS if SLOW or RECORD or name != "killed")


@pytest.mark.timeout(900)  # Airflow's scheduler is killed, and takes its time on a busy machine
@pytest.mark.parametrize("system", record.TITLES)
def test_a_system_does_today_what_was_recorded(system):
    lack = record.lacking(system)
    if lack:
        (pytest.fail if CI else pytest.skip)(f"{record.TITLES[system]} is not here: {lack}")

    found = record.record(system, ASKED)
    if RECORD:
        record.write({system: found})

    assert [categories(one) for one in found] == [
        categories(observed(system, one.scenario)) for one in found
    ]


def categories(one):
    """What may not differ from one recording to the next."""
    return one.scenario, one.verdict, one.mood, one.states, one.fates, one.observed


def test_every_system_has_an_answer_to_every_question():
    asked = {name for scenario in SCENARIOS for name in ANSWERS.get(scenario, (scenario,))}

    assert asked == set(SHORT)
    assert {(one.system, one.scenario) for one in observations()} == {
        (system, question) for system in record.TITLES for question in asked
    }
    assert [one.system for one in recordings()] == list(record.TITLES)


def test_what_was_not_observed_says_where_it_can_be_read():
    unseen = [one for one in observations() if not one.observed]

    assert {(one.system, one.scenario) for one in unseen} == {
        ("bullmq", "approval"), ("bullmq", "undo"), ("celery", "approval"),
    }  # fmt: skip
    assert all(one.url.startswith("https://") for one in unseen)


def test_what_was_observed_has_two_witnesses():
    """The system's own words, and what the tasks left behind."""
    seen = [one for one in observations() if one.observed]

    assert all(one.states and one.fates for one in seen)


@pytest.mark.parametrize("roles", [{}, {"task": "a", "before": "b", "after": "c"}])
def test_the_sentences_have_no_hole(roles):
    for one in observations():
        text = told(one, roles)
        assert "  " not in text, (one.system, one.scenario)
        assert "{" not in text, (one.system, one.scenario)
        assert text == text.strip()
        assert text.endswith((".", ")")), (one.system, one.scenario)


def test_the_page_is_what_the_observations_say():
    """`python tests/systems/page.py` writes it anew."""
    import page

    assert page.PAGE.read_text(encoding="utf-8") == page.page()


def test_the_plan_of_the_page_asks_every_question():
    import page

    text = page.page()

    assert all(f"**{short}**" in text for key, short in SHORT.items() if key not in page.APART)
    assert "may be tried again after 1s: who does it" in text
    assert "`notify` is to run though `orders` failed (one_failed): does it?" in text
