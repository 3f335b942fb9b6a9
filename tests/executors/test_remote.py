"""Attempts that go by a queue: what is told of nobody there, and what becomes of what is lost."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import sysconfig
from collections import deque

import pytest
import queue_workers

import orch_nb as nb
from orch_nb.cli import main
from orch_nb.engine.ports import AttemptRequest, Current, Setting
from orch_nb.executors.attempt_elsewhere import PYTHON, attempt
from orch_nb.executors.bullmq import Place, _Courier, place_of
from orch_nb.executors.own_modules import own_modules
from orch_nb.executors.remote import Ended, RemoteExecutor
from orch_nb.executors.sender import has_gone, this_sender
from orch_nb.executors.worker_pickles import dumps
from orch_nb.testing import ManualClock


def plan_of(**task):
    return nb.Plan(goal="g", tasks=[nb.Task(id="a", **task)])


def test_where_there_is_no_worker_the_line_that_starts_one_is_shown(redis, capsys):
    address = f"{redis}?queue=nobody"
    run = nb.execute(
        plan_of(run=int, timeout="4s"), executor="bullmq", address=address, journal="memory"
    )
    assert run["a"].error.type == "TimeoutError"
    line = f"Start one: orch-nb worker bullmq --address {redis} --queue nobody"
    assert capsys.readouterr().err.count(line) == 1


def test_of_a_bullmq_run_nothing_stays_in_redis(redis, client, tmp_path):
    with queue_workers.ended(queue_workers.start_bullmq(redis, tmp_path / "log", "tidy")):
        address = f"{redis}?queue=tidy"
        run = nb.execute(plan_of(run=int), executor="bullmq", address=address, journal="memory")
        assert run.status == "succeeded"
        left = {name.rpartition(":")[2] for name in client.keys("bull:tidy:*")}
        assert left <= {"meta", "id", "events", "marker", "stalled-check"}
        assert client.xlen("bull:tidy:events") == 0


def test_what_an_emptied_redis_has_forgotten_is_sent_again(redis, client):
    courier = opened(redis, "emptied")
    courier.send(deque([("x", "a", ""), ("y", "b", "")]))
    assert list(courier.ended(["x", "y"])) == []
    client.delete(*client.keys("bull:emptied:*"))
    assert [(end.id, end.gone) for end in courier.ended(["x", "y"])] == [("x", True), ("y", True)]
    courier.close()


def test_what_a_process_left_that_has_gone_is_removed(redis, client, gone_sender):
    left, courier = opened(redis, "left"), opened(redis, "left")
    left._sender = gone_sender
    left.send(deque([("x", "a", "")]))
    courier.send(deque([("y", "b", "")]))
    waits = [name.partition("@")[0] for name in client.lrange("bull:left:wait", 0, -1)]
    assert waits == ["y"]
    for one in (left, courier):
        one.revoke("y")
        one.close()


def opened(redis, queue):
    courier = _Courier(Place(redis, queue))
    courier.open()
    return courier


def test_a_worker_does_not_serve_the_queue_of_somebody_else(redis, client, capsys):
    from bullmq import Queue

    async def add():
        queue = Queue("theirs", {"connection": redis})
        await queue.add("send-mail", {"to": "a@example.org"})
        await queue.close()

    asyncio.run(add())
    before = client.dump("bull:theirs:wait")
    assert main(["worker", "bullmq", "--address", redis, "--queue", "theirs"]) == 2
    assert "jobs of somebody else (`send-mail`)" in capsys.readouterr().err
    assert client.dump("bull:theirs:wait") == before


def test_an_address_keeps_what_it_says_of_its_redis():
    place = place_of("rediss://me:pw@host:6380/3?ssl_cert_reqs=none&queue=reports&prefix=acme")
    assert place == Place("rediss://me:pw@host:6380/3?ssl_cert_reqs=none", "reports", "acme")
    assert "pw" not in place.line
    with pytest.raises(nb.UsageError, match="no colon"):
        place_of("redis://host?queue=a:b")


class Broker:
    """A courier whose broker a test plays: `says` is what it tells, `fails` how it fails first."""

    whose = "workers"

    def __init__(self, says, *fails):
        self.says, self.fails, self.sent = says, list(fails), []

    def open(self): ...

    def close(self): ...

    def send(self, packets):
        if packets and self.fails:
            raise self.fails.pop(0)
        while packets:
            self.sent.append(packets.popleft()[0])

    def ended(self, ids):
        return [self.says(name) for name in ids if name in self.sent]

    def revoke(self, name):
        return False

    def lacking(self):
        return ""


def outcome_of(broker):
    executor, found, printed = RemoteExecutor("remote", broker), [], []

    def log(task, attempt, stream, text):
        printed.append(text)

    request = AttemptRequest(
        task=nb.Task(id="a", run=int), id="a", attempt=1, setting=Setting(run_id="r", log=log)
    )
    executor.start(ManualClock(), 1)
    executor.submit([request], found.extend)
    queue_workers.until(lambda: found)
    executor.stop()
    return found[0], printed


def test_what_could_not_be_sent_is_sent_later():
    told = Ended("", error="it had it")
    broker = Broker(lambda name: Ended(name, error=told.error), ConnectionError("reset"))
    outcome, _ = outcome_of(broker)
    assert outcome.failure.message == "it had it"
    assert len(broker.sent) == 1


def test_what_a_worker_of_another_version_tells_fails_the_attempt_in_words():
    outcome, _ = outcome_of(Broker(lambda name: Ended(name, told="AAAA")))
    assert "The worker needs orch_nb in this version" in outcome.failure.message


@pytest.mark.parametrize(
    ("begun", "sent", "kind", "said"),
    [
        (True, 3, "WorkerDied", "3 workers died running it"),
        (False, 6, "RuntimeError", "it was lost 6 times on its way"),
    ],
)
def test_what_is_lost_again_and_again_ends(begun, sent, kind, said):
    broker = Broker(lambda name: Ended(name, gone=True, begun=begun))
    outcome, printed = outcome_of(broker)
    assert said in outcome.failure.message
    assert outcome.failure.type == kind
    assert len(broker.sent) == len({*broker.sent}) == sent
    assert len(printed) == sent - 1


def test_code_of_another_python_is_not_run():
    now = Current(task="a", attempt=1, run_id="r", params={})
    payload = dumps((lambda: 1, (), {}, now))

    def told(python):
        import pickle

        return pickle.loads(attempt(payload, python)).failure

    assert told(PYTHON) is None
    assert f"code of Python 3.1, and its worker has {PYTHON}" in told("3.1").message


def test_modules_that_were_installed_are_not_sent_along(tmp_path, monkeypatch):
    (tmp_path / "mine_of_tests.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    __import__("mine_of_tests")
    assert own_modules("mine_of_tests") == ["mine_of_tests"]
    assert msgspec_is_installed()
    assert own_modules("msgspec") == own_modules("json") == []


def msgspec_is_installed():
    import msgspec

    return msgspec.__file__.startswith(sysconfig.get_path("platlib"))


def test_a_process_is_told_from_one_that_has_gone(gone_sender):
    assert not has_gone(this_sender())
    assert has_gone(gone_sender)
    assert not has_gone(f"elsewhere-{gone_sender}"), "of another machine nobody knows"
    assert not has_gone("")


def test_a_process_that_has_gone_is_known_by_its_birth():
    place, _, mark = this_sender().rpartition("-")
    assert has_gone(f"{place}-{int(mark) - 1}"), "another had its number"


def test_the_name_of_a_process_is_its_own():
    code = "from orch_nb.executors.sender import this_sender as f; print(f())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() != this_sender()
