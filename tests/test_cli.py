"""The command line: the same story, with exit codes a CI can use and never a traceback."""

from __future__ import annotations

import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from orch_nb import cli
from orch_nb.engine.journal import SqliteJournal

OK = "goal: Greet\ntasks: {hello: {sh: echo hello}, after: {sh: echo bye, needs: [hello]}}\n"
BAD = (
    "goal: Fail\ntasks: {bad: {sh: 'echo no such table >&2; exit 3'}, b: {sh: ls, needs: [bad]}}\n"
)
GATE = "goal: Ship\ntasks: {ship: {approval: 'Ship it?'}, b: {sh: echo out, needs: [ship]}}\n"
LONG = "goal: Long\ntasks: {slow: {sh: 'touch begun; sleep 60'}, b: {sh: ls, needs: [slow]}}\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"ok": OK, "bad": BAD, "gate": GATE, "long": LONG}.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


@pytest.fixture
def orch(capsys):
    """`orch("run", "ok.yaml")` gives the exit code, stdout and stderr."""

    def call(*arguments):
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse's own
            code = end.code
        told = capsys.readouterr()
        assert "Traceback" not in told.out + told.err
        return code, told.out, told.err

    return call


def process(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "orch_nb.cli", *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def until(true, within_s=20.0):
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


# -- run


def test_a_run_that_succeeds_exits_0_and_tells_what_happened(orch):
    code, out, err = orch("run", "ok.yaml")
    assert code == 0
    assert "Greet" in out
    assert "succeeded" in out
    lines = [line.strip().partition("  ")[2] for line in err.splitlines()]
    assert lines == ["▶ hello", "✓ hello", "▶ after", "✓ after"]


def test_a_run_that_fails_exits_1_and_says_why(orch):
    code, out, err = orch("run", "bad.yaml")
    assert code == 1
    assert "✗ bad: ShellError: exit code 3: no such table" in err
    assert "⊘ b: needs bad, which ended failed" in err
    assert "failed" in out


def test_quiet_prints_the_outcome_only(orch):
    code, out, err = orch("run", "ok.yaml", "--quiet")
    assert (code, err) == (0, "")
    assert "succeeded" in out


def test_a_dry_run_shows_the_plan_and_runs_nothing(orch, folder):
    code, out, _ = orch("run", "ok.yaml", "--dry-run")
    assert code == 0
    assert "hello" in out
    assert not (folder / ".orch_nb").exists()


def test_patterns_are_listed_searched_and_opened(orch):
    assert "Strangler fig" in orch("patterns")[1]
    code, out, _ = orch("patterns", "undo", "steps")
    assert (code, "saga" in out) == (0, True)
    assert "Use it when" in orch("patterns", "saga")[1]


def test_the_example_of_a_pattern_is_a_plan_that_runs(orch, folder):
    (folder / "branch.yaml").write_text(orch("patterns", "branch", "--example")[1])
    assert orch("run", "branch.yaml")[0] == 0
    code, _, told = orch("patterns", "sagaa", "--example")
    assert (code, "Did you mean `saga`?" in told) == (2, True)


def test_a_plan_comes_from_stdin(orch, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(OK))
    assert orch("run", "-")[0] == 0


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("goal: g\ntasks:\n  a: {sh: ls, needs: [bb]}\n  b: {sh: ls}\n", ["line 3", "`bb`", "`b`"]),
        ("goal: g\ntasks:\n  a: {sh: x, needs: [b]}\n  b: {sh: x, needs: [a]}\n", ["a → b → a"]),
        ("goal: g\ntasks:\n  a: {sh: x, retry: no}\n  b: {shh: x}\n",
         ["2 problems", "nothing was run", "line 3", "line 4", "`sh`"]),
        ("goal: g\ntasks:\n\ta: {sh: x}\n", ["line 3", "tab"]),
        ("", []),
        ("goal: g\ntasks: {a: {run: no_such_module_at_all:f}}", ["no_such_module_at_all"]),
        ("goal: g\ntasks: {a: {agent: x}}", ["agent"]),
    ],
    ids=["unknown need", "cycle", "two faults", "tab", "empty", "no module", "not yet"],
)  # fmt: skip
def test_a_broken_plan_exits_2_and_tells_every_problem_with_its_line(orch, folder, text, told):
    (folder / "broken.yaml").write_text(text)
    code, out, err = orch("run", "broken.yaml")
    assert (code, out) == (2, "")
    assert err.startswith("orch-nb: ")
    for part in told:
        assert part in err
    assert not (folder / ".orch_nb").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "gone.yaml"),
        ("run", "."),
        ("run", "binary.yaml"),
        ("run", "ok.yaml", "--workers", "0"),
        ("run", "ok.yaml", "--workers", "many"),
        ("run", "ok.yaml", "--approve", "nobody"),
        ("run", "ok.yaml", "--journal", "ok.yaml"),
        ("run", "ok.yaml", "--journal", "ok.yaml/below"),
        ("run", "ok.yaml", "--journal", "."),
        ("run",),
        ("dance",),
        ("runs",),  # no journal yet
        ("runs", "--journal", "ok.yaml"),
        ("status", "nope"),
        ("report", "nope"),
        ("recover", "nope"),
        ("approve", "nope", "x"),
        ("cancel", "nope"),
        ("retry", "nope", "x"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_exits_2_with_a_message(orch, folder, arguments):
    (folder / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    code, out, err = orch(*arguments)
    assert (code, out) == (2, "")
    assert err.strip()


@pytest.mark.parametrize("verb", ["status", "report", "recover", "cancel"])
def test_an_unknown_run_is_told_with_the_latest(orch, verb):
    orch("run", "ok.yaml", "--run-id", "mine")
    code, _, err = orch(verb, "yours")
    assert code == 2
    assert "latest are: mine" in err


def test_a_run_id_is_taken_once(orch):
    assert orch("run", "ok.yaml", "--run-id", "mine")[0] == 0
    code, _, err = orch("run", "ok.yaml", "--run-id", "mine")
    assert code == 2
    assert "recover('mine')" in err


# -- people


def test_a_waiting_run_exits_3_and_the_line_it_prints_goes_on(orch):
    code, out, _ = orch("run", "gate.yaml", "--name", "ship")
    assert code == 3
    assert "Next: orch-nb approve ship-1 ship\nThen: orch-nb recover ship-1" in out
    assert "%orchestrate" not in out
    code, out, _ = orch("approve", "ship-1", "ship", "--note", "fine")
    assert (code, out) == (0, "approve: ship; go on with: orch-nb recover ship-1\n")
    code, out, _ = orch("recover", "ship-1")
    assert code == 0
    assert SqliteJournal(".orch_nb/journal.db").runs()[0].status == "succeeded"


def test_a_rejected_gate_fails_the_run(orch):
    orch("run", "gate.yaml", "--run-id", "r")
    orch("reject", "r", "ship", "--note", "not on a Friday")
    code, _, err = orch("recover", "r")
    assert code == 1
    assert "not on a Friday" in orch("status", "r")[1] + err


def test_a_gate_is_approved_beforehand_and_recovering_twice_changes_nothing(orch):
    assert orch("run", "gate.yaml", "--run-id", "r", "--approve", "ship")[0] == 0
    assert orch("recover", "r")[0] == 0
    assert orch("recover", "r", "--plan", "gate.yaml")[0] == 0
    code, _, err = orch("recover", "r", "--plan", "ok.yaml")
    assert code == 2
    assert "another plan" in err


def test_a_waiting_run_can_be_cancelled(orch):
    orch("run", "gate.yaml", "--run-id", "r")
    assert orch("cancel", "r")[0] == 0
    assert orch("recover", "r")[0] == 1
    assert SqliteJournal(".orch_nb/journal.db").runs()[0].status == "cancelled"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("approve", "r", "hello"), "does not wait for anybody: it is succeeded"),
        (("approve", "r", "helo"), "Did you mean `hello`"),
        (("cancel", "r"), "not going on: it is succeeded"),
        (("retry", "r", "hello"), "only a task that failed is retried"),
        (("retry", "r", "helo"), "Did you mean `hello`"),
    ],
)
def test_asking_for_what_cannot_be_says_why(orch, arguments, told):
    orch("run", "ok.yaml", "--run-id", "r")
    code, _, err = orch(*arguments)
    assert code == 2
    assert told in err


