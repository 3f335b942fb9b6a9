"""A DAG file as a plan, by its syntax tree; it is never run.

Of a file with several DAGs the one with the most tasks is read, the first of those that have as
many; `dag` names another. Whatever the plan does not hold is a `Loss`, with its line.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
from pathlib import Path
from typing import Any

import msgspec

from orch_nb.errors import PlanError, Problem
from orch_nb.formats.airflow.fold import branched, folded, unwound
from orch_nb.formats.airflow.symbols import Dag
from orch_nb.formats.airflow.tasks import Members, members
from orch_nb.formats.airflow.walk import walked
from orch_nb.graph.nearest import did_you_mean
from orch_nb.model.plan import Plan
from orch_nb.model.task import Pool, Task
from orch_nb.model.translation import Import, Loss

__all__ = ["read", "recognises"]

_MOST_CHARACTERS = 2_000_000
_MAKES_DAG = re.compile(r"\bDAG\(|@(?:[\w.]+\.)?dag\b")
_POOL = re.compile(r"^[\s#]*(airflow pools set .+)", re.MULTILINE)
_SAID = frozenset("dag_id description doc_md default_args params dag_display_name".split())
_NOTES = {
    "start_date": "a plan is run when somebody runs it",
    "catchup": "a plan is run when somebody runs it",
    "tags": "a plan has none",
}


def recognises(text: str, path: str | os.PathLike[str]) -> bool:
    """Whether a file is Python that makes a DAG of Airflow's."""
    return Path(path).suffix == ".py" and "airflow" in text and _MAKES_DAG.search(text) is not None


def read(text: str, path: str | os.PathLike[str], dag: str | None = None) -> Import:
    """The plan of a DAG file. Raises PlanError for one that is no Python, or has no DAG."""
    stem = Path(path).stem
    stem = stem if stem.isidentifier() else re.sub(r"\W", "_", stem) or "dag"
    if len(text) > _MOST_CHARACTERS:
        raise PlanError(f"The DAG file has more than {_MOST_CHARACTERS:,} characters; that is none "
                        "that somebody wrote.", what="DAG file")  # fmt: skip
    try:
        tree = ast.parse(text)
        built = walked(tree, stem, Path(path))
    except SyntaxError as error:
        problem = Problem(f"This is not Python: {error.msg}.", line=error.lineno)
        raise PlanError([problem], what="DAG file") from None
    except (RecursionError, MemoryError, ValueError) as error:
        why = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
        raise PlanError(f"The DAG file cannot be read: {why}.", what="DAG file") from None
    chosen, others = _chosen(built.dags, dag)
    found = members(chosen, stem)
    last = folded(found)
    branched(chosen, found)
    unwound(found)
    losses = [*built.losses, *found.losses, *others]
    pools = _pools(text, found, losses)
    params = _params(chosen, losses)
    losses += _of_dag(chosen)
    plan = Plan(
        goal=_goal(chosen), tasks=tuple(found.tasks.values()), params=params, pools=pools,
        stories=_stories(found), on_failure=last,
    )  # fmt: skip
    losses.sort(key=lambda loss: (loss.line is None, loss.line or 0))
    return Import("airflow", plan, tuple(dict.fromkeys(losses)), str(path))


def _stories(found: Members) -> Any:
    used = {task.story for task in found.tasks.values()}
    return [story for story in found.stories.values() if story.id in used]


def _chosen(dags: list[Dag], wanted: str | None) -> tuple[Dag, list[Loss]]:
    if not dags:
        raise PlanError("No DAG is made in this file, as far as it can be told without running it.",
                        what="DAG file")  # fmt: skip
    if wanted is None:
        chosen = max(dags, key=lambda dag: len(dag.tasks))
    else:
        named = [dag for dag in dags if dag.id == wanted]
        if not named:
            near = did_you_mean(wanted, [dag.id for dag in dags])
            raise PlanError(f"The file makes no DAG `{wanted}`. {near}".strip(), what="DAG file")
        chosen = named[0]
    if not chosen.tasks:
        raise PlanError(f"The DAG `{chosen.id}` has no tasks, as far as they can be told without "
                        "running the file.", what="DAG file")  # fmt: skip
    return chosen, [
        Loss(
            "dag",
            f"the file makes `{dag.id}` as well, with {len(dag.tasks)} tasks",
            line=dag.line,
            severity="note",
        )
        for dag in dags
        if dag is not chosen
    ]


