"""Random plans of what Airflow can hold, and what is compared of a plan that has come back."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from orch_nb.formats.airflow.expressions import result_name
from orch_nb.graph import topology
from orch_nb.model.plan import Plan, Story
from orch_nb.model.task import Approval, Foreach, Pool, RetryPolicy, Task, TriggerRule

__all__ = ["HOSTILE", "NOTEBOOK", "looks", "plans"]

#: The cell of somebody.
NOTEBOOK = '''
import json
from math import sqrt
LIMIT = 3
def helper(x): return x + LIMIT

@task(retry=3)
def orders() -> "pd.DataFrame":
    """Fetch the orders."""
    # from the shop
    return json.loads("[1, 2]")
@task
def refunds(orders, *, least: int = 1):
    return sqrt(sum(orders)) + least
@task
async def chart(refunds):
    return """a
b"""
@task(foreach="orders")
def priced(order): return helper(order)
@task(needs=["priced"])
def everything(*upstream, region="us"): return upstream
'''
#: Texts that a careless file would take for something else.
HOSTILE = ('"""', "'''", "\\", "\\n", "a\nb", '"; import os; os.system("x") #', "{{ 1 }}",
           "{% x %}", "${#a}", "\N{RIGHT-TO-LEFT OVERRIDE}", "x" * 300, "#", "é", "%s",
           "{0}")  # fmt: skip

WORDS = (
    "fetch",
    "load",
    "join",
    "report",
    "ship",
    "my-task",
    "a.b",
    "Größe",
    "task",
    "dag",
    "class",
    "Out of the door!",
    "x y",
    "print",
    "item",
    "params",
    "ti",
    "ds",
    "TaskGroup",
    "words",
    "None",
    "sales_total",
    "quote",
    "run id",
    "import",
)
COMMANDS = ("make", "echo 'a \"b\"'", "echo ${#x} {%", "run.sh", "a\nb\n  c", 'say """hi"""',
            "b\\s", "echo {{ params.region }}", "echo {% raw %}{{ x }}{% endraw %}", "tail\\",
            "ends.bash")  # fmt: skip
ASCII = st.characters(min_codepoint=32, max_codepoint=126)
TEXTS = st.sampled_from(COMMANDS) | st.text(ASCII, min_size=1, max_size=12).filter(
    lambda text: text.strip() and "{" not in text
)
GOALS = st.sampled_from(("Release 2.4", "  odd goal\\ ", 'a "goal"', "two\n\nlines"))
PLAIN = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)
SECONDS = st.sampled_from((0.5, 1.0, 2.0, 30.0, 60.0, 90.0, 3600.0, 5400.0, 86400.0))


@st.composite
def retries(draw: Any) -> RetryPolicy:
    attempts = draw(st.integers(1, 4))
    if attempts == 1:
        return RetryPolicy()
    grows = draw(st.booleans())
    return RetryPolicy(
        maximum_attempts=attempts, initial_interval_s=draw(SECONDS),
        backoff_coefficient=draw(st.sampled_from((1.5, 2.0, 3.0))) if grows else 1.0,
        maximum_interval_s=draw(st.none() | st.sampled_from((7200.0, 50000.0))) if grows else None,
        jitter=0.1 if grows else 0.0,
    )  # fmt: skip


@st.composite
def plans(draw: Any) -> Plan:
    """A plan of at most eight tasks, with stories, subtasks, fan-outs and people in it."""
    ids = draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8, unique=True))
    stories = draw(st.lists(st.sampled_from(("Verify", "Ship & more", "task", "s.t")), max_size=3,
                            unique=True))  # fmt: skip
    pools = draw(st.dictionaries(st.sampled_from(("db", "api-1")), st.integers(2, 9), max_size=2))
    tasks: list[Task] = []
    for name in ids:
        tasks.append(draw(_task(name, tasks, stories, pools)))
    order = draw(st.permutations(tasks)) if not any(task.parent for task in tasks) else tasks
    titled = {"Verify": "Is it good?"}
    return Plan(
        goal=draw(GOALS | PLAIN),
        tasks=order, params={"region": draw(st.sampled_from(("eu", 3, None, ["a", {"b": 1.5}])))},
        stories=[Story(id=story, title=titled.get(story, "")) for story in stories
                 if any(task.story == story for task in tasks)],
        pools={name: Pool(slots) for name, slots in pools.items()},
    )  # fmt: skip


