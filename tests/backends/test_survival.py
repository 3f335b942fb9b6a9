"""Whatever is killed in mid-run, worker, server or kernel: the run goes on, and what had succeeded
does not run again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import psutil
import pytest

import orch_nb as nb
from orch_nb import phases
from orch_nb.engine.journal import SqliteJournal, open_journal
from orch_nb.engine.ports import Request
from orch_nb.errors import PlanError
from orch_nb.model.status import RunStatus

#: Of one that is killed here on purpose, on a slow machine.
pytestmark = pytest.mark.filterwarnings("ignore:.*worker.*answer:RuntimeWarning")

EXTRAS = {"temporal": "temporalio", "restate": "restate"}
SYSTEMS = [
    name
    for name in EXTRAS
    if Path(nb.__file__).with_name("backends").joinpath(f"{name}.py").exists()
]


@pytest.fixture(params=SYSTEMS)
def there(request: pytest.FixtureRequest, systems) -> object:
    pytest.importorskip(EXTRAS[request.param])
    return systems(request.param)


def marking(folder: Path, seconds: float) -> str:
    """A chain of which each link leaves a mark; the second takes its time."""
    mark = f'run: "backend_tasks:mark", with: {{folder: {json.dumps(str(folder))}'
    return f"""
goal: survive
tasks:
  first: {{{mark}, name: first}}}}
  long: {{{mark}, name: long, seconds: {seconds}}}, needs: [first]}}
  last: {{{mark}, name: last}}, needs: [long]}}
