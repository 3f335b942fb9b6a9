"""Tasks that are notebooks, executed by real kernels: what goes in, what comes out, what can fail.

[ parameters ]  ◄─ injected ─  kwargs
[ cells ... ]   ─ stdout, stderr ─► log
[ scrap(...) ]  ─ scraps ─► result          executed notebook ─► .orch_nb/notebooks/RUN/TASK-N
"""

from __future__ import annotations

import asyncio
import enum
import json
import os
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from orch_nb.engine.clock import SystemClock
from orch_nb.engine.ports import AttemptRequest, Setting
from orch_nb.executors import notebook_file
from orch_nb.executors.notebook import NotebookExecutor
from orch_nb.model.task import Task
from orch_nb.notebook.scrap import scrap

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")


class Bench:
    """Notebooks of a workspace, executed; `.logs` what their cells printed."""

    def __init__(self, workspace: Path):
        self.workspace = workspace
        self.executor = NotebookExecutor()
        self.logs: dict[str, list[tuple[str, str]]] = {}
        self.pids: dict[str, int] = {}
        self.outcomes: dict = {}
        self._came = threading.Condition()
        asyncio.run(self._start())

    async def _start(self):
        self.executor.start(SystemClock(), 8)

    def write(self, *cells, name="book.ipynb", **metadata):
        """Each cell its source, or (its source, its tags)."""
        made = []
        for cell in cells:
            source, tags = cell if isinstance(cell, tuple) else (cell, [])
            source = textwrap.dedent(source).strip()
            made.append(nbformat.v4.new_code_cell(source, metadata={"tags": tags} if tags else {}))
        path = self.workspace / name
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=metadata), path)
        return name

    def submit(self, task, name="book.ipynb", attempt=1, item=None, index=None, **kwargs):
        def log(task, attempt, stream, text):
            self.logs.setdefault(task, []).append((stream, text))

        def process(task, attempt, pid):
            self.pids[task] = pid

        setting = Setting(
            run_id="nightly-1", params={"region": "EU"}, workspace=str(self.workspace), log=log,
            process=process,
        )  # fmt: skip
        request = AttemptRequest(
            Task(id="book", notebook=name), task, attempt, setting, (), kwargs, "", index, item
        )
        self.executor.submit([request], self._report)

    def _report(self, outcomes):
        with self._came:
            self.outcomes.update((one.key[0], one) for one in outcomes)
            self._came.notify_all()

    def wait(self, *tasks, within_s=30.0):
        with self._came:
            assert self._came.wait_for(lambda: set(tasks) <= set(self.outcomes), within_s)
        return [self.outcomes[task] for task in tasks]

    def run(self, *cells, **fields):
        self.write(*cells)
        self.submit("book", **fields)
        return self.wait("book")[0]

    def executed(self, task="book", attempt=1):
        path = self.workspace / notebook_file.executed_path("nightly-1", task, attempt)
        return nbformat.read(path, as_version=4)

    def until(self, text, task="book", within_s=30.0):
        deadline = time.monotonic() + within_s
        while text not in "".join(t for _, t in self.logs.get(task, [])):
            assert time.monotonic() < deadline, self.logs
            time.sleep(0.02)


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.executor.stop()


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"


def gone(pid, within_s=5.0):
    deadline = time.monotonic() + within_s
    while alive(pid):
        assert time.monotonic() < deadline, "the process is still there"
        time.sleep(0.02)


# -- a notebook that succeeds


def test_parameters_go_in_and_the_executed_notebook_prints_and_scraps_come_out(bench, tmp_path):
    outcome = bench.run(
        ("region = 'none'\nrows = 0", ["parameters"]),
        "import sys\nprint(region, rows)\nprint('careful', file=sys.stderr)",
        "from orch_nb.notebook.scrap import scrap\nscrap('rows', rows * 2)\n"
        "scrap('region', region)",
        "import os, sys\nscrap_env = [os.environ['ORCH_TASK'], os.environ['ORCH_PARAM_REGION']]\n"
        "print(os.getcwd(), sys.prefix, *scrap_env)",
        region="EU",
        rows=[1, 2],
    )
    assert outcome.failure is None, outcome.failure
    assert outcome.value == {
        "notebook": ".orch_nb/notebooks/nightly-1/book-1.ipynb",
        "scraps": {"rows": [1, 2, 1, 2], "region": "EU"},
    }
    cells = nbformat.read(tmp_path / outcome.value["notebook"], as_version=4).cells
    assert cells[1].source == "# Parameters\nregion = 'EU'\nrows = [1, 2]"
    assert cells[1].metadata.tags == ["injected-parameters"]
    assert cells[2].outputs[0].text == "EU [1, 2]\n"
    assert ("stdout", "EU [1, 2]\n") in bench.logs["book"]
    assert ("stderr", "careful\n") in bench.logs["book"]
    assert ("stdout", f"{tmp_path} {sys.prefix} book EU\n") in bench.logs["book"]
    assert bench.pids["book"] > 0
    gone(bench.pids["book"])


