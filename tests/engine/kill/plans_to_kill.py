"""Plans of several shapes whose tasks leave a trace: what they really did, whatever is killed.

Each attempt appends a line to the file `effects` of its folder when it begins and one when it ends:

    begin   task  attempt  pid  time
    end     task  attempt  pid  time  value      or `fail`, where it raises

A line is one `write` to a file that is opened for appending, so it is whole, and lines of several
processes stand in the order of their happening. What a task gives depends on nothing but its place
in the plan, so that a run that was cut off ten times has to end like one that was left alone.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
import time

import orch_nb as nb
from orch_nb.engine.ports import Request, current

__all__ = ["SHAPES", "WARM", "plan_of"]


def tell(what: str, value: object = "") -> None:
    now = current()
    line = f"{what}\t{now.task}\t{now.attempt}\t{os.getpid()}\t{time.time()}\t{value!r}\n"
    file = os.open("effects", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(file, line.encode())
    os.close(file)


def told(what: str, task: str) -> int:
    """How often a task has said something, in all attempts of all processes."""
    try:
        with open("effects") as file:  # noqa: PTH123
            return sum(line.startswith(f"{what}\t{task}\t") for line in file)
    except FileNotFoundError:
        return 0


# -- what tasks do


def step(ms=3, **upstream):
    tell("begin")
    print(f"did {current().task}")
    time.sleep(ms / 1000)
    value = 1 + sum(value for value in upstream.values() if isinstance(value, int))
    tell("end", value)
    return value


def quick(**upstream):
    tell("begin")
    value = 1 + len(upstream)
    tell("end", value)
    return value


async def wait(ms=5, **upstream):
    tell("begin")
    await asyncio.sleep(ms / 1000)
    value = 1 + sum(value for value in upstream.values() if isinstance(value, int))
    tell("end", value)
    return value


def bulky(size=2000, **upstream):
    """A result that stands beside its event, in a row of its own; two tasks give the same one."""
    tell("begin")
    value = {"rows": list(range(size)), "text": "ü" * size}
    tell("end", "bulky")
    return value


def pickled(**upstream):
    tell("begin")
    value = {"bytes": bytes(range(256)) * 400, "numbers": {1: 2}, "sum": len(upstream)}
    tell("end", "pickled")
    return value


def flaky(fails=2, ms=2, **upstream):
    """Fails so often, counted over all attempts of all processes, and then succeeds."""
    tell("begin")
    time.sleep(ms / 1000)
    if told("fail", current().task) < fails:
        tell("fail")
        raise ConnectionError("not yet")
    tell("end", "at last")
    return "at last"


def hopeless(**upstream):
    return flaky(fails=1000)


class Handle:
    """What no journal can keep."""

    def __init__(self):
        self.lock = threading.Lock()

    def __repr__(self):
        return "Handle"


def opened(**upstream):
    tell("begin")
    tell("end", "Handle")
    return Handle()


def rows(count=9):
    tell("begin")
    tell("end", count)
    return list(range(count))


def part(item, ms=3):
    tell("begin")
    time.sleep(ms / 1000)
    if item == 4 and told("fail", current().task) < 1:
        tell("fail")
        raise ConnectionError("the fourth fails once")
    if item == 7:
        tell("fail")
        raise ValueError("the seventh is hopeless")
    tell("end", item * item)
    return item * item


def again(item):
    tell("begin")
    value = -1 if item is None else item + 1
    tell("end", value)
    return value


def total(**upstream):
    tell("begin")
    value = sum(v or 0 for found in upstream.values() for v in found)
    tell("end", value)
    return value


def undo(ms=3, **upstream):
    tell("begin")
    time.sleep(ms / 1000)
    tell("end", "undone")


def undo_at_last(**upstream):
    return flaky(fails=1)


def undo_in_vain(**upstream):
    return hopeless()


def alarm(**upstream):
    tell("begin")
    tell("end", "rung")
    return "rung"


def sends_cancel(ms=600):
    """Somebody cancels the run from another process, once, while this task is at work."""
    tell("begin")
    if not told("asked", current().task):
        from orch_nb.engine.journal import SqliteJournal

        SqliteJournal("j.db").ask("r", Request("cancel", by="somebody"))
        tell("asked")
    time.sleep(ms / 1000)
    tell("end", "late")
    return "late"


def is_big(look):
    return look > 5


SH_TELLS = (
    r"""tell() { printf "$1\t%s\t%s\t%s\t0\t$2\n" "$ORCH_TASK" $ORCH_ATTEMPT $$ >> effects; }; """
)
SH = (
    f"{SH_TELLS}tell begin; sleep 60 >/dev/null 2>&1 & sleep 0.02; kill $!; "
    """tell end "'did $ORCH_TASK'"; echo "did $ORCH_TASK" """
)
SH_UNDO = SH.replace("did $ORCH_TASK", "undone")
SH_TOO_LONG = f"{SH_TELLS}tell begin; (sleep 60; true) & sleep 60"
SH_FAILS = f"{SH_TELLS}tell begin; tell fail; exit 3"
SOON = nb.RetryPolicy(maximum_attempts=4, initial_interval_s=0.01, jitter=0.5)


# -- the shapes


def chain():
    ids = [f"t{n}" for n in range(12)]
    kinds = [step, quick, wait, step, bulky, pickled]
    tasks = [nb.Task(id=t, run=kinds[n % 6], needs=ids[n - 1 : n]) for n, t in enumerate(ids)]
    return nb.Plan(goal="chain", tasks=tasks)


def diamond():
    tasks, last = [nb.Task(id="d0", run=step)], "d0"
    for n in range(1, 4):
        tasks += [
            nb.Task(id=f"left{n}", run=step, needs=[last]),
            nb.Task(id=f"right{n}", run=wait, needs=[last]),
            nb.Task(id=f"d{n}", run=step, needs=[f"left{n}", f"right{n}"]),
        ]
        last = f"d{n}"
    return nb.Plan(goal="diamond", tasks=tasks)


def fan():
    """So short and so many that attempts are handed over in batches."""
    leaves = [nb.Task(id=f"leaf{n}", run=quick, needs=["root"]) for n in range(120)]
    whole = nb.Task(id="whole", run=step, needs=[leaf.id for leaf in leaves])
    return nb.Plan(goal="fan", tasks=[nb.Task(id="root", run=step), *leaves, whole])


def layers():
    """With a pool of two slots, a milestone, subtasks, results that share their bytes."""
    tasks = []
    for layer in range(4):
        for n in range(5):
            above = [f"l{layer - 1}_{n}", f"l{layer - 1}_{(n * 3 + 1) % 5}"] if layer else []
            tasks.append(
                nb.Task(
                    id=f"l{layer}_{n}", run=(step, bulky, wait, step, quick)[n],
                    needs=tuple(dict.fromkeys(above)), pool="db" if n in (0, 3) else None,
                    priority=n % 3,
                )
            )  # fmt: skip
    tasks.append(nb.Task(id="reached", needs=["l3_0", "l3_1"]))
    tasks.append(
        nb.Task(
            id="outer", needs=["reached"],
            subtasks=(nb.Task(id="first", run=step), nb.Task(id="second", run=step)),
        )
    )  # fmt: skip
    return nb.Plan(goal="layers", tasks=tasks, pools={"db": 2})


def foreach():
    return nb.Plan(
        goal="foreach",
        tasks=[
            nb.Task(id="rows", run=rows),
            nb.Task(
                id="part", run=part, needs=["rows"], foreach="rows", max_active=3, tolerate=1,
                retry=nb.RetryPolicy(
                    maximum_attempts=2, initial_interval_s=0.01, non_retryable=("ValueError",)
                ),
            ),
            nb.Task(id="again", run=again, needs=["part"], foreach="part"),
            nb.Task(id="none", run=again, needs=["rows"], foreach="[]"),
            nb.Task(id="total", run=total, needs=["part", "again", "none"]),
        ],
    )  # fmt: skip


def retries():
    return nb.Plan(
        goal="retries",
        tasks=[
            nb.Task(id="flaky", run=flaky, retry=SOON),
            nb.Task(id="after", run=step, needs=["flaky"]),
            nb.Task(  # its wait outlives most of its deaths
                id="patient", run=flaky, with_={"fails": 1}, needs=["flaky"],
                retry=nb.RetryPolicy(maximum_attempts=2, initial_interval_s=0.6),
            ),
            nb.Task(id="hopeless", run=hopeless, retry=SOON, required=False),
            nb.Task(id="reached_never", run=step, needs=["hopeless"], required=False),
            nb.Task(id="sweep", run=step, needs=["hopeless", "after"], trigger="all_done"),
            nb.Task(
                id="too_long", sh=SH_TOO_LONG, timeout=0.1, required=False,
                retry=nb.RetryPolicy(maximum_attempts=2, initial_interval_s=0.01),
            ),
            nb.Task(id="exits", sh=SH_FAILS, retry=SOON),
        ],
        on_failure=nb.Task(id="on_failure", run=alarm),
    )  # fmt: skip


def saga():
    return nb.Plan(
        goal="saga",
        tasks=[
            nb.Task(id="book", run=step, compensate=undo),
            nb.Task(id="room", sh=SH, needs=["book"], compensate={"sh": SH_UNDO}),
            nb.Task(
                id="pay", run=step, needs=["room"],
                compensate={"run": undo_at_last, "retry": SOON},
            ),
            nb.Task(id="mail", run=step, needs=["book"], compensate={"run": undo_in_vain}),
            nb.Task(id="kept", run=wait, needs=["book"]),
            nb.Task(id="ship", run=hopeless, needs=["pay", "mail", "kept"]),
            nb.Task(id="never", run=step, needs=["ship"], compensate=undo),
        ],
        on_failure=nb.Task(id="on_failure", run=alarm),
    )  # fmt: skip


def mixed():
    tasks = []
    for n in range(3):
        tasks += [
            nb.Task(id=f"a{n}", run=step),
            nb.Task(id=f"b{n}", sh=SH, needs=[f"a{n}"]),
            nb.Task(id=f"c{n}", run=wait, needs=[f"b{n}"]),
            nb.Task(id=f"d{n}", sh=SH, needs=[f"c{n}"]),
        ]
    tasks.append(nb.Task(id="end", run=step, needs=[f"d{n}" for n in range(3)]))
    return nb.Plan(goal="mixed", tasks=tasks)


def commands():
    tasks = [nb.Task(id=f"sh{n}", sh=SH, needs=[f"sh{n - 2}"] if n > 1 else ()) for n in range(6)]
    return nb.Plan(goal="commands", tasks=tasks)


def branches():
    return nb.Plan(
        goal="branches",
        tasks=[
            nb.Task(id="look", run=rows, with_={"count": 3}),
            nb.Task(id="size", run=step, needs=["look"], with_={"ms": 1}),
            nb.Task(id="big", run=step, needs=["size"], when="size > 5"),
            nb.Task(id="small", run=step, needs=["size"], when="size <= 5"),
            nb.Task(id="asked", run=step, needs=["size"], when=lambda size: size > 5),
            nb.Task(id="after_big", run=step, needs=["big"]),
            nb.Task(
                id="joined", run=step, needs=["after_big", "small", "asked"],
                trigger="none_failed_min_one_success",
            ),
        ],
    )  # fmt: skip


def unkept():
    return nb.Plan(
        goal="unkept",
        tasks=[
            nb.Task(id="opened", run=opened),
            nb.Task(id="used", run=step, needs=["opened"]),
            nb.Task(id="more", run=wait, needs=["used"]),
            nb.Task(id="last", run=step, needs=["opened", "more"]),
            nb.Task(id="done", run=step, needs=["last"]),
        ],
    )


def gate():
    return nb.Plan(
        goal="gate",
        tasks=[
            nb.Task(id="before", run=step),
            nb.Task(id="gate", approval="Go on?", needs=["before"]),
            nb.Task(id="beside", run=wait, needs=["before"]),
            nb.Task(id="behind", run=step, needs=["gate", "beside"]),
        ],
    )


def cancelled():
    return nb.Plan(
        goal="cancelled",
        tasks=[
            nb.Task(id="book", run=step, compensate=undo),
            nb.Task(id="pay", run=step, needs=["book"], compensate=undo),
            nb.Task(id="slow", run=sends_cancel, needs=["pay"]),
            nb.Task(id="never", run=step, needs=["slow"]),
        ],
    )


def cached(ms=1):
    """`WARM` has been run before in the same journal: `same` and `too` are not run again."""
    return nb.Plan(
        goal="cached",
        tasks=[
            nb.Task(id="same", run=bulky, cache=True),
            nb.Task(id="too", run=quick, needs=["same"], cache=True),
            nb.Task(id="changed", run=step, needs=["too"], with_={"ms": ms}, cache=True),
            nb.Task(id="follows", run=wait, needs=["changed"], cache=True),
            nb.Task(id="plain", run=step, needs=["follows"]),
        ],
    )


def long():
    """A command that would not end, with children that do not listen; the second time it looks
    whether anything of the first is left."""
    first = (
        "if [ -e group ]; then ps -o pid= -g $(cat group) | wc -l; exit; fi; "
        "(trap '' TERM HUP; sleep 300) & echo $$ > new; mv new group; sleep 300"
    )
    return nb.Plan(
        goal="long",
        tasks=[nb.Task(id="slow", sh=first), nb.Task(id="next", sh="echo after", needs=["slow"])],
    )


def long_steps():
    return nb.Plan(
        goal="long steps",
        tasks=[
            nb.Task(id="a", run=step, with_={"ms": 400}),
            nb.Task(id="b", run=step, with_={"ms": 400}, needs=["a"]),
        ],
    )


def one_command():
    return nb.Plan(goal="one", tasks=[nb.Task(id="a", sh="echo $$ >> ran; sleep 300")])


def small():
    """A little of everything, for kills at every single point."""
    return nb.Plan(
        goal="small",
        tasks=[
            nb.Task(id="a", run=quick, compensate={"run": undo, "with_": {"ms": 0}}),
            nb.Task(id="b", run=bulky, needs=["a"]),
            nb.Task(id="each", run=again, foreach=[1, 2]),
            nb.Task(
                id="c", run=flaky, needs=["b", "each"], with_={"fails": 1, "ms": 0},
                retry=nb.RetryPolicy(maximum_attempts=2, initial_interval_s=0.001),
                compensate={"run": undo, "with_": {"ms": 0}},
            ),
            nb.Task(id="d", run=hopeless, needs=["c"]),
        ],
        on_failure=nb.Task(id="on_failure", run=alarm),
    )  # fmt: skip


#: By name: a function that makes the plan anew, as a process does that starts from its script.
SHAPES = {
    shape.__name__: shape
    for shape in (
        chain, diamond, fan, layers, foreach, retries, saga, mixed, commands, branches, unkept,
        gate, cancelled, cached, small,
    )
}  # fmt: skip
#: Those that take long, or for ever.
LONG = {"long": long, "long_steps": long_steps, "one_command": one_command}
WARM = functools.partial(cached, 0)


def plan_of(name: str) -> nb.Plan:
    return {**SHAPES, **LONG}[name]()
