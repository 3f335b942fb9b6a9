"""Temporal owns the run: a workflow of its own for each, found again by its id.

Needs `orch_nb[temporal]` and a server: `orch-nb dev temporal` starts one here, `orch-nb worker
temporal` a worker. Addresses: `temporal://127.0.0.1:7233`, with a namespace `.../payments`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from orch_nb.backends.places import Place, common_losses
from orch_nb.engine.away import News, Seed, plain, shaped
from orch_nb.engine.ports import Request
from orch_nb.errors import BackendUnavailable, MissingExtra, PlanError
from orch_nb.model.event import RunOptions
from orch_nb.model.plan import Plan
from orch_nb.model.translation import Loss

__all__ = ["QUEUE", "Temporal", "backend", "connected"]

QUEUE = "orch_nb"

_MOST_TASKS = 5000  # a workflow's history ends at 51,200 events, and a task is some six
_CONNECT_S = 5.0
_QUERY_S = 5.0
_LOOKS = 10


def backend(where: Place) -> Temporal:
    try:
        import temporalio.client  # noqa: F401  # to be missed now, not in mid-run
    except ImportError:
        raise MissingExtra("temporalio", "temporal", "A run on Temporal") from None
    return Temporal(where)


async def connected(where: Place) -> Any:
    """A client. Raises BackendUnavailable, with how to start a server."""
    from temporalio.client import Client
    from temporalio.service import RPCError

    try:
        async with asyncio.timeout(_CONNECT_S):
            client = await Client.connect(where.address, namespace=where.path or "default")
            await client.service_client.check_health()
    except (RuntimeError, RPCError, TimeoutError, OSError) as error:
        raise BackendUnavailable(
            f"Temporal does not answer at {where.address} ({_short(error)}). Start one here with: "
            "orch-nb dev temporal"
        ) from None
    return client


class Temporal:
    """A Temporal server, as the owner of runs."""

    name = "temporal"

    def __init__(self, where: Place, queue: str = QUEUE) -> None:
        self._where, self._queue = where, queue
        self.url = str(where)
        self._made: Any = None
        self._looks: dict[str, int] = {}

    def losses(self, plan: Plan, options: RunOptions) -> tuple[Loss, ...]:
        found = common_losses(plan, options, "Temporal")
        if len(plan.tasks) > _MOST_TASKS:
            raise PlanError(
                f"This plan has {len(plan.tasks):,} tasks. Temporal ends a workflow at 51,200 "
                f"events of history, which some {_MOST_TASKS:,} tasks fill: run it here, or in "
                "parts."
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

        client = await self._client()
        found = await client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=client.namespace, task_queue=TaskQueue(name=self._queue),
                task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
            )
        )  # fmt: skip
        if found.pollers:
            return ""
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
            if "too large" in str(error).lower() or "exceeds size limit" in str(error).lower():
                raise PlanError(f"Temporal takes no plan of that size: {error}") from None
            raise self._unavailable(error) from None

    async def news(self, handle: str, after: int) -> News:
        from datetime import timedelta

        from temporalio.client import WorkflowQueryFailedError
        from temporalio.service import RPCError, RPCStatusCode

        known = (await self._client()).get_workflow_handle(handle)
        try:
            told = await known.query("news", after, rpc_timeout=timedelta(seconds=_QUERY_S))
        except WorkflowQueryFailedError:
            return News()  # it has not taken its first step
        except RPCError as error:
            # No worker can tell; the server itself is there.
            slow = (RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.FAILED_PRECONDITION,
                    RPCStatusCode.CANCELLED)  # fmt: skip
            if error.status in slow:
                return News(mute=True, gone=await self._gone(known))
            raise self._unavailable(error) from None
        news = shaped(told, News)
        if bytes(news.events) == b"[]" and self._quiet(handle):
            return News(gone=await self._gone(known))
        return news

    def _quiet(self, handle: str) -> bool:
        """Whether it is time to see that the run is still there: now and then, of a quiet one."""
        self._looks[handle] = self._looks.get(handle, 0) + 1
        return self._looks[handle] % _LOOKS == 0

    async def _gone(self, known: Any) -> str:
        """Who ended the workflow, where it did not end itself."""
        from temporalio.client import WorkflowExecutionStatus as Status
        from temporalio.service import RPCError

        try:
            status = (await known.describe()).status
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
            await known.signal("ask", [plain(request) for request in requests])
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:  # it has ended meanwhile
                return
            raise self._unavailable(error) from None

    async def close(self) -> None:
        """A client of Temporal's is closed by nobody's keeping it."""
        self._made = None

    def _unavailable(self, error: Exception) -> BackendUnavailable:
        return BackendUnavailable(f"Temporal at {self._where.address}: {_short(error)}.")


def _short(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return text[0][:120].rstrip(".") if text else type(error).__name__
