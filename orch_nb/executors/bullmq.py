"""Attempts as jobs of a BullMQ queue in Redis, for workers of `orch-nb worker bullmq`.

    execute(plan, executor="bullmq", address="redis://localhost:6379")
    execute(plan, executor="bullmq", address="redis://localhost:6379?queue=reports")

What a worker had taken that died stalls, and BullMQ gives it to another within seconds. A job that
runs cannot be stopped: cancelling takes back what waits. A job whose end is known is removed; what
a run left that was cut off goes when another run comes, of other machines after an hour.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import logging
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import msgspec

from orch_nb.errors import BackendUnavailable, MissingExtra, UsageError
from orch_nb.executors.attempt_elsewhere import PYTHON
from orch_nb.executors.bullmq_worker import JOB, PREFIX, QUEUE
from orch_nb.executors.remote import Ended, RemoteExecutor
from orch_nb.executors.sender import has_gone, this_sender

__all__ = ["BullMQExecutor", "Place", "connected", "place_of"]

_KEPT_S = 3600  # a job that has ended stays for so long, if nobody fetches its end
_CONNECT_S = 5.0
_ANSWER_S = 15.0
_AT_ONCE = 200  # jobs of one message
_EVENTS = 50  # that are kept of what BullMQ writes down for listeners, results and all


class BullMQExecutor(RemoteExecutor):
    """`address`: the Redis, with the `queue` and its `prefix` as parameters. Raises MissingExtra,
    UsageError."""

    def __init__(self, address: str) -> None:
        super().__init__("bullmq", _Courier(place_of(address)))


class Place(msgspec.Struct, frozen=True):
    """A queue of BullMQ: the address of its Redis, its name, and what its keys begin with."""

    redis: str
    queue: str = QUEUE
    prefix: str = PREFIX

    @property
    def line(self) -> str:
        """The line that starts a worker."""
        line = f"orch-nb worker bullmq --address {_bare(self.redis)}"
        if self.prefix != PREFIX:
            line += f"?prefix={self.prefix}"
        return line if self.queue == QUEUE else f"{line} --queue {self.queue}"


def place_of(address: str) -> Place:
    """The queue that an address means. Raises MissingExtra, UsageError."""
    _bullmq()
    parts = urlsplit(address) if isinstance(address, str) else None
    if parts is None or parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise UsageError(
            f"The executor `bullmq` needs the address of its Redis, as redis://localhost:6379, "
            f"not {address!r}."
        )
    given = parse_qs(parts.query)
    queue, prefix = given.pop("queue", [QUEUE])[0], given.pop("prefix", [PREFIX])[0]
    if ":" in queue:
        raise UsageError(f"The name of a BullMQ queue has no colon in it: {queue!r}.")
    rest = urlencode(given, doseq=True)  # what else there is, as of TLS, is for the client
    return Place(urlunsplit(parts._replace(query=rest)), queue, prefix)


def _bullmq() -> Any:
    try:
        return importlib.import_module("bullmq")
    except ImportError as error:
        raise MissingExtra("bullmq", "bullmq", "The executor `bullmq`") from error


def connected(place: Place) -> Any:
    """A client of the Redis. Raises BackendUnavailable, UsageError."""
    redis = importlib.import_module("redis")
    try:
        made = redis.Redis.from_url(
            place.redis, socket_connect_timeout=_CONNECT_S, socket_timeout=_CONNECT_S,
            decode_responses=True,
        )  # fmt: skip
    except (ValueError, TypeError) as error:
        raise UsageError(f"{_bare(place.redis)} is no address of a Redis: {error}") from None
    try:
        made.ping()
    except (redis.RedisError, OSError, TypeError) as error:
        made.close()
        if isinstance(error, redis.AuthenticationError) or "AUTH" in str(error):
            raise BackendUnavailable(
                f"The Redis at {_bare(place.redis)} does not let us in ({error}). Give its "
                "password in the address: redis://:PASSWORD@host:port, with %40 for an @ in it."
            ) from None
        raise BackendUnavailable(
            f"No Redis answers at {_bare(place.redis)} ({error}). Start one with "
            f"`orch-nb dev redis` or redis-server, and workers with `{place.line}`."
        ) from None
    return made


class _Courier:
    whose = "BullMQ workers"

    def __init__(self, place: Place) -> None:
        self._place = place
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: Any = None
        self._begun: set[str] = set()
        self._sender = this_sender()
        self._over: set[str] = set()  # what is still to be removed

    def open(self) -> None:
        self._redis = connected(self._place)

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """BullMQ is asynchronous: a loop of the courier's own thread."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(work)

    async def _opened(self) -> Any:
        """With a client that says at once when Redis is gone: BullMQ's own tries for minutes."""
        if self._queue is None:
            client = importlib.import_module("redis.asyncio").Redis.from_url(
                self._place.redis, decode_responses=True, single_connection_client=True,
                socket_connect_timeout=_CONNECT_S, socket_timeout=_ANSWER_S,
            )  # fmt: skip
            options = {"connection": client, "prefix": self._place.prefix}
            self._queue, self._client = _bullmq().Queue(self._place.queue, options), client
            await self._tidied()
        return self._queue

    async def _tidied(self) -> None:
        """Without what runs left there that were cut off: nobody will ask for it."""
        key = f"{self._place.prefix}:{self._place.queue}"
        names = await self._client.lrange(f"{key}:wait", 0, -1)
        for kind in ("completed", "failed"):
            names += await self._client.zrange(f"{key}:{kind}", 0, -1)
        for name in names:
            if has_gone(name.partition("@")[2]):
                await self._queue.remove(name)
        for kind in ("completed", "failed"):
            await self._queue.clean(_KEPT_S * 1000, 1000, kind)

    def _id(self, name: str) -> str:
        return f"{name}@{self._sender}"

    def lacking(self) -> str:
        async def count() -> int:
            return int(await (await self._opened()).get_workers_count())

        locks = [f"{self._key(name)}:lock" for name in self._begun]  # that their workers renew
        if (locks and self._redis.exists(*locks)) or self._do(count()):
            return ""
        return (
            f"No BullMQ worker takes from the queue `{self._place.queue}`. "
            f"Start one: {self._place.line}"
        )

    def send(self, packets: deque[tuple[str, str, str]]) -> None:
        async def add(jobs: list[dict[str, Any]]) -> None:
            await (await self._opened()).addBulk(jobs)

        while packets:
            some = list(itertools.islice(packets, _AT_ONCE))
            self._do(add([_job(self._id(name), *rest) for name, *rest in some]))
            for _ in some:
                packets.popleft()

    def ended(self, ids: Sequence[str]) -> Iterable[Ended]:
        fields = ("timestamp", "processedOn", "finishedOn", "returnvalue", "failedReason")
        with self._redis.pipeline(transaction=False) as asked:
            for name in ids:
                asked.hmget(self._key(name), *fields)
            answers = asked.execute()
        for name, (known, begun, finished, returned, reason) in zip(ids, answers, strict=True):
            if begun:
                self._begun.add(name)
            if finished:
                self._over.add(name)
            if not known:  # this Redis was emptied, or is another one
                self._begun.discard(name)
                yield Ended(name, gone=True)
            elif finished and reason:  # not of the task, whose errors its worker tells
                what = f"its worker could not run it ({reason})"
                yield Ended(name, error=what, died="stalled" in reason)
            elif finished:
                yield Ended(name, told=json.loads(returned))
        if self._over:
            self._begun -= self._over
            self._do(self._removed(_EVENTS))

    async def _removed(self, events: int) -> None:
        """Of what has ended nothing stays in Redis, nor in the stream of what happened there."""
        queue = await self._opened()
        while self._over:
            name = next(iter(self._over))
            await queue.remove(self._id(name))
            self._over.discard(name)
        await queue.trimEvents(events)

    def _key(self, name: str) -> str:
        return f"{self._place.prefix}:{self._place.queue}:{self._id(name)}"

    def revoke(self, name: str) -> bool:
        async def remove() -> bool:
            queue = await self._opened()
            if await queue.getJobState(self._id(name)) not in ("waiting", "delayed", "prioritized"):
                return False
            return bool(await queue.remove(self._id(name)))

        return bool(self._do(remove()))

    def close(self) -> None:
        async def closed() -> None:
            if self._queue is not None:
                try:
                    await self._removed(0)
                finally:
                    await self._queue.close()
                    await self._client.aclose()

        try:
            self._do(closed())
        except Exception:  # what is gone needs no closing
            logging.getLogger("orch_nb").debug("BullMQ's queue did not close", exc_info=True)
        finally:
            if self._loop is not None:
                self._loop.close()
            self._loop = self._queue = None  # it may be opened again
            self._redis.close()


def _job(name: str, task: str, payload: str) -> dict[str, Any]:
    kept = {"age": _KEPT_S}
    return {
        "name": JOB, "data": {"task": task, "python": PYTHON, "payload": payload},
        "opts": {"jobId": name, "attempts": 1, "removeOnComplete": kept, "removeOnFail": kept},
    }  # fmt: skip


def _bare(url: str) -> str:
    """An address without who connects and by which password."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
