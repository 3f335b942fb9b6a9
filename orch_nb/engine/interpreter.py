"""A plan interpreted inside another system: the scheduler and the fold, and nothing that acts.

    turn(at, happened) ─► Work(errands, stops, timers, ended)

The system's own workflow holds one, hands in what happened with its own clock, and does the work:
an attempt is one of its steps, a wait one of its timers. So a run there follows the very rules of a
run here. Like the scheduler it is deterministic, which is what a workflow has to be: the same turns
give the same work, in any process. All that happens is kept in order, for the kernel to ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from orch_nb.engine.acts import UNRECORDED, Arm, Ask, Go, Stop
from orch_nb.engine.away import ASK, MOST, Done, Errand, News, Seed
from orch_nb.engine.people import Controls
from orch_nb.engine.ports import AttemptKey, Blob, Printed, Request
from orch_nb.engine.scheduler import Scheduler
from orch_nb.graph import topology
from orch_nb.model import event as ev
from orch_nb.model.fold import RunState
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task

__all__ = ["Interpreter", "OutOfTime", "Work"]

_NEWS = 300_000  # bytes of results and of what was printed that one answer may hold
_KINDS = ("TimeoutError", "OSError", "Exception")
_HAS = (Status.SUCCEEDED, Status.COMPENSATED)


class OutOfTime(msgspec.Struct, frozen=True):
    """The run's own timeout is over."""

    at: float
    task: str = ""


class Work(msgspec.Struct):
    """What there is to do after a turn. `ended`: how the run ended by it."""

    errands: list[Errand] = []
    stops: list[AttemptKey] = []
    timers: list[Arm] = []
    ended: RunStatus | None = None


class _Moment:
    """The clock of a turn."""

    at = 0.0

    def now(self) -> float:
        return self.at


class _Nobody:
    """An executor to be told the number of workers: the scheduler alone holds it here."""

    def start(self, clock: Any, workers: int) -> None:
        """Nothing waits for it."""


