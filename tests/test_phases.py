"""The five verbs: what `execute`, `execute_async` and `recover` take, give, refuse and leave."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import orch_nb as nb
from orch_nb.engine.journal import SqliteJournal
from orch_nb.engine.memory import MemoryJournal
from orch_nb.model import event as ev


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@nb.task
def orders():
    return [3, 1, 2]


@nb.task(retry=2)
def joined(orders):
    return sorted(orders)


def shout(joined, word="total"):
    return f"{word}: {sum(joined)}"


YAML = """
goal: Sum the orders
params: {word: sum}
tasks:
  orders: {run: orders}
  joined: {run: joined, needs: [orders]}
  shout: {run: shout, needs: [joined]}
"""


# -- execute, with each kind of input


def test_a_plan_of_functions_runs():
    run = nb.execute(nb.decompose([orders, joined, shout]), journal="memory")
    assert run.status == "succeeded"
    assert run.results["shout"] == "total: 6"
    assert len(run["joined"].attempts) == 1
    assert list(run.results) == ["orders", "joined", "shout"]


@pytest.mark.parametrize(
    "body",
    [
        [orders, joined, shout],
        YAML,
        {"goal": "g", "tasks": {"orders": {"run": "orders"}, "joined": {"run": "joined"}}},
        [nb.Task(id="joined", run=joined, with_={"orders": [2, 1]})],
        nb.Plan(goal="g", tasks=[nb.Task(id="orders", run=orders), nb.Task(id="b", run=shout,
                                                                   with_={"joined": []})]),
        nb.Plan(goal="g", tasks=[nb.Task(id="orders", run="orders")]),
        "@task\ndef one(): return 1\n@task\ndef two(one): return one + 1\n",
        orders,
    ],
    ids=["functions", "yaml", "mapping", "tasks", "plan", "plan by name", "python", "function"],
)  # fmt: skip
def test_execute_takes_what_decompose_takes(body):
    run = nb.execute(body, journal="memory")
    assert run.succeeded, [task.error for task in run]


def test_names_are_looked_up_in_the_callers_globals_or_in_a_namespace():
    assert nb.execute(YAML, journal="memory").results["shout"] == "sum: 6"
    names = {"orders": lambda: [9], "joined": joined, "shout": shout}
    assert nb.execute(YAML, journal="memory", namespace=names).results["shout"] == "sum: 9"
    with pytest.raises(nb.PlanError, match="`orders`"):
        nb.execute(YAML, journal="memory", namespace={})


def test_decompose_takes_the_callers_globals():
    assert nb.decompose(YAML)["joined"].run is joined
    scope = {"nb": nb, "f": len}
    exec('plan = nb.decompose("goal: g\\ntasks: {a: {run: f, with: {obj: xy}}}")', scope)
    assert scope["plan"]["a"].run is len


def test_a_plan_that_cannot_run_is_refused_and_leaves_no_journal(folder):
    with pytest.raises(nb.PlanError):
        nb.execute("goal: g\ntasks: {a: {sh: x, needs: [b]}, b: {sh: x, needs: [a]}}")
    assert not (folder / ".orch_nb").exists()


def test_what_cannot_be_a_plan_is_told():
    with pytest.raises(nb.UsageError, match="not int"):
        nb.execute(3, journal="memory")


@pytest.mark.parametrize(
    "value", [object(), {(1, 2): 3}, "caf\udce9"], ids=["object", "tuple key", "no utf-8"]
)
def test_a_value_that_no_file_can_hold_is_refused_with_the_way_out(value, tmp_path):
    with pytest.raises(nb.PlanError, match=r"cannot be written down.*Let a task return"):
        nb.execute([nb.Task(id="a", run=len, with_={"obj": value})], journal=tmp_path / "j.db")


def test_a_journal_in_memory_takes_any_value():
    value = object()
    run = nb.execute([nb.Task(id="a", run=lambda x: x, with_={"x": value})], journal="memory")
    assert run.results["a"] is value


@pytest.mark.parametrize("run_id", ["", " ", "a\nb", "caf\udce9"], ids=ascii)
def test_a_run_id_is_a_printable_name(run_id):
    with pytest.raises(nb.UsageError, match="printable"):
        nb.execute([orders], journal="memory", run_id=run_id)


def test_a_failed_run_does_not_raise_until_it_is_asked_to():
    def fails():
        raise ValueError("no orders today")

    run = nb.execute([fails, nb.Task(id="after", run=shout, needs=["fails"],
                                     with_={"joined": []})], journal="memory")  # fmt: skip
    assert run.status == "failed"
    assert run["fails"].error.message == "no orders today"
    assert run["after"].status == "upstream_failed"
    with pytest.raises(nb.TaskFailed, match="no orders today") as told:
        run.raise_for_status()
    assert told.value.tasks == ("fails",)


def test_results_come_by_name_by_star_by_two_stars_and_by_with():
    def a():
        return 1

    def b():
        return 2

    def in_order(*upstream):
        return upstream

    def by_id(**upstream):
        return upstream

    def mixed(a, *rest, factor=1, region):
        return a, rest, factor, region

    plan = nb.Plan(
        goal="g",
        params={"region": "eu"},
        tasks=[
            nb.Task(id="a", run=a),
            nb.Task(id="b", run=b),
            nb.Task(id="in_order", run=in_order, needs=["b", "a"]),
            nb.Task(id="by_id", run=by_id, needs=["b", "a"]),
            nb.Task(id="mixed", run=mixed, needs=["b", "a"], with_={"factor": 5}),
        ],
    )
    results = nb.execute(plan, journal="memory").results
    assert results["in_order"] == (2, 1)
    assert results["by_id"] == {"b": 2, "a": 1}
    assert results["mixed"] == (1, (2,), 5, "eu")


def test_a_task_that_runs_after_a_failure_finds_none_there():
    def bad():
        raise ValueError

    def slow():
        time.sleep(0.2)

    def alarm(bad, slow):
        return bad, slow

    plan = [bad, slow, nb.Task(id="alarm", run=alarm, trigger="one_failed")]
    run = nb.execute(plan, journal="memory")
    assert run.results["alarm"] == (None, None)


def test_current_tells_an_async_task_and_a_threaded_one_who_they_are():
    def sync():
        return nb.current().idempotency_key

    async def coroutine():
        await asyncio.sleep(0)
        return nb.current().task

    run = nb.execute([sync, coroutine], journal="memory", run_id="nightly")
    assert run.results["sync"] == "nightly:sync"
    assert run.results["coroutine"] == "coroutine"


@pytest.mark.parametrize("executor", ["threads", "inline"])
def test_sync_async_and_shell_tasks_run_together(executor):
    def sync():
        return 1

    async def coroutine(sync):
        return sync + 1

    tasks = [sync, coroutine, nb.Task(id="sh", sh="echo 3", needs=["coroutine"])]
    run = nb.execute(tasks, journal="memory", executor=executor)
    assert (run.results["sh"], run["sh"].attempts[0].exit_code) == ("3", 0)


def test_a_function_past_its_timeout_is_left_behind_and_said_to_run_on():
    go = threading.Event()

    def stuck():
        go.wait(20)

    plan = [nb.Task(id="stuck", run=stuck, timeout="0.1s"), orders]
    begun = time.monotonic()
    run = nb.execute(plan, journal="memory", workers=1)
    go.set()
    assert time.monotonic() - begun < 5
    assert run["stuck"].attempts[0].timed_out
    assert "still runs" in run["stuck"].error.message
    assert run["orders"].status == "succeeded"


@pytest.mark.parametrize(
    ("work", "told", "within_s"),
    [
        ("await asyncio.to_thread(time.sleep, 20)", "timeout of 0.2 s", 3),
        (
            ("while True:\n        try: await asyncio.sleep(1)\n"
            "        except asyncio.CancelledError: pass"),
            "does not let itself be cancelled and still runs", 8,
        ),
    ],
    ids=["leaves a thread behind", "cannot be cancelled"],
)  # fmt: skip
def test_a_coroutine_past_its_timeout_does_not_hold_up_the_end_of_the_run(work, told, within_s):
    code = (
        "import asyncio, os, time, orch_nb as nb\n"
        f"async def a():\n    {work}\n"
        "begun = time.monotonic()\n"
        "run = nb.execute([nb.Task(id='a', run=a, timeout='0.2s')], journal='memory')\n"
        "print(time.monotonic() - begun, run['a'].error, flush=True)\n"
        "os._exit(0)\n"  # Python's own end waits for the thread
    )
    took_s, _, error = python(code).stdout.partition(" ")
    assert told in error
    assert float(took_s) < within_s


def test_a_shell_task_past_its_timeout_is_killed():
    run = nb.execute("goal: g\ntasks: {a: {sh: sleep 60, timeout: 0.2s}}", journal="memory")
    (attempt,) = run["a"].attempts
    assert (attempt.timed_out, attempt.abandoned) == (True, False)
    assert attempt.duration_s < 3


def test_whatever_a_task_gives_or_raises_the_run_goes_on():
    class Odd:
        @property
        def shape(self):
            raise ValueError("no shape")

        def __reduce__(self):
            raise RuntimeError("no pickle")

    class Text(str):
        __slots__ = ()

    class Spoken(Exception):
        def __str__(self):
            return Text("a kind of text")

    def odd():
        return Odd()

    def number():
        return 10**5000

    def name():
        return "caf\udce9"

    def spoken():
        raise Spoken

    def message():
        raise ValueError("caf\udce9")

    def last(odd, number, name):
        return name

    run = nb.execute([odd, number, name, spoken, message, last], journal="j.db")
    assert run["last"].status == "succeeded"
    assert run["spoken"].error.message == "a kind of text"
    assert run["message"].error.message == "caf\\udce9"


# -- options


@pytest.mark.parametrize("workers", [0, -1, True, 1.5, "4"])
def test_workers_is_a_whole_number_of_at_least_one(workers):
    with pytest.raises(nb.UsageError, match="workers is a whole number"):
        nb.execute([orders], journal="memory", workers=workers)


def test_workers_limits_how_many_run_at_once():
    running, most, lock = 0, 0, threading.Lock()

    def work():
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    nb.execute([nb.Task(id=f"t{n}", run=work) for n in range(10)], journal="memory", workers=3)
    assert 2 <= most <= 3


def test_an_unknown_executor_is_refused():
    with pytest.raises(
        nb.UsageError, match="There are: bullmq, celery, dask, inline, processes, threads"
    ):
        nb.execute([orders], journal="memory", executor="clouds")


def test_a_gate_that_is_none_is_refused_with_the_nearest():
    plan = "goal: g\ntasks: {ship: {approval: Ship?}}"
    with pytest.raises(nb.UsageError, match="Did you mean `ship`"):
        nb.execute(plan, journal="memory", approve=["shpi"])
    assert nb.execute(plan, journal="memory", approve="ship").succeeded


def test_runs_of_a_name_are_numbered_and_a_run_id_is_ones_own():
    journal = MemoryJournal()
    ids = [nb.execute([orders], journal=journal, name="Week 7!").run_id for _ in range(2)]
    assert ids == ["week-7-1", "week-7-2"]
    assert nb.execute([orders], journal=journal, run_id="mine").run_id == "mine"
    with pytest.raises(nb.RunExists, match=r"recover\('mine'\)"):
        nb.execute([orders], journal=journal, run_id="mine")


def test_runs_of_one_name_that_start_at_the_same_time_all_run():
    runs, errors = [], []

    def start():
        try:
            runs.append(nb.execute([orders], journal="j.db", name="same"))
        except Exception as error:  # noqa: BLE001  # shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert {run.run_id for run in runs} == {f"same-{n}" for n in range(1, 6)}


def test_the_default_journal_is_a_file_in_the_working_folder(folder):
    run = nb.execute([orders])
    assert (folder / ".orch_nb" / "journal.db").exists()
    assert nb.recover(run.run_id).results["orders"] == [3, 1, 2]


def test_observers_see_every_event():
    seen = []
    nb.execute([orders], journal="memory", observers=[lambda events, state: seen.extend(events)])
    assert [type(event).__name__ for event in seen] == [
        "RunStarted", "AttemptStarted", "AttemptSucceeded", "RunEnded",
    ]  # fmt: skip


def test_shell_tasks_run_in_the_workspace(tmp_path):
    (tmp_path / "here").mkdir()
    run = nb.execute("goal: g\ntasks: {a: {sh: pwd -P}}", journal="memory", workspace="here")
    assert run.results["a"] == str((tmp_path / "here").resolve())


# -- where there is a loop already


def test_execute_async_shares_the_loop():
    async def main():
        loop = asyncio.get_running_loop()

        async def same():
            return asyncio.get_running_loop() is loop

        return await nb.execute_async([same], journal="memory")

    assert asyncio.run(main()).results["same"] is True


def test_execute_async_finds_the_callers_names_also_as_a_task_of_its_own():
    assert asyncio.run(nb.execute_async(YAML, journal="memory")).succeeded

    async def main():
        return await asyncio.gather(*(nb.execute_async(YAML, journal="memory") for _ in range(3)))

    assert all(run.succeeded for run in asyncio.run(main()))


def test_recover_async_goes_on():
    journal = MemoryJournal()
    plan = "goal: g\ntasks: {ship: {approval: Ship?}}"

    async def main():
        first = await nb.execute_async(plan, journal=journal, run_id="r")
        second = await nb.recover_async("r", journal=journal, approve=["ship"])
        return first.status, second.status

    assert asyncio.run(main()) == ("waiting", "succeeded")


def test_execute_works_where_a_loop_runs_around_it():
    async def main():
        return nb.execute([orders], journal="memory")  # as a notebook's cell would

    assert asyncio.run(main()).succeeded


def test_cancelling_an_execute_async_stops_what_runs(folder):
    async def main():
        plan = "goal: g\ntasks: {a: {sh: 'echo $$ > pid; sleep 60'}}"
        run = asyncio.ensure_future(nb.execute_async(plan, journal="j.db", run_id="r"))
        while not (folder / "pid").exists():  # noqa: ASYNC110  # another process makes it
            await asyncio.sleep(0.01)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run

    asyncio.run(main())
    (row,) = SqliteJournal("j.db").runs()
    assert (row.status, row.held) == ("running", False)


def python(code, **options):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, **options
    )


NESTED = """
import asyncio
import orch_nb as nb

