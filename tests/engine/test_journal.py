"""The journal: what was appended is there, whole, in order, for the next process."""

from __future__ import annotations

import copy
import json
import sqlite3
import subprocess
import sys
import threading
import time

import msgspec
import pytest

from orch_nb.engine import journal as room
from orch_nb.engine.journal import SqliteJournal, open_journal
from orch_nb.engine.memory import MemoryJournal
from orch_nb.engine.ports import Blob, Cached, Request
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
    ev.SkipRequested(at=4.5, task="a", by="me", note="not now", reset=("a", "b")),
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
    ev.AttemptReturned(at=8.0, task="a", attempt=3),
    ev.BackingOff(at=9.0, task="a", until=11.25),
    ev.Waiting(at=9.0, task="g", prompt="Ship?", until=99.5),
    ev.PauseRequested(at=9.0, by="me"),
    ev.PauseEnded(at=9.0, by="me"),
    ev.WorkersChanged(at=9.0, workers=2, by="me"),
    ev.Expanded(at=9.0, task="a", count=2, items=ev.ResultRef(format="json", hash="=[1, 2]")),
    ev.TaskEnded(
        at=9.0, task="g", status=Status.UPSTREAM_FAILED, reason="why", cause="a", cached="r0",
        result=ev.ResultRef(format="json", hash="=1", preview="1"),
    ),
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
    journal.create("r", START)
    journal.append("r", EVERY[:5])
    journal.append("r", EVERY[5:])
    assert journal.history("r") == [START, *EVERY]


def test_a_history_outlives_the_connection(file):
    first = SqliteJournal(file)
    first.create("r", START)
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
    journal.create("r", START)
    bad = ev.Waiting(at=1.0, task="g", prompt="\udcff")  # no UTF-8 holds it
    with pytest.raises(UnicodeEncodeError):
        journal.append("r", [EVERY[0], bad], [Blob(ev.ResultRef(hash="h"), b"1")])
    assert journal.history("r") == [START]
    journal.append("r", [EVERY[1]])  # and the journal goes on
    assert journal.history("r") == [START, EVERY[1]]


def test_a_batch_that_fails_half_way_leaves_nothing(file):
    journal = SqliteJournal(file)
    journal.create("r", START)
    other = SqliteJournal(file)
    other._next["r"], other._unstored["r"] = journal._next["r"], journal._unstored["r"]
    other.append("r", [EVERY[0]])  # takes the place where the batch will want to stand
    with pytest.raises(JournalError, match="same run: end one of them"):
        journal.append("r", EVERY[:3], [Blob(ev.ResultRef(hash="h"), b"1")])
    with pytest.raises(JournalError, match="same run: end one of them"):
        journal.append("r", EVERY[:1])
    assert journal.history("r") == [START, EVERY[0]]
    with pytest.raises(LookupError):
        journal.load(ev.ResultRef(format="json", hash="h"))


def test_equal_results_are_kept_once(file):
    journal = SqliteJournal(file)
    journal.create("r", START)
    long = [*range(1000)]
    (ref, blob), (again, twin) = journal.store(long), journal.store(list(long))
    journal.append("r", [EVERY[0]], [blob])
    journal.append("r", [EVERY[1]], [twin])
    assert (ref, journal.load(ref)) == (again, long)
    assert journal._db.execute("SELECT COUNT(*) FROM blob").fetchone() == (1,)


# -- who works on a run


def test_a_run_id_is_taken_once(journal):
    journal.create("r", START)
    with pytest.raises(RunExists, match="`r`"):
        journal.create("r", START)


def test_an_unknown_run_is_told_with_the_latest(file):
    journal = SqliteJournal(file)
    with pytest.raises(RunNotFound, match="no runs yet"):
        journal.history("nope")
    journal.create("r", START)
    with pytest.raises(RunNotFound, match="latest are: r"):
        journal.history("nope")
    with pytest.raises(RunNotFound):
        journal.claim("nope")
    with pytest.raises(RunNotFound):
        journal.ask("nope", Request("cancel"))


def test_a_run_is_worked_on_by_one_at_a_time(journal):
    journal.create("r", START)
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
        "journal.create('r', RunStarted(at=1.0, run_id='r', plan=Plan(goal='g')))\n"
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
    journal.create("r", START)
    host, pid, birth = room.holder.myself().rsplit(":", 2)
    journal._db.execute("UPDATE run SET holder=?", (f"{host}:{pid}:{float(birth) - 60}",))
    assert not journal.runs()[0].held
    journal.claim("r")
    assert journal.runs()[0].held


# -- requests


