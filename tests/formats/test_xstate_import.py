"""A machine as a plan where nothing goes round, and else as a chart that keeps every way back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

import orch_nb as nb
from orch_nb.errors import PlanError
from orch_nb.formats.xstate import export, read, recognises
from orch_nb.model.plan import decode_plan, encode
from orch_nb.testing import chain, diamond

from .test_xstate_export import plans
from .test_xstate_steps import machines


@settings(max_examples=60)
@given(plan=plans())
def test_the_round_trip_keeps_the_plan(plan):
    made = export(plan)
    assert recognises(made.text, "machine.json")
    found = read(made.text, "machine.json")
    assert encode(found.plan) == encode(decode_plan(encode(plan)))
    assert found.losses == ()
    assert len(found.chart.begin().states) > 3


MACHINE = """
import { setup, assign, fromPromise } from 'xstate';
export const release = setup({
  actors: { build: fromPromise(async () => {}) }, guards: { green: () => true },
}).createMachine({
  id: 'release', description: 'Release it', initial: 'building',
  context: { tries: 0 },
  states: {
    building: {
      invoke: { src: 'build', onDone: 'checks',
        onError: { target: 'broken', actions: assign({}) } },
    },
    checks: {
      type: 'parallel',
      states: {
        lint: { initial: 'linting', states: {
          linting: { on: { 'LINT.DONE': 'linted' } }, linted: { type: 'final' } } },
        test: { initial: 'testing', states: {
          testing: { after: { 5000: 'tested' } }, tested: { type: 'final' } } },
      },
      onDone: { target: 'approval', guard: 'green' },
    },
    approval: { entry: 'ask', on: { APPROVE: 'done', REJECT: '#release.broken' } },
    broken: { type: 'final' },
    done: { type: 'final' },
    never: {},
  },
});
"""


def test_a_machine_that_goes_on_is_a_plan():
    assert recognises(MACHINE, "release.ts")
    found = read(MACHINE, "release.ts")
    plan = found.plan
    assert plan.goal == "Release it"
    assert {task.id: task.needs for task in plan.tasks} == {
        "building": (), "linting": ("building",), "linted": ("linting",),
        "testing": ("building",), "tested": ("testing",), "approval": ("linted", "tested"),
        "broken": ("building", "approval"), "done": ("approval",),
    }  # fmt: skip
    assert plan["building"].run == "build"
    assert plan["linting"].todo == "LINT.DONE"
    assert plan["broken"].trigger == "one_failed"
    assert plan["linted"].story == "checks"
    assert [story.id for story in plan.stories] == ["checks"]
    told = {(loss.what, loss.task) for loss in found.losses if loss.severity != "note"}
    assert told == {
        ("guard", "checks"), ("actions", "building"), ("actions", "approval"),
        ("unreachable", "never"), ("after", "testing"), ("join", "broken"),
    }  # fmt: skip
    assert {loss.line for loss in found.losses} == {5}


def test_a_machine_that_goes_round_is_a_chart_with_every_way_back():
    machine = {
        "id": "fetch", "initial": "idle",
        "states": {
            "idle": {"on": {"FETCH": "loading"}},
            "loading": {"on": {"RESOLVE": "success", "REJECT": "failure"}},
            "success": {"type": "final"}, "failure": {"on": {"RETRY": "loading"}},
        },
    }  # fmt: skip
    found = read(json.dumps(machine))
    assert found.plan.tasks == ()
    (loss,) = found.losses
    assert loss.what == "cycle"
    assert "`fetch.failure → fetch.loading → fetch.failure`" in loss.why or (
        "`fetch.loading → fetch.failure → fetch.loading`" in loss.why
    )
    chart = found.chart
    here = chart.begin()
    for event, value in [
        ("FETCH", "loading"), ("REJECT", "failure"), ("RETRY", "loading"), ("RESOLVE", "success"),
    ]:  # fmt: skip
        here = chart.step(here, event)
        assert chart.value(here) == value
    assert here.done
    shown = found._repr_mimebundle_()
    text = json.dumps(shown[0] if isinstance(shown, tuple) else shown)
    assert "goes round" in text
    assert "failure to fetch.loading at RETRY" in text


def test_one_way_or_the_other_is_told():
    machine = {"initial": "a", "states": {
        "a": {"on": {"X": "b", "Y": "c"}}, "b": {"on": {"Z": "d"}}, "c": {"on": {"Z": "d"}},
        "d": {"type": "final"}}}  # fmt: skip
    found = read(json.dumps(machine))
    assert {task.id: task.needs for task in found.plan.tasks} == {
        "a": (), "b": ("a",), "c": ("a",), "d": ("b", "c"),
    }  # fmt: skip
    assert {(loss.what, loss.task) for loss in found.losses} == {("choice", "a"), ("join", "d")}


def test_a_machine_that_was_changed_since_holds_as_it_is_now():
    machine = json.loads(export(chain("a", "b")).text)
    machine["states"]["tasks"]["states"]["a"]["states"]["attempt1"]["on"]["a.DONE"] = "to_cancelled"
    found = read(json.dumps(machine))
    assert "meta" in {loss.what for loss in found.losses}
    assert set(found.plan.by_id) != {"a", "b"}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{}", "no `states`"),
        ("{", "no JSON"),
        ("createMachine(config)", "No `createMachine`"),
        ("createMachine({states: {a: {}}})", "no `initial`"),
        ("createMachine({initial: 'a', states: {a: {on: {E: x => y}}}})", "worked out"),
        ("createMachine({initial: 'a', states: all()})", "worked out"),
        ("createMachine({initial: 'a', states: {...rest(), a: {}}})", "worked out"),
        ("createMachine({states: {", "cannot be read"),
        ("createMachine({initial: 'a', states: {a: {}}}); createMachine({states: {}})", "several"),
        (
            "createMachine({initial: 'a', states: {a: {...rest()}}})",
            r"worked out: `\.\.\.rest\(\)`",
        ),
        ("createMachine({...base(), initial: 'a', states: {a: {}}})", "worked out"),
        (
            "createMachine({initial: 'a', states: {a: {on: {E: {...way(), actions: 'x'}}}}})",
            "worked",
        ),
        (
            "createMachine({initial: 'a', states: {a: {invoke: call(), on: {E: 'a'}}}})",
            "worked out",
        ),
        (
            '{"initial": "a", "states": {"a": {"on": {"E": "b"}}, "b": {}, "a": {}}}',
            "`a` stands twice",
        ),
        ('{"initial": "a", "states": ' * 5000, "nested too deep"),
    ],
)
def test_what_is_no_machine_is_refused(text, why):
    with pytest.raises(PlanError, match=why):
        read(text)


def test_it_is_one_of_the_systems(tmp_path):
    path = tmp_path / "machine.json"
    nb.export(diamond(), "xstate", path)
    assert nb.import_(path).system == "xstate"
    (tmp_path / "release.ts").write_text(MACHINE, encoding="utf-8")
    assert nb.import_(tmp_path / "release.ts").system == "xstate"


def test_of_several_machines_it_is_the_one_that_uses_the_others():
    text = """
