"""A journal's file meets the world: full disks, foreign files, damage, crowds.

Whatever happens to the file, there are two outcomes: a history that was committed, whole or up to
some commit, or a JournalError that says what to do. Never another error, never an event that nobody
wrote, and what is not ours is left as it was.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from orch_nb.engine import schema
from orch_nb.engine.journal import SqliteJournal
from orch_nb.errors import JournalError, RunNotFound
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan
from orch_nb.model.status import RunStatus
from orch_nb.model.task import Task

PLAN = Plan(goal="g", tasks=(Task(id="a", sh="true"),))
START = ev.RunStarted(at=1.5, run_id="r", plan=PLAN)
#: A journal for a child process, which prints what it was told, and how many appends were kept.
CHILD = """
import json, os, resource, sys
from orch_nb.engine.journal import SqliteJournal
from orch_nb.errors import OrchestrationError
from orch_nb.model import event as ev
from orch_nb.model.plan import Plan

def told(error=None, **more):
    print(json.dumps({"error": type(error).__name__, "text": str(error), **more}), flush=True)

def begin(path):
    journal = SqliteJournal(path)
    journal.create("r", ev.RunStarted(at=1.5, run_id="r", plan=Plan(goal="g")))
    return journal

def events(n):
    return [ev.Waiting(at=float(n), task="a", prompt="x" * 200)]

def append(journal, first, last):
    for n in range(first, last):
        journal.append("r", events(n))
"""


def child(code, *arguments, **options):
    """What a process prints that runs `code` after the above, as JSON lines."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD + textwrap.dedent(code), *map(str, arguments)],
        capture_output=True, text=True, timeout=120, **options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def batch(n):
    return [ev.Waiting(at=float(n), task="a", prompt=f"{n} " + "x" * 200)] * 3


def whole(batches=100):
    """The history that `filled` commits."""
    return [START, *(event for n in range(batches) for event in batch(n))]


def filled(file, batches=100):
    journal = SqliteJournal(file)
    journal.create("r", START)
    for n in range(batches):
        journal.append("r", batch(n))
    return journal


@pytest.fixture
def file(tmp_path):
    return tmp_path / "j.db"


@pytest.fixture
def left_behind(tmp_path, file):
    """A journal with its log, as a killed process leaves them."""
    (tmp_path / "live").mkdir()
    live = filled(tmp_path / "live" / "j.db")
    for name in ("j.db", "j.db-wal"):
        shutil.copy(tmp_path / "live" / name, tmp_path / name)
    live.close()
    return file


def committed(file):
    """How many events of `filled` a journal tells, all that were committed first; None if it says
    that it cannot."""
    try:
        journal = SqliteJournal(file)
    except JournalError:
        return None
    try:
        history = journal.history("r")
    except RunNotFound:
        return 0
    except JournalError:
        return None
    finally:
        journal.close()
    assert history == whole()[: len(history)], "an event that nobody wrote"
    return len(history)


def goes_on(file):
    """A new process takes the run up and writes to it."""
    before = committed(file)
    journal = SqliteJournal(file)
    journal.claim("r")
    journal.append("r", [ev.RunEnded(at=9.0, status=RunStatus.FAILED)])
    assert len(journal.history("r")) == before + 1
    journal.close()


# -- cut short, overwritten, deleted


