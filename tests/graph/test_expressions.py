"""Expressions give Python values, and nothing else; commands get words that mean themselves."""

from __future__ import annotations

import contextlib
import datetime
import json
import math
import subprocess
import sys
import time
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch_nb.graph.expressions import (
    FUNCTIONS,
    ExpressionError,
    command_names,
    evaluate,
    mentions,
    names_in,
    quoted_places,
    render_command,
    scope,
)

FETCH = {"rows": 3, "count": 5, "path": "my file.csv", "items": [1, 2], "load data": 7}
ORDERS = [{"id": 1, "paid": True, "sum": 5}, {"id": 2, "paid": False, "sum": 7}]
VALUES = scope(
    {"fetch": FETCH, "orders": ORDERS, "none": None, "load data": [1]},
    {"day": 4, "regions": ("eu", "us")}, run_id="r1", item="region", index=2, value="eu west",
)  # fmt: skip


# -- what an expression names


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("fetch.rows > 0", {"fetch"}),
        ("a and (b or not c.d[e])", {"a", "b", "c", "e"}),
        ('results["load data"].rows', {"results"}),
        ("item", {"item"}),
        ("größe.x", {"größe"}),
        ("len(fetch) + range(n)[0]", {"fetch", "n"}),
        ("x | map(attribute='y') | list", {"x"}),
        ("{'k': v, w: 1}", {"v", "w"}),
        ("a if b else c", {"a", "b", "c"}),
        ("true and False and none", set()),
        ("'text' ~ 3", set()),
        ("len", {"len"}),
        ("a\n  > 3", {"a"}),
    ],
)
def test_names_are_those_that_something_must_supply(expression, names):
    assert names_in(expression) == names


def test_the_keys_of_results_and_params_are_known_where_they_must_be_there():
    found = mentions("results['a b'] + params.day + params['n'] + results.c + params.x | d(1)")
    assert found.results == {"a b", "c"}
    assert found.params == {"day", "n"}
    assert mentions("params.x is defined").params == set()
    assert mentions("params.day").params == {"day"}


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "The expression is empty"),
        ("  ", "The expression is empty"),
        ("a >", "`a >` is no expression: it ends where something is missing."),
        ("a = 3", "a single `=` sets nothing here. Compare with `==`."),
        ("a == = 3", "`===`"),
        ("a && b", "Write `and`."),
        ("a || b", "Write `or`."),
        ("!a", "Write `not`."),
        ("a ? b : c", "Write x if condition else y."),
        ("$a", "`$` is the shell's"),
        ("(a", "`)` is missing"),
        ("a)", "`)` is not expected there"),
        ("a b", "`b` is not expected there"),
        ("a.", "a name is missing behind `.`"),
        (".a", "`.` is not expected there"),
        ("'abc", "a quote is opened and never closed"),
        ("f'{a}'", "Join texts with `~`."),
        ("[x for x in a]", "it has no loops"),
        ("lambda: 1", "it makes no functions"),
        ("a := 3", "it makes no functions and sets nothing"),
        ("{{ a }}", "it has braces around it. Write a."),
        ("or", "nothing stands before `or`"),
        ("a and and b", "`b` is not expected there"),
        ("a | nope", "there is no filter `nope`"),
        ("a | lenght", "Did you mean `length`?"),
        ("a is nope", "there is no test `nope`"),
        ("a.__class__", "`__class__` is closed to expressions"),
        ("a._x", "`_x` is closed"),
        ("self.x", "`self` is a word of Jinja's, and none here. A task of this name is results[\""),
        ("-" * 1000 + "a", "it is nested too deeply"),
        ("+".join("a" * 900), "it is nested too deeply"),
        ("(" * 500 + "a" + ")" * 500, "it is nested too deeply"),
        ("a" * 3000, "The expression has 3,000 characters"),
    ],
)
def test_what_is_no_expression_is_told_in_words(expression, words):
    with pytest.raises(ExpressionError) as caught:
        names_in(expression)
    assert isinstance(caught.value, ValueError)
    assert words in str(caught.value)
    assert "jinja" not in str(caught.value).lower() or "word of Jinja's" in words
    assert len(str(caught.value)) < 400


