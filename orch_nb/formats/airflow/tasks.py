"""The tasks of a DAG that was read, as the tasks of a plan."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from orch_nb.formats.airflow.actions import USED, action, spell_expression
from orch_nb.formats.airflow.bodies import body_of
from orch_nb.formats.airflow.names import SUBTASKS, dotless, spelled
from orch_nb.formats.airflow.policies import policies
from orch_nb.formats.airflow.symbols import Dag, Group, Item, Operator, Param, Ref, Xcom
from orch_nb.model.plan import Story
from orch_nb.model.task import Approval, Foreach, Task
from orch_nb.model.translation import Loss

__all__ = ["Members", "members"]

_POLICIES = frozenset(
    "task_id dag task_group retries retry_delay retry_exponential_backoff max_retry_delay "
    "execution_timeout trigger_rule pool pool_slots priority_weight weight_rule owner "
    "task_display_name doc_md doc max_active_tis_per_dagrun fail_on_reject "
    "map_index_template on_failure_fail_dagrun".split()
)


class Members(msgspec.Struct):
    """The tasks of a plan and their stories, in the order of the file; `losses` on the way."""

    tasks: dict[str, Task] = {}
    stories: dict[str, Story] = {}
    losses: list[Loss] = []


def members(dag: Dag, stem: str) -> Members:
    found = Members({}, {}, [])
    maker = _Maker(dag, stem, found)
    for task in dag.tasks.values():
        made = maker.task(task)
        found.tasks[made.id] = made
    return found


class _Maker:
    def __init__(self, dag: Dag, stem: str, found: Members) -> None:
        self._dag, self._stem, self._found = dag, stem, found
        defaults = dag.kwargs.get("default_args")
        self._defaults: dict[str, Any] = dict(defaults) if isinstance(defaults, dict) else {}
        names = [_id(task) for task in dag.tasks.values()]
        self._names = dict(zip(dag.tasks.values(), names, strict=True))
        if len(set(names)) < len(names):
            self._names = {task: task.id for task in dag.tasks.values()}
        for task, name in self._names.items():
            task.id = name
        self._keys = {dotless(task.id): task.id for task in reversed(self._names)}
        unknown = [name for name in self._defaults if name not in _POLICIES | USED]
        for name in unknown:
            found.losses.append(Loss("default_args", f"`{name}` has no counterpart", line=dag.line))

    def task(self, task: Operator) -> Task:
        said = self._said(task)
        lose = self._loser(task)
        fields: dict[str, Any] = action(task, said, self._stem, lose)
        if isinstance(given := fields.get("approval"), Mapping):
            fields["approval"] = Approval(**given)
        fields |= policies(task, said, lose)
        story, parent = self._place(task)
        title, description = self._words(task, said)
        self._foreach(task, said, fields, lose)
        for name in task.kwargs:
            if name in ("env", "append_env") and _ours(task.kwargs.get("env")):
                continue
            if name not in _POLICIES and name not in USED:
                lose(name, "it has no counterpart", "dropped")
        if task.last.startswith("HITL") or task.last == "ApprovalOperator":
            fields.pop("timeout_s", None)
        return Task(
            id=task.id, title=title, description=description, story=story, parent=parent,
            needs=tuple(self._needs(task)), **fields,
        )  # fmt: skip

    def _said(self, task: Operator) -> dict[str, Any]:
        """The arguments of an operator, over those that its groups and its DAG give to all."""
        said = dict(self._defaults)
        groups: list[Group] = []
        group = task.group
        while group is not None:
            groups.insert(0, group)
            group = group.parent
        for outer in groups:
            defaults = outer.kwargs.get("default_args")
            said |= defaults if isinstance(defaults, dict) else {}
        return said | task.kwargs

    def _loser(self, task: Operator) -> Callable[[str, str, str], None]:
        def lose(what: str, why: str, severity: str = "dropped") -> None:
            self._found.losses.append(Loss(what, why, task.id, task.line, severity))

        return lose

    def _needs(self, task: Operator) -> list[str]:
        """Upstream tasks; those that a star takes come first, in its order."""
        order: dict[Operator, None] = {}
        for name, value in task.given.items():
            if name.startswith("*"):
                order |= {t: None for item in value if isinstance(item, Xcom) for t in item.tasks}
        order |= task.up
        return [upstream.id for upstream in order if upstream in self._names]

    def _place(self, task: Operator) -> tuple[str | None, str | None]:
        """The story of a task and the task that it is a subtask of."""
        group, parent = task.group, None
        while group is not None and group.id.endswith(SUBTASKS):
            owner = group.id.removesuffix(SUBTASKS)
            known = self._keys.get(owner)
            if known is None:
                break
            parent = parent or known
            group = group.parent
        return (None if group is None else self._story(group)), parent

    def _story(self, group: Group) -> str:
        shown = group.kwargs.get("group_display_name")
        shown = shown if isinstance(shown, str) else ""
        tip = group.kwargs.get("tooltip")
        is_id = bool(shown) and self._is_id(shown, group.id)
        name = shown if is_id else group.id
        if name not in self._found.stories:
            self._found.stories[name] = Story(
                id=name, title="" if is_id else shown,
                description=tip if isinstance(tip, str) else "",
            )  # fmt: skip
            if group.parent is not None:
                self._found.losses.append(Loss(
                    "task_group", f"`{name}` is in another group; stories do not nest",
                    line=group.line, severity="changed"))  # fmt: skip
        return name

    def _is_id(self, shown: str, key: str) -> bool:
        """Whether the id of a group was made of what it is shown as; a task may have had it."""
        core = dotless(shown)
        if key == core:
            return True
        begin, _, number = key.rpartition("_")
        taken = {spelled(task.id) for task in self._names} | {*self._dag.groups}
        return begin == core.rstrip("_") and number.isdigit() and core in taken

    @staticmethod
    def _words(task: Operator, said: Mapping[str, Any]) -> tuple[str, str]:
        shown = said.get("task_display_name")
        title = shown if isinstance(shown, str) and spelled(shown) != spelled(task.id) else ""
        for name in ("doc_md", "doc"):
            if isinstance(said.get(name), str):
                return title, inspect.cleandoc(said[name])
        return title, body_of(task.function).doc if task.function is not None else ""

    # -- mapping

    def _foreach(
        self, task: Operator, said: Mapping[str, Any], fields: dict[str, Any],
        lose: Callable[[str, str, str], None],
    ) -> None:  # fmt: skip
        over = dict(task.mapped or {})
        over |= {name: value for name, value in task.given.items() if isinstance(value, Item)}
        group = task.group
        while group is not None and group.over is None:
            group = group.parent
        if not over and group is not None:
            over = self._inside_mapped(task, group, lose)
        if not over:
            if "max_active_tis_per_dagrun" in task.kwargs:
                lose("max_active_tis_per_dagrun", "the task runs once", "dropped")
            return
        name, value = next(iter(over.items()))
        if len(over) > 1:
            lose("expand", f"it goes over `{name}` alone; Airflow over every combination with "
                 f"{', '.join(f'`{other}`' for other in list(over)[1:])}", "changed")  # fmt: skip
        if name == "**":
            lose("expand_kwargs", "an item is passed whole, not parameter by parameter", "changed")
        found = self._over(value.over if isinstance(value, Item) else value)
        if found is None:
            lose("expand", "what it goes over is not known without running the file; the task runs "
                 "once", "dropped")  # fmt: skip
            return
        if not any(fields.get(kind) is not None for kind in ("run", "sh", "notebook")):
            lose("expand", "no such task is done once an item", "dropped")
            return
        # A command calls its item `item`; a function by the name of its parameter.
        item = name
        if task.function is not None and name != "item":
            item = body_of(task.function).names.get(name, name)
        item = "" if name in ("**", "bash_command") or not item.isidentifier() else item
        if item in ("item", "index", "params", "results", "run_id", "run"):
            item = ""
        fields["foreach"] = Foreach(found, item if item != found else "")
        most = said.get("max_active_tis_per_dagrun")
        if isinstance(most, int) and most > 0:
            fields["max_active"] = most

    def _inside_mapped(
        self, task: Operator, group: Group, lose: Callable[[str, str, str], None]
    ) -> dict[str, Any]:
        """A task of a mapped group goes over what those before it in the group have gone over."""
        inside = set(group.every())
        for name, value in task.given.items():
            if isinstance(value, Xcom) and set(value.tasks) <= inside:
                lose("task_group.expand", "the group is mapped as a whole; here each of its tasks "
                     "goes over the items", "changed")  # fmt: skip
                return {name: value}
        lose("task_group.expand", "the group is mapped as a whole; this task of it runs once",
             "changed")  # fmt: skip
        return {}

    def _over(self, value: Any) -> str | list[Any] | None:
        if isinstance(value, Xcom) and len(value.tasks) == 1 and not value.how:
            return value.tasks[0].id
        if isinstance(value, (Xcom, Param)):
            return spell_expression(value)
        if isinstance(value, dict):
            value = [[key, item] for key, item in value.items()]
        if not isinstance(value, (list, tuple, set)):
            return None
        plain = [item for item in value if not isinstance(item, (Xcom, Param, Operator, Ref))]
        if len(plain) < len(value):
            return spell_expression(list(value))
        try:
            return list(msgspec.json.decode(msgspec.json.encode(list(value))))
        except (TypeError, ValueError, msgspec.MsgspecError):
            return None


def _id(task: Operator) -> str:
    """The id of a task in the plan: what it is shown as, where that is how the id was made."""
    shown = task.kwargs.get("task_display_name")
    if isinstance(shown, str) and shown != task.id and spelled(shown) == task.id:
        return shown
    return task.id


def _ours(variables: Any) -> bool:
    """Whether an environment has only what every command of a plan finds there."""
    return isinstance(variables, dict) and all(str(name).startswith("ORCH_") for name in variables)
