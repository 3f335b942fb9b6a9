"""What a run is begun and gone on with: a checked plan, options, an executor, a journal, and the
system that owns it, if one does.

    begin(starting(plan, journal=..., options=...))       a new run
    begin(resuming("nightly-7", plan, journal=...))       one of the past
    begin(...)                                            at once a `LiveRun`, on a loop of its own

Of a run that Temporal or Restate owns: `serve` performs its tasks, `followed` and `caught_up` bring
what happened there into the journal here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orch_nb.engine import launch
from orch_nb.engine.launch import past_run, run_options
from orch_nb.engine.ports import Executor, Journal, Observer, Request
from orch_nb.engine.session import LiveRun, Performer
from orch_nb.errors import EnvironmentFault, RunHeld, UsageError
from orch_nb.model.duration import parse_duration
from orch_nb.model.event import RunOptions
from orch_nb.model.masked import whole
from orch_nb.model.plan import Plan
from orch_nb.model.run import Run
from orch_nb.model.status import RunStatus
from orch_nb.phases.planning import checked, planned

if TYPE_CHECKING:
    from orch_nb.engine.away import Backend
    from orch_nb.engine.forecast import Forecast
    from orch_nb.model.translation import Loss

__all__ = [
    "beforehand", "begin", "caught_up", "followed", "losses", "resuming", "serve", "starting",
]  # fmt: skip


def begin(make: Callable[[], Performer]) -> LiveRun:
    """Start a run (what `starting` or `resuming` gave) on a loop of its own and return at once."""
    return LiveRun.start(make)


def beforehand(
    plan: Plan, journal: Journal, options: RunOptions
) -> tuple[list[Forecast], dict[str, str], tuple[Loss, ...]]:
    """What a person is told before a run starts: by task, whether a kept result is used and why
    (`forecast`), and why a result cannot be kept, so that recovery would run its task again; of a
    run that another system owns, what is lost there."""
    from orch_nb.engine.forecast import forecast, not_kept

    if options.on:
        return [], {}, losses(plan, options)
    return forecast(plan, journal, options), not_kept(plan, journal), ()


def starting(
    plan: Plan,
    *,
    journal: Journal,
    options: RunOptions,
    executor: Any = "threads",
    run_id: str | None = None,
    name: str = "",
    observers: Sequence[Observer] = (),
) -> Callable[[], Performer]:
    """What `begin` takes, for a new run of a checked plan."""
    plan = whole(plan)
    if not options.on:
        _can_run(plan)
    return launch.starting(
        plan, journal=journal, executor=_executor(executor, options.address), options=options,
        run_id=run_id, name=name, observers=observers, backend=_backend(plan, options),
    )  # fmt: skip


def resuming(
    run_id: str,
    plan: Any = None,
    *,
    journal: Journal,
    retry: str | Sequence[str] | None = None,
    skip: str | None = None,
    by: str = "",
    note: str = "",
    namespace: Mapping[str, Any] | None = None,
    executor: Any = None,
    approve: Sequence[str] = (),
    secrets: Sequence[str] = (),
    observers: Sequence[Observer] = (),
    interactive: bool = False,
    **changed: Any,
) -> Callable[[], Performer] | Run:
    """What `begin` takes to go on with a run; the run itself if there is nothing to go on with.

    `changed`: options of `execute` that are to be others than before; None leaves one as it was.
    """
    known = None if plan is None else planned(plan, namespace or {})
    told = launch.past(run_id, journal, known)
    run = told.run
    if known is not None:
        known = launch.same_plan(run, known)
    if not retry and skip is None and run.status not in (RunStatus.RUNNING, RunStatus.WAITING):
        return past_run(told.history, journal, plan=known)
    if known is None:  # of a run that another system owns its workers have the functions
        known = run.plan if run.options.on else checked(run.plan, namespace or {})
    before = run.options
    chosen = executor if executor is not None else before.executor
    kept: dict[str, Any] = {
        "workers": before.workers, "workspace": before.workspace, "fail_fast": before.fail_fast,
        "timeout": before.timeout_s, "cache": before.cache, "fresh": before.fresh,
        "faults": before.faults, "address": before.address, "on": before.on,
        "handle": before.handle,
    }  # fmt: skip
    kept |= {name: value for name, value in changed.items() if value is not None}
    gates = tuple(dict.fromkeys((*before.approve, *launch.known_gates(known, approve))))
    named = (*before.secrets, *((secrets,) if isinstance(secrets, str) else secrets))
    options = run_options(
        executor=chosen, approve=gates, interactive=interactive, secrets=named, **kept
    )
    if not options.on:
        _can_run(known)
    return launch.resuming(
        told, known, journal=journal, executor=_executor(chosen, options.address),
        options=options, retry=retry, by=by, observers=observers,
        backend=_backend(known, options),
        skip=None if skip is None else Request("skip", skip, by, note),
    )  # fmt: skip


def losses(plan: Plan, options: RunOptions) -> tuple[Loss, ...]:
    """What a run's backend cannot do of the plan, or does in another way."""
    if not options.on:
        return ()
    from orch_nb.backends.places import backend_for

    return backend_for(options.on).losses(whole(plan), options)