def test_several_at_once_each_in_its_own_folder_with_its_own_kernel(bench):
    for name in ("a", "b", "c"):
        book = bench.write("import os\nprint(os.getcwd(), os.getpid())", name=f"{name}/x.ipynb")
        bench.submit(name, book)
    outcomes = bench.wait("a", "b", "c")
    assert [outcome.failure for outcome in outcomes] == [None] * 3
    told = {name: bench.logs[name][0][1].split() for name in ("a", "b", "c")}
    assert {name: Path(folder).name for name, (folder, _) in told.items()} == {
        "a": "a", "b": "b", "c": "c",
    }  # fmt: skip
    assert len({pid for _, pid in told.values()}) == 3


def test_the_kernel_is_of_this_python_whatever_python3_means_on_this_machine(
    bench, tmp_path, monkeypatch
):
    spec = tmp_path / "data" / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(
        json.dumps({"argv": ["/bin/false"], "display_name": "other", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "data"))
    bench.write("print(1)", kernelspec={"name": "python3", "display_name": "Python 3"})
    bench.submit("book")
    assert bench.wait("book")[0].failure is None


def test_an_old_notebook_is_read_as_what_it_is(bench, tmp_path):
    old = {
        "nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""},
        "worksheets": [{"metadata": {}, "cells": [
            {"cell_type": "code", "input": ["print('from long ago')"], "outputs": [],
             "language": "python", "collapsed": False, "metadata": {}},
        ]}],
    }  # fmt: skip
    (tmp_path / "old.ipynb").write_text(json.dumps(old))
    bench.submit("book", "old.ipynb")
    assert bench.wait("book")[0].failure is None
    assert bench.logs["book"] == [("stdout", "from long ago\n")]


# -- a notebook that fails


def test_an_error_names_its_cell_its_class_and_its_bases_and_is_left_in_the_notebook(bench):
    outcome = bench.run(
        "class Own(LookupError): pass",
        "def inner():\n    raise Own('no such \\x1b[31mthing')\ninner()",
        "print('not reached')",
    )
    failure = outcome.failure
    assert failure.type == "Own"
    assert failure.message == (
        "no such thing (cell 2, In [2], of .orch_nb/notebooks/nightly-1/book-1.ipynb)"
    )
    assert failure.kinds == ("__main__.Own", "LookupError", "Exception", "BaseException")
    assert "raise Own(" in failure.traceback
    assert "\x1b" not in failure.traceback
    executed = bench.executed()
    assert executed.cells[1].outputs[0].ename == "Own"
    assert executed.cells[2].outputs == []
    gone(bench.pids["book"])


@pytest.mark.parametrize("source", ["import sys\nsys.exit(0)", "raise KeyboardInterrupt", "1 +"])
def test_what_is_no_ordinary_exception_is_a_failure_too(bench, source):
    failure = bench.run(source).failure
    assert failure.type in ("SystemExit", "KeyboardInterrupt", "SyntaxError")
    assert failure.kinds[0] == failure.type
    assert "BaseException" in failure.kinds


def test_input_is_refused_and_not_waited_for(bench):
    assert "input" in bench.run("input('yes?')").failure.message


def test_a_kernel_that_dies_is_a_failure_that_says_how(bench):
    outcome = bench.run(
        "print('last words')", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    assert outcome.failure.type == "KernelDied"
    assert outcome.failure.message == "The kernel died in cell 2 (killed by SIGKILL)"
    assert bench.executed().cells[0].outputs[0].text == "last words\n"


def test_a_kernel_that_cannot_start_says_why(bench, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", "/proc/nowhere")
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    outcome = bench.run("print(1)")
    assert outcome.failure.type == "KernelDied"
    assert "before the first cell" in outcome.failure.message
    assert "encodings" in outcome.failure.message  # of the interpreter's own complaint


def test_a_kernel_that_is_not_installed_is_named_with_those_that_are(bench):
    bench.write("print(1)", kernelspec={"name": "julia-9.9", "display_name": "Julia"})
    bench.submit("book")
    failure = bench.wait("book")[0].failure
    assert "`julia-9.9`, which is not installed here" in failure.message
    assert "python3" in failure.message


def test_no_such_notebook_and_no_notebook_at_all(bench, tmp_path):
    (tmp_path / "text.ipynb").write_text("print('hello')")
    (tmp_path / "json.ipynb").write_text('{"a": 1}')
    for name in ("missing.ipynb", "text.ipynb", "json.ipynb"):
        bench.submit(name, name)
    missing, text, other = bench.wait("missing.ipynb", "text.ipynb", "json.ipynb")
    assert missing.failure.type == "FileNotFoundError"
    assert "there is no notebook" in missing.failure.message
    assert "text.ipynb is not a notebook that can be read" in text.failure.message
    assert "json.ipynb is not a notebook that can be read" in other.failure.message


def test_without_a_kernel_package_the_pip_line_is_told():
    code = """
        import sys
        sys.modules["nbclient"] = None
        from orch_nb.executors.notebook import require_notebook
        try:
            require_notebook()
        except ImportError as error:
            print(type(error).__name__, error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True
    )
    assert done.stdout.startswith("MissingExtra")
    assert "pip install 'orch_nb[notebook]'" in done.stdout


# -- stopping


def test_cancelling_kills_the_kernel_and_what_it_started_at_once(bench):
    bench.write(
        "import subprocess, time\nchild = subprocess.Popen(['sleep', '100'])\n"
        "print('child', child.pid, flush=True)",
        "print('sleeping', flush=True)\ntime.sleep(100)",
    )
    bench.submit("book")
    bench.until("sleeping")
    child = int(bench.logs["book"][0][1].split()[1])
    assert bench.executor.cancel(("book", 1)) is True
    (outcome,) = bench.wait("book", within_s=3)
    assert outcome.cancelled
    assert outcome.failure is None
    gone(bench.pids["book"])
    gone(child)
    assert bench.executed().cells[0].outputs[0].text.startswith("child")


def test_cancelling_before_the_kernel_is_up_is_heeded(bench):
    bench.write("open('ran', 'w')")
    bench.submit("book")
    assert bench.executor.cancel(("book", 1)) is True
    (outcome,) = bench.wait("book", within_s=10)
    assert outcome.cancelled
    assert not (bench.workspace / "ran").exists()


def test_cancelling_what_is_not_there_is_no_error(bench):
    assert bench.executor.cancel(("nobody", 1)) is False


def test_stopping_the_executor_leaves_no_kernel(bench):
    bench.write("import time\nprint('on', flush=True)\ntime.sleep(100)")
    bench.submit("book")
    bench.until("on")
    bench.executor.stop()
    gone(bench.pids["book"])
    bench.wait("book", within_s=3)


# -- parameters


class Level(enum.StrEnum):
    HIGH = "high"


class Number(enum.IntEnum):
    ONE = 1


def numpy_number():
    return pytest.importorskip("numpy").float32(0.5)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"), (True, "True"), (-3, "-3"), (2.5, "2.5"), ("it's\n", '"it\'s\\n"'),
        (b"\x00", "b'\\x00'"), (1j, "1j"), (float("nan"), "float('nan')"),
        (float("-inf"), "float('-inf')"), ([], "[]"), ((1,), "(1,)"), ((), "()"),
        ({1}, "{1}"), (set(), "set()"), (frozenset({1}), "frozenset({1})"),
        ({"a": [1, (2, "b")]}, "{'a': [1, (2, 'b')]}"), (Level.HIGH, "'high'"), (Number.ONE, "1"),
    ],
)  # fmt: skip
def test_a_literal_gives_its_value_again(value, text):
    assert notebook_file.literal(value) == text
    again = eval(text)
    assert again == value or value != value


def test_a_number_of_numpy_is_a_number():
    assert notebook_file.literal(numpy_number()) == "0.5"


@pytest.mark.parametrize("value", [object(), print, Path("x"), [object()], {"a": {object()}}])
def test_a_value_without_a_literal_fails_the_attempt_by_the_parameters_name(bench, value):
    failure = bench.run("print(1)", table=value).failure
    assert failure.type == "ValueError"
    assert "parameter `table` cannot be given to a notebook" in failure.message
    assert "write the value to a file and pass its path" in failure.message
    assert bench.logs == {}


def test_values_that_are_endless_or_huge_and_names_that_are_none_are_said():
    endless: list = []
    endless.append(endless)
    book = nbformat.v4.new_notebook()
    for parameters, told in (
        ({"x": endless}, "holds itself"),
        ({"x": "y" * 2_000_000}, "2,000,002 characters long"),
        ({"my-name": 1}, "`my-name` cannot be a parameter"),
        ({"class": 1}, "`class` cannot be a parameter"),
    ):
        with pytest.raises(ValueError, match=told):
            notebook_file.inject(book, parameters)
    assert book.cells == []


def book_of(*cells):
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(s, metadata={"tags": tags}) for s, tags in cells]
    )


def test_where_parameters_are_injected_is_papermills_convention():
    after = book_of(("import x", []), ("a = 1", ["parameters"]), ("a", []))
    notebook_file.inject(after, {"a": 2})
    assert [cell.source for cell in after.cells] == [
        "import x",
        "a = 1",
        "# Parameters\na = 2",
        "a",
    ]
    notebook_file.inject(after, {"a": 3})  # one that was executed before
    assert [cell.source for cell in after.cells] == [
        "import x",
        "a = 1",
        "# Parameters\na = 3",
        "a",
    ]
    top = book_of(("a", []))
    notebook_file.inject(top, {"a": 2})
    assert [cell.source for cell in top.cells] == ["# Parameters\na = 2", "a"]
    untouched = book_of(("a", []))
    notebook_file.inject(untouched, {})
    assert [cell.source for cell in untouched.cells] == ["a"]


def test_a_parameter_that_the_notebook_does_not_know_is_told_and_set():
    known = book_of(("region: str = 'EU'\nrows=1\nif rows == 2: pass", ["parameters"]))
    assert notebook_file.inject(known, {"region": "US", "rows": 2, "regoin": 3}) == ["regoin"]
    assert notebook_file.inject(book_of(("x", [])), {"anything": 1}) == []


# -- files and scraps


def test_each_attempt_of_each_instance_has_a_file_of_its_own():
    path = notebook_file.executed_path
    assert path("r-1", "load", 2) == ".orch_nb/notebooks/r-1/load-2.ipynb"
    names = ["fetch[3]", "fetch-3", "compensate(fetch)", "a/b", "a b", "../x", "..", "größe"]
    paths = {path("r", name, 1) for name in names}
    assert len(paths) == len(names)
    for made in paths:
        assert Path(made).parts[:3] == (".orch_nb", "notebooks", "r")
        assert len(Path(made).parts) == 4


def test_scraps_that_scrapbook_left_are_read_and_ours_are_those_of_scrapbook(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.core.interactiveshell.InteractiveShell.initialized", lambda: True)
    monkeypatch.setattr(
        "IPython.display.publish_display_data",
        lambda data, metadata: shown.append(
            nbformat.v4.new_output("display_data", data=data, metadata=metadata)
        ),
    )
    scrap("rows", {"EU": [1, 2.5, None]})
    scrap("rows", 3)
    scrap("name", "x")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=shown)])
    text = {"name": "log", "data": "done", "encoder": "text", "version": 1}
    plain = nbformat.v4.new_output("display_data", data={"text/plain": "x"})
    glued = nbformat.v4.new_output(
        "display_data", data={"application/scrapbook.scrap.text+json": text}
    )
    book.cells.append(nbformat.v4.new_code_cell("", outputs=[plain, glued]))
    assert notebook_file.scraps(book) == {"rows": 3, "name": "x", "log": "done"}
    assert shown[0].data["application/scrapbook.scrap.json+json"] == {
        "name": "rows", "data": {"EU": [1, 2.5, None]}, "encoder": "json", "version": 1,
    }  # fmt: skip
    assert shown[0].metadata == {"scrapbook": {"name": "rows", "data": True, "display": False}}


@pytest.mark.parametrize("value", [object(), float("nan"), {1, 2}, b"x"])
def test_what_json_cannot_hold_is_no_scrap(value):
    with pytest.raises(TypeError, match=r"scrap: `rows` cannot be kept as JSON.*keep its path"):
        scrap("rows", value)


def test_outside_of_a_notebook_a_scrap_is_only_judged(capsys):
    scrap("rows", [1])
    assert capsys.readouterr() == ("", "")
