"""Starting and going on with runs: what has to be right before a driver is made.

    make = starting(plan, journal=..., executor=..., options=...)     a new run
    make = resuming(told, plan, journal=..., ...)                     one of the past
    await make().drive()                 or `session.LiveRun.start(make)`, on a loop of its own

A driver is made on the loop that performs it, so both give a function that makes it. All that a
person may have got wrong (a gate that is none, a run that is taken, a task that cannot be retried)
is judged here, before the run is begun or claimed.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from orch_nb.engine.calm import calm
from orch_nb.engine.driver import Driver
from orch_nb.engine.faults import checked_faults
from orch_nb.engine.ports import Executor, Journal, Observer, Request
from orch_nb.engine.results_view import Results
from orch_nb.engine.scheduler import Scheduler
from orch_nb.errors import PlanError, RunExists, UsageError
from orch_nb.graph.nearest import did_you_mean
from orch_nb.model.duration import parse_duration
from orch_nb.model.event import AttemptLost, Event, RunEnded, RunOptions, RunStarted
from orch_nb.model.fold import RunState, replay
from orch_nb.model.masked import masked, unrunnable, whole
from orch_nb.model.plan import Plan
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.secrets import PLAIN, Mask, marked, texts_of
from orch_nb.model.status import RunStatus, Status

if TYPE_CHECKING:
    from orch_nb.engine.away import Backend
    from orch_nb.engine.follower import Follower

__all__ = [
    "Past", "check_retry", "check_skip", "compensation_of", "failed_tasks", "free_run_id",
    "known_gates", "masking", "past", "past_run", "resuming", "run_options", "same_plan", "seen",
    "starting",
]  # fmt: skip


_CLUSTER = 128


def run_options(
    workers: int | None = None,
    executor: Any = "threads",
    approve: Sequence[str] = (),
    workspace: str | os.PathLike[str] | None = None,
    *,
    interactive: bool = False,
    fail_fast: bool = False,
    timeout: float | str | None = None,
    faults: Sequence[str] = (),
    cache: bool = False,
    fresh: bool = False,
    address: str = "",
    secrets: Sequence[str] = (),
    on: str = "",
    handle: str = "",
) -> RunOptions:
    """The options of a run, judged. `workers` None: processors + 4, at most 32; for a cluster,
    whose own workers are its bound, 128."""
    name = executor if isinstance(executor, str) else _name(executor)
    if workers is None:
        here = min(32, (os.cpu_count() or 1) + 4)
        workers = _CLUSTER if name == "dask" else here
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise UsageError(f"workers is a whole number of at least 1, not {workers!r}")
    try:
        timeout_s = None if timeout is None else parse_duration(timeout)
    except (TypeError, ValueError):
        raise UsageError(f"timeout is a duration (90s, 10m, 1h30m), not {timeout!r}") from None
    if timeout_s is not None and timeout_s <= 0:
        raise UsageError("timeout is longer than nothing; leave it out for no limit")
    return RunOptions(
        workers=workers,
        executor=name,
        interactive=interactive,
        approve=(approve,) if isinstance(approve, str) else tuple(approve),
        workspace=str(workspace or ""),
        fail_fast=bool(fail_fast),
        timeout_s=timeout_s,
        faults=(faults,) if isinstance(faults, str) else tuple(faults),
        cache=bool(cache),
        fresh=bool(fresh),
        address=address or _address(executor),
        secrets=(secrets,) if isinstance(secrets, str) else tuple(dict.fromkeys(secrets)),
        on=on,
        handle=handle,
    )


def _name(executor: Any) -> str:
    """An executor's name; a client of a Dask cluster goes by Dask's."""
    library = type(executor).__module__.partition(".")[0]
    known = {"distributed": "dask", "celery": "celery"}
    return known.get(library) or str(getattr(executor, "name", library))


def _address(executor: Any) -> str:
    """Where the cluster of a Dask client is, so that a recovery finds it."""
    return str(getattr(getattr(executor, "scheduler", None), "address", ""))


def starting(
    plan: Plan,
    *,
    journal: Journal,
    executor: Executor,
    options: RunOptions,
    run_id: str | None = None,
    name: str = "",
    observers: Sequence[Observer] = (),
    backend: Backend | None = None,
) -> Callable[[], Driver | Follower]:
    """A new run of a checked plan; where there is a `backend`, that owns it. Raises RunExists,
    UsageError, PlanError."""
    known_gates(plan, options.approve)
    checked_faults(plan, options.faults)
    _can_be_kept(plan, run_id, journal)

    def next_id() -> str:
        return free_run_id(journal, name or mask.text(plan.goal))

    mask = masking(plan, options.secrets)
    _has_its_secrets(plan)
    chosen = run_id if run_id is not None else next_id()
    if run_id is not None and any(row.run_id == run_id for row in journal.runs()):
        raise RunExists(
            f"The journal {journal.path} has a run `{run_id}` already. "
            f"Continue it with recover({run_id!r}), or choose another run_id."
        )

    if backend is not None:
        from orch_nb.engine.sendable import check_sendable

        check_sendable(plan, mask)

    def make() -> Driver | Follower:
        if backend is not None:
            from orch_nb.engine.follower import Follower  # few runs need it

            return Follower(
                plan, run_id=chosen, journal=journal, backend=backend, options=options, name=name,
                observers=observers, next_id=None if run_id is not None else next_id, mask=mask,
            )  # fmt: skip
        return Driver(
            plan, run_id=chosen, journal=journal, executor=executor, options=options, name=name,
            observers=observers, next_id=None if run_id is not None else next_id, mask=mask,
        )  # fmt: skip

    return make


def _newly_approved(run: Run, options: RunOptions) -> list[str]:
    return [gate for gate in options.approve if gate not in run.options.approve]


class Past(msgspec.Struct):
    """A run as its journal tells it, read once: events, the state that they come to, and how far
    the journal had got."""

    history: Sequence[Event]
    state: RunState
    position: int
    run: Run


def past(run_id: str, journal: Journal, plan: Plan | None = None) -> Past:
    """`plan` stands for the run's own if it is the same. Raises RunNotFound, JournalError."""
    position = journal.position(run_id)
    with calm():
        history = journal.history(run_id, plan)
        if plan is not None:
            history = _by_plan(history, plan)
        state = replay(history, threading.RLock())
    run = state.snapshot(
        Results(state, journal), journal=journal.path, final=True, history=lambda: history
    )
    return Past(history, state, position, run)


