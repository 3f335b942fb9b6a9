"""The live room, as a frontend drives it: by messages to the widgets' models."""

from __future__ import annotations

import pytest

# slow ─► gate ─► after ◄─ shaky        item (todo)
PLAN = """%%orchestrate Ship it --no-analyze
import time
tries = 0
@task
def slow():
    time.sleep(0.6)
@task
def shaky():
    global tries
    tries += 1
    if tries == 1: raise ValueError("first")
@task(approval="Ship <b>it</b>?")
def gate(slow): ...
@task(todo="Look <i>twice</i>")
def item(): ...
@task
def after(gate, shaky): return "shipped"
"""

CENSUS = (
    "(len(__import__('ipywidgets').widgets.widget._instances), "
    "sorted(t.name for t in __import__('threading').enumerate() if 'orch' in t.name))"
)


@pytest.fixture
def running(kernel):
    """Starts the plan with a person before the screen."""
    started = []

    def start(code=PLAN):
        started.append(kernel.start(code, person=True))
        return started[-1]

    yield start
    for cell in started:
        kernel.finish(cell)


def test_a_person_retries_ticks_and_approves_while_the_cell_runs(kernel, running):
    cell = running()
    kernel.wish("retry", "shaky")
    kernel.wish("approve", "item")
    kernel.wish("approve", "gate")
    kernel.finish(cell)
    assert kernel.value("_orch.run.status.value") == "'succeeded'"
    assert kernel.value("_orch.run['shaky'].attempts[-1].number") == "2"
    assert kernel.value("bool(_orch.run['gate'].decided_by)") == "True"


def test_reject_and_not_done_fail_the_gate_and_keep_what_comes_after(kernel, running):
    cell = running()
    kernel.wish("reject", "item")
    kernel.wish("reject", "gate")
    kernel.finish(cell)
    assert kernel.value("_orch.run['gate'].status.value") == "'failed'"
    assert kernel.value("_orch.run['after'].status.value") == "'upstream_failed'"


def test_cancel_ends_the_run_at_once_whatever_still_sleeps(kernel, running):
    cell = running("%%orchestrate g --no-analyze\nimport time\n@task\ndef a(): time.sleep(5)\n")
    kernel.wish("cancel")
    kernel.finish(cell)
    assert cell.reply["status"] == "ok"
    assert cell.seconds < 3
    assert kernel.value("_orch.run.status.value") == "'cancelled'"
    assert "⊗ cancelled" in cell.text


def test_while_it_runs_the_header_says_so_and_counts(kernel, running):
    cell = running()
    kernel.until(lambda: kernel.state("gate") == "waiting")
    kernel.until(lambda: "1 of 5 tasks succeeded so far" in cell.text)
    header = cell.outputs[0]["data"]["text/plain"]
    assert "▶ running" in header
    assert "1970" not in header
    kernel.wish("cancel")


def test_at_the_end_no_widget_is_shown_and_none_is_left(kernel, running):
    # Threads that a cancelled run could not stop sleep on for a while.
    kernel.until(lambda: kernel.value(CENSUS) == "(0, [])")
    cell = running()
    kernel.wish("retry", "shaky")
    kernel.wish("approve", "item")
    kernel.wish("approve", "gate")
    kernel.finish(cell)
    assert not any("widget" in name for name in cell.types)
    assert "image/svg+xml" not in cell.types
    assert kernel.value(CENSUS) == "(0, [])"
    kernel.listen(0.2)
    assert kernel.comms == {}


def test_a_widget_and_its_frozen_twin_never_stand_in_one_output(kernel, running):
    cell = running()
    kernel.until(lambda: kernel.state("gate") == "waiting")
    (live,) = [o["data"] for o in cell.outputs if any("widget" in name for name in o["data"])]
    assert "text/html" not in live
    kernel.wish("cancel")


def test_a_room_that_cannot_be_opened_leaves_no_widget_behind(kernel):
    kernel.ok("%%orchestrate g --no-analyze\n@task\ndef a(): ...\n", person=True)
    cell = kernel.run("%orchestrate retry a", person=True)
    assert "only a task that failed" in cell.error
    assert kernel.value(CENSUS) == "(0, [])"