"""


def ran(folder: Path) -> list[str]:
    path = folder / "ran"
    return path.read_text().splitlines() if path.exists() else []


def begun(text: str, url: str, journal: Path):
    plan = nb.decompose(text, namespace={})
    options = phases.run_options(4, on=url)
    return phases.begin(phases.starting(plan, journal=open_journal(journal), options=options))


def await_mark(folder: Path, mark: str, patience_s: float = 30) -> None:
    until = time.monotonic() + patience_s
    while mark not in ran(folder):
        assert time.monotonic() < until, ran(folder)
        time.sleep(0.05)


def ended(live, patience_s: float = 90) -> nb.Run:
    assert live.done.wait(patience_s), live.snapshot().df.to_string()
    return live.finished()


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_worker_that_is_gone_is_replaced_by_another(there, tmp_path: Path, how: str, observed):
    live = begun(marking(tmp_path, 2), there.url, tmp_path / "j.db")
    await_mark(tmp_path, "long begins")
    getattr(there.worker, how)()
    there.worker.start(until="worker:")
    run = ended(live)
    assert run.succeeded
    assert ran(tmp_path).count("first begins") == 1
    assert ran(tmp_path).count("long begins") == 2
    assert ran(tmp_path).count("last begins") == 1
    told = len(run["long"].attempts)
    assert told == 1  # the system's own redelivery: to the plan it is the same attempt
    if how == "kill":
        row = "the worker is killed in mid-task"
        observed(row, there.name, f"another begins the task anew; attempts told: {told}")


def test_a_worker_that_is_told_to_end_ends(there):
    os.kill(there.worker.pid, signal.SIGTERM)
    assert there.worker.ended(10) == 0


def test_a_command_of_a_killed_worker_does_not_run_twice_at_once(there, tmp_path: Path):
    command = f"echo $$ >> {tmp_path}/pids; sleep 2; echo over"
    live = begun(
        f"goal: g\ntasks: {{c: {{sh: {json.dumps(command)}}}}}", there.url, tmp_path / "j.db"
    )
    until = time.monotonic() + 30
    while not (tmp_path / "pids").exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    there.worker.kill()
    there.worker.start(until="worker:")
    assert ended(live).results["c"] == "over"


def kill_server(there) -> None:
    for child in psutil.Process(there.server.pid).children(recursive=True):
        child.kill()
    there.server.stop()


def test_a_killed_server_goes_on_with_what_it_had_written(there, tmp_path: Path, observed):
    live = begun(marking(tmp_path, 3), there.url, tmp_path / "j.db")
    await_mark(tmp_path, "long begins")
    kill_server(there)
    time.sleep(0.5)
    there.server.start(until="Ctrl-C")
    run = ended(live)
    assert run.succeeded
    # What the worker was at when the server went, it brought to its end.
    assert [ran(tmp_path).count(f"{name} begins") for name in ("first", "long", "last")] == [
        1, 1, 1,
    ]  # fmt: skip
    row = "the server is killed in mid-task"
    observed(row, there.name, "the task goes on in its worker, and nothing runs twice")


GATE = "goal: g\ntasks: {go: {approval: 'Go?'}, ship: {sh: echo shipped, needs: [go]}}"


def waiting_at_its_gate(url: str, journal: Path):
    plan = nb.decompose(GATE, namespace={})
    options = phases.run_options(4, on=url, interactive=True)
    live = phases.begin(
        phases.starting(plan, journal=open_journal(journal), options=options, run_id="r")
    )
    wait_for(lambda: live.snapshot()["go"].status == "waiting")
    return live


def wait_for(ready, patience_s: float = 30) -> None:
    until = time.monotonic() + patience_s
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_while_the_server_is_away_that_is_told_and_wishes_wait(there, tmp_path: Path):
    live = waiting_at_its_gate(there.url, tmp_path / "j.db")
    kill_server(there)
    live.approve("go", by="ann")
    wait_for(lambda: live.trouble)
    assert f"orch-nb dev {there.name}" in live.trouble
    there.server.start(until="Ctrl-C")
    assert ended(live)["go"].decided_by == "ann"
    assert live.trouble == ""


def test_what_was_asked_for_while_the_server_was_away_is_handed_in_later(there, tmp_path: Path):
    live = waiting_at_its_gate(there.url, tmp_path / "j.db")
    kill_server(there)
    live.approve("go", by="ann")
    wait_for(lambda: live.trouble)
    live.abandon(20)  # its kernel is shut down
    journal = SqliteJournal(tmp_path / "j.db")
    assert f"orch-nb dev {there.name}" in phases.caught_up("r", journal)
    there.server.start(until="Ctrl-C")
    run = nb.recover("r", journal=journal)
    assert (run.status, run["go"].decided_by) == ("succeeded", "ann")


def test_ctrl_c_while_the_server_is_away_cancels_the_run_when_it_is_back(systems, tmp_path: Path):
    pytest.importorskip("restate")
    there = systems("restate")
    (tmp_path / "plan.yaml").write_text(marking(tmp_path, 60))
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    words = ["run", "plan.yaml", "--on", there.url, "--run-id", "r"]
    told = subprocess.Popen(
        [sys.executable, "-m", "orch_nb.cli", *words], cwd=tmp_path, text=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    await_mark(tmp_path, "long begins")
    kill_server(there)
    time.sleep(0.5)
    told.send_signal(signal.SIGINT)
    _, said = told.communicate(timeout=30)
    assert told.returncode == 130, said
    there.worker.kill()  # its function would sleep on
    there.start()
    run = nb.recover("r", journal=tmp_path / ".orch_nb" / "journal.db")
    assert (run.status, run["last"].status) == ("cancelled", "cancelled")
    assert ran(tmp_path).count("last begins") == 0


def test_a_worker_without_the_users_module_says_where_it_is(there, tmp_path: Path, monkeypatch):
    (tmp_path / "beside_the_worker.py").write_text("def f():\n    return 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    plan = nb.decompose("goal: g\ntasks: {a: {run: 'beside_the_worker:f'}}", namespace={})
    run = nb.execute(plan, on=there.url, journal="memory")
    told = str(run["a"].error)
    assert "`beside_the_worker` cannot be imported" in told
    assert there.folder.name in told
    assert "PYTHONPATH" in told


def test_a_worker_of_another_version_is_told(there, monkeypatch):
    monkeypatch.setattr("orch_nb.engine.follower.version", lambda: "99.0")
    plan = nb.decompose("goal: g\ntasks: {a: {sh: 'true'}}", namespace={})
    with pytest.warns(RuntimeWarning, match=r"99\.0: install the same version"):
        assert nb.execute(plan, on=there.url, journal="memory").succeeded


def test_a_run_that_a_worker_does_not_understand_ends_and_says_so(there, tmp_path: Path):
    from orch_nb.backends.places import backend_for
    from orch_nb.engine.away import Seed

    async def told() -> str:
        backend = backend_for(there.url)
        await backend.start("of-tomorrow", Seed(events=msgspec.Raw(b'[{"type":"Tomorrow"}]')))
        for _ in range(300):
            if gone := (await backend.news("of-tomorrow", 1)).gone:
                return gone
            await asyncio.sleep(0.1)
        return ""

    assert "does not understand the run" in asyncio.run(told())


def killed_kernel(tmp_path: Path, *on: str) -> Path:
    """Begins a run in a process that is killed in its midst; the run's journal."""
    plan = tmp_path / "plan.yaml"
    plan.write_text(marking(tmp_path, 1.5))
    kernel = subprocess.Popen(
        [sys.executable, "-m", "orch_nb.cli", "run", str(plan), *on, "--run-id", "r"],
        cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(
            [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])},
    )  # fmt: skip
    await_mark(tmp_path, "long begins")
    kernel.send_signal(signal.SIGKILL)
    kernel.wait()
    return tmp_path / ".orch_nb" / "journal.db"


