"""Celery and BullMQ, with real brokers and workers: what is theirs alone."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import queue_workers

import orch_nb as nb
from orch_nb.cli import main
from orch_nb.errors import BackendUnavailable, UsageError
from orch_nb.executors.bullmq import place_of
from orch_nb.executors.local import local_executor

#: Celery's own call of a client that is newer than it.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")


def one():
    return 1


def doubled(one):
    return 2 * one


PLAN = nb.Plan(
    goal="g", tasks=[nb.Task(id="one", run=one), nb.Task(id="doubled", run=doubled, needs=["one"])]
)


def test_a_plan_runs_on_a_celery_app_that_is_given(celery_workers):
    run = nb.execute(PLAN, executor=celery_workers, journal="memory")
    assert (run.results["doubled"], run.options.executor) == (2, "celery")


def test_a_plan_runs_on_a_bullmq_queue(bullmq_workers):
    run = nb.execute(PLAN, executor="bullmq", address=bullmq_workers, journal="memory")
    assert (run.results["doubled"], run.options.executor) == (2, "bullmq")


def holding(path, seconds):
    with Path(path).open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(seconds)
    return os.getpid()


def dies():
    os.kill(os.getpid(), 9)


def test_a_task_that_kills_its_celery_worker_process_fails_and_says_so(celery_workers):
    plan = nb.Plan(goal="g", tasks=[nb.Task(id="a", run=dies)])
    run = nb.execute(plan, executor=celery_workers, journal="memory")
    assert "its worker could not run it (WorkerLostError" in run["a"].error.message
    assert run["a"].error.type == "WorkerDied", "as with processes of our own"


def test_a_function_in_a_prefork_worker_is_stopped_by_its_timeout(celery_workers):
    task = nb.Task(id="a", run=holding, with_={"path": os.devnull, "seconds": 60}, timeout="1s")
    run = nb.execute(nb.Plan(goal="g", tasks=[task]), executor=celery_workers, journal="memory")
    assert run["a"].error.type == "TimeoutError"
    assert "still runs" not in run["a"].error.message


@pytest.mark.parametrize("name", ["celery", "bullmq"])
def test_without_an_address_it_says_what_is_needed(name):
    with pytest.raises(UsageError, match=f"The executor `{name}` needs"):
        local_executor(name)


def test_where_nobody_answers_it_says_how_to_start_one():
    nobody = "redis://:secret@127.0.0.1:1"
    with pytest.raises(
        BackendUnavailable, match=r"No Redis answers at redis://127\.0\.0\.1:1"
    ) as told:
        nb.execute(PLAN, executor="bullmq", address=nobody, journal="memory")
    assert "orch-nb dev redis" in str(told.value)
    app = queue_workers.celery_app(nobody)
    with pytest.raises(BackendUnavailable, match="No Celery broker answers at") as told:
        nb.execute(PLAN, executor=app, journal="memory")
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("login", ["", ":wrong@"])
def test_a_redis_that_wants_a_password_is_there_and_says_so(login):
    from redis_server import redis_server  # here: workers import this file, and have no such

    redis = pytest.importorskip("redis")
    with redis_server() as address, redis.Redis.from_url(address) as client:
        client.config_set("requirepass", "s3cret")
        closed = address.replace("//", f"//{login}")
        with pytest.raises(BackendUnavailable, match="Give its password") as told:
            nb.execute(PLAN, executor="bullmq", address=closed, journal="memory")
    assert "No Redis answers" not in str(told.value)
    assert "wrong@" not in str(told.value)


@pytest.mark.parametrize("address", ["localhost:6379", "http://localhost", "redis://", ""])
def test_what_is_no_address_of_a_redis_is_refused(address):
    with pytest.raises(UsageError, match="the address of its Redis"):
        place_of(address)


def test_what_is_no_celery_app_is_refused():
    for wrong, said in (("no.such:app", "There is no Celery app"), ("os:path", "no Celery app")):
        with pytest.raises(UsageError, match=said):
            local_executor("celery", address=wrong)


def served(worker, log, word):
    """What a worker has said, once it says `word`."""
    queue_workers.until(lambda: word in log.read_text() or worker.poll() is not None)
    assert word in log.read_text(), log.read_text()
    return log.read_text()


@pytest.mark.parametrize("pool", ["threads", "solo"])
def test_a_celery_worker_runs_in_the_pool_that_is_asked_for(redis, tmp_path, pool):
    log = tmp_path / "log"
    worker = queue_workers.start_celery(redis, log, pool, "--pool", pool)
    with queue_workers.ended(worker):
        assert f"queue {pool}, {pool}" in served(worker, log, "celery worker:")
        app = queue_workers.celery_app(redis)
        app.conf.task_default_queue = pool
        task = nb.Task(id="a", run=os.getpid)
        run = nb.execute(nb.Plan(goal="g", tasks=[task]), executor=app, journal="memory")
        assert run.results["a"] == worker.pid
        queue_workers.close(app)


@pytest.fixture
def project(monkeypatch):
    """The module of an app, read anew: `project(address)` is its broker."""
    sys.modules.pop("celery_project", None)
    yield lambda address: monkeypatch.setenv("BROKER", address)
    sys.modules.pop("celery_project", None)


def test_the_queue_of_a_celery_app_stands_in_its_address(redis, tmp_path, project):
    project(redis)
    log = tmp_path / "log"
    worker = queue_workers.start_celery(redis, log, "reports", "--pool", "solo")
    with queue_workers.ended(worker):
        served(worker, log, "celery worker:")
        address = "celery_project:app?queue=reports"
        run = nb.execute(PLAN, executor="celery", address=address, journal="memory")
        assert run.results["doubled"] == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("name", ["celery", "bullmq"])
def test_a_worker_that_is_told_to_end_ends_what_it_has_first(redis, tmp_path, name, number):
    log, path, queue = tmp_path / "log", tmp_path / "pids", f"ends-{name}-{number}"
    start = getattr(queue_workers, f"start_{name}")
    worker = start(redis, log, queue)
    task = nb.Task(id="a", run=holding, with_={"path": str(path), "seconds": 1})
    options = {"executor": name, "address": f"{redis}?queue={queue}"}
    if name == "celery":
        app = queue_workers.celery_app(redis)
        app.conf.task_default_queue = queue
        options = {"executor": app}

    def end():
        queue_workers.until(path.exists)
        worker.send_signal(number)

    ending = threading.Thread(target=end)
    with queue_workers.ended(worker):
        served(worker, log, f"{name} worker:")
        ending.start()
        run = nb.execute(nb.Plan(goal="g", tasks=[task]), journal="memory", **options)
        ending.join()
        assert run.succeeded
        assert worker.wait(20) == 0, log.read_text()
    if name == "celery":
        queue_workers.close(app)
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["celery"], "--app proj.celery:app"),
        (["celery", "--app", "no.such:app"], "There is no Celery app `no.such:app`"),
        (["celery", "--app", "celery_project:app"], "orch-nb dev redis"),
        (["celery", "--app", "celery_project:app", "--concurrency", "0"], "a whole number"),
        (["bullmq"], "--address redis://"),
        (["bullmq", "--address", "localhost"], "the address of its Redis"),
        (["bullmq", "--address", "redis://127.0.0.1:1"], "orch-nb dev redis"),
    ],
)
def test_a_worker_that_cannot_begin_says_what_it_needs(words, said, project, capsys):
    project("redis://127.0.0.1:1")
    assert main(["worker", *words]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(("name", "words"), [
    ("celery", ["--app", "celery_project:app"]), ("bullmq", ["--address", "redis://127.0.0.1:1"]),
])  # fmt: skip
def test_a_worker_without_its_package_says_the_pip_line(name, words, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, name, None)
    assert main(["worker", name, *words]) == 2
    assert f"pip install 'orch_nb[{name}]'" in capsys.readouterr().err
