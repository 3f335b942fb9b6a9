"""What every executor of this process owes an attempt, wherever it runs it."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import sys
import threading
import time

import pytest

import orch_nb
from orch_nb.engine.ports import current
from orch_nb.errors import UsageError
from orch_nb.executors.local import local_executor
from orch_nb.model.task import Task

PLACES = ("inline", "threads", "async")


class Place:
    """The same function as each place runs it: as it is, or as a coroutine function."""

    def __init__(self, name, bench):
        self.name = name
        self.bench = bench("threads" if name == "async" else name)

    def task(self, function, name="a"):
        if self.name != "async":
            return Task(id=name, run=function)

        @functools.wraps(function)
        async def coroutine(*args):
            await asyncio.sleep(0)
            return function(*args)

        return Task(id=name, run=coroutine)

    def run(self, function, *args):
        return self.bench(self.task(function), args=args)["a"]


@pytest.fixture(params=PLACES)
def place(request, bench_of):
    return Place(request.param, bench_of)


def test_a_result_is_the_very_object(place):
    made = object()
    outcome = place.run(lambda: made)
    assert outcome.value is made
    assert outcome.failure is None
    assert outcome.key == ("a", 1)


def test_arguments_arrive(place):
    assert place.run(lambda x, y: (y, x), 1, 2).value == (2, 1)


def test_started_and_finished_are_the_times_of_the_body(place):
    before = time.time()
    outcome = place.run(lambda: time.sleep(0.05))
    assert before - 0.02 <= outcome.started
    assert 0.05 <= outcome.finished - outcome.started < 1


class Own(LookupError):
    pass


def fails():
    raise Own("no such <b>thing</b>")


def test_an_exception_is_told_with_its_bases_and_in_the_users_frames_only(place):
    failure = place.run(fails).failure
    assert (failure.type, failure.message) == ("Own", "no such <b>thing</b>")
    assert failure.kinds == (f"{Own.__module__}.Own", "LookupError", "Exception", "BaseException")
    assert 'raise Own("no such <b>thing</b>")' in failure.traceback
    assert "orch_nb/executors" not in failure.traceback
    assert failure.traceback.rstrip().endswith("Own: no such <b>thing</b>")


def test_a_cause_is_told_too(place):
    def function():
        try:
            fails()
        except Own as error:
            raise RuntimeError("outer") from error

    told = place.run(function).failure.traceback
    assert "no such <b>thing</b>" in told
    assert "direct cause" in told
    assert "orch_nb/executors" not in told


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), BaseException("base")], ids=repr
)
def test_what_would_end_a_process_ends_only_the_attempt(place, error):
    def function():
        raise error

    assert place.run(function).failure.type == type(error).__name__


def test_sys_exit_zero_is_no_success(place):
    assert place.run(lambda: sys.exit(0)).failure.type == "SystemExit"


def test_an_endless_recursion_is_an_error_of_bounded_length(place):
    def function(n=0):
        return function(n + 1)

    failure = place.run(function).failure
    assert failure.type == "RecursionError"
    assert len(failure.traceback) < 20_000


class Unspeakable(Exception):
    def __str__(self):
        raise ValueError("no")


def test_an_exception_that_cannot_be_shown_is_still_one(place):
    def function():
        raise Unspeakable

    failure = place.run(function).failure
    assert failure.type == "Unspeakable"
    assert "cannot be shown" in failure.message


def test_a_message_is_bounded_and_can_be_journaled(place):
    def function():
        raise ValueError("\udcff" + "x" * 10**6)

    failure = place.run(function).failure
    assert len(failure.message) < 5000
    failure.message.encode()
    failure.traceback.encode()


def test_an_exception_group_is_told(place):
    def function():
        raise ExceptionGroup("two", [ValueError("one"), KeyError("other")])

    failure = place.run(function).failure
    assert failure.type == "ExceptionGroup"
    assert "ValueError: one" in failure.traceback


def test_a_result_that_cannot_be_pickled_is_a_result(place):
    lock = threading.Lock()
    assert place.run(lambda: lock).value is lock


def test_megabytes_of_print_go_where_prints_go(place, capsys):
    def function():
        for _ in range(2000):
            print("x" * 1000)
        return "done"

    assert place.run(function).value == "done"
    assert len(capsys.readouterr().out) >= 2_000_000


def test_current_tells_task_attempt_params_and_key(place):
    def function():
        now = orch_nb.current()
        return now.task, now.attempt, now.params, now.idempotency_key

    outcome = place.bench(place.task(function), attempt=3, params={"x": 1})["a"]
    assert outcome.value == ("a", 3, {"x": 1}, "nightly-1:a")
    with pytest.raises(LookupError, match="only inside a running task"):
        current()


def test_several_attempts_each_know_themselves(place):
    tasks = [place.task(lambda: current().task, name=f"t{n}") for n in range(20)]
    outcomes = place.bench(*tasks)
    assert {name: outcome.value for name, outcome in outcomes.items()} == {
        f"t{n}": f"t{n}" for n in range(20)
    }


variable = contextvars.ContextVar("variable", default="unset")


def test_context_variables_of_the_starter_are_seen(place):
    token = variable.set("of the cell")
    try:
        assert place.run(variable.get).value == "of the cell"
    finally:
        variable.reset(token)


def test_what_an_attempt_sets_of_context_variables_is_gone_with_it(place):
    def function():
        seen = variable.get()
        variable.set("left behind")
        return seen

    async def one_after_another():
        executor, seen = local_executor(place.bench.executor), []
        executor.start(orch_nb.engine.clock.SystemClock(), 8)
        for n in range(4):
            done = asyncio.get_running_loop().create_future()
            loop = asyncio.get_running_loop()

            def report(found, loop=loop, done=done):
                loop.call_soon_threadsafe(done.set_result, found[0].value)

            executor.submit([place.bench._request(place.task(function, f"t{n}"))], report)
            seen.append(await done)
        executor.stop()
        return seen

    import orch_nb.engine.clock

    assert asyncio.run(one_after_another()) == ["unset"] * 4
    assert variable.get() == "unset"


def test_a_traceback_keeps_frames_of_files_whose_folder_is_named_like_ours(place, tmp_path):
    #  .../orch_nb is ours; .../orch_nb_jobs is not
    from orch_nb.executors import failure

    path = f"{failure._OURS.rstrip('/')}_jobs/mine.py"
    scope = {}
    exec(compile("def function():\n    raise ValueError('here')\n", path, "exec"), scope)
    assert "mine.py" in place.run(scope["function"]).failure.traceback


# -- one place only


def test_attempts_in_threads_and_on_the_loop_run_side_by_side(bench_of):
    meet = threading.Barrier(2)

    async def lap():
        await asyncio.sleep(0.2)

    begun = time.monotonic()
    outcomes = bench_of("threads")(
        Task(id="a", run=lambda: meet.wait(5)), Task(id="b", run=lambda: meet.wait(5)),
        Task(id="c", run=lap), Task(id="d", run=lap),
    )  # fmt: skip
    assert not [outcome.failure for outcome in outcomes.values() if outcome.failure]
    assert time.monotonic() - begun < 2


def test_a_coroutine_is_cancelled_where_it_waits(bench_of):
    seen = []

    async def sleeper():
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cleaned up")
            raise

    outcome = bench_of("threads")(
        Task(id="a", run=sleeper), meanwhile=lambda executor: executor.cancel(("a", 1))
    )["a"]
    assert outcome.cancelled
    assert seen == ["cleaned up"]


def test_a_function_in_a_thread_cannot_be_stopped_and_that_is_said(bench_of):
    go, told = threading.Event(), []

    def meanwhile(executor):
        told.append(executor.cancel(("a", 1)))
        go.set()

    outcome = bench_of("threads")(Task(id="a", run=lambda: go.wait(5)), meanwhile=meanwhile)["a"]
    assert told == [False]
    assert outcome.value is True


@pytest.mark.parametrize("where", ["inline", "threads"])
def test_a_function_that_gives_a_coroutine_nobody_would_await_has_failed(bench_of, where):
    async def work():
        return 1

    outcome = bench_of(where)(Task(id="a", run=lambda: work()))["a"]  # noqa: PLW0108  # a sync function
    assert outcome.failure.type == "TypeError"
    assert "async def" in outcome.failure.message


def test_an_object_with_an_async_call_and_a_partial_of_a_coroutine_function_run_on_the_loop(
    bench_of,
):
    class Thing:
        async def __call__(self):
            await asyncio.sleep(0)
            return "called"

    async def work(x):
        return x

    outcomes = bench_of("threads")(
        Task(id="a", run=Thing()), Task(id="b", run=functools.partial(work, 2))
    )
    assert (outcomes["a"].value, outcomes["b"].value) == ("called", 2)


def test_threads_are_reused_and_end_with_the_run(bench_of):
    def workers():
        return [t for t in threading.enumerate() if t.name == "orch_nb-worker"]

    bench_of("threads")(*(Task(id=f"t{n}", run=lambda: time.sleep(0.01)) for n in range(8)))
    until = time.monotonic() + 5
    while workers() and time.monotonic() < until:
        time.sleep(0.01)
    assert workers() == []


def test_an_unknown_executor_is_told_with_those_there_are():
    with pytest.raises(UsageError, match="There are: dask, inline, processes, threads"):
        local_executor("clouds")
