"""Temporal owns the run: a workflow of its own for each, found again by its id.

Needs `orch_nb[temporal]` and a server: `orch-nb dev temporal` starts one here, `orch-nb worker
temporal` a worker. Addresses: `temporal://127.0.0.1:7233`, with a namespace `.../payments`.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from orch_nb.backends.places import Place, common_losses
from orch_nb.engine.away import News, Seed, plain, shaped, version
from orch_nb.engine.ports import Request
from orch_nb.errors import BackendUnavailable, MissingExtra, PlanError
from orch_nb.model.event import RunOptions
from orch_nb.model.plan import Plan, encode
from orch_nb.model.translation import Loss

__all__ = ["QUEUE", "Temporal", "backend", "connected"]

QUEUE = "orch_nb"

_MOST_TASKS = 5000  # a workflow's history ends at 51,200 events; a task is four, a retry as many
_MOST_BYTES = 1_900_000  # Temporal takes 2 MiB
_CONNECT_S = 5.0
_QUERY_S = 5.0
_SOON_S = 2.0
_LOOKS = 10
_BUSY_S = 15  # a worker that was heard of since then may only be slow
_SOON = timedelta(seconds=_SOON_S)


def backend(where: Place) -> Temporal:
    try:
        import temporalio.client  # noqa: F401  # to be missed now, not in mid-run
    except ImportError:
        raise MissingExtra("temporalio", "temporal", "A run on Temporal") from None
    return Temporal(where)


@functools.cache
def _runtime() -> Any:
    """The SDK's own part, which would write a line to the terminal each time that it tries again to
    reach a server: that is told here, in words."""
    from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

    quiet = LoggingConfig(filter=TelemetryFilter(core_level="ERROR", other_level="ERROR"))
    return Runtime(telemetry=TelemetryConfig(logging=quiet))


async def connected(where: Place, *, patient: bool = False) -> Any:
    """A client; a `patient` one tries again for some seconds where a server does not answer. Raises
    BackendUnavailable, with how to start a server."""
    from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
    from temporalio.client import Client
    from temporalio.service import RetryConfig, RPCError, RPCStatusCode

    retry = None if patient else RetryConfig(max_retries=3, max_elapsed_time_millis=1000)
    space = where.path or "default"
    try:
        async with asyncio.timeout(_CONNECT_S):
            client = await Client.connect(
                where.address, namespace=space, retry_config=retry, runtime=_runtime()
            )
            await client.workflow_service.describe_namespace(
                DescribeNamespaceRequest(namespace=space)
            )
    except (RuntimeError, RPCError, TimeoutError, OSError) as error:
        if isinstance(error, RPCError) and error.status is RPCStatusCode.NOT_FOUND:
            raise BackendUnavailable(
                f"Temporal at {where.address} has no namespace `{space}`. Make it with: temporal "
                f"operator namespace create --address {where.address} --namespace {space}"
            ) from None
        raise _away(where, error) from None
    return client


def _away(where: Place, error: BaseException) -> BackendUnavailable:
    return BackendUnavailable(
        f"Temporal does not answer at {where.address} ({_short(error)}). Start one here with: "
        "orch-nb dev temporal"
    )


class Temporal:
    """A Temporal server, as the owner of runs."""

    name = "temporal"

    def __init__(self, where: Place, queue: str = QUEUE) -> None:
        self._where, self._queue = where, queue
        self.url = str(where)
        self._made: Any = None
        self._looks: dict[str, int] = {}
        self._mute, self._said = False, ""

    def losses(self, plan: Plan, options: RunOptions) -> tuple[Loss, ...]:
        found = common_losses(plan, options, "Temporal")
        if len(plan.tasks) > _MOST_TASKS:
            raise PlanError(
                f"This plan has {len(plan.tasks):,} tasks. Temporal ends a workflow at 51,200 "
                f"events of history, which some {_MOST_TASKS:,} tasks fill: run it here, or in "
                "parts."
            )
        size = len(encode(plan))
        if size > _MOST_BYTES:
            raise PlanError(
                f"This plan has {size:,} bytes, and Temporal takes {_MOST_BYTES:,} in one piece: "
                "keep what is long in it (arguments, scripts, descriptions) in files."
            )
        return tuple(found)

    async def _client(self) -> Any:
        if self._made is None:
            self._made = await connected(self._where)
        return self._made

    async def reach(self) -> None:
        await self._client()

    async def hint(self) -> str:
        from temporalio.api.enums.v1 import TaskQueueType
        from temporalio.api.taskqueue.v1 import TaskQueue
        from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
        from temporalio.service import RPCError

        client = await self._client()
        asked = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=self._queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )  # fmt: skip
        try:
            found = await client.workflow_service.describe_task_queue(asked, timeout=_SOON)
        except RPCError as error:
            raise self._unavailable(error) from None
        if self._said:
            return (
                f"The worker at {self.url} cannot go on with this run ({self._said}): is it of the "
                f"orch_nb that the run was started by, {version()}? Runs go on by the version that "
                "they began with."
            )
        if found.pollers and not self._mute:
            return ""
        if found.pollers:  # Temporal knows of them for minutes after they have gone
            newest = max(one.last_access_time.ToSeconds() for one in found.pollers)
            ago = max(0, round(time.time() - newest))
            if ago < _BUSY_S:
                return ""
            return (
                f"The worker at {self.url} does not answer: it was last heard of {ago} s ago. "
                "Nothing goes on until it does, or until there is another: orch-nb worker temporal "
                f"--address {self._where.address}"
            )
        return (
            f"No worker listens at {self.url}: nothing runs until one does. Start one with: "
            f"orch-nb worker temporal --address {self._where.address}"
        )

    async def start(self, handle: str, seed: Seed) -> None:
        from temporalio.common import WorkflowIDReusePolicy
        from temporalio.exceptions import WorkflowAlreadyStartedError
        from temporalio.service import RPCError

        client = await self._client()
        try:
            await client.start_workflow(
                "orch_nb.plan", plain(seed), id=handle, task_queue=self._queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            )  # fmt: skip
        except WorkflowAlreadyStartedError:
            return
        except RPCError as error:
            if any(word in str(error).lower() for word in ("too large", "exceeds", "larger than")):
                raise PlanError(
                    f"Temporal takes no run of that size, with what it has done so far: {error}"
                ) from None
            raise self._unavailable(error) from None

    async def news(self, handle: str, after: int) -> News:
        from temporalio.client import WorkflowQueryFailedError
        from temporalio.service import RPCError, RPCStatusCode

        known = (await self._client()).get_workflow_handle(handle)
        try:
            told = await self._answered(known, after)
        except WorkflowQueryFailedError as error:
            gone = await self._refused(handle, known, error)
            return News(gone=gone, mute=bool(self._said))
        except RPCError as error:
            # No worker can tell; the server itself is there.
            slow = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.FAILED_PRECONDITION,
                    RPCStatusCode.CANCELLED)  # fmt: skip
            if error.status in slow:
                gone = await self._gone(known)
                self._mute = not gone
                return News(mute=True, gone=gone)
            raise self._unavailable(error) from None
        self._mute, self._said = False, ""
        news = shaped(told, News)
        if bytes(news.events) == b"[]" and self._quiet(handle):
            gone = await self._gone(known) or await self._failed(known)
            if gone:  # it may have ended by itself in between
                news = shaped(await self._answered(known, after), News)
                return news if bytes(news.events) != b"[]" else News(gone=gone)
        return news

    async def _refused(self, handle: str, known: Any, error: Exception) -> str:
        """Of a worker that cannot tell of the run: before its first step that is how it is, later
        it cannot go on with it."""
        self._said = ""
        if not self._quiet(handle):
            return ""
        gone = await self._gone(known)
        self._said = "" if gone else _short(error)
        return gone

    async def _failed(self, known: Any) -> str:
        """Why the workflow failed that does not interpret a plan any more: it tells of a run that
        has failed by its events."""
        from temporalio.client import WorkflowExecutionStatus as Status
        from temporalio.client import WorkflowFailureError
        from temporalio.service import RPCError

        try:
            if (await known.describe(rpc_timeout=_SOON)).status is not Status.FAILED:
                return ""
            await known.result(follow_runs=False, rpc_timeout=_SOON)
        except WorkflowFailureError as error:
            return f"Temporal (failed: {error.cause})"
        except RPCError as error:
            raise self._unavailable(error) from None
        return ""

    async def _answered(self, known: Any, after: int) -> Any:
        """What the worker answers. The client tries for long to reach a server that has gone, so
        one that is silent is looked for."""
        query = asyncio.ensure_future(
            known.query("news", after, rpc_timeout=timedelta(seconds=_QUERY_S))
        )
        try:
            if not (await asyncio.wait({query}, timeout=_SOON_S))[0]:
                await known.describe(rpc_timeout=_SOON)
            return await query
        finally:
            query.cancel()

    def _quiet(self, handle: str) -> bool:
        """Whether it is time to see that the run is still there: now and then, of a quiet one."""
        self._looks[handle] = self._looks.get(handle, 0) + 1
        return self._looks[handle] % _LOOKS == 0

    async def _gone(self, known: Any) -> str:
        """Who ended the workflow, where it did not end itself."""
        from temporalio.client import WorkflowExecutionStatus as Status
        from temporalio.service import RPCError

        try:
            status = (await known.describe(rpc_timeout=_SOON)).status
        except RPCError as error:
            raise self._unavailable(error) from None
        ended = {
            Status.TERMINATED: "Temporal (terminated)",
            Status.TIMED_OUT: "Temporal (timed out)",
        }
        return ended.get(status, "")

    async def ask(self, handle: str, requests: Sequence[Request]) -> None:
        from temporalio.service import RPCError, RPCStatusCode

        known = (await self._client()).get_workflow_handle(handle)
        try:
            asked = [plain(request) for request in requests]
            await known.signal("ask", asked, rpc_timeout=_SOON)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:  # it has ended meanwhile
                return
            raise self._unavailable(error) from None

    async def close(self) -> None:
        """A client of Temporal's is closed by nobody's keeping it."""
        self._made = None

    def _unavailable(self, error: Any) -> BackendUnavailable:
        from temporalio.service import RPCStatusCode

        if error.status in (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED):
            return _away(self._where, error)
        return BackendUnavailable(f"Temporal at {self._where.address}: {_short(error)}.")


_OTHER = "something answers there that is not Temporal"
#: What the SDK says by the names of its own parts.
_MEANT = {"ConnectionRefused": "connection refused", "tcp connect error": "no connection",
          "dns error": "there is no such host",
          "failed to lookup address": "there is no such host",
          # gRPC, to a server of something else.
          "protocol err": _OTHER, "operation was cancel": _OTHER,
          "after connection: Status { code: Unknown": _OTHER}  # fmt: skip


def _short(error: BaseException) -> str:
    told = str(error).strip()
    meant = next((meant for said, meant in _MEANT.items() if said in told), None)
    if meant is not None or not told:
        return meant or "no answer"
    return told.splitlines()[0][:120].rstrip(".")