const child = createMachine({ id: 'child', initial: 'x', states: { x: { type: 'final' } } });
export const parent = setup({ actors: { child } }).createMachine({
  id: 'parent', initial: 'a', states: { a: { invoke: { src: 'child', onDone: 'b' } }, b: {} } });
"""
    found = read(text, "two.ts")
    assert found.chart.root.id == "parent"
    assert [str(loss) for loss in found.losses if loss.what == "machine"] == [
        "line 2: machine: `child` (line 2) is not read: this one uses it"
    ]
    with pytest.raises(PlanError, match=r"\(parent in line 2, other in line 3\)"):
        read(
            "\nconst parent = createMachine({ initial: 'a', states: { a: {} } });"
            "\nconst other = createMachine({ initial: 'a', states: { a: {} } });", "two.ts"
        )  # fmt: skip


def test_a_machine_of_xstate_4_is_read_as_what_it_says_there():
    machine = {
        "id": "m", "initial": "a", "schema": {}, "states": {
            "a": {"on": {"": {"target": "b", "cond": "ready"}, "AGAIN": "a",
                         "STAY": {"target": "a", "internal": True}}},
            "b": {"initial": "c", "activities": ["beep"], "states": {"c": {}},
                  "on": {"IN": ".c", "done.invoke.beep": "a"}},
        },
    }  # fmt: skip
    found = read(json.dumps(machine))
    (told,) = (loss for loss in found.losses if loss.what == "version")
    assert 'XState 4 (schema, "", cond, internal, activities, done.invoke.beep)' in told.why
    ways = {(t.source, t.event, t.guard): t.reenter for t in found.chart.transitions}
    assert ways == {
        ("m.a", "AGAIN", ""): True, ("m.a", "STAY", ""): False, ("m.a", "", "ready"): True,
        ("m.b", "IN", ""): False, ("m.b", "xstate.done.actor.beep", ""): True,
    }  # fmt: skip
    assert found.chart.by_id["m.b"].does == ("beep",)


@settings(max_examples=200)
@given(machine=machines())
def test_no_way_is_ever_dropped(machine):
    """Every transition that a machine has is one of its chart, back edges and all; and where one of
    them goes back, there is no plan that could do without it."""
    said = []
    todo = [machine]
    while todo:
        state = todo.pop()
        todo += state.get("states", {}).values()
        ways = dict(state.get("on", {}))
        if "onDone" in state:
            ways[f"xstate.done.state.{state['id']}"] = state["onDone"]
        if "always" in state:
            ways[""] = state["always"]
        for event, way in ways.items():
            target = way if isinstance(way, str) else way.get("target")
            said.append((state["id"], event, () if target is None else (target[1:],)))
    found = read(json.dumps(machine))
    chart = found.chart
    assert sorted((t.source, t.event, t.targets) for t in chart.transitions) == sorted(said)
    goes_back = any(
        leaf in chart.entered(target)
        for t in chart.transitions
        for target in t.targets
        for leaf in chart.entered(t.source)
        if not chart.by_id[t.source].children
    )
    assert not (goes_back and found.plan.tasks)