def caught_up(run_id: str, journal: Journal) -> str:
    """Take into the journal what is new of a run that another system owns and that nobody follows;
    why that cannot be, in words. Nothing for any other run."""
    if not any(row.run_id == run_id and row.unfollowed for row in journal.runs()):
        return ""
    told = launch.past(run_id, journal)
    if not told.run.options.on or told.run.status is not RunStatus.RUNNING:
        return ""
    try:
        made = launch.resuming(
            told, told.run.plan, journal=journal, executor=_executor("inline"), once=True,
            options=told.run.options, backend=_backend(told.run.plan, told.run.options),
        )  # fmt: skip
        if not isinstance(made, Run):
            LiveRun.start(made).result()
    except RunHeld:
        return ""  # whoever follows it keeps the journal up to date
    except EnvironmentFault as error:
        return str(error)
    return ""


def followed(run_id: str, journal: Journal) -> LiveRun | None:
    """Follow a run that another system owns, where nobody does; None for any other."""
    run = launch.past(run_id, journal).run
    if not run.options.on or run.status is not RunStatus.RUNNING:
        return None
    try:
        made = resuming(run_id, journal=journal, interactive=run.options.interactive)
    except RunHeld:
        return None
    return None if isinstance(made, Run) else begin(made)


async def serve(
    system: str,
    *,
    address: str = "",
    queue: str = "",
    listen: str = "",
    workers: int = 16,
    patience: str | float | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Perform the tasks of runs that `system` ("temporal", "restate") owns, until cancelled.

    `address` is the server's host:port, `queue` Temporal's task queue, `listen` the host:port at
    which Restate calls this worker, `patience` after what silence of a worker Temporal gives its
    tasks to another. Raises MissingExtra, BackendUnavailable, UsageError.
    """
    from orch_nb.backends.places import place, worker_for
    from orch_nb.engine.hands import WorkerHands
    from orch_nb.executors.local import local_executor

    where = place(address if "://" in address else f"{system}://{address}")
    if where.system != system:
        raise UsageError(f"{address} is no address of {system}.")
    hands = WorkerHands(
        lambda: local_executor("threads"), lambda plan: checked(plan, {}), Path(".orch_nb/groups")
    )
    more: dict[str, Any] = {"queue": queue, "listen": listen}
    more["patience_s"] = None if patience is None else parse_duration(patience)
    told = {name: value for name, value in more.items() if value}
    await worker_for(where)(where, hands, most=workers, ready=ready, **told)


def _backend(plan: Plan, options: RunOptions) -> Backend | None:
    """The system that owns the run. Raises PlanError for a plan that it cannot take."""
    if not options.on:
        return None
    from orch_nb.backends.places import backend_for

    found = backend_for(options.on)
    found.losses(plan, options)
    return found


def _executor(executor: Any, address: str = "") -> Executor:
    from orch_nb.executors.local import LocalExecutor, local_executor

    if isinstance(executor, str):
        return local_executor(executor, address=address)
    library = type(executor).__module__.partition(".")[0]
    if library == "distributed":  # a Client
        from orch_nb.executors.dask import DaskExecutor

        executor = DaskExecutor(executor)
    elif library == "celery":  # an app
        from orch_nb.executors.celery import CeleryExecutor

        executor = CeleryExecutor(executor)
    return executor if isinstance(executor, LocalExecutor) else LocalExecutor(executor)


def _can_run(plan: Plan) -> None:
    """Raises MissingExtra, before anything has run, for what a task of the plan needs."""
    if any(task.notebook is not None for task in plan.tasks):
        from orch_nb.executors.notebook import require_notebook

        require_notebook()
