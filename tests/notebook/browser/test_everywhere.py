"""The same room in Notebook 7, and in a kernel before ipykernel 7: every control, in mid-run."""

from __future__ import annotations

import pytest

STORY = """%%orchestrate Every control --no-analyze --workers 2
import time
tries = 0
@task
def shaky():
    global tries
    tries += 1
    if tries < 3: raise ValueError("not yet")
@task(approval="Go?")
def gate(): ...
@task(approval="Sure?")
def refused(): ...
@task(todo="Water the plants")
def chore(): ...
@task
def slow():
    for _ in range(600): time.sleep(0.1)
@task
def last(shaky, gate, chore): return "done"
"""
FUNCTION = """import time
import orch_nb as nb
@nb.task
def first(): time.sleep(1); print("from first")
@nb.task(todo="Look at it")
def gate(first): ...
@nb.task
def then(gate): return 42
plan = nb.decompose([first, gate, then], goal="By a plain call")
run = nb.execute(plan)
"""
CELLS = ["%load_ext orch_nb", STORY, "print('later')", FUNCTION, "print(run.status, run.results)"]


@pytest.fixture(
    scope="module",
    params=[("notebook", "python3"), ("jupyterlab", "ipykernel6"), ("notebook", "ipykernel6")],
    ids=["Notebook 7", "ipykernel 6", "ipykernel 6 in Notebook 7"],
)
def page(request, jupyter):
    app, kernel = request.param
    opened = jupyter(CELLS, app=app, kernel=kernel)
    yield opened
    assert opened.ours == []
    opened.page.close()


def test_every_control_works_while_the_cell_runs(page):
    page.run(1)
    page.run(2)  # it waits behind the other, and may not be lost by what fetches clicks
    page.stands(1, "shaky", "failed")
    page.press(1, "‖ Pause")
    page.press(1, "▶ Resume")
    page.press(1, "One worker more")
    page.room(1).get_by_text("3 workers").wait_for()
    page.press(1, "One worker fewer")
    page.room(1).get_by_text("2 workers").wait_for()
    page.press(1, "↻ Retry failed")
    page.row(1, "shaky").filter(has_text="×2").wait_for()
    page.stands(1, "shaky", "failed")
    page.press(1, "Try anew: shaky")
    page.stands(1, "shaky", "succeeded")
    page.press(1, "Approve: gate")
    page.press(1, "Reject: refused")
    page.press(1, "Done: chore")
    page.stands(1, "last", "succeeded")
    page.row(1, "slow").click()
    page.press(1, "Cancel: slow")
    page.ended(1)
    text = page.outputs(1)
    assert "refused failed" in text
    assert "slow was cancelled" in text
    page.ended(2)
    assert "later" in page.outputs(2)


def test_keys_in_a_room_are_the_room_s_and_not_the_notebook_s(page):
    page.run(3)
    page.stands(3, "first", "running")
    page.page.keyboard.press("Escape")
    tabs = page.room(3).get_by_role("tab")
    tabs.nth(0).focus()
    page.page.keyboard.press("ArrowRight")
    assert tabs.nth(1).get_attribute("aria-selected") == "true"
    page.page.keyboard.press("b")
    page.page.keyboard.press("ArrowLeft")
    assert tabs.nth(0).get_attribute("aria-selected") == "true"
    assert page.page.locator(".jp-Notebook .jp-Cell").count() == len(CELLS), "b makes a cell"
    page.press(3, "⊗ Cancel run")
    page.press(3, "Cancel the whole run?")
    page.ended(3)


def test_a_plain_call_of_execute_has_a_room_that_hears(page):
    page.run(3)
    page.stands(3, "first", "succeeded")
    page.press(3, "⊗ Cancel run")
    page.press(3, "Cancel the whole run?")
    page.ended(3)
    assert page.room(3).count() == 0
    assert "cancelled" in page.outputs(3)
    assert "from first" in page.outputs(3)
    page.run(4)
    page.ended(4)
    assert "cancelled" in page.outputs(4)
