"""docs/systems.md, made from the observations: `python tests/systems/page.py` writes it."""

from __future__ import annotations

from pathlib import Path

import orch_nb as nb
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
  joined:  {sh: "make joined", needs: [orders, refunds]}
  review:  {approval: "Is the report right?", needs: [joined]}
  publish: {sh: "make publish", needs: [review]}
  tidy:    {sh: "make tidy", needs: [publish], trigger: all_done}
"""  # noqa: E501  # a task a line
FAULT = "orders"
HEAD = f"""\
# One failure, seven semantics

What becomes of a plan in which one task fails depends on who runs it. `%orchestrate systems` \
answers for the last plan of a notebook, `%orchestrate systems NAME --fault TASK` for a draft or \
a run and one of its tasks, `orch-nb systems PLAN.yaml --fault TASK` in a terminal. Without \
`--fault` it is the task of the critical path on which most depends.

No server is needed to see it: the answers are observations, recorded from the real systems by \
`python tests/systems/record.py` into `orch_nb/catalog/observations.yaml`. Each scenario is a \
small program in the system's own words (`tests/systems/*_programs.*`), and has two witnesses: \
what the system says of its tasks, and a file in which the tasks themselves say when they begin, \
fail, are stopped and end. A test asks the real systems again and compares. What could not be \
observed says so, with the page where the system's authors say it.

An observation is of one program, written the plain way. Another way of writing it may do better, \
and the sentences name it where there is one: read them as "this is what you get if you do not \
think of it".

The plan of this page:

```yaml
{PLAN}```
"""


def page() -> str:
    plan = nb.decompose(PLAN)
    parts = [HEAD.rstrip()]
    for block in aftermath_blocks(nb.systems(plan, FAULT)):
        parts += _headed(block) if isinstance(block, Fold) else [block_markdown(block)]
        if isinstance(block, Paragraph) and len(parts) == 2:
            parts[1] = f"## The table\n\n{parts[1]}"
    recorded = parts.pop()
    again = nb.decompose(PLAN.replace("timeout: 30s", "retry: 3"))
    for question in questions(again, FAULT):
        if question.scenario == "retry":
            parts += ["With `retry: 3`, `orders` asks another question first:"]
            parts += _headed(question_fold(question))
    return "\n\n".join([*parts, "## Recorded", recorded]) + "\n"


def _headed(fold: Fold) -> list[str]:
    return [
        f"### {block_markdown(Paragraph(fold.summary))}",
        *(block_markdown(one) for one in fold.blocks),
    ]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