def test_a_headless_cell_has_no_room_and_waits_for_nobody(kernel):
    cell = kernel.ok(PLAN.replace("--no-analyze", "--no-analyze --headless"), person=True)
    assert kernel.comms == {}
    assert "⏸ waiting" in cell.text


def test_a_kernel_that_cannot_hear_clicks_while_a_cell_runs_waits_for_nobody(kernel):
    """ipykernel 6 without jupyter-ui-poll."""
    kernel.ok(
        "import sys, ipykernel._version as v; v.__version__, real = '6.31.0', v.__version__\n"
        "import importlib.util as u; find, u.find_spec = u.find_spec, "
        "lambda name, *a: None if name == 'jupyter_ui_poll' else find(name, *a)"
    )
    cell = kernel.ok(PLAN, person=True)
    assert kernel.comms == {}
    assert "⏸ waiting" in cell.text
    kernel.ok("v.__version__, u.find_spec = real, find")


def test_approve_in_a_line_goes_on_with_a_room_of_its_own(kernel):
    # gate ─► second
    kernel.ok(
        "%%orchestrate --no-analyze --headless\ngoal: g\ntasks:\n"
        '  gate: {approval: "first?"}\n  second: {approval: "then?", needs: [gate]}\n',
        person=True,
    )
    cell = kernel.start("%orchestrate approve gate", person=True)
    kernel.wish("approve", "second")
    kernel.finish(cell)
    assert kernel.value("_orch.run.status.value") == "'succeeded'"


def test_coroutines_of_the_person_go_on_while_a_cell_runs(kernel):
    kernel.ok(
        "import asyncio\nticks = 0\nasync def ticker():\n    global ticks\n"
        "    while True:\n        ticks += 1\n        await asyncio.sleep(0.02)\n"
        "mine = asyncio.ensure_future(ticker())"
    )
    kernel.ok(
        "%%orchestrate g --no-analyze\nimport time\nbefore = ticks\n@task\n"
        "def a():\n    time.sleep(0.5)\n    return ticks - before\n"
    )
    kernel.ok("mine.cancel()")
    assert int(kernel.value("_orch.run.results['a']")) > 5


# -- opened, and what pages ask --------------------------------------------------------------------


def test_the_page_is_told_rows_states_and_what_stands_above_them(kernel, running):
    cell = running()
    kernel.until(lambda: kernel.state("shaky") == "failed" and kernel.state("gate") == "waiting")
    page = kernel.page
    assert [row["id"] for row in page.rows] == ["slow", "shaky", "gate", "item", "after"]
    assert page.of("shaky")[4] == "ValueError: first"
    assert page.of("after")[4] == "needs shaky, which ended failed"
    kernel.until(lambda: page.head["phases"].get("DECOMPOSE"))
    assert page.head["status"] == "running"
    assert page.head["live"], page.head
    codes = page.traits["codes"]
    stand = ["succeeded", "failed", "waiting", "waiting", "upstream_failed"]
    kernel.until(lambda: [codes[one] for one in page.traits["states"]] == stand)
    kernel.wish("cancel")
    kernel.finish(cell)


def test_a_card_has_what_a_task_was_given_and_what_it_did(kernel, running):
    cell = running()
    kernel.until(lambda: kernel.state("shaky") == "failed" and kernel.state("gate") == "waiting")
    kernel.send({"ask": "card", "task": "shaky"})
    card = kernel.told("card")
    assert ["does", "shaky"] in card["spec"]
    (attempt,) = card["attempts"]
    assert attempt["error"] == "ValueError: first"
    assert 'raise ValueError("first")' in attempt["traceback"]
    assert card["waited"] == [["after", ""]]
    kernel.send({"ask": "card", "task": "gate"})
    kernel.until(lambda: kernel.page.answers.get("card", {}).get("task") == "gate")
    assert kernel.told("card")["inputs"] == [["slow", ""]]
    kernel.wish("cancel")
    kernel.finish(cell)


