"""A plan as a DAG file for Airflow 3.

    goal              docstring of the `@dag` function     story        TaskGroup
    task, subtask     TaskFlow function, operator          pools        pool=, and how to make them
    results           arguments                            other needs  >> at the end
    approval, todo    human-in-the-loop operators          compensate   tasks behind `run_failed`

Ids are the plan's where Airflow allows them (groups do not prefix them), so that a run in Airflow
is told in the words of the plan.
"""

from __future__ import annotations

import re
from shlex import quote

from orch_nb.errors import PlanError
from orch_nb.formats.airflow.block import Block
from orch_nb.formats.airflow.blocks import Blocks
from orch_nb.formats.airflow.layout import call, docstring, literal, quoted, shifted, spelled_out
from orch_nb.formats.airflow.names import (
    COMPENSATE,
    FAIL,
    FAILED,
    identifier,
    spelled,
    unique,
)
from orch_nb.formats.airflow.nesting import Nesting, arrows, ordered
from orch_nb.formats.airflow.options import Options, Tell, retries
from orch_nb.formats.airflow.teardowns import teardowns
from orch_nb.graph import topology
from orch_nb.graph.validate import check
from orch_nb.model.plan import Plan
from orch_nb.model.task import Task, TriggerRule
from orch_nb.model.translation import Export, Loss

__all__ = ["export"]

#: Names that the file itself binds or uses.
_OWN = frozenset(
    "AirflowFailException AirflowSkipException ApprovalOperator BashOperator EmptyOperator "
    "HITLEntryOperator Sequence TaskGroup TriggerRule annotations asyncio dag index item json "
    "papermill params quote run_id task ti timedelta upstream words".split()
)
_FAILS = frozenset(
    (TriggerRule.ALL_SUCCESS, TriggerRule.NONE_FAILED, TriggerRule.NONE_FAILED_MIN_ONE_SUCCESS)
)
_WORDS = '''\
def words(value):
    """A value as words of a shell command: of a list, one an item."""
    values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    plain = ["" if one is None else one for one in values]
    return " ".join(quote(one if isinstance(one, str) else json.dumps(one)) for one in plain)
'''


def export(plan: Plan) -> Export:
    """The DAG file of a plan, and what Airflow cannot say of it. Raises PlanError."""
    problems = check(plan)
    if problems:
        raise PlanError(problems)
    return _File(plan).made()


