"""JupyterLab: a run from its start to its end, steered by a person; then what stays in the file."""

from __future__ import annotations

import copy

import nbformat
import pytest

# load ─┬─► clean ─► chart ─► ship? ─► publish
#       └─► shaky ──────────────────────┘        tell (todo)
STORY = """%%orchestrate Publish the weekly report --no-analyze
import pathlib, time
tries = 0
@task
def load(): time.sleep(0.5); print("\\x1b[32mloaded\\x1b[0m"); return 3
@task(story="Build")
def clean(load): return load
@task(story="Build")
async def chart(clean): return "chart"
@task(story="Build")
def shaky(load):
    global tries
    tries += 1
    if tries == 1: raise ValueError("not <b>yet</b>")
@task(story="Ship", approval="Publish <i>it</i>?")
def ship(chart): ...
@task(story="Ship", todo="Tell the team")
def tell(chart): ...
@task(story="Ship")
def publish(ship, shaky): return "published"
"""
LONG = """%%orchestrate A long one --no-analyze
import asyncio
@task
def quick(): ...
@task
async def long(quick): await asyncio.sleep(120)
@task(approval="Go on?")
def gate(): ...
"""
CELLS = ["%load_ext orch_nb", STORY, LONG, LONG, STORY, "%orchestrate open"]


@pytest.fixture(scope="module")
def lab(jupyter):
    return jupyter(CELLS)


def test_the_room_shows_where_the_run_stands(lab):
    lab.run(1)
    lab.stands(1, "shaky", "failed")
    lab.stands(1, "ship", "waiting")
    names = [one.strip() for one in lab.room(1).locator(".orch-todo .orch-label").all_inner_texts()]
    assert [n for n in names if n in ("Build", "Ship")] == ["Build", "Ship"], "stories head tasks"
    assert names.index("Build") < names.index("chart") < names.index("Ship") < names.index("tell")
    assert "not <b>yet</b>" in lab.row(1, "shaky").inner_text(), "an error is text"
    assert lab.room(1).get_by_role("progressbar").get_attribute("aria-valuetext") == "5 of 7 tasks"
    lab.shot("room-todo")


def test_the_drawing_follows_and_lights_what_a_task_leads_to(lab):
    panel = lab.tab(1, "DAG")
    panel.locator("svg text").filter(has_text="✓ load").first.wait_for()
    drawn = panel.locator("svg text").all_text_contents()
    assert "✓ load" in drawn, "the drawing is coloured and labelled by state"
    assert "✗ shaky" in drawn
    panel.locator("svg g.node").filter(has_text="shaky").click()
    assert lab.room(1).get_by_role("complementary").inner_text().startswith("shaky")
    faint = panel.locator("svg g.node").filter(has_text="tell")
    assert float(faint.evaluate("one => getComputedStyle(one).opacity")) < 0.5
    lab.shot("room-dag")


def test_a_card_tells_a_task_s_past_and_what_waits_for_it(lab):
    card = lab.room(1).get_by_role("complementary")
    card.get_by_text("Attempt 1").wait_for()
    text = card.inner_text()
    assert "ValueError: not <b>yet</b>" in text
    assert 'raise ValueError("not <b>yet</b>")' in text, "its traceback is in the person's lines"
    assert "What waits for it" in text
    card.get_by_role("button", name="publish").click()
    card.get_by_role("heading", name="publish").wait_for()
    lab.page.keyboard.press("Escape")
    card.wait_for(state="hidden")


def test_the_other_tabs_say_the_same_in_their_ways(lab):
    lab.tab(1, "Timeline").get_by_role("img", name="Timeline: 4 tasks").wait_for()
    log = lab.tab(1, "Log")
    log.get_by_text("loaded").wait_for()
    assert log.get_by_text("loaded").evaluate("one => getComputedStyle(one).color") == (
        "rgb(26, 127, 55)"
    ), "a terminal's colours are colours"
    table = lab.tab(1, "Table")
    first = table.get_by_role("row").nth(1)
    assert "load" in first.inner_text()
    table.get_by_role("button", name="Sort by status").click()
    assert "failed" in table.get_by_role("row").nth(1).inner_text()
    lab.shot("room-table")
    lab.tab(1, "Todo")


