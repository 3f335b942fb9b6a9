"""A kernel that is killed in mid-run, and the next one."""

from __future__ import annotations

# a ─┐
#    ├─ slow ─► last          each writes its name to a file when it begins
# b ─┘
CELL = """%%orchestrate Count --no-analyze --name count
import pathlib, time
def note(word): open("ran.txt", "a").write(word + "\\n")
@task
def a(): note("a"); return 1
@task
def b(): note("b"); return 2
@task
def slow(a, b):
    note("slow")
    while not pathlib.Path("go").exists(): time.sleep(0.02)
    return a + b
@task
def last(slow): note("last"); return slow
"""


def ran(kernel):
    path = kernel.folder / "ran.txt"
    return path.read_text().split() if path.exists() else []


def in_the_middle(kernel):
    cell = kernel.start(CELL)
    kernel.until(lambda: "slow" in ran(kernel))
    return cell


def killed_in_the_middle(kernel):
    in_the_middle(kernel)
    kernel.kill()
    (kernel.folder / "go").touch()


def test_the_same_cell_goes_on_and_no_task_that_succeeded_runs_twice(kernels):
    killed_in_the_middle(kernels())
    kernel = kernels()
    cell = kernel.ok(CELL)
    assert sorted(ran(kernel)) == ["a", "b", "last", "slow", "slow"]
    assert kernel.value("dict(_orch.run.results)") == "{'a': 1, 'b': 2, 'slow': 3, 'last': 3}"
    assert kernel.value("_orch.run.run_id") == "'count-1'"
    text = cell.text
    assert "Going on with run count-1, which was cut off" in text
    assert "2 of 4 tasks have ended and are kept, 2 run now" in text
    assert "was running when the process ended" in text
    assert text.index("Going on with") < text.index("EXECUTE"), "said before it runs"


def test_recover_goes_on_once_the_functions_are_defined(kernels):
    killed_in_the_middle(kernels())
    kernel = kernels()
    assert "cut off" in kernel.ok("%orchestrate runs").text
    error = kernel.run("%orchestrate recover").error
    assert "its functions are not in this kernel" in error
    assert "nothing here is called `slow`" in error
    kernel.ok(CELL.replace("--name", "--dry-run --name"))
    cell = kernel.ok("%orchestrate recover")
    assert "Going on with run count-1" in cell.text
    assert sorted(ran(kernel)) == ["a", "b", "last", "slow", "slow"]
    assert "No run of this journal was cut off" in kernel.run("%orchestrate recover").error


def test_fresh_begins_anew(kernels):
    killed_in_the_middle(kernels())
    kernel = kernels()
    cell = kernel.ok(CELL.replace("--name", "--fresh --name"))
    assert sorted(ran(kernel)) == ["a", "a", "b", "b", "last", "slow", "slow"]
    assert kernel.value("_orch.run.run_id") == "'count-2'"
    assert "Going on with" not in cell.text


def test_a_cell_that_was_changed_begins_anew(kernels):
    killed_in_the_middle(kernels())
    kernel = kernels()
    kernel.ok(CELL.replace("def last(slow)", "def final(slow)"))
    assert kernel.value("_orch.run.run_id") == "'count-2'"


def test_a_run_that_a_live_kernel_works_on_is_left_to_it(kernels):
    first, second = kernels(), kernels()
    cell = in_the_middle(first)
    assert "No run of this journal was cut off" in second.run("%orchestrate recover").error
    error = second.run("%orchestrate recover count-1").error
    assert error.startswith("RunHeld: ")
    other = second.start(CELL)
    second.until(lambda: ran(second).count("slow") == 2)
    (first.folder / "go").touch()
    first.finish(cell)
    second.finish(other)
    assert second.value("_orch.run.run_id") == "'count-2'", "a run of its own"
    assert first.value("_orch.run.status.value") == "'succeeded'"
    assert sorted(ran(first)) == ["a", "a", "b", "b", "last", "last", "slow", "slow"]


def test_a_gate_that_waited_when_the_kernel_died_still_waits(kernels):
    gate = (
        "%%orchestrate --no-analyze --name gate\ngoal: g\ntasks:\n"
        '  a: {sh: "echo a >> ran.txt"}\n'
        '  gate: {approval: "?", needs: [a]}\n'
        '  b: {sh: "echo b >> ran.txt", needs: [gate]}\n'
    )
    first = kernels()
    first.start(gate, person=True)
    first.until(lambda: first.state("gate") == "waiting")
    first.kill()
    kernel = kernels()
    cell = kernel.start(gate, person=True)
    kernel.wish("approve", "gate")
    kernel.finish(cell)
    assert ran(kernel) == ["a", "b"]
