"""EXECUTE: perform a plan, or go on with a run, from a script, a cell or a coroutine.

The engine has a loop of its own; what is here bridges to it from synchronous code, and lets the
notebook watch a run that a cell began.
"""

from __future__ import annotations

import inspect
import sys
import threading
import warnings
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from orch_nb.engine.journal import open_journal
from orch_nb.engine.launch import run_options
from orch_nb.engine.ports import Journal, Observer, entered
from orch_nb.engine.session import LiveRun, Performer, refuse_nested
from orch_nb.model.run import Run
from orch_nb.model.view import resolve
from orch_nb.phases.planning import callers_globals, planned
from orch_nb.phases.runs import losses, resuming, starting

if TYPE_CHECKING:
    import os

    from orch_nb.model.translation import Loss

__all__ = ["begun_run", "execute", "execute_async", "recover", "recover_async"]

#: Told of the run that `execute` or `recover` begins, by whom waits for it elsewhere.
begun_run: ContextVar[Callable[[LiveRun], None] | None] = ContextVar("begun_run", default=None)


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
    plan = planned(plan, namespace if namespace is not None else callers_globals())
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
    names = names if names is not None else callers_globals()
    _EXECUTE.bind(plan, **options)  # a misspelt option raises here, as it would in `execute`

    async def performed() -> Run:
        checked_plan = planned(plan, names)
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
        namespace=namespace if namespace is not None else callers_globals(), workers=workers,
        executor=executor, address=address, approve=approve, fail_fast=fail_fast, timeout=timeout,
        cache=cache, fresh=fresh, faults=faults, observers=observers, workspace=workspace,
        secrets=secrets, interactive=begun_run.get() is not None,
    )  # fmt: skip
    return make if isinstance(make, Run) else _performed(make, "recover")


def recover_async(run_id: str, plan: Any = None, **options: Any) -> Coroutine[Any, Any, Run]:
    """`recover` on the loop that is running already. To be awaited."""
    options.setdefault("namespace", callers_globals())

    async def performed() -> Run:
        options["journal"] = open_journal(options.get("journal"))
        make = resuming(run_id, plan, interactive=_watched_here(), **options)
        return make if isinstance(make, Run) else await _driven(make())

    return performed()


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