# -- what it comes to


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("fetch.rows > 2 and fetch['rows'] < 4", True),
        ("fetch", FETCH),
        ("fetch.count + fetch.items[0]", 6),  # keys, though a dict has methods of these names
        ("fetch['load data']", 7),
        ('results["load data"][0]', 1),
        ("results.fetch.rows", 3),
        ("params.day * 2", 8),
        ("day + index", 6),
        ("region ~ '!'", "eu west!"),
        ("item", "eu west"),
        ("run_id", "r1"),
        ("none is none", True),
        ("orders | selectattr('paid') | map(attribute='id')", [1]),
        ("orders | sum(attribute='sum')", 12),
        ("orders | map(attribute='id') | join('-')", "1-2"),
        ("orders | join(', ', attribute='id')", "1, 2"),
        ("len(orders) == 2 and orders | length == 2", True),
        ("range(3)", [0, 1, 2]),
        ("fetch.values()", list(FETCH.values())),
        ("zip(regions, [1, 2])", [("eu", 1), ("us", 2)]),
        ("fetch.nope is defined", False),
        ("fetch.nope | default(9)", 9),
        ("fetch.path.removesuffix('.csv').upper()", "MY FILE"),
        ("(index | string).zfill(3)", "002"),
        ("'a,b'.split(',')", ["a", "b"]),
        ("'-'.join(regions)", "eu-us"),
        ("fetch.path | replace(' ', '_')", "my_file.csv"),
        ("{'a': [1]} | tojson", '{"a": [1]}'),
        ("2 ** 10 + 7 // 2 % 2", 1025),
        ("'ab' * 2", "abab"),
        ("nope if false else 3", 3),
        ("true or nope", True),
        ("[1, 2][-1]", 2),
        ("orders[0:1]", ORDERS[:1]),
    ],
)
def test_an_expression_gives_a_python_value(expression, value):
    found = evaluate(expression, VALUES)
    assert found == value
    assert type(found) is type(value)


def test_a_result_of_any_name_can_be_used():
    values = scope({"result": 1, "len": 5, "items": [2], "größe": 3}, {})
    assert evaluate("result + len + items[0] + größe", values) == 11
    assert evaluate("len", values) == 5


def test_what_is_common_in_notebooks_can_be_asked():
    sales = pd.DataFrame({"n": [1, 2], "who": ["a", "b"]})
    values = {"sales": sales, "array": np.array([1, 2]), "day": datetime.date(2026, 1, 2)}
    assert evaluate("sales.n.sum() == 3", values)
    assert evaluate("sales | length", values) == 2
    assert evaluate("sales.shape[0]", values) == 2
    assert evaluate("sales.empty", values) is False
    assert evaluate("sales['who'].nunique()", values) == 2
    assert evaluate("array.max()", values) == 2
    assert evaluate("day.isoformat()", values) == "2026-01-02"
    assert evaluate("day.year", values) == 2026


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("fetch.row", "`fetch.row`: a dict has no `row`. Did you mean `rows`?"),
        ("fetch.row > 3", "a dict has no `row`"),
        ("[1, fetch.nope]", "a dict has no `nope`"),
        ("fetc.rows", "nothing here is called `fetc`"),
        ("fetc", "nothing here is called `fetc`"),
        ("none.x", "None has no `x`"),
        ("fetch.rows / 0", "ZeroDivisionError"),
        ("fetch.rows + 'a'", "TypeError: unsupported operand"),
        ("orders[7].id", "a list has no `7`"),
        ("fetch.path.foo()", "a str has no `foo`"),
        ("day()", "`int` may not be called"),
    ],
)
def test_what_goes_wrong_quotes_the_expression_and_says_what_is_missing(expression, words):
    with pytest.raises(ExpressionError) as caught:
        evaluate(expression, VALUES)
    assert str(caught.value).startswith(f"`{expression}`: ")
    assert words in str(caught.value)


# -- what it must not do


class Open:
    """A value whose every method would do harm."""

    rows = 3

    def to_csv(self, path="x"):
        raise AssertionError("it was called")

    def get(self, name):
        raise AssertionError("it was called")

    @classmethod
    def max(cls):
        raise AssertionError("it was called")

    def __call__(self):
        raise AssertionError("it was called")


@pytest.mark.parametrize(
    "expression",
    [
        "value.to_csv()",
        "value.to_csv('/tmp/x')",
        "value.get('x')",
        "value.max()",
        "value()",
        "value.__class__",
        "value['__class__']",
        "value | attr('__class__')",
        "[value] | map(attribute='__class__') | list",
        "''.__class__.__mro__",
        "'{0.__class__}'.format(value)",
        "'%s' % value",
        "'{0}' | format(value)",
        "items.append(1)",
        "items.clear()",
        "frame.to_csv('x')",
        "frame.eval('@x')",
        "frame.query('n > 1')",
        "range.__self__",
        "cycler(1, 2)",
        "lipsum(n=100)",
        "namespace(x=1)",
        "items | random",
        "items | pprint",
        "joiner(',')",
    ],
)
def test_an_expression_looks_and_does_not_touch(expression):
    values = {"value": Open(), "items": [1], "frame": pd.DataFrame({"n": [1]})}
    with pytest.raises(ExpressionError):
        evaluate(expression, values)
    assert values["items"] == [1]


