"""What Restate does: its server, a service of its own, one workflow a scenario, asked by SQL.

python tests/systems/restate_driver.py serve PORT           # a service that can be killed
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import marks
from node import NODE_MODULES, package_version
from redis_server import free_port

SETTLED_S = 4.0
PACKAGE = "@restatedev/restate-server"


def program() -> Path | None:
    found = sorted(NODE_MODULES.glob("@restatedev/restate-server-*/bin/restate-server"))
    return found[0] if found else None


def missing() -> str:
    return "" if program() else f"npm install {PACKAGE}, and pip install restate-sdk hypercorn"


def versions() -> str:
    return f"server {package_version(PACKAGE)}, SDK for Python {version('restate-sdk')}"


class Server:
    """A Restate server and where it listens."""

    def __init__(self, folder: str) -> None:
        self.ingress, self.admin = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self.service = free_port()
        node = free_port()
        settings = {
            "RESTATE_BIND_IP": "127.0.0.1", "RESTATE_LISTEN_MODE": "tcp", "DO_NOT_TRACK": "1",
            "RESTATE_DISABLE_TELEMETRY": "true", "RESTATE_LOG_FILTER": "warn",
            "RESTATE_DEFAULT_NUM_PARTITIONS": "1", "RESTATE_ROCKSDB_TOTAL_MEMORY_SIZE": "128MB",
            "RESTATE_INGRESS__BIND_ADDRESS": self.ingress.removeprefix("http://"),
            "RESTATE_ADMIN__BIND_ADDRESS": self.admin.removeprefix("http://"),
            "RESTATE_BIND_ADDRESS": f"127.0.0.1:{node}",
            "RESTATE_ADVERTISED_ADDRESS": f"http://127.0.0.1:{node}",
        }  # fmt: skip
        with Path(folder, "server.log").open("a") as log:
            self.process = subprocess.Popen(
                [str(program()), "--no-logo", "--base-dir", folder, "--node-name", "n"],
                env={**os.environ, **settings}, stdout=log, stderr=log,
            )  # fmt: skip
        self.http = httpx.Client(timeout=30)

    def serve(self) -> subprocess.Popen[bytes]:
        return marks.spawn(__file__, "serve", str(self.service))

    def registered(self) -> bool:
        uri = {"uri": f"http://127.0.0.1:{self.service}", "force": True}
        try:
            return self.http.post(f"{self.admin}/deployments", json=uri).is_success
        except httpx.HTTPError:
            return False

    def start(self, scenario: str) -> str:
        sent = self.http.post(f"{self.ingress}/{scenario}/k/run/send")
        return str(sent.raise_for_status().json()["invocationId"])

    def state(self, invocation: str) -> str:
        words = "select status, completion_result, retry_count from sys_invocation where id = "
        asked = self.http.post(
            f"{self.admin}/query", json={"query": f"{words}'{invocation}'"},
            headers={"accept": "application/json"},
        )  # fmt: skip
        rows = asked.raise_for_status().json()["rows"]
        if not rows:
            return "gone"
        return " ".join(str(rows[0][k]) for k in ("status", "completion_result") if rows[0].get(k))


@contextlib.contextmanager
def server() -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder:
        one = Server(folder)
        try:
            yield one
        finally:
            one.process.kill()
            one.process.wait()
            one.http.close()


def observe(scenarios: list[str]) -> dict[str, Any]:
    with server() as one:
        service = one.serve()
        try:
            marks.until(one.registered, 40, "the service of Restate is registered")
            rest = [name for name in scenarios if name != "killed"]
            found = settle(one, rest)
            if "killed" in scenarios:
                invocation = one.start("killed")
                marks.seen("killed.task")
                service.kill()
                service.wait()
                marks.mark("killed.kill", "ends")
                service = one.serve()
                marks.until(lambda: "completed" in one.state(invocation), 60, "Restate resumes")
                found["killed"] = {"states": {"whole": one.state(invocation)}, "facts": {}}
            return found
        finally:
            service.kill()
            service.wait()


def settle(one: Server, scenarios: list[str]) -> dict[str, Any]:
    """All at once, then a while in which what goes on by itself does so."""
    ids = {name: one.start(name) for name in scenarios}
    facts: dict[str, dict[str, Any]] = {name: {} for name in scenarios}
    if "approval" in ids:
        time.sleep(2)
        facts["approval"]["unanswered"] = one.state(ids["approval"])
        one.http.post(f"{one.ingress}/approval/k/approve").raise_for_status()
    marks.settle(scenarios, SETTLED_S)
    return {
        name: {"states": {"whole": one.state(ids[name])}, "facts": facts[name]}
        for name in scenarios
    }


async def serve(port: int) -> None:
    import restate_programs
    from hypercorn.asyncio import serve as answer
    from hypercorn.config import Config

    config = Config()
    config.bind, config.accesslog = [f"127.0.0.1:{port}"], None
    await answer(restate_programs.app, config)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[2])))
