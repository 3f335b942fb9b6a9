"""What becomes of a plan, worked out slowly: the engine's semantics, read aloud.

Whatever is asked here is answered by looking at every task again: there are no counters and nothing
is prepared. It shares with the engine the model's types and the arithmetic of a retry's wait, and
nothing else; so it is in one piece, and long. The engine is right where it comes to the same,
moment by moment (`test_simulation`).

    world = World(plan, outcomes, workers=2)
    world.at(0.3, "cancel", "t1")             # what people do
    world.begin()
    world.go(until=0.5)                       # the process dies
    world.resume(at=0.8)
    world.go()
    world.ended, world.parts["t1"].status, world.parts["t1"].attempts

Time goes in moments, and a moment in rounds:

    what happened ─► what follows from it, first come first served ─► starts, most urgent first
          ▲                                                                 │
          └── answers to a `when`, attempts that were stopped, faults ◄─────┘  the next round
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orch_nb.engine.retry import backoff_s, spread
from orch_nb.graph import topology
from orch_nb.model.plan import Plan
from orch_nb.model.task import Pool, RetryPolicy, Task
from orch_nb.testing import Hang, Took

from .airflow_rules import ENDS, verdict

__all__ = ["Attempt", "Part", "World", "retried", "tolerated"]


# -- what there is ---------------------------------------------------------------------------------


class InjectedFault(Exception):
    """What a fault that a person asked for makes of an attempt."""


@dataclass
class Attempt:
    number: int
    started: float
    finished: float | None = None
    status: str = "running"
    timed_out: bool = False
    abandoned: bool = False
    injected: bool = False
    stopped: str = ""  # why it was asked to end


@dataclass(eq=False)
class Limit:
    """Slots, a rate, or both."""

    name: str
    slots: int | None = None
    starts: int = 0
    period_s: float = 0.0
    begun: list[float] = field(default_factory=list)

    def free_from(self) -> float:
        """From when on the rate allows another start."""
        if not self.starts or len(self.begun) < self.starts:
            return -math.inf
        return self.begun[-self.starts] + self.period_s


@dataclass(eq=False)
class Part:
    """A task of the plan, an instance of one, what undoes one, or `on_failure`."""

    id: str
    task: Task
    needs: tuple[str, ...] = ()
    urgency: tuple[Any, ...] = ()
    limits: list[tuple[Limit, int]] = field(default_factory=list)
    of: str = ""
    index: int | None = None
    afterwards: bool = False
    status: str = "pending"
    attempts: list[Attempt] = field(default_factory=list)
    used: int = 0  # attempt numbers of an instance of this name whose items were another's
    failures: int = 0
    until: float | None = None
    first: float | None = None  # start of the first attempt, as the time over all of them counts
    cancelled: bool = False
    passed: bool = False  # a person skips it
    overdue: bool = False
    waits_at: Limit | None = None
    members: list[Part] | None = None
    result: Any = None

    @property
    def has_ended(self) -> bool:
        return self.status in ENDS

    @property
    def left_out(self) -> bool:
        """A person has skipped it; it may have come to another end before it could be stopped."""
        return self.passed and self.status == "skipped"


class World:
    """One run. `outcomes(id, task, attempt)` is a value, an exception, `Took` or `Hang`;
    `meaning[task]` says what its `when` and `foreach` give, from the results by name."""

    def __init__(
        self,
        plan: Plan,
        outcomes: Callable[[str, str, int], Any],
        *,
        start: float,
        run_id: str = "run",
        takes_s: float = 1.0,
        meaning: Mapping[str, Mapping[str, Callable[[Mapping[str, Any]], Any]]] | None = None,
        **options: Any,
    ) -> None:
        self.plan, self.outcomes, self.meaning = plan, outcomes, meaning or {}
        self.run_id, self.takes_s = run_id, takes_s
        self._options(**options)
        self.now = self.started = self.last = start
        self.idle_s = 0.0
        self.pools = {name: _limit(name, pool) for name, pool in plan.pools.items()}
        self.parts: dict[str, Part] = {}
        self.order: list[Part] = []
        self._made()
        self.completed: list[Part] = []
        self.used: dict[str, int] = {}
        self.cancelling = self.paused = False
        self.cause = ""
        self.saga = ""  # how the run has failed, once that is being undone
        self.ended: str | None = None
        self.finished: float | None = None
        self._forget_process()

    def _options(
        self, *, workers: int = 8, interactive: bool = False, approve: Sequence[str] = (),
        fail_fast: bool = False, timeout_s: float | None = None, faults: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.workers, self.interactive, self.approve = workers, interactive, approve
        self.fail_fast, self.timeout_s, self.faults = fail_fast, timeout_s, faults

    def _forget_process(self) -> None:
        self.timers: list[tuple[float, int, Callable[[], None]]] = []
        self.armed = 0
        self.inbox: list[Callable[[], None]] = []
        self.queue: deque[Part] = deque()
        self.asked: list[Part] = []
        self.starting: list[tuple[Part, Attempt]] = []
        self.stopping: list[tuple[Part, Attempt, str]] = []

    def _made(self) -> None:
        edges = topology.upstream(self.plan)
        for place, task in enumerate(self.plan.tasks):
            urgency = (1, -task.priority, -self._tail(task.id, edges), place, 0)
            self._add(Part(task.id, task, edges[task.id], urgency))
        afterwards = [(t.compensate, t.id) for t in self.plan.tasks if t.compensate is not None]
        if self.plan.on_failure is not None:
            afterwards.append((self.plan.on_failure, ""))
        for place, (task, of) in enumerate(afterwards):
            self._add(Part(task.id, task, urgency=(0, place), of=of, afterwards=True))

    def _add(self, part: Part) -> None:
        wants = part.task.pool or {}
        part.limits = [(self.pools[name], slots) for name, slots in wants.items()]
        self.parts[part.id] = part
        self.order.append(part)

    def _tail(self, name: str, edges: topology.Edges) -> float:
        """Seconds of the longest chain from the start of a task."""
        task = self.plan[name]
        own = task.estimate_s
        if own is None:
            own = 0.0 if task.kind in ("milestone", "approval") else 1.0
        behind = [self._tail(other, edges) for other, needs in edges.items() if name in needs]
        return own + max(behind, default=0.0)

    # -- time

    def call_at(self, when: float, happens: Callable[[], None]) -> None:
        self.armed += 1
        heapq.heappush(self.timers, (when, self.armed, happens))

    def at(self, when: float, verb: str, *args: Any) -> None:
        """A person does something at a moment."""
        self.call_at(when, lambda: self.inbox.append(lambda: getattr(self, verb)(*args)))

    def begin(self) -> None:
        """The run starts."""
        self._arm_timeout()
        self._round([self._consider_all])

    def go(self, until: float = math.inf) -> None:
        """On to the end, or to the last moment not after `until`."""
        while self.ended is None:
            if not self.inbox:
                if not self.timers:
                    raise TimeoutError("nothing will ever happen again")
                if self.timers[0][0] > until:
                    return
                due = self.timers[0][0]
                self.now = max(self.now, due)
                while self.timers and self.timers[0][0] <= due:
                    heapq.heappop(self.timers)[2]()
            if self.inbox:
                batch, self.inbox = self.inbox, []
                self._round(batch)

    def resume(
        self, at: float, retry: str | None = None, *, skip: bool = False,
        people: Callable[[], None] = lambda: None, **options: Any,
    ) -> None:  # fmt: skip
        """A new process goes on with what the journal kept; `people` says what they will do."""
        cut_off = self.last
        retried = self.known(retry)
        undoing = retried is not None and retried.afterwards  # it stays cancelled then
        cancelling = self.cancelling and (self.ended is None or undoing)
        self._forget_process()
        self.now = at
        self.idle_s += max(0.0, at - cut_off)
        for part in self.order:
            if part.status == "running":  # the attempt is lost, and no try is used up
                part.attempts[-1].status, part.attempts[-1].finished = "lost", cut_off
                part.status = "pending"
            elif part.status in ("asking", "ready"):
                # That its wait was over is no event: it still stands between two attempts.
                part.status = "backing_off" if part.failures else "pending"
            part.waits_at = None
        self.ended = self.finished = None
        self.cancelling = self.paused = False
        self.saga = ""
        cause, self.cause = self.cause, ""
        self._options(**options)
        people()
        self._arm_timeout()
        happened = [self._go_on]
        if retry is not None:
            happened.append(lambda: (self.skip if skip else self.retry)(retry))
        if cancelling:
            happened.append(lambda: self._cancel_run(cause))
        self._round(happened)

    def _arm_timeout(self) -> None:
        if self.timeout_s is not None:
            self.at(self.started + self.timeout_s + self.idle_s, "_timeout")

    def _round(self, happened: Sequence[Callable[[], None]]) -> None:
        for happening in happened:
            happening()
            self._settle()
        self._start()
        self._conclude()
        if self.ended is None and not self._busy():
            self._start()  # what is left of a saga
        self._act()

    def _act(self) -> None:
        """What the round's decisions bring about, at once or later."""
        starting, self.starting = self.starting, []
        for part, attempt in starting:
            if self._injected(part, attempt):
                attempt.injected = True
                self._report(part, attempt, InjectedFault())
            elif part.task.timeout_s is not None:
                self._stop_at(attempt.started + part.task.timeout_s, part, attempt)
        asked, self.asked = self.asked, []
        for part in asked:
            self._answer(part)
        for part, attempt in starting:
            if not attempt.injected:
                self._run(part, attempt)
        stopping, self.stopping = self.stopping, []
        for part, attempt, why in stopping:
            self._stop(part, attempt, why)

    # -- what happened

    def _consider_all(self) -> None:
        self._record()
        for part in self.order:
            self._consider(part)

    def _go_on(self) -> None:
        self._record()
        for part in list(self.order):
            if part.task.total_timeout_s and part.first is not None and not part.has_ended:
                self._overdue_at(part)
                self._over(part)
        for part in list(self.order):
            if part.status == "pending" and part.afterwards and part.cancelled:
                self._end(part, "cancelled")
            elif part.status == "pending":
                self._consider(part)
            elif part.status == "waiting":
                self._ask(part, again=True)
            elif part.status == "backing_off":
                self._wake_at(part)
                self._wake(part)

    def _attempt_ends(self, part: Part, attempt: Attempt, outcome: Any) -> None:
        if attempt.finished is not None:
            return  # it had been given up
        self._record()
        attempt.finished = self.now
        if not isinstance(outcome, BaseException):
            attempt.status = "succeeded"
            part.result = outcome
            self._end(part, "succeeded")
            return
        timed_out = attempt.timed_out = attempt.stopped in ("timeout", "total_timeout")
        attempt.status = "cancelled" if attempt.stopped == "cancelled" else "failed"
        part.failures += 1
        part.status = "failing"
        if part.passed:
            self._end(part, "skipped")
        elif part.overdue:
            self._end(part, "failed")
        elif part.cancelled or (self.cancelling and not part.afterwards):
            self._end(part, "cancelled")
        elif retried(part.task.retry, part.failures, TimeoutError() if timed_out else outcome):
            u = spread(self.run_id, part.id, attempt.number)
            part.status = "backing_off"
            part.until = self.now + backoff_s(part.task.retry, part.failures, u)
            self._wake_at(part)
        else:
            self._end(part, "failed")

    def _wake(self, part: Part) -> None:
        if part.status == "backing_off" and part.until <= self.now:
            self._ready(part)

    def _over(self, part: Part) -> None:
        """Its time over all attempts may have run out."""
        limit = part.task.total_timeout_s
        if part.has_ended or part.first is None or part.first + limit > self.now:
            return
        if part.status == "running":
            part.overdue = True
            self.stopping.append((part, part.attempts[-1], "total_timeout"))
        else:
            self._end(part, "failed")

    def _unanswered(self, part: Part) -> None:
        gate = part.task.approval
        if part.status == "waiting" and part.until is not None and part.until <= self.now:
            self._end(part, "succeeded" if gate.default == "approve" else "failed")

    def _timeout(self) -> None:
        if not self.saga:
            self._cancel_run("timeout")

    # -- what people do

    def cancel(self, name: str | None = None) -> None:
        if name is None:
            if not self.saga:
                self._cancel_run("")
            return
        part = self.known(name)
        if part is None:
            return
        self._record()
        for one in (part, *(part.members or ())):
            one.cancelled = one.cancelled or not one.has_ended
        self._cancel(part.members if part.members is not None else [part])

    def decide(self, name: str, approved: bool = True) -> None:
        part = self.known(name)
        if part is not None and part.status == "waiting":
            self._end(part, "succeeded" if approved else "failed")

    def pause(self) -> None:
        if not self.paused:
            self._record()
            self.paused = True

    def unpause(self) -> None:
        if self.paused:
            self._record()
            self.paused = False

    def set_workers(self, workers: int) -> None:
        if workers >= 1 and workers != self.workers:
            self._record()
            self.workers = workers

    def retry(self, name: str) -> None:
        part = self.known(name)
        if part is None or not part.has_ended or part.status == "succeeded" or self.saga:
            return
        self._record()
        self._reset(self._reset_by_retry(part))

    def skip(self, name: str) -> None:
        """It is left out, and what waits for it goes on as if it had succeeded with nothing."""
        part = self.known(name)
        if part is None or part.afterwards or self.saga or part.status in ("succeeded", "skipped"):
            return
        self._record()
        reset = []
        if part.has_ended:
            chosen = [part] if part.index is None else [part, self.parts[part.of]]
            reset = self._also_reset(chosen)
            self._reset(reset, stays=part)
        live = [part]
        if part.status == "expanded":
            live = [member for member in part.members if not member.has_ended]
        for one in (part, *live):
            one.passed = True
        for one in live:
            if one.status == "running":
                self.stopping.append((one, one.attempts[-1], "cancelled"))
            else:
                self._end(one, "skipped")

    def _reset(self, reset: list[Part], stays: Part | None = None) -> None:
        for after in self.order:  # what there is to undo is judged anew at the next end
            if after.afterwards and after.has_ended:
                self._fresh(after)
                after.status = "pending"
        kept = {self.parts[p.of] for p in reset if p.index is not None}
        for one in reset:
            if not one.has_ended:
                continue
            for other in self._behind(one):
                if (other.status == "ready" and not other.failures) or other.status == "asking":
                    other.status, other.waits_at = "pending", None
            self._fresh(one)
            one.status = "expanded" if one in kept else "pending"
        for one in reset:
            if one.members is not None and one not in kept and one is not stays:
                for member in one.members:
                    self.used[member.id] = member.used + len(member.attempts)
                    del self.parts[member.id]
                    self.order.remove(member)
                one.members = None
        for one in reset:
            self.queue.append(one)
            self.queue.extend(self._behind(one))

    def _fresh(self, part: Part) -> None:
        part.failures, part.first, part.cancelled, part.overdue = 0, None, False, False
        part.passed = False

    def _reset_by_retry(self, part: Part) -> list[Part]:
        """The task itself; what has been undone, or has another list now, and what came after that;
        and whatever all of these had kept from running."""
        if part.afterwards:
            return [part]
        if part.index is not None:
            chosen = [part, self.parts[part.of]]
        elif part.members is not None:
            bad = [m for m in part.members if m.status != "succeeded"]
            chosen = [part, *(m for m in bad if part.left_out or not m.left_out)]
        else:
            chosen = [part]
        return self._also_reset(chosen)

    def _also_reset(self, chosen: list[Part]) -> list[Part]:
        undone = [p for p in self.order if p.status == "compensated"]
        undone += [p for p in chosen if p.members is not None and p.status == "succeeded"]
        undone += [p for p in chosen if p.left_out]  # what follows was given nothing
        for one in undone:
            more = [p for p in self._behind(one) if p.has_ended and p not in chosen]
            more = [p for p in more if not p.left_out]
            undone += [p for p in more if p not in undone]
        found = chosen + [p for p in undone if p not in chosen]
        for one in found:
            kept_from = ("upstream_failed", "skipped", "cancelled")
            more = [p for p in self._behind(one) if p.status in kept_from and p not in found]
            found += [p for p in more if not p.left_out]
        return found

    def known(self, name: str | None) -> Part | None:
        part = self.parts.get(name)
        if part is not None and part.afterwards and not part.attempts:
            return None  # it has not come to be
        return part

    # -- what follows

    def _settle(self) -> None:
        while self.queue:
            self._consider(self.queue.popleft())

    def _consider(self, part: Part) -> None:
        if part.status != "pending" or part.afterwards:
            return
        if part.passed:
            self._end(part, "skipped")
            return
        if self.cancelling or part.cancelled:
            self._end(part, "cancelled")
            return
        needs = [self.parts[need] for need in part.needs]
        upstream = ["succeeded" if p.left_out else p.status for p in needs]
        told = verdict(part.task.trigger, [s if s in ENDS else None for s in upstream])
        if told in ("skipped", "upstream_failed"):
            self._end(part, told)
        elif told == "run":
            questions = part.task.when is not None or part.task.foreach is not None
            if questions and part.index is None and not part.attempts:
                part.status = "asking"
                self.asked.append(part)
            else:
                self._admit(part)

    def _answer(self, part: Part) -> None:
        """Its `when` and `foreach` are judged with the results of this moment."""
        told = self._judged(part)

        def answered() -> None:
            if part.status != "asking":
                return
            self._record()
            if told == "run":
                self._admit(part)
            elif isinstance(told, list):
                self._expand(part, len(told))
            else:
                self._end(part, told)

        self.inbox.append(answered)

    def _judged(self, part: Part) -> Any:
        results = {need: self.result(self.parts[need]) for need in part.needs}
        asks = self.meaning.get(part.id, {})
        try:
            if part.task.when is not None and not asks["when"](results):
                return "skipped"
            if part.task.foreach is None:
                return "run"
            items = asks["foreach"](results)
        except Exception:  # noqa: BLE001  # whatever it is, it cannot be judged
            return "failed"
        return list(items) if isinstance(items, (list, tuple, set)) else "failed"

    def result(self, part: Part) -> Any:
        """What a task that needs it is given."""
        if part.status not in ("succeeded", "compensated"):
            return None
        if part.members is not None:
            return [self.result(member) for member in part.members]
        return part.result

    def _admit(self, part: Part) -> None:
        if part.task.waits_for_person:
            self._ask(part)
        elif part.task.kind == "milestone":
            self._end(part, "succeeded")
        else:
            self._ready(part)

    def _ready(self, part: Part) -> None:
        part.status, part.waits_at = "ready", None

    def _ask(self, part: Part, again: bool = False) -> None:
        self._record()
        gate = part.task.approval
        default = gate.default if gate is not None and not self.interactive else None
        if part.id in self.approve or default is not None:
            approved = part.id in self.approve or default == "approve"
            self._end(part, "succeeded" if approved else "failed")
            return
        if not again:
            part.status, part.until = "waiting", None
            if gate is not None and gate.timeout_s is not None:
                part.until = self.now + gate.timeout_s
        if part.until is not None:
            self.call_at(part.until, lambda: self.inbox.append(lambda: self._unanswered(part)))
            self._unanswered(part)

    def _expand(self, part: Part, count: int) -> None:
        part.status, part.members = "expanded", []
        most = part.task.max_active
        limit = Limit(part.id, most) if most is not None else None
        for index in range(count):
            urgency = (*part.urgency[:-1], index)
            name = f"{part.id}[{index}]"
            used = self.used.get(name, 0)
            member = Part(name, part.task, urgency=urgency, of=part.id, index=index, used=used)
            self._add(member)
            if limit is not None:
                member.limits.append((limit, 1))
            member.status = "ready"
            part.members.append(member)
        if not count:
            self._end(part, "succeeded")

    def _end(self, part: Part, status: str) -> None:
        if part.has_ended:
            return
        self._record()
        part.status, part.waits_at = status, None
        self.queue.extend(self._behind(part))
        if part.afterwards:
            if part.of and status == "succeeded":
                self.parts[part.of].status = "compensated"
            return
        if status == "succeeded" and part.task.compensate is not None and part.index is None:
            self.completed.append(part)
        if part.index is not None:
            self._member_ended(self.parts[part.of], status)
        elif status == "failed":
            self._fail_fast(part)

    def _member_ended(self, group: Part, status: str) -> None:
        count = Counter(member.status for member in group.members)
        most = tolerated(group.task.tolerate, len(group.members))
        if status == "failed" and count["failed"] > most:
            self._fail_fast(group)
        if group.has_ended or not all(member.has_ended for member in group.members):
            return
        if group.passed:
            self._end(group, "skipped")
        elif count["failed"] > most:
            self._end(group, "failed")
        elif count["cancelled"] and (group.cancelled or self.cancelling):
            self._end(group, "cancelled")
        else:
            too_many = count["failed"] + count["cancelled"] > most
            self._end(group, "failed" if too_many else "succeeded")

    def _fail_fast(self, part: Part) -> None:
        if self.fail_fast and part.task.required and not self.cancelling:
            self._cancel_run("fail_fast")

    def _cancel_run(self, cause: str) -> None:
        self._record()
        if not self.cancelling:
            self.cause = cause
        self.cancelling = True
        self._cancel([part for part in self.order if not part.afterwards])

    def _cancel(self, parts: Sequence[Part]) -> None:
        for part in parts:
            if part.status == "running":
                self.stopping.append((part, part.attempts[-1], "cancelled"))
            elif not part.has_ended and part.status != "expanded":
                self._end(part, "cancelled")

    def _behind(self, part: Part) -> list[Part]:
        """What waits for it; an instance is no upstream of anybody."""
        return [other for other in self.order if part.id in other.needs]

    # -- starts

    def _start(self) -> None:
        while not self.paused and self._running() < self.workers:
            ready = [p for p in self.order if p.status == "ready" and self._looked_at(p)]
            if not ready:
                break
            part = min(ready, key=lambda p: p.urgency)
            refusing = [limit for limit, _ in part.limits if not self._lets(limit, part)]
            if refusing:
                part.waits_at = refusing[0]
            else:
                self._begin_attempt(part)
        for limit in {p.waits_at for p in self.order if p.waits_at is not None}:
            if self.now < limit.free_from() < math.inf:
                self.call_at(limit.free_from(), lambda: self.inbox.append(self._record_nothing))

    def _looked_at(self, part: Part) -> bool:
        """It waits at no limit, or at one that lets it through now."""
        return part.waits_at is None or self._lets(part.waits_at, part)

    def _lets(self, limit: Limit, part: Part) -> bool:
        """There is room, and nobody more urgent waits there."""
        wants = next(slots for other, slots in part.limits if other is limit)
        running = [p for p in self.order if p.status == "running"]
        used = sum(slots for p in running for other, slots in p.limits if other is limit)
        if limit.slots is not None and used + wants > limit.slots:
            return False
        if limit.free_from() > self.now:
            return False
        waiting = [p for p in self.order if p.status == "ready" and p.waits_at is limit]
        return not any(p.urgency < part.urgency for p in waiting)

    def _begin_attempt(self, part: Part) -> None:
        self._record()
        part.status, part.waits_at = "running", None
        attempt = Attempt(part.used + len(part.attempts) + 1, self.now)
        part.attempts.append(attempt)
        for limit, _ in part.limits:
            limit.begun.append(self.now)
        if part.first is None:
            part.first = self.now
            self._overdue_at(part)
        self.starting.append((part, attempt))

    def _run(self, part: Part, attempt: Attempt) -> None:
        outcome = self.outcomes(part.id, part.task.id, attempt.number)
        if isinstance(outcome, Hang):
            return  # it never ends by itself
        took = outcome if isinstance(outcome, Took) else Took(outcome, self.takes_s)
        self.call_at(
            attempt.started + took.seconds, lambda: self._report(part, attempt, took.value)
        )

    def _report(self, part: Part, attempt: Attempt, outcome: Any) -> None:
        if attempt.finished is None and (not attempt.stopped or self._lag(part, attempt)):
            self.inbox.append(lambda: self._attempt_ends(part, attempt, outcome))

    def _stop(self, part: Part, attempt: Attempt, why: str) -> None:
        if attempt.finished is not None or attempt.stopped:
            return
        attempt.stopped = why
        outcome = self.outcomes(part.id, part.task.id, attempt.number)
        given_up = isinstance(outcome, Hang) and not outcome.stoppable
        lag = 0.0 if given_up else self._lag(part, attempt)

        def ends() -> None:
            attempt.abandoned = given_up
            self._attempt_ends(part, attempt, RuntimeError("stopped"))

        if lag:
            self.call_at(self.now + lag, lambda: self._comes_in(attempt, ends))
        else:
            self.inbox.append(ends)

    def _comes_in(self, attempt: Attempt, happening: Callable[[], None]) -> None:
        if attempt.finished is None:
            self.inbox.append(happening)

    def _lag(self, part: Part, attempt: Attempt) -> float:
        """How long an attempt goes on after it was asked to end."""
        outcome = self.outcomes(part.id, part.task.id, attempt.number)
        return outcome.stops_s if isinstance(outcome, (Hang, Took)) else 0.0

    def _stop_at(self, when: float, part: Part, attempt: Attempt) -> None:
        self.call_at(when, lambda: self._stop(part, attempt, "timeout"))

    def _wake_at(self, part: Part) -> None:
        self.call_at(part.until, lambda: self.inbox.append(lambda: self._wake(part)))

    def _overdue_at(self, part: Part) -> None:
        limit = part.task.total_timeout_s
        if limit is not None:
            self.call_at(part.first + limit, lambda: self.inbox.append(lambda: self._over(part)))

    def _injected(self, part: Part, attempt: Attempt) -> bool:
        """Whether a fault that was asked for fails this attempt."""
        for text in self.faults:
            name, _, how = text.partition("=")
            if name not in (part.id, part.task.id, *(part.task.pool or ())):
                continue
            if how.startswith("down:"):
                hit = attempt.started < self.started + float(how[5:-1])
            elif how.endswith("%"):
                u = spread(f"{self.run_id}:{text}", part.id, attempt.number)
                hit = u < float(how[:-1]) / 100
            else:
                hit = attempt.number <= int(how)
            if hit:
                return True
        return False

    # -- the end

    def _running(self) -> int:
        return sum(part.status == "running" for part in self.order)

    def _busy(self) -> bool:
        return any(p.status in ("running", "backing_off", "asking") for p in self.order)

    def _conclude(self) -> None:
        if self.ended is not None or self._busy():
            return
        tasks = [part for part in self.order if not part.afterwards]
        if all(part.has_ended for part in tasks):
            if not self._undo():
                self._finish(self.saga or self._verdict())
        elif not (self.interactive or self.paused or any(part.status == "ready" for part in tasks)):
            self._finish("waiting")

    def _finish(self, status: str) -> None:
        self._record()
        self.ended, self.finished, self.saga = status, self.now, ""

    def _verdict(self) -> str:
        tasks = [self.parts[task.id] for task in self.plan.tasks]
        if self.cancelling and any(part.status == "cancelled" for part in tasks):
            return "failed" if self.cause else "cancelled"
        good = ("succeeded", "skipped")
        met = all(part.status in good for part in tasks if part.task.required)
        return "succeeded" if met else "failed"

    def _undo(self) -> bool:
        """Whether something is still to be done about a run that failed: it is ready then."""
        afterwards = [part for part in self.order if part.afterwards]
        if not afterwards:
            return False
        if not self.saga:
            self.saga = self._verdict()
        if self.saga not in ("failed", "cancelled"):
            return False
        if any(part.status == "ready" for part in afterwards):
            return True
        for part in reversed(self.completed):
            undo = self.parts[part.task.compensate.id]
            if part.status == "succeeded" and undo.status == "pending":
                self._ready(undo)
                return True
        last = self.parts.get("on_failure")
        if last is not None and self.saga == "failed" and last.status == "pending":
            self._ready(last)
            return True
        return False

    def _record(self) -> None:
        self.last = self.now

    def _record_nothing(self) -> None:
        """A round in which nothing happened: a period has passed."""


def _limit(name: str, pool: Pool) -> Limit:
    rate = pool.rate
    if rate is None:
        return Limit(name, pool.slots)
    return Limit(name, pool.slots, rate.starts, rate.period_s)


def retried(policy: RetryPolicy, failures: int, error: BaseException) -> bool:
    """Whether there is another attempt after so many failures, the last with `error`."""
    names = {kind.__name__ for kind in type(error).__mro__} - {"object", "BaseException"}
    if failures >= policy.maximum_attempts or names & set(policy.non_retryable):
        return False
    return not policy.retry_on or bool(names & set(policy.retry_on))


def tolerated(tolerate: int | str, total: int) -> int:
    if tolerate == "all":
        return total
    if isinstance(tolerate, str):
        return math.floor(total * float(tolerate[:-1]) / 100)
    return tolerate