def test_a_failed_task_is_retried(orch, folder):
    (folder / "flaky.yaml").write_text("goal: g\ntasks: {a: {sh: test -e fixed}}\n")
    assert orch("run", "flaky.yaml", "--run-id", "r")[0] == 1
    (folder / "fixed").touch()
    assert orch("retry", "r", "a")[0] == 0


def test_all_that_failed_is_retried_where_no_task_is_named(orch, folder):
    (folder / "flaky.yaml").write_text(
        "goal: g\ntasks: {a: {sh: test -e fixed}, b: {sh: test -e fixed}}\n"
    )
    assert orch("run", "flaky.yaml", "--run-id", "r")[0] == 1
    (folder / "fixed").touch()
    assert orch("retry", "r")[0] == 0
    code, _, err = orch("retry", "r")
    assert code == 2
    assert "no task of run `r` has failed" in err


def test_a_task_is_skipped_and_the_rest_goes_on(orch, folder):
    (folder / "bad.yaml").write_text(
        'goal: g\ntasks: {a: {sh: "false"}, b: {sh: "echo b > b.txt", needs: [a]}}\n'
    )
    assert orch("run", "bad.yaml", "--run-id", "r")[0] == 1
    assert orch("skip", "r", "a", "--note", "not this week")[0] == 0
    assert (folder / "b.txt").exists()
    out = orch("status", "r")[1]
    assert "not this week" in out
    code, _, err = orch("skip", "r", "a")
    assert code == 2
    assert "`a` is skipped" in err


