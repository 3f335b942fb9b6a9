"""JupyterLab in a real browser: what a person sees and presses, and what stays in the file.

One server and one page for all of it. The pictures that it takes, in both themes, go to the folder
that ORCH_NB_SHOTS names, for a person to look at.
"""

from __future__ import annotations

import copy
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="pip install 'orch_nb[test]'")

# load ─┬─► clean ─► chart ─► ship? ─► publish
#       └─► shaky ──────────────────────┘        tell (todo)
STORY = """%%orchestrate Publish the weekly report --no-analyze
import pathlib, time
tries = 0
@task
def load(): time.sleep(0.5); print("loaded"); return 3
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
CELLS = ("%load_ext orch_nb", STORY, LONG, LONG, STORY, "%orchestrate open")


@pytest.fixture(scope="module")
def chromium(tool):
    if shutil.which("chromium") is None and os.environ.get("ORCH_NB_CI") != "1":
        pytest.skip("the browser's tests need chromium: apt-get install chromium")
    return tool("chromium")


@pytest.fixture(scope="module")
def server(chromium, tmp_path_factory):
    """The address of a JupyterLab of its own, and its folder of notebooks."""
    home, folder = tmp_path_factory.mktemp("lab"), tmp_path_factory.mktemp("notebooks")
    settings = home / "settings" / "@jupyterlab"
    for plugin, chosen in (
        ("notebook-extension/tracker", '{"windowingMode": "none"}'),  # what is out of sight stays
        ("apputils-extension/notification", '{"fetchNews": "false"}'),  # it would ask
    ):
        path = settings / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(chosen)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
        f"--port={port}", "--IdentityProvider.token=", "--ServerApp.password=",
        "--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={folder}",
        "--LabApp.news_url=", "--LabApp.extension_manager=readonly",
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    environment = {
        **os.environ,
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    with (home / "log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder)
    address = f"http://127.0.0.1:{port}"
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"{address}/api/status", timeout=2).close()
            break
        except OSError:
            assert process.poll() is None, (home / "log").read_text()
            assert time.monotonic() < end, (home / "log").read_text()
            time.sleep(0.2)
    yield address, folder
    process.terminate()
    process.wait(20)


class Page:
    """One notebook in JupyterLab, and what its console said."""

    def __init__(self, page, address):
        self.page, self.address = page, address
        self.complaints = []
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def open(self, name, *, kernel=True):
        self.page.goto(f"{self.address}/doc/tree/{name}")
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
        if not kernel:
            dialog = self.page.locator(".jp-Dialog")
            dialog.wait_for(timeout=30_000)
            dialog.get_by_role("button", name="No Kernel").click()

    def cell(self, n):
        return self.page.locator(".jp-Notebook > .jp-WindowedPanel-outer .jp-Cell").nth(n)

    def run(self, n):
        self.cell(n).locator(".cm-content").first.click()
        self.page.keyboard.press("Control+Enter")

    def prompt(self, n):
        return self.cell(n).locator(".jp-InputArea-prompt").inner_text().strip()

    def ended(self, n, timeout=30.0):
        end = time.monotonic() + timeout
        while not self.prompt(n).strip("[]: ").isdigit():
            assert time.monotonic() < end, f"cell {n} still shows {self.prompt(n)}"
            self.page.wait_for_timeout(100)

    def answer_dialog(self):
        """On a busy machine Lab may ask which kernel to take, before it knows the notebook's."""
        dialog = self.page.locator("dialog.jp-Dialog")
        if dialog.count():
            text = dialog.first.inner_text()
            assert "kernel" in text.lower(), f"JupyterLab asks: {text}"
            dialog.first.locator(".jp-mod-accept").click()

    def load(self):
        """Run the first cell, as often as it takes: a kernel that starts ignores the first time."""
        end = time.monotonic() + 60
        while True:
            self.answer_dialog()
            self.run(0)
            self.page.wait_for_timeout(700)
            if self.prompt(0).strip("[]: ").isdigit():
                return
            assert time.monotonic() < end, "no kernel came up"

    def says(self, n, *words, timeout=30):
        for word in words:
            self.cell(n).get_by_text(word).first.wait_for(timeout=timeout * 1000)

    def row(self, n, task):
        """The todo list's row of a task."""
        name = self.page.locator(".orch-name", has_text=re.compile(f"^{task}$"))
        return self.cell(n).locator(".orch-room tbody tr").filter(has=name)

    def outputs(self, n):
        return self.cell(n).locator(".jp-Cell-outputWrapper").inner_text()

    def shot(self, name):
        folder = os.environ.get("ORCH_NB_SHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png")

    def command(self, name, **arguments):
        """One of JupyterLab's own commands, as a menu would call it."""
        call = "([name, given]) => window.jupyterapp.commands.execute(name, given).then(() => null)"
        self.page.evaluate(call, [name, arguments])

    def theme(self, name):
        self.command("apputils:change-theme", theme=name)
        self.page.wait_for_timeout(500)


@pytest.fixture(scope="module")
def lab(server, chromium):
    address, folder = server
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(one) for one in CELLS],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, folder / "story.ipynb")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        page = Page(browser.new_page(viewport={"width": 1200, "height": 1400}), address)
        page.open("story.ipynb")
        page.load()
        yield page
        browser.close()


