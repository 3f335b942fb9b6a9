"""What tasks print, in the cell that runs them and afterwards, and what must not be seen there."""

from __future__ import annotations

import json

import pytest

NAMED = "hunter2-Zq9!x"
TOKEN = "ghp_" + "aB3" * 12
MARKS = "‹secret DB_PASSWORD› ‹secret GitHub token›"

TALK = f"""%%orchestrate Talk --no-analyze --secret DB_PASSWORD
import asyncio, logging, os, sys
logging.getLogger("talk").setLevel("INFO")
@task
def plain():
    "Uses {TOKEN}"
    print("plain", os.environ["DB_PASSWORD"], "ghp_" + "aB3" * 12)
    print("warned", file=sys.stderr)
    return os.environ["DB_PASSWORD"]
@task
async def coroutine(plain):
    print("coroutine", len(plain))
    await asyncio.sleep(0)
    logging.getLogger("talk").info("logged by a handler of before")
@task(needs=["coroutine"], required=False)
def fails():
    raise ValueError("no " + os.environ["DB_PASSWORD"])
"""


@pytest.fixture
def talk(kernel):
    kernel.ok(f"import os, logging\nos.environ['DB_PASSWORD'] = {NAMED!r}\nlogging.basicConfig()")
    return kernel


@pytest.mark.parametrize("person", [False, True])
def test_prints_land_in_the_cell_and_in_the_log_and_nothing_of_a_secret_in_either(talk, person):
    cell = talk.ok(TALK, person=person)
    assert f"plain {MARKS}\n" in cell.printed
    assert "warned\n" in cell.printed
    assert "coroutine 13\n" in cell.printed, "who needs a secret result gets it"
    assert "INFO:talk:logged by a handler of before\n" in cell.printed
    saved = json.dumps(cell.outputs, ensure_ascii=False)
    assert (NAMED in saved, TOKEN in saved) == (False, False)
    assert "‹secret DB_PASSWORD›" in cell.html
    assert talk.value("len(_orch.run.results['plain'])") == "13"
    shown = [talk.ok(line) for line in ("_orch.run", "_orch.report", "_orch.plan", "_orch.run.df")]
    assert not [cell for cell in shown if NAMED in json.dumps(cell.outputs)]


def test_the_log_of_a_task_or_of_all_of_them_is_shown_afterwards(talk):
    talk.ok(TALK)
    assert talk.ok("%orchestrate log plain").printed == f"plain {MARKS}\nwarned\n"
    assert talk.ok("%orchestrate log").printed.splitlines() == [
        f"plain | plain {MARKS}", "plain | warned", "coroutine | coroutine 13",
        "coroutine | INFO:talk:logged by a handler of before",
    ]  # fmt: skip
    assert talk.ok("%orchestrate log fails").printed == "fails has printed nothing.\n"
    assert "Did you mean `plain`?" in talk.run("%orchestrate log plan").error


def test_the_streams_of_the_kernel_are_its_own_again_afterwards(talk):
    before = talk.value("type(__import__('sys').stdout).__name__")
    talk.ok(TALK)
    assert talk.value("type(__import__('sys').stdout).__name__") == before
    assert talk.ok("print('on its own')").printed == "on its own\n"


def test_a_name_that_is_nothing_is_told_before_anything_runs(talk):
    error = talk.run(TALK.replace("--secret DB_PASSWORD", "--secret DB_PASSWORT")).error
    assert "DB_PASSWORT is neither set" in error
    assert "Did you mean `DB_PASSWORD`?" in error


CUT = f"""%%orchestrate --name cut --no-analyze --secret DB_PASSWORD
import os, time
@task
def one():
    "with {TOKEN}"
    open("ones.txt", "a").write("1")
@task
def two(one):
    if not os.path.exists("cut"):
        open("cut", "w").close()
        time.sleep(60)
    return os.environ["DB_PASSWORD"]
"""


def test_a_cell_that_was_cut_off_goes_on_though_its_plan_has_a_secret(kernels):
    first = kernels()
    first.ok(f"import os; os.environ['DB_PASSWORD'] = {NAMED!r}")
    first.start(CUT)
    first.until((first.folder / "cut").exists)
    first.kill()
    second = kernels()
    second.ok(f"import os; os.environ['DB_PASSWORD'] = {NAMED!r}")
    cell = second.ok(CUT)
    assert "✓ succeeded" in cell.text
    assert (second.folder / "ones.txt").read_text() == "1"
    assert second.value("_orch.run.resumed") == "1"


SPOKEN = """%%orchestrate Speak --no-analyze --detach
import time
@task
def {name}():
    for n in range(20):
        print("{name}", n)
        time.sleep(0.02)
@task
async def {name}_too():
    import asyncio
    for n in range(20):
        print("{name}_too", n)
        await asyncio.sleep(0.02)
"""


def test_prints_of_detached_runs_land_each_in_its_own_cell_while_other_cells_print(talk):
    cells = {name: talk.ok(SPOKEN.format(name=name)) for name in ("one", "two")}
    for n in range(5):
        assert talk.ok(f"import time; time.sleep(0.05); print('cell {n}')").printed == f"cell {n}\n"
    for name, cell in cells.items():
        expected = sorted(f"{who} {n}" for who in (name, f"{name}_too") for n in range(20))
        talk.until(lambda: sorted(cell.printed.splitlines()) == expected)  # noqa: B023


def test_a_line_that_has_not_ended_is_shown_while_its_task_runs(talk):
    body = "@task\ndef slow():\n    import time\n    print('working', end='')\n"
    cell = talk.start(
        f"%%orchestrate Slow --no-analyze\n{body}    time.sleep(2)\n    print(' done')"
    )
    talk.until(lambda: cell.printed == "working")
    talk.finish(cell)
    assert cell.printed == "working done\n"
