"""Which patterns fit a goal, each for a reason of the goal's own, and the six systems compared."""

from __future__ import annotations

import asyncio

import pytest

from orch_nb.analysis.analyze import analyze_goal
from orch_nb.catalog.library import SYSTEMS, document, pattern, patterns
from orch_nb.catalog.vocabulary import cues
from orch_nb.model.research import Citation, Finding
from orch_nb.sources.gather import gather
from orch_nb.sources.recommend import fits
from orch_nb.sources.systems import capabilities, profiles, system_fits

CARTS = "Move the carts from Redis to Postgres without downtime, and keep a way back."


def researched(goal: str, root=None):
    return asyncio.run(gather(analyze_goal(goal, root)))


def finding(name: str, score: float, why: str) -> Finding:
    return Finding(
        title=name, excerpt="", source="s", citation=Citation("c"), pattern=name, score=score,
        why=why,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("goal", "wanted"),
    [
        (CARTS, {"dual_write", "human_gate", "canary", "saga"}),
        ("Release 2.4 to PyPI", {"retry_backoff", "human_gate"}),
        ("Every night load new orders from Stripe, never book an order twice",
         {"schedule_catchup", "idempotency_key", "retry_backoff"}),
        ("Upgrade the Kubernetes cluster node by node", {"rolling_update"}),
        ("Rename the column login of the users table without downtime", {"expand_contract"}),
        ("Process whatever files arrive, at most 10 requests per second",
         {"dynamic_fan_out", "rate_limit"}),
        ("Ask three models and act when two of three agree, then notify me", {"quorum"}),
        ("Replace our legacy monolith service by service", {"strangler_fig"}),
        ("Backfill the last two years and check the data quality",
         {"backfill", "quality_gate"}),
        ("When the partner's webhook calls, ship the order, and escalate if nobody answers",
         {"callback", "escalation"}),
    ],
)  # fmt: skip
def test_a_goal_is_given_the_patterns_that_it_calls_for(goal: str, wanted: set[str]):
    found = researched(goal).fits
    assert wanted <= {fit.pattern for fit in found}
    assert len(found) <= 6
    assert [fit.score for fit in found if not fit.why.startswith("In a")] == sorted(
        (fit.score for fit in found if not fit.why.startswith("In a")), reverse=True
    )


def test_each_says_why_what_it_costs_and_what_happens_without():
    for fit in researched(CARTS).fits:
        assert fit.why
        assert (fit.cost, fit.without) == (pattern(fit.pattern).cost, pattern(fit.pattern).without)


@pytest.mark.parametrize(
    "goal", ["Fix the typo in README", "Clean the kitchen", "Write a letter to my aunt"]
)
def test_a_goal_that_calls_for_none_is_given_none_and_no_comparison(goal: str):
    found = researched(goal)
    assert found.fits == ()
    assert found.systems == ()


@pytest.mark.parametrize(
    "goal",
    [
        "Replace the callbacks by promises in the parser",
        "Audit the dependencies and write down what is old",
        "Bring order into the chaos of my desk",
        "Paint the fencing around the garden",
        "Put money aside for the party",
        "Poll the audience and draw a chart",
        "Take photos of the sky at night",
        "Restore the old chair",
        "Tear down the wall between kitchen and hall",
        "Measure the heartbeat of the runners",
        "Rename a variable in the parser",
        "Draw the states of the union on a map",
    ],
)
def test_words_of_everyday_life_recommend_no_pattern_by_themselves(goal: str):
    assert not [fit for fit in researched(goal).fits if "The goal says" in fit.why]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("go on when the webhook calls", "callback"),
        ("keep an audit trail of it", "event_sourcing"),
        ("load the orders at night", "schedule_catchup"),
        ("back up the database first", "snapshot_restore"),
        ("load it when the file arrives", "sensor_polling"),
        ("put bad rows aside", "dead_letter_queue"),
        ("tear down the cluster afterwards", "cleanup_finally"),
        ("use a circuit breaker", "circuit_breaker"),
        ("make it idempotent", "idempotency_key"),
        ("run smoke tests", "verification_gate"),
        ("switch blue-green", "blue_green"),
        ("behind a feature flag", "feature_flag"),
        ("do a dry run", "dry_run"),
        ("respect the maintenance window", "freeze_window"),
        ("in batches of 500", "batching"),
        ("fall back to the cache", "fallback"),
        ("drain the workers", "graceful_shutdown"),
    ],
)
def test_a_patterns_own_words_call_for_it(words: str, name: str):
    assert name in cues(words)


def test_every_cue_is_one_of_a_pattern_of_the_catalogue():
    assert set(document("cues.yaml")) <= {one.id for one in patterns()}


