"""Plans that every system has to run to the same end: data, for whoever performs them.

Each `Case` is a plan document, what people do while it runs, and nothing else: what comes of it is
what the local engine makes of it. `told(run)` is what is compared: each task's status, how often it
was tried and how each try ended, and its result.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orch_nb as nb

__all__ = ["CASES", "Case", "told"]

HERE = "backend_tasks"  # beside this file, on the path of whoever works


@dataclass(frozen=True)
class Case:
    """`act`: what people do, by the task that has to wait or run before they do it."""

    name: str
    plan: str
    options: dict[str, Any] = field(default_factory=dict)
    act: dict[str, tuple[str, str | None]] = field(default_factory=dict)


def told(run: nb.Run) -> dict[str, Any]:
    found: dict[str, Any] = {"(run)": str(run.status)}
    for task in [*run.tasks, *run.derived]:
        tries = [
            (a.number, a.status, a.error.type if a.error else None, a.timed_out)
            for a in task.attempts
        ]
        result = run.results.get(task.task) if task.task in run.plan else None
        found[task.task] = (str(task.status), tries, result)
    return found


def _plan(text: str) -> str:
    return "goal: conformance\n" + text.replace("HERE", HERE)


CASES: list[Case] = [
    Case("chain", _plan("""
tasks:
  a: {run: "HERE:one"}
  b: {run: "HERE:increment", with: {n: "{{ a }}"}, needs: [a]}
  c: {run: "HERE:increment", with: {n: "{{ b }}"}, needs: [b]}
  d: {sh: "echo got {{ c }}", needs: [c]}
""")),
    Case("diamond", _plan("""
tasks:
  top: {run: "HERE:one"}
  left: {run: "HERE:increment", with: {n: "{{ top }}"}, needs: [top]}
  right: {run: "HERE:ten", needs: [top]}
  bottom: {run: "HERE:gather", needs: [left, right]}
""")),
    Case("fan-out with one failing", _plan("""
tasks:
  start: {run: "HERE:one"}
  good1: {run: "HERE:ten", needs: [start]}
  bad: {run: "HERE:boom", needs: [start]}
  good2: {run: "HERE:ten", needs: [start]}
  end: {run: "HERE:gather", needs: [good1, bad, good2]}
  always: {run: "HERE:one", needs: [end], trigger: all_done}
""")),
    Case("retries with backoff", _plan("""
tasks:
  flaky: {run: "HERE:third_time", retry: {maximum_attempts: 4, initial_interval: 50ms}}
  hopeless: {run: "HERE:boom", retry: {maximum_attempts: 2, initial_interval: 20ms}}
  fatal: {run: "HERE:boom", retry: {maximum_attempts: 5, initial_interval: 20ms,
          non_retryable: [ValueError]}}
  after: {run: "HERE:one", needs: [flaky]}
""")),
    Case("timeout", _plan("""
tasks:
  quick: {run: "HERE:one", timeout: 30s}
  slow: {sh: "sleep 30", timeout: 300ms, retry: {maximum_attempts: 2, initial_interval: 10ms}}
  waiting: {run: "HERE:asleep", timeout: 200ms}
  behind: {run: "HERE:one", needs: [slow]}
""")),
    Case("time over all attempts", _plan("""
tasks:
  slow: {sh: "sleep 30", total_timeout: 400ms, retry: {maximum_attempts: 5}}
""")),
    Case("trigger rules", _plan("""
tasks:
  good: {run: "HERE:one"}
  bad: {run: "HERE:boom"}
  off: {run: "HERE:one", when: "False"}
  success: {run: "HERE:one", needs: [good, bad]}
  done: {run: "HERE:one", needs: [good, bad, off], trigger: all_done}
  failed: {run: "HERE:one", needs: [bad], trigger: one_failed}
  recovery: {run: "HERE:one", needs: [good], trigger: one_failed}
  none_failed: {run: "HERE:one", needs: [good, off], trigger: none_failed}
  one: {run: "HERE:one", needs: [good, bad], trigger: one_success}
  all_failed: {run: "HERE:one", needs: [bad], trigger: all_failed}
