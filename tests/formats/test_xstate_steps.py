"""Random statecharts, stepped here and in XState: the same configurations, whatever comes."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orch_nb.formats.xstate import export
from orch_nb.model.statechart_config import read_chart
from orch_nb.testing import chain

EVENTS = ("A", "B", "x.y")


@pytest.fixture(scope="module")
def driver(script):
    return script(export(chain("a")).files["drive.mjs"], "xstate", options=("--clock=manual",))


@st.composite
def machines(draw):  # noqa: C901 (it draws all that a machine may have)
    """Machines of a few states within states, every id its path."""
    nodes = []

    def node(path, depth):
        kind = draw(st.sampled_from(["atomic", "final", "compound", "parallel"]))
        if depth == 0 or (path == "m" and kind in ("atomic", "final")):
            kind = "compound"
        if depth >= 3 and kind in ("compound", "parallel"):
            kind = "atomic"
        made = {"id": path, "type": kind}
        if kind in ("compound", "parallel"):
            count = draw(st.integers(1 if depth else 2, 3))
            made["states"] = {f"s{n}": node(f"{path}-s{n}", depth + 1) for n in range(count)}
            if draw(st.integers(0, 4)) == 0:
                deep = draw(st.sampled_from(["shallow", "deep"]))
                made["states"]["h"] = {"id": f"{path}-h", "type": "history", "history": deep}
                nodes.append((f"{path}-h", {}))
            if kind == "compound":
                made["initial"] = f"s{draw(st.integers(0, count - 1))}"
        nodes.append((path, made))
        return made

    root = node("m", 0)
    if draw(st.booleans()):
        root["type"] = "parallel"
        root.pop("initial", None)
    targets = [name for name, _ in nodes if name != "m"]
    for name, made in nodes:
        if made.get("type") in (None, "final"):
            continue
        for event in (*EVENTS, "x.*", "*"):
            if draw(st.integers(0, 3)) == 0:
                way = {"target": f"#{draw(st.sampled_from(targets))}"}
                if draw(st.booleans()):
                    way["reenter"] = True
                made.setdefault("on", {})[event] = draw(st.sampled_from([way, way, {}]))
        if name != "m" and made["type"] != "atomic" and draw(st.booleans()):
            made["onDone"] = f"#{draw(st.sampled_from(targets))}"
        if draw(st.integers(0, 9)) == 0:
            made["always"] = f"#{draw(st.sampled_from(targets))}"
    root["options"] = {"maxIterations": 2000}  # one that goes round for ever is told
    return root


@settings(
    max_examples=150,
    derandomize=True,  # the same in each run: a find would be made smaller for minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(machine=machines(), events=st.lists(st.sampled_from(EVENTS), max_size=6))
def test_a_chart_is_stepped_as_xstate_steps_it(machine, events, driver):
    chart = read_chart(machine)
    try:
        here = chart.begin()
        values = [(chart.value(here), here.done)]
        for event in events:
            here = chart.step(here, event)
            values.append((chart.value(here), here.done))
    except ValueError as error:
        assert "goes round" in str(error)  # noqa: PT017 (it need not be raised)
        return
    orders = [{"load": machine}, *({"send": event} for event in events)]
    for order, (value, done) in zip(orders, values, strict=True):
        driver.send(**order)
        told, endless = driver.line(), False
        while "value" not in told:
            endless = endless or "Infinite loop" in told.get("error", "")
            told = driver.line()
        if endless or told["status"] == "error":
            return  # of what goes round for ever in XState ours may stand still
        assert told["value"] == value
        assert (told["status"] == "done") == done


def test_what_goes_to_itself_leaves_the_region_beside_it_alone():
    machine = {
        "id": "m", "type": "parallel",
        "states": {
            "here": {
                "id": "here", "initial": "a", "on": {"A": "#here"}, "states": {"a": {}},
            },
            "beside": {"initial": "a", "states": {"a": {"on": {"B": "b"}}, "b": {}}},
        },
    }  # fmt: skip
    chart = read_chart(machine)
    here = chart.step(chart.step(chart.begin(), "B"), "A")
    assert chart.value(here) == {"here": "a", "beside": "b"}
