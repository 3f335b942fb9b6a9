"""Small plans with everything in them that a plan can have, and what happens to them.

    scenario = Builder(random.Random(7)).build()
    scenario.plan, scenario.options
    scenario.outcome("t3[1]", "t3", 2)        # what becomes of an attempt, and how long it takes
    scenario.people, scenario.crashes         # what people do, and when the process dies

The source of chance is a `random.Random`: of a seed, for many of them, or hypothesis' own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orch_nb.engine.retry import spread
from orch_nb.model.plan import Plan
from orch_nb.model.task import Approval, Call, Foreach, Pool, Rate, RetryPolicy, Task, TriggerRule
from orch_nb.testing import Hang, Took, nothing

__all__ = ["START", "Builder", "Scenario"]

START = 1024.0  # small, so that moments a hair apart stay apart
UNIT = 0.02  # seconds that the shortest attempt takes; the driver's own timers are far longer
END = 3.0  # after so many seconds everything is let go, and whatever is left is cancelled

Said = tuple[float, str, tuple[Any, ...]]
Meaning = Mapping[str, Callable[[Mapping[str, Any]], Any]]


class Fatal(Exception):
    """What no task is tried again after that names it."""


ERRORS = [ValueError("no"), OSError("gone"), Fatal("never again")]


@dataclass
class Told:
    """What becomes of an attempt. `lag`: how long it goes on when it is asked to stop."""

    value: Any = None
    units: int = 1
    hangs: bool = False
    stoppable: bool = True
    lag: int = 0


@dataclass
class Scenario:
    """`meaning` says of each task what its `when` and `foreach` are to give, by its results."""

    plan: Plan
    unit: float = UNIT
    calm: bool = False
    script: dict[str, list[Any]] = field(default_factory=dict)
    meaning: dict[str, dict[str, Any]] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    people: list[Said] = field(default_factory=list)
    crashes: list[tuple[float, float]] = field(default_factory=list)  # when, and when it goes on
    again: dict[str, Any] = field(default_factory=dict)  # options that differ when it goes on
    retry: str | None = None  # in the run that has ended
    skip: bool = False  # that one is skipped then, not tried anew

    def people_from(self, now: float) -> list[Said]:
        """What people do after `now`; in the end whatever waits is let go, and cancelled."""
        if self.calm:
            return []
        said = [(START + when, *what) for when, *what in self.people if START + when > now]
        return [*said, (now + END, "unpause", ()), (now + END + 0.1, "cancel", ())]

    def outcome(self, name: str, task: str, attempt: int) -> Any:
        script = self.script.get(name, self.script.get(task, [Told(name)]))
        told = script[min(attempt, len(script)) - 1]
        stops_s = self.unit * (told.lag + spread("stops", name, attempt)) if told.lag else 0.0
        if told.hangs:
            return Hang(told.stoppable, stops_s)
        return Took(told.value, self.unit * (told.units + spread("takes", name, attempt)), stops_s)

    def options_of(self, process: int) -> dict[str, Any]:
        return self.options | (self.again if process else {})


class Builder:
    """Draws one scenario. No two moments in it are the same, but for those that follow at once.

    `calm`: nothing in it depends on when it happens: no people, no timeouts, no crashes. `wide`:
    fan-outs of many attempts, some of which take a hundred times as long as others.
    """

    def __init__(
        self, rng: random.Random, *, calm: bool = False, wide: bool = False, unit: float = UNIT
    ) -> None:
        self.rng, self.calm, self.wide, self.unit = rng, calm, wide, unit
        self.drawn = 0
        self.themes: dict[str, float] = {}
        self.scenario = Scenario(Plan(goal="g"), unit, calm)

    def often(self, share: float, theme: str = "") -> bool:
        """True so often. Each scenario has much of some themes and nothing of others: "swarm
        testing" (Groce et al. 2012), which finds what a bit of everything hides."""
        if theme:
            if theme not in self.themes:
                self.themes[theme] = self.rng.choice([0, 1, 1, 3])
            share = min(0.9, share * self.themes[theme])
        return self.rng.random() < share

    def storm(self, share: float, theme: str = "") -> bool:
        """Whether there is something that depends on time."""
        return not self.calm and self.often(share, theme)

    def moment(self, most: int) -> float:
        """Seconds, up to `most` units."""
        self.drawn += 1
        return self.unit * (self.rng.randint(0, most) + spread("moment", "", self.drawn))

    def build(self) -> Scenario:
        rng, made = self.rng, self.scenario
        pools = self.pools()
        self.most_items = 40 if self.wide else 12 if self.often(0.05) else 4
        tasks = [self.task(n, pools) for n in range(rng.choice([1, 2, 3, 4, 4, 5, 5, 6, 7, 12]))]
        last = self.afterwards("on_failure", pools) if self.often(0.25) else None
        made.plan = Plan(goal="g", tasks=tuple(tasks), pools=pools, on_failure=last)
        gates = [task.id for task in tasks if task.waits_for_person]
        made.options = self.options(tasks, pools, gates)
        if not self.calm:
            self.people(self.names(tasks), gates)
            self.crashes()
            self.another_time(gates)
        return made

    # -- the plan

    def pools(self) -> dict[str, Pool]:
        rng, pools = self.rng, {}
        if self.often(0.4, "pool"):
            rate = None
            if self.often(0.4):
                rate = Rate(rng.randint(1, 3), self.unit * rng.choice([2.5, 7.3]))
            slots = rng.choice([1, 2, 3, 2 if rate is None else None])
            pools["db"] = Pool(slots, rate)
        if pools and self.often(0.3, "pools"):
            pools["api"] = Pool(rng.randint(1, 2))
        return pools

    def task(self, n: int, pools: dict[str, Pool]) -> Task:
        rng, name = self.rng, f"t{n}"
        earlier = [f"t{k}" for k in range(n)]
        needs = tuple(sorted(rng.sample(earlier, min(n, rng.choice([0, 1, 1, 2, 3])))))
        fields: dict[str, Any] = {"id": name, "needs": needs}
        if self.often(0.4, "trigger"):
            fields["trigger"] = rng.choice(list(TriggerRule))
        if self.often(0.15):
            fields["required"] = False
        if self.often(0.2):
            fields["priority"] = rng.randint(-1, 2)
        if self.often(0.2):
            fields["estimate_s"] = float(rng.randint(0, 4))
        if self.often(0.15, "when"):
            self.condition(fields)
        kind = rng.choice(["run"] * 8 + ["milestone", "gate", "todo"])
        if kind == "gate":
            limit = self.moment(15) + self.unit if self.storm(0.5) else None
            gate = Approval("?", rng.choice([None, "approve", "reject"]), limit)
            return Task(approval=gate, **fields)
        if kind == "todo":
            return Task(todo="?", **fields)
        if self.often(0.06, "subtasks"):
            fields["subtasks"] = self.subtasks(name, pools)
        if kind == "milestone":
            return Task(**fields)
        self.work(name, fields, pools)
        if self.often(0.5 if self.wide else 0.2, "foreach") and "subtasks" not in fields:
            self.fan_out(fields)
        if self.often(0.2, "compensate"):
            fields["compensate"] = self.afterwards(f"compensate({name})", pools)
        return Task(run=nothing, **fields)

    def subtasks(self, name: str, pools: dict[str, Pool]) -> tuple[Task, ...]:
        found = []
        for letter in "abc"[: self.rng.randint(1, 3)]:
            needs = None if self.often(0.5) else ()
            fields: dict[str, Any] = {"id": f"{name}.{letter}", "needs": needs}
            self.work(fields["id"], fields, pools)
            found.append(Task(run=nothing, **fields))
        return tuple(found)

    def afterwards(self, name: str, pools: dict[str, Pool]) -> Task:
        fields: dict[str, Any] = {"id": name}
        self.work(name, fields, pools)
        return Task(run=nothing, **fields)

    def work(self, name: str, fields: dict[str, Any], pools: dict[str, Pool]) -> None:
        """How it is tried, what limits it, and what becomes of each attempt."""
        rng = self.rng
        if self.often(0.35, "retry"):
            fields["retry"] = RetryPolicy(
                maximum_attempts=rng.randint(2, 3),
                initial_interval_s=self.unit * rng.choice([0, 1.5, 5]),
                non_retryable=("Fatal",) if self.often(0.3) else (),
                retry_on=("OSError",) if self.often(0.2) else (),
            )
        if self.storm(0.15, "timeout"):
            fields["timeout_s"] = self.unit * (rng.randint(1, 6) + spread("timeout", name, 1))
        if self.storm(0.15, "total"):
            fields["total_timeout_s"] = self.unit * (rng.randint(1, 12) + spread("total", name, 1))
        if pools and self.often(0.5):
            chosen = rng.sample(sorted(pools), rng.randint(1, len(pools)))
            fields["pool"] = {p: rng.randint(1, min(2, pools[p].slots or 2)) for p in chosen}
        bounded = "timeout_s" in fields or "total_timeout_s" in fields
        self.scenario.script[name] = [
            self.outcome(bounded) for _ in range(rng.choice([1, 1, 2, 3]))
        ]

    def outcome(self, bounded: bool) -> Told:
        rng = self.rng
        lag = rng.randint(1, 6) if self.often(0.3, "lag") else 0
        if bounded and self.often(0.2, "hang"):
            stoppable = self.often(0.7)
            return Told(hangs=True, stoppable=stoppable, lag=lag if stoppable else 0)
        good: list[Any] = [rng.randint(0, 3), [0] * rng.randint(0, 3), None]
        value = rng.choice(ERRORS) if self.often(0.35, "fails") else rng.choice(good)
        return Told(value, rng.choice([1, 1, 2, 3, 5, 400 if self.wide else 8]), lag=lag)

    def condition(self, fields: dict[str, Any]) -> None:
        """A `when`, as it is written and as it is meant."""
        rng, means = self.rng, self.scenario.meaning.setdefault(fields["id"], {})
        need = rng.choice(fields["needs"]) if fields["needs"] else None
        kind = rng.choice(["number", "result", "absent", "nonsense", "call", "call"])
        if kind == "number" and need is not None:
            fields["when"] = f"{need} > 0"
            means["when"] = lambda results: results[need] > 0
        elif kind == "result" and need is not None:
            fields["when"] = need
            means["when"] = lambda results: results[need]
        elif kind == "absent" and need is not None:
            fields["when"] = f"{need} is none or {need} == 0"
            means["when"] = lambda results: results[need] is None or results[need] == 0
        elif kind == "nonsense":
            fields["when"] = "there_is_no_such_name > 0"
            means["when"] = lambda results: results["there_is_no_such_name"]
        else:
            answer = rng.choice([True, False, ValueError("cannot say")])
            fields["when"] = Call(_giving(answer))
            means["when"] = lambda results: _give(answer)

    def fan_out(self, fields: dict[str, Any]) -> None:
        """A `foreach`, as it is written and as it is meant, and what becomes of its instances."""
        rng, name = self.rng, fields["id"]
        means = self.scenario.meaning.setdefault(name, {})
        items = list(range(rng.randint(0, self.most_items)))
        kind = rng.choice(["list", "list", "need", "expression", "call"])
        if kind == "need" and fields["needs"]:
            need = rng.choice(fields["needs"])
            fields["foreach"] = Foreach(need)
            means["foreach"] = lambda results: results[need]
        else:
            written: Any = {
                "expression": f"range({len(items)}) | list",
                "call": Call(_giving(items)),
            }
            fields["foreach"] = Foreach(written.get(kind, items))
            means["foreach"] = lambda results: items
        if self.often(0.4):
            fields["max_active"] = rng.randint(1, 2)
        if self.often(0.5):
            fields["tolerate"] = rng.choice([1, 2, "50%", "34%", "all"])
        bounded = "timeout_s" in fields or "total_timeout_s" in fields
        for index in range(self.most_items):
            if self.often(0.3):
                self.scenario.script[f"{name}[{index}]"] = [self.outcome(bounded)]

    # -- what happens

    def options(
        self, tasks: list[Task], pools: dict[str, Pool], gates: list[str]
    ) -> dict[str, Any]:
        rng = self.rng
        found: dict[str, Any] = {
            "workers": rng.choice([1, 1, 2, 2, 3, 8]),
            "interactive": self.storm(0.5),
            "fail_fast": self.storm(0.15),
        }
        if self.storm(0.12):
            found["timeout_s"] = self.moment(25) + self.unit
        if gates and self.often(0.2):
            found["approve"] = (rng.choice(gates),)
        if self.storm(0.15):
            down = f"down:{self.moment(10) + self.unit!r}s"
            name = rng.choice([*(task.id for task in tasks), *pools])
            found["faults"] = (f"{name}={rng.choice(['1', '2', '50%', down])}",)
        return found

    def names(self, tasks: list[Task]) -> list[str]:
        """Of whom people may speak: instances and compensations too, and what there is not."""
        names = [task.id for task in tasks] * 3 + ["on_failure", "nope"]
        names += [f"{t.id}[{self.rng.randint(0, 3)}]" for t in tasks if t.foreach] * 4
        return names + [f"compensate({t.id})" for t in tasks if t.compensate]

    def people(self, names: list[str], gates: list[str]) -> None:
        rng = self.rng
        verbs = ["cancel_run", "cancel", "cancel", "retry", "retry", "pause", "set_workers"]
        verbs += ["skip", "skip"]
        verbs += ["approve", "approve", "reject"] * bool(gates)
        chosen = rng.sample(verbs, rng.randint(1, 3))  # most scenarios have much of a few
        for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 3, 6])):
            self.person(rng.choice(chosen), names, gates)

    def person(self, verb: str, names: list[str], gates: list[str]) -> None:
        rng, when, said = self.rng, self.moment(30), self.scenario.people
        if verb == "cancel_run":
            said.append((when, "cancel", ()))
        elif verb in ("cancel", "retry", "skip"):
            said.append((when, verb, (rng.choice(names),)))
        elif verb == "set_workers":
            said.append((when, verb, (rng.randint(0, 3),)))
        elif verb == "pause":
            said += [(when, "pause", ()), (when + self.moment(15), "unpause", ())]
        else:
            said.append((when, "decide", (rng.choice(gates), verb == "approve")))

    def crashes(self) -> None:
        at = 0.0
        for _ in range(self.rng.choice([0, 0, 0, 0, 1, 1, 2])):
            at += self.moment(20)
            back = at + self.moment(10)
            self.scenario.crashes.append((at, back))
            at = back

    def another_time(self, gates: list[str]) -> None:
        """How it goes on after a crash, or after its end."""
        rng, made = self.rng, self.scenario
        if self.often(0.3):
            made.retry = rng.choice(self.names(list(made.plan.tasks)))
            made.skip = self.often(0.4)
        if self.often(0.3):
            made.again["workers"] = rng.choice([1, 2, 4])
        if gates and self.often(0.3):
            made.again["approve"] = (rng.choice(gates),)
        if self.often(0.1):
            made.again["interactive"] = not made.options["interactive"]


def _give(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def _giving(answer: Any) -> Callable[[], Any]:
    return lambda: _give(answer)
