"""What tasks printed: kept in rows, followed line by line, bounded in the middle."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading

import msgspec
import pytest

from orch_nb.engine import logs
from orch_nb.engine.journal import SqliteJournal
from orch_nb.engine.memory import MemoryJournal
from orch_nb.model.event import RunStarted
from orch_nb.model.plan import Plan

START = RunStarted(at=1.0, run_id="r", plan=Plan(goal="g"))


@pytest.fixture(params=["sqlite", "memory"])
def journal(request, tmp_path):
    made = MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path / "j.db")
    made.create("r", START)
    yield made
    made.close()


def printed(task, text, *, attempt=1, stream="stdout", at=5.0):
    return (task, attempt, stream, text, at)


def told(lines):
    return [(line.task, line.text) for line in lines]


# -- following


def test_lines_come_in_the_order_they_were_written_with_all_that_is_known_of_them(journal):
    journal.write_log("r", [printed("a", "1\n2\n"), printed("b", "3\n", stream="stderr", at=6.0)])
    journal.write_log("r", [printed("a", "4\n", attempt=2, at=7.0)])
    found = journal.read_lines("r")
    assert told(found) == [("a", "1"), ("a", "2"), ("b", "3"), ("a", "4")]
    assert [(line.attempt, line.stream, line.at) for line in found[2:]] == [
        (1, "stderr", 6.0), (2, "stdout", 7.0),
    ]  # fmt: skip
    assert sorted({line.seq for line in found}) == [line.seq for line in found]


def test_who_says_the_last_that_it_has_seen_gets_what_came_after_it(journal):
    journal.write_log("r", [printed("a", "1\n2\n3\n"), printed("b", "4\n")])
    first = journal.read_lines("r", most=2)
    assert told(first) == [("a", "3"), ("b", "4")]
    assert journal.read_lines("r", after=first[-1].seq) == []
    journal.write_log("r", [printed("a", "5\n6\n"), printed("b", "7\n")])
    assert told(journal.read_lines("r", after=first[-1].seq)) == [
        ("a", "5"), ("a", "6"), ("b", "7"),
    ]  # fmt: skip


@pytest.mark.parametrize("most", [1, 2, 3, 100])
@pytest.mark.parametrize("task", [None, "a", "b"])
def test_however_many_are_asked_for_at_once_none_is_missed_and_none_comes_twice(
    journal, most, task
):
    for n in range(7):
        journal.write_log("r", [printed("ab"[n % 2], "".join(f"{n}.{k}\n" for k in range(n + 1)))])
    everything = journal.read_lines("r", task=task)
    after, found = everything[0].seq, everything[:1]
    while more := journal.read_lines("r", after=after, task=task, most=most):
        assert len(more) <= most
        found += more
        after = more[-1].seq
    assert found == everything
    assert journal.read_lines("r", task=task, most=most) == everything[-most:]


def test_lines_of_one_task_and_of_one_run(journal):
    journal.create("s", START)
    journal.write_log("r", [printed("a", "of r\n"), printed("b", "too\n")])
    journal.write_log("s", [printed("a", "of s\n")])
    assert told(journal.read_lines("r", task="a")) == [("a", "of r")]
    assert told(journal.read_lines("s")) == [("a", "of s")]
    assert journal.read_lines("nobody") == []
    assert journal.read_lines("r", task="nobody") == []


def test_an_empty_line_is_a_line_and_the_end_of_one_is_none(journal):
    journal.write_log("r", [printed("a", "\n\n1\n"), printed("a", "2")])
    assert [line.text for line in journal.read_lines("r")] == ["", "", "1", "2"]


def test_another_process_follows_a_run(tmp_path):
    journal = SqliteJournal(tmp_path / "j.db")
    journal.create("r", START)
    code = (
        "import sys, time\n"
        "from orch_nb.engine.journal import SqliteJournal\n"
        "journal, after = SqliteJournal(sys.argv[1]), 0\n"
        "while True:\n"
        "    for line in journal.read_lines('r', after=after):\n"
        "        after = line.seq\n"
        "        print(line.text, flush=True)\n"
        "        if line.text == 'end': sys.exit()\n"
        "    time.sleep(0.02)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, journal.path], stdout=subprocess.PIPE, text=True
    ) as reader:
        for n in range(5):
            journal.write_log("r", [printed("a", f"{n}\n")])
        journal.write_log("r", [printed("a", "end\n")])
        assert reader.communicate(timeout=30)[0].split() == [*"01234", "end"]


def test_another_thread_follows_while_lines_come(journal):
    seen, errors, done = [], [], threading.Event()

    def follow():
        after = 0
        try:
            while True:
                last = done.is_set()
                for line in journal.read_lines("r", after=after, most=10):
                    after = line.seq
                    seen.append(line.text)
                if last and not journal.read_lines("r", after=after, most=1):
                    return
        except Exception as error:  # noqa: BLE001  # shown by the assertion below
            errors.append(error)

    journal.write_log("r", [printed("a", "0\n")])
    thread = threading.Thread(target=follow)
    thread.start()
    for n in range(1, 300):
        journal.write_log("r", [printed("a", f"{n}\n")])
    done.set()
    thread.join()
    assert errors == []
    assert seen == [str(n) for n in range(300)]


# -- the bound


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(logs, "_HEAD", 10)
    monkeypatch.setattr(logs, "_TAIL", 10)


def test_of_a_long_output_the_beginning_and_the_end_are_kept_and_the_gap_is_told(journal, small):
    for n in range(100):
        journal.write_log("r", [printed("a", f"line{n:2}\n")])
    lines = journal.read_lines("r")
    assert [line.text for line in lines] == [
        "line 0", "… 98 lines left out here …", "line99",
    ]  # fmt: skip
    assert [line.stream for line in lines] == ["stdout", "", "stdout"]
    assert journal.read_log("r", "a") == "line 0\n… 98 lines left out here …\nline99\n"


def test_one_that_prints_much_takes_nothing_from_the_others(journal, small):
    for n in range(50):
        journal.write_log("r", [printed("a", f"{n}\n")])
        if n < 5:
            journal.write_log("r", [printed("b", "x\n")])
    assert journal.read_log("r", "b") == "x\n" * 5
    assert "lines left out" in journal.read_log("r", "a")


def test_a_follower_sees_every_line_though_some_are_left_out_later(journal, small):
    after, seen = 0, []
    for n in range(40):
        journal.write_log("r", [printed("a", f"{n}\n")])
        new = journal.read_lines("r", after=after)
        seen += [line.text for line in new if line.stream]
        after = new[-1].seq
    assert seen == [str(n) for n in range(40)]


def test_the_bound_holds_over_processes(tmp_path, small):
    for part in range(6):
        journal = SqliteJournal(tmp_path / "j.db")
        if part == 0:
            journal.create("r", START)
        for n in range(10):
            journal.write_log("r", [printed("a", f"{part}.{n}\n")])
        journal.close()
    kept = SqliteJournal(tmp_path / "j.db").read_log("r", "a")
    assert kept == "0.0\n0.1\n… 56 lines left out here …\n5.8\n5.9\n"


def test_a_row_that_is_longer_than_the_bound_is_kept_while_it_is_the_last(journal, small):
    journal.write_log("r", [printed("a", "x" * 50 + "\n")])
    assert journal.read_log("r", "a") == "x" * 50 + "\n"
    journal.write_log("r", [printed("a", "y\n")])
    assert journal.read_log("r", "a") == "… 1 line left out here …\ny\n"


# -- files of older versions


def test_output_that_an_older_version_kept_in_pieces_is_read_as_lines(tmp_path):
    journal = SqliteJournal(tmp_path / "j.db")
    journal.create("r", START)
    with sqlite3.connect(journal.path) as raw:  # as a process of version 2 still does
        for text in ("1\n2\n", "3\n"):
            raw.execute(
                "INSERT INTO log(run_id, task, attempt, stream, text) VALUES('r', 'a', 1, ?, ?)",
                ("stdout", text),
            )
    raw.close()
    assert [(line.text, line.at) for line in journal.read_lines("r")] == [
        ("1", 0.0), ("2", 0.0), ("3", 0.0),
    ]  # fmt: skip


# -- of one attempt, on their way from a worker


def test_all_of_it_is_sent_where_there_is_room():
    rows = [printed("a", f"{n}\n", stream=("stdout", "stderr")[n % 2]) for n in range(1000)]
    assert logs.within(rows, 400_000) == tuple(rows)
    assert logs.within([], 0) == ()


def test_what_there_is_no_room_for_is_counted():
    rows = [printed("a", f"{n}\nand\n", at=float(n)) for n in range(1000)]
    gap, *sent = logs.within(rows, 1_000)
    assert sent == rows[-len(sent) :]
    assert gap == printed(
        "a", logs.left_out(2 * (1000 - len(sent))), stream="", at=999.0 - len(sent)
    )
    assert 900 < sum(len(msgspec.json.encode(row)) for row in sent) <= 1_000


def test_lines_that_were_left_out_before_count_too():
    rows = [printed("a", logs.left_out(1_234), stream=""), *[printed("a", "x\n")] * 6]
    (gap,) = logs.within(rows, 10)
    assert gap[3] == logs.left_out(1_240)
    kept = logs.within(rows, 10_000)
    assert kept == tuple(rows)
