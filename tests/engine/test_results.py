"""Results: JSON where that loses nothing, else a pickle, else not at all; a preview of anything."""

from __future__ import annotations

import datetime
import json
import math
import os
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.engine import results
from orch_nb.engine.results import preview, restore, store
from orch_nb.model.event import ResultRef, encode_event
from orch_nb.model.event import Waiting as AnyEvent


def again(value):
    ref, blob = store(value)
    return restore(ref, None if blob is None else blob.data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
ANY = st.recursive(
    JSON | st.binary() | st.dates() | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.tuples(inner, inner)
        | st.lists(inner, max_size=3)
        | st.dictionaries(st.integers() | st.text(), inner, max_size=3)
    ),
    max_leaves=12,
)


def same(one, other):
    """Equal, of the same types all the way down, NaN being NaN."""
    if type(one) is not type(other):
        return False
    if isinstance(one, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[k], other[k]) for k in one)
    return one == other


@given(ANY)
def test_what_is_stored_comes_back_equal_and_of_the_same_types(value):
    assert same(again(value), value)


PLAIN = [1, "é", [1, [2.5, None]], {"a": {"b": [True]}}, -0.0, [], "", '"', -(2**63), True, {}]


@pytest.mark.parametrize("value", PLAIN)
def test_a_few_characters_of_json_stand_in_the_reference(value):
    ref, blob = store(value)
    assert (ref.format, blob) == ("json", None)
    assert same(json.loads(ref.hash.removeprefix("=")), value)
    assert same(restore(ref, None), value)


@pytest.mark.parametrize("value", PLAIN)
def test_plain_values_are_json_that_anybody_can_read(value):
    ref, blob = store([value] * 100 if not isinstance(value, (list, dict)) else {"x" * 200: value})
    assert ref.format == "json"
    assert ref.size == len(blob.data)
    assert value in (json.loads(blob.data)[0:1] if blob.data[:1] == b"[" else [value])


@pytest.mark.parametrize("many", [2**63, 10**300, 1.5, "x", "\udcff", True, None, [1], {"a": 1}])
def test_long_lists_are_json_of_the_same_values_and_types(many):
    value = [json.loads(json.dumps(many)) for _ in range(200)]
    ref, _ = store(value)
    assert ref.format == "json"
    assert same(again(value), value)


@pytest.mark.parametrize(
    "odd", [10**400, math.nan, math.inf, (1,), {1: 2}, type("I", (int,), {})(1)]
)
def test_one_value_in_a_long_list_that_json_would_change_has_it_pickled(odd):
    value = [0.5 if isinstance(odd, float) else 1] * 200
    assert store([*value, odd])[0].format == "pickle"


