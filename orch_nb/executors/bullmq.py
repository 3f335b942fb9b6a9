"""Attempts as jobs of a BullMQ queue in Redis, for workers of `orch-nb worker bullmq`.

    execute(plan, executor="bullmq", address="redis://localhost:6379")
    execute(plan, executor="bullmq", address="redis://localhost:6379?queue=reports")

What a worker had taken that died stalls, and BullMQ gives it to another within seconds. A job that
runs cannot be stopped: cancelling takes back what waits.
"""

from __future__ import annotations

import asyncio
import importlib
import json
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from orch_nb.errors import BackendUnavailable, MissingExtra, UsageError
from orch_nb.executors.bullmq_worker import JOB, QUEUE
from orch_nb.executors.remote import Ended, RemoteExecutor

__all__ = ["BullMQExecutor", "connected", "place_of"]

_KEPT_S = 3600  # a job that has ended stays for so long, if nobody fetches its end
_CONNECT_S = 5.0


class BullMQExecutor(RemoteExecutor):
    """`address`: the Redis, with the `queue` as a parameter. Raises MissingExtra, UsageError."""

    def __init__(self, address: str) -> None:
        super().__init__("bullmq", _Courier(*place_of(address)))


def place_of(address: str) -> tuple[str, str]:
    """The Redis of an address, and the queue that it names. Raises MissingExtra, UsageError."""
    _bullmq()
    parts = urlsplit(address) if isinstance(address, str) else None
    if parts is None or parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise UsageError(
            f"The executor `bullmq` needs the address of its Redis, as redis://localhost:6379, "
            f"not {address!r}."
        )
    queue = parse_qs(parts.query).get("queue", [QUEUE])[0]
    return urlunsplit(parts._replace(query="")), queue


def _bullmq() -> Any:
    try:
        return importlib.import_module("bullmq")
    except ImportError as error:
        raise MissingExtra("bullmq", "bullmq", "The executor `bullmq`") from error


def connected(address: str) -> Any:
    """A client of the Redis. Raises BackendUnavailable."""
    redis = importlib.import_module("redis")
    made = redis.Redis.from_url(
        address, socket_connect_timeout=_CONNECT_S, socket_timeout=_CONNECT_S,
        decode_responses=True,
    )  # fmt: skip
    try:
        made.ping()
    except (redis.RedisError, OSError) as error:
        made.close()
        raise BackendUnavailable(
            f"No Redis answers at {_bare(address)} ({error}). Start one with "
            "`orch-nb dev redis` or redis-server, and workers with `orch-nb worker bullmq`."
        ) from None
    return made


class _Courier:
    whose = "BullMQ workers"

    def __init__(self, address: str, queue: str) -> None:
        self._address, self._name = address, queue
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: Any = None

    def open(self) -> None:
        self._redis = connected(self._address)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """BullMQ is asynchronous: a loop of the courier's own thread."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(work)

    async def _opened(self) -> Any:
        if self._queue is None:
            self._queue = _bullmq().Queue(self._name, {"connection": self._address})
        return self._queue

    def idle(self) -> bool:
        async def count() -> int:
            return int(await (await self._opened()).get_workers_count())

        return not self._do(count())

    def send(self, packets: Sequence[tuple[str, str, str]]) -> None:
        kept = {"age": _KEPT_S}
        jobs = [
            {
                "name": JOB, "data": {"task": task, "payload": payload},
                "opts": {"jobId": name, "attempts": 1, "removeOnComplete": kept,
                         "removeOnFail": kept},
            }
            for name, task, payload in packets
        ]  # fmt: skip

        async def add() -> None:
            await (await self._opened()).addBulk(jobs)

        self._do(add())

    def ended(self, ids: Sequence[str]) -> Iterable[Ended]:
        with self._redis.pipeline(transaction=False) as asked:
            for name in ids:
                asked.hmget(self._key(name), "finishedOn", "returnvalue", "failedReason")
            answers = asked.execute()
        for name, (finished, returned, reason) in zip(ids, answers, strict=True):
            if not finished:
                continue
            if reason:  # not of the task, whose errors its worker tells
                yield Ended(name, error=f"its worker could not run it ({reason})")
            else:
                yield Ended(name, told=json.loads(returned))

    def _key(self, name: str) -> str:
        return f"bull:{self._name}:{name}"

    def revoke(self, name: str) -> bool:
        async def remove() -> bool:
            queue = await self._opened()
            if await queue.getJobState(name) not in ("waiting", "delayed", "prioritized"):
                return False
            return bool(await queue.remove(name))

        return bool(self._do(remove()))

    def close(self) -> None:
        async def closed() -> None:
            if self._queue is not None:
                await self._queue.close()

        try:
            self._do(closed())
        finally:
            if self._loop is not None:
                self._loop.close()
            self._loop = self._queue = None  # it may be opened again
            self._redis.close()


def _bare(url: str) -> str:
    """An address without who connects and by which password."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
