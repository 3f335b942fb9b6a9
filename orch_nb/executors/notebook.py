"""Tasks that are notebooks: parameters in, the executed notebook and its scraps out.

    analysis.ipynb + {region: "EU"} ─► .orch_nb/notebooks/RUN/TASK-1.ipynb
                                    └► {"notebook": that path, "scraps": {"rows": 120}}

A thread and a kernel for each attempt. The notebook runs in its own folder, as it does in Jupyter,
and what its cells print goes to the task's log as it comes. It is written to the workspace however
the attempt ends, so that a failure can be looked at where it happened.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Clock, Outcome, Report
from orch_nb.errors import MissingExtra
from orch_nb.executors import notebook_file
from orch_nb.executors.failure import failure_of
from orch_nb.executors.notebook_kernel import CellError, Kernel, KernelDied, Stopped, language
from orch_nb.executors.variables import variables
from orch_nb.model.event import Failure

__all__ = ["NotebookExecutor", "require_notebook"]

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_TRACEBACK = 20_000


def require_notebook() -> None:
    """Raises MissingExtra if notebooks cannot be executed here."""
    for package in ("nbclient", "nbformat", "ipykernel"):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingExtra(package, "notebook", "A task that is a notebook") from error


class NotebookExecutor:
    """Runs tasks whose `notebook` is a path, relative to the workspace.

    The parameters are the request's `kwargs`: numbers, text, and lists and mappings of them. The
    result is a dict of `notebook`, the executed notebook's path relative to the workspace, and
    `scraps`, the values that its cells left with `orch_nb.scrap(name, value)`.
    """

    name = "notebook"

    def __init__(self) -> None:
        self._running: dict[AttemptKey, _Attempt] = {}

    def start(self, clock: Clock, workers: int) -> None:
        self._clock = clock

    def submit(self, attempts: Sequence[AttemptRequest], report: Report) -> None:
        for request in attempts:
            attempt = self._running[request.key] = _Attempt(request, self._clock)
            threading.Thread(
                target=self._perform, args=(attempt, report), name="orch_nb-notebook", daemon=True
            ).start()

    def _perform(self, attempt: _Attempt, report: Report) -> None:
        outcome = attempt.run()
        self._running.pop(attempt.request.key, None)
        report([outcome])

    def cancel(self, key: AttemptKey) -> bool:
        """Kills the kernel, with all that its cells have started."""
        attempt = self._running.get(key)
        if attempt is None:
            return False
        attempt.kernel.stop()
        return True

    def stop(self) -> None:
        for attempt in list(self._running.values()):
            attempt.kernel.stop()


class _Attempt:
    def __init__(self, request: AttemptRequest, clock: Clock) -> None:
        self.request, self._clock = request, clock
        self.kernel = Kernel(request.started_process, request.log)
        self._workspace = Path(request.setting.workspace or ".")
        self._path = notebook_file.executed_path(
            request.setting.run_id, request.id, request.attempt
        )

    def run(self) -> Outcome:
        started = self._clock.now()
        value: Any = None
        failure: Failure | None = None
        cancelled = False
        try:
            value = self._executed()
        except Stopped:
            cancelled = True
        except CellError as error:
            failure = self._told(error)
        except KernelDied as error:
            failure = Failure("KernelDied", str(error), kinds=("KernelDied", "RuntimeError"))
        except BaseException as error:  # noqa: BLE001  # no file, no kernel, a full disk
            failure = failure_of(error)
        return Outcome(
            self.request.key, started, self._clock.now(), value, failure, cancelled=cancelled
        )

    def _executed(self) -> dict[str, Any]:
        require_notebook()
        source = self._workspace / Path(self.request.task.notebook or "").expanduser()
        notebook = notebook_file.read(source)
        self._supply(notebook)
        try:
            self.kernel.execute(notebook, source.parent, variables(self.request))
        finally:
            told = notebook_file.masked(notebook, self.request.setting.mask)
            notebook_file.write(told, self._workspace / self._path)
        return {"notebook": self._path, "scraps": notebook_file.scraps(notebook)}

    def _supply(self, notebook: Any) -> None:
        parameters = self.request.kwargs
        spoken = language(notebook)
        if parameters and spoken != "python":
            raise ValueError(
                f"the notebook is in {spoken}, and parameters can be given to Python only. "
                "It finds them in its environment, as ORCH_PARAM_<NAME>."
            )
        for name in notebook_file.inject(notebook, parameters):
            note = f"`{name}` is not among the notebook's parameters; it is set all the same\n"
            self.request.log("stderr", note)

    def _told(self, error: CellError) -> Failure:
        prompt = f", In [{error.prompt}]," if error.prompt else ""
        where = f"cell {error.number}{prompt} of {self._path}"
        message = f"{_plain(error.message)} ({where})".lstrip()
        return Failure(
            error.name, message[:4000], _plain(error.traceback)[-_TRACEBACK:], error.kinds
        )


def _plain(text: str) -> str:
    """Without colours, and such that any journal can hold it."""
    return _ANSI.sub("", text).encode("utf-8", "backslashreplace").decode()
