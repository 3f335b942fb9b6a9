"""The story: five phases, five verbs, each taking what the one before it gave.

    goal ─ analyze ─► Analysis ─ research ─► Research ─ decompose ─► Plan
                                                 Plan ─ execute ─► Run ─ integrate ─► Report

This is the one file where the rooms meet. It holds no logic of theirs: it opens journals, picks
executors, bridges from synchronous code to the engine's loop, and hands values on.
"""

from __future__ import annotations

import inspect
import sys
import threading
import warnings
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from orch_nb.engine import launch
from orch_nb.engine.journal import open_journal
from orch_nb.engine.launch import past_run, run_options, seen
from orch_nb.engine.ports import Executor, Journal, Observer, Request, entered
from orch_nb.engine.session import LiveRun, Performer, refuse_nested, run_sync
from orch_nb.errors import EnvironmentFault, RunHeld, UsageError
from orch_nb.model.duration import parse_duration
from orch_nb.model.event import RunOptions
from orch_nb.model.masked import whole
from orch_nb.model.plan import Plan
from orch_nb.model.run import Run
from orch_nb.model.secrets import PLAIN
from orch_nb.model.status import RunStatus
from orch_nb.model.view import resolve

if TYPE_CHECKING:
    import os

    from orch_nb.engine.away import Backend
    from orch_nb.engine.forecast import Forecast
    from orch_nb.model.analysis import Analysis
    from orch_nb.model.goal import Goal
    from orch_nb.model.report import Operation, Report
    from orch_nb.model.research import Answer, Research, SourceReport
    from orch_nb.model.translation import Loss

__all__ = [
    "analyze", "beforehand", "begin", "caught_up", "checked", "decompose", "execute",
    "execute_async", "followed", "integrate", "keep_thoughts", "losses", "noted", "orchestrate",
    "past_run", "recover", "recover_async", "research", "research_async", "resuming",
    "run_options", "seen", "serve", "starting", "thoughts_kept",
]  # fmt: skip

_THOUGHTS_S = 8.0  # a server that keeps the thoughts is waited for no longer

# -- ANALYZE, RESEARCH ---------------------------------------------------------------------------


def analyze(
    goal: str | Goal,
    workspace: str | os.PathLike[str] | None = ".",
    *,
    budget_s: float = 30.0,
    progress: Callable[[int], None] | None = None,
) -> Analysis:
    """What a goal asks for and what its workspace holds, each statement with its evidence.

    `workspace` is a folder (None: look at the goal only), scanned for at most `budget_s` seconds;
    `progress(files)` is called now and then. Raises UsageError for a folder that cannot be read.
    """
    from orch_nb.analysis.analyze import analyze_goal

    where = None if workspace is None else Path(workspace)
    return analyze_goal(goal, where, budget_s=budget_s, progress=progress)


def research(
    analysis: Analysis,
    *,
    timeout_s: float = 30.0,
    mcp: str | Sequence[str] = "all",
    fresh: bool = False,
    progress: Callable[[tuple[str, ...]], None] | None = None,
) -> Research:
    """Patterns and practice for what was analyzed, each finding with the source to check it at.

    Asks in parallel, for at most `timeout_s` seconds: the built-in catalogue and the codebase,
    offline, and the MCP servers of the person and the project that the person has approved
    (`orch-nb mcp list`). `mcp`: all of those, none, or names of some. `fresh`: what the servers
    answered in the last week is asked anew. `progress(names)` is told about once a second who is
    awaited. A source that fails is reported in `.sources` and never raises; UsageError for a name
    that no server has.
    """
    asked = research_async(analysis, timeout_s=timeout_s, mcp=mcp, fresh=fresh, progress=progress)
    return run_sync(asked, "research", "research_async")


async def research_async(
    analysis: Analysis,
    *,
    timeout_s: float = 30.0,
    mcp: str | Sequence[str] = "all",
    fresh: bool = False,
    progress: Callable[[tuple[str, ...]], None] | None = None,
) -> Research:
    """`research` where there is a loop already."""
    from orch_nb.sources.gather import default_sources, gather
    from orch_nb.sources.mcp.servers import chosen

    where = analysis.scope.root or "."
    servers, unasked = chosen(mcp, where, fresh=fresh, timeout_s=timeout_s)
    asked = [*default_sources(), *servers]
    return await gather(analysis, asked, timeout_s, progress=progress, unasked=unasked)