def test_a_page_asks_for_output_history_sections_and_drawings(kernel, running):
    cell = running(PLAN.replace("time.sleep(0.6)", "print('from slow')"))
    kernel.until(lambda: kernel.state("gate") == "waiting" and kernel.state("shaky") == "failed")

    def lines():
        kernel.send({"ask": "log", "task": "", "after": 0})
        return [line[1:5:3] for line in kernel.told("log")["lines"]]

    kernel.until(lambda: ["slow", "from slow"] in lines())
    kernel.send({"ask": "history"})
    words = [moment[4] for moment in kernel.told("history")["moments"]]
    assert "shaky is failed: ValueError: first" in words
    assert words.index("slow is running") < words.index("slow is succeeded")
    kernel.send({"ask": "section", "name": "DECOMPOSE"})
    assert "DECOMPOSE" in kernel.told("section")["html"]
    kernel.send({"ask": "drawing", "open": "all"})
    assert len(kernel.told("drawing")["drawing"]["nodes"]) == 5
    kernel.send({"do": "workers", "task": None, "note": "a lot"})
    assert "a lot" in kernel.told("refused")["text"], "a wish that makes no sense loses nothing"
    kernel.wish("cancel")
    kernel.finish(cell)


def test_a_run_of_another_kernel_is_opened_followed_and_steered(kernels):
    first, second = kernels(), kernels()
    cell = first.start(PLAN.replace("--no-analyze", "--no-analyze --name far"), person=True)
    first.until(lambda: first.state("gate") == "waiting")
    opened = second.ok("%orchestrate open far-1", person=True)
    assert "▶ running" in opened.text
    assert "missing" not in opened.text, "what has not run yet is not missing"
    second.wish("approve", "gate", "from afar")
    first.until(lambda: first.state("gate") == "succeeded")
    second.until(lambda: second.state("gate") == "succeeded")
    assert second.page.of("gate")[4].startswith("approved by")
    second.wish("retry")
    second.wish("approve", "item")
    first.finish(cell)
    assert first.value("_orch.run['gate'].note") == "'from afar'"
    assert first.value("_orch.run.status.value") == "'succeeded'"
    second.until(lambda: second.page.head["status"] == "succeeded")


def test_an_ended_run_goes_on_in_the_room_that_opens_it(kernel):
    kernel.ok(
        "%%orchestrate Twice --no-analyze\nimport pathlib\n@task\ndef shaky():\n"
        "    if not pathlib.Path('well').exists(): raise ValueError('ill')\n"
        "@task\ndef after(shaky): return 5\n",
        person=True,
    )
    opened = kernel.ok("%orchestrate open", person=True)
    assert "✗ failed" in opened.text, "its static form stands below"
    kernel.wish("pause")
    assert "it can be retried, it cannot pause" in kernel.told("refused")["text"]
    kernel.ok("pathlib.Path('well').touch()")
    kernel.wish("retry")
    kernel.until(lambda: kernel.state("after") == "succeeded")
    kernel.until(lambda: "✓ succeeded" in opened.text)
    kernel.until(lambda: kernel.value("_orch.run.results.get('after')") == "5")


def test_a_plain_call_of_execute_leaves_its_run_closed_and_one_that_is_shown_open(kernel):
    code = "import orch_nb as nb\n@nb.task\ndef a(): return 1\nplan = nb.decompose([a])\n"
    kernel.ok(code)
    cell = kernel.ok("run = nb.execute(plan)")
    assert "<details" in cell.html
    assert "<details open" not in cell.html
    assert "application/vnd.orch-nb.run+json" in cell.types
    shown = kernel.ok("nb.execute(plan)")
    assert "<details open" in shown.html
    assert shown.text.count("4 EXECUTE") == 1, "once, and open"


def test_a_loop_of_many_runs_leaves_a_few_phases_and_a_few_lines(kernel):
    kernel.ok("import orch_nb as nb\n@nb.task\ndef a(): return 1\nplan = nb.decompose([a])\n")
    cell = kernel.ok("for n in range(30): nb.execute(plan, journal='memory')")
    assert len(cell.outputs) == 12
    assert cell.text.count("4 EXECUTE") == 3
    assert cell.text.count("1 of 1 task succeeded") == 12


