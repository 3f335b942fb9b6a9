"""What holds after every turn of the engine, whatever happens and in whichever order.

    nothing starts          after its end, twice, while the run is paused, in a cancelled run,
                            or beyond the workers, the slots, the rates, the instances at once
    nothing ends            twice, or while it runs
    fold and scheduler      say the same of every task, and why it waits
    compensations           come one at a time, the last to complete first
    the journal             replayed, gives the very run, in the fold's eyes and the scheduler's

`Laws` is an observer of a driver: it is told what was committed. The driver drops an observer that
raises, so whoever asks looks at `broken`.
"""

from __future__ import annotations

from collections.abc import Sequence

from orch_nb.engine.driver import Driver
from orch_nb.engine.scheduler import Scheduler
from orch_nb.graph import topology
from orch_nb.model import event as ev
from orch_nb.model.fold import RunState, replay
from orch_nb.model.plan import Plan
from orch_nb.model.status import Status

from .airflow_rules import ENDS, verdict

__all__ = ["Laws", "afterwards"]

_WAITS = (Status.PENDING, Status.READY, Status.BACKING_OFF, Status.WAITING)


def afterwards(name: str) -> bool:
    """Whether this is a compensation or `on_failure`."""
    return name.startswith("compensate(") or name == "on_failure"


