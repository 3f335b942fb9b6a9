"""Jupyter in a real browser: what a person sees and presses.

    page = jupyter([cell, ...])                              JupyterLab 4, the kernel of this venv
    page = jupyter([cell, ...], app="notebook")              Notebook 7
    page = jupyter([cell, ...], kernel="ipykernel6")         a kernel before ipykernel 7

One server an application and a file of tests. The pictures that they take go to the folder that
ORCH_NB_SHOTS names, for a person to look at.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="pip install 'orch_nb[test]'")

PATIENCE_S = 60
#: Complaints in the console that are of others: Lab's debugger is slow on a busy machine, and
#: Notebook 7 opens every notebook with one about a schema; widgets of a kernel that is gone.
THEIRS = ("favicon", "debugger state", "reading 'schema'", "Comm not found",
          "Canceled future for")  # fmt: skip


@pytest.fixture(scope="session")
def chromium(tool: Callable[[str], str]) -> str:
    if shutil.which("chromium") is None and os.environ.get("ORCH_NB_CI") != "1":
        pytest.skip("the browser's tests need chromium: apt-get install chromium")
    return tool("chromium")


class Server:
    """A Jupyter application of its own: `address`, and the `folder` of its notebooks."""

    def __init__(self, app: str, home: Path) -> None:
        self.app, self.folder = app, home / "notebooks"
        self.folder.mkdir(parents=True)
        settings = home / "settings" / "@jupyterlab"
        for plugin, chosen in (
            ("notebook-extension/tracker", '{"windowingMode": "none"}'),  # out of sight, yet there
            ("apputils-extension/notification", '{"fetchNews": "false"}'),  # it would ask
        ):
            path = settings / f"{plugin}.jupyterlab-settings"
            path.parent.mkdir(parents=True)
            path.write_text(chosen)
        _kernel_of_old(home / "share")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        section = "LabApp" if app == "jupyterlab" else "JupyterNotebookApp"
        command = [
            sys.executable, "-m", app, "--no-browser", "--allow-root", "--ip=127.0.0.1",
            f"--port={port}", "--IdentityProvider.token=", "--ServerApp.password=",
            "--ServerApp.disable_check_xsrf=True", f"--ServerApp.root_dir={self.folder}",
            "--LabApp.news_url=", "--LabApp.extension_manager=readonly",
            f"--{section}.expose_app_in_browser=True",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]  # fmt: skip
        environment = {
            **os.environ,
            "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
            "JUPYTER_PREFER_ENV_PATH": "1",
            "JUPYTER_PATH": str(home / "share"),
        }
        with (home / "log").open("w") as log:
            self._process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, cwd=self.folder
            )
        self.address = f"http://127.0.0.1:{port}"
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                urllib.request.urlopen(f"{self.address}/api/status", timeout=2).close()
                break
            except OSError:
                assert self._process.poll() is None, (home / "log").read_text()
                assert time.monotonic() < end, (home / "log").read_text()
                time.sleep(0.2)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)


def _kernel_of_old(share: Path) -> None:
    """The kernelspec of the older ipykernel that `make install` leaves beside the newer one."""
    spec = share / "kernels" / "ipykernel6"
    spec.mkdir(parents=True)
    what = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "ipykernel 6",
        "language": "python",
        "env": {"PYTHONPATH": os.pathsep.join([str(_OLD), os.environ.get("PYTHONPATH", "")])},
    }
    (spec / "kernel.json").write_text(json.dumps(what))


_OLD = Path(sys.prefix) / "ipykernel6"


class Page:
    """One notebook in a browser, and what its console said."""

    def __init__(self, page: Any, server: Server, name: str) -> None:
        self.page, self.server, self.name = page, server, name
        self.complaints: list[str] = []
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(f"an exception: {error}"))

    @property
    def ours(self) -> list[str]:
        """What the console complained of, without what others are known for."""
        return [one for one in self.complaints if not any(word in one for word in THEIRS)]

    def open(self, name: str = "", *, kernel: bool = True) -> None:
        where = "doc/tree" if self.server.app == "jupyterlab" else "notebooks"
        self.page.goto(f"{self.server.address}/{where}/{name or self.name}")
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=PATIENCE_S * 1000)
        if not kernel:
            dialog = self.page.locator(".jp-Dialog")
            dialog.wait_for(timeout=30_000)
            dialog.get_by_role("button", name="No Kernel").click()

    def cell(self, n: int) -> Any:
        return self.page.locator(".jp-Notebook .jp-Cell").nth(n)

    def run(self, n: int) -> None:
        self.cell(n).locator(".cm-content").first.click()
        self.page.keyboard.press("Control+Enter")

    def prompt(self, n: int) -> str:
        return str(self.cell(n).locator(".jp-InputArea-prompt").inner_text()).strip()

    def ended(self, n: int, timeout: float = 30.0) -> None:
        end = time.monotonic() + timeout
        while not self.prompt(n).strip("[]: ").isdigit():
            assert time.monotonic() < end, f"cell {n} still shows {self.prompt(n)}"
            self.page.wait_for_timeout(50)

    def answer_dialog(self) -> None:
        """On a busy machine Lab may ask which kernel to take, before it knows the notebook's."""
        dialog = self.page.locator("dialog.jp-Dialog")
        if dialog.count():
            text = dialog.first.inner_text()
            assert "kernel" in text.lower(), f"it asks: {text}"
            dialog.first.locator(".jp-mod-accept").click()

    def load(self) -> None:
        """Run the first cell, as often as it takes: a kernel that starts ignores the first time."""
        end = time.monotonic() + PATIENCE_S
        while True:
            self.answer_dialog()
            self.run(0)
            self.page.wait_for_timeout(700)
            if self.prompt(0).strip("[]: ").isdigit():
                return
            assert time.monotonic() < end, "no kernel came up"

    def says(self, n: int, *words: str, timeout: float = 30) -> None:
        for word in words:
            self.cell(n).get_by_text(word).first.wait_for(timeout=timeout * 1000)

    def outputs(self, n: int) -> str:
        return str(self.cell(n).locator(".jp-Cell-outputWrapper").inner_text())

    # -- the room ------------------------------------------------------------------------------

    def room(self, n: int) -> Any:
        return self.cell(n).locator(".orch-room")

    def press(self, n: int, name: str) -> None:
        """Press a button of the room by its full name."""
        self.room(n).get_by_role("button", name=name, exact=True).first.click()

    def tab(self, n: int, name: str) -> Any:
        """Open a tab of the room; its panel."""
        self.room(n).get_by_role("tab", name=name, exact=True).click()
        return self.room(n).get_by_role("tabpanel", name=name, exact=True)

    def row(self, n: int, task: str) -> Any:
        """The todo list's row of a task."""
        name = self.page.locator(".orch-label", has_text=re.compile(f"^{re.escape(task)}$"))
        return self.room(n).locator(".orch-todo .orch-row").filter(has=name)

    def stands(self, n: int, task: str, status: str, timeout: float = 30) -> None:
        """Wait until the row of a task says so."""
        self.row(n, task).filter(has_text=status).wait_for(timeout=timeout * 1000)

    # -- the application -----------------------------------------------------------------------

    def shot(self, name: str, n: int | None = None) -> None:
        folder = os.environ.get("ORCH_NB_SHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            shown = self.page if n is None else self.cell(n)
            shown.screenshot(path=Path(folder) / f"{name}.png")

    def command(self, name: str, **arguments: Any) -> None:
        """One of the application's own commands, as a menu would call it."""
        call = "([name, given]) => window.jupyterapp.commands.execute(name, given).then(() => null)"
        self.page.evaluate(call, [name, arguments])

    def theme(self, name: str) -> None:
        self.command("apputils:change-theme", theme=name)
        self.page.wait_for_timeout(500)

    def stop(self) -> None:
        """The application's Stop."""
        self.page.locator('[data-command="notebook:interrupt-kernel"]').first.click()

    def saved(self) -> Any:
        """The notebook as it is in the file."""
        self.command("docmanager:save")
        return nbformat.read(self.server.folder / self.name, as_version=4)


@pytest.fixture(scope="module")
def jupyter(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Opens notebooks: see the module's docstring."""
    servers: dict[str, Server] = {}
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )

        def open_notebook(
            cells: list[str], *, app: str = "jupyterlab", kernel: str = "python3"
        ) -> Page:
            if kernel == "ipykernel6" and not _OLD.exists():
                from_make = "the older kernel that `make install` leaves"
                pytest.fail(f"{from_make} is missing") if os.environ.get("CI") else pytest.skip(
                    f"{from_make} is not here"
                )
            if app not in servers:
                servers[app] = Server(app, tmp_path_factory.mktemp(app))
            server = servers[app]
            name = f"story-{len(list(server.folder.iterdir()))}.ipynb"
            notebook = nbformat.v4.new_notebook(
                cells=[nbformat.v4.new_code_cell(one) for one in cells],
                metadata={"kernelspec": {"name": kernel, "display_name": kernel}},
            )
            nbformat.write(notebook, server.folder / name)
            tab = browser.new_page(viewport={"width": 1200, "height": 1400})
            tab.set_default_timeout(12_000)
            page = Page(tab, server, name)
            page.open()
            page.load()
            return page

        open_notebook.browser = browser  # type: ignore[attr-defined]
        yield open_notebook
        browser.close()
    for server in servers.values():
        server.stop()