@pytest.mark.parametrize(
    "expression",
    [
        "10 ** (10 ** 10)",
        "2 ** 100000",
        "(2 ** 19000) * (2 ** 19000)",
        "'a' * 1000000000",
        "1000000000 * 'a'",
        "[0] * 1000000000",
        "[[0] * 10000] * 10000",
        "['" + "a" * 200 + "'] * 10000",
        "range(10 ** 9)",
        "'a'.ljust(1000000000)",
        "'a'.zfill(1000000000)",
        "'%1000000000d' % 1",
        "'aaaaaaaaaa'" + ".replace('a', 'aaaaaaaaaa')" * 9,
        "'aaaaaaaaaa'" + " | replace('a', 'aaaaaaaaaa')" * 9,
        "('x' * 10000).join(range(100000) | map('string'))",
        "range(100000) | join('x' * 10000)",
        "range(100000) | map(attribute='n', default='x' * 10000) | map('upper') | list",
        "range(100000) | map(attribute='n', default=range(100000) | list) | map('list') | list",
        "range(100000) | map(attribute='n', default=range(100000) | list) | map('sum') | list",
        "range(100000) | select('in', range(100000) | list) | list",
        "range(100000) | map('replace', '0', 'x' * 10000) | list",
        "'a' | center(1000000000)",
        "'a' | indent(1000000000)",
        "[1] | batch(1000000000, 0) | list",
        "[1] | slice(1000000000) | list",
        "[[1]] | sum(start=[])",
    ],
)
def test_no_expression_eats_the_machine(expression):
    began = time.process_time()
    with pytest.raises(ExpressionError):
        evaluate(expression, {})
    assert time.process_time() - began < 20  # seconds; without the bounds it would not end


@given(
    st.text(
        st.sampled_from("ab.|()[]{}'\" +-*/%~=<>!&,:_0129\n#$@\\;?") | st.characters(), max_size=30
    )
)
def test_any_text_is_an_expression_or_is_told(text):
    with contextlib.suppress(ExpressionError):
        names = names_in(text)
        str(evaluate(text, {"a": {"b": 1}, "b": [1, 2], **dict.fromkeys(names, 3)}))


def test_an_expression_that_only_names_needs_no_jinja():
    code = (
        "import sys\n"
        "from orch_nb.graph.expressions import *\n"
        "from orch_nb.planners.yaml import plan_from_yaml\n"
        "plan_from_yaml('goal: g\\ntasks: {a: {sh: ls, retry: 3}, "
        'b: {sh: "echo {{ a }}", needs: a, when: a, foreach: a}}\')\n'
        "assert evaluate('a', {'a': 3}) == 3\n"
        "assert render_command('echo {{ a }} | cat', {'a': 'x y'}) == \"echo 'x y' | cat\"\n"
        "assert 'jinja2' not in sys.modules\n"
        "assert evaluate('a + 1', {'a': 3}) == 4\n"
        "assert 'jinja2' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_functions_are_those_of_the_sandbox():
    from orch_nb.graph import sandbox

    assert set(sandbox.FUNCTIONS) == FUNCTIONS


# -- commands


@pytest.mark.parametrize(
    ("command", "rendered"),
    [
        ("ls -la", "ls -la"),
        ("gzip {{ fetch.path }} > {{fetch.rows}}.gz", "gzip 'my file.csv' > 3.gz"),
        ("echo {{ [1, 'b c', none, true] }}", "echo 1 'b c' '' true"),
        ("echo {{ {'a': [1, 'x']} }}", """echo '{"a":[1,"x"]}'"""),
        ("echo {{ none }} {{ false }} {{ 2.5 }} {{ -3 }}", "echo '' false 2.5 -3"),
        ("echo {{ fetch.path | unquoted }}", "echo my file.csv"),
        ("echo {{ [1, 'b c'] | unquoted }}", "echo 1 b c"),
        ("echo {{ fetch.path ~ ';' }}", "echo 'my file.csv;'"),
        ("echo {{ (fetch.path | unquoted) ~ ';' }}", "echo 'my file.csv;'"),
        ("echo {{ [] }}.", "echo ."),
        ("echo ${#x} {# not ours #} {{ day }}", "echo ${#x} {# not ours #} 4"),
        ("printf '{%s}\\n' {{ day }}", "printf '{%s}\\n' 4"),
        ("{% raw %}docker ps --format '{{.Names}}'{% endraw %}", "docker ps --format '{{.Names}}'"),
        ("{%- raw -%}{{x}}{%- endraw -%} {{ day }}", "{{x}} 4"),
        ("echo {{ '}}' }} {{ \"{{\" }}", "echo '}}' '{{'"),
        ("a\r\n{{ day }}\r\n", "a\r\n4\r\n"),
        ("echo {{ results['load data'] }}", "echo 1"),
    ],
)
def test_a_command_is_filled_in(command, rendered):
    assert render_command(command, VALUES) == rendered


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (np.float64(1.5), "1.5"),
        (np.int64(3), "3"),
        (np.bool_(True), "true"),
        (np.array([1, 2]), "1 2"),
        (pd.Series(["a b"]), "'a b'"),
        (pd.Timestamp("2026-01-02"), "2026-01-02T00:00:00"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (PurePosixPath("a b"), "'a b'"),
        (b"x", "x"),
        ({1, 2}, "'[1,2]'"),
        (math.inf, "inf"),
        ({"d": datetime.date(2026, 1, 2)}, '\'{"d":"2026-01-02"}\''),
    ],
)
def test_values_of_every_kind_have_a_form(value, word):
    assert render_command("{{ v }}", {"v": value}) == word