class Laws:
    """The laws of one run, over all processes that work on it. `ahead`: the executor queues what
    it is given, so that it tells itself how much runs at once."""

    def __init__(self, plan: Plan, *, ahead: bool = False) -> None:
        self.plan, self.ahead = plan, ahead
        self.needs = topology.upstream(plan)
        self.driver: Driver
        self.ended: set[str] = set()
        self.running: dict[str, int] = {}
        self.numbers: dict[str, int] = {}
        self.cancelled: set[str] = set()
        self.skipped: set[str] = set()  # by a person: they count as successes
        self.starts: dict[str, list[float]] = {name: [] for name in plan.pools}
        self.completed: list[str] = []
        self.paused = self.cancelling = self.over = False
        self.told = 0
        self.broken: Exception | None = None

    def __call__(self, events: Sequence[ev.Event], state: RunState) -> None:
        try:
            for event in events:
                self._take(event, state)
            if not isinstance(events[-1], ev.RunStarted):  # nothing has been decided yet
                self._agree(state)
        except Exception as error:
            self.broken = self.broken or error
            raise

    def catch_up(self, history: Sequence[ev.Event]) -> None:
        """Take in what was committed and told to nobody, since the process died in between."""
        for event in history[self.told :]:
            self._take(event, self.driver.state)

    def _take(self, event: ev.Event, state: RunState) -> None:
        self.told += 1
        assert not self.over or isinstance(event, (ev.AttemptLost, ev.RunResumed)), "after the end"
        if isinstance(event, ev.AttemptStarted):
            self._started(event, state)
        elif isinstance(event, (ev.AttemptSucceeded, ev.AttemptFailed, ev.AttemptLost)):
            assert self.running.pop(event.task) == event.attempt
            if isinstance(event, ev.AttemptSucceeded):
                self._end(event.task, Status.SUCCEEDED)
        elif isinstance(event, ev.AttemptReturned):
            assert self.running.pop(event.task) == event.attempt
            self.numbers[event.task] -= 1  # it never was
        elif isinstance(event, ev.TaskEnded):
            assert event.task not in self.running, f"{event.task} ends while it runs"
            self._end(event.task, event.status)
        elif isinstance(event, (ev.RetryRequested, ev.SkipRequested)):
            self._wanted(event, state)
        elif isinstance(event, (ev.PauseRequested, ev.PauseEnded)):
            self.paused = isinstance(event, ev.PauseRequested)
        elif isinstance(event, ev.CancelRequested):
            self.cancelling = self.cancelling or event.task is None
            if event.task is not None:
                self.cancelled |= {event.task, *self._instances(event.task, state)}
        elif isinstance(event, ev.RunResumed):
            # A run that was being cancelled when it was cut off is cancelled again, at once.
            self.cancelling = self.cancelling and not self.over
            self.paused = self.over = False
        elif isinstance(event, ev.RunEnded):
            assert not self.running, "the run ends while attempts run"
            self.over = True

    def _wanted(self, event: ev.RetryRequested | ev.SkipRequested, state: RunState) -> None:
        if isinstance(event, ev.RetryRequested):
            self._tried_anew(set(event.reset or (event.task,)))
        else:
            self._tried_anew(set(event.reset), stays=event.task)
            self.skipped |= {event.task, *self._instances(event.task, state)}

    def _instances(self, name: str, state: RunState) -> set[str]:
        group = state.tasks.get(name)
        every = range(group.instances or 0) if group is not None else ()
        return {f"{name}[{n}]" for n in every} - self.ended

    def _started(self, event: ev.AttemptStarted, state: RunState) -> None:
        name = event.task
        assert name not in self.ended, f"{name} starts after its end"
        assert name not in self.running, f"{name} runs already"
        assert not self.paused, f"{name} starts while the run is paused"
        assert not self.cancelling or afterwards(name), f"{name} starts in a cancelled run"
        assert name not in self.cancelled, f"{name} starts after it was cancelled"
        assert name not in self.skipped, f"{name} starts after a person skipped it"
        if afterwards(name):
            assert not self.running, f"{name} starts while {self.running} run"
            self._in_reverse(name, state)
        assert event.attempt > self.numbers.get(name, 0), f"{name} has had attempt {event.attempt}"
        self.running[name] = self.numbers[name] = event.attempt
        workers = self.driver.scheduler.options.workers
        assert self.ahead or len(self.running) <= workers, "more attempts than workers"
        self._limits(event, state)
        task = state.tasks.get(name)
        if task is not None and task.tries == 1 and not task.reason:
            stand = [state.tasks[need].status for need in self.needs[name]]
            seen = [
                Status.SUCCEEDED if need in self.skipped and status is Status.SKIPPED else status
                for need, status in zip(self.needs[name], stand, strict=True)
            ]
            told = verdict(self.plan[name].trigger, [s if s in ENDS else None for s in seen])
            # An upstream that a person tries anew stops nothing that has been let start.
            assert told == "run" or any(not status.ended for status in stand)

    def _limits(self, event: ev.AttemptStarted, state: RunState) -> None:
        spec = state.spec(event.task)
        for pool in spec.pool or ():
            limit, starts = self.plan.pools[pool], self.starts[pool]
            used = sum((state.spec(other).pool or {}).get(pool, 0) for other in self.running)
            assert limit.slots is None or used <= limit.slots, f"more slots than {pool} has"
            starts.append(event.at)
            if limit.rate is not None and len(starts) > limit.rate.starts:
                earlier = starts[-limit.rate.starts - 1]
                assert event.at >= earlier + limit.rate.period_s, f"{pool} starts too often"
        if spec.max_active is not None:
            group = event.task.partition("[")[0]
            assert sum(n.startswith(f"{group}[") for n in self.running) <= spec.max_active

    def _in_reverse(self, name: str, state: RunState) -> None:
        """What completed after the task that is undone now has been undone, or could not be."""
        undoes = [task for task in self.completed if f"compensate({task})" == name]
        later = self.completed[self.completed.index(undoes[-1]) + 1 :] if undoes else self.completed
        if name == "on_failure":
            return
        for task in later:
            undone = state.tasks[task].status is Status.COMPENSATED
            tried = f"compensate({task})" in self.ended
            assert undone or tried, f"{name} comes before that of {task}"

    def _end(self, name: str, status: Status) -> None:
        assert name not in self.ended, f"{name} ends twice"
        self.ended.add(name)
        task = self.plan.by_id.get(name)
        if task is not None and task.compensate is not None and status is Status.SUCCEEDED:
            self.completed.append(name)

    def _tried_anew(self, reset: set[str], stays: str = "") -> None:
        if not reset:
            return
        kept = {name.partition("[")[0] for name in reset if name.endswith("]")}
        anew = reset - kept - {stays}
        self.skipped -= reset
        self.skipped -= {name for name in self.skipped if name.partition("[")[0] in anew}
        self.ended -= reset
        self.cancelled -= reset
        self.cancelled -= {name for name in self.cancelled if name.partition("[")[0] in anew}
        self.ended -= {name for name in self.ended if name.partition("[")[0] in anew}
        self.ended -= {name for name in self.ended if afterwards(name)}
        self.cancelled -= {name for name in self.cancelled if afterwards(name)}
        self.completed = [name for name in self.completed if name not in reset]

    def _agree(self, state: RunState) -> None:
        """The fold and the scheduler say the same (ready is no event), and why a task waits."""
        scheduler = self.driver.scheduler
        for task in state.every():
            name, ours = task.task, task.status
            theirs = scheduler.status(name)
            if afterwards(name):
                continue  # one that is judged anew still tells what it was
            if theirs is Status.READY:
                assert ours in (Status.PENDING, Status.BACKING_OFF, Status.RUNNING), task
            else:
                assert ours is theirs, f"{name}: folded {ours}, decided {theirs}"
            why = self.driver.why(name)
            assert bool(why) is (theirs in _WAITS or scheduler.asking(name)) or (
                theirs is Status.RUNNING and name not in self.running
            ), f"{name} is {theirs}: {why!r}"

    def replayed(self, history: Sequence[ev.Event]) -> None:
        """What the journal kept is what the live run is."""
        live = self.driver
        assert replay(history).snapshot() == live.state.snapshot()
        kept = ev.decode_events(ev.encode_events(history[1:]))
        assert kept == [*history[1:]], "an event is not what it was after it was written"
        scheduler = Scheduler(self.plan)
        scheduler.observe_all(history)
        for name in live.scheduler.index:
            ours, theirs = scheduler.status(name), live.scheduler.status(name)
            unsaid = theirs is Status.READY and ours in (Status.PENDING, Status.BACKING_OFF)
            assert ours is theirs or unsaid, f"{name}: replayed {ours}, live {theirs}"
        for name in ("open", "left", "cancelling", "paused"):
            assert getattr(scheduler, name) == getattr(live.scheduler, name), name
