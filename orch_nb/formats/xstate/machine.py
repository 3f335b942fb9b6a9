"""A plan as a machine of XState 5: JSON that any of its tools loads, with no guard to write.

    tasks      parallel    a region a task; those of a story in a parallel state of its name
      b
        waiting   parallel    a region for each of its needs, see `waiting`
        attempt1              entered: `startTask`; leaves at b.DONE, b.ERROR, or by its timeout
        backoff1              leaves after the wait of its retry policy
        attempt2
        to_succeeded          its one child is final, so `xstate.done.state.b:succeeded` is raised,
        succeeded             which is how other regions learn of an end; then its own last state
    outcome    good or bad, as required tasks end; at the end succeeded, failed or cancelled

What happens comes from outside: the actions `startTask`, `askPerson` and `decide` say what is due,
and the events `b.DONE`, `b.ERROR`, `b.FATAL` (which is not retried), `b.APPROVE`, `b.REJECT`,
`b.RUN`, `b.SKIP`, `b.CANCEL` and `CANCEL` say what came of it. The plan itself stands in `meta`.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

from orch_nb.errors import PlanError, Problem
from orch_nb.formats.xstate.delays import LONGEST_S, clock, delay, longest_s, wait_s
from orch_nb.formats.xstate.driver import DRIVER
from orch_nb.formats.xstate.losses import losses
from orch_nb.formats.xstate.waiting import first_state, verdicts, waiting
from orch_nb.graph.topology import upstream
from orch_nb.graph.validate import check
from orch_nb.model.plan import Plan, encode
from orch_nb.model.task import Task, TriggerRule, callable_name
from orch_nb.model.translation import Export

__all__ = ["MOST_ATTEMPTS", "export", "machine", "names"]

MOST_ATTEMPTS = 100
_PLAIN = re.compile(r"\w[\w-]*")
_OTHER = re.compile(r"[^\w-]+")
_TARGET = re.compile(r'"(?:to_|#[\w-]+:)(\w+)"')
_ENDS = ("succeeded", "failed", "skipped", "upstream_failed", "cancelled")

State = dict[str, Any]


def export(plan: Plan) -> Export:
    """The plan as a machine. Raises PlanError for a broken plan, and for a task with more attempts
    than can be states."""
    return Export(
        system="xstate",
        text=json.dumps(machine(plan), indent=2, ensure_ascii=False) + "\n",
        suffix=".json",
        losses=losses(plan, names(plan)),
        files={"drive.mjs": DRIVER},
        usage=(
            "Load it with createMachine(machine) of xstate 5. Or `npm i xstate` and `node "
            "drive.mjs FILE`: it tells each task that is due as a line of JSON, and takes events "
            'as such lines, {"send": "TASK.DONE"}.'
        ),
    )


def names(plan: Plan) -> dict[str, str]:
    """What each task is called in states and events: its id, or what is plain of it where it means
    more to XState."""
    plain = set(filter(_plain, plan.by_id))
    taken = plain | {"on_failure"}
    found: dict[str, str] = {}
    for n, task in enumerate(plan.by_id):
        found[task] = task if task in plain else _slug(task, f"t{n}", taken)
    return found


def _plain(name: str) -> bool:
    """Whether a key may be called so: objects of JavaScript keep no key `__proto__`."""
    return name != "__proto__" and _PLAIN.fullmatch(name) is not None


def _slug(name: str, otherwise: str, taken: set[str]) -> str:
    """What is plain of a name, and not taken; it is then."""
    base = _OTHER.sub("_", name).strip("_-") or otherwise
    numbered = (f"{base}_{n}" for n in itertools.count(2))
    found = next(one for one in itertools.chain([base], numbered) if one not in taken)
    taken.add(found)
    return found


def machine(plan: Plan) -> dict[str, Any]:
    """The machine's configuration. Raises PlanError."""
    _refuse(plan)
    name, needs = names(plan), upstream(plan)
    regions = {task.id: _region(task, name, needs[task.id]) for task in plan.tasks}
    ends = {
        task: [end for end in _ENDS if f"to_{end}" in region["states"]]
        for task, region in regions.items()
    }
    for task in plan.tasks:
        if "waiting" in regions[task.id]["states"]:
            found = waiting(task, name[task.id], [(name[o], ends[o]) for o in needs[task.id]])
            regions[task.id]["states"]["waiting"].update(found)
    return {
        "id": "plan",
        "description": plan.goal,
        "meta": {"orch_nb": json.loads(encode(plan))},
        "type": "parallel",
        "states": {
            "tasks": {"id": "tasks", "type": "parallel", "states": _by_story(plan, name, regions)},
            "outcome": _outcome(plan, name, ends),
        },
    }