def test_a_request_is_taken_once_and_in_order(journal):
    journal.create("r", START)
    first, second = Request("approve", "g", "me", "ok"), Request("cancel", None, "you")
    journal.ask("r", first)
    journal.ask("r", second)
    assert journal.take_requests("r") == [first, second]
    assert journal.take_requests("r") == []


def test_requests_of_other_runs_are_left(file):
    journal = SqliteJournal(file)
    for name in ("r", "s"):
        journal.create(name, START)
        journal.ask(name, Request("cancel"))
    assert len(journal.take_requests("r")) == 1
    assert journal.requests_left("s") == 1


# -- logs


def test_output_comes_back_by_task(journal):
    journal.create("r", START)
    journal.write_log("r", [("a", 1, "stdout", "x\n", 5.0), ("g", 1, "stderr", "y\n", 5.0)])
    journal.write_log("r", [("a", 2, "stdout", "z", 6.0)])
    assert (journal.read_log("r", "a"), journal.read_log("r", "g")) == ("x\nz", "y\n")
    assert journal.read_log("r", "t") == ""


def test_text_that_is_no_utf8_is_kept_as_far_as_it_can_be(file):
    journal = SqliteJournal(file)
    journal.create("r", START)
    journal.write_log("r", [("a", 1, "stdout", "caf\udce9 \x00 é\n", 5.0)])
    assert journal.read_log("r", "a") == "caf\\udce9 \x00 é\n"
    journal.ask("r", Request("reject", "g", "m\udcff", "no\udcff"))
    assert journal.take_requests("r") == [Request("reject", "g", "m\\udcff", "no\\udcff")]


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
            journal.create(name, START)
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
        "journal.create(name, RunStarted(at=1.0, run_id=name, plan=Plan(goal='g')))\n"
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


def test_an_append_is_one_row_whatever_it_holds(file):
    journal = SqliteJournal(file)
    journal.create("r", START)
    journal.append("r", EVERY)
    journal.append("r", EVERY[:1])
    assert journal._db.execute("SELECT COUNT(*) FROM batch").fetchone() == (3,)
    body = journal._db.execute("SELECT body FROM batch ORDER BY id LIMIT 1 OFFSET 1").fetchone()[0]
    assert [event["t"] for event in json.loads(body)][:2] == ["run_resumed", "cancel"]


def test_runs_are_kept_apart_however_their_appends_mix(file):
    one, two = SqliteJournal(file), SqliteJournal(file)
    one.create("r", START)
    two.create("s", START)
    for event in EVERY:
        one.append("r", [event])
        two.append("s", [event, event])
    assert one.history("s") == [START, *(event for event in EVERY for _ in range(2))]
    assert two.history("r") == [START, *EVERY]


def test_a_run_goes_on_behind_what_another_process_appended(file):
    first = SqliteJournal(file)
    first.create("r", START)
    first.append("r", EVERY[:2])
    first.release("r")
    second = SqliteJournal(file)
    second.claim("r")
    second.append("r", EVERY[2:4])
    second.release("r")
    first.claim("r")
    first.append("r", EVERY[4:])
    assert second.history("r") == [START, *EVERY]


def test_the_list_of_runs_follows_what_was_appended(journal):
    journal.create("r", START)
    journal.append("r", [EVERY[1], ev.RunEnded(at=9.5, status=RunStatus.FAILED)])
    (row,) = journal.runs()
    assert (row.status, row.finished, row.goal, row.plan_hash) == ("failed", 9.5, "g", PLAN.hash)
    journal.append("r", [ev.RunResumed(at=10.0)])
    (row,) = journal.runs()
    assert (row.status, row.finished) == ("running", None)


# -- a clock that jumps


def test_the_order_of_a_history_is_that_of_its_commits_whatever_the_clocks_said(journal):
    journal.create("r", START)
    jumps = [ev.AttemptLost(at=at, task="a", attempt=1) for at in (5e9, 3.0, -1.0, 4e9, 0.0)]
    for event in jumps:
        journal.append("r", [event])
    assert journal.history("r") == [START, *jumps]


def test_the_newest_run_is_the_one_begun_last_whatever_the_clock_said(journal):
    for run_id, at in (("first", 2e9), ("second", 1e9), ("third", 1.5e9)):
        journal.create(run_id, msgspec.structs.replace(START, run_id=run_id, at=at))
    assert [row.run_id for row in journal.runs()] == ["third", "second", "first"]


# -- a holder on another machine


def seen(file, seconds_ago, by):
    with sqlite3.connect(file) as raw:
        raw.execute("UPDATE run SET holder=?", (by,))
        raw.execute("UPDATE worked SET seen=?", (time.time() - seconds_ago,))
    raw.close()


