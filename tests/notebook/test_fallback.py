"""Where a cell can't be awaited: other magics around it, nested cells, a plain terminal."""

from __future__ import annotations

import subprocess
import sys

CELL = "%%orchestrate g --no-analyze\n@task\ndef a():\n    print('from a')\n    return 3\n"


def test_time_above_the_cell_times_it(kernel):
    cell = kernel.ok("%%time\n" + CELL)
    assert "Wall time" in cell.printed
    assert "from a" in cell.printed
    assert "INTEGRATE" in cell.text
    assert kernel.value("_orch.run.results['a']") == "3"


def test_capture_above_the_cell_captures_it(kernel):
    cell = kernel.ok("%%capture kept\n" + CELL)
    assert cell.outputs == []
    shown = kernel.ok("kept.show()")
    assert "from a" in shown.printed
    assert kernel.value("_orch.run.status.value") == "'succeeded'"


def test_a_nested_run_cell_runs_it_to_its_end(kernel):
    kernel.ok(f"get_ipython().run_cell({CELL!r})\nfound = _orch.run.results['a']")
    assert kernel.value("found") == "3"


def test_the_magics_can_be_called_by_name(kernel):
    kernel.ok(f"get_ipython().run_cell_magic('orchestrate', 'g --no-analyze', {CELL[29:]!r})")
    assert kernel.value("_orch.run.results['a']") == "3"
    assert "g-" in kernel.ok("get_ipython().run_line_magic('orchestrate', 'runs')").text


def test_an_error_of_the_body_is_shown_in_its_own_lines_here_too(kernel):
    error = kernel.run("%%time\n%%orchestrate g\nx = 1\n1 / 0\n@task\ndef a(): ...\n").error
    assert "----> 3 1 / 0" in error
    assert "/orch_nb/" not in error


def test_a_line_among_others_acts_as_well(kernel):
    kernel.ok(CELL)
    cell = kernel.ok("x = 1\n%orchestrate status\ny = 2")
    assert "✓ succeeded" in cell.text
    assert kernel.value("x + y") == "3"


def test_loading_twice_changes_nothing_and_unloading_takes_all_back(kernels):
    kernel = kernels()
    kernel.ok("%load_ext orch_nb")
    kernel.ok("%reload_ext orch_nb")
    # A print may reach the notebook in two pieces, before and after a display of another thread.
    shown = [
        [one["output_type"] for one in kernel.ok(CELL).outputs if one["output_type"] != "stream"]
        for _ in range(2)
    ]
    assert shown[0] == shown[1]
    assert kernel.value("len([t for t in get_ipython().input_transformers_cleanup "
                        "if 'orch_nb' in type(t).__module__])") == "1"  # fmt: skip
    kernel.ok("%unload_ext orch_nb")
    assert "not found" in kernel.run("%orchestrate runs").everything
    assert "retry" not in kernel.completions("%orchestrate ret")
    assert kernel.value("'__orchestrate__' in globals()") == "False"
    kernel.ok("%load_ext orch_nb")
    kernel.ok(CELL)


def test_loading_shows_nothing_in_the_persons_namespace(kernels):
    kernel = kernels()
    assert kernel.ok("%who").printed.strip() == "Interactive namespace is empty."
    assert "__orchestrate__" not in kernel.ok("%whos").printed


TERMINAL = """
get_ipython().run_line_magic("load_ext", "orch_nb")
get_ipython().run_cell('''%%orchestrate In a terminal --no-analyze
import time
@task
def a(): time.sleep(1.3); return 1
@task(retry=2)
def b(a): time.sleep(1.3); return a + 1
@task(approval="Go on?")
def gate(b): ...
''')
get_ipython().run_cell("%orchestrate approve gate")
get_ipython().run_cell("print('after', _orch.run.status)")
get_ipython().run_cell("%%orchestrate g\\n1/0\\n@task\\ndef a(): ...\\n")
get_ipython().run_cell("%orchestrate stats")
"""


def test_a_plain_terminal_runs_a_cell_with_lines_of_progress_and_a_report(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--colors=NoColor", "-c", TERMINAL],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    out = done.stdout
    assert "a: succeeded" in out
    assert "⏸ waiting" in out
    assert "In a terminal  ✓ succeeded" in out
    assert "after succeeded" in out
    assert "----> 2 1/0" in out
    assert "UsageError: `stats` is nothing" in out
    assert "/orch_nb/" not in out
    assert "<IPython.core.display" not in out
