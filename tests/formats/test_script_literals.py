"""The literals of a JavaScript file are read, its code is not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.formats.script_literals import Code, ScriptError, arguments

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False, width=32),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def read(text, called="make"):
    return [found for found, _ in arguments(text, called)]


@given(st.dictionaries(st.text().filter(lambda key: key != "..."), values, max_size=4))
def test_whatever_json_says_is_read_as_json_reads_it(value):
    assert read(f"make({json.dumps(value)});") == [[value]]
    assert read(f"make({json.dumps(value, ensure_ascii=False, indent=2)})") == [[value]]


def test_the_ways_of_javascript_to_write_the_same():
    text = """
    import { make } from 'lib' // make({no: 1})
    /* make({no: 2}) */ const note = "make({no: 3})";
    const shared = { retry: 3, } as const, other = 1;
    const id: Id = 'x';
    export const it = make<Types>({
      bare: 'single', "quoted": "double\\n", 12: `back`, [id]: 0x1F, shared, // trailing
      ...shared, neg: -1.5, many: [1, , 'two',], ok: true, no: null, un: undefined,
      cast: { a: 1 } satisfies Thing, known: id,
      run: async ({ context }) => { if (/[}"]/.test(x)) return "}"; }, method(a, b) { return {}; },
      async other() { return 1 }, call: assign({ n: 1 }), sum: 1 + 2, t: `a${b}`, later: unknown,
    });
    """
    ((found,),) = read(text)
    assert {key: value for key, value in found.items() if not isinstance(value, Code)} == {
        "bare": "single", "quoted": "double\n", "12": "back", "x": 31, "shared": {"retry": 3},
        "retry": 3, "neg": -1.5, "many": [1, "two"], "ok": True, "no": None, "un": None,
        "cast": {"a": 1}, "known": "x",
    }  # fmt: skip
    code = {key: value.text for key, value in found.items() if isinstance(value, Code)}
    assert set(code) == {"run", "method", "other", "call", "sum", "t", "later"}
    assert [code[key] for key in ("call", "sum", "t", "later")] == [
        "assign({ n: 1 })", "1 + 2", "`a${b}`", "unknown",
    ]  # fmt: skip
    assert found["call"].line == 11


def test_what_is_spread_and_is_no_literal_is_told():
    ((found,),) = read("make({...rest(), a: 1})")
    assert found["a"] == 1
    assert [str(code) for code in found["..."]] == ["rest()"]


@pytest.mark.parametrize(
    "text", ["make({a: 1", "make([1, 2", "make({a: (]})", "make({%: 1})", "make([)", "make({a: ]"]
)
def test_what_is_broken_says_its_line(text):
    with pytest.raises(ScriptError, match="line 2"):
        read("\n" + text)


def test_it_is_not_nested_without_end():
    with pytest.raises(ScriptError, match="nested too deep"):
        read("make(" + "[" * 100_000)


@given(st.text(alphabet="make({[]}),:'\"`/*\n a1.$=>\\", max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        read("make({" + text)
    except ScriptError as error:
        assert "line" in str(error)  # noqa: PT017 (it need not be raised)