def test_a_holder_on_another_machine_is_believed_while_it_is_heard_of(file):
    journal = SqliteJournal(file)
    journal.create("r", START)
    seen(file, 100, "another-machine:1:5.00")
    assert journal.runs()[0].held
    with pytest.raises(RunHeld, match=r"process 1 on another-machine .* 5 minutes after"):
        journal.claim("r")


@pytest.mark.parametrize("seconds_ago", [400, -400])  # a clock may have been set since
def test_a_run_whose_holder_on_another_machine_went_silent_is_free(file, seconds_ago):
    journal = SqliteJournal(file)
    journal.create("r", START)
    seen(file, seconds_ago, "another-machine:1:5.00")
    assert not journal.runs()[0].held
    journal.claim("r")
    assert journal.runs()[0].held


def test_a_holder_says_now_and_then_that_it_lives(file, monkeypatch):
    monkeypatch.setattr(room, "_BEAT_S", 0.0)
    journal = SqliteJournal(file)
    journal.create("r", START)
    seen(file, 200, room.holder.myself())
    assert journal.take_requests("r") == []
    ((said,),) = journal._db.execute("SELECT seen FROM worked").fetchall()
    assert abs(said - time.time()) < 50
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        assert journal.take_requests("r") == []  # it is not waited for
        other.execute("ROLLBACK")
    other.close()
    journal.append("r", EVERY[:1])


# -- what a run leaves for later ones


def entry(journal, key, task="a", value=None, **parts):
    ref, blob = journal.store([*range(100)] if value is None else value)
    if blob is not None:
        journal.append("r", [EVERY[0]], [blob])
    return Cached(key=key, task=task, run_id="r", ref=ref, parts={"source": "s", **parts})


def test_a_cached_result_is_found_again_by_its_key(journal):
    journal.create("r", START)
    kept = [entry(journal, "k", table="1"), entry(journal, "l", "g", value=5)]
    journal.remember(kept)
    assert (journal.recall("k"), journal.recall("l"), journal.recall("m")) == (*kept, None)
    assert journal.load(journal.recall("k").ref) == [*range(100)]


def test_the_newest_entry_of_a_task_tells_what_has_changed(journal):
    journal.create("r", START)
    old, new = entry(journal, "k", source="1"), entry(journal, "l", source="2")
    journal.remember([old, new])
    assert journal.last_cached("a") == new
    journal.remember([old])  # it was made again
    assert journal.last_cached("a") == old
    assert journal.last_cached("nope") is None


def test_an_entry_whose_result_is_gone_is_no_hit(file):
    journal = SqliteJournal(file)
    journal.create("r", START)
    journal.remember([entry(journal, "k"), entry(journal, "small", value=1)])
    journal._db.execute("DELETE FROM blob")
    assert journal.recall("k") is None
    assert journal.last_cached("a") is not None
    assert journal.load(journal.recall("small").ref) == 1


def test_cached_results_outlive_the_process(file):
    first = SqliteJournal(file)
    first.create("r", START)
    kept = entry(first, "k")
    first.remember([kept])
    first.close()
    assert SqliteJournal(file).recall("k") == kept


def test_equal_results_have_one_content_hash_and_others_another(journal):
    values = [None, 1, "1", True, "x" * 500, [1, 2], [1, 2, 3], (1, 2), {"a": [1.5]}]

    def hashed(value):
        return journal.content_hash(journal.store(value)[0], value)

    hashes = [hashed(value) for value in values]
    assert None not in hashes
    assert len(set(hashes)) == len(values)
    assert [hashed(copy.deepcopy(value)) for value in values] == hashes


def test_what_cannot_be_kept_has_no_content_hash(journal):
    ref, _ = journal.store(threading.Lock())
    assert journal.content_hash(ref) is None


def test_a_task_whose_result_could_not_be_kept_is_known_until_it_could(file):
    def ended(task, value):
        return ev.AttemptSucceeded(
            at=1.0, task=task, attempt=1, started=1.0, result=journal.store(value)[0]
        )

    journal = SqliteJournal(file)
    journal.create("r", START)
    journal.append("r", [ended("a", threading.Lock()), ended("g", 1)])
    reason = journal.known_unstored(["a", "g", "t"])
    assert list(reason) == ["a"]
    assert "lock" in reason["a"]
    assert journal.known_unstored(["g", "t"]) == {}
    assert journal.known_unstored(["a"], goal=PLAN.goal) == reason
    assert journal.known_unstored(["a"], goal="another plan, with a task of that name") == {}
    journal.release("r")

    journal = SqliteJournal(file)
    journal.create("s", START)
    assert journal.known_unstored(["a"]) == reason
    journal.append("s", [ended("a", 2)])
    assert journal.known_unstored(["a"]) == {}