def resuming(
    told: Past,
    plan: Plan,
    *,
    journal: Journal,
    executor: Executor,
    options: RunOptions,
    retry: str | Sequence[str] | None = None,
    skip: Request | None = None,
    by: str = "",
    observers: Sequence[Observer] = (),
    backend: Backend | None = None,
    once: bool = False,
) -> Callable[[], Driver | Follower] | Run:
    """The rest of a run of the past, by the checked plan that it was made from.

    `retry` names tasks to be tried anew, `skip` one to be left out; `by` is who goes on with it.
    Raises RunHeld if a live process works on the run, UsageError for what cannot be; the run is
    claimed when this returns.
    Where another process has ended it meanwhile and nothing more is asked for, the run itself.
    `once`: of a run that a `backend` owns what is new is taken, and it is followed no further.
    """
    run_id, name = told.run.run_id, told.run.name
    for task in (retry,) if isinstance(retry, str) else retry or ():
        check_retry(told.run, task)
    if skip is not None:
        check_skip(told.run, skip.task or "")
    mask = masking(plan, options.secrets)
    _has_its_secrets(plan, told.run if not retry else None)
    # Last, when nothing that was asked for can be wrong any more: a claim has to be given back.
    journal.claim(run_id)
    if journal.position(run_id) != told.position:  # another process has gone on until the claim
        told = past(run_id, journal, plan)
        over = told.run.status not in (RunStatus.RUNNING, RunStatus.WAITING)
        if over and not retry and skip is None:
            journal.release(run_id)
            return past_run(told.history, journal, plan=plan)

    tries = (retry,) if isinstance(retry, str) else tuple(retry or ())
    asked = [Request("retry", task, by) for task in tries]
    asked += [Request("approve", task, "--approve") for task in _newly_approved(told.run, options)]

    def make() -> Driver | Follower:
        if backend is not None:
            from orch_nb.engine.follower import Follower  # few runs need it

            return Follower(
                plan, run_id=run_id, journal=journal, backend=backend, options=options, name=name,
                observers=observers, history=told.history, state=told.state, mask=mask,
                requests=asked if skip is None else [*asked, skip], once=once,
            )  # fmt: skip
        return Driver(
            plan, run_id=run_id, journal=journal, executor=executor, options=options, name=name,
            observers=observers, history=told.history, state=told.state, retry=retry,
            skip=skip, by=by, mask=mask,
        )  # fmt: skip

    return make