def test_a_killed_kernel_that_performed_the_run_itself(tmp_path: Path, observed):
    run = nb.recover("r", journal=killed_kernel(tmp_path))
    assert run.succeeded
    told = len(run["long"].attempts)
    assert (told, ran(tmp_path).count("long begins")) == (2, 2)
    row = "the kernel is killed in mid-run"
    observed(row, "local", f"stops; recover begins anew what ran; attempts told: {told}")


def test_a_killed_kernel_finds_its_run_again(there, tmp_path: Path, observed):
    journal = killed_kernel(tmp_path, "--on", there.url)
    await_mark(tmp_path, "last ends")  # nobody looks on
    assert (
        phases.past_run(SqliteJournal(journal).history("r"), SqliteJournal(journal)).status
        != "succeeded"
    )
    run = nb.recover("r", journal=journal)
    assert run.succeeded
    assert run.results["last"] == "last"
    assert [ran(tmp_path).count(f"{name} begins") for name in ("first", "long", "last")] == [
        1,
        1,
        1,
    ]
    assert nb.recover("r", journal=journal).succeeded  # nothing is left to be followed
    row = "the kernel is killed in mid-run"
    observed(row, there.name, "goes on; found again by its name, and nothing runs twice")


def test_a_run_that_waits_is_answered_later(there, tmp_path: Path):
    text = "goal: g\ntasks: {go: {approval: 'Go?'}, ship: {sh: echo shipped, needs: [go]}}"
    journal = SqliteJournal(tmp_path / "j.db")
    plan = nb.decompose(text, namespace={})
    run = nb.execute(plan, on=there.url, journal=journal, run_id="gate")
    assert run.status is RunStatus.WAITING
    journal.ask("gate", Request("approve", "go", "ann", "fine"))
    run = nb.recover("gate", journal=journal)
    assert run.succeeded
    assert run["go"].decided_by == "ann"
    assert run.results["ship"] == "shipped"