def keep_thoughts(
    answers: Sequence[Answer],
    workspace: str | os.PathLike[str] = ".",
    *,
    timeout_s: float = 20.0,
) -> SourceReport | None:
    """Tell the answers to the five questions to the person's sequential-thinking server, if one is
    configured and approved; the report counts the thoughts that it kept. None if there is none."""
    from orch_nb.sources.mcp import thinking

    told = thinking.keep_thoughts(answers, Path(workspace), timeout_s=timeout_s)
    return run_sync(told, "keep_thoughts", "sources.mcp.thinking.keep_thoughts")


def thoughts_kept(
    plan: Plan, analysis: Analysis, research: Research, *, timeout_s: float = _THOUGHTS_S
) -> Research:
    """`research` with how it went to tell the five answers of `plan` to the person's
    sequential-thinking server; as it was, and at once, where no such server is configured."""
    from orch_nb.graph.questions import five_answers

    answers = five_answers(plan, analysis)
    where = analysis.scope.root or "."
    report = keep_thoughts(answers, where, timeout_s=timeout_s) if answers else None
    if report is None:
        return research
    others = tuple(one for one in research.sources if one.name != report.name)
    return replace(research, sources=(*others, report))


# -- DECOMPOSE -----------------------------------------------------------------------------------


def decompose(
    body: Any,
    research: Research | None = None,
    *,
    namespace: Mapping[str, Any] | None = None,
    goal: str = "",
    kind: str | None = None,
) -> Plan:
    """A checked plan from a goal, a document, a mapping, functions or tasks.

    `body`: an `Analysis` or a goal in words (the pattern planner drafts), YAML text or a mapping
    (the plan document), Python text with `@task` functions, a sequence of functions or `Task`s, or
    a `Plan`. Text is read as `%%orchestrate` reads a cell; `kind` python, yaml or goal decides.
    Names that a document runs are looked up in `namespace`, by default the caller's globals.

    Raises PlanError with everything that is wrong, each with its line.
    """
    if namespace is None:
        namespace = _callers_globals()
    from orch_nb.model.analysis import Analysis

    if isinstance(body, Analysis):
        return run_sync(_draft(body, research), "decompose", "draft_async")
    if isinstance(body, Plan):
        return checked(body, namespace)
    if isinstance(body, str):
        return _from_text(body, namespace, goal, kind, research)
    if isinstance(body, Mapping):
        from orch_nb.planners.yaml import plan_from_mapping

        return plan_from_mapping(body, namespace)
    if callable(body):
        body = [body]
    if isinstance(body, Sequence):
        from orch_nb.planners.python import plan_from_functions

        return checked(plan_from_functions(body, goal=goal), namespace)
    raise UsageError(
        f"decompose takes a goal, a plan document, functions, tasks or an Analysis, "
        f"not {type(body).__name__}"
    )


def _from_text(
    text: str,
    namespace: Mapping[str, Any],
    goal: str,
    kind: str | None,
    research: Research | None,
) -> Plan:
    from orch_nb.planners.body import body_kind

    took = body_kind(text, kind)
    if took == "yaml":
        from orch_nb.planners.yaml import plan_from_yaml

        return plan_from_yaml(text, namespace, first_line=1, goal=goal)
    if took == "python":
        from orch_nb.planners.python import plan_from_source

        return checked(plan_from_source(text, dict(namespace), goal=goal, first_line=1), namespace)
    return run_sync(_draft(analyze(text), research), "decompose", "draft_async")


async def _draft(analysis: Analysis, found: Research | None) -> Plan:
    from orch_nb.planners.patterns import PatternPlanner

    if found is None:
        found = await research_async(analysis, mcp="none")
    return checked(await PatternPlanner().plan(analysis.goal, analysis, found), {})


