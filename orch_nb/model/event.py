"""What can happen to a run: the only things a journal holds and a `Run` is folded from.

Every change of a run's state is one of these facts, in the past tense, with `at`, the time it
happened in seconds since the epoch (UTC). Events are made by the driver and by the scheduler, are
committed before anything acts on them, and are never changed: a later version adds fields with
defaults, so that it replays what an older one wrote.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import msgspec

from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import callable_name

__all__ = [
    "NOT_KEPT",
    "AttemptFailed",
    "AttemptLost",
    "AttemptReturned",
    "AttemptStarted",
    "AttemptSucceeded",
    "BackingOff",
    "CancelRequested",
    "Decided",
    "Event",
    "Expanded",
    "Failure",
    "PauseEnded",
    "PauseRequested",
    "ProcessStarted",
    "ResultRef",
    "RetryRequested",
    "RunEnded",
    "RunOptions",
    "RunResumed",
    "RunStarted",
    "SkipRequested",
    "TaskEnded",
    "Waiting",
    "WorkersChanged",
    "decode_event",
    "decode_events",
    "decode_owner",
    "decode_start",
    "encode_event",
    "encode_events",
]


class RunOptions(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a run was asked for: what `execute` takes, as far as the journal can hold it."""

    workers: int = 8
    executor: str = "threads"
    interactive: bool = False
    approve: tuple[str, ...] = ()
    workspace: str = ""
    fail_fast: bool = False
    timeout_s: float | None = None
    faults: tuple[str, ...] = ()
    cache: bool = False
    fresh: bool = False
    address: str = ""
    secrets: tuple[str, ...] = ()
    #: The address of the system that owns the run ("" is here), and what the run is called there.
    on: str = ""
    handle: str = ""


class Failure(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why an attempt failed: the exception's name, its message, its traceback in the user's frames.

    `kinds` names its class and every base, so that `non_retryable` holds in another process too.
    """

    type: str
    message: str = ""
    traceback: str = ""
    kinds: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.type}: {self.message}" if self.message else self.type


class ResultRef(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a result is kept: by content hash, in `format` json or pickle, `size` in bytes. JSON of
    up to 128 bytes stands in `hash` itself, after `=`.

    `format` "none" is None itself; "unstored" a value that no process but its own can have:
    recovery runs such a task again. `preview` is a bounded text of the value, for people; `rich`
    is where more of its looks is kept (`model.preview`), by content hash, "" where there is none.
    """

    format: str = "none"
    hash: str = ""
    size: int = 0
    preview: str = ""
    reason: str = ""
    rich: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False, omit_defaults=True, tag_field="t"):
    """A fact about a run. `at`: seconds since the epoch, UTC."""

    at: float


class RunStarted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="run_started"):
    """A run began. With its plan, so that a journal alone can tell and continue it."""

    run_id: str
    plan: Plan
    name: str = ""
    options: RunOptions = RunOptions()


class RunResumed(Event, frozen=True, kw_only=True, omit_defaults=True, tag="run_resumed"):
    """A run that was cut off or had ended goes on in a new process."""

    options: RunOptions = RunOptions()
    by: str = ""


class RunEnded(Event, frozen=True, kw_only=True, omit_defaults=True, tag="run_ended"):
    status: RunStatus


class CancelRequested(Event, frozen=True, kw_only=True, omit_defaults=True, tag="cancel"):
    """A person or a signal wants a task, or (None) the run, cancelled.

    `cause` is "timeout" or "fail_fast" where the engine itself ends the run: it has then failed.
    """

    task: str | None = None
    by: str = ""
    cause: str = ""


class PauseRequested(Event, frozen=True, kw_only=True, omit_defaults=True, tag="pause"):
    """A person wants no further attempt started; what runs goes on to its end."""

    by: str = ""


class PauseEnded(Event, frozen=True, kw_only=True, omit_defaults=True, tag="unpause"):
    by: str = ""


class WorkersChanged(Event, frozen=True, kw_only=True, omit_defaults=True, tag="workers"):
    """A person changed how many attempts run at once."""

    workers: int
    by: str = ""


class Expanded(Event, frozen=True, kw_only=True, omit_defaults=True, tag="expanded"):
    """A `foreach` task became `count` instances, `task[0]` to `task[count - 1]`; `items` is the
    list they are for."""

    task: str
    count: int
    items: ResultRef


class AttemptReturned(Event, frozen=True, kw_only=True, omit_defaults=True, tag="returned"):
    """An attempt that an executor was given and had not begun was taken back: it never was."""

    task: str
    attempt: int


#: Who wants a task tried anew whose result could not be kept: the engine itself.
NOT_KEPT = "its result was not kept"


class RetryRequested(Event, frozen=True, kw_only=True, omit_defaults=True, tag="retry"):
    """A person wants a task that did not succeed tried anew, and what it kept from running.

    `reset` names all tasks that go back to pending, as the scheduler of the day saw them.
    """

    task: str
    by: str = ""
    reset: tuple[str, ...] = ()


class SkipRequested(Event, frozen=True, kw_only=True, omit_defaults=True, tag="skip"):
    """A person wants a task left out and the rest to go on as if it had succeeded with nothing.

    `reset` names the tasks that go back to pending: itself, where it had ended, and what it had
    kept from running.
    """

    task: str
    by: str = ""
    note: str = ""
    reset: tuple[str, ...] = ()