def test_instances_stand_for_their_task_until_it_fans_out_anew(file):
    journal = SqliteJournal(file)
    journal.create("r", START)
    bad = journal.store(threading.Lock())[0]
    fan = ev.Expanded(at=1.0, task="a", count=2, items=ev.ResultRef(format="json", hash="=[1,2]"))

    def ended(task, ref):
        return ev.AttemptSucceeded(at=1.0, task=task, attempt=1, started=1.0, result=ref)

    journal.append("r", [fan, ended("a[0]", bad), ended("a[1]", ev.ResultRef())])
    assert list(journal.known_unstored(["a"])) == ["a"]
    journal.append("r", [fan, ended("a[0]", ev.ResultRef()), ended("a[1]", ev.ResultRef())])
    assert journal.known_unstored(["a"]) == {}


# -- a file of version 1


OLD = """
CREATE TABLE run(
  run_id TEXT PRIMARY KEY, name TEXT NOT NULL, goal TEXT NOT NULL, plan_hash TEXT NOT NULL,
  status TEXT NOT NULL, started REAL NOT NULL, finished REAL, holder TEXT NOT NULL DEFAULT '');
CREATE TABLE event(
  run_id TEXT NOT NULL, seq INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY(run_id, seq)) WITHOUT ROWID;
CREATE TABLE blob(hash TEXT PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE log(
  id INTEGER PRIMARY KEY, run_id TEXT NOT NULL, task TEXT NOT NULL, attempt INTEGER NOT NULL,
  stream TEXT NOT NULL, text TEXT NOT NULL);
CREATE INDEX log_of_task ON log(run_id, task, id);
CREATE TABLE request(
  id INTEGER PRIMARY KEY, run_id TEXT NOT NULL, verb TEXT NOT NULL, task TEXT,
  asked_by TEXT NOT NULL, note TEXT NOT NULL, at REAL NOT NULL);
PRAGMA user_version=1;
"""


@pytest.fixture
def old_file(file):
    with sqlite3.connect(file) as raw:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.executescript(OLD)
        for run_id in ("r", "s"):
            raw.execute(
                "INSERT INTO run VALUES(?,?,?,?,?,?,NULL,?)",
                (run_id, "n", "g", "a hash of that day", "running", 1.0, "gone:1:2.0"),
            )
            rows = [(run_id, n, ev.encode_event(e)) for n, e in enumerate([START, *EVERY[:5]])]
            raw.executemany("INSERT INTO event VALUES(?,?,?)", rows)
    raw.close()
    return file


def test_a_run_of_version_1_is_read_and_gone_on_with(old_file):
    journal = SqliteJournal(old_file)
    assert journal.history("r") == [START, *EVERY[:5]]
    journal.claim("r")
    journal.append("r", EVERY[5:8])
    journal.append("r", EVERY[8:])
    assert journal.history("r") == [START, *EVERY]
    journal.create("t", START)
    journal.close()
    again = SqliteJournal(old_file)
    assert again.history("r") == [START, *EVERY]
    assert again.history("s") == [START, *EVERY[:5]]
    assert [row.run_id for row in again.runs()] == ["t", "s", "r"]


def test_what_version_1_wrote_stays_as_it_is(old_file):
    def rows(query):
        with sqlite3.connect(old_file) as raw:
            found = raw.execute(query).fetchall()
        raw.close()
        return found

    before = rows("SELECT * FROM event")
    SqliteJournal(old_file).close()
    assert rows("PRAGMA user_version") == [(3,)]
    assert rows("SELECT * FROM event") == before


def test_a_run_that_version_1_was_cut_off_in_is_found_by_its_plan_of_today(old_file):
    assert {row.plan_hash for row in SqliteJournal(old_file).runs()} == {PLAN.hash}


def test_a_process_of_version_1_can_end_its_run_after_the_file_was_brought_up_to_date(old_file):
    with sqlite3.connect(old_file, isolation_level=None) as raw:
        journal = SqliteJournal(old_file)
        raw.execute("INSERT INTO event VALUES('r', 6, ?)", (ev.encode_event(EVERY[5]),))
        raw.execute("INSERT INTO run VALUES('u', '', 'g', 'h', 'running', 1.0, NULL, '')")
        raw.execute("INSERT INTO event VALUES('u', 0, ?)", (ev.encode_event(START),))
    raw.close()
    assert journal.history("r") == [START, *EVERY[:6]]
    assert journal.runs()[0].run_id == "u"
    journal.claim("u")
    journal.append("u", EVERY[:2])
    assert journal.history("u") == [START, *EVERY[:2]]
