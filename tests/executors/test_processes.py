"""Worker processes: what dies, what is killed, what is sent, and that nothing is left behind."""

from __future__ import annotations

import asyncio
import ctypes
import functools
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import types
from pathlib import Path

import psutil
import pytest

from orch_nb.executors import worker_process
from orch_nb.model.task import Task

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def bench(bench_of):
    return bench_of("processes")


def run(bench, function, *args, **fields):
    return bench(Task(id="a", run=function), args=args, **fields)["a"]


def children():
    found = psutil.Process().children(recursive=True)
    return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]


def gone(pid, within_s=5.0):
    until = time.monotonic() + within_s
    while alive(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return not alive(pid)


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def as_in_a_notebook(code, **names):
    """The namespace of `__main__` after this cell."""
    scope = {"__name__": "__main__", **names}
    exec(textwrap.dedent(code), scope)
    return scope


# -- where it runs


def test_it_runs_in_another_process_in_its_main_thread(bench):
    def function():
        return os.getpid(), threading.current_thread() is threading.main_thread()

    pid, in_main = run(bench, function).value
    assert pid != os.getpid()
    assert in_main


def test_short_attempts_are_no_reason_for_many_processes(bench):
    outcomes = bench(*(Task(id=f"t{n}", run=os.getpid) for n in range(300)), workers=16)
    # One, but where the machine is so busy that a process stands still for long.
    assert len({outcome.value for outcome in outcomes.values()}) <= 4


def slow():
    time.sleep(0.4)
    return os.getpid()


def test_long_ones_have_one_each(bench):
    outcomes = bench(*(Task(id=f"t{n}", run=slow) for n in range(8)), workers=4)
    assert len({outcome.value for outcome in outcomes.values()}) == 4


def test_the_folder_the_path_and_the_environment_are_ours(bench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORCH_NB_TEST", "seen")
    monkeypatch.syspath_prepend(str(tmp_path / "lib"))

    def function():
        return str(Path.cwd()), os.environ["ORCH_NB_TEST"], sys.path[0]

    assert run(bench, function).value == (
        str(tmp_path.resolve()), "seen", str(tmp_path / "lib"),
    )  # fmt: skip


def test_a_module_beside_the_notebook_is_imported_there(bench, tmp_path, monkeypatch):
    (tmp_path / "beside_the_notebook.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import beside_the_notebook

    assert run(bench, beside_the_notebook.double, 4).value == 8


def test_a_module_that_only_this_process_has_is_taken_along(bench, monkeypatch):
    module = types.ModuleType("made_here")
    exec("class Pair:\n    def __init__(self, x):\n        self.x = x\n", module.__dict__)
    exec("def pair(x):\n    return Pair(x)\n", module.__dict__)
    monkeypatch.setitem(sys.modules, "made_here", module)
    outcome = run(bench, module.pair, module.Pair(1))
    assert outcome.failure is None
    assert type(outcome.value).__name__ == "Pair"
    assert outcome.value.x.x == 1


def test_what_cannot_be_imported_there_is_told(bench, monkeypatch):
    class Finder:
        @staticmethod
        def find_spec(name, path=None, target=None):
            return None

    def function():
        import no_such_module_at_all

        return no_such_module_at_all

    failure = run(bench, function).failure
    assert failure.type == "ModuleNotFoundError"
    assert "no_such_module_at_all" in failure.message


def test_its_stdin_is_empty(bench):
    def function():
        return sys.stdin.read(), input()

    assert run(bench, function).failure.type == "EOFError"


def test_asyncio_subprocesses_and_pools_work_in_it(bench):
    def function():
        import multiprocessing

        async def answer():
            return 42

        with multiprocessing.get_context("fork").Pool(2) as pool:
            squares = pool.map(abs, [-1, -2])
        said = subprocess.run(["echo", "hi"], capture_output=True, text=True).stdout
        return asyncio.run(answer()), squares, said

    assert run(bench, function).value == (42, [1, 2], "hi\n")


def test_a_fork_that_comes_back_is_not_told_of(bench):
    def function():
        pid = os.fork()
        print("x" * 10_000)  # of both
        if pid:
            os.waitpid(pid, 0)
        return pid

    outcomes = bench(*(Task(id=f"t{n}", run=function) for n in range(5)), workers=1)
    assert all(outcome.value > 0 for outcome in outcomes.values())
    assert {key: len(text) for key, text in bench.logs.items()} == {
        (f"t{n}", "stdout"): 20_002 for n in range(5)
    }


# -- functions of a notebook


def test_functions_classes_and_values_of_a_notebook_go_along(bench):
    scope = as_in_a_notebook(
        """
        import json
        from math import sqrt
        import os.path
        factor = 3

        class Thing:
            def __init__(self, n):
                self.n = n

        def helper(x):
            return Thing(sqrt(x) * factor)

        def function(x):
            return json.dumps([helper(x).n, os.path.basename("/a/b")])
        """
    )
    assert run(bench, scope["function"], 4).value == '[6.0, "b"]'


def test_a_function_that_uses_only_modules_needs_no_cloudpickle(bench):
    scope = as_in_a_notebook(
        """
        import sys, xml.etree.ElementTree, time as clock

        def function(x, y=2):
            parsed = xml.etree.ElementTree.fromstring("<a/>").tag
            more = [n * y for n in range(x)]
            return parsed, more, clock.time() > 0, "cloudpickle" in sys.modules, function_name()

        def function_name():
            return __name__
        """
    )
    plain = as_in_a_notebook(
        """
        import sys, xml.etree.ElementTree, time as clock

        def function(x, y=2):
            parsed = xml.etree.ElementTree.fromstring("<a/>").tag
            more = [n * y for n in range(x)]
            return parsed, more, clock.time() > 0, "cloudpickle" in sys.modules
        """
    )
    assert run(bench, scope["function"], 2).value == ("a", [0, 2], True, True, "__main__")
    assert run(bench, plain["function"], 2).value == ("a", [0, 2], True, False)


def test_the_options_of_a_task_stay_here(bench):
    from orch_nb import task

    lock = threading.Lock()
    scope = as_in_a_notebook(
        """
        value = 7

        @task(when=lambda: lock.locked(), retry=2)
        def other():
            return value

        @task(compensate=lambda: lock, needs=["other"])
        def function():
            return other() + 1
        """,
        task=task, lock=lock,
    )  # fmt: skip
    assert run(bench, scope["function"]).value == 8


def test_what_a_function_uses_and_cannot_be_sent_is_named(bench):
    guard = threading.Lock()
    failure = run(bench, lambda: guard.locked() or None).failure
    assert "`guard`, which its function uses, (_thread.lock) cannot be sent" in failure.message
    assert "Make it inside of the task" in failure.message


def test_a_result_that_cannot_be_sent_is_told_with_what_to_do(bench):
    failure = run(bench, lambda: [threading.Lock()]).failure
    assert failure.type == "NotSendable"
    assert "its result (list) cannot be sent back from the worker process" in failure.message
    assert "--executor threads" in failure.message


def test_an_argument_that_cannot_be_sent_is_named(bench):
    failure = run(bench, lambda ok, guard: guard, 1, threading.Lock()).failure
    assert failure.type == "NotSendable"
    assert "its argument `guard` (_thread.lock) cannot be sent" in failure.message
    assert "--executor threads" in failure.message


class Homesick:
    """Cannot be made anew in the process that asked for it."""

    def __reduce__(self):
        return (arrive, (os.getppid(),))


def arrive(pid):
    if os.getpid() == pid:
        raise SystemExit("not here")


def test_a_result_that_cannot_be_made_anew_here_is_told(bench):
    failure = run(bench, Homesick).failure
    assert failure.type == "NotSendable"
    assert "cannot be made anew here: SystemExit: not here" in failure.message


def test_an_object_that_cannot_be_made_anew_is_told(bench):
    scope = as_in_a_notebook(
        """
        class Odd(Exception):
            def __init__(self, one, two):
                super().__init__(one)

        def function(what):
            return what
        """
    )
    outcome = run(bench, scope["function"], scope["Odd"](1, 2))
    assert outcome.failure.type == "TypeError"
    assert "the task's arguments cannot be loaded in a worker process" in outcome.failure.message


def test_a_script_is_not_run_again_by_its_workers(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import asyncio, os, sys
            with open("ran", "a") as file:
                file.write(f"{os.getpid()}\\n")
            from orch_nb.engine.clock import SystemClock
            from orch_nb.engine.ports import AttemptRequest, Setting
            from orch_nb.executors.local import local_executor
            from orch_nb.model.task import Task

            class Result:
                def __init__(self, n):
                    self.n = n

            def body(n):
                return Result(n + 1)

            async def main():
                executor, done = local_executor("processes"), asyncio.Event()
                executor.start(SystemClock(), 2)
                def report(outcomes):
                    print(outcomes[0].value.n, type(outcomes[0].value) is Result)
                    done.set()
                request = AttemptRequest(Task(id="a", run=body), "a", 1, Setting(), (1,))
                executor.submit([request], report)
                await done.wait()
                executor.stop()

            asyncio.run(main())
            """
        )
    )
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout == "2 True\n"
    assert len((tmp_path / "ran").read_text().split()) == 1


# -- output below Python


def test_what_c_code_and_child_processes_write_is_in_the_log_of_the_attempt(bench):
    def function():
        os.write(1, b"from below\n")
        subprocess.run(["sh", "-c", "echo to out; echo to err >&2"])

    run(bench, function)
    assert bench.logs == {
        ("a", "stdout"): "from below\nto out\n", ("a", "stderr"): "to err\n",
    }  # fmt: skip


def test_output_below_python_is_told_of_the_attempt_that_wrote_it(bench):
    def function(n):
        subprocess.run(["echo", str(n)])

    bench(*(Task(id=f"t{n}", run=functools.partial(function, n)) for n in range(6)), workers=1)
    assert bench.logs == {(f"t{n}", "stdout"): f"{n}\n" for n in range(6)}


def test_a_child_that_writes_megabytes_is_not_held_up(bench):
    def function():
        subprocess.run("yes | head -c 3000000; yes | head -c 3000000 >&2", shell=True)

    run(bench, function)
    assert {key: len(text) for key, text in bench.logs.items()} == {
        ("a", "stdout"): 3_000_000, ("a", "stderr"): 3_000_000,
    }  # fmt: skip


def test_sys_stdout_is_a_file_like_any(bench):
    def function():
        sys.stdout.buffer.write(b"bytes\n")
        sys.stdout.writelines(["one\n", "two\n"])
        print("no newline", end="", flush=True)
        subprocess.run(["echo", "child"], stdout=sys.stdout)
        return sys.stdout.encoding, sys.stdout.isatty(), sys.stdout.writable()

    assert run(bench, function).value == ("utf-8", False, True)
    said = bench.logs["a", "stdout"]
    assert sorted(said.replace("no newline", "no newline\n").splitlines()) == [
        "bytes", "child", "no newline", "one", "two",
    ]  # fmt: skip


def test_a_thread_that_is_left_behind_prints_in_the_name_of_its_attempt(bench):
    def function():
        def later():
            time.sleep(0.2)
            print("later")

        threading.Thread(target=later).start()

    async def steps(session):
        session.submit(Task(id="a", run=function))
        await session.outcomes_of("a")
        await session.until(lambda: bench.logs)

    bench.drive(steps)
    assert bench.logs == {("a", "stdout"): "later\n"}


# -- death


def ends(how):
    if how == "exit":
        os._exit(3)
    if how == "crash":
        ctypes.string_at(0)
    os.kill(os.getpid(), getattr(signal, how))


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("exit", "ended with exit code 3"),
        ("SIGKILL", "was killed by SIGKILL: by somebody, or by the system when memory ran out"),
        ("SIGTERM", "was killed by SIGTERM"),
        ("crash", "was killed by SIGSEGV: a crash in native code"),
    ],
)
def test_a_worker_that_dies_fails_its_attempt_and_says_how(bench, how, told):
    failure = run(bench, ends, how).failure
    assert failure.type == "WorkerDied"
    assert failure.message.startswith(f"the worker process that ran it {told}")
    if how == "crash":
        assert "Segmentation fault" in failure.traceback
        assert "in ends" in failure.traceback


def sometimes(n, which):
    if n in which:
        os._exit(n)
    return n


@pytest.mark.parametrize("workers", [1, 3])
def test_only_what_ran_in_it_fails_and_the_rest_is_run_by_others(bench, workers):
    which = {7, 30, 31, 77}
    tasks = [Task(id=f"t{n}", run=functools.partial(sometimes, n, which)) for n in range(100)]
    outcomes = bench(*tasks, workers=workers)
    failed = {name for name, outcome in outcomes.items() if outcome.failure}
    assert failed == {f"t{n}" for n in which}
    assert {outcomes[f"t{n}"].value for n in range(100)} - {None} == set(range(100)) - which


def test_a_worker_that_is_killed_while_it_waits_is_replaced(bench):
    async def steps(session):
        session.submit(Task(id="a", run=os.getpid))
        first = (await session.outcomes_of("a"))["a"].value
        os.kill(first, signal.SIGKILL)
        await session.until(lambda: not alive(first))
        session.submit(Task(id="b", run=os.getpid))
        return first, (await session.outcomes_of("b"))["b"]

    first, outcome = bench.drive(steps)
    assert outcome.failure is None
    assert outcome.value != first


@pytest.mark.parametrize(
    "code", ["raise SystemExit('no room for it')", "import os; os.kill(os.getpid(), 9)"]
)
def test_workers_that_cannot_start_fail_every_attempt_and_nothing_hangs(
    bench, tmp_path, monkeypatch, code
):
    script = tmp_path / "broken.py"
    script.write_text(code)
    monkeypatch.setattr(worker_process, "_SCRIPT", str(script))
    outcomes = bench(*(Task(id=f"t{n}", run=os.getpid) for n in range(50)), workers=2)
    for outcome in outcomes.values():
        assert outcome.failure.type == "WorkerDied"
        assert "its worker process did not start" in outcome.failure.message
    if "no room" in code:
        assert "no room for it" in outcomes["t0"].failure.message


def test_a_forked_child_that_lives_on_does_not_hide_the_death_of_its_worker(bench):
    def function():
        pid = os.fork()
        if pid == 0:
            time.sleep(3)
            os._exit(0)
        os._exit(5)

    begun = time.monotonic()
    assert "exit code 5" in run(bench, function).failure.message
    assert time.monotonic() - begun < 2.5


# -- ending attempts


def test_cancelling_kills_the_worker_and_what_it_started(bench, tmp_path):
    def function(path):
        child = subprocess.Popen(["sleep", "300"])
        Path(path).write_text(f"{os.getpid()} {child.pid}")
        child.wait()

    path = tmp_path / "pids"

    async def steps(session):
        session.submit(Task(id="a", run=function), args=(str(path),))
        await session.until(lambda: path.exists() and len(path.read_text().split()) == 2)
        assert session.executor.cancel(("a", 1))
        return await session.outcomes_of("a")

    assert bench.drive(steps)["a"].cancelled
    assert all(gone(int(pid)) for pid in path.read_text().split())


def test_a_worker_that_ignores_sigterm_is_killed(bench, tmp_path):
    def function(path):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        Path(path).touch()
        while True:
            time.sleep(0.01)

    path = tmp_path / "deaf"

    async def steps(session):
        session.submit(Task(id="a", run=function), args=(str(path),))
        await session.until(path.exists)
        session.executor.cancel(("a", 1))
        return await session.outcomes_of("a")

    assert bench.drive(steps)["a"].cancelled


def test_what_waits_behind_a_cancelled_one_is_run_by_another(bench, tmp_path):
    def function(n, path):
        if n == 20:
            Path(path).touch()
            time.sleep(60)
        return os.getpid()

    path = tmp_path / "there"
    tasks = [Task(id=f"t{n}", run=functools.partial(function, n, str(path))) for n in range(40)]

    async def steps(session):
        session.submit(*tasks[:10])  # it is learnt that they are short: they go in batches
        await session.outcomes_of(*(f"t{n}" for n in range(10)))
        session.submit(*tasks[10:])
        await session.until(path.exists)
        session.executor.cancel(("t20", 1))
        return await session.outcomes_of(*(f"t{n}" for n in range(40)))

    outcomes = bench.drive(steps, workers=1)
    assert [name for name, outcome in outcomes.items() if outcome.cancelled] == ["t20"]
    assert not [outcome for outcome in outcomes.values() if outcome.failure]


def test_one_that_is_cancelled_behind_a_long_one_is_taken_back(bench, tmp_path):
    def function(n, path):
        Path(path, str(n)).touch()
        while n == 20 and not Path(path, "go").exists():
            time.sleep(0.01)

    tasks = [Task(id=f"t{n}", run=functools.partial(function, n, str(tmp_path))) for n in range(40)]

    async def steps(session):
        session.submit(*tasks[:20])
        await session.outcomes_of(*(f"t{n}" for n in range(20)))
        session.submit(*tasks[20:])
        await session.until((tmp_path / "20").exists)
        assert session.executor.cancel(("t30", 1))
        await session.outcomes_of("t30")
        (tmp_path / "go").touch()
        return await session.outcomes_of(*(f"t{n}" for n in range(40)))

    outcomes = bench.drive(steps, workers=1)
    assert [name for name, outcome in outcomes.items() if outcome.cancelled] == ["t30"]
    assert not (tmp_path / "30").exists()


def test_a_long_attempt_has_its_process_group_told(bench):
    outcome = run(bench, slow)
    assert bench.pids == {"a": outcome.value}


# -- what is left behind


def test_the_end_of_the_engine_leaves_no_process(bench):
    others = children()  # a Dask cluster of another test leaves its resource tracker

    def ours():
        return [process for process in children() if process not in others]

    async def steps(session):
        session.submit(*(Task(id=f"t{n}", run=time.sleep) for n in range(3)), args=(60,))
        session.submit(Task(id="short", run=os.getpid))
        await session.until(lambda: len(ours()) >= 3)

    bench.drive(steps, workers=3)
    assert ours() == []


def test_a_worker_may_end_in_good_order(bench, tmp_path):
    def function(path):
        import atexit

        atexit.register(Path(path).touch)

    run(bench, function, str(tmp_path / "bye"))
    assert (tmp_path / "bye").exists()


def test_workers_end_with_a_parent_that_is_killed(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(
            """
            import asyncio, os, subprocess, sys, time
            from orch_nb.engine.clock import SystemClock
            from orch_nb.engine.ports import AttemptRequest, Setting
            from orch_nb.executors.local import local_executor
            from orch_nb.model.task import Task

            def body(n):
                child = subprocess.Popen(["sleep", "300"]) if n else None
                with open("pids", "a") as file:
                    file.write(f"{os.getpid()}\\n{child.pid if child else os.getpid()}\\n")
                while n:
                    time.sleep(0.1)

            async def main():
                executor = local_executor("processes")
                executor.start(SystemClock(), 3)
                requests = [
                    AttemptRequest(Task(id=f"t{n}", run=body), f"t{n}", 1, Setting(), (n,))
                    for n in range(3)
                ]
                executor.submit(requests, print)
                await asyncio.sleep(60)

            asyncio.run(main())
            """
        )
    )
    path = tmp_path / "pids"
    parent = subprocess.Popen(
        [sys.executable, script], cwd=tmp_path, stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    until = time.monotonic() + 30
    while not path.exists() or len(path.read_text().split()) < 6:
        assert time.monotonic() < until, "its attempts did not begin"
        time.sleep(0.05)
    workers = {child.pid for child in psutil.Process(parent.pid).children()}
    parent.kill()
    parent.wait()
    pids = {int(pid) for pid in path.read_text().split()} | workers
    assert all(gone(pid) for pid in pids)
