"""A statechart in a notebook: drawn, told as a table, and stepped from where it stands."""

from __future__ import annotations

import base64
import re

import pytest

from orch_nb.model.statechart import GuardUnknown, UnknownEvent
from orch_nb.model.statechart_config import read_chart
from orch_nb.render.statechart import statechart_svg

DOOR = {
    "id": "door", "initial": "shut",
    "states": {
        "shut": {"on": {"OPEN": "open", "LOCK": {"target": "locked", "guard": "hasKey"}}},
        "open": {"on": {"SHUT": "shut", "mark.*": {}}},
        "locked": {"type": "final"},
    },
}  # fmt: skip


def shown(value, kind="text/plain"):
    bundle = value._repr_mimebundle_()
    return (bundle[0] if isinstance(bundle, tuple) else bundle)[kind]


def test_a_standing_chart_is_sent_events_and_says_where_it_is():
    here = read_chart(DOOR).at()
    assert (here.value, here.events, here.done) == ("shut", ("OPEN", "LOCK"), False)
    opened = here.send("OPEN")
    assert (here.value, opened.value) == ("shut", "open")
    assert opened["SHUT"] == here
    assert here._ipython_key_completions_() == ["OPEN", "LOCK"]
    assert "door is in door.open. It listens to SHUT, mark.*." in shown(opened)
    locked = here.send("LOCK", lambda guard: guard == "hasKey")
    assert locked.done
    assert locked.events == ()
    assert "door has ended in door.locked." in shown(locked)


def test_an_event_that_nothing_ever_takes_is_an_error_and_one_that_nothing_takes_here_is_none():
    here = read_chart(DOOR).at()
    with pytest.raises(
        UnknownEvent, match=r"Nothing in `door` listens to `OPNE`\. There are: OPEN"
    ):
        here.send("OPNE")
    assert here.send("SHUT") == here
    assert here.send("mark.this") == here
    with pytest.raises(GuardUnknown, match="hasKey"):
        here.send("LOCK")


def test_where_it_stands_is_marked_in_the_drawing():
    chart = read_chart(DOOR)
    plain, there = statechart_svg(chart), statechart_svg(chart, chart.at().send("OPEN").here)
    assert "▶ open" in there
    assert "▶" not in plain
    (image,) = re.findall(r"base64,([^\"']+)", shown(chart.at().send("OPEN"), "text/html"))
    assert "▶ open" in base64.b64decode(image).decode()


def test_its_transitions_are_a_table():
    chart = read_chart(DOOR)
    frame = chart.df
    assert list(frame["event"]) == ["OPEN", "LOCK", "SHUT", "mark.*"]
    assert list(frame["guard"]) == ["", "hasKey", "", ""]
    assert frame["targets"][1] == ("door.locked",)
    html = shown(chart, "text/html")
    assert "3 states, 4 transitions" in html
    assert "LOCK [hasKey]" in html
