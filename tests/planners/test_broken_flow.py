"""A gallery of broken conditions, fan-outs, limits, sagas and templates: each with its line."""

from __future__ import annotations

import pytest

from orch_nb.errors import PlanError
from orch_nb.planners.yaml import plan_from_yaml


def trap(*_args, **_kwargs):
    raise AssertionError("a broken plan was executed")


def takes_region(region):
    trap()


def takes_two(one, two):
    trap()


def takes_b(b):
    trap()


def takes_nothing():
    trap()


NAMESPACE = {
    "f": trap, "takes_region": takes_region, "takes_two": takes_two, "takes_b": takes_b,
    "takes_nothing": takes_nothing, "thing": 3, "__name__": "__main__",
}  # fmt: skip


def document(*rows: str, top: str = "") -> str:
    """A plan with a sound task `a` on line 4, and `rows` from line 5 on."""
    body = "".join(f"  {row}\n" for row in rows)
    return f"goal: x\ntasks:\n  a: {{sh: ls}}\n{body}{top}"


def task(fields: str, top: str = "") -> str:
    """A plan in which `b`, on line 5, has these fields."""
    return document(f"b: {{{fields}}}", top=top)


#: name: (document, [(line in the cell, words of the message), ...]); the first line is line 2.
GALLERY = {
    # -- when
    "when speaks of a task it does not need": (
        task("sh: ls, when: a.rows > 0"),
        [(5, "`when` of `b` speaks of `a`, which `b` does not need. Write needs: [a].")],
    ),
    "when speaks of one more": (
        document("c: {sh: ls}", "b: {sh: ls, needs: [a], when: c}"),
        [(6, "which `b` does not need. Write needs: [a, c].")],
    ),
    "when speaks of nothing": (
        document("orders: {sh: ls}", "b: {sh: ls, needs: orders, when: ordres > 0}"),
        [(6, "speaks of `ordres`, which is no task and no parameter. Did you mean `orders`?")],
    ),
    "when speaks of itself": (task("sh: ls, when: b"), [(5, "speaks of its own result")]),
    "when in a long task has its own line": (
        document("b:", "  sh: ls", "  owner: Ann", "  when: nope"),
        [(8, "`when` of `b` speaks of `nope`")],
    ),
    "when with a single =": (
        task("sh: ls, needs: a, when: a = 3"),
        [(5, "`a = 3` is no expression: a single `=` sets nothing here. Compare with `==`.")],
    ),
    "when in C": (task("sh: ls, needs: a, when: a && a"), [(5, "Write `and`.")]),
    "when that ends early": (
        task("sh: ls, needs: a, when: a >"),
        [(5, "it ends where something is missing")],
    ),
    "when in braces": (
        task("sh: ls, needs: a, when: '{{ a.rows > 0 }}'"),
        [(5, "it has braces around it. Write a.rows > 0.")],
    ),
    "when in braces without quotes": (
        task("sh: ls, when: {{ a }}"),
        [(5, "is no name"), (5, 'Write when: "fetch.rows > 0", without braces.')],
    ),
    "when with a loop": (
        task("sh: ls, needs: a, when: '[x for x in a]'"),
        [(5, "it has no loops")],
    ),
    "when with an unknown filter": (
        task("sh: ls, needs: a, when: a | lenght"),
        [(5, "there is no filter `lenght`. Did you mean `length`?")],
    ),
    "when with a private attribute": (
        task("sh: ls, needs: a, when: a.__class__"),
        [(5, "`__class__` is closed to expressions")],
    ),
    "when without a call": (task("sh: ls, when: len"), [(5, "speaks of `len`")]),
    "when is a number": (
        task("sh: ls, when: 3"),
        [(5, "`when` of `b` is an expression or {run: name}, not `3`")],
    ),
    "when is a list": (task("sh: ls, when: [a]"), [(5, "not a list")]),
    "when is no": (task("sh: ls, when: no"), [(5, "Write true or false.")]),
    "when is empty": (task("sh: ls, when: ''"), [(5, "is an expression or {run: name}")]),
    "when has another key": (task("sh: ls, when: {call: f}"), [(5, "not a mapping")]),
    "when runs nothing there is": (
        task("sh: ls, when: {run: takes_bb}"),
        [(5, "`when` of `b`: nothing here is called `takes_bb`. Did you mean `takes_b`?")],
    ),
    "when runs a number": (task("sh: ls, when: {run: thing}"), [(5, "is int, which cannot be")]),
    "when takes what nothing supplies": (
        task("sh: ls, when: {run: takes_region}"),
        [(5, "`when` of `b` takes `region`, which is no task and nothing supplies")],
    ),
    "when takes its own task": (
        task("sh: ls, when: {run: takes_b}"),
        [(5, "`when` of `b` takes `b`, its own result.")],
    ),
    "a parameter that the plan has not": (
        task("sh: ls, when: params.dya > 3", "params: {day: 4}\n"),
        [(5, "speaks of `params.dya`, which the plan does not have. Did you mean `day`?")],
    ),
    "a result by its name": (
        task("sh: ls, when: 'results[\"a\"] > 3'"),
        [(5, "speaks of `a`, which `b` does not need")],
    ),
    "a task whose name is no identifier": (
        document("load-data: {sh: ls}", "b: {sh: ls, needs: load-data, when: load-data > 3}"),
        [(6, 'The task `load-data` is results["load-data"].')] * 2,
    ),
    # -- foreach
    "foreach is a number": (
        task("sh: ls, foreach: 3"),
        [(5, "is something to iterate over, not `3`. For so many times write range(3).")],
    ),
    "foreach is a boolean": (task("sh: ls, foreach: true"), [(5, "iterate over, not `true`")]),
    "foreach over what it does not need": (
        task("sh: ls, foreach: a.rows"),
        [(5, "`foreach` of `b` speaks of `a`, which `b` does not need")],
    ),
    "foreach over nothing": (
        document("orders: {sh: ls}", "b: {sh: ls, foreach: ordres}"),
        [(6, "`foreach` of `b` speaks of `ordres`, which is no task and no parameter. Did you")],
    ),
    "foreach over itself": (task("sh: ls, foreach: b"), [(5, "`b` iterates over itself")]),
    "foreach that is no expression": (task("sh: ls, foreach: a..b"), [(5, "is no expression")]),
    "foreach of two items": (
        task("sh: ls, foreach: {x: [1], y: [2]}"),
        [(5, "names one item: {region: [eu, us]}. For several lists write pairs: zip(a, b).")],
    ),
    "foreach of no item": (task("sh: ls, foreach: {}"), [(5, "names one item")]),
    "an item that is no name": (
        task("sh: ls, foreach: {my item: [1]}"),
        [(5, "calls its item `my item`, which is no name")],
    ),
    "an item called as a task": (
        document("c: {sh: ls}", "b: {sh: ls, foreach: {c: [1]}}"),
        [(6, "calls its item `c`, which is a task")],
    ),
    "an item called params": (
        task("sh: ls, foreach: {params: [1]}"),
        [(5, "calls its item `params`, which means something else")],
    ),
    "foreach on an approval": (
        task("approval: Go?, foreach: [1]"),
        [(5, "`b` is an approval, and has `foreach`")],
    ),
    "foreach on a todo": (
        task("todo: Do, foreach: [1]"),
        [(5, "`b` is a todo, and has `foreach`")],
    ),
    "foreach on a milestone": (
        task("foreach: [1]"),
        [(5, "`b` is a milestone, and has `foreach`")],
    ),
    "foreach and subtasks": (
        document("b:", "  foreach: [1]", "  subtasks: {s: {sh: ls}}"),
        [(6, "`b` has `foreach` and subtasks")],
    ),
    "foreach without a parameter for the item": (
        task("run: takes_nothing, foreach: {region: [1]}"),
        [(5, "`b` takes no `region`, as which `foreach` gives it the item. It takes nothing.")],
    ),
    "foreach with two parameters too many": (
        task("run: takes_two, foreach: [1]"),
        [
            (5, "takes `one`, which is no task and nothing supplies. If it takes the item, say so"),
            (5, "foreach: {two: ...}"),
        ],
    ),
    "foreach runs nothing there is": (
        task("sh: ls, foreach: {run: nope}"),
        [(5, "`foreach` of `b`: nothing here is called `nope`")],
    ),
    "foreach takes what nothing supplies": (
        task("sh: ls, foreach: {run: takes_region}"),
        [(5, "`foreach` of `b` takes `region`")],
    ),
    "a list with a no in it": (
        task("sh: ls, foreach: [no]"),
        [(5, "which YAML reads in two ways")],
    ),
    "a task called as an instance": (
        document("b: {sh: ls, foreach: [1]}", "b[0]: {sh: ls}"),
        [(6, "`b[0]`")],
    ),
    # -- max_active, tolerate
    "max_active without foreach": (
        task("sh: ls, max_active: 3"),
        [(5, "`b` has `max_active`, and no `foreach` that it could bound")],
    ),
    "tolerate without foreach": (
        task("sh: ls, tolerate: all"),
        [(5, "`b` has `tolerate`, and no")],
    ),
    "max_active of zero": (
        task("sh: ls, foreach: [1], max_active: 0"),
        [(5, "`max_active` of `b` is at least 1, not 0")],
    ),
    "max_active is a word": (
        task("sh: ls, foreach: [1], max_active: many"),
        [(5, "`max_active` of `b` is a whole number, not `many`")],
    ),
    "tolerate too large a share": (
        task("sh: ls, foreach: [1], tolerate: 120%"),
        [
            (
                5,
                '`tolerate` of `b` is a number, a share or `all`, not `120%`. Write 2, "20%"',
            )
        ],
    ),
    "tolerate a fraction": (task("sh: ls, foreach: [1], tolerate: 0.2"), [(5, 'Write 2, "20%"')]),
    "tolerate less than nothing": (
        task("sh: ls, foreach: [1], tolerate: -1"),
        [(5, "`tolerate` of `b` is at least 0, not -1")],
    ),
    # -- total_timeout, retry_on, triggers
    "total_timeout is a word": (
        task("sh: ls, total_timeout: soon"),
        [(5, "`total_timeout` of `b` is not a duration: `soon`")],
    ),
    "total_timeout of nothing": (task("sh: ls, total_timeout: 0"), [(5, "longer than nothing")]),
    "retry_on a sentence": (
        task("sh: ls, retry: {retry_on: [all errors]}"),
        [(5, "`retry.retry_on` of `b` names exceptions, and `all errors` is no name")],
    ),
    "retry_on a number": (
        task("sh: ls, retry: {retry_on: 3}"),
        [(5, "`retry.retry_on` of `b` is")],
    ),
    "a trigger of Airflow's, misspelt": (
        task("sh: ls, trigger: none_failed_min_one_succes"),
        [(5, "Did you mean `none_failed_min_one_success`?")],
    ),
    # -- pools and priority
    "an unknown pool": (
        task("sh: ls, pool: dbs", "pools: {db: 2}\n"),
        [(5, "`b` is in the pool `dbs`, which the plan does not have. Did you mean `db`?")],
    ),
    "no pools at all": (task("sh: ls, pool: db"), [(5, "Declare it: pools: {db: 1}.")]),
    "more slots than there are": (
        task("sh: ls, pool: {db: 3}", "pools: {db: 2}\n"),
        [(5, "takes 3 slots of the pool `db`, which has 2: it would never start")],
    ),
    "no slots": (
        task("sh: ls, pool: {db: 0}", "pools: {db: 2}\n"),
        [(5, "`pool.db` of `b` is at least 1, not 0")],
    ),
    "a pool twice": (
        task("sh: ls, pool: [db, db]", "pools: {db: 2}\n"),
        [(5, "`pool` of `b` names `db` twice. Write {db: 2}.")],
    ),
    "priority is a word": (
        task("sh: ls, priority: high"),
        [(5, "`priority` of `b` is a whole number, not `high`")],
    ),
    "pools are a list": (task("sh: ls", "pools: [db]\n"), [(6, "Write pools: {db: 2}.")]),
    "a pool of a word": (
        task("sh: ls, pool: db", "pools: {db: many}\n"),
        [(6, "`pools.db` is a number of slots, or {slots: 4, rate: 10/s}, not `many`")],
    ),
    "a pool of nothing": (
        task("sh: ls", "pools:\n  db: {}\n"),
        [(7, "The pool `db` limits nothing")],
    ),
    "a pool with another key": (
        task("sh: ls", "pools: {db: {slot: 2}}\n"),
        [(6, "`pools.db` has no key `slot`. Did you mean `slots`?")],
    ),
    "a rate that is none": (
        task("sh: ls, pool: api", "pools: {api: {rate: fast}}\n"),
        [(6, "is so many starts in a time, not `fast`. Write 10/s, 100/min, 1000/h or 5/10s.")],
    ),
    "a rate without a time": (
        task("sh: ls", "pools: {api: {rate: 10}}\n"),
        [(6, "`pools.api.rate` is so many starts in a time, not `10`")],
    ),
    "a rate of nothing": (task("sh: ls", "pools: {api: {rate: 0/s}}\n"), [(6, "not `0/s`")]),
    "a rate in parsecs": (task("sh: ls", "pools: {api: {rate: 3/pc}}\n"), [(6, "not `3/pc`")]),
    # -- compensate
    "compensate with two actions": (
        task("sh: ls, compensate: {sh: ls, run: f}"),
        [(5, "`compensate` of `b` has `run` and `sh`; it has one action")],
    ),
    "compensate with no action": (
        task("sh: ls, compensate: {retry: 3}"),
        [(5, "`compensate` of `b` runs nothing. Give it `run`, `sh` or `notebook`.")],
    ),
    "compensate on a milestone": (
        task("compensate: {sh: ls}"),
        [(5, "`b` is a milestone, which leaves nothing to compensate")],
    ),
    "compensate on an approval": (
        task("approval: Go?, compensate: {sh: ls}"),
        [(5, "`b` is an approval, which leaves nothing to compensate")],
    ),
    "compensate that needs": (
        task("sh: ls, compensate: {sh: ls, needs: [a]}"),
        [(5, "`compensate` of `b` has no key `needs`")],
    ),
    "compensate by nothing there is": (
        task("sh: ls, compensate: undoo"),
        [(5, "`compensate` of `b`: nothing here is called `undoo`")],
    ),
    "compensate by a command": (
        task("sh: ls, compensate: rm -rf x"),
        [(5, "a command goes under `sh`")],
    ),
    "compensate that takes too much": (
        document("c: {sh: ls}", "b:", "  sh: ls", "  compensate:", "    run: takes_region"),
        [(9, "`compensate` of `b` takes `region`, which is no task and nothing supplies")],
    ),
    "compensate is a list": (task("sh: ls, compensate: [f]"), [(5, "is one action, not a list")]),
    "compensate with a bad retry": (
        task("sh: ls, compensate: {sh: ls, retry: lots}"),
        [(5, "`retry` of `compensate` of `b` is a number of attempts or a mapping, not `lots`")],
    ),
    "compensate that speaks of another": (
        document("b:", "  sh: ls", "  compensate:", "    sh: rm {{ a }}"),
        [(8, "`compensate` of `b` speaks of `a`, which `b` does not need. Write needs: [a].")],
    ),
    # -- cache, notebook
    "cache on an approval": (
        task("approval: Go?, cache: true"),
        [(5, "`b` is an approval, which has no result to keep")],
    ),
    "cache on a todo": (task("todo: Do, cache: true"), [(5, "`b` is a todo, which has no result")]),
    "cache is a word": (task("sh: ls, cache: maybe"), [(5, "`cache` of `b` is true or false")]),
    "a notebook that is none": (
        task("notebook: report.py"),
        [(5, "`notebook` of `b` is a path that ends in .ipynb, not `report.py`")],
    ),
    "a notebook and a command": (
        task("notebook: r.ipynb, sh: ls"),
        [(5, "`b` has `sh` and `notebook`; a task has one action")],
    ),
    "a notebook that is a number": (task("notebook: 3"), [(5, "`notebook` of `b` is a text")]),
    "an approval with a timeout that is none": (
        task("approval: {prompt: p, timeout: later}"),
        [(5, "`approval.timeout` of `b` is not a duration: `later`")],
    ),
    "an approval with another key": (
        task("approval: {prompt: p, defualt: approve}"),
        [(5, "`approval` of `b` has no key `defualt`. Did you mean `default`?")],
    ),
    # -- on_failure
    "on_failure of nothing": (
        task("sh: ls", "on_failure: {}\n"),
        [(6, "`on_failure` runs nothing")],
    ),
    "on_failure with two actions": (
        task("sh: ls", "on_failure:\n  sh: ls\n  notebook: r.ipynb\n"),
        [(8, "`on_failure` has `sh` and `notebook`; it has one action")],
    ),
    "on_failure that needs": (
        task("sh: ls", "on_failure:\n  sh: ls\n  needs: [a]\n"),
        [(8, "`on_failure` has no key `needs`")],
    ),
    "on_failure that asks": (
        task("sh: ls", "on_failure: {approval: Go?}\n"),
        [(6, "`on_failure` has no key `approval`"), (6, "runs nothing")],
    ),
    "on_failure by nothing there is": (
        task("sh: ls", "on_failure:\n  run: nope\n"),
        [(7, "`on_failure`: nothing here is called `nope`")],
    ),
    "on_failure that takes a result": (
        task("sh: ls", "on_failure: {run: takes_b}\n"),
        [(6, "`on_failure` takes `b`")],
    ),
    "on_failure that speaks of a result": (
        task("sh: ls", "on_failure: {sh: 'tell {{ a }}'}\n"),
        [(6, "speaks of `a`, whose result is not there then. It has `failures` and `params`.")],
    ),
    "on_failure is a list": (
        task("sh: ls", "on_failure: [f]\n"),
        [(6, "is one action, not a list")],
    ),
    # -- defaults
    "a default pool that there is not": (
        document("b: {sh: ls}", "c: {sh: ls}", top="pools: {db: 2}\ndefaults: {pool: dbs}\n"),
        [(8, "`pool` of `defaults` names `dbs`, which the plan does not have. Did you mean `db`?")],
    ),
    "a default that belongs to one task": (
        task("sh: ls", "defaults: {when: a, foreach: [1], compensate: f}\n"),
        [(6, "cannot be a default")] * 3,
    ),
    "defaults of wrong types": (
        task("sh: ls", "defaults: {cache: 3, priority: x, total_timeout: y, max_active: 0}\n"),
        [
            (6, "`cache` of"),
            (6, "`priority` of"),
            (6, "`total_timeout` of"),
            (6, "`max_active` of"),
        ],
    ),
    # -- commands
    "a command speaks of what it does not need": (
        task("sh: 'gzip {{ a.path }}'"),
        [(5, "`b` speaks of `a`, which `b` does not need. Write needs: [a].")],
    ),
    "a template in double quotes": (
        document("b:", "  needs: a", "  sh: |", '    echo "{{ a }}"'),
        [(7, "`b`: `{{ a }}` stands in double quotes. It brings its own quotes: leave these out")],
    ),
    "a template in single quotes": (
        task("needs: a, sh: \"echo '{{ a }}'\""),
        [(5, "`{{ a }}` stands in single quotes")],
    ),
    "a template in backticks": (
        task("needs: a, sh: 'echo `cat {{ a }}`'"),
        [(5, "stands in backticks. Write $(...) in place of the backticks.")],
    ),
    "a template in a here-document": (
        document("b:", "  needs: a", "  sh: |", "    cat <<END", "    {{ a }}", "    END"),
        [(7, "stands in a here-document. Write x={{ a }} on a line above, and $x in it.")],
    ),
    "a template in a comment": (
        task("needs: a, sh: 'ls # {{ a }}'"),
        [(5, "stands in a comment")],
    ),
    "GitHub's braces": (task("needs: a, sh: 'echo ${{ a }}'"), [(5, "Leave the `$` out.")]),
    "docker's braces": (
        task("sh: \"docker ps --format '{{.Names}}'\""),
        [(5, "write {% raw %}{{.Names}}{% endraw %}")],
    ),
    "docker's braces with a word": (
        task("sh: \"docker inspect -f '{{json .Config}}' web\""),
        [(5, "If the command itself wants these braces")],
    ),
    "a loop of Jinja's": (
        task("sh: '{% for x in a %}ls{% endfor %}'"),
        [(5, "`{% for x in a %}` means nothing in a command: only {{ }} is filled in")],
    ),
    "braces that do not end": (task("sh: 'echo {{ a'"), [(5, "`{{ a` is never closed")]),
    "an item where there is none": (
        task("sh: 'echo {{ item }}'"),
        [(5, "speaks of `item`, which is no task and no parameter. It is there in the command of")],
    ),
    "an argument that speaks of nothing": (
        task("run: f, priority: 1, with: {x: '{{ nope }}'}"),
        [(5, "`with.x` of `b` speaks of `nope`")],
    ),
}