@pytest.mark.parametrize("value", [pd.DataFrame({"a": [1]}), object(), print, b"\xff", "a\0b"])
def test_what_has_no_form_in_a_command_is_told(value):
    with pytest.raises(ExpressionError):
        render_command("echo {{ v }}", {"v": value})


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("docker ps --format '{{.Names}}'", "write {% raw %}{{.Names}}{% endraw %}"),
        ("echo {{ a", "`{{ a` is never closed"),
        ("{% if a %}x{% endif %}", "`{% if a %}` means nothing in a command"),
        ("{% raw %}x", "`{% raw %}` is never closed. Close it: {% endraw %}."),
        ("echo {{ a > }}", "`{{ a > }}` is no expression"),
        ("echo {{ }}", "The expression is empty"),
        ("echo {{- a }}", "`{{-` trims nothing here. Write {{ a }}, or {{ -a }}"),
    ],
)
def test_a_command_that_cannot_be_read_says_how(command, words):
    with pytest.raises(ExpressionError) as caught:
        command_names(command)
    assert words in str(caught.value)


def test_the_names_of_a_command_are_those_of_all_its_expressions():
    assert command_names("a {{ b.c }} {{ d + item }} {% raw %}{{ e }}{% endraw %}") == {
        "b", "d", "item",
    }  # fmt: skip
    assert command_names("ls") == set()


def test_a_place_in_quotes_is_told_with_the_way_out():
    (place,) = quoted_places('echo "{{ a }}" {{ a }} "$(cat {{ a }})" "{{ a | unquoted }}"')
    assert place.written == "{{ a }}"
    assert place.where == "in double quotes"
    assert "leave these out" in place.hint


# -- in a real shell

PLACES = [
    ("{{ v }}", "{}"),
    ("pre{{ v }}post", "pre{}post"),
    ('"a$(printf %s {{ v }}; echo x)"', "a{}x"),
    ('x={{ v }}; show "$x"; true', "{}"),
    ("'single'{{ v }}\"double\"", "single{}double"),
    ("${nothing:-{{ v }}}", "{}"),
    ("{{ v }} # it's a comment", "{}"),
    ("$( (printf %s {{ v }}; echo .) )", None),
]


@settings(max_examples=60)
@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=12)
    | st.text(st.sampled_from("'\"`$\\ \n#;&|<>(){}*?~!=a0-"), max_size=8),
    st.sampled_from(PLACES[:5] + PLACES[5:7]),
)
def test_whatever_is_inserted_where_it_may_stand_means_itself(value, place):
    command, expected = place
    assert quoted_places(f"show {command}") == []
    rendered = render_command(f"show {command}", {"v": value})
    if command.startswith("x="):
        rendered = render_command(command, {"v": value})
    script = f'show() {{ {sys.executable} -c {SHOW} "$@"; }}\n{rendered}\n'
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert json.loads(done.stdout) == [expected.format(value)]


SHOW = "'import json, sys; print(json.dumps(sys.argv[1:]))'"


@given(st.text(st.sampled_from("{}%'\"`$\\ \n#;&|<>()ab-*EOF\t"), max_size=40))
def test_any_text_is_a_command_or_is_told(text):
    with contextlib.suppress(ExpressionError):
        for place in quoted_places(text):
            assert place.where
            assert place.hint
        command_names(text)