class _File:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._losses: dict[Loss, None] = {}
        self._up = topology.upstream(plan)
        self._ids()
        self._dag_id = _dag_id(plan.goal)
        self._function = unique(identifier(self._dag_id), {*_OWN, *self._names.values()})
        self._shared = self._shared_options()
        self._teardowns = teardowns(plan, self._up)
        self._blocks = Blocks(plan, self._names, self._shared, self._teardowns)
        self._nesting = Nesting(plan, {*_OWN, *self._names.values()}, self._teller(""))

    def _teller(self, task: str) -> Tell:
        def tell(what: str, why: str, severity: str) -> None:
            self._losses[Loss(what, why, task, None, severity)] = None

        return tell

    def _ids(self) -> None:
        """A name for the result of each task. Raises PlanError for ids that become one."""
        self._names: dict[str, str] = {}
        spellings: dict[str, str] = {}
        taken = {*_OWN}
        for task in self._plan.tasks:
            other = spellings.setdefault(spelled(task.id), task.id)
            if other != task.id:
                raise PlanError(f"`{other}` and `{task.id}` would both be `{spelled(task.id)}` in "
                                "Airflow. Give one of them another id.")  # fmt: skip
            name = unique(identifier(task.id), taken)
            self._names[task.id] = name
            taken.add(name)

    def _shared_options(self) -> Options:
        """What all tasks that can be tried again have in common."""
        works = [task for task in self._plan.tasks if task.kind in ("python", "shell", "notebook")]
        found: Options = {}
        policies = {task.retry for task in works} if len(works) > 1 else set()
        if len(policies) == 1 and len(works) == len(self._plan.tasks):
            found |= retries(next(iter(policies)), lambda *_: None)
        if any(task.priority for task in self._plan.tasks):
            found |= {"priority_weight": "0", "weight_rule": '"absolute"'}
        if any(re.search(r"\b99\b", task.sh or "") for task in works):
            found["skip_on_exit_code"] = "None"
        return found

    # -- the whole file

    def made(self) -> Export:
        blocks = {task.id: self._blocks.of(task, self._up[task.id], self._teller(task.id))
                  for task in self._plan.tasks}  # fmt: skip
        edges = self._edges(blocks)
        self._unnamed(blocks, edges)
        body = self._nesting.lines(ordered(self._plan, self._up, self._nesting.paths), blocks)
        body += ["", *arrows(edges, self._names)] if edges else []
        body += self._at_the_end()
        self._of_plan()
        pools = {name: pool.slots for name, pool in self._plan.pools.items() if pool.slots}
        setup = [f"airflow pools set {quote(name)} {slots} {quote('of ' + self._dag_id)}"
                 for name, slots in pools.items()]  # fmt: skip
        text = "\n".join([*self._head(setup), *self._decorated(), *_indented(body), "", "",
                          f"{self._function}()", ""])  # fmt: skip
        usage = "Put the file into Airflow's DAGs folder; try it with: airflow dags test "
        return Export("airflow", text, ".py", tuple(self._losses),
                      usage="\n".join([*setup, usage + self._dag_id]))  # fmt: skip

    def _head(self, setup: list[str]) -> list[str]:
        lines = [f'"""{_one_line(self._plan.goal)}', "", "A DAG for Airflow 3, made from a plan."]
        if setup:
            lines += ["Its pools have to be there before it runs:", "",
                      *(f"    {_escaped(line)}" for line in setup)]  # fmt: skip
        lines += ['"""', "", "from __future__ import annotations", ""]
        self._blocks.need("airflow.sdk", "dag")
        if any("timedelta(" in value for value in self._shared.values()):
            self._blocks.need("datetime", "timedelta")
        if self._nesting.used:
            self._blocks.need("airflow.sdk", "TaskGroup")
        found = self._blocks.imports
        ours = sorted(module for module in found if not module.startswith("airflow"))
        theirs = sorted(module for module in found if module.startswith("airflow"))
        for modules in (ours, theirs):
            for module in sorted(modules, key=lambda name: (bool(found[name]), name)):
                names = sorted(found[module], key=_by_case)
                lines.append(call_import(module, names))
            lines += [""] if modules else []
        lines.append("")
        if self._blocks.commands:
            lines += [*_WORDS.splitlines(), "", ""]
        return lines

    def _decorated(self) -> list[str]:
        said: Options = {}
        if self._function != self._dag_id:
            said["dag_id"] = quoted(self._dag_id)
        doc = docstring(self._plan.goal)
        if doc is None:
            said["description"] = spelled_out(self._plan.goal)
        said["schedule"] = "None"
        said |= self._params()
        if self._shared:
            pairs = [f'"{name}": {value}' for name, value in self._shared.items()]
            line = f"{{{', '.join(pairs)}}}"
            if len(line) > 75:
                line = "{\n" + "".join(f"    {pair},\n" for pair in pairs) + "}"
            said["default_args"] = line
        decorator = call("dag", [f"{name}={value}" for name, value in said.items()], 1)
        lines = [*f"@{decorator}".split("\n"), f"def {self._function}():"]
        return [*lines, *_indented(doc.split("\n")), ""] if doc is not None else lines

    def _params(self) -> Options:
        found: dict[str, object] = {}
        for name, value in self._plan.params.items():
            if name in self._plan.secrets:
                self._teller("")(
                    "secrets",
                    f"the value of `{name}` is not written; give it when the DAG is triggered",
                    "changed",
                )
                value = None  # noqa: PLW2901  # it is another that is written
            if literal(value) is None:
                self._teller("")("params", f"`{name}` is a {type(value).__name__}, which no source "
                                 "says; it is None", "changed")  # fmt: skip
                value = None  # noqa: PLW2901
            found[name] = value
        if not found:
            return {}
        return {"params": literal(found, 12) or "{}"}

    # -- edges

    def _edges(self, blocks: dict[str, list[Block]]) -> dict[str, list[str]]:
        """What each task waits for beside the results that it takes."""
        found: dict[str, list[str]] = {}
        for task in self._plan.tasks:
            *helpers, own = blocks[task.id]
            for block in (*helpers, own):
                left = [need for need in self._up[task.id] if need not in block.data]
                if left:
                    found[block.task] = left
        return found

    def _unnamed(self, blocks: dict[str, list[Block]], edges: dict[str, list[str]]) -> None:
        """Takes the names of results that no line after them speaks of."""
        down, watched = topology.downstream(self._plan), self._watched()
        for name, (*_, own) in blocks.items():
            task = self._plan[name]
            after = watched and (task.required or task.compensate is not None)
            own.named = bool(down[name]) or name in edges or after

    # -- what runs when the run has failed

    def _watched(self) -> bool:
        undone = any(task.compensate is not None for task in self._plan.tasks)
        return undone or self._plan.on_failure is not None

    def _at_the_end(self) -> list[str]:
        undone = [task for task in self._plan.tasks if task.compensate is not None]
        last = self._plan.on_failure
        if not self._watched():
            self._verdict()
            return []
        gate = unique(FAILED, {*self._names.values(), *_OWN})
        if gate != FAILED or any(spelled(name) == FAILED for name in self._names):
            raise PlanError(
                f"A task is called `{FAILED}`, which the export needs for what runs when "
                "the run has failed. Give it another id."
            )
        self._blocks.need("airflow.providers.standard.operators.empty", "EmptyOperator")
        self._blocks.need("airflow.sdk", "TriggerRule", "task")
        self._blocks.need("airflow.sdk.exceptions", "AirflowFailException")
        required = [self._names[task.id] for task in self._plan.tasks if task.required]
        fail = unique(FAIL, {*self._names.values(), *_OWN})
        lines = ["", "# What runs when a task has failed; the DAG run fails all the same.",
                 f'{gate} = EmptyOperator(task_id="{FAILED}", trigger_rule=TriggerRule.ONE_FAILED)',
                 _arrow(required, gate)]  # fmt: skip
        for task in reversed(undone):
            lines += ["", *self._undo(task, gate)]
        if last is not None:
            lines += ["", *self._last(last, gate)]
        lines += ["", "@task", f"def {fail}():",
                  '    raise AirflowFailException("a task of the plan has failed")', "",
                  f"{gate} >> {fail}()"]  # fmt: skip
        if undone:
            self._teller("")(
                "compensate",
                "compensations run side by side, as soon as one task has "
                "failed; a plan's run one after another, the last success first, once "
                "all has stopped",
                "changed",
            )
            self._teller("")("compensate", "a cancelled DAG run is not compensated", "dropped")
        return lines

    def _undo(self, task: Task, gate: str) -> list[str]:
        assert task.compensate is not None
        return self._added(
            task.compensate,
            COMPENSATE + spelled(task.id),
            (task.id, *self._up[task.id]),
            [self._names[task.id], gate],
            task.id,
        )

    def _last(self, last: Task, gate: str) -> list[str]:
        self._teller("")(
            "on_failure",
            "it runs as soon as one task has failed, and is not told the failures",
            "changed",
        )
        return self._added(last, "on_failure", (), [gate], "on_failure")

    def _added(
        self, action: Task, name: str, needs: tuple[str, ...], after: list[str], told: str
    ) -> list[str]:
        """The block of a task that the plan does not list, and what it waits for."""
        from msgspec.structs import replace

        if any(spelled(other) == name for other in self._names):
            raise PlanError(
                f"A task is called `{name}`, which the export needs. Give it another id."
            )
        self._names[name] = unique(identifier(name), {*self._names.values(), *_OWN})
        (block,) = self._blocks.of(replace(action, id=name), needs, self._teller(told))
        flowing = {self._names[need] for need in block.data}
        left = [name for name in after if name not in flowing]
        block.named = bool(left)
        return [*block.lines(4), *([_arrow(left, block.variable)] if left else [])]

    # -- what is said of the plan as a whole

    def _verdict(self) -> None:
        """A failure is seen where it comes to one of the last tasks, by rules that hand it on."""
        down, order = topology.downstream(self._plan), topology.compiled(self._plan)
        seen: dict[str, bool] = {}
        for task in (order.ids[n] for n in reversed(order.order)):
            then = [after for after in down[task] if after not in self._teardowns]
            seen[task] = not then or any(
                seen[after] and self._plan[after].trigger in _FAILS for after in then
            )
        hides = [task.id for task in self._plan.tasks if task.required and not seen[task.id]]
        if hides:
            self._teller("")("verdict", "a DAG run is judged by its last tasks alone: where those "
                             f"run after a failure of {', '.join(f'`{n}`' for n in hides[:3])}, it "
                             "succeeds (with an `on_failure` in the plan it fails)",
                             "changed")  # fmt: skip

    def _of_plan(self) -> None:
        tell = self._teller("")
        plan = self._plan
        if plan.criteria:
            tell("criteria", "Airflow has none", "dropped")
        for name, pool in plan.pools.items():
            if pool.rate is not None:
                tell("rate", f"Airflow's pools have slots only: `{name}` does not limit how often "
                     "tasks start", "dropped")  # fmt: skip
        if plan.secrets:
            tell("secrets", "Airflow masks what is in its connections and variables", "dropped")
        if any(task.sh for task in plan.tasks) and "skip_on_exit_code" not in self._shared:
            tell("exit code", "Airflow skips a command that exits with 99; here it fails, as with "
                 "any other but 0", "note")  # fmt: skip
        if any(task.run is not None for task in plan.tasks):
            tell("results", "they travel as XComs: what they are must have a form in JSON, or a "
                 "serializer of Airflow's", "note")  # fmt: skip
        shell = {task.id for task in plan.tasks if task.sh is not None}
        if any(set(self._up[task.id]) & shell and task.kind == "python" for task in plan.tasks):
            tell(
                "results", "a command's is the last line that it prints, not all of them", "changed"
            )
        if any(len(self._names[task.id]) and spelled(task.id) != task.id for task in plan.tasks):
            tell(
                "id",
                "Airflow allows letters, digits, dots, dashes and underscores; the others are "
                "shown as names",
                "note",
            )


