"""A gallery of broken YAML plans: each is refused with a message and its line, and nothing runs."""

from __future__ import annotations

import sys
import time

import pytest

from orch_nb.errors import PlanError
from orch_nb.planners.yaml import plan_from_mapping, plan_from_yaml


def trap(*_args, **_kwargs):
    raise AssertionError("a broken plan was executed")


NAMESPACE = {"build": trap, "notify": trap, "thing": 3, "__name__": "__main__"}

#: name: (document, [(line in the cell, words of the message), ...]); the first line is line 2.
GALLERY = {
    "empty": ("", [(None, "The plan is empty")]),
    "only a comment": ("# nothing\n", [(None, "The plan is empty")]),
    "a text": ("just words\n", [(2, "A plan is a mapping, not `just words`")]),
    "no tasks": ("goal: x\n", [(2, "The plan has no tasks")]),
    "empty tasks": ("goal: x\ntasks: {}\n", [(2, "The plan has no tasks")]),
    "tasks is null": ("goal: x\ntasks:\n", [(3, "`tasks` is empty; it is a mapping of tasks")]),
    "tasks is a number": ("goal: x\ntasks: 7\n", [(3, "`tasks` is `7`")]),
    "no goal": ("tasks: {a: {sh: ls}}\n", [(2, "The plan has no `goal`")]),
    "goal is a number": ("goal: 5\ntasks: {a: {sh: ls}}\n", [(2, 'reads as a number. Write "5"')]),
    "goal is a list": ("goal: [x]\ntasks: {a: {sh: ls}}\n", [(2, "`goal` is a text, not a list")]),
    "unknown top key": (
        "goal: x\ntaks: {a: {sh: ls}}\n",
        [(3, "A plan has no key `taks`. Did you mean `tasks`?")],
    ),
    "unknown task key": (
        "goal: x\ntasks:\n  a:\n    sh: ls\n    neds: [b]\n  b: {sh: ls}\n",
        [(6, "`a` has no key `neds`. Did you mean `needs`?")],
    ),
    "keys of later": (
        "goal: x\ntasks:\n  a:\n    agent: a\n    mcp: m\n",
        [(5, "`agent` is not yet supported"), (6, "`mcp` is not yet supported")],
    ),
    "unknown need": (
        "goal: x\ntasks:\n  lint: {sh: ls}\n  b:\n    sh: ls\n    needs: [lnit]\n",
        [(7, "`b` needs `lnit`, which is no task. Did you mean `lint`?")],
    ),
    "unknown need in a long list": (
        "goal: x\ntasks:\n  a: {sh: ls}\n  b:\n    needs:\n      - a\n      - zzz\n",
        [(8, "`b` needs `zzz`, which is no task")],
    ),
    "needs with commas": (
        "goal: x\ntasks:\n  a: {}\n  b: {}\n  c: {needs: 'a, b'}\n",
        [(6, "`c` needs `a, b`, which is no task. Write several as a list: [a, b].")],
    ),
    "needs is a mapping": ("goal: x\ntasks:\n  a: {needs: {b: 1}}\n", [(4, "a list of names")]),
    "needs holds a list": (
        "goal: x\ntasks:\n  a: {needs: [[b]]}\n",
        [(4, "holds a list, not a na")],
    ),
    "self-need": ("goal: x\ntasks:\n  a: {sh: ls, needs: [a]}\n", [(4, "`a` needs itself")]),
    "cycle": (
        "goal: x\ntasks:\n  a: {needs: [b]}\n  b: {needs: [c]}\n  c: {needs: [a]}\n",
        [(4, "`a → b → c → a` is a cycle")],
    ),
    "two cycles": (
        (
            "goal: x\ntasks:\n  a: {needs: [b]}\n  b: {needs: [a]}\n  c: {needs: [d]}\n"
            "  d: {needs: [c]}\n"
        ),
        [(4, "`a → b → a` is a cycle"), (6, "`c → d → c` is a cycle")],
    ),
    "cycle through a family": (
        (
            "goal: x\ntasks:\n  p:\n    needs: [z]\n    subtasks:\n      s: {sh: ls}\n"
            "  z: {needs: [s]}\n"
        ),
        [(7, "`s → z → s` is a cycle")],
    ),
    "needs its own parent": (
        "goal: x\ntasks:\n  p:\n    subtasks:\n      s: {sh: ls, needs: [p]}\n",
        [(6, "`s` is a subtask of `p` and cannot need it")],
    ),
    "needs its own subtask": (
        "goal: x\ntasks:\n  p:\n    needs: [s]\n    subtasks:\n      s: {sh: ls}\n",
        [(5, "`p` needs its own subtask `s`")],
    ),
    "unknown parent": (
        "goal: x\ntasks:\n  build: {}\n  s: {parent: biuld}\n",
        [(5, "`s` is a subtask of `biuld`, which is no task. Did you mean `build`?")],
    ),
    "circle of parents": (
        "goal: x\ntasks:\n  a: {parent: b}\n  b: {parent: a}\n",
        [(4, "`a → b → a` is a circle of parents")],
    ),
    "duplicate key": (
        "goal: x\ntasks:\n  a: {sh: one}\n  a: {sh: two}\n",
        [(5, "The key `a` stands here a second time; first on line 4")],
    ),
    "duplicate goal": ("goal: x\ngoal: y\ntasks: {a: {}}\n", [(3, "The key `goal` stands here a")]),
    "duplicate id in two stories": (
        "goal: x\nstories:\n  A:\n    tasks: {t: {sh: ls}}\n  B:\n    tasks: {t: {sh: ls}}\n",
        [(7, "Two tasks are called `t`; the other is on line 5")],
    ),
    "two actions": (
        "goal: x\ntasks:\n  a:\n    sh: ls\n    todo: buy milk\n",
        [(6, "`a` has `sh` and `todo`; a task has one action")],
    ),
    "bare string task": ("goal: x\ntasks:\n  a: ls -la\n", [(4, 'Write {sh: "ls -la"}')]),
    "task is a list": (
        "goal: x\ntasks:\n  a: [1]\n",
        [(4, "The task `a` is a mapping, not a list")],
    ),
    "list without id": ("goal: x\ntasks:\n  - {sh: ls}\n", [(4, "is a mapping with an `id`")]),
    "sh is a list": ("goal: x\ntasks:\n  a: {sh: [ls, -l]}\n", [(4, "`sh` of `a` is one text")]),
    "sh is empty": ("goal: x\ntasks:\n  a: {sh: }\n", [(4, "`sh` of `a` is empty")]),
    "sh is a number": (
        "goal: x\ntasks:\n  a: {sh: 5}\n",
        [(4, "without quotes reads as a number")],
    ),
    "a yes where a text is": (
        "goal: x\ntasks:\n  a: {sh: ls, owner: no}\n",
        [(4, '`owner` of `a` is a text, and `no` without quotes reads as a boolean. Write "no".')],
    ),
    "bad duration": (
        "goal: x\ntasks:\n  a: {sh: ls, timeout: 5 parsecs}\n",
        [(4, "`timeout` of `a` is not a duration: `5 parsecs`. Write 90s, 10m or 1h30m.")],
    ),
    "clock for a duration": (
        "goal: x\ntasks:\n  a: {sh: ls, timeout: 1:30}\n",
        [(4, "not a dura")],
    ),
    "negative timeout": ("goal: x\ntasks:\n  a: {sh: ls, timeout: -3}\n", [(4, "not a duration")]),
    "no timeout at all": (
        "goal: x\ntasks:\n  a: {sh: ls, timeout: 0}\n",
        [(4, "longer than noth")],
    ),
    "estimates do not rise": (
        "goal: x\ntasks:\n  a: {sh: ls, estimate: [3s, 2s, 1s]}\n",
        [(4, "these do not rise")],
    ),
    "two estimates": (
        "goal: x\ntasks:\n  a: {sh: ls, estimate: [3, 2]}\n",
        [(4, "or three, not 2")],
    ),
    "retry is a word": ("goal: x\ntasks:\n  a: {sh: ls, retry: lots}\n", [(4, "not `lots`")]),
    "retry is zero": ("goal: x\ntasks:\n  a: {sh: ls, retry: 0}\n", [(4, "at least 1")]),
    "retry is true": ("goal: x\ntasks:\n  a: {sh: ls, retry: true}\n", [(4, "not `true`")]),
    "retry of every kind of wrong": (
        (
            "goal: x\ntasks:\n  a:\n    sh: ls\n    retry:\n      maximum_atempts: 3\n"
            "      initial_interval: soon\n      backoff_coefficient: 0.5\n      jitter: 2\n"
        ),
        [
            (7, "has no key `maximum_atempts`. Did you mean `maximum_attempts`?"),
            (8, "`retry.initial_interval` of `a` is not a duration"),
            (9, "from 1 to 100, not `0.5`"),
            (10, "from 0 to 1, not `2`"),
        ],
    ),
    "unknown trigger": (
        "goal: x\ntasks:\n  a: {trigger: all_succes}\n",
        [(4, "Did you mean `all_success`?")],
    ),
    "Airflow's setup trigger": (
        "goal: x\ntasks:\n  a: {trigger: all_done_setup_success}\n",
        [(4, "Did you mean `all_done_min_one_success`?")],
    ),
    "required is a word": ("goal: x\ntasks:\n  a: {required: maybe}\n", [(4, "is true or false")]),
    "approval without prompt": (
        "goal: x\ntasks:\n  a: {approval: {default: approve}}\n",
        [(4, "has no `prompt`")],
    ),
    "approval's default": (
        "goal: x\ntasks:\n  a: {approval: {prompt: p, default: maybe}}\n",
        [(4, "is approve or reject, not `maybe`")],
    ),
    "with on a command": (
        "goal: x\ntasks:\n  a: {sh: ls, with: {x: 1}}\n",
        [(4, "`a` has `with`, but no `run` that takes arguments")],
    ),
    "with is a list": (
        "goal: x\ntasks:\n  a: {run: build, with: [1]}\n",
        [(4, "`with` of `a` is a m")],
    ),
    "with says no": (
        "goal: x\ntasks:\n  a: {run: build, with: {x: no}}\n",
        [(4, 'is `no`, which YAML reads in two ways. Write "no" or false.')],
    ),
    "no such function": (
        "goal: x\ntasks:\n  a:\n    run: biuld\n",
        [(5, "`run` of `a`: nothing here is called `biuld`. Did you mean `build`?")],
    ),
    "not callable": (
        "goal: x\ntasks:\n  a: {run: thing}\n",
        [(4, "is int, which cannot be called")],
    ),
    "no such module": (
        "goal: x\ntasks:\n  a: {run: 'no_such_module:f'}\n",
        [(4, "`no_such_module` cannot be imported: ModuleNotFoundError")],
    ),
    "no such attribute": (
        "goal: x\ntasks:\n  a: {run: 'json:dmups'}\n",
        [(4, "Did you mean `dumps`?")],
    ),
    "run is a command": (
        "goal: x\ntasks:\n  a: {run: ls -la}\n",
        [(4, "a command goes under `sh`")],
    ),
    "unknown criterion task": (
        "goal: x\ntasks:\n  tests: {}\ncriteria:\n  It works: [test]\n",
        [(6, "The criterion `It works` names `test`, which is no task. Did you mean `tests`?")],
    ),
    "criteria is a word": ("goal: x\ntasks: {a: {}}\ncriteria: fast\n", [(4, "`criteria` maps")]),
    "defaults that cannot be": (
        "goal: x\ndefaults: {needs: [a], retyr: 3, retry: x}\ntasks: {a: {}}\n",
        [(3, "belongs to one task"), (3, "Did you mean `retry`?"), (3, "`retry` of `defaults`")],
    ),
    "story is a list": (
        "goal: x\nstories:\n  A: [1]\ntasks: {a: {}}\n",
        [(4, "The story `A` is a m")],
    ),
    "unknown story key": (
        "goal: x\nstories:\n  A: {task: {}}\ntasks: {a: {}}\n",
        [(4, "The story `A` has no key `task`. Did you mean `tasks`?")],
    ),
    "unlisted story": (
        "goal: x\nstories:\n  Build: {}\ntasks:\n  a: {story: Biuld}\n",
        [(6, "is in story `Biuld`, which is not listed. Did you mean `Build`?")],
    ),
    "story against its place": (
        "goal: x\nstories:\n  A:\n    tasks:\n      t: {story: B}\n",
        [(6, "`t` stands in `A` and says `story: B`")],
    ),
    "empty name": ("goal: x\ntasks:\n  '': {sh: ls}\n", [(4, "name is empty")]),
    "name with a newline": ('goal: x\ntasks:\n  "a\\nb": {sh: ls}\n', [(4, "control character")]),
    "name of 300 letters": (f"goal: x\ntasks:\n  {'n' * 300}: {{}}\n", [(4, "has 300 characters")]),
    "null for a key": ("goal: x\ntasks:\n  ~: {sh: ls}\n", [(4, "is no name. A key is a name")]),
    "list for a key": (
        "goal: x\ntasks:\n  ? [a, b]\n  : {sh: ls}\n",
        [(4, "is no name. A key is a name")],
    ),
    "tab": ("goal: x\ntasks:\n\ta: {sh: ls}\n", [(4, "A tab indents this line")]),
    "second document": ("goal: x\n---\ngoal: y\n", [(3, "A second document begins here")]),
    "custom tag": ("goal: !secret x\n", [(2, "The tag `!secret` means nothing in a plan")]),
    "python tag": (
        "goal: x\ntasks:\n  a: !!python/object/apply:os.system [touch executed]\n",
        [(4, "The tag `!!python/object/apply:os.system` means nothing")],
    ),
    "unknown alias": ("goal: x\ntasks:\n  a: *base\n", [(4, "The alias `*base` has no anchor")]),
    "alias of itself": ("goal: x\ntasks: &t\n  a: *t\n", [(4, "The alias `*t` contains itself")]),
    "merge of a text": (
        "goal: x\ntasks:\n  a: {<<: word, sh: ls}\n",
        [(4, "`<<` merges a mapping")],
    ),
    "open bracket": (
        "goal: x\ntasks: {a: {needs: [b}}\n",
        [(3, "The `[` of line 3 is not closed. Close it with `]`")],
    ),
    "braces in a text": (
        "goal: x\ntasks:\n  a: {sh: echo ${HOME}}\n",
        [(4, "Close it with `}`, and quote a text that has brackets or commas in it")],
    ),
    "a key that is not indented": (
        "goal: x\ntasks:\n  a:\n  sh: ls\n",
        [(5, "If `sh` belongs to the task above, indent it further")],
    ),
    "open quote": ('goal: x\ntasks:\n  a: {sh: "ls}\n', [(4, "A quote is opened here and never")]),
    "two colons": ("goal: x: y\n", [(2, "A `:` stands where no value can begin")]),
    "bad indentation": ("goal: x\n  tasks: {}\n", [(3, "A `:` stands where no value")]),
    "begins with a backtick": ("goal: `x`\n", [(2, "has to be quoted")]),
    "null byte": ("goal: x\ntasks:\n  a: {sh: 'l\0s'}\n", [(4, "A control character (U+0000)")]),
    "surrogate": ("goal: x\ntasks:\n  a: {sh: \ud800}\n", [(4, "A control character (U+D800)")]),
    "CRLF": ("goal: x\r\ntasks:\r\n  a: {sh: ls, ned: [b]}\r\n", [(4, "`a` has no key `ned`")]),
    "BOM": ("\ufeffgoal: x\ntasks:\n  a: 5\n", [(4, "The task `a` is a mapping, not `5`")]),
    "a script for a name": (
        "goal: x\ntasks:\n  <script>alert(1)</script>: {sh: ls, needs: [<b>]}\n",
        [(4, "`<script>alert(1)</script>` needs `<b>`, which is no task")],
    ),
    "deeply nested": (
        "goal: x\ntasks: " + "{a: " * 60 + "1" + "}" * 60,
        [(3, "more than 50 deep")],
    ),
    "brackets without end": ("goal: " + "[" * 200_000, [(2, "more than 50 deep")]),
    "dashes without end": ("- " * 200_000 + "x", [(2, "more than 50 deep")]),
}


