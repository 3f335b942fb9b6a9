"""Attempts on a Dask cluster: what comes back, and what becomes of them when the cluster fails.

Two real clusters on the loopback: one whose workers are threads of this process, which is quick,
and one of worker processes, which can be killed.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path

import pytest

import orch_nb
from orch_nb.engine.clock import SystemClock
from orch_nb.engine.ports import AttemptRequest, Setting
from orch_nb.errors import BackendUnavailable, MissingExtra, UsageError
from orch_nb.model.task import Task

distributed = pytest.importorskip("distributed")

from orch_nb.executors.dask import DaskExecutor  # noqa: E402

LOOPBACK = {
    "protocol": "tcp",
    "host": "127.0.0.1",
    "dashboard_address": "127.0.0.1:0",
    "worker_dashboard_address": "127.0.0.1:0",
    "silence_logs": 50,
}


@pytest.fixture(scope="module")
def here():
    """A client of two workers in this process, two threads each."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=2, processes=False, **LOOPBACK
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def processes():
    """A cluster of two worker processes of one thread, started anew when they die."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, **LOOPBACK
    ) as cluster:
        yield cluster


class Bench:
    """Attempts on an executor, and what it reported, logged and was asked meanwhile."""

    def __init__(self, cluster, **options):
        self.executor = DaskExecutor(cluster, **options)
        self.logs: dict[str, list[tuple[str, str]]] = {}
        self.reports: list[list] = []
        self.outcomes: dict = {}
        self._came = threading.Condition()

    async def _start(self):
        self.executor.start(SystemClock(), 8)

    def __enter__(self):
        asyncio.run(self._start())
        return self

    def __exit__(self, *_):
        self.executor.stop()

    def submit(self, tasks, args=(), attempt=1, params=None):
        def log(task, attempt, stream, text):
            self.logs.setdefault(task, []).append((stream, text))

        setting = Setting(run_id="nightly-1", params=params or {}, log=log)
        self.executor.submit(
            [AttemptRequest(task, task.id, attempt, setting, args) for task in tasks], self._report
        )

    def _report(self, outcomes):
        with self._came:
            self.reports.append(list(outcomes))
            self.outcomes.update((one.key[0], one) for one in outcomes)
            self._came.notify_all()

    def wait(self, *names, within_s=30.0):
        with self._came:
            arrived = self._came.wait_for(lambda: set(names) <= set(self.outcomes), within_s)
        assert arrived, f"no outcome of {set(names) - set(self.outcomes)}"
        return [self.outcomes[name] for name in names]


def run(cluster, function, *args, **fields):
    """The one outcome of a function on a cluster."""
    with Bench(cluster) as bench:
        bench.submit([Task(id="a", run=function)], args, **fields)
        return bench.wait("a")[0]


def until(condition, within_s=20.0):
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


# -- what comes back


def test_a_function_gets_its_arguments_and_its_result_comes_back(here):
    outcome = run(here, lambda x, y: {"sum": x + y}, 1, 2)
    assert outcome.value == {"sum": 3}
    assert outcome.failure is None
    assert outcome.key == ("a", 1)


def test_an_async_function_runs_on_the_cluster_too(here):
    async def function(x):
        await asyncio.sleep(0.01)
        return x + 1

    assert run(here, function, 1).value == 2


def test_started_and_finished_are_the_times_of_the_body_by_our_clock(here):
    before = time.time()
    outcome = run(here, lambda: time.sleep(0.05))
    assert before - 0.02 <= outcome.started
    assert 0.05 <= outcome.finished - outcome.started < 2


def test_a_task_knows_itself(here):
    def function():
        now = orch_nb.current()
        return now.task, now.attempt, now.params, now.idempotency_key

    outcome = run(here, function, attempt=3, params={"x": 1})
    assert outcome.value == ("a", 3, {"x": 1}, "nightly-1:a")


def test_hundreds_of_attempts_of_one_batch_each_come_back_once_and_are_reported_in_batches(here):
    with Bench(here) as bench:
        names = [f"t{n}" for n in range(400)]
        bench.submit([Task(id=name, run=lambda: orch_nb.current().task) for name in names])
        outcomes = bench.wait(*names)
    assert [outcome.value for outcome in outcomes] == names
    assert sum(len(report) for report in bench.reports) == 400
    assert len(bench.reports) < 300


def test_what_a_cluster_is_left_with_after_the_attempts_is_nothing(here):
    with Bench(here) as bench:
        bench.submit([Task(id=f"t{n}", run=lambda: "x" * 1000) for n in range(10)])
        bench.wait(*(f"t{n}" for n in range(10)))
        bench.outcomes.clear()
        until(lambda: here.run_on_scheduler(lambda dask_scheduler: not dask_scheduler.tasks))


def test_arguments_too_large_for_dasks_liking_are_sent_without_a_word(here):
    assert run(here, len, "x" * 12_000_000).value == 12_000_000


# -- prints


def test_prints_are_logged_in_order_and_do_not_reach_the_workers_own_streams(here, capsys):
    def function():
        print("one")
        print("two", file=sys.stderr)
        print("three")

    with Bench(here) as bench:
        bench.submit([Task(id="a", run=function)])
        bench.wait("a")
    assert bench.logs["a"] == [("stdout", "one\n"), ("stderr", "two\n"), ("stdout", "three\n")]
    assert capsys.readouterr() == ("", "")


def test_attempts_that_print_at_once_in_one_process_are_told_apart(here):
    def function():
        for _ in range(50):
            print(orch_nb.current().task)
            time.sleep(0.001)

    names = ["a", "b", "c", "d"]
    with Bench(here) as bench:
        bench.submit([Task(id=name, run=function) for name in names])
        bench.wait(*names)
    assert {name: "".join(text for _, text in log) for name, log in bench.logs.items()} == {
        name: f"{name}\n" * 50 for name in names
    }


def test_of_long_prints_the_beginning_and_the_end_travel_back(monkeypatch):
    from orch_nb.executors import attempt_elsewhere

    monkeypatch.setattr(attempt_elsewhere, "_KEPT", 20)
    monkeypatch.setattr(attempt_elsewhere, "_PIECE", 5)
    printed = attempt_elsewhere._Printed()
    for n in range(10):
        printed.add("stdout", f"line {n}\n")
    assert printed.told() == [
        ("stdout", "line 0\nlin\n… (51 characters were not kept) …\n8\nline 9\n"),
    ]  # fmt: skip
    printed = attempt_elsewhere._Printed()
    printed.add("stdout", "a" * 12 + "b" * 30)
    ((_, told),) = printed.told()
    assert told == "a" * 10 + "\n… (25 characters were not kept) …\n" + "b" * 7
    short = attempt_elsewhere._Printed()
    for stream, text in (("stdout", "1"), ("stdout", "2"), ("stderr", "3"), ("stdout", "4")):
        short.add(stream, text)
    assert short.told() == [("stdout", "12"), ("stderr", "3"), ("stdout", "4")]


def test_with_workers_in_this_process_its_own_prints_are_its_own_during_and_after(here, capsys):
    own = sys.stdout
    with Bench(here) as bench:
        bench.submit([Task(id="a", run=lambda: time.sleep(0.3))])
        until(lambda: sys.stdout is not own)
        print("of the cell")
        bench.wait("a")
    assert sys.stdout is own
    assert capsys.readouterr().out == "of the cell\n"
    assert bench.logs == {}


def test_of_megabytes_of_print_both_ends_are_kept_and_the_rest_counted(here):
    with Bench(here) as bench:
        bench.submit([Task(id="a", run=lambda: print("x" * 3_000_000))])
        bench.wait("a")
    ((stream, kept),) = bench.logs["a"]
    assert stream == "stdout"
    assert 995_000 < kept.count("x") < 1_000_000
    assert "characters were not kept" in kept
    assert kept.endswith("x\n")


# -- failures of the task


class Own(LookupError):
    pass


def fails():
    raise Own("no such thing")


def test_an_exception_is_told_with_its_bases_and_in_the_users_frames_only(here):
    failure = run(here, fails).failure
    assert (failure.type, failure.message) == ("Own", "no such thing")
    assert failure.kinds == (f"{Own.__module__}.Own", "LookupError", "Exception", "BaseException")
    assert 'raise Own("no such thing")' in failure.traceback
    assert "distributed" not in failure.traceback
    assert "orch_nb/executors" not in failure.traceback


@pytest.mark.parametrize("error", [SystemExit(0), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_what_would_end_a_process_ends_only_the_attempt(here, error):
    def function():
        raise error

    assert run(here, function).failure.type == type(error).__name__


def test_what_was_printed_before_a_failure_is_logged(here):
    def function():
        print("so far")
        raise ValueError

    with Bench(here) as bench:
        bench.submit([Task(id="a", run=function)])
        bench.wait("a")
    assert bench.logs["a"] == [("stdout", "so far\n")]


def test_a_result_that_cannot_travel_is_a_failure_that_names_it(here):
    failure = run(here, threading.Lock).failure
    assert failure.type == "TypeError"
    assert "its result, a lock, cannot be sent back from its worker" in failure.message


def test_an_argument_that_cannot_travel_fails_its_attempt_and_no_other(here):
    lock = threading.Lock()
    with Bench(here) as bench:
        bench.submit([Task(id="a", run=lambda: lock), Task(id="b", run=lambda: "well")])
        a, b = bench.wait("a", "b")
    assert "cannot be sent to the cluster" in a.failure.message
    assert b.value == "well"


# -- cancelling


def test_what_runs_cannot_be_stopped_and_what_waits_is_never_begun(here):
    begun, go_on = [], threading.Event()

    def blocking():
        begun, go_on = sys.shared_with_tasks
        begun.append(orch_nb.current().task)
        go_on.wait(20)

    sys.shared_with_tasks = (begun, go_on)  # what a function closes over, it gets a copy of
    try:
        with Bench(here) as bench:
            bench.submit([Task(id=f"t{n}", run=blocking) for n in range(5)])  # four threads
            until(lambda: len(begun) == 4)
            (waiting,) = {f"t{n}" for n in range(5)} - set(begun)
            assert bench.executor.cancel((waiting, 1)) is True
            assert bench.executor.cancel((begun[0], 1)) is False
            cancelled = bench.wait(waiting, begun[0])
            # A worker drops what is cancelled when it is told to, which nobody waits for.
            until(
                lambda: (
                    sum(here.run(lambda dask_worker: len(dask_worker.state.tasks)).values()) == 4
                )
            )
            go_on.set()
            bench.wait(*begun[1:])
        assert [outcome.cancelled for outcome in cancelled] == [True, True]
        assert waiting not in begun
    finally:
        go_on.set()
        del sys.shared_with_tasks


def test_a_cancel_that_comes_at_once_is_heeded(here):
    with Bench(here) as bench:
        names = [f"t{n}" for n in range(50)]
        bench.submit([Task(id=name, run=lambda: time.sleep(0.2)) for name in names])
        for name in names:
            bench.executor.cancel((name, 1))
        outcomes = bench.wait(*names, within_s=5)
    assert all(outcome.cancelled for outcome in outcomes)


def test_cancelling_what_is_not_there_is_no_error(here):
    with Bench(here) as bench:
        assert bench.executor.cancel(("nobody", 1)) is False


# -- the cluster


def test_a_client_that_was_given_is_left_open_and_one_that_was_made_is_closed(here):
    run(here, lambda: None)
    assert here.status == "running"
    with Bench(here.scheduler.address) as bench:
        client = bench.executor._session._client
        bench.submit([Task(id="a", run=lambda: 1)])
        assert bench.wait("a")[0].value == 1
    assert client.status == "closed"
    with pytest.raises(ValueError, match="No client"):
        distributed.default_client()


def test_an_executor_can_be_started_again(here):
    bench = Bench(here)
    for n in (1, 2):
        with bench:
            bench.submit([Task(id=f"t{n}", run=lambda: "again")])
            assert bench.wait(f"t{n}")[0].value == "again"


def test_a_cluster_without_workers_is_waited_for_and_it_is_said_how_to_start_one(capsys):
    with (
        distributed.LocalCluster(n_workers=0, processes=False, **LOOPBACK) as cluster,
        Bench(cluster.scheduler_address) as bench,
    ):
        bench.submit([Task(id="a", run=lambda: "done")])
        line = f"Start one: dask worker {cluster.scheduler_address}\n"
        said = []
        until(lambda: said.append(capsys.readouterr().err) or line in "".join(said))
        cluster.scale(1)
        assert bench.wait("a")[0].value == "done"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_nobody_at_the_address_is_told_at_once_and_quietly(capfd):
    executor = DaskExecutor(f"tcp://127.0.0.1:{free_port()}", timeout_s=0.5)
    with pytest.raises(BackendUnavailable, match=r"(?s)No Dask scheduler answers.*dask scheduler"):
        executor.start(None, 1)
    executor.stop()
    assert capfd.readouterr() == ("", "")


def test_a_server_that_is_no_scheduler_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        executor = DaskExecutor(f"tcp://127.0.0.1:{silent.getsockname()[1]}", timeout_s=0.5)
        with pytest.raises(BackendUnavailable, match="No Dask scheduler answers"):
            executor.start(None, 1)


@pytest.mark.parametrize("address", ["nonsense", "tcp://host", "http://host:80", ""])
def test_what_is_no_address_is_said_before_anything_is_tried(address):
    with pytest.raises(UsageError, match="tcp://host:8786"):
        DaskExecutor(address)


def test_what_is_neither_address_nor_client_is_said(here):
    with pytest.raises(UsageError, match="Client\\(cluster\\)"):
        DaskExecutor(here.cluster)


def test_a_client_that_is_closed_is_not_taken(here):
    client = distributed.Client(here.scheduler.address, set_as_default=False)
    client.close()
    with pytest.raises(BackendUnavailable, match="closed"):
        DaskExecutor(client).start(None, 1)


def test_a_client_of_an_event_loop_is_not_taken(here):
    async def offer():
        async with distributed.Client(
            here.scheduler.address, asynchronous=True, set_as_default=False
        ) as client:
            DaskExecutor(client)

    with pytest.raises(UsageError, match="without asynchronous=True"):
        asyncio.run(offer())


def test_without_dask_the_pip_line_is_told():
    code = """
        import sys
        sys.modules["distributed"] = None
        from orch_nb.executors.dask import DaskExecutor
        try:
            DaskExecutor("tcp://127.0.0.1:8786")
        except ImportError as error:
            print(type(error).__name__, error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True
    )
    assert done.stdout.startswith(MissingExtra.__name__)
    assert "pip install 'orch_nb[dask]'" in done.stdout


