"""The Celery app is a person's own: with whatever it is set to, attempts go by it, or it is said
why they cannot, before anything runs; and its settings stay as they are."""

from __future__ import annotations

import base64
import os
import signal
import sys
import threading
import time
from collections import deque
from pathlib import Path

import pytest
import queue_workers

import orch_nb as nb
from orch_nb.engine.ports import Current
from orch_nb.errors import BackendUnavailable, UsageError
from orch_nb.executors import celery as executor
from orch_nb.executors import celery_app
from orch_nb.executors.attempt_elsewhere import PYTHON, attempt
from orch_nb.executors.celery_app import Workers, app_of, check, line_for, serializer_of
from orch_nb.executors.celery_worker import TASK, _terminated, listens, register
from orch_nb.executors.sender import this_sender
from orch_nb.executors.worker_pickles import dumps, modules_of

#: Celery's own call of a client that is newer than it.
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")

NOW = Current(task="a", attempt=1, run_id="r", params={})


@pytest.fixture
def app_with(redis):
    """An app of one's own: `app_with(setting=value)`."""
    celery = pytest.importorskip("celery")
    made = []

    def make(broker=f"{redis}/0", backend=f"{redis}/1", **settings):
        app = celery.Celery("own", broker=broker, backend=backend, set_as_current=False)
        app.conf.update(settings)
        made.append(app)
        return app

    yield make
    for app in made:
        if hasattr(app.backend, "result_consumer") and hasattr(app.backend, "client"):
            queue_workers.close(app)


def refused(app, queue=""):
    with pytest.raises(UsageError) as told:
        check(app, queue)
    return str(told.value)


def test_an_app_that_keeps_everything_from_its_workers_is_refused(app_with):
    assert "task_always_eager" in refused(app_with(task_always_eager=True))


def test_an_app_whose_results_nobody_can_hear_of_is_refused(app_with):
    assert "no result backend" in refused(app_with(backend=None))
    assert "memory of one process" in refused(app_with(backend="cache+memory://"))


def test_a_broker_that_loses_messages_is_refused(app_with):
    assert "a broker of files" in refused(app_with(broker="filesystem://"))


def test_a_broker_of_this_process_without_a_worker_in_it_is_refused(app_with):
    with pytest.raises(UsageError, match="memory://, which only this process can see"):
        Workers(app_with(broker="memory://", backend="cache+memory://"), "").check()


def test_a_queue_that_an_app_has_not_and_may_not_make_is_refused(app_with):
    told = refused(app_with(task_create_missing_queues=False), "reports")
    assert "It has: `celery`" in told


def test_a_result_backend_that_does_not_answer_is_told_without_its_password(app_with):
    with pytest.raises(
        BackendUnavailable, match=r"result backend .* redis://127\.0\.0\.1:1/0"
    ) as told:
        check(app_with(backend="redis://:secret@127.0.0.1:1/0"))
    assert "secret" not in str(told.value)


def test_what_is_sent_is_in_a_serializer_that_the_workers_accept(app_with):
    assert serializer_of(app_with()) == "json"
    assert serializer_of(app_with(accept_content=["pickle", "application/json"])) == "json"
    for only in ("pickle", "application/x-python-serialize"):
        assert serializer_of(app_with(accept_content=[only])) == "pickle"
    assert serializer_of(app_with(accept_content=["application/x-yaml"])) == "yaml"


def test_workers_that_cannot_be_asked_are_known(app_with):
    assert listens(app_with())
    assert not listens(app_with(worker_enable_remote_control=False))
    assert not listens(app_with(accept_content=["pickle"])), "they are asked in JSON"


def test_an_app_keeps_its_settings_and_tasks(app_with):
    app = app_with(task_acks_late=True, task_ignore_result=True)

    @app.task
    def own():
        """Anything."""

    before = dict(app.conf)
    register(app)
    register(app)
    assert dict(app.conf) == before
    assert own.acks_late
    assert own.ignore_result
    assert not app.tasks[TASK].ignore_result