@st.composite
def _task(draw: Any, name: str, before: list[Task], stories: list[str], pools: Any) -> Task:
    ids = [task.id for task in before]
    needs = tuple(draw(st.lists(st.sampled_from(ids), max_size=3, unique=True))) if ids else ()
    parents = [task for task in before if task.foreach is None and task.parent is None]
    parent = draw(st.none() | st.sampled_from(parents)) if parents and not needs else None
    action = draw(st.sampled_from(("run", "sh", "sh", "approval", "todo", "none")))
    fields: dict[str, Any] = {"needs": needs, "trigger": draw(st.sampled_from(TriggerRule))}
    if action in ("run", "sh"):
        fields[action] = "shop.sales:orders" if action == "run" else draw(TEXTS)
        fields |= {"retry": draw(retries()), "timeout_s": draw(st.none() | SECONDS)}
        if draw(st.booleans()):
            fields["priority"] = draw(st.integers(-3, 9))
        if action == "run" and draw(st.booleans()):
            fields["with_"] = {"limit": draw(st.integers() | TEXTS.filter(lambda t: "{{" not in t))}
        if needs and draw(st.booleans()):
            fields |= draw(_flow(action, needs))
        if parent is None and draw(st.booleans()):
            fields |= draw(_foreach(action, needs, fields["trigger"]))
    elif action == "approval":
        limit = draw(SECONDS)
        fields["approval"] = Approval(draw(PLAIN), draw(st.sampled_from((None, "approve"))), limit)
    elif action == "todo":
        fields["todo"] = draw(PLAIN)
    if pools and draw(st.booleans()):
        pool = draw(st.sampled_from(sorted(pools)))
        fields["pool"] = {pool: draw(st.integers(1, pools[pool]))}
    if parent is not None:
        fields |= {"parent": parent.id, "story": parent.story}
    elif stories and draw(st.booleans()):
        fields["story"] = draw(st.sampled_from(stories))
    if draw(st.booleans()):
        fields |= {"owner": draw(PLAIN), "description": draw(PLAIN)}
    return Task(id=name, **fields)


@st.composite
def _flow(draw: Any, action: str, needs: tuple[str, ...]) -> Any:
    """What a task makes of results."""
    one, other = (result_name(draw(st.sampled_from(needs))) for _ in range(2))
    fields: dict[str, Any] = {}
    if action == "sh":
        fields["sh"] = f"echo {{{{ {one}.path }}}} '{{' {{{{ {other} | unquoted }}}}"
    else:
        fields["with_"] = {"rows": f"{{{{ {one} }}}}", "more": f"{{{{ [{one}[0], {other}.x] }}}}"}
    if draw(st.booleans()):
        fields["when"] = f"{one}.rows > params.region and (not {other})"
    return fields


@st.composite
def _foreach(draw: Any, action: str, needs: tuple[str, ...], trigger: TriggerRule) -> Any:
    items = st.lists(st.integers() | st.sampled_from(("a b", "c")), min_size=1, max_size=3)
    over: Any = draw(items)
    if needs and draw(st.booleans()):
        over = needs[0]
    elif draw(st.booleans()):
        over = "params.region"
    item = "one" if action == "run" and draw(st.booleans()) else ""
    fields: dict[str, Any] = {"foreach": Foreach(over, item)}
    fields["max_active"] = draw(st.none() | st.integers(1, 5))
    if isinstance(over, str) and trigger is TriggerRule.ALWAYS:
        fields["trigger"] = TriggerRule.ALL_DONE  # Airflow refuses the other
    return fields


def looks(plan: Plan) -> dict[str, Any]:
    """What a plan is that has to come back: an order of needs means nothing, nor one of tasks."""
    up = topology.upstream(plan)
    left_out = {"needs", "story", "id"}
    found: dict[str, Any] = {}
    for task in plan.tasks:
        said = {
            name: getattr(task, name) for name in task.__struct_fields__ if name not in left_out
        }
        said["with_"] = dict(said["with_"])
        found[task.id] = said | {"up": sorted(up[task.id]), "story": task.story}
    return {
        "goal": plan.goal, "tasks": found, "params": plan.params,
        "told": {story.id: (story.title, story.description) for story in plan.stories},
        "pools": {name: pool.slots for name, pool in plan.pools.items()},
    }  # fmt: skip