def inner():
    return 42

async def outer():
    {call}

if {allow}:
    nb.allow_nested()
{start}
print(run.status, run.results.get("outer"), run["outer"].error)
"""


@pytest.mark.parametrize(
    "start",
    [
        "run = nb.execute([outer], journal='memory')",
        "run = asyncio.run(nb.execute_async([outer], journal='memory'))",
    ],
    ids=["execute", "execute_async"],
)
@pytest.mark.parametrize(
    ("call", "function"),
    [
        ("return nb.execute([inner], journal='memory').results['inner']", "execute"),
        ("return len(nb.research(nb.analyze('x', None)).findings) * 0 + 42", "research"),
    ],
    ids=["execute", "research"],
)
def test_a_synchronous_call_inside_an_async_task_names_the_way_out(start, call, function):
    told = python(NESTED.format(call=call, allow=False, start=start))
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("failed None NestedLoopError: ")
    assert f"await {function}_async(...)" in told.stdout
    assert "allow_nested()" in told.stdout
    assert "never awaited" not in told.stderr


def test_allow_nested_lets_it_through():
    call = "return nb.execute([inner], journal='memory').results['inner']"
    start = "run = nb.execute([outer], journal='memory')"
    told = python(NESTED.format(call=call, allow=True, start=start))
    assert told.stdout == "succeeded 42 None\n", told.stderr


def test_a_synchronous_call_inside_a_threaded_task_is_an_ordinary_one():
    def outer():
        return nb.execute([orders], journal="memory").results["orders"]

    assert nb.execute([outer], journal="memory").results["outer"] == [3, 1, 2]


# -- recover


PLAN = """
goal: g
tasks:
  a: {sh: echo x >> ran}
  ship: {approval: "Ship?", needs: [a]}
  b: {sh: echo done, needs: [ship]}