def acknowledged_late():
    from celery import current_task

    return current_task.acks_late


def one_task(function, **options):
    return nb.Plan(goal="g", tasks=[nb.Task(id="a", run=function, **options)])


def test_a_worker_that_can_be_asked_acknowledges_first(celery_workers):
    """So that the broker does not begin again what is longer than its visibility timeout."""
    run = nb.execute(one_task(acknowledged_late), executor=celery_workers, journal="memory")
    assert run.results["a"] is False


def test_the_line_for_a_worker_is_told_while_other_threads_import():
    """As three runs do that begin at once: what is imported changes while it is looked through."""
    from celery import Celery

    app, over = Celery("apps-while"), threading.Event()
    apart = [f"orch_nb_imported_{number}" for number in range(50)]

    def imports():
        while not over.is_set():
            for name in apart:
                sys.modules[name] = sys  # type: ignore[assignment]
            for name in apart:
                del sys.modules[name]

    other = threading.Thread(target=imports)
    other.start()
    try:
        for _ in range(20):
            assert line_for(app) == "orch-nb worker celery --app MODULE:APP"
            assert modules_of("orch_nb_absent") == []
    finally:
        over.set()
        other.join()


def test_a_package_is_found_as_celery_itself_finds_it(tmp_path, monkeypatch):
    package = tmp_path / "shop_of_tests"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "celery.py").write_text("from celery import Celery\napp = Celery('shop')\n")
    (tmp_path / "broken_app_of_tests.py").write_text("import os\nos.environ['NO_SUCH_BROKER']\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [one for one in sys.path if one])
    app = app_of("shop_of_tests")
    assert app is app_of("shop_of_tests.celery:app")
    assert line_for(app, "q") == (
        "orch-nb worker celery --app shop_of_tests.celery:app --queue q"
    )  # fmt: skip
    with pytest.raises(UsageError, match="cannot be imported: KeyError: 'NO_SUCH_BROKER'"):
        app_of("broken_app_of_tests:app")


def test_workers_of_other_queues_are_named(celery_workers):
    assert Workers(celery_workers, "").lacking() == ""
    told = Workers(celery_workers, "reports").lacking()
    assert "No Celery worker takes from the queue `reports`; those that answer take from" in told
    assert told.endswith("--queue reports")


def test_workers_without_the_task_are_told_of_before_anything_runs(app_with, monkeypatch):
    from celery.contrib.testing.worker import start_worker

    monkeypatch.setattr(celery_app, "_FIRST_S", 10.0)  # a worker in this process may be slow
    app = app_with(task_default_queue="without", worker_hijack_root_logger=False)
    sender = app_with(task_default_queue="without")
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=20):
        queue_workers.until(lambda: app.control.ping(timeout=0.5))
        with pytest.raises(UsageError, match=r"register\(app\)"):
            nb.execute(one_task(int), executor=sender, journal="memory")


def test_what_is_cancelled_before_there_is_a_worker_is_marked_for_those_that_come(app_with):
    app = app_with(task_default_queue="cancelled")
    courier = executor._Courier(app, "")
    courier.send(deque([("cancelled-1", "a", "")]))
    assert courier.revoke("cancelled-1")
    assert app.backend.get_task_meta("cancelled-1")["status"] == "REVOKED"


def test_what_the_broker_has_forgotten_is_sent_again(app_with, monkeypatch):
    monkeypatch.setattr(executor, "_PING_S", 0.05)
    app = app_with(task_default_queue="forgotten")
    courier = executor._Courier(app, "")
    packets = deque([("forgotten-1", "a", "")])
    courier.send(packets)
    assert not packets
    ended = [one for _ in range(3) for one in (time.sleep(0.1), courier.ended(["forgotten-1"]))]
    assert [one for some in ended if some for one in some] == [], "it waits in its queue"
    with app.connection_for_write() as connection:
        connection.default_channel.queue_purge("forgotten")
    found = []
    while not found:
        found = list(courier.ended(["forgotten-1"]))
        time.sleep(0.06)
    assert (found[0].gone, found[0].begun) == (True, False)
    assert app.backend.get_task_meta("forgotten-1")["status"] == "REVOKED", "should it come back"