def test_what_could_not_be_undone_is_undone_by_hand(orch, folder):
    (folder / "saga.yaml").write_text(
        "goal: g\ntasks:\n"
        '  pay:  {sh: "true", compensate: {sh: "test -e open"}}\n'
        '  ship: {sh: "false", needs: [pay]}\n'
    )
    assert orch("run", "saga.yaml", "--run-id", "r")[0] == 1
    (folder / "open").touch()
    assert orch("compensate", "r", "pay")[0] == 1  # the run has failed all the same
    assert "compensated" in orch("status", "r")[1]
    code, _, err = orch("compensate", "r", "pay")
    assert code == 2
    assert "nothing of it to be undone" in err


def test_a_user_without_a_name_may_ask(orch, monkeypatch):
    def nobody():
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", nobody)
    orch("run", "gate.yaml", "--run-id", "r")
    assert orch("approve", "r", "ship")[0] == 0


# -- telling


def test_runs_and_status_list_what_there_is(orch):
    orch("run", "ok.yaml", "--run-id", "first")
    orch("run", "bad.yaml", "--run-id", "second")
    code, out, _ = orch("runs")
    assert code == 0
    assert out.index("second") < out.index("first")
    code, out, _ = orch("status", "second")
    assert code == 0
    assert "upstream" in out


def test_a_report_is_html_or_markdown_by_its_name(orch, folder):
    orch("run", "bad.yaml", "--run-id", "r")
    assert orch("report", "r") == (0, "report.html\n", "")
    assert "</html>" in (folder / "report.html").read_text()
    assert orch("report", "r", "-o", "r.md")[0] == 0
    assert (folder / "r.md").read_text().lstrip().startswith("#")
    assert orch("report", "report.html", "-o", "again.xml") == (0, "again.xml\n", "")
    assert "<testsuites" in (folder / "again.xml").read_text()
    code, _, err = orch("report", "r", "-o", "r.docx")
    assert (code, ".html, .htm, .md, .pdf, .xml" in err) == (2, True)
    code, _, err = orch("report", "r", "--code")
    assert (code, "--code shows the cells of a notebook; r is a run" in err) == (2, True)