"""


def test_recovering_a_waiting_run_goes_on_with_what_is_left(folder):
    first = nb.execute(PLAN, journal="j.db", run_id="r")
    assert (first.status, first["ship"].reason) == ("waiting", "Ship?")
    assert nb.recover("r", journal="j.db").status == "waiting"
    second = nb.recover("r", journal="j.db", approve=["ship"])
    assert second.succeeded
    assert second["ship"].decided_by == "--approve"
    assert (folder / "ran").read_text() == "x\n"


def test_recovering_an_ended_run_returns_it_and_runs_nothing(folder):
    nb.execute(PLAN, journal="j.db", run_id="r", approve=["ship"])
    history = SqliteJournal("j.db").history("r")
    run = nb.recover("r", journal="j.db")
    assert run.succeeded
    assert run.results["b"] == "done"
    assert SqliteJournal("j.db").history("r") == history


def test_recovering_a_run_that_is_not_there_says_which_are():
    nb.execute([orders], journal="j.db", run_id="mine")
    with pytest.raises(nb.RunNotFound, match="latest are: mine"):
        nb.recover("yours", journal="j.db")


def test_recovering_with_another_plan_is_refused_with_what_differs():
    nb.execute(PLAN, journal="j.db", run_id="r")
    with pytest.raises(nb.PlanError, match=r"another plan.*`extra`"):
        nb.recover("r", PLAN + "  extra: {sh: ls}\n", journal="j.db")
    with pytest.raises(nb.PlanError, match="tasks have changed"):
        nb.recover("r", PLAN.replace("echo done", "echo other"), journal="j.db")
    assert nb.recover("r", PLAN, journal="j.db", approve=["ship"]).succeeded


def test_functions_of_a_script_are_supplied_by_the_plan_or_by_the_namespace():
    @nb.task
    def gone():
        return 1

    gate = nb.Task(id="ship", approval=nb.Approval("Ship?"))
    last = nb.Task(id="last", run=gone, needs=["ship"])
    nb.execute([gate, last], journal="j.db", run_id="r")
    with pytest.raises(nb.PlanError):
        nb.recover("r", journal="j.db", approve=["ship"])
    assert nb.recover("r", [gate, last], journal="j.db", approve=["ship"]).results["last"] == 1


def test_a_failed_task_is_retried_with_what_it_kept_from_running(folder):
    plan = """
    goal: g
    tasks:
      a: {sh: echo x >> ran}
      b: {sh: test -e fixed, needs: [a]}
      c: {sh: echo after, needs: [b]}
    """
    first = nb.execute(textwrap.dedent(plan), journal="j.db", run_id="r")
    assert first.status == "failed"
    with pytest.raises(nb.UsageError, match="because of `b`: retry `b`"):
        nb.recover("r", journal="j.db", retry="c")
    with pytest.raises(nb.UsageError, match="only a task that failed"):
        nb.recover("r", journal="j.db", retry="a")
    with pytest.raises(nb.UsageError, match=r"no task `bb`\. Did you mean `b`"):
        nb.recover("r", journal="j.db", retry="bb")
    (folder / "fixed").touch()
    second = nb.recover("r", journal="j.db", retry="b")
    assert second.succeeded
    assert [attempt.status for attempt in second["b"].attempts] == ["failed", "succeeded"]
    assert second.results["c"] == "after"
    assert (folder / "ran").read_text() == "x\n"


def test_a_retry_makes_again_what_no_journal_can_keep():
    made = []

    def stream():
        made.append(1)
        return (n for n in range(3))

    def total(stream):
        if len(made) < 2:
            raise ValueError("first time")
        return sum(stream)

    plan = nb.decompose([stream, total])
    assert nb.execute(plan, journal="j.db", run_id="r").status == "failed"
    assert nb.recover("r", plan, journal="j.db", retry="total").results["total"] == 3


@pytest.mark.parametrize(
    "options", [{"executor": "clouds"}, {"workers": -1}, {"workers": "4"}, {"approve": ["nope"]}]
)
def test_a_recover_that_is_refused_does_not_keep_the_run(options):
    nb.execute(PLAN, journal="j.db", run_id="r")
    with pytest.raises(nb.UsageError):
        nb.recover("r", journal="j.db", **options)
    assert nb.recover("r", journal="j.db", approve=["ship"]).succeeded


def test_a_run_that_goes_on_in_this_process_is_not_recovered():
    go, begun = threading.Event(), threading.Event()

    def wait():
        begun.set()
        go.wait(10)

    plan = nb.decompose([wait])
    thread = threading.Thread(
        target=nb.execute, args=(plan,), kwargs={"journal": "j.db", "run_id": "r"}
    )
    thread.start()
    begun.wait(10)
    try:
        with pytest.raises(nb.RunHeld, match="worked on"):
            nb.recover("r", plan, journal="j.db")
    finally:
        go.set()
        thread.join()
    assert nb.recover("r", plan, journal="j.db").succeeded


def test_options_that_are_not_given_stay_as_they_were():
    nb.execute(PLAN, journal="j.db", run_id="r", workers=3, executor="inline", workspace=".")
    run = nb.recover("r", journal="j.db", approve=["ship"])
    assert (run.options.workers, run.options.executor, run.options.workspace) == (3, "inline", ".")


# -- Ctrl-C


STOPPED = """
import sys
import orch_nb as nb