def test_the_room_shows_progress_and_a_person_steers_it_to_its_end(lab):
    lab.run(1)
    lab.says(1, "Approve", "Retry shaky", "Not done")
    room = lab.cell(1).locator(".orch-room")
    todo = room.locator("tbody tr")
    names = [row.split("\t")[0].strip() for row in todo.all_inner_texts()]
    assert [n for n in names if n in ("Build", "Ship")] == ["Build", "Ship"], "stories head tasks"
    assert names.index("Build") < names.index("chart") < names.index("Ship") < names.index("tell")
    row = lab.row(1, "shaky")
    assert "failed" in row.inner_text()
    assert "not <b>yet</b>" in row.inner_text(), "an error is text"
    drawn = room.locator("svg text").all_text_contents()
    assert "✓ load" in drawn, "the drawing is coloured and labelled by state"
    assert "✗ shaky" in drawn
    bar = lab.cell(1).locator(".progress-bar").bounding_box()
    assert bar["width"] > 50, "part of it is filled"
    lab.shot("room-light")
    lab.cell(1).get_by_role("button", name="Retry shaky").click()
    row.filter(has_text="succeeded").wait_for()
    lab.cell(1).get_by_title("Done: tell", exact=True).click()
    lab.row(1, "tell").filter(has_text="succeeded").wait_for()
    lab.cell(1).get_by_role("button", name="Approve").click()
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
    assert pictures.count() == 2
    for n in range(2):
        assert pictures.nth(n).evaluate("image => image.naturalWidth") > 100
    lab.shot("twin-light")


def test_cancel_ends_a_run_in_its_middle(lab):
    lab.run(2)
    lab.says(2, "Approve")
    lab.cell(2).get_by_role("button", name="Cancel").click()
    lab.ended(2, timeout=10)
    lab.says(2, "cancelled")
    assert lab.cell(2).locator(".orch-room").count() == 0, "the room has gone"


def test_the_keyboard_reaches_the_buttons(lab):
    lab.run(2)
    lab.says(2, "Reject")
    lab.cell(2).get_by_role("button", name="Cancel").focus()
    lab.page.keyboard.press("Tab")
    assert lab.page.evaluate("document.activeElement.textContent").strip() == "Approve"
    lab.page.keyboard.press("Tab")
    assert lab.page.evaluate("document.activeElement.textContent").strip() == "Reject"
    lab.page.keyboard.press("Enter")
    lab.row(2, "gate").filter(has_text="failed").wait_for()
    lab.cell(2).get_by_role("button", name="Cancel").focus()
    lab.page.keyboard.press("Space")
    lab.ended(2, timeout=10)


def test_stop_ends_a_run_in_its_middle(lab):
    lab.run(3)
    lab.says(3, "Approve")
    lab.page.locator('[data-command="notebook:interrupt-kernel"]').first.click()
    lab.ended(3, timeout=10)
    lab.says(3, "Stopped: run")
    assert "Traceback" not in lab.outputs(3)


def test_the_room_is_readable_in_the_dark_theme_as_well(lab):
    lab.theme("JupyterLab Dark")
    lab.run(4)
    lab.says(4, "Approve")
    words = lab.cell(4).locator(".orch-name").first
    colour = words.evaluate("e => getComputedStyle(e).color")
    light = [
        int(float(n))
        for n in colour.removeprefix("rgb(").removeprefix("rgba(").rstrip(")").split(",")[:3]
    ]
    assert min(light) > 150, "text takes the theme's colour"
    lab.cell(4).locator(".orch-room").scroll_into_view_if_needed()
    lab.shot("room-dark")
    lab.cell(4).get_by_role("button", name="Cancel").click()
    lab.ended(4)
    lab.shot("twin-dark")
    lab.theme("JupyterLab Light")


def test_nothing_of_it_complained_in_the_console(lab):
    # The debugger that Lab asks for is Lab's own, and slow on a busy machine.
    theirs = ("favicon", "debugger state")
    ours = [one for one in lab.complaints if not any(word in one for word in theirs)]
    assert ours == []


def test_the_saved_file_shows_every_phase_without_a_kernel_and_untrusted(lab, server):
    _, folder = server
    lab.command("docmanager:save")
    notebook = nbformat.read(folder / "story.ipynb", as_version=4)
    assert "widgets" not in notebook.metadata
    other = copy.deepcopy(notebook)
    other.metadata = {"kernelspec": {"name": "nobody", "display_name": "nobody"}}
    nbformat.write(other, folder / "shared.ipynb")
    lab.open("shared.ipynb", kernel=False)
    lab.says(1, "DECOMPOSE", "EXECUTE", "INTEGRATE", "succeeded")
    text = lab.outputs(1)
    assert "7 of 7 tasks succeeded" in text
    assert "Loading widget" not in text
    pictures = lab.cell(1).locator(".jp-Cell-outputWrapper img")
    assert pictures.count() == 2
    for n in range(2):
        assert pictures.nth(n).evaluate("image => image.naturalWidth") > 100
        assert len(pictures.nth(n).get_attribute("alt")) > 20
    lab.shot("untrusted")


def test_after_a_reload_in_mid_run_the_room_catches_up_and_still_steers(lab):
    lab.open("story.ipynb")
    lab.load()
    lab.run(2)
    lab.says(2, "Approve")
    lab.row(2, "quick").filter(has_text="succeeded").wait_for()
    lab.command("docmanager:save")
    lab.page.reload()
    lab.page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
    lab.row(2, "quick").filter(has_text="succeeded").wait_for(timeout=60_000)
    assert "running" in lab.row(2, "long").inner_text()
    lab.cell(2).get_by_role("button", name="Cancel").click()
    lab.run(5)
    lab.says(5, "INTEGRATE")
    assert "cancelled" in lab.outputs(5), "the page lost the twin's place; this brings it back"