def test_what_is_only_usual_for_the_kind_of_operation_comes_last_and_fills_up_to_four():
    usual = [finding(one.id, 0.6, "In a release, it is usual") for one in patterns()[10:16]]
    said = [finding("saga", 0.5, "The goal says “undo”")]
    found = fits(analyze_goal(CARTS), [*usual, *said])
    assert found[0].pattern == "saga"
    assert len(found) == 4


def test_a_special_pattern_takes_the_place_of_the_general_one_with_its_reasons():
    found = fits(
        analyze_goal(CARTS),
        [finding("canary", 0.9, "It mitigates a risk"), finding("rolling_update", 0.6, "Said so")],
    )
    assert [(fit.pattern, fit.why, fit.score) for fit in found] == [
        ("rolling_update", "Said so; it mitigates a risk", 0.9)
    ]


def test_all_six_systems_are_compared_the_best_first_each_with_a_page():
    found = researched(CARTS).systems
    assert {fit.system for fit in found} == SYSTEMS
    order = [("good", "possible", "poor").index(fit.verdict) for fit in found]
    assert order == sorted(order)
    assert all(fit.strengths or fit.gaps for fit in found)
    assert all(fit.citation.url.startswith("https://") for fit in found)


@pytest.mark.parametrize(
    ("asked", "verdicts"),
    [
        (["human_gate", "escalation"], {"temporal": "good", "airflow": "good", "celery": "poor"}),
        (["checkpoint_recover", "saga"], {"restate": "good", "temporal": "good",
                                          "bullmq": "possible"}),
        (["schedule_catchup", "backfill"], {"airflow": "good", "xstate": "poor"}),
        (["state_machine", "parallel_states"], {"xstate": "good", "celery": "poor"}),
        (["rate_limit", "priority_queue"], {"bullmq": "possible", "restate": "poor"}),
    ],
)  # fmt: skip
def test_the_verdict_follows_from_what_the_patterns_ask_for(asked, verdicts):
    found = system_fits(analyze_goal("Do a and b"), [pattern(name) for name in asked])
    assert {fit.system: fit.verdict for fit in found} | verdicts == {
        fit.system: fit.verdict for fit in found
    }


def test_one_pattern_alone_is_no_reason_to_compare_systems():
    assert system_fits(analyze_goal("Do a and b"), [pattern("fan_out_fan_in")]) == ()


def test_a_system_whose_language_is_not_the_workspaces_loses_by_it_and_is_told_so(tmp_path):
    for name in ("a.py", "b.py", "c.py"):
        (tmp_path / name).write_text("x = 1\n")
    asked = [pattern("state_machine"), pattern("parallel_states")]
    found = system_fits(analyze_goal("Do a and b", tmp_path), asked)
    (xstate,) = [fit for fit in found if fit.system == "xstate"]
    assert xstate.verdict == "possible"
    assert "its code is not written in Python" in xstate.gaps[-1]


def test_a_gap_tells_what_was_measured():
    found = system_fits(analyze_goal("Do a and b"), [pattern("diamond"), pattern("chain")])
    (bullmq,) = [fit for fit in found if fit.system == "bullmq"]
    assert "one parent only: no diamond (measured)" in bullmq.gaps[0]


def test_what_the_workspace_uses_already_counts_and_is_named(tmp_path):
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "daily.py").write_text(
        "from airflow.sdk import DAG, task\n\nwith DAG('daily'):\n    @task\n"
        "    def load(): ...\n    load()\n"
    )
    analysis = analyze_goal("Load the orders every night", tmp_path)
    if not any(flow.system == "airflow" for flow in analysis.scope.workflows):
        pytest.skip("this analysis does not name Airflow's Dags")
    (airflow,) = [
        fit
        for fit in system_fits(analysis, [pattern("chain"), pattern("diamond")])
        if fit.system == "airflow"
    ]
    assert "uses it already (dags/daily.py" in airflow.strengths[0]


def test_every_capability_is_told_of_every_system_with_a_page_of_its_own():
    pages = {
        "airflow": "https://airflow.apache.org/", "xstate": "https://stately.ai/docs/",
        "bullmq": "https://docs.bullmq.io/", "restate": "https://docs.restate.dev/",
        "temporal": "https://docs.temporal.io/", "celery": "https://docs.celeryq.dev/",
    }  # fmt: skip
    known = {one.id for one in patterns()}
    assert len(capabilities()) >= 10
    assert set(profiles()) == SYSTEMS
    for capability in capabilities().values():
        assert capability.title
        assert set(capability.patterns) <= known
    for name, profile in profiles().items():
        assert set(profile.can) == set(capabilities())
        assert all(can.level in {"yes", "partly", "no"} for can in profile.can.values())
        assert all(can.how and can.url.startswith(pages[name]) for can in profile.can.values())
