"""A gallery of broken Python cells: each is refused with its line, before a statement has run."""

from __future__ import annotations

import pytest

from orch_nb.errors import PlanError
from orch_nb.planners.python import plan_from_source

#: name: (body, [(line in the cell, words)]); the body's first line is line 2. Each body would leave
#: `executed` in its namespace.
GALLERY = {
    "syntax": ("executed = 1\n@task\ndef a(:\n", [(4, "This is not Python: invalid syntax")]),
    "open bracket": ("executed = (1\n@task\ndef a(): ...\n", [(2, "'(' was never closed")]),
    "indentation": ("executed = 1\n  x = 2\n", [(3, "unexpected indent")]),
    "return outside": ("executed = 1\n@task\ndef a(): ...\nreturn 5\n", [(5, "outside function")]),
    "magic": (
        "executed = 1\n%pip install x\n@task\ndef a(): ...\n",
        [(3, "Magics and shell lines")],
    ),
    "shell": ("executed = 1\n!ls\n@task\ndef a(): ...\n", [(3, "Magics and shell lines")]),
    "null byte": ("executed = 1\n@task\ndef a(): '\0'\n", [(4, "A null byte stands here")]),
    "nested too deeply": ("executed = 1\nx = " + "(" * 5000, [(3, "This is not Python: too many")]),
    "tabs and spaces": (
        "executed = 1\nif 1:\n        x = 1\n\ty = 2\n",
        [(5, "inconsistent use of tabs")],
    ),
    "nothing marked": ("executed = 1\ndef a(): ...\n", [(3, "No function is marked as a task")]),
    "no function": ("executed = 1\n", [(2, "This cell defines no task")]),
    "unknown option": (
        "executed = 1\n@task(retires=3)\ndef a(): ...\n",
        [(3, "`@task` has no option `retires`. Did you mean `retry`?")],
    ),
    "unknown option that is computed": (
        "executed = 1\n@task(retires=executed)\ndef a(): ...\n",
        [(3, "Did you mean `retry`?")],
    ),
    "option of later": (
        "executed = 1\n@task(agent='x')\ndef a(): ...\n",
        [(3, "`agent` is not yet supported")],
    ),
    "option without a name": ("executed = 1\n@task('x')\ndef a(): ...\n", [(3, "options by name")]),
    "bad retry": ("executed = 1\n@task(retry='x')\ndef a(): ...\n", [(3, "a number of attempts")]),
    "bad duration": (
        "executed = 1\n@task(\n    retry=3,\n    timeout='soon',\n)\ndef a(): ...\n",
        [(5, "`timeout` of `a` is not a duration: `soon`")],
    ),
    "bad trigger": (
        "executed = 1\n@task(trigger='all_dnoe')\ndef a(): ...\n",
        [(3, "Did you mean `all_done`?")],
    ),
    "title is a number": (
        "executed = 1\n@task(title=5)\ndef a(): ...\n",
        [(3, "`title` of `a` is a")],
    ),
    "unknown need": (
        (
            "executed = 1\n@task\ndef lint(): ...\n@task(needs=[\n  'lint',\n  'tset',\n])\n"
            "def a(): ...\n"
        ),
        [(7, "`a` needs `tset`, which is no task")],
    ),
    "parameter that is nearly a task": (
        "executed = 1\n@task\ndef orders(): ...\n@task\ndef a(\n    ordres,\n): ...\n",
        [(7, "`a` takes `ordres`, which is no task and nothing supplies. Did you mean `orders`?")],
    ),
    "parameter of a gate": (
        "executed = 1\n@task(approval='Go?')\ndef a(reprot): ...\n@task\ndef report(): ...\n",
        [(4, "`a` needs `reprot`, which is no task. Did you mean `report`?")],
    ),
    "cycle by parameters": (
        "executed = 1\n@task\ndef a(c): ...\n@task\ndef b(a): ...\n@task\ndef c(b): ...\n",
        [(4, "`a → c → b → a` is a cycle")],
    ),
    "self-need": ("executed = 1\n@task(needs=['a'])\ndef a(): ...\n", [(3, "`a` needs itself")]),
    "defined twice": (
        "executed = 1\n@task\ndef a(): ...\n@task\ndef a(): ...\n",
        [(5, "Two tasks are called `a`; the other is on line 3")],
    ),
    "gate with a body": (
        "executed = 1\n@task(approval='Go?')\ndef a():\n    'Doc.'\n    print(1)\n",
        [(6, "`a` has a body, which `approval` would never run")],
    ),
    "two actions": (
        "executed = 1\n@task(approval='Go?', sh='ls')\ndef a(): ...\n",
        [(3, "`a` has `sh` and `approval`; a task has one action")],
    ),
    "default without a gate": (
        "executed = 1\n@task(default='approve')\ndef a(): ...\n",
        [(3, "answers an `approval`, and there is none")],
    ),
    "default that is none": (
        "executed = 1\n@task(approval='Go?', default='yes')\ndef a(): ...\n",
        [(3, '`default` of `a` is "approve" or "reject", not `yes`')],
    ),
    "unknown parent": (
        "executed = 1\n@task(parent='p')\ndef a(): ...\n",
        [(3, "subtask of `p`, which is no task")],
    ),
    "when that is no expression": (
        "executed = 1\n@task\ndef a(): ...\n@task(needs='a',\n      when='a = 3')\ndef b(): ...\n",
        [(6, "`a = 3` is no expression: a single `=` sets nothing here")],
    ),
    "when that speaks of what is not needed": (
        "executed = 1\n@task\ndef a(): ...\n@task(when='a > 3')\ndef b(): ...\n",
        [(5, "`when` of `b` speaks of `a`, which `b` does not need")],
    ),
    "when whose parameter is nearly a task": (
        "executed = 1\n@task\ndef orders(): ...\n@task(when=lambda ordres: ordres)\ndef b(): ...\n",
        [(5, "`when` of `b` takes `ordres`, which is no task and nothing supplies. Did you mean")],
    ),
    "a cycle that a when closes": (
        "executed = 1\n@task(when=lambda b: b)\ndef a(): ...\n@task\ndef b(a): ...\n",
        [(3, "`a → b → a` is a cycle")],
    ),
    "a cycle that a foreach closes": (
        "executed = 1\n@task(foreach='b')\ndef a(x): ...\n@task\ndef b(a): ...\n",
        [(3, "`a → b → a` is a cycle")],
    ),
    "foreach is a number": (
        "executed = 1\n@task(foreach=3)\ndef a(x): ...\n",
        [(3, "For so many times write range(3).")],
    ),
    "foreach with two parameters too many": (
        "executed = 1\n@task(foreach=[1, 2])\ndef a(x, y): ...\n",
        [(4, "takes `x`, which is no task"), (4, "say so: foreach: {y: ...}")],
    ),
    "foreach in place of a body that asks": (
        "executed = 1\n@task(approval='Go?', foreach=[1])\ndef a(): ...\n",
        [(3, "`a` is an approval, and has `foreach`")],
    ),
    "max_active without foreach": (
        "executed = 1\n@task(max_active=3)\ndef a(): ...\n",
        [(3, "no `foreach` that it could bound")],
    ),
    "tolerate is a fraction": (
        "executed = 1\n@task(foreach=[1], tolerate=0.2)\ndef a(x): ...\n",
        [(3, "`tolerate` of `a` is a number, a share or `all`, not `0.2`")],
    ),
    "cache on a todo": (
        "executed = 1\n@task(todo='Do it', cache=True)\ndef a(): ...\n",
        [(3, "`a` is a todo, which has no result to keep")],
    ),
    "a template in quotes": (
        "executed = 1\n@task(sh='echo \"{{ b }}\"')\ndef a(b): ...\n@task\ndef b(): ...\n",
        [(3, "`{{ b }}` stands in double quotes")],
    ),
    "a template that speaks of nothing": (
        "executed = 1\n@task(sh='echo {{ orders }}')\ndef a(): ...\n",
        [(3, "`a` speaks of `orders`, which is no task and no parameter")],
    ),
    "a notebook that is none": (
        "executed = 1\n@task(notebook='report.py')\ndef a(): ...\n",
        [(3, "ends in .ipynb")],
    ),
    "a notebook with a body": (
        "executed = 1\n@task(notebook='r.ipynb')\ndef a(): return 1\n",
        [(4, "`a` has a body, which `notebook` would never run")],
    ),
    "compensate with two actions": (
        "executed = 1\n@task(compensate={'sh': 'ls', 'run': 'f'})\ndef a(): ...\n",
        [(3, "`compensate` of `a` has `run` and `sh`; it has one action")],
    ),
    "on_failure that needs": (
        "executed = 1\n@task\ndef a(): ...\n@task(on_failure=True, needs=['a'])\ndef b(): ...\n",
        [(5, "`b` runs when the run has failed, where `needs` means nothing")],
    ),
    "on_failure is a word": (
        "executed = 1\n@task(on_failure='yes')\ndef a(): ...\n",
        [(3, "`on_failure` of `a` is true or false, not `yes`")],
    ),
    "a parameter that is on_failure": (
        "executed = 1\n@task\ndef a(tell): ...\n@task(on_failure=True)\ndef tell(): ...\n",
        [(4, "`a` takes `tell`, which is no task and nothing supplies")],
    ),
    "priority is a word": (
        "executed = 1\n@task(priority='high')\ndef a(): ...\n",
        [(3, "`priority` of `a` is a whole number, not `high`")],
    ),
    "everything at once": (
        (
            "executed = 1\n@task(retry=0, estimate=[3, 2, 1])\ndef a(zz): ...\n@task(storey='x')\n"
            "def b(b1): ...\n"
        ),
        [
            (3, "at least 1"),
            (3, "do not rise"),
            (4, "takes `zz`"),
            (5, "Did you mean `story`?"),
            (6, "takes `b1`"),
        ],
    ),
}