def _refuse(plan: Plan) -> None:
    if plan.tasks and (broken := check(plan)):
        raise PlanError(broken)
    every = [*plan.tasks, *([plan.on_failure] if plan.on_failure is not None else [])]
    problems = [
        Problem(
            f"`{task.id}` may be tried {task.retry.maximum_attempts} times, and each attempt is a "
            f"state; {MOST_ATTEMPTS} is the most that is exported.",
            task=task.id,
            hint="Give it fewer attempts.",
        )
        for task in every
        if task.retry.maximum_attempts > MOST_ATTEMPTS
    ]
    problems += [
        Problem(
            f"`{task.id}` may wait longer than five years, which is the most that is exported.",
            task=task.id,
            hint="Give it a shorter timeout, or a shorter `maximum_interval`.",
        )
        for task in every
        if longest_s(task) > LONGEST_S
    ]
    if not plan.tasks:
        problems.append(Problem("A plan without tasks is no machine."))
    if problems:
        raise PlanError(problems)


def _by_story(plan: Plan, name: dict[str, str], regions: dict[str, State]) -> State:
    """The regions, those of a story in a parallel state of their own."""
    found: State = {}
    outside = {name[task.id] for task in plan.tasks if task.story is None}
    plain = {story.id for story in plan.stories if _plain(story.id)}
    taken = outside | plain
    for number, story in enumerate(plan.stories):
        inside = {name[t.id]: regions[t.id] for t in plan.tasks if t.story == story.id}
        if not inside:
            continue
        own = story.id in plain and story.id not in outside
        key = story.id if own else _slug(story.id, f"story{number}", taken)
        found[key] = {"description": story.label, "type": "parallel", "states": inside}
    return found | {name[t.id]: regions[t.id] for t in plan.tasks if t.story is None}


def _region(task: Task, names: dict[str, str], needs: tuple[str, ...]) -> State:
    """The states of one task; how it waits is filled in when all regions are known."""
    name = names[task.id]
    states = _work(task, name)
    first = next(iter(states), "to_succeeded")
    if task.when is not None:
        said = task.when if isinstance(task.when, str) else callable_name(task.when.function)
        asked = _entry("decide", task=task.id, when=said)
        answers = {"RUN": first, "SKIP": "to_skipped", "ERROR": "to_failed"}
        asked["on"] = {f"{name}.{answer}": then for answer, then in answers.items()}
        states = {"deciding": asked, **states}
    reached: set[str] = set()
    initial = first_state(task)
    if needs and task.trigger is not TriggerRule.ALWAYS:
        if initial in states:
            states[initial]["id"] = f"{name}:{initial}"
        states = {"waiting": {}, **states}
        reached, initial = verdicts(task.trigger) | {initial}, "waiting"
    for state in states.values():
        stop = {f"{name}.CANCEL": "to_cancelled", "CANCEL": "to_cancelled"}
        state["on"] = state.get("on", {}) | stop
    reached |= {initial} | _targets(states)
    ends = [end for end in _ENDS if f"to_{end}" in reached]
    for end in ends:
        states[f"to_{end}"] = {
            "id": f"{name}:{end}",
            "initial": "end",
            "states": {"end": {"type": "final"}},
            "onDone": end,
        }
    states |= {end: {"type": "final"} for end in ends}
    return {"description": task.label, "initial": initial, "states": states}