def test_what_another_process_asks_for_reaches_the_run(there, tmp_path: Path):
    text = """
goal: g
tasks:
  go: {approval: 'Go?'}
  ship: {sh: echo shipped, needs: [go]}
  more: {sh: echo more, needs: [ship]}
"""
    plan = nb.decompose(text, namespace={})
    journal = SqliteJournal(tmp_path / "j.db")
    options = phases.run_options(4, on=there.url, interactive=True)
    live = phases.begin(phases.starting(plan, journal=open_journal(tmp_path / "j.db"),
                                        options=options, run_id="r"))  # fmt: skip
    until = time.monotonic() + 30
    while live.snapshot()["go"].status != "waiting":
        assert time.monotonic() < until
        time.sleep(0.05)
    journal.ask("r", Request("pause", None, "ann"))
    journal.ask("r", Request("skip", "ship", "ann", "not today"))
    journal.ask("r", Request("approve", "go", "bob", "fine"))
    journal.ask("r", Request("resume", None, "ann"))
    run = ended(live)
    assert run.succeeded
    assert [(d.verb, d.task, d.by) for d in run.decisions] == [
        ("pause", None, "ann"), ("skip", "ship", "ann"), ("approve", "go", "bob"),
        ("resume", None, "ann"),
    ]  # fmt: skip
    assert run["ship"].status == "skipped"
    assert run.results["more"] == "more"


def test_a_run_that_failed_is_tried_anew_with_what_it_had(there, tmp_path: Path):
    there_now = tmp_path / "there"
    text = f"""
goal: g
tasks:
  made: {{run: "backend_tasks:odd_values"}}
  pages: {{run: "backend_tasks:three"}}
  page: {{run: "backend_tasks:double", foreach: {{n: pages}}, needs: [pages]}}
  look: {{sh: "test -e {there_now}", needs: [page]}}
  read: {{run: "backend_tasks:read_values", needs: [made, look], with: {{made: "{{{{ made }}}}"}}}}
  sum: {{run: "backend_tasks:total", needs: [page, look]}}
"""
    plan = nb.decompose(text, namespace={})
    run = nb.execute(plan, on=there.url, journal=tmp_path / "j.db", run_id="r")
    assert run.status is RunStatus.FAILED
    there_now.touch()
    run = nb.recover("r", journal=tmp_path / "j.db", retry="look", by="ann")
    assert run.succeeded, run.df.to_string()
    assert run.results["sum"] == 12
    assert run.results["read"] == "2026 one bytes 2.5"
    assert [len(run[task].attempts) for task in ("made", "look", "sum")] == [1, 2, 1]


def test_a_result_that_no_history_takes_is_told(there, tmp_path: Path):
    plan = nb.decompose("goal: g\ntasks: {big: {run: 'backend_tasks:large'}}", namespace={})
    run = nb.execute(plan, on=there.url, journal=tmp_path / "j.db")
    assert run.status is RunStatus.FAILED
    assert "write it to a file" in str(run["big"].error)


def test_more_than_a_step_can_be_given_is_told(there, tmp_path: Path):
    text = """
goal: g
tasks:
  a: {run: "backend_tasks:largish"}
  b: {run: "backend_tasks:largish"}
  both: {run: "backend_tasks:gather", needs: [a, b]}
  many: {run: "backend_tasks:increment", foreach: {n: "[a, a]"}, needs: [a]}
  last: {run: "backend_tasks:one", needs: [both, many], trigger: all_done}
"""
    run = nb.execute(nb.decompose(text, namespace={}), on=there.url, journal=tmp_path / "j.db")
    assert [str(run[t].status) for t in ("both", "many", "last")] == [
        "failed", "failed", "succeeded",
    ]  # fmt: skip
    assert "can be sent" in str(run["both"].error)
    assert "cannot be sent" in run["many"].reason
    assert len(run.results["a"]) == 900_000


def test_a_function_of_the_notebook_is_refused_before_the_run(tmp_path: Path):
    def local() -> int:
        return 1

    plan = nb.Plan(goal="g", tasks=[nb.Task(id="a", run=local)])
    with pytest.raises(PlanError, match="module:function"):
        nb.execute(plan, on="temporal://127.0.0.1:1", journal="memory")