def test_a_person_finds_a_task_by_word_and_by_state(lab):
    room = lab.room(1)
    room.get_by_role("searchbox").fill("tell")
    labels = [one.strip() for one in room.locator(".orch-todo .orch-label").all_inner_texts()]
    assert labels == ["Ship", "tell"], "with the story that it stands in"
    room.get_by_role("searchbox").fill("")
    room.get_by_role("button", name="1 failed").click()
    labels = [one.strip() for one in room.locator(".orch-todo .orch-label").all_inner_texts()]
    assert labels == ["Build", "shaky"]
    room.get_by_role("button", name="1 failed").click()


def test_a_person_travels_in_time(lab):
    lab.press(1, "⏱ Time travel")
    slider = lab.room(1).get_by_role("slider")
    slider.wait_for()
    lab.press(1, "To the beginning")
    lab.stands(1, "load", "pending")
    lab.press(1, "One event on")
    lab.stands(1, "load", "running")
    assert "load is running" in slider.get_attribute("aria-valuetext")
    assert lab.row(1, "shaky").get_by_role("button").count() == 0, "the past cannot be steered"
    lab.press(1, "Back to now")
    lab.stands(1, "load", "succeeded")


def test_a_person_pauses_changes_the_workers_and_goes_on(lab):
    lab.press(1, "‖ Pause")
    lab.room(1).get_by_text("paused").first.wait_for()
    before = lab.room(1).locator(".orch-workers").inner_text().split()[0]
    lab.press(1, "One worker more")
    lab.room(1).get_by_text(f"{int(before) + 1} workers").wait_for()
    lab.press(1, "▶ Resume")
    lab.room(1).get_by_role("button", name="‖ Pause").wait_for()


def test_a_person_steers_it_to_its_end(lab):
    lab.press(1, "Try anew: shaky")
    lab.stands(1, "shaky", "succeeded")
    lab.press(1, "Done: tell")
    lab.stands(1, "tell", "succeeded")
    lab.room(1).get_by_role("textbox", name="A note on ship").fill("looks <u>good</u>")
    lab.press(1, "Approve: ship")
    lab.ended(1)
    lab.says(1, "INTEGRATE")
    assert "7 of 7 tasks succeeded" in lab.outputs(1)


def test_at_the_end_the_frozen_twin_has_taken_the_rooms_place(lab):
    assert lab.cell(1).locator(".orch-room, .jupyter-widgets").count() == 0
    text = lab.outputs(1)
    for phase in ("DECOMPOSE", "EXECUTE", "INTEGRATE"):
        assert phase in text
    assert text.index("EXECUTE") < text.index("loaded"), "what tasks print stands below the room"
    pictures = lab.cell(1).locator(".jp-Cell-outputWrapper img")
    assert pictures.count() >= 2
    for n in range(2):
        assert pictures.nth(n).evaluate("image => image.naturalWidth") > 100
    lab.shot("twin-light")


def test_cancel_asks_again_and_ends_a_run_in_its_middle(lab):
    lab.run(2)
    lab.stands(2, "gate", "waiting")
    lab.press(2, "⊗ Cancel run")
    lab.press(2, "Cancel the whole run?")
    lab.ended(2, timeout=10)
    lab.says(2, "cancelled")
    assert lab.room(2).count() == 0, "the room has gone"