class Interpreter(Controls):
    """One run. Where the seed has more than its first event, the run goes on from there when it is
    asked to."""

    def __init__(self, seed: Seed) -> None:
        history = seed.history
        first = history[0]
        assert isinstance(first, ev.RunStarted)
        self.plan, self.run_id, self.options = first.plan, first.run_id, first.options
        self.scheduler, self.state = Scheduler(self.plan), RunState()
        self.ended: RunStatus | None = None
        self._moment = _Moment()
        self.clock: Any = self._moment
        self.executor: Any = _Nobody()
        self._told: list[ev.Event] = list(history)
        self._kept: dict[int, tuple[Sequence[Blob], Sequence[Printed]]] = {}
        self._blobs = {blob.ref.hash: blob for blob in seed.blobs}
        self._items: dict[str, Sequence[Blob]] = dict(seed.items)
        self._inbox: list[Any] = []
        self._live: dict[str, int] = {}
        self._stopping: dict[AttemptKey, str] = {}
        self._up = topology.upstream(self.plan)
        self._begun = first.at

    # -- what people ask -----------------------------------------------------------------------

    def put(self, item: Any) -> None:
        self._inbox.append(item)

    def withdraw(self) -> None:
        """No attempt is given ahead here."""

    def unkept(self, names: Iterable[str]) -> tuple[str, ...]:
        return ()  # a result that cannot be kept is a failure here

    def asked(self, at: float, *requests: Request) -> Work:
        """A turn for what people ask for. A run that had ended goes on by that."""
        happened: list[Any] = []
        self._moment.at = at
        if self.ended is not None:
            again = next((one for one in requests if one.verb == "recover"), None)
            if again is not None:
                self.options = msgspec.json.decode(again.note, type=ev.RunOptions)
            self.ended = None
            alone = again is not None and len(requests) == 1
            by = again.by if again is not None and alone else ""
            happened.append(ev.RunResumed(at=at, options=self.options, by=by))
        for request in requests:
            self.take(request)
        return self.turn(at, happened)

    # -- turns ---------------------------------------------------------------------------------

    def begin(self, at: float) -> Work:
        """The first turn."""
        self._moment.at = at
        first, *rest = self._told
        self.state.apply(first)
        timers = []
        if self.options.timeout_s is not None:
            timers.append(Arm(self._begun + self.options.timeout_s, OutOfTime))
        if rest:
            self.state.apply_all(rest)
            self.scheduler.observe_all(self._told)
            self.options = self.state.options
            self.ended = self.state.status
            return Work(timers=timers)
        work = self._decided(at, self.scheduler.handle(first))
        work.timers += timers
        return work

    def done(self, at: float, key: AttemptKey, done: Done) -> Work:
        """A turn for what came of an errand; none for one that nobody waits for any more."""
        name, attempt = key
        if attempt == ASK:
            if not self.scheduler.asking(name):
                return Work()
            if type(done.event) is ev.Expanded:
                self._items[name] = done.items
            happened: Any = done.event if done.event is not None else Go(at, name)
        else:
            if self._live.get(name) != attempt:
                return Work()
            del self._live[name]
            happened = self._judged(key, done.event)
        self._keep(done)
        return self.turn(at, [happened])

    def _keep(self, done: Done) -> None:
        self._blobs |= {blob.ref.hash: blob for blob in (*done.blobs, *done.items)}
        if done.blobs or done.lines:
            self._kept[len(self._told)] = (done.blobs, done.lines)

    def _judged(self, key: AttemptKey, event: Any) -> Any:
        """The end of an attempt, where only the scheduler knew why it was stopped."""
        why = self._stopping.pop(key, None)
        if why == "total_timeout" and type(event) is ev.AttemptFailed and event.cancelled:
            limit = self.state.spec(key[0]).total_timeout_s or 0.0
            told = f"took longer than its timeout over all attempts of {limit:g} s"
            error = ev.Failure("TimeoutError", told, kinds=_KINDS)
            return msgspec.structs.replace(event, error=error, timed_out=True, cancelled=False)
        return event

    def due(self, at: float, arm: Arm) -> Work:
        """A turn for a wait that is over."""
        at = max(at, arm.at)  # timers may be early by the clock's grain
        if arm.kind is OutOfTime:
            if self.scheduler.undoing:
                return Work()
            return self.turn(at, [ev.CancelRequested(at=at, cause="timeout")])
        return self.turn(at, [arm.kind(at, arm.task)])

    def turn(self, at: float, happened: Sequence[Any]) -> Work:
        """Handle what happened and all that follows from it."""
        self._moment.at = at
        batch: list[ev.Event] = []
        happened, self._inbox = [*happened, *self._inbox], []
        for item in happened:
            event = item() if callable(item) else item
            if event is None:
                continue
            if type(event) not in UNRECORDED:
                batch.append(event)
            batch += self.scheduler.handle(event)
        return self._decided(at, batch)

    def _decided(self, at: float, batch: list[ev.Event]) -> Work:
        scheduler, before = self.scheduler, len(self._told)
        starts = scheduler.fill(at)
        if not scheduler.running and scheduler.idle:
            batch += scheduler.conclude(at)
            while not (starts or scheduler.paused) and scheduler.ready:  # what is left of a saga
                starts = scheduler.fill(at)
                batch += scheduler.conclude(at)
        batch += starts
        if before == 1 or batch:
            self.state.apply_all(batch)
        self._told += batch
        acts, scheduler.acts = scheduler.acts, []
        work = Work(timers=[act for act in acts if type(act) is Arm])
        stops = {(act.task, act.attempt): act.why for act in acts[::-1] if type(act) is Stop}
        never: list[ev.Event] = []
        for start in starts:
            assert isinstance(start, ev.AttemptStarted)
            key = (start.task, start.attempt)
            self._live[start.task] = start.attempt
            if key in stops:  # it was cancelled in the very turn of its start
                del stops[key], self._live[start.task]
                never.append(
                    ev.AttemptFailed(
                        at=at, task=key[0], attempt=key[1], started=at, cancelled=True,
                        error=ev.Failure("Cancelled"),
                    )
                )  # fmt: skip
            else:
                self._send(self._errand(*key, at), work, never)
        for act in acts:
            if type(act) is Ask:
                self._send(self._errand(act.task, ASK, at), work, never)
        for key, why in reversed(stops.items()):
            if self._live.get(key[0]) == key[1] and key not in self._stopping:
                self._stopping[key] = why
                work.stops.append(key)
        if batch and type(batch[-1]) is ev.RunEnded:
            self.ended = work.ended = batch[-1].status
        return _joined(work, self.turn(at, never)) if never else work

    def _send(self, errand: Errand, work: Work, never: list[ev.Event]) -> None:
        """Give an errand out, unless it is more than any system takes."""
        if errand.size <= MOST:
            work.errands.append(errand)
            return
        told = (
            f"what it needs has {errand.size:,} bytes, and {MOST:,} can be sent: keep results in a "
            "file or a store, and return where they are"
        )
        if errand.attempt == ASK:
            ended = ev.TaskEnded(at=errand.at, task=errand.task, status=Status.FAILED, reason=told)
            never.append(ended)
            return
        del self._live[errand.task]
        never.append(
            ev.AttemptFailed(
                at=errand.at, task=errand.task, attempt=errand.attempt, started=errand.at,
                error=ev.Failure("ResultNotSent", told, kinds=("ResultNotSent", "Exception")),
            )
        )  # fmt: skip

    # -- what is sent and told -----------------------------------------------------------------

    def _errand(self, name: str, attempt: int, at: float) -> Errand:
        task = self.state.spec(name)
        state = self.state.task(name) if attempt != ASK or task.foreach is not None else None
        index = None if state is None else state.index
        needs = self._up.get(task.id, ())
        origin = None
        if task.id not in self._up and name != "on_failure":
            origin = (self.state.task(name).of if state is not None else None) or ""
            needs = (origin, *self._up[origin])
        item = None
        if index is not None and state is not None and state.of in self._items:
            item = self._items[state.of][index]
        return Errand(
            run_id=self.run_id, task=name, attempt=attempt, options=self.options, at=at,
            begun=self._begun, plan=self._slice(task, needs, origin), index=index, item=item,
            results={need: self._sent(need) for need in needs},
            failures=self._failures() if name == "on_failure" else {},
        )  # fmt: skip

    def _slice(self, task: Task, needs: Sequence[str], origin: str | None) -> Plan:
        """What a worker has to know of the plan."""
        stubs = [Task(id=need, needs=()) for need in needs if need != origin]
        alone: dict[str, Any] = {"parent": None, "story": None, "pool": None, "estimate_s": None}
        tasks = stubs
        last = None
        if origin is not None:
            above = needs[1:]
            tasks = [*stubs, msgspec.structs.replace(self.plan[origin], needs=above, **alone)]
        elif task.id == "on_failure":
            last, tasks = task, [Task(id=self.plan.tasks[0].id, needs=())]  # no plan is empty
        else:
            tasks = [*stubs, msgspec.structs.replace(
                task, needs=tuple(needs), compensate=None, **alone)]  # fmt: skip
        return Plan(
            goal=self.plan.goal, params=self.plan.params, tasks=tuple(tasks), on_failure=last,
            secrets=self.plan.secrets,
        )  # fmt: skip

    def _sent(self, name: str) -> Blob | list[Blob | None] | None:
        """A task's result, of a `foreach` task the list of its instances'."""
        state = self.state.task(name)
        if state.status not in _HAS:
            return None
        if state.instances is not None:
            found = [self._sent(f"{name}[{n}]") for n in range(state.instances)]
            return [blob for blob in found if not isinstance(blob, list)]
        if state.result is None or state.result.format == "none":
            return None
        return self._blobs.get(state.result.hash) or Blob(state.result, b"")

    def _failures(self) -> dict[str, str]:
        return {
            t.task: str(t.last_error or t.reason)
            for t in self.state.every()
            if t.status is Status.FAILED and t.task != "on_failure"
        }

    def news(self, after: int) -> News:
        """What happened after the first `after` events, as much of it as one answer may hold."""
        blobs: list[Blob] = []
        lines: list[Printed] = []
        size, until = 0, min(after, len(self._told))
        while until < len(self._told) and size < _NEWS:
            kept, printed = self._kept.get(until, ((), ()))
            more = sum(len(blob.data) + len(blob.rich) for blob in kept)
            more += sum(len(text) for _, _, _, text, _ in printed)
            if size and size + more > _NEWS:  # the next answer begins with it
                break
            blobs += kept
            lines += printed
            size += 300 + more
            until += 1
        events = msgspec.Raw(ev.encode_events(self._told[after:until]))
        return News(events=events, blobs=tuple(blobs), lines=tuple(lines))

    def told(self) -> int:
        """How many events there are."""
        return len(self._told)


def _joined(one: Work, two: Work) -> Work:
    return Work(
        errands=one.errands + two.errands, stops=one.stops + two.stops,
        timers=one.timers + two.timers, ended=two.ended or one.ended,
    )  # fmt: skip
