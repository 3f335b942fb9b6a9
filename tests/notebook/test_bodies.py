"""What a cell's body may be, and what its author is told when it is broken."""

from __future__ import annotations

import re

import pytest

PYTHON = """%%orchestrate Add up --no-analyze
@task
def one(): return 1
@task
def two(): return 2
@task
def total(one, two): return one + two
"""


def test_functions_are_tasks_and_parameters_are_dependencies(kernel):
    cell = kernel.ok(PYTHON)
    # one ─┐
    #      ├─ total
    # two ─┘
    assert kernel.value("dict(_orch.run.results)") == "{'one': 1, 'two': 2, 'total': 3}"
    assert "✓ succeeded" in cell.text


def test_a_python_body_may_await_at_its_top_level(kernel):
    kernel.ok(
        "%%orchestrate g --no-analyze\n"
        "import asyncio\n"
        "found = await asyncio.sleep(0.01, 41)\n"
        "@task\n"
        "async def answer(): return found + 1\n"
    )
    assert kernel.value("_orch.run.results['answer']") == "42"


def test_a_yaml_body_runs_commands_and_functions_of_earlier_cells(kernel):
    kernel.ok("def shout(word): return word.upper()")
    kernel.ok(
        "%%orchestrate --no-analyze\n"
        "goal: Shout\n"
        "tasks:\n"
        '  word:  {sh: "echo hello"}\n'
        "  shout: {run: shout, needs: [word]}\n"
    )
    assert kernel.value("dict(_orch.run.results)") == "{'word': 'hello', 'shout': 'HELLO'}"


def test_a_goal_in_words_is_drafted_and_nothing_runs(kernel):
    cell = kernel.ok("%%orchestrate\nRelease the next version of this library to PyPI.\n")
    for phase in ("ANALYZE", "RESEARCH", "DECOMPOSE"):
        assert phase in cell.text
    assert "EXECUTE" not in cell.text
    assert "nothing has run" in cell.everything.lower()
    assert kernel.value("_orch.run, _orch.kind") == "(None, 'goal')"


@pytest.mark.parametrize("body", ["", "\n", "\n\n   \n", "\n# a comment\n"])
def test_an_empty_body_is_an_error_that_says_what_may_stand_there(kernel, body):
    error = kernel.run(f"%%orchestrate g{body}").error
    assert error.startswith("PlanError: The cell is empty.")
    assert "@task" in error


def test_as_decides_what_the_body_is(kernel):
    kernel.ok("%%orchestrate --as goal --no-analyze\ngoal: Release it\n")
    assert kernel.value("_orch.kind") == "'goal'"
    assert "line 2" in kernel.run("%%orchestrate --as yaml\ndef f(): ...\n").error
    assert "PlanError" in kernel.run("%%orchestrate --as python\ngoal: x\n").error
    assert "'python', 'yaml', 'goal'" in kernel.run("%%orchestrate --as xml\nx\n").error


def test_out_names_the_operation_as_well_as_orch(kernel):
    kernel.ok("%%orchestrate --out sums --no-analyze\n" + PYTHON.split("\n", 1)[1])
    assert kernel.value("sums is _orch, sums.run.results['total']") == "(True, 3)"


# -- options ---------------------------------------------------------------------------------------


def test_words_of_the_goal_and_options_stand_in_any_order(kernel):
    kernel.ok(
        "%%orchestrate --no-analyze Publish the week's --workers 3 sales, don't \"wait\"\n"
        "@task\ndef a(): ...\n"
    )
    assert kernel.value("_orch.plan.goal") == repr("Publish the week's sales, don't wait")
    assert kernel.value("_orch.run.options.workers") == "3"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("--wrokers 3", "Did you mean `--workers`?"),
        ("--workers 0", "--workers takes a whole number of at least 1"),
        ("--workers many", "--workers"),
        ("--executor quantum", "threads"),
        ("--from nothing", "There is no plan named `nothing`"),
        ("--approve gone", "`gone` is no gate"),
        ("--workers", "expected one argument"),
    ],
)
def test_a_wrong_option_is_a_message_and_runs_nothing(kernel, options, told):
    kernel.ok("ran = False")
    cell = kernel.run(
        f"%%orchestrate g --no-analyze {options}\n@task\ndef a():\n    global ran; ran = True\n"
    )
    assert cell.error.startswith("UsageError: ")
    assert told in cell.error
    assert "Traceback" not in cell.error
    assert kernel.value("ran") == "False"