def checked(plan: Plan, namespace: Mapping[str, Any] | None = None) -> Plan:
    """`plan` with its names resolved to callables. Raises PlanError with all that is wrong."""
    from orch_nb.planners.binding import bind

    return bind(whole(plan), namespace or {})


# -- EXECUTE -------------------------------------------------------------------------------------


def execute(
    plan: Any,
    *,
    workers: int | None = None,
    executor: Any = "threads",
    address: str = "",
    journal: str | os.PathLike[str] | Journal | None = None,
    run_id: str | None = None,
    name: str = "",
    approve: Sequence[str] = (),
    fail_fast: bool = False,
    timeout: float | str | None = None,
    cache: bool = False,
    fresh: bool = False,
    faults: Sequence[str] = (),
    secrets: Sequence[str] = (),
    observers: Sequence[Observer] = (),
    namespace: Mapping[str, Any] | None = None,
    workspace: str | os.PathLike[str] | None = None,
    on: str = "",
) -> Run:
    """Perform a plan and return its run, which did not have to succeed: see `run.status`.

    - `workers`: how many attempts at once (default: processors + 4, at most 32; on Dask 128).
    - `executor`: "threads", "inline", "processes", "dask" (with the `address` of a cluster, or a
      `distributed.Client` in its place), or an `Executor`.
    - `journal`: None for the default file `.orch_nb/journal.db`, a path, or "memory".
    - `run_id`: a name of one's own; raises RunExists if the journal has it. `name` names the plan
      instead, and numbers the runs of it.
    - `approve`: gates that are approved beforehand. Nobody is waited for: when only people are
      awaited, the run ends as waiting, and `recover` goes on.
    - `fail_fast`: the first required task that fails ends the run. `timeout`: seconds (or "10m")
      after which the run is cancelled and has failed.
    - `cache`: every task uses kept results, not only those that say so; `fresh`: none does.
    - `faults`: failures on purpose, as `--fault` takes them ("fetch=2", "fetch=20%",
      "api=down:30s", "kill").
    - `secrets`: names of environment variables or of parameters of the plan, whose values are
      masked wherever the run tells of anything: logs, errors, results, journal, report.
    - `on`: the address of a system that owns the run ("temporal://127.0.0.1:7233",
      "restate://127.0.0.1:8080"): it goes on there when this process ends, performed by workers
      (`orch-nb worker temporal`) that know its functions by `module:function`.

    Raises PlanError for a plan that cannot run, JournalError, UsageError; never for a failed task.
    """
    plan = _planned(plan, namespace if namespace is not None else _callers_globals())
    options = run_options(
        workers, executor, approve, workspace, fail_fast=fail_fast, timeout=timeout, cache=cache,
        fresh=fresh, faults=faults, address=address, secrets=secrets, on=on,
        interactive=begun_run.get() is not None,
    )  # fmt: skip
    _warn(losses(plan, options))
    make = starting(
        plan, journal=open_journal(journal), options=options, executor=executor, run_id=run_id,
        name=name, observers=observers,
    )  # fmt: skip
    return _performed(make, "execute")


def execute_async(plan: Any, **options: Any) -> Coroutine[Any, Any, Run]:
    """`execute` on the loop that is running already: async tasks share it. To be awaited."""
    # Looked up by the call: where a task awaits what this gives, the caller is asyncio.
    names = options.pop("namespace", None)
    names = names if names is not None else _callers_globals()
    _EXECUTE.bind(plan, **options)  # a misspelt option raises here, as it would in `execute`

    async def performed() -> Run:
        checked_plan = _planned(plan, names)
        asked = {name: options[name] for name in _RUN_OPTIONS if name in options}
        begun = {name: options[name] for name in _START_OPTIONS if name in options}
        chosen = run_options(**asked, interactive=_watched_here())
        _warn(losses(checked_plan, chosen))
        make = starting(
            checked_plan, journal=open_journal(options.get("journal")), options=chosen, **begun
        )
        return await _driven(make())

    return performed()


_EXECUTE = inspect.signature(execute)
execute_async.__signature__ = _EXECUTE  # type: ignore[attr-defined]  # for help and completion
_START_OPTIONS = ("executor", "run_id", "name", "observers")
_RUN_OPTIONS = tuple(inspect.signature(run_options).parameters)


