"""The peers: what people use today, each fed the same shapes in the way its documentation says.

Generators in three parts, as in `floors`. A peer that passes results on gets tasks that take the
results of what they need; each is imported on use, and the row of one that is not installed says
how to get it.
"""

from __future__ import annotations

import asyncio
import importlib
import operator
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypedDict

from benchmarks import work
from benchmarks.floors import Steps, pool_loop
from benchmarks.shapes import Shape

__all__ = [
    "dask_get", "dask_threaded", "hamilton", "hamilton_build", "langgraph", "loky_pool",
]  # fmt: skip


# -- Dask ----------------------------------------------------------------------------------------


def _dask(shape: Shape, module: str, **options: Any) -> Steps:
    """A Dask graph is a dict of tuples, its keys standing for results; the sinks are asked for."""
    get = importlib.import_module(module).get
    order, body = work.taking_recorders(len(shape))
    graph = {n: (body[n], *needs) for n, needs in enumerate(shape.upstream)}
    yield
    get(graph, shape.sinks, **options)
    yield
    shape.check(order)


def dask_threaded(shape: Shape) -> Steps:
    """`dask.threaded.get` with as many threads as the floor has."""
    return _dask(shape, "dask.threaded", num_workers=work.THREADS)


def dask_get(shape: Shape) -> Steps:
    """`dask.get`, Dask's synchronous scheduler."""
    return _dask(shape, "dask")


# -- Hamilton ------------------------------------------------------------------------------------


def _functions(shape: Shape) -> str:
    """A module with a function a task, whose parameters are named after what it needs."""
    return "\n".join(
        f"def t{n}({', '.join(f't{other}: int' for other in needs)}) -> int:\n"
        f"    record({n})\n"
        f"    return 0"
        for n, needs in enumerate(shape.upstream)
    )


def _hamilton_module(shape: Shape) -> tuple[list[int], Any]:
    sys.setrecursionlimit(1_000_000)  # it descends into its graph, a few calls a task
    order: list[int] = []
    module = importlib.import_module("hamilton.ad_hoc_utils").create_module(_functions(shape))
    module.record = order.append
    return order, module


def hamilton(shape: Shape) -> Steps:
    """`Driver.execute` of the sinks; the driver is built before."""
    order, module = _hamilton_module(shape)
    driver = importlib.import_module("hamilton.driver").Builder().with_modules(module).build()
    wanted = [f"t{n}" for n in shape.sinks]
    yield
    driver.execute(wanted)
    yield
    shape.check(order)


def hamilton_build(shape: Shape) -> Steps:
    """`Builder.build()` from a module of functions that exists already."""
    _, module = _hamilton_module(shape)
    builder = importlib.import_module("hamilton.driver").Builder().with_modules(module)
    yield
    driver = builder.build()
    yield
    assert len(driver.list_available_variables()) == len(shape)


# -- LangGraph -----------------------------------------------------------------------------------


class _State(TypedDict):
    total: Annotated[int, operator.add]


def langgraph(shape: Shape) -> Steps:
    """`ainvoke` of a StateGraph of async nodes; it is compiled before."""
    graphs = importlib.import_module("langgraph.graph")
    order: list[int] = []

    def node(n: int) -> Callable[[_State], Coroutine[Any, Any, dict[str, Any]]]:
        async def record(state: _State) -> dict[str, Any]:  # noqa: ARG001  # it is handed in
            order.append(n)
            return {}

        return record

    graph = graphs.StateGraph(_State)
    for n, task in enumerate(shape.ids):
        graph.add_node(task, node(n))
    for task, needs in zip(shape.ids, shape.needs, strict=True):
        graph.add_edge(needs if len(needs) > 1 else [*needs, graphs.START][0], task)
    for n in shape.sinks:
        graph.add_edge(shape.ids[n], graphs.END)
    compiled = graph.compile()
    yield
    asyncio.run(compiled.ainvoke({"total": 0}, {"recursion_limit": len(shape) + 10}))
    yield
    shape.check(order)


# -- loky ----------------------------------------------------------------------------------------


def loky_pool(shape: Shape) -> Steps:
    """loky's pool, driven as ProcessPoolExecutor is."""
    loky = importlib.import_module("loky")
    return pool_loop(shape, lambda: loky.ProcessPoolExecutor(work.PROCESSES))
