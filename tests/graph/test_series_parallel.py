"""An order is taken apart into series and parallels, or four of its tasks show why it cannot be."""

from __future__ import annotations

import itertools
import time

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch_nb.graph.series_parallel import N, Parallel, Series, decomposed


@st.composite
def graphs(draw, most=9):
    size = draw(st.integers(1, most))
    return {
        f"t{n}": tuple(
            f"t{o}"
            for o in sorted(draw(st.sets(st.sampled_from(range(n)), max_size=3)) if n else ())
        )
        for n in range(size)
    }


@st.composite
def pieces(draw, most=12):
    """A nest of series and parallels, with the needs that say it."""
    count = itertools.count()
    edges = {}

    def make(depth):
        if depth == 0 or draw(st.integers(0, 3)) == 0 or len(edges) > most:
            name = f"t{next(count)}"
            edges[name] = ()
            return {name}, {name}
        made = [make(depth - 1) for _ in range(draw(st.integers(2, 3)))]
        if draw(st.booleans()):
            return set().union(*(m[0] for m in made)), set().union(*(m[1] for m in made))
        for (_, ends), (begins, _) in itertools.pairwise(made):
            for begin in begins:
                edges[begin] = (*edges[begin], *sorted(ends))
        return made[0][0], made[-1][1]

    make(draw(st.integers(0, 4)))
    return edges


def pairs(edges):
    """Every (before, after) of the order, by networkx."""
    graph = nx.DiGraph()
    graph.add_nodes_from(edges)
    graph.add_edges_from((o, n) for n, others in edges.items() for o in others)
    return graph, set(nx.transitive_closure_dag(graph).edges)


def told(piece):
    """The tasks of a piece, and every (before, after) that it says."""
    if isinstance(piece, str):
        return {piece}, set()
    parts = [told(part) for part in piece.parts]
    found = set().union(*(p[1] for p in parts))
    if isinstance(piece, Series):
        for one, other in itertools.combinations(parts, 2):
            found |= set(itertools.product(one[0], other[0]))
    return set().union(*(p[0] for p in parts)), found


def is_n(n, before):
    among = {p for p in itertools.permutations((n.a, n.b, n.c, n.d), 2) if p in before}
    return among == {(n.a, n.c), (n.b, n.c), (n.b, n.d)}


def has_n(edges, before):
    return any(is_n(N(*four), before) for four in itertools.permutations(edges, 4))


def nested_well(piece):
    if isinstance(piece, str):
        return True
    kind = type(piece)
    return len(piece.parts) > 1 and all(
        not isinstance(part, kind) and nested_well(part) for part in piece.parts
    )


@settings(max_examples=400)
@given(graphs(most=8))
def test_it_is_taken_apart_exactly_if_no_four_tasks_make_an_n(edges):
    _, before = pairs(edges)
    found = decomposed(edges)
    if isinstance(found, N):
        assert is_n(found, before)
    else:
        assert told(found) == (set(edges), before)
        assert nested_well(found)
        assert not has_n(edges, before)


@settings(max_examples=200)
@given(graphs(most=30))
def test_of_larger_ones_the_proof_holds_either_way(edges):
    _, before = pairs(edges)
    found = decomposed(edges)
    if isinstance(found, N):
        assert is_n(found, before)
    else:
        assert told(found) == (set(edges), before)


@settings(max_examples=200)
@given(pieces())
def test_what_was_put_together_so_is_taken_apart(edges):
    graph, before = pairs(edges)
    found = decomposed(edges)
    assert not isinstance(found, N)
    assert told(found) == (set(edges), before)
    # Needs that follow from others change nothing, nor does leaving them out.
    least = nx.transitive_reduction(graph)
    assert told(decomposed({n: tuple(least.predecessors(n)) for n in edges}))[1] == before
    far = {n: tuple(sorted(o for o, m in before if m == n)) for n in edges}
    assert told(decomposed(far))[1] == before


@pytest.mark.parametrize(
    ("edges", "piece"),
    [
        ({}, None),
        ({"a": ()}, "a"),
        ({"a": (), "b": ("a",)}, Series(("a", "b"))),
        ({"a": (), "b": ()}, Parallel(("a", "b"))),
        (
            {"a": (), "b": ("a",), "c": ("a",), "d": ("b", "c")},
            Series(("a", Parallel(("b", "c")), "d")),
        ),
        ({"a": (), "b": (), "c": ("a", "b"), "d": ("b",)}, N("a", "b", "c", "d")),
    ],
)
def test_small_ones_by_example(edges, piece):
    assert decomposed(edges) == piece


def test_thousands_of_tasks_take_no_time_and_deep_nests_no_stack():
    chain = {f"t{n}": (f"t{n - 1}",) if n else () for n in range(20_000)}
    deep = {"t0": ()}
    for n in range(1, 300):  # t0 beside nothing, then ever one more in series and one beside it
        deep[f"s{n}"] = ()
        deep[f"t{n}"] = (f"s{n}", f"t{n - 1}")
    wide = {"last": tuple(f"w{n}" for n in range(20_000)), **{f"w{n}": () for n in range(20_000)}}
    begun = time.process_time()
    assert len(decomposed(chain).parts) == 20_000
    assert isinstance(decomposed(deep), Series)
    assert isinstance(decomposed(wide), Series)
    assert isinstance(decomposed({**chain, "x": (), "y": ("x", "t9000")}), N)
    assert time.process_time() - begun < 30