def test_a_plain_call_waits_for_people_where_they_are_heard(kernel):
    kernel.ok(
        "import orch_nb as nb\n@nb.task\ndef a():\n    import time; time.sleep(0.6)\n"
        "@nb.task(approval='go?')\ndef gate(a): ...\nplan = nb.decompose([a, gate])\n"
    )
    cell = kernel.start("run = nb.execute(plan)", person=True)
    kernel.wish("approve", "gate")
    kernel.finish(cell)
    assert kernel.value("run.status.value") == "'succeeded'"
    headless = kernel.ok("run = nb.execute(plan)")
    assert kernel.value("run.status.value") == "'waiting'"
    assert "⏸ waiting" in headless.text


# -- detached --------------------------------------------------------------------------------------

DETACHED = """%%orchestrate Go on --no-analyze --detach
import time
@task
def a():
    time.sleep(0.5)
    print("from a")
@task(approval="go?")
def gate(a): ...
@task
def last(gate): return 1
"""


def test_a_detached_cell_returns_at_once_and_is_finished_in_its_own_place(kernel):
    cell = kernel.ok(DETACHED, person=True)
    assert cell.seconds < 0.5
    later = kernel.ok("print('later')")
    assert later.printed == "later\n"
    assert "▶ running" in kernel.ok("%orchestrate status").text
    kernel.until(lambda: kernel.state("gate") == "waiting")
    assert "approve: gate" in kernel.ok("%orchestrate approve gate").printed
    kernel.until(lambda: "INTEGRATE" in cell.text)
    assert cell.printed == "from a\n"
    assert not any("widget" in name for name in cell.types)
    assert kernel.value("_orch.run.results['last']") == "1"
    assert later.printed == "later\n"


def test_a_detached_run_is_cancelled_by_a_line(kernel):
    cell = kernel.ok(DETACHED, person=True)
    assert "cancelling" in kernel.ok("%orchestrate cancel").printed
    kernel.until(lambda: "⊗ cancelled" in cell.text)
    kernel.until(lambda: "INTEGRATE" in cell.text)
    assert kernel.value("_orch.run.status.value") == "'cancelled'"


def test_a_task_of_a_detached_run_is_skipped_by_a_line_and_the_rest_goes_on(kernel):
    cell = kernel.ok(DETACHED, person=True)
    kernel.until(lambda: kernel.state("gate") == "waiting")
    assert "skipping gate" in kernel.ok("%orchestrate skip gate nobody is there").printed
    kernel.until(lambda: "INTEGRATE" in cell.text)
    assert kernel.value("_orch.run.status.value") == "'succeeded'"
    reason = kernel.value("_orch.run['gate'].reason")
    assert reason == "'skipped by %orchestrate: nobody is there'"


def test_threads_of_a_detached_run_have_names_and_do_not_hold_up_the_process(kernel):
    kernel.ok(DETACHED, person=True)
    threads = kernel.value("[(t.name, t.daemon) for t in __import__('threading').enumerate()]")
    for name in ("orch_nb-engine", "orch_nb-room", "orch_nb-detached", "orch_nb-worker"):
        assert f"('{name}', True)" in threads
    kernel.ok("%orchestrate cancel")


def test_a_line_finds_the_detached_run_that_has_its_task_or_takes_the_one_that_is_named(kernel):
    cell = (
        "%%orchestrate {0} --no-analyze --detach --name {0}\n@task(approval='?')\ndef {1}(): ...\n"
    )
    for name, task in (("north", "ice"), ("south", "sand"), ("east", "sand")):
        kernel.ok(cell.format(name, task), person=True)
    assert "skipping ice" in kernel.ok("%orchestrate skip ice").printed
    several = kernel.run("%orchestrate skip sand")
    assert "Several runs could be meant: south-1, east-1. Add --run" in several.error
    assert "skipping sand" in kernel.ok("%orchestrate skip sand --run east-1 no need").printed
    kernel.ok("from orch_nb.notebook.session import SESSION")
    kernel.until(lambda: kernel.value("list(SESSION.running())") == "['south-1']")
    kernel.ok("%orchestrate cancel --run south-1")
    assert "Run south-9 is not going on" in kernel.run("%orchestrate cancel --run south-9").error
