"""What happens to pages and kernels while a run goes on: none of it loses the run."""

from __future__ import annotations

import nbformat
import pytest

LONG = """%%orchestrate A long one --no-analyze --name long
import pathlib, time
@task
def load():
    with pathlib.Path("ran.txt").open("a") as ran: ran.write("load ")
    return 3
@task
def wait(load):
    while not pathlib.Path("go").exists(): time.sleep(0.05)
@task(approval="Ready?")
def gate(load): ...
@task
def after(wait, gate): return "done"
"""
DETACHED = """%%orchestrate {name} --no-analyze --detach --name {name}
import time
@task
def {name}():
    for n in range(40):
        print("{name}", n)
        time.sleep(0.1)
"""
GO = "import pathlib; pathlib.Path('go').touch()"
CLEAR = "[pathlib.Path(n).unlink(missing_ok=True) for n in ('go', 'ran.txt')]"


@pytest.fixture
def lab(jupyter):
    opened = []

    def open_notebook(cells):
        opened.append(jupyter(["%load_ext orch_nb\nimport pathlib\n" + CLEAR, *cells]))
        return opened[-1]

    yield open_notebook
    for page in opened:
        assert page.ours == []
        page.page.close()


def test_a_page_that_is_reloaded_in_mid_run_shows_and_steers_it_on(lab):
    page = lab([LONG, "%orchestrate open long-1"])
    page.run(1)
    page.stands(1, "gate", "waiting")
    page.saved()
    page.open()
    page.stands(1, "gate", "waiting")
    page.press(1, "Approve: gate")
    page.stands(1, "gate", "succeeded")
    (page.server.folder / "go").touch()
    page.stands(1, "after", "succeeded")
    page.room(1).get_by_text("the report is not in its notebook").wait_for()
    page.run(2)
    page.says(2, "4 of 4 tasks succeeded")


def test_two_views_of_one_notebook_follow_the_same_run(lab):
    page = lab([LONG])
    page.run(1)
    page.stands(1, "gate", "waiting")
    page.command("notebook:create-output-view")
    views = page.page.locator(".orch-room")
    views.nth(1).wait_for()
    other = views.nth(1).locator(".orch-todo .orch-row").filter(has_text="gate")
    other.filter(has_text="waiting").wait_for()
    views.nth(1).get_by_role("button", name="Approve: gate").first.click()
    page.stands(1, "gate", "succeeded")
    other.filter(has_text="succeeded").wait_for()
    (page.server.folder / "go").touch()
    page.ended(1)


def test_a_kernel_that_is_restarted_in_mid_run_recovers_by_the_same_cell(lab):
    page = lab([LONG, "print(_orch.run.status, pathlib.Path('ran.txt').read_text())"])
    page.run(1)
    page.stands(1, "gate", "waiting")
    page.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:restart-kernel') }")
    page.page.locator(".jp-Dialog .jp-mod-accept").click()
    page.page.locator(".jp-Dialog").wait_for(state="detached")
    page.page.wait_for_timeout(1500)
    page.cell(0).locator(".cm-content").first.click()
    page.page.keyboard.press("Control+a")
    page.page.keyboard.type("%load_ext orch_nb\nimport pathlib")
    page.load()
    page.run(1)
    page.says(1, "which was cut off")
    page.press(1, "Approve: gate")
    (page.server.folder / "go").touch()
    page.ended(1)
    page.run(2)
    page.says(2, "succeeded load")


def test_a_kernel_that_is_shut_down_leaves_the_last_state(lab):
    page = lab([LONG])
    page.run(1)
    page.stands(1, "gate", "waiting")
    page.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:shutdown-kernel') }")
    page.says(1, "then the kernel was shut down")
    assert page.room(1).count() == 0
    types = [name for one in page.saved().cells[1].outputs for name in one.get("data", ())]
    assert "application/vnd.jupyter.widget-view+json" not in types


def test_several_runs_at_once_have_each_their_own_room_and_their_own_output(lab):
    page = lab([DETACHED.format(name="alpha"), DETACHED.format(name="beta"), "print('free')"])
    page.run(1)
    page.run(2)
    page.run(3)
    page.says(3, "free", timeout=3)
    page.stands(1, "alpha", "running")
    page.stands(2, "beta", "running")
    page.room(1).get_by_role("tab", name="Log").click()
    page.room(1).get_by_role("log").get_by_text("alpha 3", exact=True).wait_for()
    page.press(2, "⊗ Cancel run")
    page.press(2, "Cancel the whole run?")
    page.says(2, "beta was cancelled")
    page.says(1, "1 of 1 task succeeded")
    assert "beta" not in page.outputs(1)
    assert "alpha" not in page.outputs(2)
    assert page.outputs(3).strip() == "free"


def test_a_file_of_a_kernel_that_was_killed_says_how_far_it_was(lab):
    page = lab([LONG, "import os; os.getpid()"])
    page.run(1)
    page.stands(1, "gate", "waiting")
    page.says(1, "succeeded · as of", timeout=30)  # the line of EXECUTE, behind the header's
    notebook = page.saved()
    text = "".join(str(one.get("data", {}).get("text/plain")) for one in notebook.cells[1].outputs)
    assert "no live room stands below? Then the kernel was gone" in text
    assert "%orchestrate recover long-" in text
    nbformat.validate(notebook)
    page.press(1, "⊗ Cancel run")
    page.press(1, "Cancel the whole run?")
    page.ended(1)