@pytest.mark.parametrize("name", GALLERY)
def test_a_broken_plan_is_refused_with_its_lines(name):
    text, expected = GALLERY[name]
    with pytest.raises(PlanError) as caught:
        plan_from_yaml(text, NAMESPACE)
    problems = caught.value.problems
    for line, words in expected:
        assert any(p.line == line and words in str(p) for p in problems), caught.value
    assert len(problems) == len(expected), caught.value
    assert all(len(p.message) < 300 for p in problems)


def test_the_gallery_is_large():
    assert len(GALLERY) >= 60


def test_every_fault_of_a_plan_comes_at_once():
    text = document(
        "b: {sh: 'echo \"{{ a }}\"', needs: a, pool: db, when: x, foreach: [1], tolerate: lots}",
        "c: {run: f, compensate: {sh: ls, run: f}, priority: x, max_active: 2, cache: perhaps}",
        top="pools: {api: {rate: 3}}\non_failure: nope\n",
    )
    with pytest.raises(PlanError) as caught:
        plan_from_yaml(text, NAMESPACE)
    assert [p.line for p in caught.value.problems] == [5] * 4 + [6] * 4 + [7, 8], caught.value


def test_a_plan_of_many_faults_is_judged_in_reasonable_time():
    rows = [f"t{n}: {{sh: 'echo {{{{ nope{n} }}}}', pool: dv}}" for n in range(3000)]
    with pytest.raises(PlanError, match="problems more"):
        plan_from_yaml(document(*rows, top="pools: {db: 2}\n"))
