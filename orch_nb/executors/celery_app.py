"""The Celery app that is meant, and whether attempts can go by it: asked before anything runs.

A setting with which attempts would wait for ever, or their ends never be heard of, is refused in
words; none is changed, since the app is its owner's.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from orch_nb.errors import BackendUnavailable, MissingExtra, UsageError
from orch_nb.executors.celery_worker import TASK, listens

__all__ = ["Workers", "app_of", "check", "line_for", "serializer_of"]

_CONNECT_S = 5.0
_FIRST_S, _ALL_S = 0.5, 1.0  # until the first worker, and until all of them, have answered


def app_of(app: Any) -> Any:
    """The Celery app that is meant: itself, `module:name`, or a package as `celery -A` takes it.
    Raises MissingExtra, UsageError."""
    try:
        celery = importlib.import_module("celery")
    except ImportError as error:
        raise MissingExtra("celery with redis", "celery", "The executor `celery`") from error
    if isinstance(app, celery.Celery):
        return app
    if not isinstance(app, str) or not app:
        raise UsageError(
            'The executor `celery` needs a Celery app, or where it is: address="proj.celery:app".'
        )
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as Celery's own command does
    found = _found(app)
    if not isinstance(found, celery.Celery):
        raise UsageError(f"`{app}` is a {type(found).__name__}, no Celery app.")
    return found


def _found(app: str) -> Any:
    module, colon, name = app.partition(":")
    try:
        if not colon:  # `proj` is proj.celery's app, too
            return importlib.import_module("celery.app.utils").find_app(app)
        found = importlib.import_module(module)
        for part in (name or "app").split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"There is no Celery app `{app}` ({error}). It is `module:name`, as in proj.celery:app."
        ) from error
    except Exception as error:  # whatever a person's module does
        raise UsageError(
            f"The module of the Celery app `{app}` cannot be imported: "
            f"{type(error).__name__}: {error}"
        ) from error
    return found


def line_for(app: Any, queue: str = "") -> str:
    """The line that starts a worker of `app`."""
    loaded = sys.modules.copy()  # whole at once: another thread may import something
    named = (
        f"{name}:{attribute}"
        for name, module in sorted(loaded.items()) if not name.startswith("__")
        for attribute in ("app", "celery", "celery_app", app.main or "app")
        if getattr(module, "__dict__", {}).get(attribute) is app
    )  # fmt: skip
    line = f"orch-nb worker celery --app {next(named, 'MODULE:APP')}"
    return f"{line} --queue {queue}" if queue else line


def check(app: Any, queue: str = "") -> None:
    """See that attempts can be sent by an app, and their ends heard of. Raises UsageError,
    BackendUnavailable."""
    _check_settings(app)
    queue_of(app, queue)
    broker, line = _bare(str(app.conf.broker_url or "amqp://")), line_for(app, queue)
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, timeout=_CONNECT_S)
    except Exception as error:  # noqa: BLE001  # each transport raises its own
        raise BackendUnavailable(
            f"No Celery broker answers at {broker} ({error}). Start it (for Redis: "
            f"`orch-nb dev redis`, or redis-server), and workers with `{line}`."
        ) from None
    try:
        app.backend.get_task_meta("orch_nb")
    except Exception as error:  # noqa: BLE001  # so do backends
        where = _bare(str(app.conf.result_backend))
        raise BackendUnavailable(
            f"The result backend of the Celery app does not answer at {where} "
            f"({_first_line(error)}). Start it (for Redis: `orch-nb dev redis`, or redis-server)."
        ) from None


def _check_settings(app: Any) -> None:
    backends = importlib.import_module("celery.backends")
    disabled = importlib.import_module(f"{backends.__name__}.base").DisabledBackend
    if isinstance(app.backend, disabled):
        raise UsageError(
            "The Celery app has no result backend, so nobody would hear how tasks end. "
            'Give it one: Celery(..., backend="redis://...").'
        )
    if app.conf.task_always_eager:
        raise UsageError(
            "The Celery app has task_always_eager on, which keeps everything from its workers. "
            "Turn it off, or have functions run here: --executor threads."
        )
    broker = str(app.conf.broker_url or "").partition(":")[0]
    if broker == "filesystem":
        raise UsageError(
            "The Celery app has a broker of files, which loses messages when several "
            "workers read it. Give it Redis or RabbitMQ: `orch-nb dev redis` starts one."
        )
    results = str(app.conf.result_backend or "")
    if results.startswith(("cache+memory", "cache+inmemory")) and broker != "memory":
        raise UsageError(
            f"The result backend of the Celery app is {results}, the memory of one process: what a "
            "worker keeps there nobody else can see. Give it another, as redis://..."
        )


def queue_of(app: Any, queue: str = "") -> str:
    """The queue that attempts go to, by the app's own routes. Raises UsageError."""
    missing = importlib.import_module("celery.exceptions").QueueNotFound
    try:
        route = app.amqp.router.route({"queue": queue} if queue else {}, TASK, (), {})
    except missing as error:
        known = ", ".join(f"`{name}`" for name in sorted(app.amqp.queues))
        raise UsageError(
            f"The Celery app has no such queue ({error}), and is not to make any "
            f"(task_create_missing_queues). It has: {known}."
        ) from None
    return str(getattr(route.get("queue"), "name", route.get("queue") or ""))