def test_a_client_closed_in_mid_run_fails_its_attempts(here):
    client = distributed.Client(here.scheduler.address, set_as_default=False)
    with client, Bench(client) as bench:
        bench.submit([Task(id="a", run=lambda: time.sleep(1))])
        time.sleep(0.2)
        client.close()
        (a,) = bench.wait("a", within_s=5)
        bench.submit([Task(id="b", run=lambda: 1)])
        (b,) = bench.wait("b", within_s=5)
    for outcome in (a, b):
        assert outcome.failure.type == "BackendUnavailable"
        assert "connection to the Dask cluster was lost" in outcome.failure.message


def test_a_scheduler_that_is_killed_in_mid_run_fails_its_attempts():
    code = """
        import distributed, time
        with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False,
                protocol="tcp", host="127.0.0.1", dashboard_address="127.0.0.1:0",
                worker_dashboard_address="127.0.0.1:0") as cluster:
            print(cluster.scheduler_address, flush=True)
            time.sleep(100)
    """
    scheduler = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )
    try:
        address = scheduler.stdout.readline().strip()
        with Bench(address, timeout_s=1) as bench:
            bench.submit([Task(id="a", run=lambda: time.sleep(60))])
            time.sleep(0.3)
            scheduler.kill()
            (a,) = bench.wait("a", within_s=10)
            bench.submit([Task(id="b", run=lambda: 1)])
            (b,) = bench.wait("b", within_s=10)
    finally:
        scheduler.kill()
        scheduler.communicate()
    assert {a.failure.type, b.failure.type} == {"BackendUnavailable"}


