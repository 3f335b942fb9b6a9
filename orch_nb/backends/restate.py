"""Restate owns the run: a workflow of its own for each, found again by its key.

Needs `orch_nb[restate]` and a server: `orch-nb dev restate` starts one here, `orch-nb worker
restate` a worker, which tells the server where it is. Addresses: `restate://127.0.0.1:8080`, the
server's ingress; its admin port is 990 above that (9070), or what stands behind: `.../9071`.
"""

from __future__ import annotations

import asyncio
import http.client
import importlib.util
import json
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from orch_nb.backends.places import Place, common_losses
from orch_nb.engine.away import News, Seed, plain, shaped
from orch_nb.engine.ports import Request
from orch_nb.errors import BackendUnavailable, MissingExtra, PlanError
from orch_nb.model.event import RunOptions
from orch_nb.model.plan import Plan
from orch_nb.model.translation import Loss

__all__ = ["NOT_UNDERSTOOD", "SERVICE", "Restate", "backend", "register"]

SERVICE = "orch_nb.plan"
NOT_UNDERSTOOD = "does not understand the run"  # of a worker, the end of the workflow

_MOST_TASKS = 5000  # the whole journal of a run is replayed when its worker was lost
_ANSWER_S = 5.0
_SOON_S = 2.0
_REGISTER_S = 30.0
_OK = 200
_NOT_FOUND = 404
_TOO_LARGE = 413
_LOOKS = 10  # so often nothing new, and it is seen whether the run is still there
#: The server is on the loopback, or where its owner says: no proxy is asked.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def backend(where: Place) -> Restate:
    for module, package in (("restate", "restate-sdk"), ("hypercorn", "hypercorn")):
        if importlib.util.find_spec(module) is None:
            raise MissingExtra(package, "restate", "A run on Restate")
    return Restate(where)


class _Refused(Exception):
    """The server answers, and says no."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


async def _called(where: Place, url: str, body: Any = None, wait_s: float = _ANSWER_S) -> Any:
    """What the server answers. Raises BackendUnavailable, _Refused, TimeoutError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310  # http is what `_base` makes
        url, data=data, headers={"content-type": "application/json"}
    )

    def call() -> bytes:
        with _OPENER.open(request, timeout=wait_s) as answer:
            found: bytes = answer.read()
            return found

    try:
        told = await asyncio.to_thread(call)
    except urllib.error.HTTPError as error:
        with error:
            raise _Refused(error.code, error.read().decode(errors="replace")[:300]) from None
    except TimeoutError:
        raise
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        if isinstance(getattr(error, "reason", None), TimeoutError):
            raise TimeoutError from None
        raise BackendUnavailable(
            f"Restate does not answer at {where.address} ({_reason(error)}). "
            "Start one here with: orch-nb dev restate"
        ) from None
    try:
        return json.loads(told) if told else None
    except ValueError:
        raise _Refused(_OK, "an answer that is no JSON") from None


def _reason(error: Exception) -> str:
    """What is wrong, without the number that the machine has for it."""
    inner = getattr(error, "reason", error)
    return str(getattr(inner, "strerror", None) or inner).lower()


def _admin(where: Place) -> str:
    port = int(where.path) if where.path.isdigit() else where.port + 990
    return f"http://{msgspec.structs.replace(where, port=port).address}"


async def register(where: Place, uri: str) -> None:
    """Tell the server where this worker is. Raises BackendUnavailable."""
    until = asyncio.get_running_loop().time() + _REGISTER_S
    while True:
        try:
            await _called(where, f"{_admin(where)}/deployments", {"uri": uri, "force": True}, 20.0)
        except (_Refused, TimeoutError) as error:  # it may not listen yet
            if asyncio.get_running_loop().time() > until:
                raise BackendUnavailable(
                    f"Restate at {where.address} does not take this worker: {error}"
                ) from None
            await asyncio.sleep(0.2)
        else:
            return


class Restate:
    """A Restate server, as the owner of runs."""

    name = "restate"

    def __init__(self, where: Place) -> None:
        self._where, self.url = where, str(where)
        self._base = f"http://{where.address}"
        self._looks = 0

    def losses(self, plan: Plan, options: RunOptions) -> tuple[Loss, ...]:
        if len(plan.tasks) > _MOST_TASKS:
            raise PlanError(
                f"This plan has {len(plan.tasks):,} tasks. Restate replays the whole journal of a "
                f"run whose worker was lost, so {_MOST_TASKS:,} are the most: run it here, or in "
                "parts."
            )
        return tuple(common_losses(plan, options, "Restate"))

    def _at(self, handle: str, verb: str) -> str:
        return f"{self._base}/{SERVICE}/{quote(handle, safe='')}/{verb}"

    async def reach(self) -> None:
        try:
            await self._is_restate()
            await _called(self._where, self._at("reach", "news"), 0, _SOON_S)
        except TimeoutError:
            return  # a worker is known that does not answer now
        except _Refused as error:
            if error.code == _NOT_FOUND:
                raise BackendUnavailable(await self.hint()) from None
            raise self._unavailable(error) from None

    async def _is_restate(self) -> None:
        try:
            await _called(self._where, f"{self._base}/restate/health")
        except _Refused:
            raise BackendUnavailable(
                f"What answers at {self._where.address} is not Restate's ingress (its admin "
                "listens elsewhere). Give the ingress, or start a server here with: "
                "orch-nb dev restate"
            ) from None

    async def hint(self) -> str:
        return (
            f"No worker answers for {self.url}: nothing runs until one does. Start one with: "
            f"orch-nb worker restate --address {self._where.address}"
        )

    async def start(self, handle: str, seed: Seed) -> None:
        try:
            await _called(self._where, self._at(handle, "run/send"), plain(seed), 20.0)
        except _Refused as error:
            if error.code == _TOO_LARGE:
                raise PlanError(f"Restate takes no plan of that size: {error}") from None
            raise self._unavailable(error) from None
        except TimeoutError as error:
            raise self._unavailable(error) from None

    async def news(self, handle: str, after: int) -> News:
        try:
            told = await _called(self._where, self._at(handle, "news"), after)
        except TimeoutError:
            return News(mute=True)  # no worker can tell
        except _Refused as error:
            raise self._unavailable(error) from None
        news = shaped(told or {}, News)
        if bytes(news.events) == b"[]":
            self._looks += 1
            if self._looks % _LOOKS == 0:
                return News(gone=await self._gone(handle))
        return news

    async def _gone(self, handle: str) -> str:
        """Who ended the workflow, where it did not end itself: Restate's admin may kill it."""
        url = f"{self._base}/restate/workflow/{SERVICE}/{quote(handle, safe='')}/output"
        try:
            await _called(self._where, url)
        except _Refused as error:
            if "killed" in str(error):
                return "Restate (killed)"
            return f"Restate (failed: {error})" if NOT_UNDERSTOOD in str(error) else ""
        except TimeoutError:
            return ""
        return ""

    async def ask(self, handle: str, requests: Sequence[Request]) -> None:
        told = [plain(request) for request in requests]
        try:
            await _called(self._where, self._at(handle, "ask"), told)
        except (_Refused, TimeoutError) as error:
            raise self._unavailable(error) from None

    async def close(self) -> None:
        """Each call has a connection of its own."""

    def _unavailable(self, error: Exception) -> BackendUnavailable:
        return BackendUnavailable(f"Restate at {self._where.address}: {str(error) or 'no answer'}.")