def test_without_a_name_the_last_run_is_meant(orch, folder):
    for name in ("one", "two"):
        orch("run", "ok.yaml", "--run-id", name)
    assert "run two" in orch("status")[1]
    assert orch("report", "-o", "r.md")[0] == 0
    assert "run two" in (folder / "r.md").read_text()


def test_two_runs_are_compared_by_their_names_or_files(orch, folder):
    orch("run", "bad.yaml", "--run-id", "r")
    orch("run", "ok.yaml", "--run-id", "s")
    orch("report", "r", "-o", "r.html")
    for first in ("r", "r.html"):
        code, out, _ = orch("compare", first, "s")
        assert code == 0
        assert "s succeeded where r failed" in out
    code, _, err = orch("compare", "r", "nobody")
    assert (code, "no run `nobody`" in err) == (2, True)


def test_a_failure_is_seen_through_six_systems(orch):
    code, out, _ = orch("systems", "bad.yaml", "--fault", "bad")
    assert code == 0
    assert "b waits for bad: what becomes of it?" in out
    assert "Temporal: △ never asked for. b was never asked for" in out


def test_the_table_of_systems_is_data_too(orch):
    code, out, _ = orch("systems", "bad.yaml", "--fault", "bad", "--json")
    rows = json.loads(out)
    assert code == 0
    assert {row["fate"] for row in rows if row["task"] == "b"} == {"never runs", "waits for ever"}


def test_an_export_goes_to_a_file_that_is_not_lost_or_to_standard_output(orch, folder):
    code, out, _ = orch("export", "ok.yaml", "celery")
    assert (code, out) == orch("export", "ok.yaml", "celery", "-o", "-")[:2]
    assert "canvas = " in out
    assert orch("export", "ok.yaml", "celery", "-o", "g.py")[:2] == (0, "g.py\n")
    assert (folder / "g.py").read_text() == out
    assert orch("export", "ok.yaml", "celery", "-o", "g.py")[:2] == (0, "g.py (as it was)\n")

    code, _, err = orch("export", "ok.yaml", "celery", "-o", "ok.yaml")
    assert (code, "--force" in err) == (2, True)
    assert (folder / "ok.yaml").read_text() == OK
    assert orch("export", "ok.yaml", "celery", "-o", "nowhere/g.py")[0] == 2
    assert orch("export", "ok.yaml", "celery", "-o", str(folder))[0] == 2


def test_an_import_reads_a_file_or_standard_input(orch, folder, monkeypatch):
    orch("export", "ok.yaml", "bullmq", "-o", "flow.json")
    code, out, _ = orch("import", "flow.json")
    assert (code, "hello" in out) == (0, True)
    monkeypatch.setattr(sys, "stdin", io.StringIO((folder / "flow.json").read_text()))
    assert orch("import", "-")[:2] == (0, out)
    assert orch("import", "flow.json", "-o", "back.yaml")[:2] == (0, "back.yaml\n")
    assert (folder / "back.yaml").read_text() == out
    code, _, err = orch("import", "flow.json", "-o", "bad.yaml")
    assert (code, "--force" in err) == (2, True)


def test_losses_are_told_beside_the_text_or_with_it_as_data(orch, folder):
    (folder / "rich.yaml").write_text("goal: R\ntasks: {a: {sh: ls, priority: 3}, b: {sh: ls}}\n")
    _, out, err = orch("export", "rich.yaml", "celery")
    assert "dropped: `a`: priority" in err
    assert "priority" not in out
    _, out, err = orch("export", "rich.yaml", "celery", "--json")
    made = json.loads(out)
    assert (made["system"], "canvas = " in made["text"], err) == ("celery", True, "")
    assert {"what": "priority", "task": "a"}.items() <= made["losses"][1].items()


