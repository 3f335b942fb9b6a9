"""What tasks print: kept for each, shown where it was shown, masked in both."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import io
import logging
import os
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import orch_nb as nb
from orch_nb.engine import driver, logs, output, tee
from orch_nb.engine.memory import MemoryJournal
from orch_nb.engine.output import Output
from orch_nb.model.secrets import PLAIN, Mask, mark

SECRET = "hunter2!z"
TOKEN = "ghp_" + "aB3" * 12


def ran(*functions, journal=None, **options):
    """The lines of each task, after a run of these functions."""
    journal = journal or MemoryJournal()
    options = {"executor": "threads", **options}
    tasks = [nb.Task(id=function.__name__, run=function) for function in functions]
    run = nb.execute(nb.Plan(goal="g", tasks=tasks), journal=journal, **options)
    lines = journal.read_lines(run.run_id)
    return {t.id: [(x.stream, x.text) for x in lines if x.task == t.id] for t in tasks}


def texts(lines):
    return [text for _, text in lines]


# -- of tasks in this process


@pytest.mark.parametrize("executor", ["threads", "inline", "processes"])
def test_what_a_function_prints_is_in_its_log(executor, capsys):
    def a():
        print("one")
        print("two", file=sys.stderr)
        print("three", end="")

    assert ran(a, executor=executor)["a"] == [
        ("stdout", "one"), ("stderr", "two"), ("stdout", "three"),
    ]  # fmt: skip
    shown = capsys.readouterr()
    if executor != "processes":  # whose prints have never been shown here
        assert (shown.out, shown.err) == ("one\nthree", "two\n")


def test_what_a_coroutine_prints_is_in_its_log_and_not_in_that_of_another(capsys):
    async def a():
        for n in range(3):
            print("a", n)
            await asyncio.sleep(0.001)
        await asyncio.to_thread(print, "a in a thread")

    async def b():
        for n in range(3):
            print("b", n)
            await asyncio.sleep(0.001)

    found = ran(a, b)
    assert texts(found["a"]) == ["a 0", "a 1", "a 2", "a in a thread"]
    assert texts(found["b"]) == ["b 0", "b 1", "b 2"]
    assert len(capsys.readouterr().out.splitlines()) == 7


def test_lines_of_tasks_side_by_side_are_never_mixed(capsys, monkeypatch):
    monkeypatch.setattr(driver, "_POLL_S", 60.0)  # nor when one is stuck in the midst of a line

    def printer(name):
        def body():
            for n in range(50):
                for part in (name, " ", str(n), "\n"):
                    sys.stdout.write(part)
                    time.sleep(0.00001)

        body.__name__ = name
        return body

    found = ran(*map(printer, "abcd"), workers=4)
    assert {name: texts(lines) for name, lines in found.items()} == {
        name: [f"{name} {n}" for n in range(50)] for name in "abcd"
    }
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(
        f"{name} {n}" for name in "abcd" for n in range(50)
    )


def test_what_a_handler_of_logging_writes_is_in_the_log_of_the_task_whenever_it_was_made(capsys):
    logger = logging.getLogger("orch_nb.tests.output")
    before = logging.StreamHandler()
    logger.addHandler(before)
    stream = before.stream
    try:

        def a():
            logger.warning("from a handler of before")
            logging.getLogger("orch_nb.tests.nobody").warning("from the last resort")

        found = texts(ran(a)["a"])
        assert found[0] == "from a handler of before"
        assert "from the last resort" in found or len(found) == 1  # pytest has handlers of its own
        assert before.stream is stream
    finally:
        logger.removeHandler(before)
    assert "from a handler of before" in capsys.readouterr().err


def test_each_attempt_is_told_apart():
    tries = []

    def a():
        tries.append(1)
        print(f"try {len(tries)}")
        if len(tries) < 2:
            raise ValueError

    journal = MemoryJournal()
    plan = nb.Plan(goal="g", tasks=[nb.Task(id="a", run=a, retry=2)])
    run = nb.execute(plan, journal=journal)
    lines = journal.read_lines(run.run_id)
    assert [(line.attempt, line.text) for line in lines] == [(1, "try 1"), (2, "try 2")]


def test_instances_and_what_undoes_have_logs_of_their_own():
    def boom(ship):
        raise ValueError

    plan = nb.Plan(
        goal="g",
        tasks=[
            nb.Task(id="fetch", run=lambda item: print("got", item), foreach=[10, 20]),
            nb.Task(id="ship", run=lambda: 1, needs=["fetch"],
                    compensate={"run": lambda: print("undone")}),
            nb.Task(id="boom", run=boom, needs=["ship"]),
        ],
    )  # fmt: skip
    journal = MemoryJournal()
    run = nb.execute(plan, journal=journal, workers=1)
    assert [(line.task, line.text) for line in journal.read_lines(run.run_id)] == [
        ("fetch[0]", "got 10"), ("fetch[1]", "got 20"), ("compensate(ship)", "undone"),
    ]  # fmt: skip


def test_a_thread_of_the_tasks_own_is_its_own_only_with_a_copy_of_its_context(capsys):
    def a():
        context = contextvars.copy_context()
        for target, args in ((print, ("stranger",)), (context.run, (print, "copied"))):
            thread = threading.Thread(target=target, args=args)
            thread.start()
            thread.join()

    expected = ["copied"] if not getattr(sys.flags, "thread_inherit_context", 0) else None
    assert texts(ran(a)["a"]) == (expected or ["stranger", "copied"])
    assert sorted(capsys.readouterr().out.split()) == ["copied", "stranger"]


def test_what_a_task_redirects_goes_where_it_says_and_what_follows_is_logged_again(capsys):
    taken = []

    def a():
        with contextlib.redirect_stdout(io.StringIO()) as held:
            print("held back")
        taken.append(held.getvalue())
        print("said")

    assert texts(ran(a)["a"]) == ["said"]
    assert taken == ["held back\n"]
    assert capsys.readouterr().out == "said\n"


def test_prints_that_are_no_tasks_are_not_touched(capsys):
    def a():
        outside.set()
        go_on.wait(10)

    outside, go_on = threading.Event(), threading.Event()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        run = pool.submit(ran, a)
        outside.wait(10)
        print("of the cell, with", TOKEN, end="")
        assert capsys.readouterr().out == f"of the cell, with {TOKEN}"
        go_on.set()
        assert run.result()["a"] == []


def test_what_prints_as_it_is_collected_does_not_hold_up_what_was_being_printed():
    class Last:
        def __del__(self):
            print("last words")

    class Odd(str):
        __slots__ = ()

        def __contains__(self, part):  # in the midst of it, as a collection may be
            Last()
            return super().__contains__(part)

    def a():
        sys.stdout.write(Odd("first\n"))

    assert min(texts(ran(a)["a"])) == "first"
    assert "last words" in texts(ran(a)["a"])


def test_a_print_of_something_that_is_no_text_raises_as_it_would():
    def a():
        sys.stdout.write(b"bytes")

    run = nb.execute(nb.Plan(goal="g", tasks=[nb.Task(id="a", run=a)]), journal="memory")
    assert run["a"].attempts[0].error.type == "TypeError"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_the_child_of_a_fork_prints_passes(capfd):
    def a():
        print("parent", flush=True)
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                print("child", flush=True)
            os._exit(0)
        os.waitpid(child, 0)

    assert texts(ran(a)["a"]) == ["parent"]
    assert capfd.readouterr().out == "parent\nchild\n"


# -- the streams of this process


def test_the_streams_are_as_they_were_when_the_last_run_has_ended(capsys):
    before = (sys.stdout, sys.stderr)
    with tee.standing():
        first = sys.stdout
        with tee.standing():
            assert sys.stdout is first is not before[0]
        assert sys.stdout is first
    assert (sys.stdout, sys.stderr) == before


def test_runs_side_by_side_keep_what_is_theirs(capsys):
    def body(n):
        def a():
            for k in range(20):
                print(f"run {n} line {k}")

        return a

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: texts(ran(body(n))["a"]), range(8)))
    assert found == [[f"run {n} line {k}" for k in range(20)] for n in range(8)]
    assert not isinstance(sys.stdout, tee.Tee)


def test_a_stream_that_was_put_before_ours_stays_and_lets_pass_afterwards(capsys, monkeypatch):
    with tee.standing():
        ours = sys.stdout
        before = io.StringIO()
        monkeypatch.setattr(sys, "stdout", before)
        print("to the new one")
    assert sys.stdout is before
    assert before.getvalue() == "to the new one\n"
    monkeypatch.undo()
    print("past ours", file=ours)
    assert capsys.readouterr().out == "past ours\n"


def test_a_stream_that_is_closed_behind_ours_makes_way_for_the_one_that_there_is(capsys):
    closed = io.StringIO()
    ours = tee.Tee("stdout", closed)
    closed.close()
    print("hello", file=ours)
    assert capsys.readouterr().out == "hello\n"


def test_ours_is_the_stream_behind_in_all_else(tmp_path):
    with (tmp_path / "x").open("w") as file:
        ours = tee.Tee("stdout", file)
        assert (ours.fileno(), ours.isatty(), ours.encoding) == (
            file.fileno(), False, file.encoding,
        )  # fmt: skip


def test_a_run_whose_onlooker_has_gone_goes_on(capsys, monkeypatch):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    def a():
        with contextlib.suppress(BrokenPipeError):
            print("half", end="")
        return 1

    monkeypatch.setattr(sys, "stdout", Gone())
    assert ran(a)["a"] == [("stdout", "half")]


# -- lines


@pytest.fixture
def out():
    return Output(Mask({"PW": ["hunter2"]}), lambda: 5.0)


def echoed(out, *parts, stream="stdout"):
    return [out.echo("a", 1, stream, part) for part in parts]


def kept(out):
    return "".join(text for *_, text, _ in out.take())


def test_a_line_is_shown_and_kept_when_it_is_whole(out):
    assert echoed(out, "one", " line", "\n", "two\nthree\nfo") == [
        "",
        "",
        "one line\n",
        "two\nthree\n",
    ]
    assert kept(out) == "one line\ntwo\nthree\n"
    assert out.ended([("a", 1)]) == [("stdout", "fo")]
    assert kept(out) == "fo\n"
    assert not out.busy


@pytest.mark.parametrize("cut", range(1, 7))
def test_a_secret_that_comes_in_pieces_is_masked_wherever_it_was_cut(out, cut):
    shown = echoed(out, f"pw {'hunter2'[:cut]}")
    shown.append(out.flush("a", 1, "stdout"))
    shown += echoed(out, f"{'hunter2'[cut:]} ok\n")
    assert "".join(shown) == kept(out) == f"pw {mark('PW')} ok\n"


@pytest.mark.parametrize("cut", range(1, len(TOKEN)))
def test_a_token_that_comes_in_pieces_is_masked_wherever_it_was_cut(out, cut):
    shown = [*echoed(out, f"x {TOKEN[:cut]}"), out.flush("a", 1, "stdout")]
    shown += echoed(out, f"{TOKEN[cut:]} ok\n")
    assert "".join(shown) == kept(out) == f"x {mark('GitHub token')} ok\n"


def test_a_secret_that_only_what_follows_makes_one_is_not_shown(out):
    shown = [*echoed(out, "password"), out.flush("a", 1, "stdout")]
    shown += [*echoed(out, ": "), out.flush("a", 1, "stdout")]
    shown += [*echoed(out, "abc12345"), out.flush("a", 1, "stdout"), *echoed(out, "67\n")]
    assert "abc" not in "".join(shown)
    assert kept(out) == f"password: {mark('password')}\n"


def test_a_line_that_stands_still_is_shown_before_it_ends(out):
    echoed(out, "work")
    assert out.begun() == []
    echoed(out, "ing")
    assert out.begun() == []
    assert out.begun() == [("stdout", "working")]
    assert out.begun() == []
    assert echoed(out, " done\n") == [" done\n"]
    assert kept(out) == "working done\n"


def test_dots_and_words_are_shown_at_once_where_somebody_flushes(out):
    shown = ""
    for part in ("Loading ", ".", ".", ".", " 45%"):
        shown += "".join(echoed(out, part)) + out.flush("a", 1, "stdout")
        assert "Loading ... 45%".startswith(shown)
    assert shown == "Loading ... 45%"
    assert echoed(out, " done\n") == [" done\n"]
    assert kept(out) == "Loading ... 45% done\n"


def test_of_a_progress_bar_the_last_state_is_kept(out):
    shown = echoed(out, *(f"\r{n}% ####" for n in range(100)), "\n")
    assert kept(out) == "99% ####\n"
    assert "".join(shown) == "".join(f"\r{n}% ####" for n in range(100)) + "\n"
    echoed(out, "windows\r", "\n", "two\r\n")
    assert kept(out) == "windows\ntwo\n"


@given(
    st.lists(st.sampled_from([SECRET, TOKEN, "pass", "word=", "x", " ", "\n", "\r", "…", "hun"])),
    st.lists(st.integers(1, 30)), st.lists(st.booleans()),
)  # fmt: skip
def test_however_output_comes_in_pieces_no_secret_is_shown_or_kept(words, cuts, flushes):
    out, text = Output(Mask({"PW": [SECRET]}), lambda: 5.0), "".join(words)
    shown, at = "", 0
    for n in range(len(text)):
        end = at + (cuts[n % len(cuts)] if cuts else 7)
        shown += out.echo("a", 1, "stdout", text[at:end])
        if flushes and flushes[n % len(flushes)]:
            shown += out.flush("a", 1, "stdout")
        at = end
    shown += "".join(part for _, part in out.ended())
    for seen in (shown, kept(out)):
        assert SECRET not in seen
        assert TOKEN not in seen
    assert not out.busy


def test_a_private_key_over_several_lines_leaves_a_mark(out):
    key = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\nAbCdEf==\n-----END EC PRIVATE KEY-----\n"
    shown = "".join(echoed(out, *f"before\n{key}behind\n"))
    assert shown == kept(out) == f"before\n{mark('private key')}\nbehind\n"


def test_a_line_without_an_end_is_bounded(out, monkeypatch):
    monkeypatch.setattr(output, "_LINE", 100)
    for _ in range(100):
        out.write("a", 1, "stdout", "x" * 30)
    assert sum(one.size for one in out._open.values()) <= 100
    assert kept(out).replace("\n", "") == "x" * (3000 - sum(o.size for o in out._open.values()))


def test_a_line_that_comes_at_once_is_shown_whole_and_kept_in_part(out, monkeypatch):
    monkeypatch.setattr(output, "_LINE", 10)
    assert echoed(out, "x" * 2_000 + "\n") == ["x" * 2_000 + "\n"]
    assert kept(out) == "xxxxxxxxxx… (1,990 more characters)\n"


def test_many_lines_at_once_are_the_same_as_one_after_another(out):
    text = "".join(f"line {n}\n" for n in range(100))
    for lines in (text, f"{text}pw hunter2\n", f"{text}\r1\n", f"{text}x {TOKEN} y\n"):
        assert echoed(out, lines) == ["".join(echoed(out, *lines.splitlines(keepends=True)))]
        assert kept(out) == "".join(f"{kept_line}\n" for kept_line in _twice(lines))


def _twice(lines):
    one = [PLAIN.text(line).replace("hunter2", mark("PW")) for line in lines.split("\n")[:-1]]
    return [line.rpartition("\r")[2] for line in one] * 2


def test_what_waits_is_bounded_and_the_gap_is_told(out, monkeypatch):
    monkeypatch.setattr(output, "_WAITING", 20)
    out.write("b", 1, "stdout", "other\n")
    for n in range(1000):
        out.write("a", 1, "stdout", f"line {n}\n")
    rows = out.take()
    assert [(task, stream, text) for task, _, stream, text, _ in rows] == [
        ("b", "stdout", "other\n"),
        ("a", "", logs.left_out(998)),
        ("a", "stdout", "line 998\nline 999\n"),
    ]  # fmt: skip


def test_rows_hold_what_was_printed_together_and_no_more():
    clock = iter([0.0, 0.1, 0.2, 0.6, 0.7])
    out = Output(PLAIN, lambda: next(clock))
    for text in ("1\n", "2\n"):
        out.write("a", 1, "stdout", text)
    out.write("b", 1, "stdout", "3\n")
    out.write("b", 1, "stdout", "4\n")
    out.write("b", 1, "stderr", "5\n")
    assert out.take() == [
        ("a", 1, "stdout", "1\n2\n", 0.0), ("b", 1, "stdout", "3\n", 0.2),
        ("b", 1, "stdout", "4\n", 0.6), ("b", 1, "stderr", "5\n", 0.7),
    ]  # fmt: skip


def test_a_task_that_prints_without_end_fills_neither_memory_nor_disk(tmp_path):
    def a():
        for n in range(120_000):
            print(f"line {n} {'x' * 40}")

    with contextlib.redirect_stdout(io.StringIO()):
        journal = nb.SqliteJournal(tmp_path / "j.db")
        plan = nb.Plan(goal="g", tasks=[nb.Task(id="a", run=a)])
        nb.execute(plan, journal=journal, run_id="r")
    told = journal.read_log("r", "a").splitlines()
    assert told[0] == f"line 0 {'x' * 40}"
    assert told[-1] == f"line 119999 {'x' * 40}"
    assert any("left out here" in line for line in told)
    assert sum(map(len, told)) < 3_000_000
