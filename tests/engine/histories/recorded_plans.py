"""The plans of the stored histories, and how each run went: for `record.py` and `test_histories`.

A scenario is a plan, what is done to its run while it is recorded, and how every task stands once
today's engine has gone on with it. Functions are journaled as `recorded_plans:name`, so this module
is imported under that name, whoever imports it. What a journal holds was made by this file: change
a plan, and its history has to be recorded anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orch_nb as nb

# -- what tasks do


def number() -> int:
    return 6


def doubled(number: int) -> int:
    return number * 2


def table() -> dict[str, Any]:
    return {"species": ["gentoo", "adelie"], "mass": [5.0, None], "é": "✓"}


def pair(table: dict[str, Any]) -> tuple[int, str]:
    return (len(table), "rows")  # no JSON holds a tuple: a pickle does


def joined(**upstream: Any) -> list[str]:
    return [f"{name}={value}" for name, value in upstream.items()]


def printed() -> str:
    print("a line of output\nand another, é")
    return "told"


def second_time() -> int:
    if nb.current().attempt < 2:
        raise ConnectionError(f"attempt {nb.current().attempt}")
    return nb.current().attempt


def third_time() -> int:
    if nb.current().attempt < 3:
        raise ConnectionError(f"attempt {nb.current().attempt}")
    return nb.current().attempt


def broken() -> None:
    raise ValueError("broken on purpose: <b>é</b>")


def three() -> list[int]:
    return [1, 2, 3]


def halved(item: int) -> float:
    if item == 2:
        raise ArithmeticError("2 is not halved")
    return item / 2


def mended_item(item: int) -> int:
    if item == 2 and nb.current().attempt == 1:
        raise ArithmeticError("2 fails at first")
    return item


def slow_item(item: int) -> int:
    """The third is long in its first attempt, which is cut off."""
    if item == 3 and nb.current().attempt == 1:
        time.sleep(60)
    return item * 10


def total(each: list[Any]) -> str:
    return repr(each)


def is_big(number: int) -> bool:
    return number > 100


def booked() -> str:
    return "booking 7"


def unbooked() -> str:
    return "cancelled booking"


def unpaid() -> str:
    """Slow in its first attempt, which may be cut off, and failing in its second."""
    if nb.current().attempt == 1:
        time.sleep(0.5)
    if nb.current().attempt == 2:
        raise ConnectionError("the bank does not answer")
    return "refunded"


def told_of(failures: dict[str, Any]) -> str:
    return f"{len(failures)} failed"


def lock() -> Any:
    return threading.Lock()


def locked(lock: Any) -> str:
    return f"{type(lock).__name__} held: {lock.locked()}"


def slow_once() -> str:
    """Long in its first attempt, which is cut off."""
    if nb.current().attempt == 1:
        time.sleep(60)
    return "at last"


# -- their runs


@dataclass
class Scenario:
    """`plan` makes the plan; `options` are those of `execute`.

    What is done to the run: each of `asks` is (when, verb, task, note), asked from another process
    once `when` holds for the events so far; with `kill` the process is killed once `when` holds.
    Afterwards `go_on` are the options of `recover` by the engine that records.

    `then`: the statuses, other than succeeded, that today's engine gives the tasks when it goes on
    with the run, by `then_options`; None where the run had ended for good. `since` is the first
    version of the journal that can hold it.
    """

    plan: Callable[[], nb.Plan]
    options: Mapping[str, Any] = field(default_factory=dict)
    asks: Sequence[tuple[Callable[[list[Any]], bool], str, str | None, str]] = ()
    when: Callable[[list[Any]], bool] | None = None
    kill: bool = False
    go_on: Mapping[str, Any] | None = None
    then: Mapping[str, str] | None = None
    then_options: Mapping[str, Any] = field(default_factory=dict)
    since: int = 1


def _plan(*tasks: nb.Task, **fields: Any) -> nb.Plan:
    return nb.Plan(goal=fields.pop("goal", "a history"), tasks=list(tasks), **fields)


def started(*tasks: str) -> Callable[[list[Any]], bool]:
    """Holds once an attempt of each of `tasks` has started, and the processes of shell tasks."""

    def holds(events: Iterable[Any]) -> bool:
        seen = {e.task for e in events if type(e).__name__ in ("AttemptStarted", "ProcessStarted")}
        return set(tasks) <= seen

    return holds


def told(kind: str) -> Callable[[list[Any]], bool]:
    return lambda events: any(type(event).__name__ == kind for event in events)


def chain() -> nb.Plan:
    return _plan(
        nb.Task(id="number", run=number, title="A number", owner="me", estimate="2s"),
        nb.Task(id="doubled", run=doubled, estimate=["1s", "2s", "6s"]),
        nb.Task(id="shell", sh='echo "$ORCH_PARAM_REGION $ORCH_TASK"', needs=["doubled"]),
        nb.Task(id="told", run=printed, needs=["shell"]),
        nb.Task(id="milestone", needs=["told"], description="it ends at once"),
        params={"region": "eu"},
        goal="A chain: é ✓ <b>",
    )


def diamond() -> nb.Plan:
    return _plan(
        nb.Task(id="table", run=table, story="Read"),
        nb.Task(id="pair", run=pair, story="Read"),
        nb.Task(id="count", sh="echo 3", needs=["table"], story="Count"),
        nb.Task(id="joined", run=joined, needs=["pair", "count"], story="Join"),
    )


def _once(**fields: Any) -> dict[str, Any]:
    return {"initial_interval_s": 0.01, "jitter": 0.0, **fields}


def failing() -> nb.Plan:
    """Retries, a failure for good, and every rule that the first version had after it."""
    return _plan(
        nb.Task(id="flaky", run=third_time, retry=_once(maximum_attempts=3)),
        nb.Task(
            id="broken", run=broken, retry=_once(maximum_attempts=3, non_retryable=["ValueError"])
        ),
        nb.Task(id="optional", sh="echo seen >&2; exit 3", required=False,
                retry=_once(maximum_attempts=2)),
        nb.Task(id="after", sh="true", needs=["broken", "flaky"]),
        nb.Task(id="farther", sh="true", needs=["after"]),
        nb.Task(id="always", sh="echo cleaned", needs=["after", "flaky"], trigger="all_done"),
        nb.Task(id="undo", sh="echo undone", needs=["broken"], trigger="one_failed"),
    )  # fmt: skip


def skipping() -> nb.Plan:
    return _plan(
        nb.Task(id="fine", sh="echo fine"),
        nb.Task(id="undo", sh="echo undone", needs=["fine"], trigger="one_failed"),
        nb.Task(id="after_undo", sh="true", needs=["undo"]),
        nb.Task(id="either", sh="echo either", needs=["undo", "fine"],
                trigger="none_failed"),
        nb.Task(id="last", sh="echo last", needs=["after_undo"], trigger="all_done"),
    )  # fmt: skip


def timing_out() -> nb.Plan:
    return _plan(
        nb.Task(id="late", sh="sleep 60", timeout="100ms", retry=_once(maximum_attempts=2)),
        nb.Task(id="after", sh="true", needs=["late"]),
    )


def long_lanes() -> nb.Plan:
    """Two lanes that are in flight when something happens, and one that has ended."""
    return _plan(
        nb.Task(id="number", run=number),
        nb.Task(id="slow", run=slow_once, needs=["number"]),
        nb.Task(id="sleeps", sh='[ "$ORCH_ATTEMPT" = 2 ] || sleep 60; echo up', needs=["number"]),
        nb.Task(id="doubled", run=doubled),
        nb.Task(id="joined", run=joined, needs=["slow", "sleeps", "doubled"]),
    )  # fmt: skip


def short_lanes() -> nb.Plan:
    return _plan(
        nb.Task(id="one", sh="sleep 0.3; echo 1"),
        nb.Task(id="two", sh="sleep 0.3; echo 2"),
        nb.Task(id="number", run=number),
        nb.Task(id="joined", run=joined, needs=["one", "two", "number"]),
    )


def one_long_lane() -> nb.Plan:
    return _plan(
        nb.Task(id="sleeps", sh="sleep 60"),
        nb.Task(id="after", sh="true", needs=["sleeps"]),
        nb.Task(id="number", run=number),
        nb.Task(id="cleaned", sh="echo cleaned", needs=["after", "number"], trigger="all_done"),
    )


def backing_off() -> nb.Plan:
    return _plan(
        nb.Task(id="flaky", run=second_time, retry={"maximum_attempts": 2, "jitter": 0.0,
                                                    "initial_interval_s": 30.0}),
        nb.Task(id="after", sh="echo after", needs=["flaky"]),
    )  # fmt: skip


def gate() -> nb.Plan:
    return _plan(
        nb.Task(id="built", sh="echo built"),
        nb.Task(id="approve", approval="Publish? <b>", needs=["built"]),
        nb.Task(id="publish", sh="echo published", needs=["approve"]),
        nb.Task(id="tick", todo="look at it", required=False),
    )


def answered_by_default() -> nb.Plan:
    return _plan(
        nb.Task(id="yes", approval=nb.Approval("Yes?", "approve")),
        nb.Task(id="no", approval=nb.Approval("No?", "reject"), required=False),
        nb.Task(id="after_yes", sh="true", needs=["yes"]),
        nb.Task(id="after_no", sh="true", needs=["no"], required=False),
    )


def mended() -> nb.Plan:
    return _plan(
        nb.Task(id="number", run=number),
        nb.Task(id="marked", sh='[ "$ORCH_ATTEMPT" = 2 ] && echo mended', needs=["number"]),
        nb.Task(id="after", sh="echo after", needs=["marked"]),
    )


def nested() -> nb.Plan:
    return _plan(
        nb.Task(id="first", sh="echo first"),
        nb.Task(id="group", needs=["first"], story="Build", subtasks=[
            nb.Task(id="one", sh="echo one"),
            nb.Task(id="two", sh="echo two"),
            nb.Task(id="inner", subtasks=[nb.Task(id="deep", sh="echo deep")]),
        ]),
        nb.Task(id="after", sh="echo after", needs=["group"]),
    )  # fmt: skip


def unkept() -> nb.Plan:
    """A result that no journal can hold is needed on both sides of a gate."""
    return _plan(
        nb.Task(id="lock", run=lock),
        nb.Task(id="before", run=locked, needs=["lock"]),
        nb.Task(id="approve", approval="Go on?", needs=["before"]),
        nb.Task(id="locked", run=locked, needs=["approve", "lock"]),
    )


# -- what version 2 brought


def conditions() -> nb.Plan:
    return _plan(
        nb.Task(id="number", run=number),
        nb.Task(id="big", sh="echo big", needs=["number"], when=is_big),
        nb.Task(id="small", sh="echo small", needs=["number"], when="number < params.limit"),
        nb.Task(id="either", sh="echo either", needs=["big", "small"],
                trigger="none_failed_min_one_success"),
        nb.Task(id="both", sh="echo both", needs=["big", "small"]),
        nb.Task(id="all_skipped", sh="echo skipped", needs=["big"], trigger="all_skipped"),
        nb.Task(id="one_done", sh="echo done", needs=["big", "small"], trigger="one_done"),
        nb.Task(id="always", sh="echo always", needs=["both"], trigger="always"),
        params={"limit": 100},
    )  # fmt: skip


def fan_out() -> nb.Plan:
    return _plan(
        nb.Task(id="three", run=three),
        nb.Task(id="each", run=halved, foreach="three", tolerate=1, max_active=2,
                retry=_once(maximum_attempts=2)),
        nb.Task(id="total", run=total, needs=["each"]),
        nb.Task(id="named", sh="echo {{ item }}", foreach={"region": ["eu", "us"]}),
        nb.Task(id="none", run=mended_item, foreach=[]),
    )  # fmt: skip


def fan_out_that_fails() -> nb.Plan:
    return _plan(
        nb.Task(id="each", run=mended_item, foreach=[1, 2, 3]),
        nb.Task(id="total", run=total, needs=["each"]),
    )


def long_fan_out() -> nb.Plan:
    return _plan(
        nb.Task(id="three", run=three),
        nb.Task(id="each", run=slow_item, foreach="three"),
        nb.Task(id="total", run=total, needs=["each"]),
    )


def saga() -> nb.Plan:
    return _plan(
        nb.Task(id="book", run=booked, compensate=unbooked),
        nb.Task(id="pay", sh="echo paid", needs=["book"], compensate=nb.Task(
            id="", run=unpaid, retry=_once(maximum_attempts=3))),
        nb.Task(id="note", sh="echo noted", needs=["pay"], compensate={"sh": "exit 5"}),
        nb.Task(id="ship", run=broken, needs=["note"]),
        nb.Task(id="thank", sh="true", needs=["ship"], compensate=unbooked),
        on_failure=nb.Task(id="on_failure", run=told_of),
    )  # fmt: skip


def with_faults() -> nb.Plan:
    return _plan(
        nb.Task(id="number", run=number, retry=_once(maximum_attempts=3)),
        nb.Task(id="doubled", run=doubled),
    )


def limited() -> nb.Plan:
    from orch_nb.model.task import Pool, Rate  # version 1 had none

    return _plan(
        *(
            nb.Task(id=f"t{n}", sh=f"echo {n}", pool={"db": 1 + n % 2}, priority=n)
            for n in range(5)
        ),
        nb.Task(id="often", sh="echo often", pool="api", foreach=[1, 2, 3, 4]),
        pools={"db": 2, "api": Pool(rate=Rate(2, 0.2))},
    )


def never_done() -> nb.Plan:
    return _plan(
        nb.Task(id="tries", sh="exit 1", total_timeout="300ms", retry=_once(
            maximum_attempts=1000, initial_interval_s=0.1, backoff_coefficient=1.0)),
        nb.Task(id="after", sh="true", needs=["tries"]),
    )  # fmt: skip


def one_broken() -> nb.Plan:
    return _plan(
        nb.Task(id="broken", sh="sleep 0.1; exit 1"),
        nb.Task(id="sleeps", sh="sleep 60"),
        nb.Task(id="number", run=number),
    )


def pausing() -> nb.Plan:
    return _plan(
        nb.Task(id="one", sh="sleep 0.6; echo 1"),
        nb.Task(id="two", sh="echo 2", needs=["one"]),
        nb.Task(id="three", sh="echo 3", needs=["two"]),
    )


def ended(*tasks: str) -> Callable[[list[Any]], bool]:
    """Holds once each of `tasks` has succeeded."""

    def holds(events: Iterable[Any]) -> bool:
        return set(tasks) <= {e.task for e in events if type(e).__name__ == "AttemptSucceeded"}

    return holds


def both(
    one: Callable[[list[Any]], bool], other: Callable[[list[Any]], bool]
) -> Callable[[list[Any]], bool]:
    return lambda events: one(events) and other(events)


SCENARIOS: dict[str, Scenario] = {
    "chain": Scenario(chain, {"name": "a chain"}),
    "diamond": Scenario(diamond, {"workers": 2}),
    "failing": Scenario(failing, {"workers": 1}),
    "skipping": Scenario(skipping),
    "timing-out": Scenario(timing_out),
    "nested": Scenario(nested),
    "cancelled": Scenario(long_lanes, asks=[(started("slow", "sleeps"), "cancel", None, "")]),
    "one-cancelled": Scenario(one_long_lane, asks=[(started("sleeps"), "cancel", "sleeps", "")]),
    "waiting": Scenario(gate, then={}, then_options={"approve": ["approve", "tick"]}),
    "approved": Scenario(gate, go_on={"approve": ["approve", "tick"]}),
    "by-default": Scenario(answered_by_default),
    "cut-off": Scenario(
        long_lanes, when=both(started("slow", "sleeps"), ended("doubled")),
        kill=True, then={},
    ),
    "cut-off-at-once": Scenario(short_lanes, when=told("RunStarted"), kill=True, then={}),
    "went-on": Scenario(
        long_lanes, when=both(started("slow", "sleeps"), ended("doubled")),
        kill=True, go_on={},
    ),
    "backing-off": Scenario(backing_off, when=told("BackingOff"), kill=True, then={}),
    "failed": Scenario(mended, then={}, then_options={"retry": "marked"}),
    "retried": Scenario(mended, go_on={"retry": "marked"}),
    "unkept": Scenario(unkept, then={}, then_options={"approve": ["approve"]}),
    "conditions": Scenario(conditions, since=2),
    "fan-out": Scenario(fan_out, since=2),
    "fan-out-failed": Scenario(
        fan_out_that_fails, then={}, then_options={"retry": "each[1]"}, since=2
    ),
    "fan-out-retried": Scenario(fan_out_that_fails, go_on={"retry": "each"}, since=2),
    "fan-out-cut-off": Scenario(
        long_fan_out, when=both(started("each[2]"), ended("each[0]", "each[1]")), kill=True,
        then={}, since=2,
    ),
    "saga": Scenario(saga, since=2),
    "saga-cut-off": Scenario(
        saga, when=started("compensate(pay)"), kill=True, since=2,
        then={
            "book": "compensated", "pay": "compensated", "note": "succeeded", "ship": "failed",
            "thank": "upstream_failed", "compensate(note)": "failed",
        },
    ),
    "faulty": Scenario(with_faults, {"faults": ["number=2"]}, since=2),
    "limited": Scenario(limited, {"workers": 3}, since=2),
    "never-done": Scenario(never_done, since=2),
    "out-of-time": Scenario(one_long_lane, {"timeout": 0.5}, since=2),
    "fail-fast": Scenario(one_broken, {"fail_fast": True}, since=2),
    "paused": Scenario(
        pausing, since=2,
        asks=[(started("one"), "pause", None, ""), (ended("one"), "workers", None, "2"),
              (told("WorkersChanged"), "resume", None, "")],
    ),
    "kept-first": Scenario(diamond, {"cache": True}, since=2),
    "kept-again": Scenario(diamond, {"cache": True}, since=2),
}  # fmt: skip
