"""What comes to be in a run: instances, attempts after failures, compensations, what is for a
failure; where the room counts them and where it does not."""

from __future__ import annotations

import re

import pytest

MOVE = """%%orchestrate Move the customers --no-analyze --workers 2
import time
tried = set()
@task(story="Get", compensate={"sh": "echo unlocked"})
def lock(): return 1
@task(story="Get", foreach=list(range(30)),
      retry={"maximum_attempts": 2, "initial_interval": "80ms"})
def copy(item, lock):
    time.sleep(0.03)
    if item % 3 == 0 and item not in tried:
        tried.add(item)
        raise ConnectionError("reset")
@task(story="Put", approval="Switch?", owner="Ada")
def go(copy): ...
@task(story="Put")
def switch(go): raise ValueError("it lags")
"""
HOLD = """%%orchestrate Hold --no-analyze
import time
@task
def work(): time.sleep(1.5)
@task(approval="Go on?")
def gate(work): ...
"""
SAGA = """%%orchestrate --no-analyze
goal: Deliver
tasks:
  book: {sh: "echo booked", compensate: {sh: "sleep 2"}}
  ship: {sh: "exit 4", needs: [book]}
"""
TALK = """%%orchestrate Talk --no-analyze
@task(retry={"maximum_attempts": 90, "initial_interval": "100ms", "backoff_coefficient": 1})
def talk(): raise ValueError("again")
"""


@pytest.fixture(scope="module")
def page(jupyter):
    return jupyter(["%load_ext orch_nb", MOVE, "%orchestrate open", HOLD, SAGA, TALK])


def labels(page, n):
    return [one.strip() for one in page.room(n).locator(".orch-label").all_inner_texts()]


def test_a_timeline_has_no_more_lanes_than_workers(page):
    page.run(1)
    page.stands(1, "go", "waiting")
    said = page.tab(1, "Timeline").get_by_role("img")
    page.page.wait_for_timeout(700)
    assert "31 tasks in 2 lanes" in said.get_attribute("aria-label")
    page.tab(1, "Todo")


def test_a_story_counts_its_tasks_and_many_instances_are_closed(page):
    assert labels(page, 1) == ["Get", "lock", "copy", "Put", "go", "switch"]
    assert re.search(r"✓ 2$", page.row(1, "Get").inner_text().strip())
    page.room(1).get_by_role("searchbox").fill("copy[29]")
    assert labels(page, 1) == ["Get", "copy", "copy[29]"], "who looks for one finds it"
    page.room(1).get_by_role("searchbox").fill("")


def test_the_headings_of_a_table_fit_beside_a_card(page):
    table = page.tab(1, "Table")
    table.get_by_role("button", name="lock", exact=True).click()
    page.room(1).get_by_role("complementary").wait_for()
    headings = table.get_by_role("columnheader")
    assert "owner" in headings.all_inner_texts()
    assert "estimate" not in headings.all_inner_texts(), "no task has one"
    pane = table.get_by_role("table")
    assert pane.evaluate("one => one.scrollWidth <= one.clientWidth")
    cut = "all => all.filter(one => one.firstChild.scrollWidth > one.clientWidth).length"
    assert headings.evaluate_all(cut) == 0
    page.tab(1, "Todo")


def test_what_comes_to_be_is_not_in_the_past_before_it(page):
    page.press(1, "Approve: go")
    page.ended(1)
    page.run(2)
    page.stands(2, "switch", "failed")
    assert "compensate(lock)" in labels(page, 2)
    page.press(2, "⏱ Time travel")
    page.room(2).get_by_text("event").first.wait_for()
    page.press(2, "To the beginning")
    page.stands(2, "lock", "pending")
    assert labels(page, 2) == ["Get", "lock", "copy", "Put", "go", "switch"]
    table = page.tab(2, "Table")
    table.get_by_role("row", name="lock").wait_for()
    assert table.get_by_role("row").count() == 1 + 4
    slider = page.room(2).get_by_role("slider")
    slider.focus()
    page.page.keyboard.press("End")
    page.tab(2, "Todo")
    page.stands(2, "compensate(lock)", "succeeded")


def test_who_is_in_the_past_is_asked_all_the_same(page):
    page.run(3)
    page.stands(3, "work", "running")
    page.press(3, "⏱ Time travel")
    page.room(3).locator(".orch-want").get_by_text("Go on?").wait_for()
    page.press(3, "Approve: gate")
    page.ended(3)
    assert page.ours == []


def test_what_is_undone_cannot_be_retried_until_it_has_been(page):
    page.run(4)
    page.stands(4, "compensate(book)", "running")
    assert page.room(4).get_by_role("button", name="↻ Retry failed").is_disabled()
    assert page.row(4, "ship").get_by_role("button").count() == 0
    page.room(4).get_by_text("now compensate(book)").wait_for()
    page.ended(4)


def test_a_row_that_changes_while_it_is_pressed_is_clicked(page):
    page.run(5)
    page.stands(5, "talk", "backing off")
    page.page.wait_for_timeout(2500)  # until what stands above it has its height
    # In one step, since the row may be drawn anew between two.
    place = page.room(5).evaluate(
        """room => {
            const found = [...room.querySelectorAll(".orch-todo .orch-row")]
                .find(one => one.querySelector(".orch-label").textContent == "talk");
            found.scrollIntoView({block: "center"});
            return found.getBoundingClientRect();
        }"""
    )
    x, y = place["x"] + 30, place["y"] + 10
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    # Its attempts go on meanwhile, and its row is drawn anew; for longer than anybody would wait.
    page.page.wait_for_timeout(2500)
    under = f"document.elementFromPoint({x}, {y}).closest('.orch-row')?.textContent"
    assert "talk" in (page.page.evaluate(under) or ""), "the row stayed where it was pressed"
    page.page.mouse.up()
    page.room(5).get_by_role("heading", name="talk", level=4).wait_for()
    assert page.ours == []