def past_run(history: Sequence[Event], journal: Journal, *, plan: Plan | None = None) -> Run:
    """The run that a journal's events tell, its results readable, without going on with it.

    `plan` is the same plan with its callables, where somebody has them.
    """
    state = replay(history)
    if plan is not None and plan is not whole(state.plan):
        state.plan = plan
    told = [*history, *_cut_off(history, state, journal)]
    state.apply_all(told[len(history) :])
    return state.snapshot(
        Results(state, journal), journal=journal.path, why=_whys(history, state),
        history=lambda: told,
    )  # fmt: skip


def _cut_off(history: Sequence[Event], state: RunState, journal: Journal) -> list[Event]:
    """How a run ended whose process has gone: what it lost, at the last moment that is known of it.
    The journal has no such events before somebody goes on with the run."""
    if state.status is not RunStatus.RUNNING or state.options.on:
        return []  # what another system owns goes on there
    if not any(row.run_id == state.run_id and row.cut_off for row in journal.runs()):
        return []
    mind = Scheduler(state.plan)
    mind.observe_all(history)
    lost: list[Event] = [
        AttemptLost(at=state.last, task=task, attempt=attempt) for task, attempt in mind.in_flight()
    ]
    return [*lost, RunEnded(at=state.last, status=RunStatus.CUT_OFF)]


def _whys(history: Sequence[Event], state: RunState) -> Callable[[str], str] | None:
    """What tasks waited for when this was all that had happened; None for a run that has ended."""
    if state.status not in (RunStatus.RUNNING, RunStatus.WAITING):
        return None
    mind = Scheduler(state.plan)
    mind.observe_all(history)
    return lambda task: mind.why(task, state.last)


def same_plan(run: Run, plan: Plan) -> Plan:
    """`plan`, if it is the one that `run` was made from. Raises PlanError, saying what differs."""
    if plan is run.plan or plan is whole(run.plan) or plan.hash == run.plan.hash:
        return plan
    ours, theirs = {t.id for t in plan.tasks}, {t.id for t in run.plan.tasks}
    differs = ", ".join(f"`{task}`" for task in sorted(ours ^ theirs)[:5])
    detail = f"these tasks are in only one of them: {differs}" if differs else "tasks have changed"
    raise PlanError(
        f"run `{run.run_id}` was made from another plan ({detail}). "
        "Recover it with the plan it was made from, or execute this one as a new run."
    )


# -- secrets -------------------------------------------------------------------------------------


def masking(plan: Plan, names: Sequence[str]) -> Mask:
    """What hides the named secrets and those that the plan names, each a variable of the
    environment, a parameter of the plan, or both. Raises UsageError for a name that is neither."""
    names = (*plan.secrets, *names)
    if not names:
        return PLAIN
    params = whole(plan).params
    values: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        found = [*texts_of(params.get(name)), *texts_of(os.environ.get(name))]
        values[name] = [text for text in found if text.strip() and not marked(text)]
        if not values[name]:
            near = did_you_mean(name, [*params, *os.environ])
            raise UsageError(
                f"The secret {name} is neither set in the environment of this process nor a "
                f"parameter of the plan. {near}".rstrip()
            )
    return Mask(values)


def seen(plan: Plan, names: Sequence[str] = ()) -> Plan:
    """The plan as it may be shown, without the named secrets and what looks like one."""
    return masked(whole(plan), masking(plan, names))


def _by_plan(history: list[Event], plan: Plan) -> list[Event]:
    """A run's history with `plan` as its own, if that is it but for the secrets: a journal has the
    hash of what it was given, and that is a plan without them."""
    first = history[0]
    if isinstance(first, RunStarted) and first.plan is not plan and first.plan.hash != plan.hash:
        twin = seen(plan, first.options.secrets)
        if twin.hash == first.plan.hash:
            return [msgspec.structs.replace(first, plan=twin), *history[1:]]
    return history


def _has_its_secrets(plan: Plan, run: Run | None = None) -> None:
    """Raises PlanError for a plan in which something that would run has been masked. Of a run that
    goes on, what has succeeded for good does not run."""
    missing = unrunnable(plan)
    for task, told in missing.items():
        done = run is not None and task in run.plan and run[task].status is Status.SUCCEEDED
        if done and plan[task].compensate is None:
            continue
        what = f"task `{task}` has" if task else "its parameters have"
        raise PlanError(
            f"this plan cannot run: {what} had a secret taken out, {told}. Journals and reports "
            "keep plans without their secrets. Run it from where it was written: the cell that has "
            "it, or recover(run_id, plan)."
        )


