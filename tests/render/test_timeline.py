"""A run on the axis of its time."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import timedelta

import pytest

from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task
from orch_nb.render.axis import axis
from orch_nb.render.timeline import timeline

SVG = "{http://www.w3.org/2000/svg}"


def titles(svg: str) -> list[str]:
    return [title.text for title in ET.fromstring(svg).iter(f"{SVG}title")]


def texts(svg: str) -> list[str]:
    return [text.text for text in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("total", [0.0004, 0.03, 1, 11.6, 59, 200, 4000, 90_000, 4e6, 9e7])
def test_the_axis_has_round_lines_and_holds_the_run(total):
    lines = axis(total)
    assert 2 <= len(lines) <= 10
    assert lines[-1] >= total - 1e-9


def test_attempts_and_the_pauses_between_them_are_bars(run):
    shown = timeline(run)
    assert titles(shown.svg).count("attempt 1 failed") == 2
    assert "attempt 3 succeeded" in titles(shown.svg)
    assert titles(shown.svg).count("pause") == 3
    assert "url(#" in shown.svg
    assert "planned" in texts(shown.svg)
    assert "✓ 9.1 s" in texts(shown.svg)
    assert "12 s" in texts(shown.svg)


def test_a_run_in_which_nothing_began_has_none(plan, fold):
    assert timeline(fold(plan, [])) is None


def test_what_still_runs_ends_now(plan, fold):
    run = fold(plan, [ev.AttemptStarted(at=1_795_336_860.0, task="lint", attempt=1)])
    shown = timeline(run, run.started + timedelta(seconds=4))
    assert "▶ 4 s" in texts(shown.svg)


def test_a_long_run_shows_the_longest_and_counts_the_rest(fold):
    plan = Plan(goal="g", tasks=tuple(Task(id=f"t{n}", run="m:f") for n in range(200)))
    events = []
    for n in range(200):
        start = 1_795_336_860.0 + n
        events.append(ev.AttemptStarted(at=start, task=f"t{n}", attempt=1))
        events.append(ev.AttemptSucceeded(at=start + n + 1, task=f"t{n}", attempt=1, started=start))
    shown = texts(timeline(fold(plan, events)).svg)
    assert "t199" in shown
    assert "t0" not in shown
    assert any("160 tasks more ran" in text for text in shown)


def test_it_is_a_png_too(run):
    assert timeline(run).png().startswith(b"\x89PNG")