class Decided(Event, frozen=True, kw_only=True, omit_defaults=True, tag="decided"):
    """A person (or a default) approved or rejected a gate, or ticked a todo item."""

    task: str
    approved: bool
    by: str = ""
    note: str = ""


class AttemptStarted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="started"):
    """An attempt was handed to an executor. `ready`: when the task had become ready."""

    task: str
    attempt: int
    ready: float = 0.0


class ProcessStarted(Event, frozen=True, kw_only=True, omit_defaults=True, tag="process"):
    """An attempt runs as process group `pid`; `created` tells a reused pid apart."""

    task: str
    attempt: int
    pid: int
    created: float = 0.0


class AttemptSucceeded(Event, frozen=True, kw_only=True, omit_defaults=True, tag="succeeded"):
    """`at` is when the attempt ended, `started` when its body began, in the executor's clock."""

    task: str
    attempt: int
    started: float
    result: ResultRef = ResultRef()
    exit_code: int | None = None


class AttemptFailed(Event, frozen=True, kw_only=True, omit_defaults=True, tag="failed"):
    """`timed_out`: by its timeout. `abandoned`: its thread could not be stopped and still runs.
    `injected`: on purpose, by a fault that a person asked for.
    """

    task: str
    attempt: int
    started: float
    error: Failure
    exit_code: int | None = None
    timed_out: bool = False
    abandoned: bool = False
    cancelled: bool = False
    injected: bool = False


class AttemptLost(Event, frozen=True, kw_only=True, omit_defaults=True, tag="lost"):
    """The process that ran an attempt is gone; the task runs again and no try is used up."""

    task: str
    attempt: int


class BackingOff(Event, frozen=True, kw_only=True, omit_defaults=True, tag="backing_off"):
    """The next attempt of a task waits until `until`, seconds since the epoch."""

    task: str
    until: float


class Waiting(Event, frozen=True, kw_only=True, omit_defaults=True, tag="waiting"):
    """A task waits for a person, until `until` where its gate has a timeout."""

    task: str
    prompt: str
    until: float | None = None


class TaskEnded(Event, frozen=True, kw_only=True, omit_defaults=True, tag="ended"):
    """A task ended without an attempt's outcome of its own: skipped, upstream_failed, cancelled,
    failed (a rejection, exhausted retries) or succeeded (a milestone, an approval).

    `cause` is the task that brought it about, `reason` says it in words. `cached` names the run
    whose `result` was used instead of running it.
    """

    task: str
    status: Status
    reason: str = ""
    cause: str | None = None
    result: ResultRef | None = None
    cached: str = ""


_ANY = (
    RunStarted
    | RunResumed
    | RunEnded
    | CancelRequested
    | RetryRequested
    | SkipRequested
    | Decided
    | AttemptStarted
    | ProcessStarted
    | AttemptSucceeded
    | AttemptFailed
    | AttemptLost
    | BackingOff
    | Waiting
    | TaskEnded
    | PauseRequested
    | PauseEnded
    | WorkersChanged
    | Expanded
    | AttemptReturned
)


def _enc_hook(value: Any) -> Any:
    if callable(value):
        return callable_name(value)
    return repr(value)  # a parameter that has no JSON form stands in the journal as its repr


_encoder = msgspec.json.Encoder(enc_hook=_enc_hook)

#: Several events as one JSON array; JSON of one event.
encode_events = encode_event = _encoder.encode


class _Begun(msgspec.Struct, tag_field="t", tag="run_started"):
    """A `RunStarted` whose plan need not be made anew."""

    at: float
    run_id: str
    plan: msgspec.Raw
    name: str = ""
    options: RunOptions = RunOptions()


class _Owned(msgspec.Struct, tag_field="t", tag="run_started"):
    """What is to be known of a `RunStarted` in a list of runs."""

    options: RunOptions = RunOptions()


@functools.cache
def _decoder(kind: Any) -> Callable[[bytes], Any]:
    """Made when first needed: each takes milliseconds, which an import should not cost."""
    return msgspec.json.Decoder(kind).decode


def decode_event(body: bytes) -> Event:
    """The event of a JSON text. Raises msgspec.DecodeError on what is none."""
    found: Event = _decoder(_ANY)(body)
    return found


def decode_events(body: bytes) -> list[Event]:
    """The events of a JSON array. Raises msgspec.DecodeError."""
    found: list[Event] = _decoder(list[_ANY])(body)
    return found


def decode_start(body: bytes, plan: Plan) -> list[Event]:
    """`decode_events` of a run's first, a `RunStarted` alone, of which this is the plan."""
    (first,) = _decoder(tuple[_Begun])(body)
    return [
        RunStarted(
            at=first.at, run_id=first.run_id, plan=plan, name=first.name, options=first.options
        )
    ]


def decode_owner(body: bytes) -> str:
    """The system that owns a run, of the run's first events: a `RunStarted` alone. Raises
    msgspec.DecodeError."""
    (first,) = _decoder(tuple[_Owned])(body)
    return str(first.options.on)
