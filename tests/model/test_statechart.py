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
    ],
)
def test_what_is_no_chart_is_refused(config, why):
    with pytest.raises(ChartError, match=why):
        read_chart(config)