def _warn(lost: Sequence[Loss]) -> None:
    for loss in lost:
        if loss.severity == "dropped":
            warnings.warn(str(loss), RuntimeWarning, stacklevel=3)


def recover(
    run_id: str,
    plan: Any = None,
    *,
    journal: str | os.PathLike[str] | Journal | None = None,
    retry: str | Sequence[str] | None = None,
    skip: str | None = None,
    by: str = "",
    note: str = "",
    namespace: Mapping[str, Any] | None = None,
    workers: int | None = None,
    executor: Any = None,
    address: str | None = None,
    approve: Sequence[str] = (),
    fail_fast: bool | None = None,
    timeout: float | str | None = None,
    cache: bool | None = None,
    fresh: bool | None = None,
    faults: Sequence[str] | None = None,
    secrets: Sequence[str] = (),
    observers: Sequence[Observer] = (),
    workspace: str | os.PathLike[str] | None = None,
) -> Run:
    """Go on with a run that was cut off or waits for a person; a run that has ended is returned.

    Only what had not succeeded runs. `plan` supplies the functions of a run whose tasks are
    functions of a notebook or script (else they are looked up in `namespace`, by default the
    caller's globals, or imported). `retry` names a failed task (or several) to be tried anew, with
    what it kept from running. `skip` names one to be left out: the rest goes on as if it had
    succeeded, with None for its result; `by` and `note` say who wants that, and why. Other options
    as for `execute`; those not given stay as the run had them, and `secrets` are added to those
    that it had.

    Raises RunNotFound, RunHeld if a live process works on it, PlanError if `plan` is another plan.
    """
    make = resuming(
        run_id, plan, journal=open_journal(journal), retry=retry, skip=skip, by=by, note=note,
        namespace=namespace if namespace is not None else _callers_globals(), workers=workers,
        executor=executor, address=address, approve=approve, fail_fast=fail_fast, timeout=timeout,
        cache=cache, fresh=fresh, faults=faults, observers=observers, workspace=workspace,
        secrets=secrets, interactive=begun_run.get() is not None,
    )  # fmt: skip
    return make if isinstance(make, Run) else _performed(make, "recover")


def recover_async(run_id: str, plan: Any = None, **options: Any) -> Coroutine[Any, Any, Run]:
    """`recover` on the loop that is running already. To be awaited."""
    options.setdefault("namespace", _callers_globals())

    async def performed() -> Run:
        options["journal"] = open_journal(options.get("journal"))
        make = resuming(run_id, plan, interactive=_watched_here(), **options)
        return make if isinstance(make, Run) else await _driven(make())

    return performed()


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


def _backend(plan: Plan, options: RunOptions) -> Backend | None:
    """The system that owns the run. Raises PlanError for a plan that it cannot take."""
    if not options.on:
        return None
    from orch_nb.backends.places import backend_for

    found = backend_for(options.on)
    found.losses(plan, options)
    return found


def losses(plan: Plan, options: RunOptions) -> tuple[Loss, ...]:
    """What a run's backend cannot do of the plan, or does in another way."""
    if not options.on:
        return ()
    from orch_nb.backends.places import backend_for

    return backend_for(options.on).losses(whole(plan), options)


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
    known = None if plan is None else _planned(plan, namespace or {})
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


# -- INTEGRATE, and all five ---------------------------------------------------------------------


def integrate(
    run: Run,
    *,
    analysis: Analysis | None = None,
    research: Research | None = None,
    workspace: str | os.PathLike[str] | None = None,
    namespace: Mapping[str, Any] | None = None,
) -> Report:
    """The account of a run: outcome, completeness with evidence, failures and what they kept from
    running, plan against run, and the lines that go on.

    `workspace` is the folder that declared outputs are looked for in; None means the run's own.
    `namespace` (`globals()`, say) has the functions and schemas that results are checked with, for
    a run of which only the names of these are known: what it names is imported.
    """
    from orch_nb.integration.integrate import report

    if namespace is not None and any(task.check for task in run.plan.tasks):
        from orch_nb.planners.binding import with_checks

        run = replace(run, plan=with_checks(run.plan, namespace))
    where = Path(workspace or run.options.workspace or ".")
    return report(run, analysis=analysis, research=research, workspace=where)


