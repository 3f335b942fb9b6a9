"""The floors: the least code that performs a DAG, or reads one, in the way that a row asks for.

Each is a generator in three parts. What stands before the first `yield` prepares and is not timed;
what stands between the two is timed; what follows checks that every task ran exactly once and
after what it needs. `body[n]()` is task n: it puts n at the end of a list, and nothing else.
"""

from __future__ import annotations

import asyncio
import graphlib
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

import yaml

from benchmarks import work
from benchmarks.shapes import Shape

__all__ = [
    "Steps", "asyncio_tasks", "graphlib_add", "graphlib_build", "graphlib_loop", "kahn",
    "own_threads", "pool_loop", "prepared_graphlib_loop", "process_pool", "yaml_loader",
]  # fmt: skip

Steps = Iterator[None]


# -- in one thread -------------------------------------------------------------------------------


def kahn(shape: Shape) -> Steps:
    """Kahn's algorithm over integers: counters of what is awaited, a queue of what is ready."""
    order, body = work.recorders(len(shape))
    down, waiting = shape.downstream, [len(needs) for needs in shape.upstream]
    yield
    ready = deque(n for n, count in enumerate(waiting) if not count)
    while ready:
        n = ready.popleft()
        body[n]()
        for other in down[n]:
            waiting[other] -= 1
            if not waiting[other]:
                ready.append(other)
    yield
    shape.check(order)


def _sorter(shape: Shape) -> graphlib.TopologicalSorter[int]:
    sorter: graphlib.TopologicalSorter[int] = graphlib.TopologicalSorter()
    for n, needs in enumerate(shape.upstream):
        sorter.add(n, *needs)
    return sorter


def graphlib_loop(shape: Shape) -> Steps:
    """graphlib's loop: the sorter is made and filled before; prepare(), which looks for cycles, and
    the loop of get_ready(), the call and done() are timed."""
    order, body = work.recorders(len(shape))
    sorter = _sorter(shape)
    yield
    sorter.prepare()
    while sorter.is_active():
        for n in sorter.get_ready():
            body[n]()
            sorter.done(n)
    yield
    shape.check(order)


def prepared_graphlib_loop(shape: Shape) -> Steps:
    """graphlib's loop alone, with prepare() done before."""
    order, body = work.recorders(len(shape))
    sorter = _sorter(shape)
    sorter.prepare()
    yield
    while sorter.is_active():
        for n in sorter.get_ready():
            body[n]()
            sorter.done(n)
    yield
    shape.check(order)


def graphlib_add(shape: Shape) -> Steps:
    """Filling a sorter, which graphlib's loop leaves out."""
    upstream = shape.upstream
    sorter: graphlib.TopologicalSorter[int] = graphlib.TopologicalSorter()
    yield
    for n, needs in enumerate(upstream):
        sorter.add(n, *needs)
    yield
    shape.check(list(sorter.static_order()))


# -- asyncio -------------------------------------------------------------------------------------


def asyncio_tasks(shape: Shape) -> Steps:
    """The 30-line scheduler: an asyncio Task for each task, which starts what it has released."""
    order, body = work.async_recorders(len(shape))
    down, waiting = shape.downstream, [len(needs) for needs in shape.upstream]
    first = [n for n, count in enumerate(waiting) if not count]

    async def perform() -> None:
        loop = asyncio.get_running_loop()
        finished = loop.create_future()
        tasks: set[asyncio.Task[None]] = set()
        left = len(waiting)

        def start(n: int) -> None:
            task = loop.create_task(one(n))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        async def one(n: int) -> None:
            nonlocal left
            try:
                await body[n]()
            except BaseException as error:
                if not finished.done():
                    finished.set_exception(error)
                raise
            for other in down[n]:
                waiting[other] -= 1
                if not waiting[other]:
                    start(other)
            left -= 1
            if not left:
                finished.set_result(None)

        for n in first:
            start(n)
        await finished

    yield
    asyncio.run(perform())
    yield
    shape.check(order)


# -- threads and processes -----------------------------------------------------------------------


def own_threads(shape: Shape) -> Steps:
    """Threads of one's own: who finishes a task releases its successors, keeps the first of them
    for itself and queues the others. One lock, taken once a task.
    """
    order, body = work.recorders(len(shape))
    down, waiting = shape.downstream, [len(needs) for needs in shape.upstream]
    first = [n for n, count in enumerate(waiting) if not count]
    left = len(shape)
    ready: queue.SimpleQueue[int | None] = queue.SimpleQueue()
    lock = threading.Lock()

    def perform() -> None:
        nonlocal left
        while (n := ready.get()) is not None:
            kept: int | None = n
            while kept is not None:
                n, kept = kept, None
                body[n]()
                with lock:
                    left -= 1
                    for other in down[n]:
                        waiting[other] -= 1
                        if not waiting[other]:
                            if kept is None:
                                kept = other
                            else:
                                ready.put(other)
            if not left:
                break
        ready.put(None)  # for the next thread, which ends too

    yield
    for n in first:
        ready.put(n)
    threads = [threading.Thread(target=perform) for _ in range(work.THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    yield
    shape.check(order)


def process_pool(shape: Shape) -> Steps:
    """ProcessPoolExecutor driven by graphlib, from the pool's start to its end."""
    return pool_loop(shape, lambda: ProcessPoolExecutor(work.PROCESSES))


def pool_loop(shape: Shape, make: Callable[[], Any]) -> Steps:
    """Any pool with submit(), driven by graphlib: a Future a task, its callback into one queue."""
    sorter = _sorter(shape)
    ended: queue.SimpleQueue[tuple[int, Future[None]]] = queue.SimpleQueue()

    def submit(pool: Any, n: int) -> None:
        pool.submit(work.stamp, n).add_done_callback(lambda done: ended.put((n, done)))

    with work.stamps(len(shape)) as stamps:
        yield
        sorter.prepare()
        with make() as pool:
            while sorter.is_active():
                for n in sorter.get_ready():
                    submit(pool, n)
                n, future = ended.get()
                future.result()
                sorter.done(n)
        yield
        stamps.check(shape)


# -- building and checking -----------------------------------------------------------------------


def graphlib_build(shape: Shape) -> Steps:
    """add() for each task, by name, and prepare(), which looks for cycles."""
    plan = list(zip(shape.ids, shape.needs, strict=True))
    yield
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for task, needs in plan:
        sorter.add(task, *needs)
    sorter.prepare()
    yield
    assert len(sorter.get_ready()) == shape.upstream.count(())


def yaml_loader(shape: Shape) -> Steps:
    """PyYAML's C loader on the text of the same plan, unchecked and without lines."""
    text = work.document(shape)
    yield
    found = yaml.load(text, yaml.CSafeLoader)
    yield
    assert list(found["tasks"]) == shape.ids
