"""`%load_ext orch_nb`: the magics, the transformer, completion and help are registered here."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from orch_nb.errors import Interrupted, OrchestrationError
from orch_nb.notebook.cell import Cell
from orch_nb.notebook.completion import complete
from orch_nb.notebook.lines import VERBS, Line, usage
from orch_nb.notebook.options import OPTIONS
from orch_nb.notebook.transformer import CALL, HEARD, Transformer
from orch_nb.notebook.waiting import Blocking, OnLoop, Waiting, perform
from orch_nb.notebook.watching import heard_call

__all__ = ["load", "unload"]

_HELP = """Plan, draw, run and report a complex operation.

    %%orchestrate GOAL [options]      a cell; its body is one of
        Python    functions marked with @task; a parameter named after a task is a dependency
        YAML      goal, params, criteria, stories | tasks, defaults
        words     a goal: the planner drafts, nothing runs
    %orchestrate VERB ...             a line, for runs that have ended or are detached

A Python body:

    %%orchestrate Publish the weekly sales report --workers 4
    @task(retry=3, estimate="2s")
    def orders(): ...
    @task
    def report(orders): ...

A YAML body:

    %%orchestrate --name release
    goal: Release 2.4
    stories:
      Verify:
        tasks:
          lint:  {{sh: "ruff check ."}}
          tests: {{sh: "pytest -q", timeout: 10m, retry: {{maximum_attempts: 2}}}}
      Ship:
        tasks:
          approve: {{approval: "Publish?", needs: [lint, tests]}}
          publish: {{sh: "twine upload dist/*", needs: [approve]}}

A task: one of `run` (a function, or module:function), `sh`, `approval`, `todo`, or none (a
milestone); `with`, `needs`, `trigger`, `retry`, `timeout`, `estimate`, `outputs`, `check`,
`required`, `owner`, `title`, `description`, `subtasks`.

Afterwards `_orch` (or --out NAME) holds the operation: .analysis .research .plan .run .report

Options of a cell:
{options}

Verbs of a line (those that steer take --run RUN, where several runs could be meant):
{verbs}
"""


def load(shell: InteractiveShell) -> None:
    """Register everything with a shell; a second time changes nothing."""
    if "orchestrate" in shell.magics_manager.magics["cell"]:
        return

    def orchestrate(line: str, cell: str | None = None) -> Any:
        if cell is None:
            return _perform(lambda: Line(line, shell.user_ns, Blocking(), shell).perform())
        return _perform(lambda: Cell(line, cell, shell.user_ns, Blocking()).perform())

    async def on_loop(line: str, cell: str | None = None) -> Any:
        waiting: Waiting = OnLoop()
        with _stop_is_told():
            if cell is None:
                return await Line(line, shell.user_ns, waiting, shell).perform()
            return await Cell(line, cell, shell.user_ns, waiting).perform()

    orchestrate.__doc__ = on_loop.__doc__ = help_text()
    # IPython declares this decorated method without its own arguments.
    register: Any = shell.register_magic_function
    register(orchestrate, "line_cell", "orchestrate")
    shell.user_ns[CALL] = on_loop
    shell.user_ns_hidden[CALL] = on_loop
    shell.user_ns[HEARD] = shell.user_ns_hidden[HEARD] = heard_call
    shell.input_transformers_cleanup.append(Transformer(shell))
    if shell.Completer is not None:
        shell.Completer.custom_matchers.append(complete)


def unload(shell: InteractiveShell) -> None:
    """Take it all back."""
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop("orchestrate", None)
    for name in (CALL, HEARD):
        shell.user_ns.pop(name, None)
        shell.user_ns_hidden.pop(name, None)
    transformers = shell.input_transformers_cleanup
    transformers[:] = [one for one in transformers if not isinstance(one, Transformer)]
    if shell.Completer is not None and complete in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.remove(complete)


def help_text() -> str:
    """What `%%orchestrate?` shows."""
    options = []
    for option in OPTIONS:
        value = option.metavar or ("|".join(map(str, option.choices)) if option.choices else "")
        takes = f" {value}" if value and option.nargs != 0 else ""
        options.append(f"    {option.option_strings[0] + takes:22} {option.help}")
    verbs = [f"    {usage(verb):22} {(do.__doc__ or '').strip()}" for verb, do in VERBS.items()]
    return _HELP.format(options="\n".join(options), verbs="\n".join(verbs))


def _perform(make: Any) -> Any:
    """Run the plain magic; our own errors are shown without our stack."""
    try:
        with _stop_is_told():
            return perform(make())
    except OrchestrationError as error:
        raise error.with_traceback(None) from None


@contextmanager
def _stop_is_told() -> Iterator[None]:
    """Stop before a run has begun is a message; one that is under way is stopped by its cell, and
    an interrupt in the person's own code keeps its place in it."""
    try:
        yield
    except (KeyboardInterrupt, asyncio.CancelledError) as error:
        if hasattr(error, "_render_traceback_"):
            raise
        raise Interrupted("nothing was run.") from None
