"""A run on another system, from a notebook: the kernel dies, the server goes, a person comes back
and finds it again."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_survival import await_mark, kill_server

EXTRAS = {"temporal": "temporalio", "restate": "restate"}


def _kernels() -> Any:
    """The kernel that a person sits at: see there."""
    path = Path(__file__).parents[1] / "notebook" / "conftest.py"
    spec = importlib.util.spec_from_file_location("notebook_kernels", path)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


@pytest.fixture
def kernels(tmp_path: Path) -> Iterator[Callable[[], Any]]:
    made: list[Any] = []

    def make() -> Any:
        made.append(_kernels().new_kernel(tmp_path / "work"))
        made[-1].run(f"import sys; sys.path.append({str(Path(__file__).parent)!r})")
        return made[-1]

    yield make
    for one in made:
        one.shutdown()


@pytest.fixture(params=EXTRAS)
def there(request: pytest.FixtureRequest, systems) -> Any:
    pytest.importorskip(EXTRAS[request.param])
    return systems(request.param)


def test_a_run_is_steered_lost_sight_of_and_found_again(there, kernels, tmp_path: Path):
    here = json.dumps(str(tmp_path))
    cell = f"""%%orchestrate --on {there.url} --name release --as yaml
goal: Release
tasks:
  built: {{sh: "echo built; touch {tmp_path}/ran"}}
  go: {{approval: "Go?", needs: [built]}}
  long: {{run: "backend_tasks:mark", with: {{name: long, folder: {here}, seconds: 1}}, needs: [go]}}
  ask: {{approval: "And on?", needs: [long]}}
  last: {{sh: echo last, needs: [ask]}}
"""
    first = kernels()
    first.start(cell, person=True)
    first.wish("pause")
    first.until(lambda: first.page.head["paused"])
    first.wish("resume")
    first.wish("approve", "go", "fine")
    await_mark(tmp_path, "long begins")
    first.kill()

    second = kernels()
    assert f"running on {there.name}" in second.ok("%orchestrate runs").text
    kill_server(there)
    for line in ("%orchestrate status", "%orchestrate open release-1"):
        told = second.ok(line, person=True).text
        assert "As far as this journal knows" in told
        assert f"orch-nb dev {there.name}" in told
        assert "cut off" not in told
    page = second.page
    second.until(lambda: page.head.get("note"))
    assert f"goes on at {there.url}, and nobody follows it" in page.head["note"]
    assert (page.head["status"], page.head["live"]) == ("running", False)

    there.server.start(until="Ctrl-C")
    second.send({"do": "recover", "task": None, "note": ""})  # the button of that very room
    second.wish("approve", "ask")
    second.until(lambda: page.head["status"] == "succeeded")
    assert second.state("last") == "succeeded"
    assert (tmp_path / "ran").read_text().count("long begins") == 1
    told = second.ok("%orchestrate status").text
    assert "5 of 5 tasks succeeded" in told


def test_a_stop_while_the_server_is_away_says_that_it_was_not_heard(systems, kernels):
    pytest.importorskip("restate")
    there, kernel = systems("restate"), kernels()
    text = 'goal: g\ntasks: {go: {approval: "Go?"}}'
    cell = kernel.start(f"%%orchestrate --on {there.url} --as yaml\n{text}", person=True)
    kernel.until(lambda: kernel.state("go") == "waiting")
    kill_server(there)
    kernel.until(lambda: f"orch-nb dev {there.name}" in kernel.page.head.get("note", ""))
    kernel.manager.interrupt_kernel()
    said = kernel.finish(cell).error
    assert "has not told that run g-1 is cancelled" in said
    there.server.start(until="Ctrl-C")
    kernel.run("%orchestrate open g-1", person=True)
    kernel.until(lambda: kernel.page.head.get("status") == "cancelled")


def test_a_question_is_answered_by_a_line_of_another_kernel(systems, kernels):
    pytest.importorskip("restate")
    there, first = systems("restate"), kernels()
    text = 'goal: g\ntasks: {go: {approval: "Go?"}}'
    first.start(f"%%orchestrate --on {there.url} --name asked --as yaml\n{text}", person=True)
    first.until(lambda: first.state("go") == "waiting")
    first.kill()
    told = kernels().ok("%orchestrate approve go asked-1").text
    assert "1 of 1 task succeeded" in told


def test_functions_of_the_notebook_are_refused_with_the_way_out(kernels):
    pytest.importorskip("temporalio")
    kernel = kernels()
    body = "@task\ndef f():\n    return 1"
    said = kernel.run(f"%%orchestrate A try --on temporal://127.0.0.1:1\n{body}").error
    assert "`f` runs `f`, a function of this notebook" in said
    assert "%%writefile" in said
