"""Tasks, observers and results that do what nobody should: the run survives and says what happened.

Each case is a plan with one hostile task in the middle of harmless ones, performed in a process of
its own, twice:

    before ─► hostile ─► after (all_done)          beside, which has nothing to do with it

Whatever the hostile one does, the harmless ones succeed, the run ends and is told in the journal as
in memory, the process ends by itself with code 0, and it can perform another run first. The process
is forked from one that has everything imported (this file, run as a script), so that a case costs
no more than its run.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import functools
import gc
import inspect
import itertools
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from pathlib import Path

PATIENCE_S = int(os.environ.get("PATIENCE", "60"))
CASES: dict[str, Case] = {}


class Case:
    """`make()` gives the fields of the hostile task, or a whole plan; `then(run)` looks at more."""

    def __init__(self, make, executors, status, says, observers, then):
        self.make, self.executors, self.status = make, executors, status
        self.says, self.observers, self.then = says, observers, then


ALL = ("threads", "inline", "processes")
HERE = ("threads", "inline")


def hostile(*executors, status="failed", says="", observers=(), then=None):
    """The function below is a task; how it ends, and what of its error a person reads."""

    def register(function):
        name = function.__name__
        made = lambda: {"run": function}  # noqa: E731
        # Coroutines run on the engine's loop, whatever other functions do.
        where = executors or (("threads",) if inspect.iscoroutinefunction(function) else ALL)
        CASES[name] = Case(made, where, status, says, observers, then)
        return function

    return register


fine = functools.partial(hostile, status="succeeded")

# -- what ends a process, a thread, a loop


@hostile(says="SystemExit: 3")
def exits():
    sys.exit(3)


@hostile(says="SystemExit")
async def exits_on_the_loop():
    sys.exit(3)


@hostile("processes", says="WorkerDied: the worker process that ran it ended with exit code 7")
def ends_its_process():
    os._exit(7)


@hostile("processes", says="killed by SIGSEGV")
def crashes():
    os.kill(os.getpid(), signal.SIGSEGV)


@hostile(says="KeyboardInterrupt")
def is_interrupted():
    raise KeyboardInterrupt


@hostile(says="KeyboardInterrupt")
async def is_interrupted_on_the_loop():
    await asyncio.sleep(0)
    raise KeyboardInterrupt


@hostile(says="GeneratorExit")
def generator_exit():
    raise GeneratorExit


@hostile(says="GeneratorExit")
async def generator_exit_on_the_loop():
    raise GeneratorExit


@hostile(says="CancelledError")
def says_that_it_is_cancelled():
    raise asyncio.CancelledError


@hostile(status="cancelled")
async def says_that_it_is_cancelled_on_the_loop():
    raise asyncio.CancelledError


@hostile(says="StopIteration: 5")
def stops_an_iteration():
    raise StopIteration(5)


@hostile(says="coroutine raised StopIteration")
async def stops_an_iteration_on_the_loop():
    raise StopIteration(5)


class Base(BaseException):
    pass


@hostile(says="Base: of its own kind")
def raises_a_base_exception():
    raise Base("of its own kind")


@hostile(says="BaseExceptionGroup: all at once (2 sub-exceptions)")
def raises_a_group():
    raise BaseExceptionGroup("all at once", [SystemExit(1), Base("x")])


# -- exceptions that cannot be looked at


class Unspeakable(Exception):
    def __str__(self):
        raise ValueError("no words")

    __repr__ = __str__


@hostile(says="Unspeakable: (its message cannot be shown: ValueError)")
def raises_what_cannot_be_shown():
    raise Unspeakable


class Deadly(Exception):
    """Whoever looks at it is told to exit."""

    def __str__(self):
        raise SystemExit(9)

    __repr__ = __str__


@hostile(says="Deadly: (its message cannot be shown: SystemExit)")
def raises_what_kills_who_looks():
    raise Deadly


@hostile(says="Deadly: (its message cannot be shown: SystemExit)")
async def raises_what_kills_who_looks_on_the_loop():
    raise Deadly


@hostile(says="ValueError: outer")
def raises_a_circle_of_causes():
    inner, outer = KeyError("inner"), ValueError("outer")
    inner.__cause__, outer.__cause__ = outer, inner
    raise outer


@hostile(says="ValueError: line 0")
def raises_a_very_long_message():
    raise ValueError("\n".join(f"line {n} \ud800 \x00" for n in range(500_000)))


def deeper(n):
    return deeper(n + 1)


@hostile(says="RecursionError")
def recurses():
    deeper(0)


@hostile(says="MemoryError")
def wants_all_memory():
    return bytearray(1 << 62)


# -- results


def unstored(run):
    assert run["hostile"].result.format == "unstored"
    assert run["hostile"].result.reason


@fine("threads", "inline", then=unstored)
def gives_a_lock():
    return threading.Lock()


@hostile("processes", says="cannot pickle")
def gives_a_lock_from_afar():
    return threading.Lock()


@fine("threads", "inline", then=unstored)
def gives_a_generator():
    return (n for n in range(3))


def spacious(run):
    assert len(run.results["hostile"]) == 40_000_000
    assert len(run["hostile"].result.preview) < 1000


@fine(then=spacious)
def gives_forty_megabytes():
    return b"x" * 40_000_000


@fine("threads", "inline")
def gives_a_list_that_is_very_deep():
    made = []
    for _ in range(100_000):
        made = [made]
    return made


@fine("threads", "inline")
def gives_a_list_that_holds_itself():
    made = [1]
    made.append(made)
    return made


class Hides:
    """A result that nobody can look at, keep or compare."""

    def __repr__(self):
        raise SystemExit(9)

    __str__ = __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __repr__

    def __reduce_ex__(self, protocol):
        raise SystemExit(9)

    @property
    def shape(self):
        raise SystemExit(9)


@fine("threads", "inline", then=unstored)
def gives_what_kills_who_looks():
    return Hides()


@fine(then=unstored)
async def gives_what_kills_who_looks_on_the_loop():
    return Hides()


@hostile("processes", says="cannot be sent back from the worker process: 9")
def gives_what_kills_who_looks_from_afar():
    return Hides()


@hostile(says="gave a coroutine")
def gives_a_coroutine():
    return asyncio.sleep(0)


# -- output and input


@fine()
def prints_megabytes():
    for n in range(40):
        print("x" * 100_000, n)
    print("y" * 3_000_000, end="")
    print("z" * 1_000_000, file=sys.stderr)


@hostile("threads", "inline", says="ValueError: I/O operation on closed file")
def closes_stdout():
    sys.stdout.close()
    print("who hears this?")


@hostile("processes", says="WorkerDied")
def closes_every_file():
    os.closerange(0, 256)
    time.sleep(30)


@fine()
def takes_stdout_away():
    sys.stdout = None
    sys.stderr = None


@fine()
def patches_print():
    builtins.print = None


@hostile(says="EOFError")
def asks_a_question():
    return input("anybody there? ")


# -- threads and processes


@fine()
def leaves_threads_behind():
    for daemon in (True, False):
        threading.Thread(target=time.sleep, args=(0.5,), daemon=daemon).start()


@fine()
def leaves_a_thread_that_raises():
    def work():
        time.sleep(0.05)
        print("from behind")
        raise SystemExit(1)

    threading.Thread(target=work).start()


@fine()
def forks_a_child_that_ends():
    pid = os.fork()
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)


@fine()
def forks_a_child_that_comes_back():
    return "parent" if os.fork() else "child"


@fine()
def forks_a_child_that_exits():
    if not os.fork():
        sys.exit(0)


@fine()
async def forks_on_the_loop():
    await asyncio.sleep(0)
    return "parent" if os.fork() else "child"


def each_once(run):
    assert run.results["hostile"] == list(range(40))


@fine(then=each_once)
def forks_again_and_again(item):
    os.fork()
    return item


def double(x):
    return 2 * x


@fine("threads", "inline")
def forks_a_pool():
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(double, range(4)) == [0, 2, 4, 6]


@fine()
def starts_a_process_and_leaves_it():
    subprocess.Popen(["sleep", "0.3"])


# -- the loop


@fine()
def sets_another_loop():
    asyncio.set_event_loop(asyncio.new_event_loop())


@fine()
async def sets_another_loop_on_the_loop():
    asyncio.set_event_loop(None)
    await asyncio.sleep(0.01)


@fine()
def runs_a_loop_of_its_own():
    async def inner():
        await asyncio.sleep(0.01)

    with contextlib.suppress(RuntimeError):  # `inline` has one already
        asyncio.run(inner())


@hostile(says="cannot be called from a running event loop")
async def runs_a_loop_on_the_loop():
    coroutine = asyncio.sleep(0)
    try:
        asyncio.run(coroutine)
    finally:
        coroutine.close()


@fine()
async def nests_the_loop():
    import nest_asyncio2

    nest_asyncio2.apply()
    await asyncio.sleep(0.01)
    return asyncio.run(asyncio.sleep(0.01, "nested"))


@fine()
async def blocks_the_loop():
    time.sleep(1)  # noqa: ASYNC251


@hostile(says="RuntimeError: Cannot close a running event loop")
async def closes_the_loop():
    asyncio.get_running_loop().close()


@fine()
async def stops_the_loop():
    asyncio.get_running_loop().stop()
    await asyncio.sleep(0.01)


@hostile(status="cancelled")
async def cancels_everything():
    for task in asyncio.all_tasks():
        task.cancel()
    await asyncio.sleep(1)


@hostile(says="30 of 30 instances did not succeed")
async def cancels_everything_again_and_again(item):
    for task in asyncio.all_tasks():
        task.cancel()
    await asyncio.sleep(1)


@fine()
async def leaves_tasks_behind():
    loop = asyncio.get_running_loop()
    loop.own = [loop.create_task(asyncio.sleep(60)) for _ in range(3)]
    loop.call_soon(lambda: 1 / 0)


@fine()
async def breaks_the_loops_own_words():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda *_: 1 / 0)
    loop.call_soon(lambda: 1 / 0)
    loop.set_debug(True)
    await asyncio.sleep(0.01)


@hostile(says="TimeoutError: took longer than its timeout of 0.1 s")
async def will_not_be_cancelled():
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)


# -- what all tasks share


@fine()
def goes_elsewhere():
    os.makedirs("elsewhere")  # noqa: PTH103
    os.chdir("elsewhere")


@fine()
def empties_the_environment():
    os.environ.clear()


@hostile("threads", "inline", says="signal only works in main thread")
def sets_signal_handlers():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


@hostile("processes", says="TimeoutError: took longer than its timeout of 0.1 s")
def ignores_signals():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(60)


@fine()
def makes_warnings_errors():
    warnings.simplefilter("error")


@fine()
def patches_the_clock():
    time.time = lambda: 0.0


@fine()
def switches_the_collector_off():
    gc.disable()


@fine("threads", "inline")
def traces_everything():
    sys.setprofile(lambda *_: None)
    threading.settrace(lambda *_: None)


# -- arguments and results of others


def kept_as_it_was(run):
    from orch_nb.engine.journal import SqliteJournal

    journal = SqliteJournal("j.db")
    assert journal.load(run["before"].result) == {"rows": [1, 2, 3]}
    journal.close()


@fine(then=kept_as_it_was)
def changes_what_it_was_given(before, extra):
    before["rows"].append(before)
    before.clear()
    extra.append("more")
    return before


# -- itself


@fine()
def knows_itself():
    import orch_nb as nb

    now = nb.current()
    assert (now.task, now.attempt, now.idempotency_key) == ("hostile", 1, "r:hostile")


def _inner():
    import orch_nb as nb

    return nb.Plan(
        goal="inner", tasks=[nb.Task(id="x", run=harmless), nb.Task(id="y", sh="echo y")]
    )


@fine("threads", "processes")
def runs_a_plan_in_another_journal():
    import orch_nb as nb

    nb.execute(_inner(), journal="inner.db").raise_for_status()


@fine("threads", "processes")
def runs_a_plan_in_the_same_journal():
    import orch_nb as nb

    nb.execute(_inner(), journal="j.db").raise_for_status()


@hostile("inline", says="NestedLoopError")
def runs_a_plan_on_the_loop_that_runs_it():
    import orch_nb as nb

    nb.execute(_inner(), journal="memory")


@hostile(says="NestedLoopError")
async def runs_a_plan_on_the_loop():
    import orch_nb as nb

    nb.execute(_inner(), journal="memory")


@fine()
async def awaits_a_plan():
    import orch_nb as nb

    (await nb.execute_async(_inner(), journal="j.db")).raise_for_status()


@hostile("threads", "processes", says="RunExists")
def runs_itself():
    import orch_nb as nb

    nb.execute(_inner(), journal="j.db", run_id="r")


@hostile("threads", says="RunHeld")
def recovers_itself():
    import orch_nb as nb

    nb.recover("r", journal="j.db", namespace=globals())


@hostile("threads", status="cancelled")
def cancels_itself():
    from orch_nb.engine.journal import SqliteJournal
    from orch_nb.engine.ports import Request

    SqliteJournal("j.db").ask("r", Request("cancel", "hostile", by="itself"))
    time.sleep(3)


def interrupts_the_kernel():
    """As Ctrl-C, or Stop: whoever waits for the run gets it, when the run is cancelled."""
    os.kill(os.getppid() if "worker" in sys.argv[0] else os.getpid(), signal.SIGINT)
    time.sleep(1)


# -- observers


def raises_at_once(events, state):
    raise ValueError("not today")


class Vanishes:
    """A widget whose page is closed in mid-run."""

    def __init__(self):
        self.told = 0

    def __call__(self, events, state):
        self.told += 1
        if self.told > 2:
            raise ConnectionError("the comm is closed")


def exits_when_told(events, state):
    sys.exit(4)


def empties_what_it_is_told(events, state):
    events.clear()


def nests(events, state):
    import orch_nb as nb

    nb.execute(_inner(), journal="memory")


OBSERVERS = {
    "raises_at_once": [raises_at_once],
    "vanishes": [Vanishes()],
    "exits": [exits_when_told],
    "empties_what_it_is_told": [empties_what_it_is_told],
    "nests": [nests],
    "all_of_them": [raises_at_once, Vanishes(), exits_when_told, nests],
}


def harmless(**upstream):
    return "ok"


for _name, _observers in OBSERVERS.items():
    CASES[f"observer_{_name}"] = Case(
        lambda: {"run": harmless}, HERE, "succeeded", "", _observers, None
    )


# -- conditions, lists, compensations


def of_fields(name, status, says, **fields):
    CASES[name] = Case(lambda: {"run": harmless, **fields}, HERE, status, says, (), None)


def exits_when_asked(before):
    sys.exit(5)


def endless(before):
    return itertools.count()


def breaks_off(before):
    yield 1
    raise KeyboardInterrupt


of_fields("when_exits", "failed", "its `when` cannot be judged: SystemExit", when=exits_when_asked)
of_fields("when_hides", "failed", "its `when` cannot be judged", when=lambda before: Hides())
of_fields("foreach_exits", "failed", "its `foreach` cannot be worked out", foreach=exits_when_asked)
of_fields("foreach_breaks_off", "failed", "its `foreach` cannot be worked out", foreach=breaks_off)
of_fields("foreach_is_endless", "failed", "the most are", foreach=endless)


def settings_of(name):
    """What a case wants of its task besides a function."""
    if name in ("will_not_be_cancelled", "ignores_signals"):
        return {"timeout": 0.1}
    if name.endswith("_again_and_again"):
        return {"foreach": list(range(40 if name.startswith("forks") else 30))}
    if name == "changes_what_it_was_given":
        return {"with_": {"extra": ["some"]}}
    return {}


# -- the child: the run itself


def plan_of(name):
    import orch_nb as nb

    fields = {**CASES[name].make(), **settings_of(name)}
    # Who is cancelled along with everything is cancelled.
    after = ["hostile"] if name.startswith("cancels_everything") else ["before"]
    return nb.Plan(
        goal=name,
        tasks=[
            nb.Task(id="before", run=rows),
            nb.Task(id="hostile", needs=["before"], required=False, **fields),
            nb.Task(id="after", run=harmless, needs=["hostile"], trigger="all_done"),
            nb.Task(id="beside", run=harmless),
            nb.Task(id="command", sh="echo here", needs=["before"]),
            nb.Task(id="waits", run=waits, needs=after, trigger="all_done"),
        ],
    )


def rows():
    return {"rows": [1, 2, 3]}


async def waits(**upstream):
    await asyncio.sleep(0.05)
    return "waited"


def interrupted(executor):
    """What the journal tells of a run that was interrupted."""
    import orch_nb as nb
    from orch_nb.engine import journal
    from orch_nb.engine.launch import past_run

    tasks = [
        nb.Task(id="hostile", run=interrupts_the_kernel),
        nb.Task(id="command", sh="sleep 30"),
        nb.Task(id="after", run=harmless, needs=["hostile"]),
    ]
    plan = nb.Plan(goal="g", tasks=tasks)
    try:
        nb.execute(plan, journal="j.db", run_id="r", executor=executor, workers=3)
    except KeyboardInterrupt:
        kept = journal.SqliteJournal("j.db")
        past = past_run(kept.history("r"), kept)
        return {"status": str(past.status), "tasks": {t.task: str(t.status) for t in past.tasks}}


def perform(name, executor):
    """In a process of its own. What it finds is checked here and told to the test."""
    if name == "interrupted":
        return interrupted(executor)
    import orch_nb as nb
    from orch_nb.engine import attempts, journal
    from orch_nb.engine.launch import past_run

    attempts._GRACE_S = 0.2
    case, home = CASES[name], Path.cwd()
    run = nb.execute(
        plan_of(name), journal="j.db", run_id="r", executor=executor, workers=3,
        observers=list(case.observers),
    )  # fmt: skip
    os.chdir(home)
    if case.then is not None:
        case.then(run)
    kept = journal.SqliteJournal("j.db")
    past = past_run(kept.history("r"), kept)
    told = {task.task: str(task.status) for task in run.tasks}
    assert told == {task.task: str(task.status) for task in past.tasks}
    again = nb.execute(_inner(), journal="j.db", run_id="again", executor=executor)
    assert again.succeeded, "another run in the same process fails"
    state = run["hostile"]
    return {
        "status": str(run.status), "tasks": told, "reason": state.reason,
        "error": str(state.error or ""), "attempts": len(state.attempts),
    }  # fmt: skip


def child(order):
    os.chdir(order["folder"])
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.stdin = open(0)  # noqa: SIM115
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import faulthandler

    faulthandler.register(signal.SIGUSR1, open(2, "w", closefd=False))  # noqa: SIM115
    pid, home = os.getpid(), Path.cwd()
    try:
        found = {"ok": perform(order["name"], order["executor"])}
    except BaseException:  # noqa: BLE001  # told to the test
        found = {"error": traceback.format_exc()}
    if os.getpid() != pid:
        (home / "came-back").write_text("a fork of the engine went on with the run")
    (home / "outcome.json").write_text(json.dumps(found))
    os._exit(0)


def serve():
    """Fork a child for each order; its pid, and then how it ended."""
    from orch_nb import phases  # noqa: F401
    from orch_nb.executors import inline, local, processes, shell, threads  # noqa: F401

    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if not pid:
            child(order)
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


# -- the tests

if __name__ == "__main__":
    sys.modules["test_hostile_tasks"] = sys.modules["__main__"]
    serve()
else:
    import psutil
    import pytest

    @pytest.fixture(scope="module")
    def forker():
        process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            bufsize=1,
        )  # fmt: skip
        yield process
        process.stdin.close()
        process.wait(10)
        process.stdout.close()

    def performed(forker, folder, name, executor):
        """What the child found. A watchdog ends it, with all its stacks, if it does not end."""
        order = {"folder": str(folder), "name": name, "executor": executor}
        forker.stdin.write(json.dumps(order) + "\n")
        pid = int(forker.stdout.readline())
        in_time, _, _ = select.select([forker.stdout], [], [], PATIENCE_S)
        if not in_time:
            os.kill(pid, signal.SIGUSR1)
            time.sleep(1)
            os.kill(pid, signal.SIGKILL)
        code = int(forker.stdout.readline())
        left = left_behind(pid)
        said = (folder / "said").read_text(errors="replace")[-6000:]
        assert in_time, f"it hangs:\n{said}"
        assert code == 0, said
        assert not left, f"{left} processes were left behind"
        found = json.loads((folder / "outcome.json").read_text())
        assert "ok" in found, f"{found['error']}\n{said}"
        return found["ok"]

    def left_behind(session):
        """How many forks of the engine still live shortly after its end; they are killed."""
        until = time.monotonic() + 2
        while left := [pid for pid in psutil.pids() if _session(pid) == session]:
            if time.monotonic() > until:
                break
            time.sleep(0.02)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        return len(left)

    def _session(pid):
        """None for one that has ended, buried by whoever adopted it or not yet."""
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return None
            return os.getsid(pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            return None

    EVERY = [(name, where) for name, case in CASES.items() for where in case.executors]

    @pytest.mark.parametrize(("name", "executor"), EVERY, ids=[f"{n}-{e}" for n, e in EVERY])
    def test_the_run_survives_and_says_what_happened(forker, tmp_path, name, executor):
        case = CASES[name]
        told = performed(forker, tmp_path, name, executor)
        assert told["tasks"].pop("hostile") == case.status, told
        assert told["tasks"] == dict.fromkeys(told["tasks"], "succeeded"), told
        assert case.says in f"{told['error']} {told['reason']}", told
        assert told["status"] == "succeeded"  # nothing that is required has failed
        assert not (tmp_path / "came-back").exists()

    @pytest.mark.parametrize("executor", ["threads", "processes"])
    def test_an_interrupt_cancels_the_run_and_is_raised(forker, tmp_path, executor):
        told = performed(forker, tmp_path, "interrupted", executor)
        assert told["status"] == "cancelled"
        assert told["tasks"] == dict.fromkeys(("hostile", "command", "after"), "cancelled")
