"""What is compared with what, on which shapes, and how much more it may cost.

A `Group` is one table: contenders are its rows, shapes its columns, and each `Target` a line below
them that divides one row by another, or one column by another, or reads a row as it stands.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

__all__ = ["GROUPS", "MILLION", "Contender", "Group", "Target", "groups"]

CHAIN, FAN, LAYERED = "chain:1000", "fan:10000", "layered:10000"
LARGE, GRID, MILLION = "layered:100000", "grid:10000", "layered:1000000"
ALL = (CHAIN, FAN, LAYERED, LARGE, GRID)
WIDE = (FAN, LAYERED, LARGE, GRID)


class Contender(msgspec.Struct, frozen=True):
    """A row: `make` is `module:generator` of this folder.

    `package` has to be installed, by `pip install` of `requirement`. Shapes of more than `most`
    tasks are left out, since the peer would take minutes; `once`: measured in one round only.
    `wall`: a second row tells the time by the clock.
    """

    make: str
    label: str
    package: str = ""
    requirement: str = ""
    most: int = 10_000_000
    once: bool = False
    wall: bool = False

    @property
    def missing(self) -> str:
        """How to get what is not installed; empty if nothing is missing."""
        if not self.package or importlib.util.find_spec(self.package) is not None:
            return ""
        return f"pip install {self.requirement or self.package}"


class Target(msgspec.Struct, frozen=True):
    """`ours` divided by `floor` (two rows), or by its own column `base`, or with neither as it is,
    is at most `at_most`. `shapes` empty: all of the group."""

    ours: str
    at_most: float
    floor: str = ""
    base: str = ""
    shapes: tuple[str, ...] = ()


class Group(msgspec.Struct, frozen=True):
    """One table. `unit` is "us" (normalised microseconds of CPU a task) or "kb" (kilobytes a task
    by which the peak of memory grew)."""

    name: str
    title: str
    shapes: tuple[str, ...]
    contenders: tuple[Contender, ...]
    targets: tuple[Target, ...]
    unit: str = "us"
    note: str = ""

    @property
    def memory(self) -> bool:
        return self.unit == "kb"


def dask(make: str, label: str, most: int = 10_000) -> Contender:
    return Contender(make, label, "dask", "dask", most=most, once=True)


def hamilton(make: str, label: str) -> Contender:
    return Contender(make, label, "hamilton", "apache-hamilton", most=10_000, once=True)


GRAPHLIB = Contender("floors:graphlib_loop", "graphlib's loop")
KAHN = Contender("floors:kahn", "Kahn's algorithm")
INLINE = Contender("ours:inline", "orch_nb, inline", wall=True)

GROUPS = (
    Group(
        "sync", "Sync functions, inline", ALL,
        (
            KAHN,
            GRAPHLIB,
            Contender("floors:prepared_graphlib_loop", "  without its prepare()"),
            Contender("floors:graphlib_add", "  its add(), which is not in it"),
            dask("peers:dask_get", "dask.get"),
            hamilton("peers:hamilton", "Hamilton"),
            INLINE,
            Contender("ours:inline_own", "orch_nb, a function of its own each"),
        ),
        (
            Target("ours:inline", 3.0, "floors:graphlib_loop"),
            Target("ours:inline_own", 3.0, "floors:graphlib_loop"),
        ),
        note="graphlib's loop: a sorter that was made and filled before; prepare() and the loop of "
        "get_ready(), the call, done(). orch_nb: execute() of a plan that was made and checked "
        "before.",
    ),
    Group(
        "async", "Async functions", ALL,
        (
            Contender("floors:asyncio_tasks", "asyncio, 30 lines, a Task each"),
            Contender(
                "peers:langgraph", "LangGraph", "langgraph", "langgraph", most=1000, once=True
            ),
            Contender("ours:coroutines", "orch_nb, async functions", wall=True),
        ),
        (Target("ours:coroutines", 1.5, "floors:asyncio_tasks"),),
    ),
    Group(
        "threads", "Sync functions in 4 threads, wide shapes", WIDE,
        (
            Contender("floors:own_threads", "own threads"),
            dask("peers:dask_threaded", "dask.threaded"),
            Contender("ours:threads", "orch_nb, threads", wall=True),
        ),
        (
            Target("ours:threads", 4.0, "floors:own_threads"),
            Target("ours:threads", 0.1, "peers:dask_threaded"),
        ),
        note="Own threads: who finishes a task releases its successors, keeps one, queues the "
        "others.",
    ),
    Group(
        "sqlite", "A SQLite journal, committed before dependents start", ALL,
        (
            Contender("journals:durable", "bare durable floor", wall=True),
            Contender("journals:durable_json", "  with a JSON body a row"),
            Contender("ours:file_inline", "orch_nb, inline", wall=True),
            Contender("ours:file_threads", "orch_nb, threads", wall=True),
        ),
        (
            Target("ours:file_inline", 2.0, "journals:durable", shapes=WIDE),
            Target("ours:file_inline", 1.5, "journals:durable", shapes=(CHAIN,)),
            Target("ours:file_threads", 2.0, "journals:durable", shapes=WIDE),
            Target("ours:file_threads", 1.5, "journals:durable", shapes=(CHAIN,)),
            Target("ours:file_inline", 2.0, "journals:durable_json", shapes=WIDE),
            Target("ours:file_inline", 1.5, "journals:durable_json", shapes=(CHAIN,)),
        ),
        note="The floor: Kahn's algorithm a batch at a time, one row of plain columns a finished "
        "task, executemany, a commit, and then the release. WAL, synchronous=NORMAL, both.",
    ),
    Group(
        "processes", "Sync functions in 2 processes", (CHAIN, FAN, LAYERED, GRID),
        (
            Contender("floors:process_pool", "ProcessPoolExecutor and graphlib", wall=True),
            Contender("peers:loky_pool", "loky and graphlib", "loky", once=True),
            Contender("ours:processes", "orch_nb, processes", wall=True),
            Contender("ours:processes_own", "orch_nb, a function of its own each"),
        ),
        (
            Target("ours:processes", 0.1, "floors:process_pool", shapes=(FAN, LAYERED, GRID)),
            Target("ours:processes", 0.7, "floors:process_pool", shapes=(CHAIN,)),
        ),
        note="The start and the end of the pool are counted for all, and so is the CPU of the "
        "children.",
    ),
    Group(
        "growth", "Growth: the same shape, larger", (LAYERED, LARGE),
        (
            KAHN,
            GRAPHLIB,
            Contender("ours:inline", "orch_nb, inline"),
            Contender("ours:threads", "orch_nb, threads"),
            Contender("ours:file_inline", "orch_nb, inline, SQLite"),
        ),
        (
            Target("ours:inline", 1.3, base=LAYERED),
            Target("ours:threads", 1.3, base=LAYERED),
            Target("ours:file_inline", 1.3, base=LAYERED),
        ),
        note="A larger shape falls out of the processor's caches: the floors grow too.",
    ),
    Group(
        "memory", "Memory a task: growth of the peak while it runs, the plan apart",
        (LAYERED, LARGE),
        (
            GRAPHLIB,
            dask("peers:dask_threaded", "dask.threaded"),
            hamilton("peers:hamilton_build", "Hamilton, the driver itself"),
            hamilton("peers:hamilton", "Hamilton"),
            Contender("ours:from_python", "orch_nb, the plan itself"),
            Contender("ours:inline", "orch_nb, inline"),
            Contender("ours:threads", "orch_nb, threads"),
            Contender("ours:file_inline", "orch_nb, inline, SQLite"),
        ),
        (
            Target("ours:inline", 1.5),
            Target("ours:threads", 1.5),
            Target("ours:file_inline", 1.5),
        ),
        unit="kb",
    ),
    Group(
        "recovery", "Recovering a run that was killed with one task left", (LAYERED, LARGE),
        (
            Contender("journals:replay", "bare replay, a file of its own"),
            Contender("journals:replay_json", "  with the standard json"),
            Contender("ours:replay_of_ours", "bare replay of our own file"),
            Contender("ours:recovery", "orch_nb, recover()", wall=True),
        ),
        (
            Target("ours:recovery", 4.0, "journals:replay"),
        ),
        note="The bare replay reads one row a finished task, decodes its JSON with msgspec and "
        "folds it into a dict of statuses.",
    ),
    Group(
        "building", "Building and checking a plan", ("chain:10000", FAN, LAYERED),
        (
            Contender("floors:graphlib_build", "graphlib, add() and prepare()"),
            hamilton("peers:hamilton_build", "Hamilton"),
            Contender("ours:from_python", "orch_nb, from Python"),
            Contender("ours:from_python_own", "orch_nb, a function of its own each"),
            Contender("floors:yaml_loader", "PyYAML's C loader alone"),
            Contender("ours:from_yaml", "orch_nb, from YAML"),
        ),
        (
            Target("ours:from_python", 5.0, "floors:graphlib_build"),
            Target("ours:from_yaml", 3.0, "floors:yaml_loader"),
        ),
    ),
)  # fmt: skip


def groups(
    only: Sequence[str] = (),
    *,
    shapes: Sequence[str] = (),
    divide: int = 1,
    largest: int = 0,
    million: bool = False,
) -> list[Group]:
    """The groups called `only` (none: all), on `shapes` (none: each on its own). `divide` makes
    every shape so many times smaller; shapes of more than `largest` tasks are left out (0: none).
    """
    found = []
    for group in GROUPS:
        if only and group.name not in only:
            continue
        more = (MILLION,) if million and group.name == "growth" else ()
        chosen = _on(group, tuple(shapes)) if shapes else group
        every = (*chosen.shapes, *more)
        kept = tuple(one for one in every if not largest or _size(one) <= largest)
        found.append(_smaller(replace(chosen, shapes=kept), divide))
    return found


def _on(group: Group, shapes: tuple[str, ...]) -> Group:
    """The group on other shapes. A target for the chain is then for all chains, one for wide shapes
    for all others; growth is from the first shape."""
    targets = []
    for target in group.targets:
        chains = any(one.startswith("chain:") for one in target.shapes)
        alike = tuple(one for one in shapes if one.startswith("chain:") == chains)
        if not target.shapes:
            targets.append(replace(target, base=target.base and shapes[0]))
        elif alike:
            targets.append(replace(target, shapes=alike))
    return replace(group, shapes=shapes, targets=tuple(targets))


def _size(spelled: str) -> int:
    return int(spelled.partition(":")[2])


def _smaller(group: Group, divide: int) -> Group:
    def named(spelled: str) -> str:
        kind, _, size = spelled.partition(":")
        return f"{kind}:{max(4, int(size) // divide)}" if size else ""

    return replace(
        group,
        shapes=tuple(map(named, group.shapes)),
        targets=tuple(
            replace(target, base=named(target.base), shapes=tuple(map(named, target.shapes)))
            for target in group.targets
        ),
    )
