"""What `systems` infers for a plan that nobody recorded is what the real systems then do with it.

Each plan is written the plain way for each system (`plain.py`) and run; what its tasks left behind
is compared with their fates, task by task.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(one) for one in (HERE, HERE.parent) if str(one) not in sys.path]

import marks  # noqa: E402  # beside this file
import plain  # noqa: E402
import record  # noqa: E402

import orch_nb as nb  # noqa: E402

CI = os.environ.get("ORCH_NB_CI") == "1"
SLOW = os.environ.get("ORCH_NB_SLOW") == "1"
#: Tasks with what they need and the seconds that they take; what fails; a rule that is another.
PLANS = {
    # a ─► b ─► c ─► d ─► e
    "chain": ("a; b a; c b; d c; e d", "c"),
    "root": ("a; b a; c b", "a"),
    "leaf": ("a; b a; c b", "c"),
    # two of three ways end early, one goes on
    "fan_in": ("a; b a; c a 3; d a; e b,c,d; f e", "b"),
    "fan_out": ("a; b a; c a 3; d a", "b"),
    # what runs beside it has begun (c), and has not (d, e)
    "beside": ("a; b; c 3; d c; e d; f b,e; g f", "b"),
    "apart": ("a; b a; c b; x 2; y x; z y", "a"),
    "cleaned": ("a; b a; c b; d c all_done", "b"),
    "cleaned_at_once": ("a; b a; d b all_done", "b"),
    # the last task but one has failed for sure, so Airflow's run has too
    "seen": ("a; b a; c b; d b all_done", "b"),
    # an N: a ─► c, b ─► c, b ─► d
    "letter_n": ("a 2; b; c a,b; d b", "b"),
    "tree": ("a; b; c a,b; d 4; e c,d", "a"),
}


def plan(text: str) -> nb.Plan:
    tasks = []
    for one in text.split(";"):
        name, *rest = one.split()
        seconds = next((float(word) for word in rest if word.isdigit()), 1.0)
        rule = next((word for word in rest if "_" in word), "all_success")
        needs = next((word for word in rest if not word.isdigit() and word != rule), "")
        tasks.append(nb.Task(id=name, run=print, needs=needs.split(",") if needs else [],
                             estimate=seconds, trigger=rule))  # fmt: skip
    return nb.Plan(goal=text, tasks=tasks)


def outcome(name: str, system: str):
    text, fault = PLANS[name]
    found = nb.systems(plan(text), fault).outcomes
    return next(one for one in found if one.system == system)


#: `dag.test()` takes some seconds for each task: those plans that Airflow could answer otherwise.
OF_AIRFLOW = ("beside", "apart", "cleaned", "seen")


def can(system: str) -> list[plain.Plain]:
    """The plans that can be said there."""
    made = []
    for name, (text, fault) in PLANS.items():
        if system == "airflow" and name not in OF_AIRFLOW and not SLOW:
            continue
        one = plain.plain_plan(name, plan(text), fault)
        nested = system not in ("xstate", "celery") or type(plain.pieces(one)).__name__ != "N"
        if outcome(name, system).fates and nested:
            made.append(one)
    return made


@contextlib.contextmanager
def marked(plans):
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MARKS"] = str(Path(folder, "marks"))
        os.environ["PLAINS"] = str(Path(folder, "plains"))
        Path(os.environ["PLAINS"]).write_text("".join(f"{one.dumped()}\n" for one in plans))
        try:
            yield
        finally:
            for name in ("MARKS", "PLAINS", "REDIS"):
                os.environ.pop(name, None)


def airflow(plans):
    import airflow_driver

    with airflow_driver.home() as env:
        shutil.copy(HERE / "plain_airflow.py", Path(env["AIRFLOW__CORE__DAGS_FOLDER"]))
        names = [one.name for one in plans]
        (Path(env["AIRFLOW__CORE__DAGS_FOLDER"]) / "airflow_programs.py").unlink()
        told = airflow_driver.called(env, str(HERE / "airflow_observer.py"), *names)
    return {k: one["states"] for k, one in json.loads(told.strip().splitlines()[-1]).items()}


def temporal(plans):
    import plain_temporal

    return plain_temporal.observe(plans)


def restate(plans):
    import plain_restate

    return plain_restate.observe(plans, 4.0)


def xstate(plans):
    from node import NODE_MODULES

    ran = subprocess.run(
        [str(shutil.which("node")), str(HERE / "plain_xstate.mjs"), str(NODE_MODULES)],
        input=json.dumps([plain.machine(one) for one in plans]), capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    return json.loads(ran.stdout)


def celery(plans):
    from redis_server import redis_server

    with redis_server() as address:
        os.environ["REDIS"] = address
        import plain_celery

        return plain_celery.observe(plans, 4.0)


def bullmq(plans):
    import plain_bullmq
    from redis_server import redis_server

    with redis_server() as address:
        return plain_bullmq.observe(plans, address, 4.0)


def orch_nb(plans):
    return {one.name: performed(one) for one in plans}


def performed(one):
    def task(job):
        async def body() -> str:
            return await plain.work_async(job.name, job.seconds, job.fails)

        name = job.name.partition(".")[2]
        return nb.Task(id=name, run=body, needs=list(job.needs), trigger=job.rule)

    made = nb.Plan(goal=one.name, tasks=[task(job) for job in one.jobs.values()])
    run = nb.execute(made, workers=8, journal="memory")
    return {**{task.task: str(task.status) for task in run.tasks}, "whole": str(run.status)}


SYSTEMS = {
    "airflow": airflow, "temporal": temporal, "restate": restate, "xstate": xstate,
    "celery": celery, "bullmq": bullmq, "orch_nb": orch_nb,
}  # fmt: skip


@pytest.mark.timeout(900)
@pytest.mark.parametrize("system", SYSTEMS)
def test_what_was_inferred_is_what_happens(system):
    lack = record.lacking(system)
    if lack:
        (pytest.fail if CI else pytest.skip)(f"{record.TITLES[system]} is not here: {lack}")
    plans = can(system)

    with marked(plans):
        states = SYSTEMS[system](plans)
        seen = {one.name: {task: left(job) for task, job in one.jobs.items()} for one in plans}

    assert len(plans) >= (4 if system == "airflow" else 8)
    assert seen == {one.name: inferred(one, system) for one in plans}
    for one in plans:
        whole = outcome(one.name, system).whole
        assert states[one.name].get("whole", whole) == whole, one.name
    if system == "bullmq":
        waits = {
            (n, task) for n in states for task, s in states[n].items() if s == "waiting-children"
        }
        assert waits == {
            (one.name, fate.task) for one in plans for fate in outcome(one.name, system).fates
            if fate.fate == "waits for ever"
        }  # fmt: skip


def left(job: plain.Job) -> str:
    """What a task was seen to do."""
    return next((w for w in ("fails", "ends", "begins") if marks.times(job.name, w)), "nothing")


def inferred(one: plain.Plain, system: str) -> dict[str, str]:
    """The same, as it was inferred. (What works in vain comes to its end here: nobody stops it.)"""
    shown = {"ends": "ends", "fails": "fails", "in vain": "ends"}
    fates = {fate.task: fate.fate for fate in outcome(one.name, system).fates}
    return {task: shown.get(fates[task], "nothing") for task in one.jobs}
