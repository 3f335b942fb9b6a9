"""What the engine knows of one worker: what it was given, and what that has come to."""

from __future__ import annotations

import pickle
import time
from collections.abc import Sequence
from typing import Any

from orch_nb.engine.ports import AttemptKey, AttemptRequest, Outcome, Report, Setting
from orch_nb.executors import worker
from orch_nb.executors.failure import failure_of, with_source
from orch_nb.executors.worker_parcels import unloadable, unmade, unreturnable
from orch_nb.executors.worker_process import WorkerProcess
from orch_nb.model.event import Failure

__all__ = ["WorkerState", "outcome_of"]

_LOAD_S = 2.0  # an import, or a machine that has other things to do, is no long attempt


class WorkerState:
    """Attempts are told of in the order of `given`, some of them a moment after they ended."""

    def __init__(self, process: WorkerProcess, hello: tuple[Any, ...]) -> None:
        self.process = process
        self.hello: tuple[Any, ...] | None = hello  # goes with the first frame
        #: By serial number; the last is the generation of its parcel.
        self.given: dict[int, tuple[AttemptRequest, Report, int]] = {}
        self.last: AttemptRequest | None = None  # to end
        self._ended = {"stdout": 0, "stderr": 0}  # serial of whose writing is over
        self.functions: set[int] = set()  # that it has
        self.setting: Setting | None = None
        self.up = False
        self.since = 0.0  # when it came to what it runs
        self.journaled = 0  # serial of the attempt whose process is in the journal
        self.stopping: set[int] = set()  # serials
        self.condemned = False  # it will be killed, and gets nothing more
        self.asked = False  # to give back what it has not begun
        self.has_slot = False

    @property
    def head(self) -> int:
        """The serial of the attempt that it runs; 0 if it runs none."""
        current = self.process.current
        if current in self.given:
            return current
        return next(iter(self.given), 0)

    @property
    def age(self) -> float:
        """Seconds that it has been at what it runs; some less while it only loads it."""
        if not self.given or not self.up:
            return 0.0
        age = time.monotonic() - self.since
        return age if self.process.begun in self.given else max(0.0, age - _LOAD_S)

    def serial(self, key: AttemptKey) -> int:
        """The number of an attempt that it was given, or 0."""
        for serial, (request, _, _) in self.given.items():
            if request.key == key:
                return serial
        return 0

    def ask_back(self) -> None:
        if not self.asked:
            self.asked = True
            self.process.ask_back()

    def log(self, stream: str, text: str, serial: int) -> None:
        """A thread that an attempt left behind prints in the name of the last."""
        found = self.given.get(serial)
        request = found[0] if found is not None else self.last
        if request is not None:
            request.log(stream, text)

    def log_below(self, stream: str, text: str, ended: int) -> None:
        """What was written below Python: of the attempt that ended there, else of the first of
        which it is not known that it has."""
        if ended:
            self._ended[stream] = ended
        else:
            ended = next((one for one in self.given if one > self._ended[stream]), 0)
        if text:
            self.log(stream, text, ended)


def outcome_of(request: AttemptRequest, message: Sequence[Any]) -> Outcome:
    """The outcome that a worker's message is."""
    kind, _, started, ended, *rest = message
    value, failure = None, None
    if kind == worker.RETURNED:
        value = rest[0]
    elif kind == worker.PICKLED:
        try:
            value = pickle.loads(rest[0])  # noqa: S301  # from our own child
        except BaseException as error:  # noqa: BLE001  # whatever a class does as it is made anew
            failure = unmade(failure_of(error))
    elif kind == worker.FAILED:
        name, text, traceback, kinds = rest[0]
        failure = Failure(name, text, with_source(traceback), kinds)
    elif kind == worker.UNSENT:
        failure = unreturnable(*rest)
    else:
        what, _, told = rest
        failure = unloadable(what, told)
    return Outcome((request.id, request.attempt), started, ended, value, failure)
