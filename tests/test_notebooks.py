"""The six lessons where their systems are: the cells that are called live, and the exercises.

    notebook, executed once on real servers ─► what its live cells show
                                            └► what its exercise says of wrong and of right answers

That each opens and teaches without a server is seen where the notebooks are run as they stand.
"""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from orch_nb.backends.servers import server, serving

from .conftest import ROOT
from .redis_server import free_port, redis_server
from .servers import node_folder

__all__ = ["node_folder"]

#: Calls of a notebook's `check`, those that deserve a hint and those that are right.
ANSWERS = {
    "05_airflow_dags": (
        ['check("all_failed")', 'check("all_done")', 'check("one_faild")', 'check("")',
         'check("one_failed, required: false")', 'check(["one_failed"])'],
        ['check("one_failed")', "check(nb.TriggerRule.ONE_FAILED)"],
    ),
    "06_xstate_machines": (
        ['check("cart")', 'check("delivered")', 'check("nowhere")', 'check("#order.delivered")',
         'check("fulfilling.parcel.packed")', 'check("")', "check(None)"],
        ['check("cancelled")', 'check("#order.cancelled")'],
    ),
    "07_bullmq_queues": (
        ['check({"captions": ["download"], "book": ["photos", "captions"]})',
         'check({"captions": [], "book": ["photos", "captions"]})',
         'check({"captions": ["phots"], "book": ["captions"]})',
         'check({"captions": "photos", "book": "captions"})', 'check({"captions": ["photos"]})',
         'check({"captions": [], "book": []})', 'check({"captions": [1], "book": ["captions"]})',
         'check({"captions": None, "book": None})', "check({})", 'check(["photos", "captions"])'],
        ['check({"captions": ["photos"], "book": ["captions"]})',
         'check({"captions": ("photos",), "book": {"captions"}})'],
    ),
    "08_celery_canvas": (
        ['check(["south"])', 'check(["north"])', 'check(["sout"])', "check([])", 'check("total")',
         "check(None)", "check([1])", 'check({"mail": ["total"]})'],
        ['check(["north", "south"])', 'check(["total"])', 'check(("south", "total"))'],
    ),
    "09_temporal_retries": (
        ['check({"maximum_attempts": 6})', "check(6)", 'check({"attempts": 6})',
         'check({"maximum_attempts": 5, "initial_interval": "10ms"})', "check({})", "check(None)",
         'check({"maximum_attempts": 6, "initial_interval": "504ms", "backoff_coefficient": 1})',
         'check({"maximum_attempts": 6, "initial_interval": "30ms", "jitter": 0.5})',
         'check({"maximum_attempts": 6, "initial_interval": 0, "retry_on": ["ValueError"]})'],
        ['check({"maximum_attempts": 6, "initial_interval": "50ms", "maximum_interval": "100ms"})'],
    ),
    "10_restate_durable": (
        ['check({"reserve": 1, "charge": 1, "ship": 1})', "check(TIMES := {})",
         'check(TIMES := {"ship": 2})', "check([1, 1, 2])", "check(None)",
         'check({"reserve": 1, "charge": 1, "ship": "2"})'],
        ['check({"reserve": 1, "charge": 1, "ship": 2})'],
    ),
}  # fmt: skip

#: How a cell begins that is run once more at the end: a second time nothing may stand in its way.
AGAIN = {"10_restate_durable": "GATE = "}

#: What the live cells say, in the order of the notebook.
LIVE = {
    "06_xstate_machines": ["Live: error the card is declined", "✓ the same after pay.ERROR",
                           "✓ the same after ship.DONE"],
    "07_bullmq_queues": ["Live", "book      waiting-children", "Live", "book      failed"],
    "08_celery_canvas": ["sales: the last task is SUCCESS: '200 sold'",
                         "exported: the last task is SUCCESS", "broken: the last task is FAILURE"],
    "09_temporal_retries": ["paid at attempt 3", "charge  succeeded         3",
                            "without a second charge: 2 x ship", "ship  succeeded         1"],
    "10_restate_durable": ["Walden is on its way", "409: ", "without a second charge: 2 x ship",
                           "ship  succeeded         1"],
}  # fmt: skip


def restates_port() -> int:
    """One that is free together with those that Restate takes beside it."""
    while True:
        port = free_port()
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError, OverflowError):
            for one in (port, port + 990, port - 2958):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", one))
            return port


@pytest.fixture(scope="module")
def systems(tmp_path_factory, node_folder):
    """A server of each system, in the variables by which a lesson finds it."""
    folder = tmp_path_factory.mktemp("servers")
    packages = node_folder("xstate", "@restatedev/restate-server") / "node_modules"
    with contextlib.ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NODE_PATH", str(packages))
        patch.setenv("REDIS_URL", stack.enter_context(redis_server()))
        for name, port in (("temporal", free_port()), ("restate", restates_port())):
            one = server(name, folder / name, port)
            stack.enter_context(serving(one))
            patch.setenv(f"{name.upper()}_ADDRESS", f"{one.host}:{one.port}")
        patch.delenv("ORCH_NB_LESSONS", raising=False)
        patch.delenv("ORCH_NB_AIRFLOW", raising=False)  # the notebook itself is run with it
        yield


def executed(name: str, folder: Path) -> tuple[str, list[str]]:
    """What the cells of a notebook say, and what its `check` does of each answer."""
    book = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
    own = len(book.cells)
    hints, right = ANSWERS[name]
    if name in AGAIN:
        again = [cell for cell in book.cells if cell.source.startswith(AGAIN[name])]
        assert len(again) == 1, AGAIN[name]
        book.cells += [nbformat.v4.new_code_cell(again[0].source)]
        own += 1
    book.cells += [nbformat.v4.new_code_cell(f"print({call})") for call in (*hints, *right)]
    NotebookClient(
        book, timeout=180, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    ).execute()
    said = ["\n".join(_words(cell)) for cell in book.cells]
    return "\n".join(said[:own]), [_mark(text) for text in said[own:]]


def _mark(text: str) -> str:
    """The line of a check that says what it thinks of an answer; below it a hint may go on."""
    return next((one for one in text.splitlines() if one.startswith(("✗ ", "✓ "))), text)


def _words(cell):
    for output in cell.get("outputs", ()):
        assert output.output_type != "error", output
        assert output.get("name") != "stderr", output.text
        yield output.get("text") or output.data.get("text/plain", "")


@pytest.mark.parametrize("name", ANSWERS)
def test_a_lesson_runs_live_and_its_exercise_checks_itself(name, systems, tmp_path):
    said, checked = executed(name, tmp_path)
    assert ("and none is needed" in said) == (name not in LIVE), said[:300]
    at = 0
    for words in LIVE.get(name, ()):
        assert words in said[at:], f"no {words!r} in {said[at:]}"
        at = said.index(words, at) + len(words)
    hints, right = ANSWERS[name]
    assert [text[0] for text in checked] == ["✗"] * len(hints) + ["✓"] * len(right), checked
