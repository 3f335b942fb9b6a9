"""The environment variables by which a task in another process knows itself: `ORCH_*`."""

from __future__ import annotations

import json
from typing import Any

from orch_nb.engine.ports import AttemptRequest

__all__ = ["variables"]


def variables(request: AttemptRequest) -> dict[str, str]:
    """`ORCH_TASK`, `ORCH_ATTEMPT`, `ORCH_RUN_ID`, `ORCH_IDEMPOTENCY_KEY`, each parameter as
    `ORCH_PARAM_<NAME>`, and of an instance `ORCH_INDEX` and `ORCH_ITEM`."""
    now = request.current
    own: dict[str, Any] = {
        "ORCH_TASK": now.task,
        "ORCH_ATTEMPT": now.attempt,
        "ORCH_RUN_ID": now.run_id,
        "ORCH_IDEMPOTENCY_KEY": now.idempotency_key,
    }
    if now.index is not None:
        own["ORCH_INDEX"] = now.index
        own["ORCH_ITEM"] = now.item if isinstance(now.item, str) else _json(now.item)
    for values in (now.params, request.task.with_):
        own |= {f"ORCH_PARAM_{name.upper()}": value for name, value in values.items()}
    return {name: str(value) for name, value in own.items()}


def _json(value: Any) -> str:
    """An item for a command to read; what JSON does not know is told as text."""
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (TypeError, ValueError):  # a key that is no text, a list that holds itself
        return str(value)
