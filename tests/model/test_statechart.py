"""A statechart is stepped as XState steps it: nested, parallel, with history and `always`."""

from __future__ import annotations

import pytest

from orch_nb.model.statechart import GuardUnknown
from orch_nb.model.statechart_config import ChartError, read_chart

DOOR = {
    "id": "door", "initial": "shut",
    "states": {
        "shut": {"on": {"OPEN": "open", "LOCK": {"target": "locked", "guard": "hasKey"}}},
        "open": {"initial": "ajar", "on": {"SHUT": "shut"}, "after": {"1000": "shut"},
                 "states": {"ajar": {"on": {"PUSH": "wide"}}, "wide": {},
                            "back": {"type": "history"}}},
        "locked": {"on": {"UNLOCK": "#door.open.back"}, "always": []},
    },
}  # fmt: skip


def test_a_step_gives_the_next_configuration_and_changes_nothing():
    chart = read_chart(DOOR)
    here = chart.begin()
    assert chart.value(here) == "shut"
    opened = chart.step(here, "OPEN")
    assert chart.value(opened) == {"open": "ajar"}
    assert chart.value(here) == "shut"
    assert chart.step(opened, "OPEN") is opened
    wide = chart.step(opened, "PUSH")
    assert chart.value(chart.step(wide, "xstate.after.1000.door.open")) == "shut"
    assert chart.events == ("OPEN", "LOCK", "SHUT", "xstate.after.1000.door.open", "PUSH", "UNLOCK")


def test_a_guard_is_asked_for_by_its_name_and_never_guessed():
    chart = read_chart(DOOR)
    with pytest.raises(
        GuardUnknown, match=r"`hasKey` holds decides what `LOCK` does in `door\.shut`"
    ):
        chart.step(chart.begin(), "LOCK")
    assert chart.value(chart.step(chart.begin(), "LOCK", {"hasKey": True}.__getitem__)) == "locked"
    assert chart.value(chart.step(chart.begin(), "LOCK", {"hasKey": False}.__getitem__)) == "shut"


def test_history_remembers():
    chart = read_chart(DOOR)
    here = chart.begin()
    for event in ("OPEN", "PUSH", "SHUT", "LOCK", "UNLOCK"):
        here = chart.step(here, event, lambda guard: True)
    assert chart.value(here) == {"open": "wide"}


def test_regions_step_together_and_end_together():
    region = {"initial": "on", "states": {"on": {"on": {"A": "off"}}, "off": {"type": "final"}}}
    chart = read_chart(
        {"initial": "p", "states": {
            "p": {"type": "parallel", "states": {"x": region, "y": region}, "onDone": "end"},
            "end": {"type": "final"}}}
    )  # fmt: skip
    here = chart.begin()
    assert chart.value(here) == {"p": {"x": "on", "y": "on"}}
    ended = chart.step(here, "A")
    assert chart.value(ended) == "end"
    assert ended.done
    assert chart.step(ended, "A") is ended


def test_what_goes_round_by_itself_is_found_out():
    chart = read_chart({"initial": "a", "states": {"a": {"always": "b"}, "b": {"always": "a"}}})
    with pytest.raises(ValueError, match="goes round"):
        chart.begin()


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"states": {"a": {}}}, "no `initial`"),
        ({"initial": "b", "states": {"a": {}}}, "leads to `b`, which is no state"),
        ({"initial": "a", "states": {"a": {"on": {"E": "#x.y"}}}}, "which is no state"),
        ({"initial": "a", "states": {"a": {"type": "odd"}}}, "of no type"),
        ({"initial": "a", "states": {"a": {"id": "x"}, "b": {"id": "x"}}}, "two states"),
        ({"initial": "a", "states": {"a": {"on": {"E": 3}}}}, "worked out"),
        ({"states": 3}, "an object with `states`"),
        ({"id": "m", "initial": "#m", "states": {"a": {}}}, "is `#m`, which is not in it"),
        ({"initial": "", "states": {"": {}}}, "has no name"),
        ({"initial": "a", "states": {"a": {"type": "final", "states": {"b": {}}}}}, "has states"),
        ({"initial": "h", "states": {"h": {"type": "history"}, "a": {}}}, "but itself"),
    ],
)
def test_what_is_no_chart_is_refused(config, why):
    with pytest.raises(ChartError, match=why):
        read_chart(config)


def test_a_path_is_read_as_xstate_reads_it():
    """A dot in a key or an id is escaped; what is `undefined` is taken and nothing comes of it."""
    chart = read_chart(
        {"id": "m", "initial": "start", "on": {"STAY": ".a"}, "states": {
            "start": {"on": {"KEY": "a\\.b", "PATH": "a.b", "ID": "#x\\.y", "STAY": None}},
            "a.b": {}, "a": {"initial": "b", "states": {"b": {}}}, "c": {"id": "x.y"}}}
    )  # fmt: skip
    here = chart.begin()
    told = {event: chart.value(chart.step(here, event)) for event in ("KEY", "PATH", "ID", "STAY")}
    assert told == {"KEY": "a.b", "PATH": {"a": "b"}, "ID": "c", "STAY": "start"}


def test_where_a_history_starts_is_where_its_state_does():
    chart = read_chart(
        {"initial": "off", "states": {
            "off": {"on": {"POWER": "on.hist"}},
            "on": {"initial": "hist", "on": {"POWER": "off"}, "states": {
                "hist": {"type": "history", "target": "second"}, "first": {},
                "second": {"on": {"BACK": "first"}}}}}}
    )  # fmt: skip
    assert chart.entered("(machine).on") == ("(machine).on.second",)
    here = chart.step(chart.begin(), "POWER")
    assert chart.value(here) == {"on": "second"}
    for event in ("BACK", "POWER", "POWER"):
        here = chart.step(here, event)
    assert chart.value(here) == {"on": "first"}


def test_two_states_of_one_region_are_never_active_at_once():
    chart = read_chart(
        {"initial": "a", "states": {"a": {"on": {"E": {"target": ["b", "c"]}}}, "b": {}, "c": {}}}
    )
    with pytest.raises(ValueError, match="never active at the same time"):
        chart.step(chart.begin(), "E")


def test_a_state_that_stays_where_it_is_holds_no_other_region_back():
    """One region leads to itself and is not left; the other's transition leaves and enters all."""
    chart = read_chart(
        {"id": "m", "type": "parallel", "states": {
            "here": {"initial": "one", "states": {"one": {"on": {"E": "one"}}, "two": {}}},
            "there": {"on": {"E": {"target": "beside", "reenter": True}}},
            "beside": {}}}
    )  # fmt: skip
    after = chart.step(chart.begin(), "E")  # as XState 5.33 has it
    assert chart.value(after) == {"here": "one", "there": {}, "beside": {}}
