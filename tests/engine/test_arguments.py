"""What a function is called with: by name from `with`, needs and params; all it needs by stars."""

from __future__ import annotations

import pytest

from orch_nb.engine.arguments import arguments

RESULTS = {"a": 1, "b": 2, "c": 3}


def call(function, needs=(), with_=None, params=None):
    args, kwargs = arguments(function, needs, RESULTS, params or {}, with_ or {}, {})
    return function(*args, **kwargs)


def test_a_parameter_takes_the_result_of_the_need_of_its_name():
    assert call(lambda a, b: (a, b), ("a", "b")) == (1, 2)
    assert call(lambda b, a: (a, b), ("a", "b")) == (1, 2)


def test_with_comes_before_needs_before_params():
    params = {"a": "param", "p": "param"}
    assert call(lambda a, p: (a, p), ("a",), params=params) == (1, "param")
    assert call(lambda a, p: (a, p), ("a",), {"a": 9, "p": 8}, params) == (9, 8)


def test_a_need_that_no_parameter_names_is_only_an_order():
    assert call(lambda a: a, ("a", "b")) == 1
    assert call(lambda: "x", ("a", "b")) == "x"


def test_a_default_stands_where_nothing_supplies():
    assert call(lambda a, z=7: (a, z), ("a",)) == (1, 7)
    assert call(lambda a, z=7: (a, z), ("a",), params={"z": 0}) == (1, 0)


def test_a_star_takes_all_results_in_the_order_of_needs():
    assert call(lambda *upstream: upstream, ("c", "a", "b")) == (3, 1, 2)
    assert call(lambda *upstream: upstream) == ()


def test_before_a_star_a_named_one_comes_by_position_and_once():
    assert call(lambda a, *rest: (a, rest), ("c", "a", "b")) == (1, (3, 2))


def test_after_a_star_a_keyword_still_comes_by_name():
    assert call(lambda *rest, a: (a, rest), ("c", "a", "b")) == (1, (3, 2))
    assert call(lambda *rest, p=0: (p, rest), ("a",), params={"p": 5}) == (5, (1,))
    assert call(lambda b, *rest, a: (b, a, rest), ("c", "a", "b")) == (2, 1, (3,))


def test_two_stars_take_all_results_by_id_and_the_rest_of_with():
    assert call(lambda **upstream: upstream, ("a", "b"), {"x": 9}) == {"a": 1, "b": 2, "x": 9}
    assert call(lambda a, **rest: (a, rest), ("a", "b")) == (1, {"b": 2})


def test_positional_only_parameters_are_passed_by_position():
    def function(a, /, b):
        return a, b

    assert call(function, ("a", "b")) == (1, 2)


def test_a_positional_only_default_is_not_shifted():
    def function(x=5, a=6, /, *, b):
        return x, a, b

    # x has no source: a must not slip into its place.
    assert call(function, ("a", "b")) == (5, 1, 2)


def test_a_default_before_a_star_is_not_shifted():
    assert call(lambda x=5, *rest: (x, rest), ("a", "b")) == (5, (1, 2))


def test_a_method_and_a_callable_object_are_called_like_functions():
    class Thing:
        def method(self, a):
            return a

        def __call__(self, b):
            return b

    assert call(Thing().method, ("a",)) == 1
    assert call(Thing(), ("b",)) == 2


def test_a_result_that_cannot_be_had_is_a_lookup_error():
    with pytest.raises(LookupError, match="z"):
        arguments(lambda z: z, ("z",), RESULTS, {}, {}, {})