@pytest.mark.parametrize(
    "value",
    [
        (1, 2), [(1,)], {1: "a"}, {"a": {2, 3}}, math.nan, [math.inf], b"x", 1j,
        datetime.date(2026, 1, 1), datetime.timedelta(1), type("S", (str,), {})("x"), 10**5000,
        lambda: 1, object,
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_json_would_change_or_lose_is_pickled(value):
    assert store(value)[0].format == "pickle"


def test_a_number_of_thousands_of_digits_comes_back():
    assert again(10**5000) == 10**5000
    assert again(-(10**5000)) == -(10**5000)


def test_a_lambda_and_a_class_made_here_come_back():
    factor = 3
    assert again(lambda x: x * factor)(2) == 6

    class Here:
        def __init__(self):
            self.x = 1

    assert again(Here()).x == 1


def test_a_frame_comes_back_and_its_preview_says_shape_and_columns():
    frame = pd.DataFrame({"species": ["a", "b"], "mass": [1.5, None]})
    ref, _ = store(frame)
    assert ref.preview == "DataFrame 2 × 2: species, mass"
    pd.testing.assert_frame_equal(again(frame), frame)


def test_none_takes_no_room():
    assert store(None) == (ResultRef(), None)
    assert restore(ResultRef(), None) is None


@pytest.mark.parametrize("longer", [1, 1000])
def test_equal_values_have_one_hash(longer):
    one, other = [1, 2] * longer, [1, 3] * longer
    assert store(one)[0].hash == store(list(one))[0].hash != store(other)[0].hash


def test_one_and_true_and_one_as_text_have_three_hashes():
    assert len({store(value)[0].hash for value in (1, True, "1", 1.0, "true")}) == 5


class Unpicklable:
    def __reduce__(self):
        raise RuntimeError("not me")


@pytest.mark.parametrize(
    ("value", "reason"),
    [((n for n in range(3)), "generator"), (Unpicklable(), "not me"), ([Unpicklable()], "not me")],
)
def test_what_cannot_be_kept_is_unstored_with_the_reason(value, reason):
    ref, blob = store(value)
    assert (ref.format, blob) == ("unstored", None)
    assert reason in ref.reason
    with pytest.raises(LookupError, match=reason):
        restore(ref, None)


def test_what_is_larger_than_a_journal_can_hold_is_unstored(monkeypatch):
    monkeypatch.setattr(results, "_LARGEST", 1000)
    assert store(b"x" * 900)[0].format == "pickle"
    ref, blob = store(b"x" * 1001)
    assert (ref.format, blob) == ("unstored", None)
    assert "a journal holds 1,000 of one result" in ref.reason


def test_a_value_that_contains_itself_is_kept():
    loop = [1]
    loop.append(loop)
    back = again(loop)
    assert back[1] is back


def test_a_class_of_a_script_that_is_gone_is_kept_by_value(tmp_path):
    code = (
        "import sys\n"
        "from orch_nb.engine.results import store\n"
        "class Mine:\n    size = 7\n"
        "ref, blob = store(Mine())\n"
        "sys.stdout.buffer.write(blob.data)\n"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert restore(ResultRef(format="pickle", hash="h"), made.stdout).size == 7


def test_what_another_process_can_name_is_pickled_without_cloudpickle(tmp_path):
    code = (
        "import sys, datetime, decimal, pathlib\n"
        "from orch_nb.engine.results import store\n"
        "for value in [(1, 2), datetime.date(2026, 1, 1), decimal.Decimal(1), pathlib.Path('x'),"
        " {1, 2}, b'x', range(3), len, datetime.date, 10**5000]:\n"
        "    assert store(value)[0].format == 'pickle', value\n"
        "assert 'cloudpickle' not in sys.modules\n"
        "assert store(lambda: 1)[0].format == 'pickle'\n"
        "assert 'cloudpickle' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_arrays_and_frames_come_back():
    array = np.arange(1000.0).reshape(10, 100)
    np.testing.assert_array_equal(again(array), array)
    series = pd.Series(["a", None, (1, 2)], index=[3, 2, 1], name="s")
    pd.testing.assert_series_equal(again(series), series)
    assert store(array)[0].hash == store(array.copy())[0].hash


def test_functions_of_a_script_in_a_frame_are_taken_along(tmp_path):
    code = (
        "import sys, pandas\n"
        "from orch_nb.engine.results import store\n"
        "class Mine:\n    size = 7\n"
        "ref, blob = store(pandas.DataFrame({'a': [Mine(), lambda: 8]}))\n"
        "sys.stdout.buffer.write(blob.data)\n"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    frame = restore(ResultRef(format="pickle", hash="h"), made.stdout)
    assert (frame["a"][0].size, frame["a"][1]()) == (7, 8)


def test_modules_that_the_person_wants_taken_along_are(tmp_path, monkeypatch):
    (tmp_path / "mine_alone.py").write_text("class Mine:\n    size = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    import cloudpickle
    import mine_alone

    by_name = store(mine_alone.Mine())[0].size
    cloudpickle.register_pickle_by_value(mine_alone)
    try:
        assert store(mine_alone.Mine())[0].size > by_name
    finally:
        cloudpickle.unregister_pickle_by_value(mine_alone)


def test_a_pickle_that_cannot_be_read_here_is_a_lookup_error():
    with pytest.raises(LookupError, match="cannot be read here"):
        restore(ResultRef(format="pickle", hash="h"), b"cno_such_module\nThing\n.")


# -- previews


class Hostile:
    """Everything that a preview looks at raises."""

    def __init__(self, name, raised=ValueError):
        self.name, self.raised = name, raised

    def __getattribute__(self, name):
        if name == object.__getattribute__(self, "name"):
            raise object.__getattribute__(self, "raised")("no")
        return object.__getattribute__(self, name)

    def __repr__(self):
        raise TypeError("no repr")


class Mute:
    def __repr__(self):
        return "x".no_such_thing


class Frameless:
    shape = (3,)
    columns = None


class Columnless:
    shape = (3, 4)

    @property
    def columns(self):
        raise OSError("gone")


@pytest.mark.parametrize(
    "value",
    [
        Hostile("shape"), Hostile("columns"), Hostile(""), Hostile("shape", RecursionError),
        Frameless(), Columnless(), type("R", (), {"__repr__": lambda self: 3})(), 10**5000,
        "\udcff", ["\udcff"], "x" * 10**7, list(range(10**6)), {n: n for n in range(10**5)},
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_preview_never_raises_is_bounded_and_can_be_journaled(value):
    begun = time.monotonic()
    text = preview(value)
    assert time.monotonic() - begun < 2
    assert len(text) <= 240
    encode_event(AnyEvent(at=0.0, task="t", prompt=text))


def test_a_result_with_the_name_of_a_file_that_is_no_utf8_is_kept():
    name = os.fsdecode(b"caf\xe9")
    assert again([name]) == [name]
    encode_event(AnyEvent(at=0.0, task="t", prompt=store([name])[0].preview))


def test_a_preview_is_one_line():
    assert preview("a\n\n  b\tc") == "a b c"


def test_a_repr_that_raises_is_told():
    # reprlib has a text of its own for it; what even that cannot do is told by us.
    assert preview(Mute()).startswith("<Mute instance at")
    assert preview(Columnless()) == "<Columnless, whose repr raises OSError>"


def test_a_list_that_stands_in_two_places_stays_one_and_costs_no_time():
    nested = []
    for _ in range(60):  # as JSON it would have 2 ** 60 lists
        nested = [nested, nested]
    ref, blob = store(nested)
    assert ref.format == "pickle"
    back = restore(ref, blob.data)
    assert back[0] is back[1]
