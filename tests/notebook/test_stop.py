"""Stop: the kernel is interrupted while a cell runs."""

from __future__ import annotations

import time

import pytest

# first ─► long ─► never
PLAN = """import asyncio
@task
def first(): return 1
@task
async def long(first): await asyncio.sleep(60)
@task
def never(long): ...
"""


def interrupted(kernel, code, after, *, person=False):
    """The cell, interrupted `after()`, and how long it then took to end."""
    cell = kernel.start(code, person=person)
    kernel.until(lambda: after(cell))
    began = time.monotonic()
    kernel.manager.interrupt_kernel()
    kernel.finish(cell)
    return cell, time.monotonic() - began


def under_way(cell):
    return "so far" in cell.text


def first_is_done(cell):
    return "1 of 3 tasks succeeded so far" in cell.text


@pytest.mark.parametrize("person", [True, False], ids=["with a room", "without"])
def test_stop_cancels_the_run_within_half_a_second(kernel, person):
    cell, took = interrupted(
        kernel,
        "%%orchestrate g --no-analyze\n" + PLAN,
        under_way,
        person=person,
    )
    assert took < 1.5, "half a second, and what a shared processor takes"
    assert cell.error.startswith("Stopped: run g-")
    assert "was cancelled" in cell.error
    assert "Traceback" not in cell.error
    assert "⊗ cancelled" in cell.text, "the twin says so"
    assert "widget" not in "".join(cell.types)


def test_after_stop_the_journal_says_cancelled_and_the_kernel_goes_on(kernel):
    interrupted(kernel, "%%orchestrate g --no-analyze --name stop\n" + PLAN, first_is_done)
    assert kernel.value("_orch.run.status.value") == "'cancelled'"
    assert kernel.value("_orch.run.results['first']") == "1"
    row = next(
        one
        for one in kernel.ok("%orchestrate runs").text.splitlines()
        if one.strip().startswith("stop-1")
    )
    assert "cancelled" in row
    kernel.ok("%%orchestrate g --no-analyze\n@task\ndef a(): return 5\n")
    assert kernel.value("_orch.run.results['a']") == "5"


def test_stop_works_in_the_synchronous_fallback(kernel):
    cell, took = interrupted(kernel, "%%time\n%%orchestrate g --no-analyze\n" + PLAN, under_way)
    assert took < 1.5
    assert cell.error.startswith("Stopped: ")
    assert kernel.value("_orch.run.status.value") == "'cancelled'"


def test_stop_ends_shell_tasks_with_their_children(kernel):
    pid = kernel.folder / "pid"
    interrupted(
        kernel,
        "%%orchestrate --no-analyze\ngoal: g\ntasks:\n"
        '  a: {sh: "sleep 60 & echo $! > pid; wait"}\n',
        lambda _: pid.exists() and pid.read_text().strip(),
    )
    gone = f"not __import__('psutil').pid_exists({pid.read_text().strip()})"
    kernel.until(lambda: kernel.value(gone) == "True")
    assert kernel.value("_orch.run['a'].status.value") == "'cancelled'"


@pytest.mark.parametrize(
    "body", ["import time\nmark()\ntime.sleep(60)", "mark()\nawait asyncio.sleep(60)"]
)
def test_stop_is_heard_while_the_body_itself_runs(kernel, body):
    begun = kernel.folder / "begun"
    begun.unlink(missing_ok=True)
    kernel.ok("import asyncio\ndef mark(): open('begun', 'w').close()")
    cell, took = interrupted(
        kernel, f"%%orchestrate g\n{body}\n@task\ndef a(): ...\n", lambda _: begun.exists()
    )
    assert took < 1.5
    assert "KeyboardInterrupt" in cell.error or cell.error.startswith("Interrupted: ")
    assert "/orch_nb/" not in cell.error
    assert cell.html == ""


def test_stop_before_the_run_has_begun_says_that_nothing_was_run(kernel):
    cell, _ = interrupted(
        kernel,
        "%%orchestrate g\nimport asyncio\nprint('here')\nawait asyncio.sleep(60)\n"
        "@task\ndef a(): ...\n",
        lambda c: c.printed,
    )
    assert cell.error == "Interrupted: nothing was run."
