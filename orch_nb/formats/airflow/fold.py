"""Tasks that stand for something else in a plan, taken for it: what an export adds, and branches.

compensate_pay ◄── pay, run_failed        pay: {compensate: ...}
sales_items ──► sales.expand(...)         sales: {foreach: params.regions}
branch ──► left, right                    left: {when: "'left' in branch"}
"""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from orch_nb.formats.airflow.expressions import result_name
from orch_nb.formats.airflow.names import COMPENSATE, FAIL, FAILED, ITEMS, ITEMS_DOC, spelled
from orch_nb.formats.airflow.symbols import Dag, Operator
from orch_nb.formats.airflow.tasks import Members
from orch_nb.model.task import Call, Foreach, Task
from orch_nb.model.translation import Loss

__all__ = ["branched", "folded", "unwound"]


def folded(found: Members) -> Task | None:
    """Takes back what an export adds; the plan's `on_failure`, where it has one."""
    for name in [name for name in found.tasks if name.endswith(ITEMS)]:
        _items(found, name)
    if FAILED not in found.tasks or found.tasks[FAILED].kind != "milestone":
        return None
    added = [name for name, task in found.tasks.items() if FAILED in (task.needs or ())]
    last: Task | None = None
    for name in added:
        task = found.tasks[name]
        undone = [other for other in task.needs or () if other != FAILED]
        if name == "on_failure":
            last = _afterwards(task)
        elif name.startswith(COMPENSATE):
            of = next((other for other in undone if COMPENSATE + spelled(other) == name), None)
            if of is None:
                return None
            found.tasks[of] = replace(found.tasks[of], compensate=_afterwards(task))
        elif name != FAIL:
            return None
    for name in (*added, FAILED):
        del found.tasks[name]
    found.losses[:] = [loss for loss in found.losses if loss.task not in (*added, FAILED)]
    return last


def _afterwards(task: Task) -> Task:
    kept = (
        "id",
        "title",
        "description",
        "owner",
        "with_",
        "retry",
        "timeout_s",
        "pool",
        "run",
        "sh",
        "notebook",
    )
    return Task(**{name: getattr(task, name) for name in kept})


def _items(found: Members, name: str) -> None:
    """`sales_items`, whose docstring tells what `sales` goes over."""
    of, task = name.removesuffix(ITEMS), found.tasks[name]
    known = {spelled(other): other for other in found.tasks}
    begin = f"{ITEMS_DOC}`{known.get(of)}`: "
    users = [other for other in found.tasks.values() if name in (other.needs or ())]
    if of not in known or not task.description.startswith(begin):
        return
    sales = found.tasks[known[of]]
    if [user.id for user in users] != [sales.id] or sales.foreach is None:
        return
    said = task.description[len(begin) :]
    over: Any = Call(said.removesuffix("()")) if said.endswith("()") and ":" in said else said
    needs = tuple(need for need in sales.needs or () if need != name)
    item = sales.foreach.item
    found.tasks[sales.id] = replace(sales, foreach=Foreach(over, item), needs=needs)
    del found.tasks[name]
    found.losses[:] = [loss for loss in found.losses if loss.task != name]


def unwound(found: Members) -> None:
    """Needs that a subtask has by its place are not said once more.

    A subtask that waits for no sibling waits for what its parent waits for; a parent waits for its
    subtasks.
    """
    families: dict[str, set[str]] = {}
    for task in found.tasks.values():
        if task.parent is not None:
            families.setdefault(task.parent, set()).add(task.id)
    said = {name: set(task.needs or ()) for name, task in found.tasks.items()}
    for name, task in list(found.tasks.items()):
        needs = [need for need in task.needs or () if need not in families.get(name, ())]
        if task.parent is not None:
            siblings = families[task.parent]
            if siblings.isdisjoint(needs):
                needs = [need for need in needs if need not in said[task.parent]]
        found.tasks[name] = replace(task, needs=tuple(needs))


def branched(dag: Dag, found: Members) -> None:
    """What follows a branch runs where the branch names it."""
    for task in dag.tasks.values():
        kind = task.last.lower()
        if task.id not in found.tasks or not ("branch" in kind or "short" in kind):
            continue
        found.losses.append(Loss("branch" if "branch" in kind else "short_circuit",
                                 "what follows has a `when` that looks at its result", task.id,
                                 task.line, "changed"))  # fmt: skip
        if found.tasks[task.id].run is None:
            continue
        for after in task.down:
            _followed(task, after, found, "branch" in kind)


def _followed(task: Operator, after: Operator, found: Members, branches: bool) -> None:
    if after.id not in found.tasks or found.tasks[after.id].when is not None:
        return
    result = result_name(task.id)
    if not branches:
        found.tasks[after.id] = replace(found.tasks[after.id], when=result)
    elif any(other is not after and _reaches(other, after) for other in task.down):
        found.losses.append(Loss("branch", f"it runs where `{task.id}` does not choose it as well",
                                 after.id, after.line, "changed"))  # fmt: skip
    else:
        when = f"{after.id!r} in ({result} if {result} is not string else [{result}])"
        found.tasks[after.id] = replace(found.tasks[after.id], when=when)


def _reaches(first: Operator, last: Operator) -> bool:
    seen: set[Operator] = set()
    left = [first]
    while left:
        task = left.pop()
        if task is last:
            return True
        if task not in seen:
            seen.add(task)
            left += task.down
    return False
