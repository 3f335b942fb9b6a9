"""Prefect, Dagster, Luigi and the small queues of Python; retries that somebody wrote by hand."""

from __future__ import annotations

import pytest

from orch_nb.analysis.scan import scan
from orch_nb.analysis.workflows import workflows


def of(root, system):
    return {(f.kind, f.name): f for f in workflows(scan(root)) if f.system == system}


def test_a_prefect_flow_wires_the_tasks_whose_results_it_passes_on(repository):
    text = (
        "from prefect import flow, task\n\n@task\ndef a(): ...\n\n@task(name='load')\n"
        "def b(x): ...\n\n@flow(name='etl')\ndef main():\n    x = a()\n    b(x)\n"
    )
    flow = of(repository({"f.py": text}), "prefect")["flow", "etl"]
    assert flow.edges == (("a", "load"),)


def test_dagster_assets_follow_their_parameters_and_deps(repository):
    text = (
        "import dagster as dg\n@dg.asset\ndef raw(): ...\n@dg.asset\ndef clean(raw): ...\n"
        "@dg.asset(deps=[clean, 'raw'])\ndef report(): ...\n"
    )
    flow = of(repository({"a.py": text}), "dagster")["assets", "a"]
    assert set(flow.edges) == {("raw", "clean"), ("clean", "report"), ("raw", "report")}


def test_luigi_tasks_follow_what_they_require(repository):
    text = (
        "import luigi\nclass A(luigi.Task): ...\nclass B(luigi.Task):\n"
        "    def requires(self):\n        return [A()]\n"
    )
    assert of(repository({"a.py": text}), "luigi")["tasks", "a"].edges == (("A", "B"),)


@pytest.mark.parametrize(
    ("system", "text"),
    [
        ("dramatiq", "import dramatiq\n@dramatiq.actor\ndef go(): ...\n"),
        ("rq", "from rq.decorators import job\n@job('low')\ndef go(): ...\n"),
        ("huey", "from huey import RedisHuey\nh = RedisHuey()\n@h.task()\ndef go(): ...\n"),
        ("apscheduler", ("from apscheduler.schedulers.background import BackgroundScheduler\n"
         "s = BackgroundScheduler()\ns.add_job(go, 'cron')\n")),
        ("arq", "import arq\nclass WorkerSettings:\n    functions = [go]\n"),
        ("retry", "from tenacity import retry\n@retry(stop=1)\ndef go(): ...\n"),
        ("retry", "import stamina as s\n@s.retry(on=OSError)\ndef go(): ...\n"),
        ("retry", ("import time\ndef go():\n    while True:\n        try:\n            return f()\n"
         "        except OSError:\n            time.sleep(1)\n")),
        ("retry", ("from time import sleep\ndef go():\n    for i in range(3):\n        try:\n"
         "            return f()\n        except OSError: ...\n        sleep(2 ** i)\n")),
    ],
)  # fmt: skip
def test_each_is_told_by_what_its_marks_come_from(repository, system, text):
    [flow] = of(repository({"a.py": text}), system).values()
    assert flow.tasks == ("go",)


@pytest.mark.parametrize(
    "text",
    [
        "import tenacity\n\ndef go(): ...\n",
        "import time\ndef poll():\n    while not done():\n        time.sleep(1)\n",
        "from mine import retry  # like tenacity\n@retry\ndef go(): ...\n",
        "import queue, multiprocessing\nq = queue.Queue()\np = multiprocessing.Queue('arq')\n",
    ],
)
def test_what_only_looks_like_one_is_none(repository, text):
    assert workflows(scan(repository({"a.py": text}))) == ()


def test_what_stands_among_tests_is_left_out_and_counted(repository):
    text = "from prefect import flow\n@flow\ndef f(): ...\n"
    seen = scan(repository({"tests/a.py": text, "src/test_b.py": text, "pkg/b_test.go": "x"}))
    assert [f for f in workflows(seen) if f.system != "tool"] == []
    assert seen.skipped["tests"] == 3