# -- what is wrong, and where ----------------------------------------------------------------------


def test_an_error_at_the_top_of_the_body_is_shown_in_its_own_lines_only(kernel):
    error = kernel.run(
        "%%orchestrate g\nimport math\ndef helper():\n    return math.log(0)\nhelper()\n"
        "@task\ndef a(): ...\n"
    ).error
    assert "----> 5 helper()" in error
    assert "----> 4     return math.log(0)" in error
    assert "ValueError: math domain error" in error
    assert "orch_nb" not in error
    assert "__orchestrate__" not in error


def test_an_error_after_a_top_level_await_is_shown_in_its_own_lines_only(kernel):
    error = kernel.run(
        "%%orchestrate g\nimport asyncio\nawait asyncio.sleep(0)\n1 / 0\n@task\ndef a(): ...\n"
    ).error
    assert "----> 4 1 / 0" in error
    assert "orch_nb" not in error


def test_a_syntax_error_has_the_line_of_the_cell(kernel):
    error = kernel.run("%%orchestrate g\nx = 1\ndef f(:\n    pass\n").error
    assert error.startswith("PlanError: line 3: This is not Python")


def test_a_task_that_raises_is_told_with_its_line_and_without_our_frames(kernel):
    cell = kernel.ok("%%orchestrate g --no-analyze\n@task\ndef a():\n    return 1 / 0\n")
    assert "line 4, in a" in cell.text
    assert "ZeroDivisionError: division by zero" in cell.text
    assert "/orch_nb/" not in cell.everything


def test_every_fault_of_a_plan_is_told_at_once_with_its_line_and_nothing_runs(kernel):
    cell = kernel.run(
        "%%orchestrate\n"
        "goal: g\n"
        "tasks:\n"
        '  a: {sh: "touch ran.txt", needs: [c]}\n'
        '  b: {sh: "touch ran.txt", timeout: soon}\n'
        '  c: {sh: "touch ran.txt", needs: [a]}\n'
        '  d: {sh: "touch ran.txt", needs: [bb]}\n'
    )
    assert cell.reply["status"] == "error"
    assert "nothing was run" in cell.error
    assert "is a cycle" in cell.error
    assert "line 5:" in cell.error
    assert "line 7: `d` needs `bb`, which is no task. Did you mean `b`?" in cell.error
    assert "Traceback" not in cell.error
    assert not (kernel.folder / "ran.txt").exists()
    assert cell.html == ""


def test_a_cycle_of_parameters_names_its_tasks_in_order(kernel):
    error = kernel.run(
        "%%orchestrate g\n@task\ndef a(c): ...\n@task\ndef b(a): ...\n@task\ndef c(b): ...\n"
    ).error
    assert "is a cycle" in error
    assert "orch_nb" not in error


SCRIPT = "<script>alert(1)</script>"


def test_names_titles_results_and_errors_are_text_wherever_they_are_shown(kernel):
    (kernel.folder / "words.txt").write_text(SCRIPT)
    cell = kernel.ok(
        f'%%orchestrate --no-analyze --name "{SCRIPT}"\n'
        f'goal: "{SCRIPT}"\n'
        "stories:\n"
        f'  "{SCRIPT}":\n'
        "    tasks:\n"
        f'      a: {{title: "{SCRIPT}", description: "{SCRIPT}", sh: "cat words.txt"}}\n'
        f'      b: {{sh: "cat words.txt >&2; exit 3", owner: "{SCRIPT}"}}\n'
        f'      c: {{approval: "{SCRIPT}"}}\n'
    )
    assert "alert(" in cell.html
    assert "<script" not in cell.html.lower()
    assert "<script" not in re.sub(r"`[^`]*`", "", cell.of("text/markdown")), "code is literal"
    shown = kernel.ok("%orchestrate open").html + kernel.ok("%orchestrate runs").html
    assert "alert(" in shown
    assert "<script" not in shown.lower()