def known_gates(plan: Plan, approve: Sequence[str]) -> tuple[str, ...]:
    """`approve`, if each names a gate of the plan. Raises UsageError with the nearest."""
    names = (approve,) if isinstance(approve, str) else tuple(approve)
    if not names:
        return names
    gates = [task.id for task in plan.tasks if task.waits_for_person]
    for name in names:
        if name not in gates:
            there = f"Its gates are: {', '.join(gates)}." if gates else "It has no gates."
            near = did_you_mean(name, gates)
            raise UsageError(
                " ".join(filter(None, (f"`{name}` is no gate of this plan.", near, there)))
            )
    return names


def check_retry(run: Run, task: str) -> None:
    """Raises UsageError if `task` cannot be tried anew, with what can."""
    state = _known(run, task)
    if state.cause is not None and state.status is Status.UPSTREAM_FAILED:
        raise UsageError(
            f"`{task}` did not run because of `{state.cause}`: retry `{state.cause}`, "
            f"and `{task}` runs after it."
        )
    if not state.status.ended or state.status is Status.SUCCEEDED:
        raise UsageError(f"`{task}` is {state.status}: only a task that failed is retried.")


def check_skip(run: Run, task: str) -> None:
    """Raises UsageError if `task` cannot be skipped, with what can be done instead."""
    state = _known(run, task)
    if state.task not in run.plan and state.index is None:
        raise UsageError(
            f"`{task}` runs when the run has failed: it is retried, or left as it is, not skipped."
        )
    if state.status in (Status.SUCCEEDED, Status.SKIPPED):
        raise UsageError(f"`{task}` is {state.status}: what waits for it has gone on already.")


def _known(run: Run, task: str) -> TaskRun:
    others = {t.task for t in run.derived}  # instances, and what undoes
    if task not in run.plan and task not in others:
        near = did_you_mean(task, [*run.plan.by_id, *others])
        raise UsageError(f"run `{run.run_id}` has no task `{task}`. {near}".rstrip())
    return run[task]


def failed_tasks(run: Run) -> tuple[str, ...]:
    """What a retry without a name tries anew: the tasks of the plan that failed, or that were
    cancelled. Raises UsageError where there is none."""
    found = tuple(t.task for t in run.with_status(Status.FAILED, Status.CANCELLED))
    if not found:
        raise UsageError(f"no task of run `{run.run_id}` has failed: the run is {run.status}.")
    return found


def compensation_of(run: Run, task: str) -> str:
    """What a person may try anew to undo `task`: its compensation, which failed. Raises UsageError
    where there is none, or nothing to be undone."""
    state = _known(run, task)
    undo = None if task not in run.plan else run.plan[task].compensate
    if undo is None:
        raise UsageError(
            f"`{task}` has no compensation (`compensate:` in the plan says what it is)."
        )
    if state.status is not Status.SUCCEEDED:
        raise UsageError(f"`{task}` is {state.status}: there is nothing of it to be undone.")
    if run.status not in (RunStatus.FAILED, RunStatus.CANCELLED):
        raise UsageError(
            f"run `{run.run_id}` is {run.status}: what its tasks did is undone only when it has "
            f"failed or was cancelled."
        )
    return undo.id


def free_run_id(journal: Journal, name: str) -> str:
    """`release-3` for the third run named release."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())[:28].strip("-") or "run"
    taken = {row.run_id for row in journal.runs()}
    number = 1
    while f"{slug}-{number}" in taken:
        number += 1
    return f"{slug}-{number}"


def _can_be_kept(plan: Plan, run_id: str | None, journal: Journal) -> None:
    """Raises PlanError, UsageError for what no journal can hold."""
    if run_id is not None and not (run_id.strip() and run_id.isprintable()):
        raise UsageError(f"a run_id is a name of printable characters, not {run_id!a}")
    if journal.path == "memory":  # it holds the plan itself, whatever is in it
        return
    try:
        _ = plan.hash
    except (TypeError, ValueError) as error:
        raise PlanError(
            f"The plan cannot be written down: {error}. Let a task return such a value, "
            "and tasks that need it take it by name."
        ) from None