def test_the_keyboard_does_everything(lab):
    page = lab.page
    lab.run(2)
    lab.stands(2, "gate", "waiting")
    lab.room(2).locator(".orch-want").get_by_role("button", name="Approve: gate").wait_for()

    def focused():
        return page.evaluate(
            "(one => one.getAttribute('aria-label') ?? one.textContent)(document.activeElement)"
        ).strip()

    lab.room(2).get_by_role("searchbox").focus()
    seen = []
    for _ in range(12):
        page.keyboard.press("Tab")
        seen.append(focused())
        if seen[-1].startswith("Todo: every task"):
            break
    assert seen[:3] == ["A note on gate", "Approve: gate", "Reject: gate"]
    assert "Todo" in seen, "the tab that is chosen"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    lab.room(2).get_by_role("heading", name="long", exact=True).wait_for()
    page.keyboard.press("Escape")
    lab.room(2).get_by_role("tab", name="Todo").focus()
    page.keyboard.press("ArrowRight")
    assert focused() == "DAG"
    page.keyboard.press("Tab")
    lab.room(2).locator(".orch-dag").focus()
    page.keyboard.press("n")
    page.keyboard.press("Enter")
    lab.room(2).get_by_role("heading", name="quick").wait_for()
    lab.room(2).get_by_role("button", name="Reject: gate").focus()
    page.keyboard.press("Enter")
    lab.tab(2, "Todo")
    lab.stands(2, "gate", "failed")
    lab.room(2).get_by_role("button", name="⊗ Cancel run").focus()
    page.keyboard.press("Space")
    page.keyboard.press("Space")
    lab.ended(2, timeout=10)


def test_a_screen_reader_is_told_names_and_changes(lab):
    lab.run(2)
    lab.stands(2, "gate", "waiting")
    room = lab.room(2)
    tree = room.aria_snapshot()
    assert 'region "Run of A long one"' in tree
    for role in ("progressbar", "tablist", "treegrid", "toolbar", "status"):
        assert role in tree, tree
    assert "gate waits for you" in room.get_by_role("status").inner_text()
    named = room.locator("button").evaluate_all(
        "all => all.map(one => (one.getAttribute('aria-label') || one.textContent).trim())"
    )
    assert all(named), named


def test_stop_ends_a_run_in_its_middle(lab):
    lab.stop()
    lab.ended(2, timeout=10)
    lab.says(2, "Stopped: run")
    assert "Traceback" not in lab.outputs(2)


def test_the_room_is_readable_in_the_dark_theme_as_well(lab):
    lab.theme("JupyterLab Dark")
    lab.run(4)
    lab.stands(4, "ship", "waiting")
    colour = lab.row(4, "clean").evaluate("e => getComputedStyle(e).color")
    light = [
        int(float(n))
        for n in colour.removeprefix("rgb(").removeprefix("rgba(").rstrip(")").split(",")[:3]
    ]
    assert min(light) > 150, "text takes the theme's colour"
    lab.room(4).scroll_into_view_if_needed()
    lab.shot("room-dark")
    lab.press(4, "⊗ Cancel run")
    lab.press(4, "Cancel the whole run?")
    lab.ended(4)
    lab.shot("twin-dark")
    lab.theme("JupyterLab Light")


def test_an_ended_run_is_opened_and_gone_on_with(lab):
    lab.run(5)
    lab.ended(5)
    lab.stands(5, "ship", "cancelled")
    assert "5 INTEGRATE" in lab.outputs(5), "its static form stands below"
    lab.press(5, "Try anew: shaky")
    lab.stands(5, "shaky", "succeeded")


def test_nothing_of_it_complained_in_the_console(lab):
    assert lab.ours == []


def test_the_saved_file_shows_every_phase_without_a_kernel_and_untrusted(lab):
    notebook = lab.saved()
    assert "widgets" not in notebook.metadata
    other = copy.deepcopy(notebook)
    other.metadata = {"kernelspec": {"name": "nobody", "display_name": "nobody"}}
    nbformat.write(other, lab.server.folder / "shared.ipynb")
    lab.open("shared.ipynb", kernel=False)
    lab.says(1, "DECOMPOSE", "EXECUTE", "INTEGRATE", "succeeded")
    text = lab.outputs(1)
    assert "7 of 7 tasks succeeded" in text
    assert "Loading widget" not in text
    pictures = lab.cell(1).locator(".jp-Cell-outputWrapper img")
    assert pictures.count() >= 2
    for n in range(2):
        assert pictures.nth(n).evaluate("image => image.naturalWidth") > 100
        assert len(pictures.nth(n).get_attribute("alt")) > 20
    lab.shot("untrusted")