def test_a_fault_that_is_no_task_is_told(orch):
    code, _, err = orch("systems", "bad.yaml", "--fault", "bed")
    assert code == 2
    assert "Did you mean `bad`?" in err


def test_a_report_that_cannot_be_written_is_told(orch, folder):
    orch("run", "ok.yaml", "--run-id", "r")
    code, _, err = orch("report", "r", "-o", "ok.yaml/report.html")
    assert code == 2
    assert "ok.yaml/report.html" in err


def test_a_journal_with_an_event_of_tomorrow_is_told(orch):
    orch("run", "ok.yaml", "--run-id", "r")
    with sqlite3.connect(".orch_nb/journal.db") as raw:
        raw.execute("UPDATE batch SET body=?", (b'[{"t":"of_tomorrow","at":1}]',))
    raw.close()
    code, _, err = orch("status", "r")
    assert code == 2
    assert "cannot be read" in err


def test_the_version_and_the_help_are_there(orch):
    assert orch("--version")[1].startswith("orch-nb ")
    assert "Exit codes" in orch("--help")[1]


# -- other processes


def test_a_live_run_is_cancelled_from_another_process_within_two_seconds(folder):
    run = process("run", "long.yaml", "--run-id", "r")
    until((folder / "begun").exists)
    begun = time.monotonic()
    asked = process("cancel", "r")
    told, err = asked.communicate(timeout=20)
    assert (asked.returncode, told) == (0, "cancel: r\n"), err
    _, err = run.communicate(timeout=20)
    assert time.monotonic() - begun < 2 + 1  # a second for starting the second Python
    assert run.returncode == 1
    assert "⊗ b: cancelled by" in err
    assert SqliteJournal(".orch_nb/journal.db").runs()[0].status == "cancelled"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_exits_130_and_the_journal_says_cancelled(folder, number):
    run = process("run", "long.yaml", "--run-id", "r")
    until((folder / "begun").exists)
    run.send_signal(number)
    _, err = run.communicate(timeout=20)
    assert run.returncode == 130
    assert err.splitlines()[-1].startswith("orch-nb: stopped")
    assert "Traceback" not in err
    assert SqliteJournal(".orch_nb/journal.db").runs()[0].status == "cancelled"


def test_a_run_that_was_killed_may_be_cancelled_or_recovered(folder, orch):
    run = process("run", "long.yaml", "--run-id", "r")
    until((folder / "begun").exists)
    code, _, err = orch("recover", "r")
    assert code == 2
    assert f"worked on by process {run.pid}" in err
    run.kill()
    run.communicate()
    assert orch("cancel", "r")[0] == 0
    (folder / "begun").unlink()
    assert orch("recover", "r")[0] == 1
    assert not (folder / "begun").exists(), "a cancelled task began again"
    assert SqliteJournal(".orch_nb/journal.db").runs()[0].status == "cancelled"


def test_a_run_whose_process_has_gone_is_told_as_cut_off_with_the_line_that_goes_on(folder, orch):
    run = process("run", "long.yaml", "--run-id", "r")
    until((folder / "begun").exists)
    assert "⚡" not in orch("status", "r")[1], "it is going on"
    run.kill()
    run.communicate()
    told = orch("status", "r")[1]
    assert told.splitlines()[0] == "Long  ⚡ cut off"
    assert "What had succeeded is kept. Next: orch-nb recover r\n" in told
    assert "was running when its process went: it runs again" in told
    assert "⚡ cut off" in orch("runs")[1]
    orch("report", "r", "-o", "r.md")
    report = (folder / "r.md").read_text()
    assert "**⚡ cut off**" in report
    assert "`%orchestrate recover r`" in report
    assert "The second was cut off as the first was" in orch("compare", "r", "r")[1]


def test_a_reader_that_goes_away_is_no_traceback(orch):
    orch("run", "ok.yaml", "--run-id", "r")
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "orch_nb.cli", "status", "r"],
        stdout=write, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == 1


