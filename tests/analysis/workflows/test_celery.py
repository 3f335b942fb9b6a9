"""Celery: whose `task` a decorator is, what a canvas does, what a beat sends."""

from __future__ import annotations

import pytest

from orch_nb.analysis.scan import scan
from orch_nb.analysis.workflows import workflows


def celery(root, kind="tasks"):
    found = workflows(scan(root))
    return [flow for flow in found if (flow.system, flow.kind) == ("celery", kind)]


def test_the_application_is_followed_through_the_modules_of_the_repository(repository):
    root = repository(
        {
            "shop/__init__.py": "",
            "shop/work.py": "from celery import Celery\nqueue = Celery('shop')\n",
            "shop/core.py": "from .work import queue\n",
            "shop/mail/tasks.py": "from ..core import queue\n\n@queue.task(bind=True)\n"
            "def send(self): ...\n",
        }
    )
    [flow] = celery(root)
    assert flow.tasks == ("send",)
    assert (flow.evidence.path, flow.evidence.line) == ("shop/mail/tasks.py", 4)


def test_what_has_a_task_method_and_is_no_celery_is_none(repository):
    root = repository(
        {
            "a.py": "from bot import app  # runs beside celery\n\n@app.task\ndef go(): ...\n",
            "bot.py": "class Bot: ...\napp = Bot()\n",
        }
    )
    assert celery(root) == []


@pytest.mark.parametrize(
    "text",
    [
        "# celery\nfrom locust import task\n@task\ndef f(): ...\n",
        "# celery\nfrom invoke import task\n@task\ndef f(c): ...\n",
        "from celery import shared_task\nDOC = '''\n@shared_task\ndef f(): ...\n'''\n",
        "from celery import shared_task\n# @shared_task\ndef f(): ...\n",
    ],
)
def test_tasks_of_others_and_tasks_in_text_are_none(repository, text):
    assert celery(repository({"a.py": text})) == []


CANVAS = """
from celery import chain, chord, group, shared_task as job

@job
def a(): ...

def run():
    {}
"""


@pytest.mark.parametrize(
    ("canvas", "edges"),
    [
        ("chain(a.s(), b.s(), c.s())()", {"a>b", "b>c"}),
        ("(a.s() | b.s()).delay()", {"a>b"}),
        ("chord([a.s(), b.s()], c.s())()", {"a>c", "b>c"}),
        ("chord([a.s(), b.s()])(c.s())", {"a>c", "b>c"}),
        ("(group(a.s(), b.s()) | c.s())()", {"a>c", "b>c"}),
        ("group(a.s(i) for i in range(9))()", set()),
    ],
)
def test_canvases_give_their_edges(repository, canvas, edges):
    [flow] = celery(repository({"a.py": CANVAS.format(canvas)}), "canvas")
    assert flow.name == "run"
    assert {f"{x}>{y}" for x, y in flow.edges} == edges


def test_the_chain_of_itertools_is_no_canvas(repository):
    text = "# celery\nfrom itertools import chain\nx = chain(a.s(), b.s())\n"
    assert celery(repository({"a.py": text}), "canvas") == []


def test_a_beat_sends_tasks_by_the_clock(repository):
    text = (
        "from celery import Celery\napp = Celery()\n"
        "app.conf.beat_schedule = {\n"
        "    'nightly': {'task': 'shop.clean', 'schedule': 3600},\n}\n"
    )
    [flow] = celery(repository({"a.py": text}), "beat")
    assert flow.tasks == ("shop.clean",)
    assert flow.parts[0].evidence.line == 4


def test_python_that_is_newer_than_ours_is_read_all_the_same(repository):
    text = (
        "from celery import shared_task\n\n"
        "def old[T](x: T) -> T: ...\n\n"
        "def read():\n    try: ...\n    except OSError, ValueError: ...\n\n"
        "@shared_task\ndef work(): ...\n"
    )
    [flow] = celery(repository({"a.py": text}))
    assert flow.tasks == ("work",)
    assert flow.evidence.line == 10
