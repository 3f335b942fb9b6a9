"""The journal: what was appended is there, whole, in order, for the next process."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading

import pytest

from orch_nb.engine import journal as room
from orch_nb.engine import memory
from orch_nb.engine.journal import SqliteJournal, open_journal
from orch_nb.engine.memory import MemoryJournal
from orch_nb.engine.ports import Blob, Request
from orch_nb.errors import JournalError, RunExists, RunHeld, RunNotFound
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus, Status
from orch_nb.model.task import Approval, Task

PLAN = Plan(
    goal="g",
    tasks=(
        Task(id="a", sh="true", retry=3, timeout="3s", estimate=[1, 2, 3], with_={"n": 1}),
        Task(id="g", approval=Approval("Ship? <b>", "reject"), needs=("a",), trigger="all_done"),
        Task(id="t", todo="tick", parent="a", outputs=("*.txt",), required=False, owner="me"),
    ),
    params={"region": "eu", "n": [1, {"x": None}]},
)
START = ev.RunStarted(at=1.5, run_id="r", plan=PLAN, name="n", options=ev.RunOptions(workers=3))
FAILURE = ev.Failure("ValueError", "é <b> \x00", "Traceback …", ("ValueError", "Exception"))
EVERY = [
    ev.RunResumed(at=2.0, options=ev.RunOptions(approve=("g",)), by="me"),
    ev.CancelRequested(at=3.0, task="a", by="me"),
    ev.CancelRequested(at=3.0),
    ev.RetryRequested(at=4.0, task="a", by="me", reset=("a", "g")),
    ev.Decided(at=5.0, task="g", approved=True, by="me", note="fine"),
    ev.AttemptStarted(at=6.0, task="a", attempt=1, ready=5.5),
    ev.ProcessStarted(at=6.1, task="a", attempt=1, pid=123, created=6.05),
    ev.AttemptSucceeded(
        at=7.0, task="a", attempt=1, started=6.0, exit_code=0,
        result=ev.ResultRef(format="json", hash="h", size=2, preview="1", reason=""),
    ),
    ev.AttemptFailed(
        at=7.0, task="a", attempt=2, started=6.0, error=FAILURE, exit_code=3, timed_out=True,
        abandoned=True, cancelled=True,
    ),
    ev.AttemptLost(at=8.0, task="a", attempt=2),
    ev.BackingOff(at=9.0, task="a", until=11.25),
    ev.Waiting(at=9.0, task="g", prompt="Ship?"),
    ev.TaskEnded(at=9.0, task="g", status=Status.UPSTREAM_FAILED, reason="why", cause="a"),
    ev.RunEnded(at=10.0, status=RunStatus.FAILED),
]  # fmt: skip


@pytest.fixture(params=["sqlite", "memory"])
def journal(request, tmp_path):
    made = MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path / "j.db")
    yield made
    made.close()


@pytest.fixture
def file(tmp_path):
    return tmp_path / "j.db"


# -- events


def test_the_list_above_has_every_kind_of_event():
    kinds = {type(event) for event in EVERY} | {ev.RunStarted}
    assert kinds == set(ev.Event.__subclasses__())


def test_every_event_comes_back_as_it_was(journal):
    journal.create("r", START, PLAN.hash)
    journal.append("r", EVERY[:5])
    journal.append("r", EVERY[5:])
    assert journal.history("r") == [START, *EVERY]


def test_a_history_outlives_the_connection(file):
    first = SqliteJournal(file)
    first.create("r", START, PLAN.hash)
    first.append("r", EVERY)
    first.close()
    second = SqliteJournal(file)
    assert second.history("r") == [START, *EVERY]
    assert second.history("r")[0].plan.hash == PLAN.hash


def test_what_an_older_version_wrote_is_read_and_unknown_fields_are_passed_over():
    old = b'{"t":"started","at":1,"task":"a","attempt":1,"of_a_later_version":true}'
    assert ev.decode_event(old) == ev.AttemptStarted(at=1.0, task="a", attempt=1)


def test_a_batch_that_cannot_be_written_leaves_nothing(file):
    journal = SqliteJournal(file)
    journal.create("r", START, PLAN.hash)
    bad = ev.Waiting(at=1.0, task="g", prompt="\udcff")  # no UTF-8 holds it
    with pytest.raises(UnicodeEncodeError):
        journal.append("r", [EVERY[0], bad], [Blob(ev.ResultRef(hash="h"), b"1")])
    assert journal.history("r") == [START]
    journal.append("r", [EVERY[1]])  # and the journal goes on
    assert journal.history("r") == [START, EVERY[1]]


def test_a_batch_that_fails_half_way_leaves_nothing(file):
    journal = SqliteJournal(file)
    journal.create("r", START, PLAN.hash)
    other = SqliteJournal(file)
    other._seq["r"] = 2
    other.append("r", [EVERY[0]])  # takes number 2, where the batch will want to write
    with pytest.raises(JournalError, match="UNIQUE"):
        journal.append("r", EVERY[:3], [Blob(ev.ResultRef(hash="h"), b"1")])
    assert len(journal.history("r")) == 2
    with pytest.raises(LookupError):
        journal.load(ev.ResultRef(format="json", hash="h"))


def test_equal_results_are_kept_once(file):
    journal = SqliteJournal(file)
    journal.create("r", START, PLAN.hash)
    (ref, blob), (again, twin) = journal.store([1, 2]), journal.store([1, 2])
    journal.append("r", [EVERY[0]], [blob])
    journal.append("r", [EVERY[1]], [twin])
    assert (ref, journal.load(ref)) == (again, [1, 2])
    assert journal._db.execute("SELECT COUNT(*) FROM blob").fetchone() == (1,)


# -- who works on a run


def test_a_run_id_is_taken_once(journal):
    journal.create("r", START, PLAN.hash)
    with pytest.raises(RunExists, match="`r`"):
        journal.create("r", START, PLAN.hash)


def test_an_unknown_run_is_told_with_the_latest(file):
    journal = SqliteJournal(file)
    with pytest.raises(RunNotFound, match="no runs yet"):
        journal.history("nope")
    journal.create("r", START, PLAN.hash)
    with pytest.raises(RunNotFound, match="latest are: r"):
        journal.history("nope")
    with pytest.raises(RunNotFound):
        journal.claim("nope")
    with pytest.raises(RunNotFound):
        journal.ask("nope", Request("cancel"))


def test_a_run_is_worked_on_by_one_at_a_time(journal):
    journal.create("r", START, PLAN.hash)
    assert [row.held for row in journal.runs()] == [True]
    with pytest.raises(RunHeld, match="worked on"):
        journal.claim("r")
    journal.release("r")
    assert [row.held for row in journal.runs()] == [False]
    journal.claim("r")
    with pytest.raises(RunHeld):
        journal.claim("r")


def test_a_run_that_another_live_process_holds_is_refused_until_that_is_gone(file):
    code = (
        "import sys, msgspec\n"
        "from orch_nb.engine.journal import SqliteJournal\n"
        "from orch_nb.model.event import RunStarted\n"
        "from orch_nb.model.plan import Plan\n"
        f"journal = SqliteJournal({str(file)!r})\n"
        "journal.create('r', RunStarted(at=1.0, run_id='r', plan=Plan(goal='g')), 'h')\n"
        "print('holding', flush=True)\n"
        "sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout.readline() == b"holding\n"
        journal = SqliteJournal(file)
        with pytest.raises(RunHeld, match=str(holder.pid)):
            journal.claim("r")
        holder.kill()  # it cannot release the run any more
    assert [row.held for row in journal.runs()] == [False]
    journal.claim("r")


def test_a_process_that_has_the_id_of_a_dead_holder_does_not_hold_its_run(file):
    journal = SqliteJournal(file)
    journal.create("r", START, PLAN.hash)
    host, pid, birth = room.holder.myself().rsplit(":", 2)
    journal._db.execute("UPDATE run SET holder=?", (f"{host}:{pid}:{float(birth) - 60}",))
    assert not journal.runs()[0].held
    journal.claim("r")
    assert journal.runs()[0].held


# -- requests


def test_a_request_is_taken_once_and_in_order(journal):
    journal.create("r", START, PLAN.hash)
    first, second = Request("approve", "g", "me", "ok"), Request("cancel", None, "you")
    journal.ask("r", first)
    journal.ask("r", second)
    assert journal.take_requests("r") == [first, second]
    assert journal.take_requests("r") == []


def test_requests_of_other_runs_are_left(file):
    journal = SqliteJournal(file)
    for name in ("r", "s"):
        journal.create(name, START, PLAN.hash)
        journal.ask(name, Request("cancel"))
    assert len(journal.take_requests("r")) == 1
    assert journal.requests_left("s") == 1


# -- logs


def test_output_comes_back_by_task(journal):
    journal.create("r", START, PLAN.hash)
    journal.write_log("r", [("a", 1, "stdout", "x\n"), ("g", 1, "stderr", "y\n")])
    journal.write_log("r", [("a", 2, "stdout", "z")])
    assert (journal.read_log("r", "a"), journal.read_log("r", "g")) == ("x\nz", "y\n")
    assert journal.read_log("r", "t") == ""


def test_output_past_a_bound_is_dropped_and_that_is_said_once(journal, monkeypatch):
    monkeypatch.setattr(memory, "_LOG_LIMIT", 10)
    journal.create("r", START, PLAN.hash)
    for _ in range(5):
        journal.write_log("r", [("a", 1, "stdout", "123456"), ("g", 1, "stdout", "ok")])
    assert journal.read_log("r", "a") == "1234561234\n… (more output was not kept)\n"
    assert journal.read_log("r", "g") == "ok" * 5


# -- files that are not what they should be


def test_a_journal_of_a_newer_version_is_left_alone(file):
    SqliteJournal(file).close()
    with sqlite3.connect(file) as raw:
        raw.execute("PRAGMA user_version=99")
    raw.close()
    with pytest.raises(JournalError, match="newer orch_nb"):
        SqliteJournal(file)


@pytest.mark.parametrize("content", [b"not a database at all, not even close" * 100, b"{}" * 600])
def test_a_file_that_is_no_journal_is_told(file, content):
    file.write_bytes(content)
    with pytest.raises(JournalError, match="damaged: move it away"):
        SqliteJournal(file)
    assert file.read_bytes() == content


def test_a_journal_with_a_hole_is_told_and_not_a_traceback(file):
    journal = SqliteJournal(file)
    journal.create("r", START, PLAN.hash)
    for _ in range(300):
        journal.append("r", EVERY[:-1])
    journal.close()
    data = bytearray(file.read_bytes())
    data[4096 * 3 :] = b"\xff" * (len(data) - 4096 * 3)
    file.write_bytes(bytes(data))
    with pytest.raises(JournalError):
        SqliteJournal(file).history("r")


def test_an_event_that_cannot_be_read_is_told(file):
    journal = SqliteJournal(file)
    journal.create("r", START, PLAN.hash)
    journal._db.execute("INSERT INTO event VALUES('r', 1, ?)", (b'{"t":"of_tomorrow","at":1}',))
    with pytest.raises(JournalError, match=r"`r`.*damaged"):
        journal.history("r")


def test_a_place_where_no_file_can_be_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r'--journal PATH.*journal="memory"'):
        SqliteJournal(tmp_path / "file" / "j.db")
    with pytest.raises(JournalError, match="--journal PATH"):
        SqliteJournal(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_is_told(tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(JournalError, match="can be written"):
            SqliteJournal(tmp_path / "j.db")
    finally:
        tmp_path.chmod(0o755)


def test_a_full_disk_is_told_and_loses_nothing_that_was_kept(file):
    journal = SqliteJournal(file)
    journal.create("r", START, PLAN.hash)
    (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count={pages + 2}")
    big = [Blob(ev.ResultRef(hash="h"), b"x" * 1_000_000)]
    with pytest.raises(JournalError, match="disk is full"):
        journal.append("r", EVERY, big)
    assert journal.history("r") == [START]
    journal.append("r", EVERY[:1])
    assert journal.history("r") == [START, EVERY[0]]


def test_a_run_that_could_not_be_released_on_a_full_disk_can_be_gone_on_with(file, monkeypatch):
    journal = SqliteJournal(file)
    journal.create("r", START, PLAN.hash)

    def full(*_):
        raise JournalError("The disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_transaction", full)
        with pytest.raises(JournalError):
            journal.release("r")
    assert [row.held for row in journal.runs()] == [False]
    SqliteJournal(file).claim("r")
    with pytest.raises(RunHeld):
        SqliteJournal(file).claim("r")


# -- opening


def test_open_journal_takes_memory_a_path_a_journal_or_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_journal("memory"), MemoryJournal)
    assert open_journal(tmp_path / "x" / "y.db").path == str(tmp_path / "x" / "y.db")
    assert open_journal(None).path == str(room.DEFAULT_PATH)
    assert (tmp_path / room.DEFAULT_PATH).exists()
    own = MemoryJournal()
    assert open_journal(own) is own


@pytest.mark.parametrize(("durability", "level"), [("process", 1), ("power", 2)])
def test_durability_is_how_often_the_disk_is_waited_for(file, durability, level):
    journal = SqliteJournal(file, durability=durability)
    assert journal._db.execute("PRAGMA synchronous").fetchone() == (level,)
    assert journal._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_an_unknown_durability_is_refused(file):
    with pytest.raises(ValueError, match="process or power"):
        SqliteJournal(file, durability="diamond")


def test_threads_may_use_one_journal_at_the_same_time(file):
    journal = SqliteJournal(file)
    errors = []

    def work(name):
        try:
            journal.create(name, START, PLAN.hash)
            for event in EVERY * 5:
                journal.append(name, [event])
                journal.ask(name, Request("cancel"))
                journal.take_requests(name)
        except Exception as error:  # noqa: BLE001  # shown by the assertion below
            errors.append(error)

    threads = [threading.Thread(target=work, args=(f"r{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all(journal.history(f"r{n}")[1:] == EVERY * 5 for n in range(4))


def test_processes_may_make_one_journal_at_the_same_time(file):
    code = (
        "import sys\n"
        "from orch_nb.engine.journal import SqliteJournal\n"
        "from orch_nb.model.event import RunStarted, RunEnded\n"
        "from orch_nb.model.plan import Plan\n"
        "from orch_nb.model.status import RunStatus\n"
        "sys.stdin.read()\n"
        f"journal = SqliteJournal({str(file)!r})\n"
        "name = sys.argv[1]\n"
        "journal.create(name, RunStarted(at=1.0, run_id=name, plan=Plan(goal='g')), 'h')\n"
        "for n in range(20): journal.append(name, [RunEnded(at=1.0, status=RunStatus.FAILED)])\n"
    )
    made = [
        subprocess.Popen(
            [sys.executable, "-c", code, f"r{n}"], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for n in range(4)
    ]
    for process in made:
        process.stdin.close()  # all begin now
        process.stdin = None
    told = [process.communicate()[1].decode() for process in made]
    assert told == [""] * 4
    assert len(SqliteJournal(file).runs()) == 4