def test_what_a_task_printed_can_be_read_afterwards(folder, orch):
    (folder / "talk.yaml").write_text("goal: g\ntasks: {a: {sh: 'echo out; echo err >&2'}}\n")
    assert orch("run", "talk.yaml", "--run-id", "t")[0] == 0
    code, out, _ = orch("log", "t", "a")
    assert code == 0
    assert sorted(out.split()) == ["err", "out"]
    code, _, err = orch("log", "t", "b")
    assert code == 2
    assert "has no task `b`" in err


def test_without_a_task_all_that_was_printed_is_merged_and_told_by_task(folder, orch):
    (folder / "talk.yaml").write_text(
        "goal: g\ntasks:\n  a: {sh: 'echo 1; echo 2'}\n  b: {sh: 'echo 3', needs: [a]}\n"
    )
    orch("run", "talk.yaml", "--run-id", "t")
    assert orch("log", "t")[:2] == (0, "a | 1\na | 2\nb | 3\n")
    code, _, err = orch("log", "nobody")
    assert (code, "has no run `nobody`" in err) == (2, True)


def test_the_log_of_a_live_run_is_followed_from_another_process_to_its_end(folder):
    (folder / "slow.yaml").write_text(
        "goal: g\ntasks: {a: {sh: 'for n in 1 2 3; do echo line $n; sleep 0.4; done'}}\n"
    )
    run = process("run", "slow.yaml", "--run-id", "r", "--quiet")
    until(lambda: ended("log", "r")[1])
    follower = process("log", "r", "a", "--follow")
    out, _ = follower.communicate(timeout=60)
    run.communicate(timeout=60)
    assert out == "line 1\nline 2\nline 3\n"


def test_secrets_that_are_named_are_not_told(folder, orch, monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "hunter2-Zq9!x")
    (folder / "s.yaml").write_text(
        "goal: g\nparams: {pin: 48151623}\n"
        "tasks:\n  a: {sh: 'echo $DB_PASSWORD $ORCH_PARAM_PIN'}\n"
        "  b: {sh: 'echo $DB_PASSWORD >&2; exit 3', required: false, description: by 48151623}\n"
    )
    named = ("--secret", "DB_PASSWORD", "--secret", "pin")
    told = [
        orch("run", "s.yaml", "--run-id", "r", *named),
        orch("run", "s.yaml", "--dry-run", *named),
    ]
    told += [orch("log", "r"), orch("status", "r"), orch("report", "r", "-o", "r.md")]
    told.append((0, (folder / "r.md").read_text(), ""))
    everything = "".join(out + err for _, out, err in told)
    assert ("hunter2" in everything, "48151623" in everything) == (False, False)
    assert "a | ‹secret DB_PASSWORD› ‹secret pin›" in everything
    code, _, err = orch("run", "s.yaml", "--secret", "PINN")
    assert (code, "PINN is neither set" in err) == (2, True)


def test_a_live_run_is_paused_resumed_and_given_other_workers_from_another_process(folder):
    (folder / "slow.yaml").write_text(
        "goal: g\ntasks:\n  items: {sh: seq 1 6}\n"
        "  work: {sh: 'echo {{ item }} >> did; until [ -e go ]; do sleep 0.05; done',\n"
        "         needs: [items], foreach: items.split()}\n"
    )
    run = process("run", "slow.yaml", "--run-id", "r", "--workers", "1")
    until((folder / "did").exists)
    assert ended("pause", "r")[0] == 0
    until(lambda: "paused" in ended("status", "r")[1])
    (folder / "go").touch()
    time.sleep(0.8)  # what ran goes on to its end, and nothing else begins
    assert (folder / "did").read_text().split() == ["1"]
    assert ended("workers", "r", "4")[0] == 0
    assert ended("resume", "r")[0] == 0
    run.communicate(timeout=60)
    assert run.returncode == 0
    assert sorted((folder / "did").read_text().split()) == ["1", "2", "3", "4", "5", "6"]


def ended(*arguments):
    """The exit code and the output of a command."""
    command = process(*arguments)
    out, _ = command.communicate(timeout=30)
    return command.returncode, out
