"""A task's card: what it is, what it was given, what it did and gave, what it waits for."""

from __future__ import annotations

import base64
from typing import Any

from orch_nb.engine.ports import Journal
from orch_nb.model.event import ResultRef
from orch_nb.model.plan import Plan
from orch_nb.model.quantity import duration, size
from orch_nb.model.run import Attempt
from orch_nb.model.status import Status
from orch_nb.model.task import Task
from orch_nb.model.task_state import TaskState
from orch_nb.notebook.subjects import Subject
from orch_nb.render import policies
from orch_nb.render.plaintext import bounded_lines, one_line

__all__ = ["card"]

_NAMES = 200
_LOG_LINES = 40


def card(subject: Subject, task: str, needs: list[str], below: list[str]) -> dict[str, Any]:
    """The card of a task of the plan or of the run, for the page. `needs` and `below` are the tasks
    that it waits for and those that wait for it."""
    state = subject.state
    found = state.tasks.get(task) or state.derived.get(task)
    plan = subject.plan
    name = task if task in plan else (found.of if found is not None else None) or ""
    made: dict[str, Any] = {"kind": "card", "task": task}
    if name in plan:
        made["spec"] = _spec(plan, plan[name], task)
    made["inputs"] = [
        [need, _preview(state.tasks[need].result)]
        for need in needs[:_NAMES]
        if need in state.tasks and state.tasks[need].status.ended
    ]
    made["waits"] = [
        [need, ""]
        for need in needs[:_NAMES]
        if need not in state.tasks or not state.tasks[need].status.ended
    ]
    made["waited"] = [[other, ""] for other in below[:_NAMES]]
    if found is not None:
        made |= _past(found, subject.journal)
        made["log"] = _log(subject.journal, subject.run_id, task)
    return made


def _spec(plan: Plan, task: Task, name: str) -> list[list[str]]:
    """What the plan says of a task, as pairs of words and texts, without what it leaves out."""
    story = next((one for one in plan.stories if one.id == task.story), None)
    parts = {
        "task": name if name != one_line(task.label, 300) else "",
        "does": policies.action(task),
        "description": task.description,
        "story": story.label if story is not None else "",
        "trigger": str(task.trigger) if str(task.trigger) != "all_success" else "",
        "when": policies.condition(task),
        "for": policies.spread(task),
        "bounded": policies.limits(task),
        "attempts": f"at most {task.retry.maximum_attempts}"
        if task.retry.maximum_attempts > 1
        else "",
        "timeout": policies.time_limits(task),
        "estimate": duration(task.estimate_s),
        "pools": policies.pools(task),
        "priority": str(task.priority) if task.priority else "",
        "outputs": ", ".join(str(path) for path in task.outputs),
        "required": "" if task.required else "no",
        "owner": task.owner,
        "undone by": policies.action(task.compensate),
    }
    return [[word, str(text)[:2000]] for word, text in parts.items() if text]


def _past(task: TaskState, journal: Journal) -> dict[str, Any]:
    done = task.snapshot()
    found: dict[str, Any] = {"attempts": [_attempt(one) for one in done.attempts[-20:]]}
    if done.cached:
        found["attempts"].append(
            {"number": 0, "status": "succeeded", "seconds": None, "note": f"kept of {done.cached}"}
        )
    if done.result is not None and done.status is Status.SUCCEEDED:
        found["result"] = _result(done.result, journal)
    return found


def _attempt(one: Attempt) -> dict[str, Any]:
    notes = [
        "timed out" if one.timed_out else "",
        "on purpose" if one.injected else "",
        "could not be stopped" if one.abandoned else "",
        f"exit code {one.exit_code}" if one.exit_code else "",
    ]
    return {
        "number": one.number, "status": one.status, "seconds": one.duration_s,
        "error": one_line(str(one.error), 600) if one.error is not None else "",
        "traceback": bounded_lines(one.error.traceback) if one.error is not None else "",
        "note": ", ".join(note for note in notes if note),
    }  # fmt: skip


def _result(ref: ResultRef, journal: Journal) -> dict[str, Any]:
    """What a task gave, from the bounded previews that the journal keeps: nothing is unpickled."""
    if ref.format == "none":
        return {"text": "None", "kind": ""}
    made: dict[str, Any] = {"text": ref.preview, "kind": size(ref.size) if ref.size else ""}
    if ref.format == "unstored":
        made["note"] = f"not kept: {ref.reason}"
    looks = journal.load_rich(ref)
    if looks is not None and looks.png:
        made |= {"png": base64.b64encode(looks.png).decode(), "alt": looks.title}
    elif looks is not None:
        made["table"] = {"columns": list(looks.columns), "rows": [list(row) for row in looks.rows]}
        made["kind"] = looks.title or made["kind"]
    return made


def _preview(ref: ResultRef | None) -> str:
    return one_line(ref.preview, 120) if ref is not None else ""


def _log(journal: Journal, run_id: str, task: str) -> list[str]:
    return journal.read_log(run_id, task)[-16_000:].splitlines()[-_LOG_LINES:]