# -- worker processes


def test_functions_of_main_run_in_other_processes(processes):
    code = f"""
        import asyncio, os, queue
        import orch_nb
        from orch_nb.engine.clock import SystemClock
        from orch_nb.engine.ports import AttemptRequest, Setting
        from orch_nb.executors.dask import DaskExecutor

        class Own(Exception): pass

        def helper(x):
            return x + 1

        def function(x):
            if x < 0:
                raise Own(orch_nb.current().task)
            return helper(x), os.getpid()

        async def start(executor):
            executor.start(SystemClock(), 2)

        executor, outcomes = DaskExecutor({processes.scheduler_address!r}), queue.SimpleQueue()
        asyncio.run(start(executor))
        for name, x in (("good", 1), ("bad", -1)):
            task = orch_nb.Task(id=name, run=function)
            executor.submit([AttemptRequest(task, name, 1, Setting(), (x,))], outcomes.put)
            (outcome,) = outcomes.get(timeout=20)
            value, pid = outcome.value or (None, None)
            print(name, value, pid != os.getpid(), outcome.failure)
        executor.stop()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines() == ["good 2 True None", "bad None True Own: bad"], done.stderr


def test_a_module_that_only_this_machine_has_is_sent_along(processes, tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    double = importlib.import_module("only_here").double
    assert run(processes.scheduler_address, double, 4).value == 8


def test_a_task_whose_worker_is_killed_ends_well_on_another(processes, tmp_path):
    pids = tmp_path / "pids"

    def function(path):
        with Path(path).open("a") as file:
            print(os.getpid(), file=file)
        if len(Path(path).read_text().split()) == 1:
            time.sleep(60)
        return "well"

    with Bench(processes.scheduler_address) as bench:
        bench.submit([Task(id="a", run=function)], (str(pids),))
        until(lambda: pids.exists() and pids.read_text().endswith("\n"))
        os.kill(int(pids.read_text()), signal.SIGKILL)
        (outcome,) = bench.wait("a")
    assert outcome.value == "well"
    first, second = pids.read_text().split()
    assert first != second


def test_a_task_that_kills_its_workers_is_given_up_in_words(processes):
    before = processes.scheduler.allowed_failures
    processes.scheduler.allowed_failures = 0
    try:
        failure = run(processes.scheduler_address, lambda: os._exit(1)).failure
    finally:
        processes.scheduler.allowed_failures = before
    assert failure.type == "KilledWorker"
    assert failure.message.startswith("1 worker died running it, the last of them tcp://")
    assert "KilledWorker" in failure.kinds[0]


def test_workers_without_orch_nb_are_named_as_the_cause(processes):
    with distributed.Client(processes, set_as_default=False) as client:
        client.wait_for_workers(2)

        def hide():
            import sys

            hidden = {n: m for n, m in sys.modules.items() if n.split(".")[0] == "orch_nb"}
            for name in hidden:
                del sys.modules[name]
            sys.modules["orch_nb"] = None

        client.run(hide)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                failure = run(client, lambda: 1).failure
        finally:
            client.restart()
    assert "the cluster's workers need orch_nb" in failure.message