@pytest.mark.parametrize("name", GALLERY)
def test_a_broken_cell_is_refused_with_its_lines_and_nothing_is_executed(name):
    body, expected = GALLERY[name]
    namespace: dict[str, object] = {}
    with pytest.raises(PlanError) as caught:
        plan_from_source(body, namespace)
    problems = caught.value.problems
    for line, words in expected:
        assert any(p.line == line and words in str(p) for p in problems), caught.value
    assert len(problems) == len(expected), caught.value
    assert "executed" not in namespace
    assert "task" not in namespace


def test_what_only_running_tells_is_told_after_it_with_the_line():
    with pytest.raises(PlanError) as caught:
        plan_from_source("n = 'lots'\n@task(retry=n, needs=['b' + n])\ndef a(): ...\n", {})
    assert [problem.line for problem in caught.value.problems] == [3, 3]
    assert "`retry` of `a` is a number of attempts" in str(caught.value)
    assert "`a` needs `blots`, which is no task" in str(caught.value)


def test_a_cell_with_windows_line_ends_and_a_bom_has_the_same_lines():
    with pytest.raises(PlanError) as caught:
        plan_from_source("\ufeffx = 1\r\n@task(retry=0)\r\ndef a(): ...\r\n", {})
    assert caught.value.problems[0].line == 3
    assert caught.value.problems[0].source == "@task(retry=0)"


def test_ten_megabytes_are_refused_unread():
    with pytest.raises(PlanError, match=r"The cell has 10\.0 MB"):
        plan_from_source("x = 1\n" * 1_666_667, {})
