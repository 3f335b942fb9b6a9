"""What of an operation a file keeps, so that whoever has the file has the values again.

    seal(operation)   {"version": 1, "encoding": "zlib+base64", "sha256": ..., "data": "eNq..."}
    unseal(sealed)    the operation: plan, run, report, analysis, research

Inside stands JSON: the very events that the journal had, and what INTEGRATE, ANALYZE and RESEARCH
found. The run is folded from the events, as ever, so that it can also be looked at as it stood at
any moment. Results are the previews that the events have; process ids and the folder in which it
ran stay behind.

What is opened was written by somebody else and may be meant to harm: its size is bounded before and
after it is unpacked, so are the instances that it speaks of, every value has to have its type, and
nothing in it is unpickled, imported or called. Functions are names.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from orch_nb.errors import RecordError
from orch_nb.model import event as ev
from orch_nb.model.analysis import Analysis
from orch_nb.model.fold import RunState
from orch_nb.model.plan import Plan
from orch_nb.model.report import Operation, Report
from orch_nb.model.research import Research
from orch_nb.model.run import Run
from orch_nb.model.status import Status
from orch_nb.model.task import callable_name

__all__ = ["MIMETYPE", "Previews", "note", "noted", "seal", "unseal"]

T = TypeVar("T")

MIMETYPE = "application/vnd.orch-nb.run+json"
VERSION = 1
_ENCODING = "zlib+base64"
_PACKED = 64_000_000  # characters
_UNPACKED = 256_000_000  # bytes; a run of 100,000 tasks has some 30 million
_INSTANCES = 250_000
_LAST = 253_402_214_400.0  # seconds since the epoch that a datetime can hold, less a day
_TIMES = ("at", "started", "ready", "until")
_APART = ("run", "analysis", "research")  # of a report: they stand beside it

_field: Any = msgspec.field
# A report without what stands beside it. Its fields are those that `Report` has today.
_Account: Any = msgspec.defstruct(
    "_Account",
    [
        (one.name, one.type, _field(default=one.default, default_factory=one.default_factory))
        for one in msgspec.structs.fields(Report)
        if one.name not in _APART
    ],
    kw_only=True,
    omit_defaults=True,
    frozen=True,
)


class _Record(msgspec.Struct, kw_only=True, omit_defaults=True):
    """`plan` is there for a draft only: that of a run is in its first event."""

    name: str = ""
    kind: str = ""
    document: str = ""
    plan: Plan | None = None
    history: msgspec.Raw = msgspec.Raw(b"[]")
    report: _Account | None = None
    analysis: Analysis | None = None
    research: Research | None = None


def _enc_hook(value: Any) -> Any:
    return callable_name(value) if callable(value) else repr(value)


_encoder = msgspec.json.Encoder(enc_hook=_enc_hook)


def _encode(value: Any) -> bytes:
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:  # a lone surrogate, as file names have them, is in no JSON
        return _encoder.encode(_sound(msgspec.to_builtins(value, enc_hook=_enc_hook)))


def _sound(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_sound(key): _sound(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_sound(one) for one in value]
    return value


_decode = msgspec.json.Decoder(_Record).decode


# -- into a file ---------------------------------------------------------------------------------


def seal(operation: Operation) -> dict[str, Any] | None:
    """The operation as JSON, some 20 bytes a task; None for a run whose events nobody has.

    Raises JournalError where the journal of its run cannot be read any more.
    """
    run, report = operation.run, operation.report
    history = run.history if run is not None else ()
    if run is not None and not history:
        return None
    told = {
        **_before(operation),
        "plan": operation.plan if run is None else None,
        "history": list(_shared(history)),
        "report": _account(report) if report is not None else None,
        "analysis": operation.analysis or (report.analysis if report is not None else None),
        "research": operation.research or (report.research if report is not None else None),
    }
    body = _encode({name: value for name, value in told.items() if value})
    return {
        "version": VERSION,
        "run_id": _sound(run.run_id) if run is not None else "",
        "encoding": _ENCODING,
        "sha256": hashlib.sha256(body).hexdigest(),
        "data": base64.b64encode(zlib.compress(body, 9)).decode(),
    }


def _account(report: Report) -> Any:
    return _Account(**{name: getattr(report, name) for name in _Account.__struct_fields__})


def _shared(history: Sequence[ev.Event]) -> Iterator[ev.Event]:
    """The events without what is of the machine that they happened on."""
    for event in history:
        if isinstance(event, ev.RunStarted | ev.RunResumed):
            yield replace(event, options=replace(event.options, workspace="", address=""))
        elif not isinstance(event, ev.ProcessStarted):
            yield event


def note(operation: Operation) -> bytes:
    """What an operation knew before it ran, for the journal, which has the rest."""
    return _encode(_before(operation))


def _before(operation: Operation) -> dict[str, Any]:
    names = ("name", "kind", "document", "analysis", "research")
    return {name: value for name in names if (value := getattr(operation, name))}


def noted(body: bytes) -> Operation:
    """The operation that `note` told of; its plan is that of the run. Raises RecordError."""
    told = _read(body)
    return Operation(
        plan=Plan(goal=""), kind=told.kind, name=told.name, analysis=told.analysis,
        research=told.research, document=told.document,
    )  # fmt: skip


# -- and back ------------------------------------------------------------------------------------


def unseal(sealed: Any) -> Operation:
    """The operation that `seal` made. Raises RecordError, saying what is wrong with it."""
    record = _read(_unpacked(sealed))
    ran = bytes(record.history) != b"[]"
    if record.plan is None and not ran:
        raise RecordError("The run's data has neither a plan nor a run. It is damaged.")
    try:
        run = _run(record) if ran else None
    except RecordError:
        raise
    except (KeyError, ValueError, TypeError, AttributeError, AssertionError) as error:
        raise RecordError(
            f"The run's data contradicts itself ({type(error).__name__}: {error}). It is damaged, "
            "or was not written by orch_nb."
        ) from None
    plan = run.plan if run is not None else record.plan
    assert plan is not None
    report = None
    if run is not None and record.report is not None:
        told = {name: getattr(record.report, name) for name in _Account.__struct_fields__}
        _tables_judged(record.report)
        report = Report(run=run, analysis=record.analysis, research=record.research, **told)
    return Operation(
        plan=plan, kind=record.kind, name=record.name, analysis=record.analysis,
        research=record.research, run=run, report=report, document=record.document,
    )  # fmt: skip


def _unpacked(sealed: Any) -> bytes:
    if not isinstance(sealed, Mapping) or not isinstance(sealed.get("data"), str):
        raise RecordError("The run's data is not what orch_nb writes there.")
    version, encoding = sealed.get("version"), sealed.get("encoding")
    if type(version) is not int or version < 1:
        raise RecordError(f"The run's data is of no version that there is: {version!r:.40}.")
    if version > VERSION or encoding != _ENCODING:
        raise RecordError(
            f"The run's data was written by a newer orch_nb (version {version}, {encoding!r:.40}; "
            f"this one reads {VERSION}, {_ENCODING}). Upgrade orch_nb."
        )
    data = sealed["data"]
    if len(data) > _PACKED:
        raise RecordError(f"The run's data has {len(data):,} characters; {_PACKED:,} are read.")
    try:
        packed = base64.b64decode(data, validate=True)
        unpacking = zlib.decompressobj()
        body = unpacking.decompress(packed, _UNPACKED)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise RecordError(f"The run's data cannot be unpacked: {error}. It is damaged.") from None
    if unpacking.unconsumed_tail:
        raise RecordError(
            f"The run's data would unpack to more than {_UNPACKED:,} bytes, and was not unpacked."
        )
    if not unpacking.eof or hashlib.sha256(body).hexdigest() != sealed.get("sha256"):
        raise RecordError(
            "The run's data is not what was written (its checksum differs). The file is damaged, "
            "or was changed by hand: ask for a fresh copy."
        )
    return body


def _read(body: bytes) -> _Record:
    return _decoded(
        _decode, body, "data", "It is damaged, or was written by another version of orch_nb"
    )


def _decoded(decode: Callable[[bytes], T], body: bytes, what: str, why: str) -> T:
    """What JSON of somebody else says. Raises RecordError."""
    try:
        return decode(body)
    except RecursionError:
        raise RecordError("The run's data is nested too deeply. It was not read.") from None
    except (msgspec.MsgspecError, ValueError, TypeError) as error:
        raise RecordError(f"The run's {what} cannot be read: {error}. {why}.") from None


def _run(record: _Record) -> Run:
    why = "They are damaged, or were written by a newer orch_nb"
    history = _decoded(ev.decode_events, bytes(record.history), "events", why)
    _judged(history)
    state = RunState()
    for event in history:  # each by itself, as a film is taken: that judges what `replay` trusts
        state.apply(event)
    for task in state.every():  # what a snapshot would stumble over later is found now
        task.snapshot()
    if "on_failure" in state.derived and state.plan.on_failure is None:
        raise RecordError(
            "The run's data contradicts itself: `on_failure` ran, and its plan has none. It is "
            "damaged, or was not written by orch_nb."
        )
    return state.snapshot(Previews(state), final=True, history=lambda: history)


def _judged(history: Sequence[ev.Event]) -> None:
    """Refuse what no run can have told. Raises RecordError."""
    if not history or not isinstance(history[0], ev.RunStarted):
        raise RecordError("The run's events do not begin with its start. They are damaged.")
    if any(isinstance(event, ev.RunStarted) for event in history[1:]):
        raise RecordError("The run's events begin twice. They are damaged.")
    instances = 0
    for event in history:
        for name in _TIMES:
            at = getattr(event, name, None)
            if at is not None and not 0.0 <= at <= _LAST:
                raise RecordError(f"The run's events name a time that there is not: {at!r:.40}.")
        if isinstance(event, ev.Expanded):
            instances += max(0, event.count)
    if instances > _INSTANCES:
        raise RecordError(
            f"The run's events speak of {instances:,} instances; {_INSTANCES:,} are read."
        )


def _tables_judged(report: Any) -> None:
    """Refuse a table in which a row has more or fewer cells than there are columns. Raises
    RecordError."""
    for result in report.results:
        rich = result.rich
        if rich is not None:
            _rows_judged(f"the result of `{result.task}`", rich.columns, rich.rows)
            if rich.dtypes:
                _rows_judged(f"the result of `{result.task}`", rich.columns, (rich.dtypes,))
    for one in report.tables:
        _rows_judged("the results of a story", one.columns, one.rows)


def _rows_judged(what: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if any(len(row) != len(columns) for row in rows):
        raise RecordError(
            f"The run's data contradicts itself: a row of {what:.200} has not as many cells as "
            "there are columns. It is damaged, or was not written by orch_nb."
        )


class Previews(Mapping[str, Any]):
    """The results of a run that was read from a file: small JSON is there, of everything else only
    what stands in `preview`.

    Raises KeyError for a task that did not succeed, LookupError, with the preview, for a value that
    stayed where the run was.
    """

    def __init__(self, state: RunState) -> None:
        self._state = state

    def __getitem__(self, task: str) -> Any:
        found = self._state.tasks.get(task) or self._state.derived.get(task)
        if found is None or found.status not in _HAS:
            how = "is no task of this run" if found is None else f"stands at {found.status}"
            raise KeyError(f"`{task}` has no result: it {how}")
        if found.instances is not None:
            return [self.get(f"{task}[{n}]") for n in range(found.instances)]
        return _small(task, found.result)

    def preview(self, task: str) -> str:
        """What is shown of a result; empty for None. Raises KeyError for no task of the run."""
        ref = self._state.task(task).result
        return ref.preview if ref is not None else ""

    def __iter__(self) -> Iterator[str]:
        return (t.task for t in self._state.tasks.values() if t.status in _HAS)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, task: object) -> bool:
        found = self._state.tasks.get(str(task)) or self._state.derived.get(str(task))
        return found is not None and found.status in _HAS

    def __repr__(self) -> str:
        return f"<previews of the results of {', '.join(self) or 'no task'}>"


_HAS = (Status.SUCCEEDED, Status.COMPENSATED)


def _small(task: str, ref: ev.ResultRef | None) -> Any:
    if ref is None or ref.format == "none":
        return None
    if ref.format == "json" and ref.hash[:1] == "=":
        try:
            return msgspec.json.decode(ref.hash[1:])
        except (msgspec.DecodeError, RecursionError):
            raise LookupError(f"the result of `{task}` is damaged") from None
    raise LookupError(
        f"the result of `{task}` is not in the report, which has previews only: "
        f"{ref.preview or ref.reason or 'none of this one'}. Its value is in the journal of the "
        "run, on the machine where it ran."
    )