@pytest.mark.parametrize("share", [n / 24 for n in range(24)])
def test_a_truncated_file(file, share):
    filled(file).close()
    size = file.stat().st_size
    os.truncate(file, int(size * share) // 512 * 512)
    assert committed(file) in (None, 0)


@pytest.mark.parametrize("seed", range(60))
def test_a_file_with_bytes_that_are_not_its_own(file, seed):
    filled(file).close()
    chance, data = random.Random(seed), bytearray(file.read_bytes())
    for _ in range(chance.choice([1, 4, 40])):
        at, length = chance.randrange(len(data)), chance.choice([1, 3, 64])
        data[at : at + length] = chance.randbytes(length)
    file.write_bytes(bytes(data))
    assert committed(file) in (None, *range(len(whole()) + 1))


@pytest.mark.parametrize("page", range(12))
def test_a_file_with_a_page_of_another(file, page):
    filled(file).close()
    with file.open("r+b") as raw:
        raw.seek(4096 * page)
        raw.write(b"\xff" * 4096)
    assert committed(file) in (None, 0, len(whole()))


def test_one_changed_letter_of_an_event_is_told(file):
    filled(file).close()
    data = file.read_bytes()
    at = data.index(b'"prompt":"57 xxx') + 13
    file.write_bytes(data[:at] + b"y" + data[at + 1 :])
    with pytest.raises(JournalError, match=r"`r`.*not those that were written.*damaged"):
        SqliteJournal(file).history("r")


def test_a_missing_row_is_told(file):
    journal = filled(file)
    journal._db.execute("DELETE FROM batch WHERE id % 4294967296 = 50")
    with pytest.raises(JournalError, match=r"`r`.*some are missing"):
        journal.history("r")


def test_an_event_of_tomorrow_is_told(file):
    journal = filled(file)
    body = b'[{"t":"of_tomorrow","at":1}]'
    journal._db.execute("INSERT INTO batch VALUES(?, ?, ?)", (
        journal._next["r"], schema.checksum(body), body,
    ))  # fmt: skip
    with pytest.raises(JournalError, match=r"`r`.*written by a newer orch_nb"):
        journal.history("r")


def test_a_damaged_result_is_not_unpickled(file):
    journal = filled(file)
    ref, blob = journal.store(("a tuple", *range(100)))
    journal.append("r", batch(0), [blob])
    assert journal.load(ref) == ("a tuple", *range(100))
    journal._db.execute("UPDATE blob SET body=CAST(replace(body, 'tuple', 'TUPLE') AS BLOB)")
    with pytest.raises(LookupError, match="this result is damaged"):
        journal.load(ref)


def test_the_log_of_a_killed_process_is_taken_up(left_behind):
    assert committed(left_behind) == len(whole())
    goes_on(left_behind)


@pytest.mark.parametrize("share", [n / 16 for n in range(16)])
def test_a_truncated_log_loses_what_came_last(left_behind, share):
    log = left_behind.with_name("j.db-wal")
    os.truncate(log, int(log.stat().st_size * share))
    assert committed(left_behind) is not None
    if committed(left_behind):
        goes_on(left_behind)


@pytest.mark.parametrize("seed", range(30))
def test_a_damaged_log_loses_what_came_last(left_behind, seed):
    log, chance = left_behind.with_name("j.db-wal"), random.Random(seed)
    data = bytearray(log.read_bytes())
    data[chance.randrange(len(data))] ^= chance.randrange(1, 256)
    log.write_bytes(bytes(data))
    assert committed(left_behind) is not None


def test_a_deleted_log_loses_what_was_in_it(left_behind):
    left_behind.with_name("j.db-wal").unlink()
    assert committed(left_behind) == 0
    assert SqliteJournal(left_behind).runs() == []


def test_a_log_that_is_deleted_under_a_live_run_stops_nobody_without_a_word(file):
    journal = filled(file, 50)
    file.with_name("j.db-wal").unlink()
    (told,) = child("""
        try:
            told(kept=len(SqliteJournal(sys.argv[1]).history("r")))
        except OrchestrationError as error:
            told(error)
    """, file)  # fmt: skip
    assert told["error"] == "JournalError"
    assert "moved or deleted" in told["text"]
    journal.append("r", batch(50))
    assert journal.history("r") == whole(51)


def test_an_emptied_file_whose_log_still_holds_something_is_left_alone(left_behind):
    os.truncate(left_behind, 0)
    log = left_behind.with_name("j.db-wal").read_bytes()
    with pytest.raises(JournalError, match=r"is empty, but .*j\.db-wal still holds something"):
        SqliteJournal(left_behind)
    assert left_behind.with_name("j.db-wal").read_bytes() == log


# -- what is no journal


def test_an_empty_file_becomes_a_journal(file):
    file.touch()
    assert filled(file).history("r") == whole()


@pytest.mark.parametrize("content", [b"not a database at all, not even close" * 100, b"{}" * 600])
def test_a_file_that_is_no_database_is_told_and_left(file, content):
    file.write_bytes(content)
    with pytest.raises(JournalError, match="damaged: move it away"):
        SqliteJournal(file)
    assert file.read_bytes() == content


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE people(name TEXT)",
        "CREATE TABLE run(run_id TEXT); PRAGMA user_version=1",
        "CREATE TABLE people(name TEXT); PRAGMA user_version=2",
        "CREATE TABLE people(name TEXT); PRAGMA user_version=99",
        "PRAGMA application_id=252006675; PRAGMA user_version=3",
    ],
)
def test_a_database_of_another_application_is_told_and_left(file, script):
    with sqlite3.connect(file) as raw:
        raw.executescript(script)
    raw.close()
    before = file.read_bytes()
    with pytest.raises(JournalError, match=r"of another application.*left as it is.*--journal"):
        SqliteJournal(file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_a_journal_of_a_newer_version_is_told_and_left(file):
    SqliteJournal(file).close()
    with sqlite3.connect(file) as raw:
        raw.execute("PRAGMA user_version=99")
    raw.close()
    before = file.read_bytes()
    with pytest.raises(JournalError, match=r"newer orch_nb \(its format is 99.*Upgrade"):
        SqliteJournal(file)
    assert file.read_bytes() == before


def test_a_place_where_no_file_can_be_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r'--journal PATH.*journal="memory"'):
        SqliteJournal(tmp_path / "file" / "j.db")
    with pytest.raises(JournalError, match="--journal PATH"):
        SqliteJournal(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_device_that_is_always_full_is_told():
    with pytest.raises(JournalError, match="The disk is full"):
        SqliteJournal("/dev/full")


# -- no room, no leave


def fill_up(journal):
    for _ in range(100):
        journal.append("r", batch(3))


def test_a_disk_that_fills_up_is_told_and_what_was_kept_stays(file):
    journal = filled(file, 3)
    (pages,) = journal._db.execute("PRAGMA page_count").fetchone()
    journal._db.execute(f"PRAGMA max_page_count={pages + 2}")
    with pytest.raises(JournalError, match="The disk is full: free some room"):
        fill_up(journal)
    kept = len(journal.history("r"))
    assert journal.history("r")[: len(whole(3))] == whole(3)
    journal._db.execute("PRAGMA max_page_count=100000")
    journal.append("r", batch(4))
    assert len(journal.history("r")) == kept + 3


def test_a_limit_on_the_size_of_files_is_told_and_loses_nothing_that_was_kept(file):
    (told,) = child("""
        journal = begin(sys.argv[1])
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
        kept = 0
        try:
            while True:
                journal.append("r", events(kept))
                kept += 1
        except OrchestrationError as error:
            held = len(journal.history("r")) - 1
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
            append(journal, kept, kept + 10)
            told(error, kept=kept, held=held)
    """, file)  # fmt: skip
    assert told["error"] == "JournalError"
    assert "recover the run" in told["text"]
    assert told["kept"] == told["held"] > 10
    history = SqliteJournal(file).history("r")
    assert [event.at for event in history[1:]] == [float(n) for n in range(told["kept"] + 10)]


def test_a_real_disk_that_is_full_is_told_and_loses_nothing_that_was_kept(tmp_path):
    mounted = ["unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=1m tmpfs "$0" && exec "$@"']
    try:
        subprocess.run([*mounted, tmp_path, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small disk can be made here")
    code = CHILD + textwrap.dedent("""
        os.chdir(sys.argv[1])
        journal, kept = begin("j.db"), 0
        with open("filler", "wb") as filler:
            filler.write(b"x" * 500_000)
        try:
            while True:
                journal.append("r", events(kept))
                kept += 1
        except OrchestrationError as error:
            journal.close()
            os.remove("filler")
            journal = SqliteJournal("j.db")
            held = len(journal.history("r")) - 1
            journal.release("r")
            journal.claim("r")
            append(journal, kept, kept + 10)
            told(error, kept=kept, held=held, then=len(journal.history("r")) - 1)
    """)
    done = subprocess.run(
        [*mounted, tmp_path, sys.executable, "-c", code, tmp_path],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert "The disk is full: free some room, then recover the run." in told["text"]
    assert told["kept"] == told["held"] == told["then"] - 10 > 10


def test_a_run_that_could_not_be_released_on_a_full_disk_can_be_gone_on_with(file, monkeypatch):
    journal = filled(file)

    class Full:
        def __enter__(self):
            raise JournalError("The disk is full")

        def __exit__(self, *_):
            raise AssertionError("it was never entered")

    with monkeypatch.context() as patch:
        patch.setattr(journal, "_transaction", Full())
        with pytest.raises(JournalError):
            journal.release("r")
    assert [row.held for row in journal.runs()] == [False]
    SqliteJournal(file).claim("r")
    assert [row.held for row in journal.runs()] == [True]


def _as_anybody():
    """Root may write everywhere; a process that gave that up may not."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (1, 2, 3):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER
            assert libc.prctl(24, capability, 0, 0, 0) == 0  # PR_CAPBSET_DROP


OPENING = """
    try:
        SqliteJournal(sys.argv[1])
        told()
    except OrchestrationError as error:
        told(error)
"""


@pytest.mark.skipif(sys.platform != "linux" and os.geteuid() == 0, reason="root may write there")
@pytest.mark.parametrize("there", [True, False])
def test_a_folder_that_is_read_only_is_told(tmp_path, there):
    folder = tmp_path / "folder"
    folder.mkdir()
    if there:
        filled(folder / "j.db").close()
    folder.chmod(0o555)
    try:
        (told,) = child(OPENING, folder / "j.db", preexec_fn=_as_anybody)
    finally:
        folder.chmod(0o755)
    assert told["error"] == "JournalError"
    assert "can be written (--journal PATH)" in told["text"]
    assert list(folder.iterdir()) == ([folder / "j.db"] if there else [])


@pytest.mark.skipif(sys.platform != "linux" and os.geteuid() == 0, reason="root may write there")
def test_a_file_that_is_read_only_can_be_read_and_no_more(file):
    filled(file).close()
    file.chmod(0o444)
    code = """
        journal = SqliteJournal(sys.argv[1])
        told(kept=len(journal.history("r")))
        try:
            journal.claim("r")
        except OrchestrationError as error:
            told(error)
    """
    opened, told = child(code, file, preexec_fn=_as_anybody)
    assert opened["kept"] == len(whole())
    assert told["error"] == "JournalError"
    assert "can be written (--journal PATH)" in told["text"]
    file.chmod(0o644)
    assert committed(file) == len(whole())


# -- crowds


def test_a_file_that_another_process_keeps_locked_is_told_in_the_end(file, monkeypatch):
    monkeypatch.setattr(schema, "_WRITE_S", 0.1)
    journal = filled(file, 1)
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="writing to it all the time"):
            journal.append("r", batch(1))
        assert journal.history("r") == whole(1)  # reading is not held up
        other.execute("ROLLBACK")
    other.close()
    journal.append("r", batch(1))
    assert journal.history("r") == whole(2)


def test_a_lock_that_is_let_go_in_time_is_waited_for(file):
    journal = filled(file, 1)
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, lambda: other.execute("ROLLBACK"))
    timer.start()
    journal.append("r", batch(1))
    timer.join()
    other.close()
    assert journal.history("r") == whole(2)


def test_a_file_that_cannot_be_opened_for_a_lock_is_told(file, monkeypatch):
    monkeypatch.setattr(schema, "_OPEN_S", 0.1)
    with sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(JournalError, match="writing to it all the time"):
            SqliteJournal(file)
        other.execute("ROLLBACK")
    other.close()
    assert filled(file).history("r") == whole()


CLAIMING = """
    from orch_nb.errors import RunHeld
    journal = SqliteJournal(sys.argv[1])
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            journal.claim(line.strip())
            print("got it", flush=True)
        except RunHeld as error:
            assert "is being worked on by process" in str(error)
            print("held", flush=True)
"""


def test_of_processes_that_claim_a_run_at_once_exactly_one_gets_it(file):
    journal = SqliteJournal(file)
    for n in range(20):
        journal.create(f"r{n}", START)
        journal.release(f"r{n}")
    code = CHILD + textwrap.dedent(CLAIMING)
    claimants = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(file)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for _ in range(3)
    ]  # fmt: skip
    assert [process.stdout.readline() for process in claimants] == ["ready\n"] * 3
    for n in range(20):
        for process in claimants:
            process.stdin.write(f"r{n}\n")
        for process in claimants:
            process.stdin.flush()
        answers = sorted(process.stdout.readline() for process in claimants)
        assert answers == ["got it\n", "held\n", "held\n"], f"round {n}"
    assert all(row.held for row in journal.runs())
    for process in claimants:
        process.communicate()
    assert not any(row.held for row in journal.runs()), "the dead hold nothing"


def test_another_process_may_vacuum_the_file_of_a_live_run(file):
    code = CHILD + textwrap.dedent("""
        import sqlite3
        db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20)
        for n in range(15):
            db.execute("VACUUM")
        told()
    """)
    journal = filled(file, 1)
    journal.create("deleted", START)
    journal._db.execute("DELETE FROM run WHERE run_id='deleted'")  # leaves a gap to be closed
    journal.create("later", START)
    cleaner = subprocess.Popen([sys.executable, "-c", code, str(file)], stdout=subprocess.PIPE)
    n = 1
    while cleaner.poll() is None:
        journal.append("r", batch(n))
        journal.append("later", batch(n))
        n += 1
    assert (cleaner.communicate()[0], cleaner.returncode) != (b"", 1)
    assert n > 2
    for reader in (journal, SqliteJournal(file)):
        assert reader.history("r") == whole(n)
        assert reader.history("later") == [START, *whole(n)[4:]]


def test_processes_that_bring_an_old_file_up_to_date_at_once_do_it_once(tmp_path, file):
    shutil.copy(Path(__file__).parent / "histories" / "v1.db", file)
    code = CHILD + "sys.stdin.read(); told(runs=len(SqliteJournal(sys.argv[1]).runs()))"
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(file)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]  # fmt: skip
    for process in openers:
        process.stdin.close()
        process.stdin = None
    said = [process.communicate() for process in openers]
    assert [error for _, error in said] == [b""] * 4
    assert len({json.loads(line)["runs"] for line, _ in said}) == 1


# -- a whole run


RUN = """
import resource, sys
import orch_nb as nb

def work(**upstream):
    with open("effects", "a") as file:
        file.write(nb.current().task + "\\n")
    return nb.current().task * 4000

tasks = [nb.Task(id=f"t{n}", run=work, needs=[f"t{n - 1}"] if n else []) for n in range(40)]
plan = nb.Plan(goal="much data", tasks=tasks)
if sys.argv[1] == "limited":
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    try:
        nb.execute(plan, journal="j.db", run_id="r")
    except nb.JournalError as error:
        print(error)
else:
    print(nb.recover("r", plan, journal="j.db").status)
"""


def test_a_run_whose_disk_fills_up_says_so_and_goes_on_where_it_was(tmp_path):
    (tmp_path / "run.py").write_text(RUN)

    def run(how):
        done = subprocess.run(
            [sys.executable, "-W", "error", "run.py", how],
            cwd=tmp_path, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "then recover the run" in run("limited")
    history = SqliteJournal(tmp_path / "j.db").history("r")
    kept = [event.task for event in history if isinstance(event, ev.AttemptSucceeded)]
    assert 0 < len(kept) < 40
    assert run("recover") == "succeeded\n"
    effects = (tmp_path / "effects").read_text().split()
    assert sorted(set(effects)) == sorted(f"t{n}" for n in range(40))
    assert all(effects.count(task) == 1 for task in kept), "a committed success ran again"
