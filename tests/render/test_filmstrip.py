"""The history of a run as a strip of small pictures."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from orch_nb.errors import JournalError
from orch_nb.model.plan import Plan
from orch_nb.model.task import RetryPolicy, Task
from orch_nb.render.execute_section import execute_section
from orch_nb.render.filmstrip import filmstrip
from orch_nb.testing import FakeExecutor, nothing, perform

SVG = "{http://www.w3.org/2000/svg}"


def frames_of(fold):
    """The words of each frame."""
    root = ET.fromstring(fold.blocks[0].svg)
    return [[text.text for text in group.iter(f"{SVG}text")] for group in root.findall(f"{SVG}g")]


@pytest.fixture
def shaky():
    """fetch (fails once) ─► <b>report</b>"""
    plan = Plan(
        goal="g",
        tasks=(
            Task(id="fetch", run=nothing, retry=RetryPolicy(maximum_attempts=2, jitter=0.0)),
            Task(id="<b>report</b>", run=nothing, needs=("fetch",)),
        ),
    )
    return perform(plan, executor=FakeExecutor({"fetch": [ValueError("no"), 1]}), run_id="r-1")


def test_each_frame_has_its_time_what_happened_and_how_each_task_stood(shaky):
    fold = filmstrip(shaky)
    assert frames_of(fold)[:2] == [
        ["at the start", "fetch starts", "▶ fetch", "○ <b>report</b>"],
        ["1 s", "fetch fails", "↻ fetch", "○ <b>report</b>"],
    ]
    assert frames_of(fold)[-1] == ["4 s", "the run succeeded", "✓ fetch ×2", "✓ <b>report</b>"]


def test_what_has_changed_has_a_thick_edge(shaky):
    root = ET.fromstring(filmstrip(shaky).blocks[0].svg)
    second = root.findall(f"{SVG}g")[1]
    assert [rect.get("stroke-width") for rect in second.iter(f"{SVG}rect")] == ["3.2", "1.1"]


def test_its_alternative_tells_the_story(shaky):
    alt = filmstrip(shaky).blocks[0].alt
    assert alt.startswith("Run r-1 in ")
    assert "at the start: fetch starts (fetch running)" in alt
    assert "1 s: fetch fails (fetch backing off)" in alt
    assert "<b>report</b> succeeded" in alt


def test_it_is_open_where_something_happened_and_closed_where_nothing_did(shaky):
    assert filmstrip(shaky).open
    tasks = (Task(id="a", run=nothing), Task(id="b", run=nothing, needs=("a",)))
    plain = perform(Plan(goal="g", tasks=tasks), executor=FakeExecutor())
    assert not filmstrip(plain).open


def test_it_stands_in_execute(shaky):
    assert any(block == filmstrip(shaky) for block in execute_section(shaky).blocks)


def test_of_a_big_plan_it_shows_the_groups(many):
    run = perform(many(200, 4), executor=FakeExecutor(), at_most_s=1e6)
    fold = filmstrip(run)
    assert "○ 50" in frames_of(fold)[0]
    assert "✓ 50" in frames_of(fold)[-1]
    assert len(fold.blocks[0].svg) < 60_000


def test_sixty_tasks_in_eight_frames_stay_small(many):
    plan = many(60, 3)
    script = {f"t{n}": [ValueError("no")] for n in (10, 40)}
    run = perform(plan, executor=FakeExecutor(script), at_most_s=1e6)
    assert len(filmstrip(run).blocks[0].svg) < 150_000


def test_without_its_events_a_run_has_no_strip(run):
    assert run.history == ()
    assert filmstrip(run) is None


def test_a_journal_that_is_gone_takes_nothing_but_the_strip(shaky):
    def gone():
        raise JournalError("moved")

    shaky.__dict__["_told"] = gone
    assert filmstrip(shaky) is None
    assert shaky._repr_mimebundle_()["text/html"]
