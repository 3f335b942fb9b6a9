"""The results of a run, in process by reference, from the journal when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orch_nb.engine.ports import Blob, Journal
from orch_nb.engine.results import unsecret
from orch_nb.model.event import ResultRef
from orch_nb.model.fold import RunState
from orch_nb.model.preview import Rich
from orch_nb.model.secrets import PLAIN, Mask
from orch_nb.model.status import Status
from orch_nb.model.task_state import TaskState

__all__ = ["Given", "Results"]

_HAS = (Status.SUCCEEDED, Status.COMPENSATED)


class Results(Mapping[str, Any]):
    """What succeeded tasks returned, by task id. A value that this process made is that very
    object; one of an earlier process is read from the journal on first use.

    The result of a `foreach` task is the list of its instances' in order, None for one that did not
    succeed; `results["fetch[3]"]` is that of one. Raises KeyError, saying how it stands, for a task
    that did not succeed, LookupError for a value that was not kept.
    """

    def __init__(
        self, state: RunState, journal: Journal, mask: Mask = PLAIN, *, here: bool = False
    ) -> None:
        self._state, self._journal, self._mask = state, journal, mask
        self._shortest = mask.shortest
        #: Whether this process makes the run.
        self.here = here
        self._values: dict[str, Any] = {}
        self._blobs: list[Blob] = []

    def put(self, task: str, value: Any) -> ResultRef:
        """Take a new result; its bytes wait in `take_blobs` for the journal."""
        if value is None:
            if self._values:
                self._values.pop(task, None)  # of an earlier try
            return _NONE
        self._values[task] = value
        return self.keep(value)

    @property
    def held(self) -> bool:
        """Whether this process has any result that is not None."""
        return bool(self._values)

    def keep(self, value: Any) -> ResultRef:
        """Where `value` is kept; its bytes wait in `take_blobs`. One that has a secret in it is
        not kept."""
        ref, blob = self._journal.store(value)
        if ref.size >= self._shortest or len(ref.preview) >= self._shortest or blob is not None:
            ref, blob = unsecret(value, ref, blob, self._mask)
        if blob is not None:
            self._blobs.append(blob)
        return ref

    def load(self, ref: ResultRef) -> Any:
        """A value again. Raises LookupError for one that was not kept."""
        return self._journal.load(ref)

    def take_blobs(self) -> list[Blob]:
        if not self._blobs:
            return _NO_BLOBS
        blobs, self._blobs = self._blobs, []
        return blobs

    def lost(self, task: str) -> bool:
        """Whether the task succeeded with a result that neither journal nor process has."""
        state = self._find(task)
        if state is None or state.status is not Status.SUCCEEDED:
            return False
        if state.instances is not None:
            return any(self.lost(f"{task}[{n}]") for n in range(state.instances))
        unstored = state.result is not None and state.result.format == "unstored"
        return unstored and task not in self._values

    def _find(self, task: object) -> TaskState | None:
        if not isinstance(task, str):
            return None
        return self._state.tasks.get(task) or self._state.derived.get(task)

    def __getitem__(self, task: str) -> Any:
        state = self._find(task)
        if state is None or state.status not in _HAS:
            how = "is no task of this run" if state is None else f"stands at {state.status}"
            raise KeyError(f"`{task}` has no result: it {how}")
        if state.instances is not None:
            return [self.get(f"{task}[{n}]") for n in range(state.instances)]
        if task in self._values:
            return self._values[task]
        value = None if state.result is None else self._journal.load(state.result)
        if value is not None:
            self._values[task] = value
        return value

    def rich(self, task: str) -> Rich | None:
        """What a task's result looks like, without loading it: the head of a table, a picture; None
        where there is no more than its text."""
        state = self._find(task)
        if state is None or state.status not in _HAS or state.result is None:
            return None
        return self._journal.load_rich(state.result)

    def log(self, task: str) -> str:
        """What a task printed, as far as the journal keeps it."""
        return self._journal.read_log(self._state.run_id, task)

    def forget(self, task: str) -> None:
        """A result is no longer what this process made: its task is tried anew."""
        self._values.pop(task, None)

    def __iter__(self) -> Iterator[str]:
        return (t.task for t in self._state.tasks.values() if t.status in _HAS)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, task: object) -> bool:
        state = self._find(task)
        return state is not None and state.status in _HAS

    @property
    def given(self) -> Mapping[str, Any]:
        """The same, as downstream tasks get it."""
        return Given(self, self._state)

    def __repr__(self) -> str:
        return f"<results of {', '.join(self) or 'no task'}>"


_NONE = ResultRef()
_NO_BLOBS: list[Blob] = []


class Given(Mapping[str, Any]):
    """Results for a task's arguments: None stands for one that ended without (a task that runs
    after a failure or a skip, by its trigger rule, finds nothing there)."""

    def __init__(self, results: Results, state: RunState) -> None:
        self._results, self._state = results, state

    def __getitem__(self, task: str) -> Any:
        return self._results.get(task)

    def __iter__(self) -> Iterator[str]:
        return iter(self._state.tasks)

    def __len__(self) -> int:
        return len(self._state.tasks)
