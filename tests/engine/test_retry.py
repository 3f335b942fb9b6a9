"""Retrying: Temporal's formula, where the jitter falls, and what is never tried again."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.engine.retry import backoff_s, retryable, spread
from orch_nb.executors.failure import failure_of
from orch_nb.model.event import Failure
from orch_nb.model.task import RetryPolicy


def test_waits_grow_by_the_coefficient_up_to_the_maximum():
    policy = RetryPolicy(
        maximum_attempts=9, initial_interval_s=1, backoff_coefficient=2, maximum_interval_s=10,
        jitter=0,
    )  # fmt: skip
    assert [backoff_s(policy, n) for n in range(1, 7)] == [1, 2, 4, 8, 10, 10]


def test_the_maximum_is_a_hundred_initial_intervals_unless_said():
    policy = RetryPolicy(initial_interval_s=0.5, backoff_coefficient=10, jitter=0)
    assert [backoff_s(policy, n) for n in (1, 2, 3, 4, 5)] == [0.5, 5, 50, 50, 50]


def test_a_coefficient_of_one_waits_the_same_each_time():
    policy = RetryPolicy(initial_interval_s=3, backoff_coefficient=1, jitter=0)
    assert {backoff_s(policy, n) for n in range(1, 20)} == {3}


def test_an_endless_number_of_failures_does_not_overflow():
    policy = RetryPolicy(initial_interval_s=1, backoff_coefficient=10, jitter=0)
    assert backoff_s(policy, 100_000) == 100


@given(
    st.builds(
        RetryPolicy,
        initial_interval_s=st.floats(0, 1e6),
        backoff_coefficient=st.floats(1, 100),
        maximum_interval_s=st.none() | st.floats(0, 1e6),
        jitter=st.floats(0, 1),
    ),
    st.integers(1, 500),
    st.floats(0, 1),
)
def test_a_wait_stays_within_its_jitter_and_is_never_negative(policy, failures, u):
    steady = backoff_s(
        RetryPolicy(
            initial_interval_s=policy.initial_interval_s,
            backoff_coefficient=policy.backoff_coefficient,
            maximum_interval_s=policy.maximum_interval_s,
            jitter=0,
        ),
        failures,
    )
    wait = backoff_s(policy, failures, u)
    slack = 1e-9 * steady
    assert math.isfinite(wait)
    assert wait >= 0
    assert steady * (1 - policy.jitter) - slack <= wait <= steady * (1 + policy.jitter) + slack


@given(st.text(), st.text(), st.integers(1, 10**6))
def test_the_jitter_is_the_same_in_every_replay(run_id, task, attempt):
    assert 0 <= spread(run_id, task, attempt) <= 1
    assert spread(run_id, task, attempt) == spread(run_id, task, attempt)


def test_the_jitter_spreads_tasks_that_failed_together():
    falls = [spread("nightly-1", f"t{n}", 1) for n in range(1000)]
    assert min(falls) < 0.05
    assert max(falls) > 0.95
    assert 0.4 < sum(falls) / len(falls) < 0.6


class Refused(LookupError):
    pass


@pytest.mark.parametrize(
    ("names", "again"),
    [
        ((), True),
        (("Refused",), False),  # its class
        (("LookupError",), False),  # a base class
        (("Exception",), False),
        ((f"{Refused.__module__}.Refused",), False),  # its qualified name
        (("Refuse",), True),  # no part of a name
        (("ValueError", "KeyError"), True),
        (("ValueError", "LookupError"), False),
        (("other.Refused",), True),
    ],
)
def test_non_retryable_names_a_class_a_base_class_or_a_qualified_name(names, again):
    policy = RetryPolicy(maximum_attempts=5, non_retryable=names)
    assert retryable(policy, 1, failure_of(Refused("no"))) is again


def test_tries_are_counted_with_the_first():
    policy = RetryPolicy(maximum_attempts=3)
    failure = Failure("ValueError", kinds=("ValueError",))
    assert [retryable(policy, n, failure) for n in (1, 2, 3, 4)] == [True, True, False, False]


def test_no_retry_is_the_default():
    assert not retryable(RetryPolicy(), 1, Failure("ValueError"))


def test_tasks_that_are_called_alike_do_not_wait_alike():
    places = [spread("nightly-1", f"shard{n}", 1) for n in range(1, 10)]
    assert max(places) - min(places) > 0.5
    assert min(abs(a - b) for a, b in pairwise(places)) > 0.001


def test_no_jitter_lifts_a_wait_above_its_maximum():
    policy = RetryPolicy(initial_interval_s=1, maximum_interval_s=2, jitter=0.5)
    assert backoff_s(policy, 9, u=1.0) == 2
