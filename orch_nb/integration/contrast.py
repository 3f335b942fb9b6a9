"""Two runs side by side: what changed in the plan, what became of each task, what took how long.

    found = contrast(before, after)
    found.sentence     '`nightly-7` succeeded where `nightly-6` failed, in 9.4 s instead of 11.6 s
                        (19 % less). `tests` took 3 s less. 1 task was added.'

Tasks are known by their ids. Of a function only its name is kept, so whether its code is another
can be told only where both runs are of this process; a command, a notebook and arguments stand in
the plan. Results are compared by the hash of their bytes, else by their previews.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from types import CodeType
from typing import Any

import msgspec

from orch_nb.model.contrast import Contrast, Difference, TaskContrast
from orch_nb.model.event import ResultRef
from orch_nb.model.plan import Plan
from orch_nb.model.quantity import count, duration, listed, number, percent
from orch_nb.model.report import Report
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Task, callable_name

__all__ = ["contrast"]

_NOTICED_S = 0.05
_NOTICED = 0.1  # of the longer one
_SPELLED = {"timeout_s": "timeout", "estimate_s": "estimate", "total_timeout_s": "total_timeout"}
_OPTIONS = ("workers", "executor", "approve", "fail_fast", "timeout_s", "faults", "cache", "fresh",
            "address")  # fmt: skip


def contrast(
    before: Run, after: Run, reports: tuple[Report | None, Report | None] = (None, None)
) -> Contrast:
    """What is different in `after`. `reports` tell of the environment, where they know it."""
    names = [*after.plan.by_id, *(task for task in before.plan.by_id if task not in after.plan)]
    tasks = tuple(_task(before, after, task) for task in names)
    differences = (*_options(before, after), *_parameters(before.plan, after.plan),
                   *_environment(*reports))  # fmt: skip
    return Contrast(
        before=before, after=after, sentence=_sentence(before, after, tasks), tasks=tasks,
        differences=differences,
    )  # fmt: skip


# -- task by task --------------------------------------------------------------------------------


def _task(before: Run, after: Run, name: str) -> TaskContrast:
    old = before.plan.by_id.get(name)
    new = after.plan.by_id.get(name)
    spec = new or old
    assert spec is not None
    then = before[name] if old is not None else None
    now = after[name] if new is not None else None
    changed = _changed(old, new) if old is not None and new is not None else ()
    change = "added" if old is None else "removed" if new is None else "changed" if changed else ""
    return TaskContrast(
        task=name, title=spec.title, story=spec.story or "", change=change, changed=changed,
        status_before=str(then.status) if then is not None else "",
        status_after=str(now.status) if now is not None else "",
        duration_before_s=then.duration_s if then is not None else None,
        duration_after_s=now.duration_s if now is not None else None,
        attempts_before=len(then.attempts) if then is not None else None,
        attempts_after=len(now.attempts) if now is not None else None,
        wait_before_s=then.wait_s if then is not None else None,
        wait_after_s=now.wait_s if now is not None else None,
        result_before=_shown(then), result_after=_shown(now), same_result=_same(then, now),
    )  # fmt: skip


def _changed(old: Task, new: Task) -> tuple[str, ...]:
    """The fields that differ, as documents spell them."""
    one, other = (msgspec.to_builtins(task, enc_hook=callable_name) for task in (old, new))
    found = [key for key in dict.fromkeys((*one, *other)) if one.get(key) != other.get(key)]
    if callable(old.run) and callable(new.run) and _code(old.run) != _code(new.run):
        found.append("code")
    return tuple(dict.fromkeys(_SPELLED.get(key, key) for key in found))


def _code(function: Any) -> str:
    """What a function does, whatever lines it stands on: two that were typed alike are the same."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return callable_name(function)
    return hashlib.sha256(repr(_parts(code)).encode("utf-8", "replace")).hexdigest()


