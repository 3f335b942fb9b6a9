"""Results: JSON where that loses nothing, else a pickle, else not at all; a preview of anything."""

from __future__ import annotations

import datetime
import json
import math
import os
import subprocess
import sys
import time

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("value", [1, "é", [1, [2.5, None]], {"a": {"b": [True]}}, -0.0, [], ""])
def test_plain_values_are_json_that_anybody_can_read(value):
    ref, blob = store(value)
    assert ref.format == "json"
    assert json.loads(blob.data) == value


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


def test_equal_values_have_one_hash():
    assert store([1, 2])[0].hash == store([1, 2])[0].hash != store([1, 3])[0].hash


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