@pytest.mark.parametrize("name", GALLERY)
def test_a_broken_plan_is_refused_with_its_lines(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text, expected = GALLERY[name]
    with pytest.raises(PlanError) as caught:
        plan_from_yaml(text, NAMESPACE)
    problems = caught.value.problems
    for line, words in expected:
        assert any(p.line == line and words in str(p) for p in problems), caught.value
    assert len(problems) == len(expected), caught.value
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", GALLERY)
def test_a_message_is_short_and_shows_no_python(name):
    with pytest.raises(PlanError) as caught:
        plan_from_yaml(GALLERY[name][0], NAMESPACE)
    for problem in caught.value.problems:
        assert len(problem.message) < 400
        assert "<unicode string>" not in problem.message
        assert "yaml." not in problem.message


def test_every_problem_comes_at_once_in_the_order_of_lines():
    text = (
        "goal: x\ntasks:\n  a: {sh: ls, neds: [b], retry: lots, timeout: 5x}\n"
        "  b: {sh: 5, run: nope, needs: [c, zz]}\n  b: {}\n  c: ls\n"
    )
    with pytest.raises(PlanError) as caught:
        plan_from_yaml(text, NAMESPACE)
    problems = caught.value.problems
    assert [p.line for p in problems] == [4, 4, 4, 5, 5, 5, 6, 7]
    assert str(caught.value).startswith("8 problems in the plan; nothing was run:\n  1. line 4: ")


def test_a_problem_shows_the_line_it_stands_on():
    with pytest.raises(PlanError) as caught:
        plan_from_yaml("goal: x\ntasks:\n  a: {needs: [b]}\n")
    assert caught.value.problems[0].source == "  a: {needs: [b]}"


def test_thousands_of_problems_are_counted_and_not_all_told():
    rows = "".join(f"  t{n}: {{needs: [x{n}]}}\n" for n in range(5000))
    with pytest.raises(PlanError) as caught:
        plan_from_yaml(f"goal: x\ntasks:\n{rows}")
    assert len(caught.value.problems) == 101
    assert "And 4,900 problems more." in str(caught.value)


def test_ten_megabytes_are_refused_unread():
    with pytest.raises(PlanError, match=r"The plan has 11\.2 MB; at most 5 MB is read"):
        plan_from_yaml("goal: x\ntasks:\n" + "  a: {sh: ls}\n" * 800_000)


@pytest.mark.parametrize("kind", ["lists", "maps", "merges"])
def test_aliases_that_explode_are_refused_at_once(kind):
    rows = ["goal: x", "params:"]
    if kind == "lists":
        rows.append("  a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]")
        rows += [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    elif kind == "maps":
        rows.append("  a0: &a0 {k: lol}")
        for n in range(1, 30):
            pairs = ", ".join(f"k{i}: *a{n - 1}" for i in range(10))
            rows.append(f"  a{n}: &a{n} {{{pairs}}}")
    else:
        rows.append("  a0: &a0 {k: lol}")
        rows += [f"  a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 30)]
    begin = time.process_time()
    with pytest.raises(PlanError, match="The aliases of this plan expand to more than 100,000"):
        plan_from_yaml("\n".join(rows))
    assert time.process_time() - begin < 5  # seconds; without the bound it would not end


def test_a_chain_of_aliases_cannot_overflow_the_stack():
    rows = ["goal: x", "params:", "  a0: &a0 [x]"]
    rows += [f"  a{n}: &a{n} [*a{n - 1}]" for n in range(1, 5000)]
    with pytest.raises(PlanError, match="more than 50 deep"):
        plan_from_yaml("\n".join(rows))


def test_a_module_is_not_imported_for_a_plan_with_other_faults(tmp_path, monkeypatch):
    (tmp_path / "loud_module.py").write_text("raise RuntimeError('executed')\ndef f(): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(PlanError) as caught:
        plan_from_yaml("goal: x\ntasks:\n  a: {run: 'loud_module:f', needs: [b]}\n", {})
    assert [p.message for p in caught.value.problems] == ["`a` needs `b`, which is no task."]
    with pytest.raises(PlanError, match="cannot be imported: RuntimeError: executed"):
        plan_from_yaml("goal: x\ntasks:\n  a: {run: 'loud_module:f'}\n", {})
    assert "loud_module" not in sys.modules


def test_a_property_is_not_computed_for_a_plan_with_other_faults():
    class Client:
        @property
        def fetch(self):
            raise AssertionError("executed")

    with pytest.raises(PlanError) as caught:
        plan_from_yaml("goal: x\ntasks:\n  a: {run: c.fetch, needs: [b]}\n", {"c": Client()})
    assert len(caught.value.problems) == 1


def test_a_cycle_that_parameters_close_is_found():
    # a ─► b (by needs), b ─► a (a takes b's result)
    def takes_b(b): ...

    with pytest.raises(PlanError, match="`a → b → a` is a cycle"):
        plan_from_yaml(
            "goal: x\ntasks:\n  a: {run: f}\n  b: {sh: ls, needs: [a]}\n", {"f": takes_b}
        )


def test_a_mapping_is_refused_with_the_same_words_and_no_lines():
    with pytest.raises(PlanError) as caught:
        plan_from_mapping({"goal": "x", "tasks": {"a": {"sh": 5, "retry": "lots"}, 3.5: {}}})
    messages = [str(problem) for problem in caught.value.problems]
    assert "`sh` of `a` is a text, not `5`." in messages
    assert "`retry` of `a` is a number of attempts or a mapping, not `lots`." in messages
    assert "`3.5` is no name. A key is a name." in messages
    assert all(problem.line is None for problem in caught.value.problems)


def test_a_mapping_that_contains_itself_is_refused():
    endless: dict[str, object] = {"goal": "x"}
    endless["tasks"] = endless
    with pytest.raises(PlanError, match="nested more than 50 deep"):
        plan_from_mapping(endless)