def _parts(code: CodeType) -> tuple[Any, ...]:
    constants = [_parts(one) if isinstance(one, CodeType) else one for one in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, constants


def _shown(done: TaskRun | None) -> str:
    if done is None or done.result is None or done.status is not Status.SUCCEEDED:
        return ""
    return done.result.preview or done.result.reason


def _same(then: TaskRun | None, now: TaskRun | None) -> bool | None:
    """Whether both returned the same; None where one returned nothing, or nobody can tell."""
    refs = [_ref(done) for done in (then, now)]
    one, other = refs
    if one is None or other is None:
        return None
    kept = {"json", "pickle"}
    if one.format in kept and other.format in kept and one.hash and other.hash:
        return (one.format, one.hash) == (other.format, other.hash)
    return one.preview == other.preview if one.preview and other.preview else None


def _ref(done: TaskRun | None) -> ResultRef | None:
    if done is None or done.result is None or done.status is not Status.SUCCEEDED:
        return None
    return done.result if done.result.format != "none" else None


# -- what stood around them ----------------------------------------------------------------------


def _options(before: Run, after: Run) -> Iterator[Difference]:
    for name in _OPTIONS:
        one, other = getattr(before.options, name), getattr(after.options, name)
        if one != other:
            yield Difference("option", _SPELLED.get(name, name), _said_of(one), _said_of(other))


def _parameters(before: Plan, after: Plan) -> Iterator[Difference]:
    yield from _apart("parameter", before.params, after.params)


def _environment(before: Report | None, after: Report | None) -> Iterator[Difference]:
    """Of whatever reports know of the machine; nothing where one knows nothing."""
    if before is None or after is None:
        return
    one, other = before.environment, after.environment
    if one is None or other is None:
        return
    names = ("python", "platform", "commit", "changed")
    yield from _apart("environment", *({n: getattr(of, n) for n in names} for of in (one, other)))
    yield from _apart("package", dict(one.packages), dict(other.packages))
    yield from _apart("hash", dict(one.hashes), dict(other.hashes))


def _apart(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Difference]:
    for name in dict.fromkeys((*before, *after)):
        one, other = (_word(kind, name, side) for side in (before, after))
        if one != other:
            yield Difference(kind, name, one, other)


def _word(kind: str, name: str, side: Mapping[str, Any]) -> str:
    """A value in words, a hash in its first letters; empty where there is none."""
    value = side.get(name)
    if name not in side or value == "":
        return ""
    if kind == "hash" or name == "commit":
        return str(value)[:10]
    return _said_of(value)


def _said_of(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_said_of(one)}" for key, one in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(_said_of(one) for one in value) or "none"
    return str(value)


# -- in a sentence -------------------------------------------------------------------------------


def _sentence(before: Run, after: Run, tasks: tuple[TaskContrast, ...]) -> str:
    told = [_outcome(before, after), *_pace(tasks), *_moved(tasks), *_plan(tasks), *_results(tasks)]
    return " ".join(told)


def _outcome(before: Run, after: Run) -> str:
    one, other = f"`{before.run_id}`", f"`{after.run_id}`"
    if before.run_id == after.run_id:
        one, other = "the first", "The second"
    if before.status == after.status:
        how = f"{other} {_ended(after)} as {one} {_likewise(after)}"
    else:
        how = f"{other} {_ended(after)} where {one} {_ended(before)}"
    return f"{how}{_took(before.duration_s, after.duration_s)}."


def _ended(run: Run) -> str:
    words = {RunStatus.CANCELLED: "was cancelled", RunStatus.RUNNING: "still runs",
             RunStatus.WAITING: "waits", RunStatus.CUT_OFF: "was cut off"}  # fmt: skip
    return words.get(run.status, str(run.status))


def _likewise(run: Run) -> str:
    return {"was": "was", "waits": "does", "still": "does"}.get(_ended(run).split()[0], "did")


def _took(one: float | None, other: float | None) -> str:
    if one is None or other is None:
        return ""
    if not _noticed(one, other):
        return f", in {duration(other)} as before" if other else ""
    words = f", in {duration(other)} instead of {duration(one)}"
    if not one:
        return words
    return f"{words} ({percent(abs(other - one) / one)} {'more' if other > one else 'less'})"


def _noticed(one: float, other: float) -> bool:
    """Whether a person would call it a difference: not the noise of a machine."""
    return abs(one - other) >= max(_NOTICED_S, _NOTICED * max(one, other))


def _pace(tasks: tuple[TaskContrast, ...]) -> Iterator[str]:
    """What got slower and what quicker, the biggest first."""
    apart = [
        (task.apart_s or 0.0, task)
        for task in tasks
        if task.duration_before_s is not None
        and task.duration_after_s is not None
        and task.status_before == task.status_after  # else the work was not the same
        and _noticed(task.duration_before_s, task.duration_after_s)
    ]
    for sign, word in ((1, "longer"), (-1, "less")):
        some = sorted((pair for pair in apart if pair[0] * sign > 0), key=lambda p: -abs(p[0]))
        names = [f"`{task.task}` ({duration(abs(by))})" for by, task in some]
        if names:
            yield f"{listed(names)} took {word}."


def _moved(tasks: tuple[TaskContrast, ...]) -> Iterator[str]:
    both = [task for task in tasks if task.status_before and task.status_after]
    moved = [task for task in both if task.status_before != task.status_after]
    words = [f"`{t.task}` ({_said(t.status_before)}, now {_said(t.status_after)})" for t in moved]
    if words:
        yield f"{listed(words)} ended otherwise."
    more = [t for t in both if (t.attempts_after or 0) > max(1, t.attempts_before or 0)]
    if more:
        yield f"{listed([f'`{task.task}`' for task in more])} needed more attempts."


def _said(status: str) -> str:
    return status.replace("_", " ")


def _plan(tasks: tuple[TaskContrast, ...]) -> Iterator[str]:
    parts = []
    for change in ("added", "removed", "changed"):
        some = [f"`{task.task}`" for task in tasks if task.change == change]
        if some:
            shown = f" ({listed(some)})" if len(some) <= 3 else ""
            parts.append(f"{count(len(some), 'task')} {change}{shown}")
    if parts:
        yield f"In the plan: {', '.join(parts)}."


def _results(tasks: tuple[TaskContrast, ...]) -> Iterator[str]:
    other = [f"`{task.task}`" for task in tasks if task.same_result is False]
    if len(other) == 1:
        yield f"The result of {other[0]} differs."
    elif other:
        yield f"{number(len(other))} results differ: {listed(other)}."