def _work(task: Task, name: str) -> dict[str, State]:
    """What is done once nothing is waited for: a person asked, or attempts; a milestone none."""
    if task.waits_for_person:
        return {"asking": _asking(task, name)}
    if task.kind == "milestone":
        return {}
    flat = attempts(task, name, task.id)
    if task.total_timeout_s is None:
        return flat
    inner: dict[str, State] = json.loads(json.dumps(flat).replace('"to_', f'"#{name}:'))
    tries = {"initial": "attempt1", "states": inner}
    limit = delay(task.total_timeout_s, "to_failed")
    if "after" in limit:
        return {"working": tries | limit}
    # Its states are taken: the clock runs in a region beside them.
    timer = {"id": f"{name}:clock"} | clock(task.total_timeout_s)
    over = {f"xstate.done.state.{name}:clock": "to_failed"}
    regions = {"tries": tries, "clock": timer}
    return {"working": {"type": "parallel", "states": regions, "on": over}}


def _asking(task: Task, name: str) -> State:
    gate = task.approval
    prompt = gate.prompt if gate is not None else task.todo
    state = _entry("askPerson", task=task.id, prompt=prompt)
    yes = "APPROVE" if gate is not None else "DONE"
    state["on"] = {f"{name}.{yes}": "to_succeeded", f"{name}.REJECT": "to_failed"}
    if gate is not None and gate.timeout_s is not None:
        then = "to_succeeded" if gate.default == "approve" else "to_failed"
        state |= delay(gate.timeout_s, then)
    return state


def attempts(
    task: Task, name: str, said: str, ended: tuple[str, str] = ("to_succeeded", "to_failed")
) -> dict[str, State]:
    """attempt1, backoff1, attempt2 ... to success or failure."""
    good, bad = ended
    most = task.retry.maximum_attempts
    states: dict[str, State] = {}
    for n in range(1, most + 1):
        then = f"backoff{n}" if n < most else bad
        state = _entry("startTask", task=said, attempt=n)
        state["on"] = {f"{name}.DONE": good, f"{name}.ERROR": then}
        if n < most:
            state["on"][f"{name}.FATAL"] = bad
        if task.timeout_s is not None:
            state |= delay(task.timeout_s, then)
        states[f"attempt{n}"] = state
        if n < most:
            states[then] = delay(wait_s(task.retry, n), f"attempt{n + 1}")
    return states


def _entry(action: str, **params: Any) -> State:
    return {"entry": [{"type": action, "params": params}]}


def _targets(states: dict[str, State]) -> set[str]:
    """The endings that states lead to, however deep."""
    return {f"to_{end}" for end in _TARGET.findall(json.dumps(states, ensure_ascii=False))}


def _outcome(plan: Plan, name: dict[str, str], ends: dict[str, list[str]]) -> State:
    """What becomes of the run: good until a required task ends badly."""
    bad = {
        f"xstate.done.state.{name[task.id]}:{end}": "bad"
        for task in plan.tasks
        if task.required
        for end in ends[task.id]
        if end in ("failed", "upstream_failed", "cancelled")
    }
    done, stopped = "xstate.done.state.tasks", {"CANCEL": "cancelling"}
    states: dict[str, State] = {
        "good": {"on": bad | {done: "succeeded"} | stopped},
        "bad": {"on": {done: "failed" if plan.on_failure is None else "on_failure"} | stopped},
        "cancelling": {"on": {done: "cancelled"}},
    }
    if plan.on_failure is not None:
        inner = attempts(plan.on_failure, "on_failure", "on_failure", ("ended", "ended"))
        inner["ended"] = {"type": "final"}
        states["on_failure"] = {"initial": "attempt1", "states": inner, "onDone": "failed"}
    states |= {end: {"type": "final"} for end in ("succeeded", "failed", "cancelled")}
    return {"initial": "good", "states": states}