plan = nb.decompose('''
goal: g
tasks:
  a: {sh: "echo done"}
  slow: {sh: "touch begun; sleep 60", needs: [a]}
  after: {sh: "echo never", needs: [slow]}
''')
try:
    nb.execute(plan, journal="j.db", run_id="r")
except KeyboardInterrupt:
    print("interrupted")
"""


def test_ctrl_c_cancels_the_run_cleanly_and_the_journal_says_so(folder):
    child = subprocess.Popen([sys.executable, "-c", STOPPED], stdout=subprocess.PIPE, text=True)
    until = time.monotonic() + 20
    while not (folder / "begun").exists() and time.monotonic() < until:
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    assert child.communicate(timeout=20)[0] == "interrupted\n"
    assert child.returncode == 0
    run = nb.recover("r", journal="j.db")
    assert {task.task: task.status.value for task in run} == {
        "a": "succeeded", "slow": "cancelled", "after": "cancelled",
    }  # fmt: skip
    assert run.status == "cancelled"
    (asked,) = [e for e in SqliteJournal("j.db").history("r") if isinstance(e, ev.CancelRequested)]
    assert asked.by == "interrupt"


# -- all five


def test_orchestrate_is_the_five_in_a_row():
    done = nb.orchestrate(YAML, journal="memory")
    assert done.run.succeeded
    assert done.report.run is done.run
    assert (done.kind, done.draft) == ("yaml", False)


def test_a_goal_in_words_stays_a_draft():
    done = nb.orchestrate("Release version 2 of the package to PyPI")
    assert done.draft
    assert done.run is None
    assert len(done.plan) > 2
