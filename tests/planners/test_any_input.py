"""Whatever somebody writes, what comes of it is a plan or a PlanError, and never another error."""

from __future__ import annotations

import contextlib
import warnings

from hypothesis import given
from hypothesis import strategies as st

from orch_nb.errors import PlanError
from orch_nb.graph.failure_modes import failure_modes
from orch_nb.graph.schedule import schedule
from orch_nb.graph.strategy import coordination
from orch_nb.model.plan import Plan
from orch_nb.planners.body import body_kind
from orch_nb.planners.marking import OPTIONS
from orch_nb.planners.python import plan_from_functions, plan_from_source, task
from orch_nb.planners.task_keys import LATER, TASK_KEYS
from orch_nb.planners.yaml import plan_from_mapping, plan_from_yaml

SOUND = """\
goal: Release
defaults: {retry: 2}
criteria: {It works: [b]}
stories:
  S:
    tasks:
      a: &a {sh: "ls", timeout: 10m, retry: {maximum_attempts: 2}}
      b: {<<: *a, needs: [a], estimate: [1s, 2s, 3s], when: a, compensate: {sh: "rm {{ b }}"}}
pools: {db: {slots: 2, rate: 10/s}}
on_failure: {sh: "echo {{ failures }}"}
tasks:
  e: {sh: "echo {{ item }}", foreach: {x: a}, tolerate: 20%, pool: {db: 2}, max_active: 3}
  c: {approval: {prompt: Go?, default: approve}, needs: [b], subtasks: {d: {todo: x}}}
"""

PYTHON = (
    "@task(retry=2, needs=['b'], when='b > 1')\ndef a(x=1): ...\n\n"
    "@task(sh='ls', foreach={'x': [1]})\ndef b(): ...\n"
    "@task(foreach='b', when=lambda b: b, compensate={'sh': 'ls'})\ndef c(y): ...\n"
)


STRANGE = (
    *["", "\t", "\n", ": ", "- ", "{", "}", "[", "]", "&a ", "*a ", "<<: ", "? ", "!!x ", "~", "'"],
    *['"', "|", ">", "#", "%", "@", "`", "\0", "\ufeff", "\u2028", "1e999", ".nan", "no", "🙂"],
)


def judged(plan):
    """A plan that passed can be looked at in every way."""
    assert isinstance(plan, Plan)
    assert coordination(plan).reason
    failure_modes(plan)
    schedule(plan, workers=2)


@st.composite
def edited(draw, text):
    """`text` with some of it deleted, doubled, or replaced by something strange."""
    for _ in range(draw(st.integers(1, 4))):
        begin = draw(st.integers(0, len(text)))
        end = min(len(text), begin + draw(st.integers(0, 12)))
        strange = st.sampled_from([*STRANGE, text[begin:end] * 3])
        text = text[:begin] + draw(strange | st.text(max_size=5)) + text[end:]
    return text


@given(edited(SOUND))
def test_any_edit_of_a_document_is_a_plan_or_a_plan_error(text):
    with contextlib.suppress(PlanError):
        judged(plan_from_yaml(text, {}))


@given(st.text(max_size=60), st.none() | st.sampled_from(["python", "yaml", "goal"]))
def test_any_text_has_a_kind_or_is_refused(text, asked):
    with contextlib.suppress(PlanError):
        assert body_kind(text, asked) in ("python", "yaml", "goal")


scalars = (
    st.none() | st.booleans() | st.integers(-5, 10**20) | st.floats() | st.text(max_size=5)
    | st.binary(max_size=2) | st.builds(object) | st.just(print) | st.just(ValueError)
    | st.sampled_from(["all", "20%", "a > 1", "{{ a }}", "10/s", "x.ipynb", "a"])
)  # fmt: skip
inner_keys = st.sampled_from(
    "prompt default timeout jitter initial_interval retry_on run sh slots rate starts a x".split()
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(inner_keys, inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from([*TASK_KEYS, *sorted(LATER)]) | st.text(max_size=3) | st.integers(0, 9)
tasks = st.dictionaries(
    st.sampled_from(["a", "b", "c"]) | scalars.filter(lambda value: value == value),
    st.dictionaries(keys, anything, max_size=3) | anything,
    max_size=3,
)


@given(
    st.fixed_dictionaries(
        {"goal": st.just("g") | anything, "tasks": tasks | anything},
        optional=dict.fromkeys(
            ("params", "criteria", "stories", "defaults", "pools", "on_failure"), anything
        ),
    ),
    st.none() | st.just({}),
)
def test_any_mapping_is_a_plan_or_a_plan_error(mapping, namespace):
    with contextlib.suppress(PlanError):
        judged(plan_from_mapping(mapping, namespace))


@given(st.dictionaries(st.sampled_from(OPTIONS) | st.text(max_size=3), anything, max_size=4))
def test_any_option_of_a_decorator_is_taken_or_told(options):
    def f(): ...

    marked = task(**options)(f)
    assert marked is f
    with contextlib.suppress(PlanError):
        judged(plan_from_functions([f]))


@given(edited(PYTHON))
def test_any_edit_of_a_cell_is_a_plan_a_plan_error_or_the_cells_own_error(text):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with contextlib.suppress(PlanError, NameError, TypeError, AttributeError):
            judged(plan_from_source(text, {}))