""")),
    Case("approval", _plan("""
tasks:
  build: {run: "HERE:one"}
  gate: {approval: "Go?", needs: [build]}
  ship: {run: "HERE:ten", needs: [gate]}
"""), act={"gate": ("approve", "gate")}),
    Case("rejection", _plan("""
tasks:
  gate: {approval: "Go?"}
  ship: {run: "HERE:ten", needs: [gate]}
  note: {run: "HERE:one", needs: [gate], trigger: all_done}
"""), act={"gate": ("reject", "gate")}),
    Case("a gate that answers itself", _plan("""
tasks:
  gate: {approval: {prompt: "Go?", default: approve}}
  ship: {run: "HERE:ten", needs: [gate]}
""")),
    Case("nobody answers", _plan("""
tasks:
  gate: {approval: "Go?"}
  other: {run: "HERE:one"}
  ship: {run: "HERE:ten", needs: [gate]}
""")),
    Case("cancel", _plan("""
tasks:
  first: {run: "HERE:one"}
  long: {sh: "sleep 60", needs: [first]}
  later: {run: "HERE:one", needs: [long]}
"""), act={"long": ("cancel", None)}),
    Case("cancel of one task", _plan("""
tasks:
  long: {sh: "sleep 60"}
  behind: {run: "HERE:one", needs: [long]}
  other: {run: "HERE:ten"}
"""), act={"long": ("cancel", "long")}),
    Case("compensation", _plan("""
tasks:
  book: {run: "HERE:one", compensate: {run: "HERE:undo"}}
  pay: {run: "HERE:ten", needs: [book], compensate: {sh: "echo paid back {{ pay }}"}}
  ship: {run: "HERE:boom", needs: [pay]}
on_failure: {run: "HERE:tell"}
""")),
    Case("dynamic fan-out", _plan("""
tasks:
  pages: {run: "HERE:three"}
  page: {run: "HERE:double", foreach: {n: pages}, needs: [pages], max_active: 2}
  sum: {run: "HERE:total", needs: [page]}
  odd: {run: "HERE:odd_only", foreach: {n: "[1, 2, 3]"}, tolerate: 1}
  none: {run: "HERE:double", foreach: {n: "[]"}}
""")),
    Case("conditions and parameters", _plan("""
params: {limit: 3, name: world}
tasks:
  n: {run: "HERE:ten"}
  big: {run: "HERE:one", needs: [n], when: "n > limit"}
  small: {run: "HERE:one", needs: [n], when: "n < limit"}
  both: {run: "HERE:one", needs: [big, small], trigger: none_failed_min_one_success}
  hello: {sh: "echo hello {{ name }} $ORCH_PARAM_NAME"}
""")),
    Case("subtasks, a pool and a milestone", _plan("""
pools: {db: 1}
tasks:
  load:
    subtasks:
      split: {run: "HERE:one", pool: db}
      store: {run: "HERE:ten", pool: db}
  other: {run: "HERE:one", pool: db}
  there: {needs: [load, other]}
""")),
    Case("what is not needed may fail", _plan("""
tasks:
  must: {run: "HERE:one"}
  may: {run: "HERE:boom", required: false}
""")),
    Case("values that JSON has not", _plan("""
tasks:
  made: {run: "HERE:odd_values"}
  read: {run: "HERE:read_values", needs: [made]}
""")),
    Case("a fault on purpose", _plan("""
tasks:
  api: {run: "HERE:one", retry: {maximum_attempts: 3, initial_interval: 10ms}}
"""), options={"faults": ["api=2"]}),
    Case("fail-fast", _plan("""
tasks:
  bad: {run: "HERE:boom"}
  after: {run: "HERE:one", needs: [bad], trigger: all_done}
"""), options={"fail_fast": True}),
    Case("the run's own timeout", _plan("""
tasks:
  first: {run: "HERE:one"}
  long: {sh: "sleep 60", needs: [first]}
  later: {run: "HERE:one", needs: [long]}
"""), options={"timeout": 3.0}),
]  # fmt: skip
