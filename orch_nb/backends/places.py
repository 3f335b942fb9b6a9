"""Where a backend is: `temporal://host:port/namespace`, `restate://host:port`."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import msgspec

from orch_nb.engine.away import Backend
from orch_nb.errors import UsageError
from orch_nb.graph.nearest import did_you_mean
from orch_nb.model.event import RunOptions
from orch_nb.model.plan import Plan
from orch_nb.model.translation import Loss

__all__ = ["PORTS", "Place", "backend_for", "common_losses", "place", "worker_for"]

#: The systems, each with the port that it listens at unless told otherwise.
PORTS = {"temporal": 7233, "restate": 8080}
#: Systems that own no run. Their workers perform its tasks.
_EXECUTORS = ("celery", "bullmq", "dask")


class Place(msgspec.Struct, frozen=True):
    """`path` is what stands behind the address: Temporal's namespace. `queue`: its task queue."""

    system: str
    host: str
    port: int
    path: str = ""

    @property
    def address(self) -> str:
        """As it stands in a URL: an IPv6 host in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.system}://{self.address}" + (f"/{self.path}" if self.path else "")


def place(url: str) -> Place:
    """The parts of a backend's address. Raises UsageError."""
    told = url if "://" in url else f"{url}://"
    parts = urlsplit(told)
    system = parts.scheme or url.partition(":")[0]
    if system in PORTS and (not parts.scheme or "://" in parts.netloc + parts.path):
        raise UsageError(f"`{url}` is no address: write {system}://HOST:{PORTS[system]}.")
    if parts.scheme not in PORTS:
        if parts.scheme in _EXECUTORS:
            raise UsageError(
                f"`{parts.scheme}` owns no runs, it performs their tasks: say "
                f"executor='{parts.scheme}', --executor {parts.scheme}."
            )
        near = did_you_mean(parts.scheme, list(PORTS))
        raise UsageError(
            f"`{url}` is no backend that is known: write temporal://127.0.0.1:7233 or "
            f"restate://127.0.0.1:8080. {near}".rstrip()
        )
    try:
        port = parts.port or PORTS[parts.scheme]
    except ValueError:
        raise UsageError(f"`{url}` has no port that can be.") from None
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError(
            f"`{parts.scheme}://{parts.hostname}` is taken without a name, a password or options: "
            "they would stand in journals. Write host and port alone."
        )
    if parts.scheme == "restate" and parts.path.strip("/") and not parts.path.strip("/").isdigit():
        raise UsageError(
            f"`{url}`: behind Restate's address stands the port of its admin, as in "
            "restate://127.0.0.1:8080/9070, or nothing."
        )
    return Place(parts.scheme, parts.hostname or "127.0.0.1", port, parts.path.strip("/"))


def backend_for(url: str) -> Backend:
    """The backend at an address. Raises UsageError, MissingExtra."""
    where = place(url)
    module = importlib.import_module(f"orch_nb.backends.{where.system}")
    made: Backend = module.backend(where)
    return made


def worker_for(where: Place) -> Callable[..., Awaitable[None]]:
    """What works for the system at a place, until cancelled. Raises MissingExtra."""
    backend_for(str(where))  # its package is there
    work: Callable[..., Awaitable[None]] = importlib.import_module(
        f"orch_nb.backends.{where.system}_worker"
    ).work
    return work


def common_losses(plan: Plan, options: RunOptions, system: str) -> list[Loss]:
    """What no system that owns a run does as this machine would."""
    found: list[Loss] = []
    if options.cache or any(task.cache for task in plan.tasks):
        found.append(
            Loss("cache", f"every task runs: {system} keeps no results from one run for the next")
        )
    if any(fault == "kill" or fault.startswith("kill=") for fault in options.faults):
        found.append(Loss("fault kill", "kill a worker yourself: nothing is killed there"))
    found += [
        Loss("notebook", "the file has to be where the worker runs", task.id, severity="note")
        for task in plan.tasks if task.notebook is not None
    ]  # fmt: skip
    if any(task.priority for task in plan.tasks):
        found.append(Loss(
            "priority", f"it orders the tasks of this run; {system} orders no others by it",
            severity="changed",
        ))  # fmt: skip
    if any(pool.rate is not None or pool.slots is not None for pool in plan.pools.values()):
        found.append(Loss(
            "pool", "its slots and rate hold within this run, not across runs that share the queue",
            severity="changed",
        ))  # fmt: skip
    return found