def test_a_draft_of_a_goal_with_markup_shows_it_as_text(kernel):
    cell = kernel.ok(f"%%orchestrate --as goal\nRelease {SCRIPT} to PyPI\n")
    assert "<script" not in cell.html.lower()


# -- ways to run -----------------------------------------------------------------------------------


def test_a_dry_run_plans_and_shows_and_runs_nothing(kernel):
    cell = kernel.ok(
        "%%orchestrate g --no-analyze --dry-run\n@task\ndef a(): open('dry.txt', 'w')\n"
    )
    assert "nothing has run" in cell.text
    assert kernel.value("_orch.run") == "None"
    assert not (kernel.folder / "dry.txt").exists()


def test_a_failed_run_raises_only_if_asked(kernel):
    failing = "@task\ndef a(): raise ValueError('no')\n"
    assert kernel.ok("%%orchestrate g --no-analyze\n" + failing).error == ""
    error = kernel.run("%%orchestrate g --no-analyze --raise\n" + failing).error
    assert error.startswith("TaskFailed: ")
    assert "a: ValueError: no" in error
    assert "Traceback" not in error


def test_a_run_that_is_asked_to_raise_still_shows_its_report(kernel):
    cell = kernel.run("%%orchestrate g --no-analyze --raise\n@task\ndef a(): 1 / 0\n")
    assert "INTEGRATE" in cell.text


def test_without_no_analyze_a_plan_has_its_first_two_phases(kernel):
    cell = kernel.ok("%%orchestrate Release the library\n@task\ndef a(): ...\n")
    for phase in ("ANALYZE", "RESEARCH", "DECOMPOSE", "EXECUTE", "INTEGRATE"):
        assert phase in cell.text
    assert kernel.value("_orch.analysis is None, _orch.research is None") == "(False, False)"
    kernel.ok("%%orchestrate g --no-analyze\n@task\ndef a(): ...\n")
    assert kernel.value("_orch.analysis, _orch.research") == "(None, None)"


def test_runs_of_a_name_are_numbered(kernel):
    for _ in range(2):
        kernel.ok("%%orchestrate g --no-analyze --name nightly\n@task\ndef a(): ...\n")
    assert kernel.value("_orch.run.run_id") == "'nightly-2'"


def test_a_plan_of_thousands_of_tasks_is_run_and_told_briefly(kernel):
    rows = "".join(f"  t{n}: {{needs: [{f't{n - 10}' if n >= 10 else ''}]}}\n" for n in range(5000))
    cell = kernel.ok("%%orchestrate --no-analyze\ngoal: Many\ntasks:\n" + rows)
    assert "5,000 of 5,000 tasks succeeded" in cell.text
    assert len(cell.html) < 1_000_000


# -- where prints land -----------------------------------------------------------------------------


def test_prints_of_tasks_land_in_their_cell(kernel):
    cell = kernel.ok(
        "%%orchestrate g --no-analyze\n"
        "import asyncio, sys, threading\n"
        "@task\n"
        "def in_a_thread(): print('sync')\n"
        "@task\n"
        "async def on_the_loop():\n"
        "    await asyncio.sleep(0.1)\n"
        "    print('async')\n"
        "@task\n"
        "def in_a_thread_of_its_own():\n"
        "    t = threading.Thread(target=lambda: print('own')); t.start(); t.join()\n"
        "@task\n"
        "def to_stderr(): print('stderr', file=sys.stderr)\n"
    )
    later = kernel.ok("print('the next cell')")
    # print() writes a line in two pieces, and another thread's may come in between.
    found = re.findall("async|own|stderr|sync", cell.printed)
    assert sorted(found) == ["async", "own", "stderr", "sync"]
    assert later.printed == "the next cell\n"