def _dag_id(goal: str) -> str:
    found = re.sub(r"[^A-Za-z0-9]+", "_", goal.strip().split("\n")[0]).strip("_").lower()[:60]
    return found.strip("_") or "plan"


def _one_line(text: str) -> str:
    """The goal as the first line of a docstring."""
    line = " ".join(text.split())
    line = "".join(c for c in line if c.isprintable()).replace("\\", "/").replace('"', "'")
    return line if len(line) <= 90 else f"{line[:89]}…"


def _escaped(text: str) -> str:
    """A line as it stands in a docstring."""
    return repr(f'{text}"')[1:-2].replace("\\'", "'").replace('"', '\\"')


def _arrow(before: list[str], after: str) -> str:
    if not before:
        return after
    line = f"{before[0]} >> {after}" if len(before) == 1 else f"[{', '.join(before)}] >> {after}"
    if len(line) <= 92:
        return line
    return "[\n" + "".join(f"    {name},\n" for name in before) + f"] >> {after}"


def call_import(module: str, names: list[str]) -> str:
    if not names:
        return f"import {module}"
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= 100:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _by_case(name: str) -> tuple[int, str]:
    """Constants, classes, then the rest: as isort has it."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def _indented(lines: list[str]) -> list[str]:
    return shifted("\n".join(lines)).split("\n")
