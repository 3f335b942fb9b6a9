"""Ten thousand tasks in a room: only what is in sight is in the page, and nothing is lost."""

from __future__ import annotations

import pytest

FUNCTION = """%load_ext orch_nb
import time
def nap(*upstream): time.sleep(0.02)
"""
STORIES, EACH = 25, 400


def document():
    """Stories one after the other, each of 400 chains' links."""
    lines = ["%%orchestrate --workers 40 --no-analyze --name big", "goal: Ten thousand", "stories:"]
    for s in range(STORIES):
        lines += [f"  S{s}:", "    tasks:"]
        for n in range(EACH):
            needs = f", needs: [t{s - 1}_{n}]" if s else ""
            lines.append(f"      t{s}_{n}: {{run: nap{needs}}}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def page(jupyter):
    return jupyter([FUNCTION, document()])


def rows(page):
    return page.room(1).locator(".orch-todo .orch-row").count()


def test_the_room_follows_and_holds_what_is_in_sight_only(page):
    page.run(1)
    page.room(1).get_by_text("10,000 tasks").first.wait_for()
    page.press(1, "‖ Pause")
    page.room(1).get_by_text("paused").first.wait_for()
    assert 10 < rows(page) < 80, "stories, closed"
    page.room(1).locator(".orch-todo .orch-row").first.click()
    assert 10 < rows(page) < 80, "one of them open"
    page.room(1).get_by_role("searchbox").fill("t24_399")
    page.room(1).locator(".orch-todo .orch-label", has_text="t24_399").click()
    card = page.room(1).get_by_role("complementary")
    card.get_by_text("t23_399").first.wait_for()
    page.room(1).get_by_role("searchbox").fill("")
    dag = page.tab(1, "DAG")
    assert dag.locator("g.node").count() == STORIES, "a story a box"
    dag.locator("g.node").nth(3).click()
    page.shot("large")
    for tab in ("Timeline", "Log", "Table", "Todo"):
        page.tab(1, tab)
    page.press(1, "▶ Resume")
    page.ended(1, timeout=120)
    assert "10,000 of 10,000 tasks succeeded" in page.outputs(1)
    assert page.ours == []


def test_what_it_leaves_in_the_file_is_less_than_two_megabytes(page):
    notebook = page.saved()
    page.page.wait_for_timeout(500)
    weight = sum(len(str(output)) for output in notebook.cells[1].outputs)
    assert weight < 2_000_000