def orchestrate(
    body: Any,
    *,
    workspace: str | os.PathLike[str] | None = ".",
    namespace: Mapping[str, Any] | None = None,
    goal: str = "",
    kind: str | None = None,
    run: bool | None = None,
    **options: Any,
) -> Operation:
    """The five phases in a row. A goal in words stays a draft unless `run` is True.

    `body`, `namespace`, `goal` and `kind` as for `decompose`; `options` as for `execute`.
    """
    from orch_nb.model.report import Operation
    from orch_nb.planners.body import body_kind
    from orch_nb.planners.yaml import dump_plan

    namespace = namespace if namespace is not None else _callers_globals()
    took = body_kind(body, kind) if isinstance(body, str) else "python"
    if took == "goal":
        analysis = analyze(body, workspace)
        found = research(analysis)
        plan = decompose(analysis, found)
        found = thoughts_kept(plan, analysis, found)
    else:
        plan = decompose(body, namespace=namespace, goal=goal, kind=kind)
        analysis = analyze(plan.goal or goal, workspace)
        found = research(analysis, timeout_s=2.0, mcp="none")
    shown = seen(plan, options.get("secrets", ()))
    draft = Operation(
        plan=shown, kind=took, body=PLAIN.text(body) if isinstance(body, str) else "",
        analysis=analysis, research=found, document=dump_plan(shown),
    )  # fmt: skip
    if took == "goal" and not run:
        return draft
    done = execute(plan, namespace=namespace, **options)
    noted(draft, done.run_id, open_journal(options.get("journal")))
    return replace(draft, run=done, report=integrate(done, analysis=analysis, research=found))


def noted(operation: Operation, run_id: str, journal: Journal) -> None:
    """Keep with a run what its operation knew before it, so that the run alone tells all five
    phases."""
    from orch_nb.model.record import note

    journal.write_note(run_id, note(operation))


#: Told of the run that `execute` or `recover` begins, by whom waits for it elsewhere.
begun_run: ContextVar[Callable[[LiveRun], None] | None] = ContextVar("begun_run", default=None)


# -- in between ----------------------------------------------------------------------------------


def _callers_globals() -> Mapping[str, Any]:
    """The globals of the first frame outside of this file."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals is globals():
        frame = frame.f_back
    return {} if frame is None else frame.f_globals


def _planned(plan: Any, namespace: Mapping[str, Any]) -> Plan:
    if isinstance(plan, Plan):
        return checked(plan, namespace)
    return decompose(plan, namespace=namespace)


def _can_run(plan: Plan) -> None:
    """Raises MissingExtra, before anything has run, for what a task of the plan needs."""
    if any(task.notebook is not None for task in plan.tasks):
        from orch_nb.executors.notebook import require_notebook

        require_notebook()


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


def _performed(make: Callable[[], Performer], function: str) -> Run:
    if refuse_nested(function, f"{function}_async"):
        import asyncio

        return asyncio.get_running_loop().run_until_complete(make().drive())
    live = LiveRun.start(make)
    if (tell := begun_run.get()) is not None:
        tell(live)
        return live.result()
    if _in_notebook():
        shown: Run = resolve("execute.watch")(live)
        return shown
    return live.result()


async def _driven(driver: Performer) -> Run:
    """The run of a driver, on the loop that is running already."""
    if _in_notebook():
        shown: Run = await resolve("execute.watch_async")(driver)
        return shown
    return await driver.drive()


def _watched_here() -> bool:
    """Whether a person watches who is heard: then a run waits for people."""
    return _in_notebook() and bool(resolve("execute.heard")())


def _in_notebook() -> bool:
    """Whether a cell of a notebook asks: then it is shown the run while it goes on.

    Found out without importing IPython, and the room by name: a notebook stands above the phases.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    found = sys.modules.get("IPython")
    shell = found.get_ipython() if found is not None else None
    return getattr(shell, "kernel", None) is not None and entered.get() is None
