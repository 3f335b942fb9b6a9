"""Any plan, written the plain way for each system: what the aftermath of one is compared with.

    Job("orders", needs=("stage",), seconds=0.5, fails=True)

The scenarios of this folder are written by hand; here the same way of writing is made from a plan,
for plans that nobody recorded. A job with `anyway` runs whatever became of what it needs.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import marks

SECOND = 0.6  # that a task takes, for each second of its estimate


@dataclass(frozen=True)
class Job:
    """A task of a plan: `name` is `plan.task`."""

    name: str
    needs: tuple[str, ...] = ()
    seconds: float = SECOND
    fails: bool = False
    anyway: bool = False
    rule: str = "all_success"


@dataclass(frozen=True)
class Plain:
    """A plan by its name and its jobs, in topological order."""

    name: str
    jobs: dict[str, Job] = field(default_factory=dict)

    def dumped(self) -> str:
        return json.dumps({"name": self.name, "jobs": [asdict(one) for one in self.jobs.values()]})


def plain_plan(name: str, plan: Any, fault: str) -> Plain:
    """The plan as jobs; `fault` is the one that fails."""
    from orch_nb.graph.critical_path import durations
    from orch_nb.graph.topology import order, upstream

    up, lengths = upstream(plan), durations(plan)
    jobs = {}
    for task in order(up):
        rule = str(plan[task].trigger)
        jobs[task] = Job(
            f"{name}.{task}", tuple(up[task]), lengths[task] * SECOND, task == fault,
            rule in ("all_done", "one_failed"), rule,
        )  # fmt: skip
    return Plain(name, jobs)


def work(name: str, seconds: float, fails: bool) -> str:
    """A task: it takes its time, and fails at its end if it is the one."""
    marks.mark(name, "begins")
    time.sleep(seconds)
    return _over(name, fails)


async def work_async(name: str, seconds: float, fails: bool) -> str:
    marks.mark(name, "begins")
    await asyncio.sleep(seconds)
    return _over(name, fails)


def _over(name: str, fails: bool) -> str:
    marks.mark(name, "fails" if fails else "ends")
    if fails:
        raise marks.Fault(name)
    return name


def levels(plain: Plain) -> list[list[Job]]:
    """Those of the jobs that wait for nothing anyway, by the longest way to them."""
    depth: dict[str, int] = {}
    for task, job in plain.jobs.items():
        depth[task] = 1 + max((depth[need] for need in job.needs), default=-1)
    found: list[list[Job]] = [[] for _ in range(1 + max(depth.values()))]
    for task, job in plain.jobs.items():
        if not job.anyway:
            found[depth[task]].append(job)
    return [row for row in found if row]


def last(plain: Plain) -> list[Job]:
    return [job for job in plain.jobs.values() if job.anyway]


def pieces(plain: Plain) -> Any:
    """The jobs that are not for cleaning up as series and parallels."""
    from orch_nb.graph.series_parallel import decomposed

    edges = {task: job.needs for task, job in plain.jobs.items() if not job.anyway}
    return decomposed(edges)


def flow(plain: Plain, queue: str) -> list[dict[str, Any]]:
    """As jobs of BullMQ: a tree for each end."""
    needed = {need for job in plain.jobs.values() for need in job.needs}

    def job(task: str, ignored: bool) -> dict[str, Any]:
        one = plain.jobs[task]
        option = {"ignoreDependencyOnFailure": True} if ignored else {}
        return {
            "name": one.name, "queueName": queue, "opts": {"jobId": one.name, **option},
            "data": {"seconds": one.seconds, "fails": one.fails},
            "children": [job(need, one.anyway) for need in one.needs],
        }  # fmt: skip

    return [job(task, False) for task in plain.jobs if task not in needed]


def machine(plain: Plain) -> dict[str, Any]:
    """As a machine of XState: a series is states, a parallel regions; a clean-up follows both."""
    from orch_nb.graph.series_parallel import Parallel, Series

    cleaning = last(plain)
    error = "cleanup0" if cleaning else None

    def states(piece: Any, at: str, then: str) -> dict[str, Any]:
        if isinstance(piece, str):
            job = plain.jobs[piece]
            given = {"name": job.name, "ms": job.seconds * 1000, "fails": job.fails}
            failed = {"onError": f"#{plain.name}.{error}"} if error else {}
            return {at: {"invoke": {"src": "do", "input": given, "onDone": then, **failed}}}
        if isinstance(piece, Series):
            names = [at, *(f"{at}_{n}" for n in range(1, len(piece.parts))), then]
            found: dict[str, Any] = {}
            for n, part in enumerate(piece.parts):
                found |= states(part, names[n], names[n + 1])
            return found
        assert isinstance(piece, Parallel)
        regions = {
            f"r{n}": {"initial": "s", "states": {**states(part, "s", "done"), "done": _FINAL}}
            for n, part in enumerate(piece.parts)
        }
        return {at: {"type": "parallel", "states": regions, "onDone": then}}

    made = states(pieces(plain), "begin", error or "done")
    for n, job in enumerate(cleaning):
        given = {"name": job.name, "ms": job.seconds * 1000, "fails": False}
        then = f"cleanup{n + 1}" if n + 1 < len(cleaning) else "done"
        made[f"cleanup{n}"] = {"invoke": {"src": "do", "input": given, "onDone": then}}
    return {"id": plain.name, "initial": "begin", "states": {**made, "done": _FINAL}}


_FINAL = {"type": "final"}


def parsed(dumped: dict[str, Any]) -> Plain:
    """What `dumped` said."""
    jobs = [Job(**{**job, "needs": tuple(job["needs"])}) for job in dumped["jobs"]]
    return Plain(dumped["name"], {job.name.partition(".")[2]: job for job in jobs})


def loaded() -> list[Plain]:
    """The plans that a program of its own is to perform, from the file that `PLAINS` names."""
    lines = Path(os.environ["PLAINS"]).read_text().splitlines()
    return [parsed(json.loads(line)) for line in lines]