def serializer_of(app: Any) -> str:
    """One that its workers accept. What is sent is text, which any of them can carry."""
    accepted = [str(one) for one in app.conf.accept_content or ["json"]]
    if any("json" in one for one in accepted):
        return "json"
    names = importlib.import_module("kombu.serialization").registry.type_to_name
    return str(names.get(accepted[0], accepted[0]))


class Workers:
    """Who is there to take attempts from a queue of an app."""

    def __init__(self, app: Any, queue: str) -> None:
        self._app, self._asked = app, queue

    def check(self) -> None:
        """Raises UsageError where they take from the queue, and have not got our task."""
        said = self.lacking(settled=False)
        if said and str(self._app.conf.broker_url).startswith("memory:"):
            raise UsageError(
                "The broker of the Celery app is memory://, which only this process can see, and "
                "there is no worker in it. Give it another: `orch-nb dev redis` starts one."
            )
        if said.startswith("The Celery workers"):
            raise UsageError(said)

    def lacking(self, *, settled: bool = True) -> str:
        """Why nobody takes what is sent, and what to do; "" when somebody does."""
        line = line_for(self._app, self._asked)
        if not listens(self._app):
            said = "Nobody has begun it yet. Is a Celery worker there? Start one:"
            return f"{said} {line}" if settled else ""
        first = self._heard(self._app.control.ping(timeout=_FIRST_S, limit=1))
        if not first:
            return f"No Celery worker answers. Start one: {line}"
        queue = queue_of(self._app, self._asked)
        if self._ready(first, queue, limit=1):
            return ""
        takes = self._asked_of("active_queues")
        takers = [host for host, its in takes.items() if queue in _names(its)]
        if not takers:
            others = ", ".join(
                sorted({f"`{name}`" for its in takes.values() for name in _names(its)})
            )
            return (
                f"No Celery worker takes from the queue `{queue}`; those that answer take from "
                f"{others or 'none'}. Start one: {line_for(self._app, queue)}"
            )
        if any(TASK in had for had in self._asked_of("registered", takers).values()):
            return ""
        return (
            f"The Celery workers that take from `{queue}` have not got the task `{TASK}`. In the "
            "module of the app, say: from orch_nb.executors.celery_worker import register; "
            f"register(app). Then start them anew, or start: {line}"
        )

    def _ready(self, hosts: list[str], queue: str, limit: int) -> bool:
        takes = self._asked_of("active_queues", hosts, limit)
        takers = [host for host, its in takes.items() if queue in _names(its)]
        had = self._asked_of("registered", takers, limit) if takers else {}
        return any(TASK in names for names in had.values())

    def _asked_of(
        self, what: str, hosts: list[str] | None = None, limit: int | None = None
    ) -> dict[str, list[Any]]:  # fmt: skip
        inspect = self._app.control.inspect(destination=hosts, timeout=_ALL_S, limit=limit)
        return {host: had or [] for host, had in (getattr(inspect, what)() or {}).items()}

    @staticmethod
    def _heard(answers: Any) -> list[str]:
        return [host for answer in answers or () for host in answer]


def _names(queues: list[Any]) -> list[str]:
    return [str(queue.get("name")) for queue in queues]


def _bare(url: str) -> str:
    """An address without who connects and by which password."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {' '.join(lines)}"
