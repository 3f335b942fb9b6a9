"""What every executor owes an attempt, wherever it runs it. `conftest.PLACES` has the places."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import os
import random
import sys
import threading
import time

import pytest

import orch_nb
from orch_nb.engine.ports import QueueingExecutor, current
from orch_nb.errors import UsageError
from orch_nb.executors.local import local_executor
from orch_nb.model.task import Task


def run(place, bench, function, *args, **fields):
    return bench(place.task(function), args=args, **fields)["a"]


def only(condition, why):
    if not condition:
        pytest.skip(why)


# -- what goes in and comes out


def test_a_result_comes_back_under_the_attempts_key(place, bench):
    outcome = run(place, bench, lambda: {"rows": [1, 2]}, attempt=3)
    assert outcome.value == {"rows": [1, 2]}
    assert (outcome.key, outcome.failure, outcome.cancelled) == (("a", 3), None, False)


def test_a_result_is_the_very_object_where_memory_is_shared(place, bench):
    only(place.here, "another process has objects of its own")
    made = object()
    assert run(place, bench, lambda: made).value is made


class Point:
    def __init__(self, x):
        self.x = x

    def __eq__(self, other):
        return type(other) is Point and other.x == self.x

    __hash__ = None


def test_objects_of_ones_own_classes_go_there_and_back(place, bench):
    outcome = run(place, bench, lambda point: Point(point.x + 1), Point(1))
    assert outcome.failure is None
    assert outcome.value == Point(2)  # the class is this one, too


def test_arguments_arrive_by_place_and_by_name(place, bench):
    def function(x, *rest, y, **more):
        return [x, rest, y, more]

    outcome = run(place, bench, function, 1, 2, kwargs={"y": 3, "z": [4]})
    assert outcome.value == [1, (2,), 3, {"z": [4]}]


def test_a_megabyte_goes_there_and_back(place, bench):
    data = os.urandom(3_000_000)
    assert run(place, bench, lambda got: got[::-1], data).value == data[::-1]


def test_started_and_finished_are_the_times_of_the_body(place, bench):
    before = time.time()
    outcome = run(place, bench, lambda: time.sleep(0.05))
    assert before - 0.02 <= outcome.started
    assert 0.05 <= outcome.finished - outcome.started < 1


def test_a_closure_and_a_global_are_seen(place, bench):
    captured = [1, 2, 3]
    assert run(place, bench, lambda: (sum(captured), Point(7).x)).value == (6, 7)


# -- failures


class Own(LookupError):
    pass


def fails():
    raise Own("no such <b>thing</b>")


def test_an_exception_is_told_with_its_bases_and_in_the_users_frames_only(place, bench):
    failure = run(place, bench, fails).failure
    assert (failure.type, failure.message) == ("Own", "no such <b>thing</b>")
    assert failure.kinds == (f"{Own.__module__}.Own", "LookupError", "Exception", "BaseException")
    assert 'raise Own("no such <b>thing</b>")' in failure.traceback
    assert "orch_nb/executors" not in failure.traceback.replace("tests/executors", "")
    assert failure.traceback.rstrip().endswith("Own: no such <b>thing</b>")


def test_a_cause_is_told_too(place, bench):
    def function():
        try:
            fails()
        except Own as error:
            raise RuntimeError("outer") from error

    told = run(place, bench, function).failure.traceback
    assert "no such <b>thing</b>" in told
    assert "direct cause" in told


def test_code_that_has_no_file_is_shown_in_the_traceback(place, bench):
    import linecache

    code = "def function():\n    raise ValueError('in a cell')\n"
    name = "/tmp/ipykernel_1/2.py"  # as a notebook's cell is named: no such file
    linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
    scope = {"__name__": "__main__"}
    exec(compile(code, name, "exec"), scope)
    assert "raise ValueError('in a cell')" in run(place, bench, scope["function"]).failure.traceback


def ends_it(name):
    raise {
        "SystemExit": SystemExit(3),
        "KeyboardInterrupt": KeyboardInterrupt(),
        "GeneratorExit": GeneratorExit(),
        "BaseException": BaseException("base"),
    }[name]


@pytest.mark.parametrize(
    "name", ["SystemExit", "KeyboardInterrupt", "GeneratorExit", "BaseException"]
)
def test_what_would_end_a_process_ends_only_the_attempt(place, bench, name):
    outcomes = bench(
        place.task(functools.partial(ends_it, name)), place.task(lambda: "after", name="b"),
        workers=1,
    )  # fmt: skip
    assert outcomes["a"].failure.type == name, outcomes["a"].failure.message
    assert outcomes["b"].value == "after"


def test_sys_exit_zero_is_no_success(place, bench):
    assert run(place, bench, lambda: sys.exit(0)).failure.type == "SystemExit"


def test_an_endless_recursion_is_an_error_of_bounded_length(place, bench):
    def function(n=0):
        return function(n + 1)

    failure = run(place, bench, function).failure
    assert failure.type == "RecursionError"
    assert len(failure.traceback) < 20_000


class Unspeakable(Exception):
    def __str__(self):
        raise ValueError("no")


def test_an_exception_that_cannot_be_shown_is_still_one(place, bench):
    def function():
        raise Unspeakable

    failure = run(place, bench, function).failure
    assert failure.type == "Unspeakable"
    assert "cannot be shown" in failure.message


class Unpicklable(Exception):
    def __init__(self, first, second):
        super().__init__("it has a lock")
        self.lock = threading.Lock()


def test_an_exception_that_cannot_be_pickled_is_told_like_any(place, bench):
    def function():
        raise Unpicklable(1, 2)

    failure = run(place, bench, function).failure
    assert (failure.type, failure.message) == ("Unpicklable", "it has a lock")


def test_a_message_is_bounded_and_can_be_journaled(place, bench):
    def function():
        raise ValueError("\udcff" + "x" * 10**6)

    failure = run(place, bench, function).failure
    assert len(failure.message) < 5000
    failure.message.encode()
    failure.traceback.encode()


def test_an_exception_group_is_told(place, bench):
    def function():
        raise ExceptionGroup("two", [ValueError("one"), KeyError("other")])

    failure = run(place, bench, function).failure
    assert failure.type == "ExceptionGroup"
    assert "ValueError: one" in failure.traceback


def test_arguments_that_do_not_fit_fail_the_attempt(place, bench):
    failure = run(place, bench, lambda x: x, 1, 2).failure
    assert failure.type == "TypeError"
    assert "takes 1 positional argument" in failure.message


def test_a_result_that_cannot_be_pickled_is_a_result_here_and_a_failure_in_words_elsewhere(
    place, bench
):
    outcome = run(place, bench, lambda: {"lock": threading.Lock()})
    if place.here:
        assert outcome.value["lock"].acquire(blocking=False)
    else:
        told = outcome.failure.message
        assert told.startswith("its result")
        assert "dict" in told
        assert "cannot be sent back" in told
        assert "lock" in told  # it says why


def test_an_argument_that_cannot_be_pickled_is_passed_here_and_a_failure_in_words_elsewhere(
    place, bench
):
    outcome = run(place, bench, lambda ok, guard: guard.locked(), 1, threading.Lock())
    if place.here:
        assert outcome.value is False
    else:
        told = outcome.failure.message
        assert "argument" in told
        assert "cannot be sent" in told
        assert "lock" in told


def test_a_coroutine_that_nobody_would_await_is_a_failure(place, bench):
    only(not place.awaits, "there it would be awaited")

    async def work():
        return 1

    outcome = run(place, bench, lambda: work())  # noqa: PLW0108  # a sync function
    assert outcome.failure.type == "TypeError"
    assert "async def" in outcome.failure.message


# -- prints


def printed(place, bench, capsys):
    return bench.logs.get(("a", "stdout"), "") if not place.here else capsys.readouterr().out


def test_prints_go_where_prints_go(place, bench, capsys):
    def function():
        print("one")
        print("two", end="")
        print("aside", file=sys.stderr)

    assert run(place, bench, function).failure is None
    if place.here:
        told = capsys.readouterr()
        assert (told.out, told.err) == ("one\ntwo", "aside\n")
    else:
        assert bench.logs == {("a", "stdout"): "one\ntwo", ("a", "stderr"): "aside\n"}


def test_prints_are_each_of_their_own_attempt(place, bench):
    only(not place.here, "prints of this process go to its own streams")

    def function(n):
        print(f"I am {n}")

    tasks = [place.task(functools.partial(function, n), name=f"t{n}") for n in range(50)]
    bench(*tasks, workers=2)
    assert bench.logs == {(f"t{n}", "stdout"): f"I am {n}\n" for n in range(50)}


def test_megabytes_of_print_go_where_prints_go(place, bench, capsys):
    def function():
        for _ in range(2000):
            print("x" * 1000)
        return "done"

    assert run(place, bench, function).value == "done"
    whole = 2000 * 1001
    assert len(printed(place, bench, capsys)) >= (whole if place.live else whole // 3)


def test_a_print_is_seen_while_the_attempt_runs(place, bench):
    only(not place.here and place.live, "prints of this process are seen at once")
    seen = {}

    def function():
        print("first")
        time.sleep(0.8)
        print("second")

    bench(place.task(function), after_s=0.6, meanwhile=lambda executor: seen.update(bench.logs))
    assert seen == {("a", "stdout"): "first\n"}


# -- what an attempt knows


def test_current_tells_task_attempt_params_and_key(place, bench):
    def function():
        now = orch_nb.current()
        return now.task, now.attempt, dict(now.params), now.idempotency_key, now.index, now.item

    outcome = run(place, bench, function, attempt=3, params={"x": 1})
    assert outcome.value == ("a", 3, {"x": 1}, "nightly-1:a", None, None)
    with pytest.raises(LookupError, match="only inside a running task"):
        current()


def test_current_is_known_to_who_imports_it_in_its_body(place, bench):
    def function():
        from orch_nb import current

        return current().task

    assert run(place, bench, function).value == "a"


def test_an_instance_knows_its_place_and_its_item(place, bench):
    def function():
        now = orch_nb.current()
        return now.task, now.index, now.item

    outcomes = bench(place.task(function), id="a[4]", index=4, item={"region": "eu"})
    assert outcomes["a[4]"].value == ("a[4]", 4, {"region": "eu"})


def test_several_attempts_each_know_themselves(place, bench):
    tasks = [place.task(lambda: current().task, name=f"t{n}") for n in range(20)]
    outcomes = bench(*tasks)
    assert {name: outcome.value for name, outcome in outcomes.items()} == {
        f"t{n}": f"t{n}" for n in range(20)
    }


variable = contextvars.ContextVar("variable", default="unset")


def test_context_variables_of_the_starter_are_seen(place, bench):
    only(place.here, "context variables do not travel")
    token = variable.set("of the cell")
    try:
        assert run(place, bench, variable.get).value == "of the cell"
    finally:
        variable.reset(token)


def test_what_an_attempt_sets_of_context_variables_is_gone_with_it(place, bench):
    only(place.here, "the variable itself would be another one there")

    def function():
        seen = variable.get()
        variable.set("left behind")
        return seen

    async def steps(session):
        for n in range(4):  # one after another, and many in one batch
            session.submit(place.task(function, f"t{n}"))
            await session.outcomes_of(f"t{n}")
        names = [f"u{n}" for n in range(20)]
        session.submit(*(place.task(function, name) for name in names))
        return await session.outcomes_of(*names)

    outcomes = bench.drive(steps, workers=1)
    assert {outcome.value for outcome in outcomes.values()} == {"unset"}
    assert variable.get() == "unset"


# -- many


def test_a_thousand_attempts_at_once_are_each_told_of_once(place, bench):
    async def steps(session):
        session.submit(*(place.task(functools.partial(pow, n, 2), f"t{n}") for n in range(1000)))
        await session.outcomes_of(*(f"t{n}" for n in range(1000)))
        await asyncio.sleep(0.05)  # for what is told twice
        return session.reported

    reported = bench.drive(steps, workers=4)
    assert len(reported) == 1000
    assert {outcome.key: outcome.value for outcome in reported} == {
        (f"t{n}", 1): n * n for n in range(1000)
    }


def test_no_more_run_at_once_than_there_are_workers(anywhere, bench, tmp_path):
    only(anywhere.bounded, "the engine alone sees to it")
    path = tmp_path / "marks"
    go = tmp_path / "go" if anywhere.concurrent else "/"
    jobs = [anywhere.job(path, 0.01, f"t{n}", until=go) for n in range(min(24, anywhere.most))]

    async def steps(session):
        session.submit(*jobs)
        if anywhere.concurrent:
            await session.until(lambda: len(anywhere.begun(path)) == 3)
            await asyncio.sleep(0.2)  # for one too many
            go.touch()
        return await session.outcomes_of(*(job.id for job in jobs))

    outcomes = bench.drive(steps, workers=3)
    assert not [outcome.failure for outcome in outcomes.values() if outcome.failure]
    assert anywhere.most_at_once(path) == (3 if anywhere.concurrent else 1)


def test_more_workers_and_fewer_are_heeded_at_once(anywhere, bench, tmp_path):
    only(anywhere.bounded and anywhere.concurrent, "the engine alone sees to it")
    path, go = tmp_path / "marks", tmp_path / "go"
    names = [f"t{n}" for n in range(min(7, anywhere.most))]

    async def steps(session):
        session.submit(*(anywhere.job(path, 0.05, name, until=go) for name in names))
        await session.until(lambda: anywhere.begun(path))
        session.executor.start(session.clock, 3)
        await session.until(lambda: len(anywhere.begun(path)) == 3)
        session.executor.start(session.clock, 1)
        go.touch()
        await session.outcomes_of(*names)

    bench.drive(steps, workers=1)
    told = "".join(what for what, _ in anywhere.marks(path))
    assert told == "+++---" + "+-" * (len(names) - 3)


def test_they_run_side_by_side(anywhere, bench, tmp_path):
    only(anywhere.concurrent, "one after another")
    path = tmp_path / "marks"
    jobs = [anywhere.job(path, 0, f"t{n}", until=tmp_path / "go") for n in range(4)]

    async def steps(session):
        session.submit(*jobs)
        await session.until(lambda: len(anywhere.begun(path)) == 4)
        (tmp_path / "go").touch()
        await session.outcomes_of("t0", "t1", "t2", "t3")

    bench.drive(steps, workers=4)
    assert anywhere.most_at_once(path) == 4


def test_an_attempt_that_ended_is_told_of_while_the_next_one_runs(anywhere, bench, tmp_path):
    only(anywhere.concurrent, "the loop cannot hear of it")
    first, then = ([f"{letter}{n}" for n in range(min(3, anywhere.most - 2))] for letter in "qr")
    path, go, seen = tmp_path / "marks", tmp_path / "go", []

    async def steps(session):
        session.submit(*(anywhere.job(path, 0, name) for name in first))
        await session.outcomes_of(*first)
        jobs = [anywhere.job(path, 0, name) for name in then]
        session.submit(*jobs, anywhere.job(path, 0, "long", until=go))
        await session.outcomes_of(*then)
        seen.append(("-", "long") in anywhere.marks(path))
        go.touch()
        await session.outcomes_of("long")

    bench.drive(steps, workers=1)
    assert seen == [False]


def test_a_long_attempt_does_not_hold_up_others_while_there_are_workers(anywhere, bench, tmp_path):
    only(anywhere.concurrent, "one after another")
    path, go = tmp_path / "marks", tmp_path / "go"
    short = [f"s{n}" for n in range(min(20, anywhere.most))]
    others = [f"m{n}" for n in range(min(20, anywhere.most))]

    async def steps(session):
        session.submit(*(anywhere.job(path, 0, name) for name in short))  # they are short
        await session.outcomes_of(*short)
        jobs = [anywhere.job(path, 0, name) for name in others]
        session.submit(*jobs[:3], anywhere.job(path, 0, "long", until=go), *jobs[3:])
        await session.outcomes_of(*others)
        go.touch()
        await session.outcomes_of("long")

    bench.drive(steps, workers=2)


def test_attempts_that_have_not_begun_can_be_withdrawn(anywhere, bench, tmp_path):
    only(anywhere.queues, "it has no queue")
    path, names = tmp_path / "marks", {f"t{n}" for n in range(30)}

    async def steps(session):
        assert isinstance(session.executor, QueueingExecutor)
        session.submit(*(anywhere.job(path, 0.1, name) for name in names))
        if anywhere.concurrent:
            await session.until(lambda: anywhere.begun(path))
        back = session.executor.withdraw()
        await session.outcomes_of(*names - {name for name, _ in back})
        await asyncio.sleep(0.3)
        assert session.executor.withdraw() == []
        session.submit(anywhere.job(path, 0, "after"))
        await session.outcomes_of("after")
        return back, session.outcomes

    back, outcomes = bench.drive(steps, workers=1)
    assert len(back) == len(set(back)) >= len(names) - 5
    assert all(attempt == 1 for _, attempt in back)
    assert set(outcomes) == names - {name for name, _ in back} | {"after"}
    assert set(anywhere.begun(path)) == set(outcomes)


def naps(seconds):
    time.sleep(seconds)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_is_done_to_it_each_attempt_ends_once_or_is_given_back(place, bench, seed):
    only(place.queues, "it has no queue")
    chance = random.Random(seed)

    async def steps(session):
        executor, given, back = session.executor, [], []
        for _ in range(60):
            names = [f"t{len(given) + n}" for n in range(chance.choice([1, 1, 3, 40]))]
            times = [chance.choice([0, 0, 0, 0.0005, 0.004]) for _ in names]
            session.submit(*(
                place.task(functools.partial(naps, seconds), name)
                for name, seconds in zip(names, times, strict=True)
            ))  # fmt: skip
            given += names
            await asyncio.sleep(chance.choice([0, 0, 0.001, 0.01]))
            match chance.randrange(6):
                case 0:
                    back += [name for name, _ in executor.withdraw()]
                case 1 | 2:
                    executor.cancel((chance.choice(given[-5:]), 1))
                case 3:
                    executor.start(session.clock, chance.randint(1, 5))
        await session.outcomes_of(*(set(given) - set(back)), within_s=60)
        return given, back, [outcome.key[0] for outcome in session.reported]

    given, back, told = bench.drive(steps, workers=3)
    assert sorted(back + told) == sorted(given)


# -- ending them


def test_an_attempt_that_waits_is_stopped_or_it_is_said_that_it_cannot_be(
    anywhere, bench, tmp_path
):
    only(anywhere.concurrent, "the loop cannot stop what it runs")
    path, told = tmp_path / "marks", []

    async def steps(session):
        session.submit(anywhere.job(path, 1.5))
        await session.until(lambda: anywhere.begun(path))
        told.append(session.executor.cancel(("a", 1)))
        return await session.outcomes_of("a")

    outcome = bench.drive(steps)["a"]
    assert told == [anywhere.cancels]
    if anywhere.cancels:
        assert outcome.cancelled
        assert ("-", "a") not in anywhere.marks(path)
    else:
        assert outcome.cancelled or ("-", "a") in anywhere.marks(path)


def test_an_attempt_that_was_cancelled_before_its_turn_never_begins(anywhere, bench, tmp_path):
    only(anywhere.queues, "it has no queue")
    path = tmp_path / "marks"

    async def steps(session):
        assert isinstance(session.executor, QueueingExecutor)
        session.submit(*(anywhere.job(path, 0.3, f"t{n}") for n in range(4)))
        told = session.executor.cancel(("t2", 1))
        return told, await session.outcomes_of("t0", "t1", "t2", "t3")

    told, outcomes = bench.drive(steps, workers=1)
    assert told is True
    assert outcomes["t2"].cancelled
    assert "t2" not in anywhere.begun(path)
    assert {name for name, outcome in outcomes.items() if not outcome.cancelled} == {
        "t0", "t1", "t3",
    }  # fmt: skip


def test_cancelling_what_is_not_there_does_nothing(anywhere, bench, tmp_path):
    def meanwhile(executor):
        assert executor.cancel(("b", 1)) is False
        assert executor.cancel(("a", 2)) is False

    job = anywhere.job(tmp_path / "marks", 0.2)
    assert not bench(job, meanwhile=meanwhile, after_s=0.1)["a"].cancelled


def test_what_cannot_be_stopped_does_not_use_up_the_workers(anywhere, bench, tmp_path):
    only(anywhere.concurrent, "the loop cannot stop what it runs")
    path = tmp_path / "marks"

    async def steps(session):
        session.submit(anywhere.job(path, 0, "stuck", until=tmp_path / "go"))
        await session.until(lambda: anywhere.begun(path))
        session.executor.cancel(("stuck", 1))
        session.submit(anywhere.job(path, 0, "b"), anywhere.job(path, 0, "c"))
        await session.outcomes_of("b", "c")
        (tmp_path / "go").touch()

    bench.drive(steps, workers=1)
    assert {"b", "c"} <= set(anywhere.begun(path))


def test_it_ends_with_things_running(anywhere, bench, tmp_path):
    only(anywhere.concurrent, "the loop cannot stop what it runs")
    path = tmp_path / "marks"

    async def steps(session):
        session.submit(*(anywhere.job(path, 3.0, f"t{n}") for n in range(6)))
        await session.until(lambda: len(anywhere.begun(path)) >= 2)
        begun = time.monotonic()
        session.executor.stop()
        return time.monotonic() - begun

    assert bench.drive(steps, workers=2) < 2
    begun = len(anywhere.begun(path))  # a queue takes back what no worker had taken
    assert begun == 2 if anywhere.bounded else 2 <= begun <= 6


def test_threads_that_an_attempt_leaves_behind_hold_up_nothing(place, bench):
    def function():
        threading.Thread(target=time.sleep, args=(1.5,), daemon=True).start()
        return "left"

    begun = time.monotonic()
    outcomes = bench(
        place.task(function), place.task(lambda: "after", name="b"), workers=1
    )  # fmt: skip
    assert [outcomes[name].value for name in "ab"] == ["left", "after"]
    assert time.monotonic() - begun < 1.4 or not place.here


def test_an_executor_can_be_used_again_after_its_end(anywhere, bench, tmp_path):
    executor = bench.make()
    bench.make = lambda: executor
    for n in range(2):
        assert bench(anywhere.job(tmp_path / "marks", 0, f"t{n}"))[f"t{n}"].failure is None


# -- the executors of this machine together


def test_kinds_share_one_number_of_workers(bench_of, places, tmp_path):
    path = tmp_path / "marks"
    kinds = [places[name] for name in ("threads", "async", "shell")]
    jobs = [kinds[n % 3].job(path, 0.05, f"t{n}") for n in range(18)]
    outcomes = bench_of("threads")(*jobs, workers=2)
    assert len(outcomes) == 18
    assert kinds[0].most_at_once(path) == 2


def test_a_kind_that_has_much_to_do_lets_the_others_have_their_turn(bench_of, places, tmp_path):
    path = tmp_path / "marks"
    jobs = [places["threads"].job(path, 0.02, f"t{n}") for n in range(100)]
    bench_of("threads")(*jobs, places["shell"].job(path, 0, "late"), workers=1)
    assert places["shell"].begun(path).index("late") < 20


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


class Thing:
    __hash__ = None

    async def __call__(self):
        await asyncio.sleep(0)
        return "called"


class Plain:
    __hash__ = None

    def __call__(self):
        return "called"


def test_callables_of_every_kind_find_their_place(bench_of):
    async def work(x):
        return x

    outcomes = bench_of("threads")(
        Task(id="a", run=Thing()), Task(id="b", run=functools.partial(work, 2)),
        Task(id="c", run=Plain()), Task(id="d", run=functools.partial(max, 3, 4)),
        Task(id="e", run=len), Task(id="f", run="text".upper),
    )  # fmt: skip
    found = {name: outcome.value for name, outcome in outcomes.items() if name != "e"}
    assert found == {"a": "called", "b": 2, "c": "called", "d": 4, "f": "TEXT"}
    assert outcomes["e"].failure.type == "TypeError"


def test_a_fake_gets_attempts_of_every_kind(bench_of):
    from orch_nb.executors.local import LocalExecutor

    class Fake:
        name = "fake"
        got = ()

        def start(self, clock, workers):
            pass

        def submit(self, attempts, report):
            self.got += tuple(attempt.id for attempt in attempts)

        def stop(self):
            pass

    async def work():
        pass

    fake = Fake()
    bench = bench_of("threads")
    bench.make = lambda: LocalExecutor(fake)

    async def steps(session):
        session.submit(
            Task(id="a", sh="true"), Task(id="b", run=work), Task(id="c", run=len),
            Task(id="d", notebook="x.ipynb"),
        )  # fmt: skip

    bench.drive(steps)
    assert fake.got == ("a", "b", "c", "d")


def test_an_unknown_executor_is_told_with_those_there_are():
    with pytest.raises(
        UsageError, match="There are: bullmq, celery, dask, inline, processes, threads"
    ):
        local_executor("clouds")


def test_an_address_is_for_dask_only():
    with pytest.raises(UsageError, match="takes no address"):
        local_executor("threads", address="tcp://127.0.0.1:1")
    with pytest.raises(UsageError, match="needs the address"):
        local_executor("dask")


# -- threads


def workers():
    return [thread for thread in threading.enumerate() if thread.name == "orch_nb-worker"]


def test_threads_are_reused_and_end_with_the_run(bench_of):
    bench = bench_of("threads")
    seen = set()

    def function():
        seen.add(threading.get_ident())
        time.sleep(0.01)

    bench(*(Task(id=f"t{n}", run=function) for n in range(50)), workers=4)
    assert len(seen) <= 4
    until = time.monotonic() + 5
    while workers() and time.monotonic() < until:
        time.sleep(0.01)
    assert workers() == []


def test_what_an_attempt_was_given_is_not_kept_by_its_thread(bench_of):
    import gc
    import weakref

    class Big:
        pass

    big = Big()
    gone = weakref.ref(big)
    alive = []

    async def steps(session):
        nonlocal big
        session.submit(Task(id="a", run=lambda given: None), args=(big,))
        big = None
        await session.outcomes_of("a")
        await asyncio.sleep(0.05)
        gc.collect()
        alive.append(gone())

    bench_of("threads").drive(steps)
    assert alive == [None]


def test_a_traceback_keeps_frames_of_files_whose_folder_is_named_like_ours(bench_of):
    #  .../orch_nb is ours; .../orch_nb_jobs is not
    from orch_nb.executors import failure

    path = f"{failure._OURS.rstrip('/')}_jobs/mine.py"
    scope = {}
    exec(compile("def function():\n    raise ValueError('here')\n", path, "exec"), scope)
    outcomes = bench_of("threads")(Task(id="a", run=scope["function"]))
    assert "mine.py" in outcomes["a"].failure.traceback


# -- coroutines


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


def test_only_the_cancelled_one_of_many_coroutines_is_cancelled(bench_of):
    async def sometimes(n):
        if n % 3 == 0:
            await asyncio.sleep(0.5)
        return n

    tasks = [Task(id=f"t{n}", run=functools.partial(sometimes, n)) for n in range(60)]
    outcomes = bench_of("threads")(
        *tasks, workers=60, after_s=0.2, meanwhile=lambda executor: executor.cancel(("t9", 1))
    )
    assert [name for name, outcome in outcomes.items() if outcome.cancelled] == ["t9"]
    assert [outcomes[f"t{n}"].value for n in range(60) if n != 9] == [
        n for n in range(60) if n != 9
    ]


def test_a_coroutine_that_will_not_be_cancelled_does_not_use_up_the_workers(bench_of):
    async def stubborn():
        for _ in range(40):
            try:
                await asyncio.sleep(0.1)
            except asyncio.CancelledError:
                continue
        return "went on"

    async def steps(session):
        session.submit(Task(id="a", run=stubborn))
        await asyncio.sleep(0.1)
        session.executor.cancel(("a", 1))
        session.submit(Task(id="b", run=functools.partial(asyncio.sleep, 0, "b")))
        await session.outcomes_of("b")
        return "a" in session.outcomes, await session.outcomes_of("a")

    early, outcomes = bench_of("threads").drive(steps, workers=1)
    assert early is False
    assert outcomes["a"].value == "went on"


def test_timeouts_and_tasks_of_asyncio_work_in_every_coroutine(bench_of):
    async def timed(n):
        try:
            async with asyncio.timeout(0.02):
                await asyncio.sleep(0 if n % 2 else 5)
        except TimeoutError:
            return "late"
        return "in time"

    async def grouped(n):
        async with asyncio.TaskGroup() as group:
            found = [group.create_task(timed(n)), group.create_task(timed(n + 1))]
        return sorted(task.result() for task in found)

    tasks = [Task(id=f"t{n}", run=functools.partial(timed, n)) for n in range(40)]
    groups = [Task(id=f"g{n}", run=functools.partial(grouped, n)) for n in range(10)]
    outcomes = bench_of("threads")(*tasks, *groups, workers=8)
    assert [outcomes[f"t{n}"].value for n in range(40)] == ["late", "in time"] * 20
    assert [outcomes[f"g{n}"].value for n in range(10)] == [["in time", "late"]] * 10


def test_a_coroutine_that_cancels_itself_harms_no_other(bench_of):
    async def selfish(n):
        if n == 5:
            asyncio.current_task().cancel()  # and ends before it is delivered
        return n

    async def waits(n):
        await asyncio.sleep(0)
        return n

    tasks = [Task(id=f"t{n}", run=functools.partial(selfish, n)) for n in range(10)]
    tasks += [Task(id=f"w{n}", run=functools.partial(waits, n)) for n in range(10)]
    outcomes = bench_of("threads")(*tasks, workers=4)
    assert not [name for name, outcome in outcomes.items() if outcome.cancelled]


def test_coroutines_that_compute_let_the_loop_have_its_turn(bench_of):
    async def computes():
        until = time.monotonic() + 0.003
        while time.monotonic() < until:
            pass

    ticks = []

    async def steps(session):
        session.submit(*(Task(id=f"t{n}", run=computes) for n in range(30)))
        while len(session.outcomes) < 30:
            ticks.append(len(session.outcomes))
            await asyncio.sleep(0)

    bench_of("threads").drive(steps)
    assert len(set(ticks)) >= 20  # it was told of them as they ended


def test_an_attempt_that_waits_does_not_see_the_variables_of_one_before_it(bench_of):
    async def sets(n):
        seen = variable.get()
        variable.set(n)
        if n % 2:
            await asyncio.sleep(0)
        return seen

    tasks = [Task(id=f"t{n}", run=functools.partial(sets, n)) for n in range(30)]
    outcomes = bench_of("threads")(*tasks, workers=3)
    assert {outcome.value for outcome in outcomes.values()} == {"unset"}


# -- inline


def test_the_loop_has_its_turn_between_attempts_that_take_long(bench_of):
    seen = []

    async def steps(session):
        session.submit(*(Task(id=f"t{n}", run=lambda: time.sleep(0.01)) for n in range(5)))
        while len(session.outcomes) < 5:
            seen.append(len(session.outcomes))
            await asyncio.sleep(0)

    bench_of("inline").drive(steps)
    assert set(seen) >= {1, 2, 3, 4}