def written(path):
    Path(path).write_text("x")


@pytest.fixture
def send(celery_workers, tmp_path):
    """`send(sender, name)` has a worker write the file of that name."""

    def made(sender, name):
        work = (written, (str(tmp_path / name),), {}, NOW)
        payload = base64.b64encode(dumps(work)).decode("ascii")
        told = {"task": "a", "python": PYTHON, "sender": sender}
        celery_workers.send_task(
            TASK, args=(payload,), kwargs=told, serializer="json", task_id=f"{tmp_path.name}-{name}"
        )

    return made


def soon(folder):
    """What stands there half a second after the file `here` came."""
    queue_workers.until((folder / "here").exists)
    threading.Event().wait(0.5)
    return [one.name for one in folder.iterdir()]


def test_what_a_process_sent_that_has_gone_is_not_begun(send, tmp_path, gone_sender):
    for number in range(5):
        send(gone_sender, f"gone-{number}")
    send(this_sender(), "here")
    assert soon(tmp_path) == ["here"]


def test_what_was_taken_back_before_its_worker_came_is_not_begun(send, tmp_path, celery_workers):
    """The workers here have not heard of it: it stands in the result backend."""
    for number in range(5):
        celery_workers.backend.mark_as_revoked(f"{tmp_path.name}-back-{number}", "taken back")
    for number in range(5):
        send(this_sender(), f"back-{number}")
    send(this_sender(), "here")
    assert soon(tmp_path) == ["here"]


def outlives(path):
    """A task that catches what ends it: its process lives on."""
    try:
        Path(path).write_text("here")
        time.sleep(600)
    except SystemExit:
        Path(path).with_name("outlived").write_text("")


def dies():
    os.kill(os.getpid(), 9)


@pytest.mark.timeout(120)
def test_a_process_that_outlived_a_cancelled_task_is_lost_like_any(redis, tmp_path):
    """Celery keeps of such a process that it was told to end. What it lost with it later it told as
    revoked: the run was cancelled, and nobody had asked for that."""
    app = queue_workers.celery_app(redis)
    app.conf.task_default_queue = "outlived"
    one = ("--concurrency", "1")
    worker = queue_workers.start_celery(redis, tmp_path / "log", "outlived", *one)
    with queue_workers.ended(worker):
        courier = executor._Courier(app, "")
        work = dumps((outlives, (str(tmp_path / "path"),), {}, NOW))
        courier.send(deque([("outlived-1", "a", base64.b64encode(work).decode("ascii"))]))
        queue_workers.until((tmp_path / "path").exists)
        assert courier.revoke("outlived-1")
        queue_workers.until((tmp_path / "outlived").exists)
        run = nb.execute(one_task(dies, retry=2), executor=app, journal="memory")
    told = [one.error.message for one in run["a"].attempts]
    assert len(told) == 2, told
    assert all("its worker could not run it (WorkerLostError" in one for one in told), told
    queue_workers.close(app)


class EndsItsReader:
    """As if it were told to end while it unpickles this."""

    def __reduce__(self):
        return (sys.exit, (_TOLD_TO_END,))


class EndsItsWriter:
    def __reduce__(self):
        sys.exit(_TOLD_TO_END)


_TOLD_TO_END = -(256 - signal.SIGTERM)


@pytest.mark.parametrize("work", [EndsItsReader(), (EndsItsWriter, (), {}, NOW)])
def test_a_process_that_is_told_to_end_ends_whatever_it_is_at(work):
    with pytest.raises(SystemExit):
        attempt(dumps(work), leave=_terminated)