def _goal(dag: Dag) -> str:
    for said in (dag.kwargs.get("description"), dag.kwargs.get("doc_md"), dag.doc,
                 dag.kwargs.get("dag_display_name")):  # fmt: skip
        if isinstance(said, str) and said.strip():
            return said
    return dag.id


def _params(dag: Dag, losses: list[Loss]) -> dict[str, Any]:
    said = dag.kwargs.get("params")
    found: dict[str, Any] = {}
    if said is not None and not isinstance(said, dict):
        losses.append(Loss("params", "they are not known without running the file", line=dag.line))
        said = None
    for name, value in (said or {}).items():
        try:
            found[str(name)] = msgspec.json.decode(msgspec.json.encode(value))
        except (TypeError, ValueError, msgspec.MsgspecError):
            losses.append(Loss("params", f"`{name}` is not known without running the file; it is "
                               "empty", line=dag.line, severity="changed"))  # fmt: skip
            found[str(name)] = None
    return found


def _pools(text: str, found: Members, losses: list[Loss]) -> dict[str, Pool]:
    """The pools that tasks name; their sizes are Airflow's, unless the file tells them."""
    told = _told(text)
    least: dict[str, int] = {}
    for task in _each(found):
        for name, slots in (task.pool or {}).items():
            least[name] = max(least.get(name, 1), slots)
    for name, slots in least.items():
        if told.get(name, 0) < slots:
            losses.append(
                Loss(
                    "pool",
                    f"the size of `{name}` is in Airflow's database; here it is "
                    f"{slots}, as many as a task takes",
                    severity="changed",
                )
            )
    sizes = {name: slots for name, slots in told.items() if slots > 0 and name not in least}
    sizes |= {name: max(slots, told.get(name, 0)) for name, slots in least.items()}
    return {name: Pool(size) for name, size in sizes.items()}


def _told(text: str) -> dict[str, int]:
    """The sizes of pools in the commands that make them: in the file's docstring, or a comment."""
    found = {}
    comments = "\n".join(line for line in text.splitlines() if line.lstrip().startswith("#"))
    for match in _POOL.finditer(f"{ast.get_docstring(ast.parse(text)) or ''}\n{comments}"):
        try:
            words = shlex.split(match[1])
        except ValueError:  # a quote that does not end
            continue
        if len(words) > 4 and words[4].isdecimal():
            found[words[3]] = int(words[4])
    return found


def _each(found: Members) -> list[Task]:
    undo = [task.compensate for task in found.tasks.values() if task.compensate is not None]
    return [*found.tasks.values(), *undo]


def _of_dag(dag: Dag) -> list[Loss]:
    """What is said of the DAG and has no place in a plan."""
    found = []
    for name, value in dag.kwargs.items():
        if name in _SAID or value is None or (name == "catchup" and value is False):
            continue
        if name in _NOTES:
            found.append(Loss(name, _NOTES[name], line=dag.line, severity="note"))
        elif name in ("schedule", "schedule_interval"):
            found.append(Loss("schedule", "a plan has none: it is run when somebody runs it",
                              line=dag.line))  # fmt: skip
        else:
            found.append(Loss(name, "it has no counterpart", line=dag.line))
    defaults = dag.kwargs.get("default_args")
    if defaults is not None and not isinstance(defaults, dict):
        found.append(Loss("default_args", "they are not known without running the file",
                          line=dag.line))  # fmt: skip
    return found
