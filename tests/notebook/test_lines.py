"""`%orchestrate VERB`: what can be asked of runs that have ended, wait or are detached."""

from __future__ import annotations

import pytest

# a ─► gate ─► after      flaky
GATED = """%%orchestrate --no-analyze --name gated
goal: Ship
tasks:
  a:     {sh: "echo a >> ran.txt"}
  gate:  {approval: "Ship it?", needs: [a]}
  after: {sh: "echo after >> ran.txt", needs: [gate]}
"""


@pytest.fixture
def ran(kernel):
    """The words that tasks have written, in order; none at first."""
    path = kernel.folder / "ran.txt"
    path.unlink(missing_ok=True)
    return lambda: path.read_text().split() if path.exists() else []


def test_a_gate_that_nobody_watches_ends_the_run_as_waiting_and_approve_goes_on(kernel, ran):
    cell = kernel.ok(GATED)
    assert "⏸ waiting" in cell.text
    assert "%orchestrate approve gate" in cell.text
    assert ran() == ["a"]
    cell = kernel.ok("%orchestrate approve gate it is good")
    assert "✓ succeeded" in cell.text
    assert ran() == ["a", "after"]
    decided = kernel.value("_orch.run['gate'].decided_by, _orch.run['gate'].note")
    assert decided == "('%orchestrate', 'it is good')"


def test_a_gate_that_is_rejected_keeps_what_comes_after_from_running(kernel, ran):
    kernel.ok(GATED)
    cell = kernel.ok("%orchestrate reject gate")
    assert "✗ failed" in cell.text
    assert ran() == ["a"]
    assert kernel.value("_orch.run['after'].status.value") == "'upstream_failed'"


def test_a_gate_that_does_not_wait_is_not_approved_again(kernel):
    kernel.ok(GATED)
    kernel.ok("%orchestrate approve gate")
    error = kernel.run("%orchestrate approve gate").error
    assert "does not wait for anybody: it is succeeded" in error


def test_approve_with_a_wrong_name_tells_the_nearest(kernel):
    kernel.ok(GATED)
    error = kernel.run("%orchestrate approve gat").error
    assert "no task `gat`. Did you mean `gate`?" in error


def test_approve_of_the_cell_lets_a_headless_run_pass(kernel, ran):
    kernel.ok(GATED.replace("--name gated", "--approve gate"))
    assert ran() == ["a", "after"]


def test_retry_runs_what_failed_and_what_it_kept_from_running_and_nothing_else(kernel, ran):
    kernel.ok("fail = True")
    kernel.ok(
        "%%orchestrate g --no-analyze\n"
        "def note(word): open('ran.txt', 'a').write(word + ' ')\n"
        "@task\n"
        "def first(): note('first'); return 1\n"
        "@task\n"
        "def shaky(first):\n"
        "    note('shaky')\n"
        "    if fail: raise ValueError('not yet')\n"
        "    return first + 1\n"
        "@task\n"
        "def last(shaky): note('last'); return shaky + 1\n"
        "@task\n"
        "def aside(first): note('aside')\n"
    )
    assert sorted(ran()) == ["aside", "first", "shaky"]
    kernel.ok("fail = False")
    cell = kernel.ok("%orchestrate retry shaky")
    assert "✓ succeeded" in cell.text
    assert sorted(ran()) == ["aside", "first", "last", "shaky", "shaky"]
    assert kernel.value("_orch.run.results['last']") == "3"


def test_retry_of_a_run_that_is_kept_in_memory_works_as_well(kernel):
    kernel.ok("fail = True")
    kernel.ok(
        "%%orchestrate g --no-analyze --journal memory\n@task\ndef a(): return 1 / (not fail)\n"
    )
    kernel.ok("fail = False")
    kernel.ok("%orchestrate retry a")
    assert kernel.value("_orch.run.status.value") == "'succeeded'"


FAILING = (
    "%%orchestrate g --no-analyze --journal memory\n"
    "@task\ndef a(): return 1 / (not fail)\n"
    "@task\ndef b(): return 2 / (not fail)\n"
    "@task\ndef c(a, b): return (a, b)\n"
)


def test_retry_without_a_name_tries_all_that_failed(kernel):
    kernel.ok("fail = True")
    kernel.ok(FAILING)
    kernel.ok("fail = False")
    kernel.ok("%orchestrate retry")
    assert kernel.value("_orch.run.results['c']") == "(1.0, 2.0)"
    assert "no task of run `g-1` has failed" in kernel.run("%orchestrate retry").error


def test_skip_goes_on_as_if_the_task_had_succeeded_with_nothing(kernel):
    kernel.ok("fail = True")
    kernel.ok(FAILING)
    kernel.ok("%orchestrate skip a not this week")
    cell = kernel.ok("%orchestrate skip b")
    assert "✓ succeeded" in cell.text
    assert kernel.value("_orch.run.results['c']") == "(None, None)"
    reason = kernel.value("_orch.run['a'].reason")
    assert reason == "'skipped by %orchestrate: not this week'"
    assert "`a` is skipped" in kernel.run("%orchestrate skip a").error


UNDOING = (
    "%%orchestrate g --no-analyze --journal memory\n"
    "def unpay():\n"
    "    if fail: raise OSError('bank closed')\n"
    "@task(compensate=unpay)\n"
    "def pay(): return 1\n"
    "@task\n"
    "def ship(pay): raise ValueError('no van')\n"
)


def test_compensate_undoes_what_could_not_be_undone_at_the_end(kernel):
    kernel.ok("fail = True")
    kernel.ok(UNDOING)
    assert kernel.value("_orch.run['pay'].status.value") == "'succeeded'"
    assert "`ship` has no compensation" in kernel.run("%orchestrate compensate ship").error
    kernel.ok("fail = False")
    kernel.ok("%orchestrate compensate pay")
    assert kernel.value("_orch.run['pay'].status.value") == "'compensated'"
    assert "nothing of it to be undone" in kernel.run("%orchestrate compensate pay").error


@pytest.mark.parametrize(
    ("task", "told"),
    [("a", "only a task that failed is retried"), ("aa", "Did you mean `a`?")],
)
def test_what_cannot_be_retried_is_refused_before_anything_is_shown(kernel, task, told):
    kernel.ok("%%orchestrate g --no-analyze\n@task\ndef a(): ...\n")
    cell = kernel.run(f"%orchestrate retry {task}")
    assert told in cell.error
    assert cell.html == ""


def test_status_shows_the_last_run_or_the_one_that_is_named(kernel):
    kernel.ok("%%orchestrate g --no-analyze --name early\n@task\ndef a(): ...\n")
    kernel.ok("%%orchestrate g --no-analyze --name late\n@task\ndef a(): 1 / 0\n")
    assert "run late-1" in kernel.ok("%orchestrate status").text
    assert "run early-1" in kernel.ok("%orchestrate status early-1").text
    assert "RunNotFound" in kernel.run("%orchestrate status never-1").error


def test_runs_lists_the_journal_the_newest_first(kernel):
    kernel.ok("%%orchestrate g --no-analyze --name x\n@task\ndef a(): ...\n")
    kernel.ok("%%orchestrate g --no-analyze --name y\n@task\ndef a(): 1 / 0\n")
    text = kernel.ok("%orchestrate runs").text
    assert text.index("y-1") < text.index("x-1")


def test_open_shows_all_phases_of_the_last_operation(kernel):
    kernel.ok("%%orchestrate Release the library\n@task\ndef a(): ...\n")
    text = kernel.ok("%orchestrate open").text
    for phase in ("ANALYZE", "RESEARCH", "DECOMPOSE", "EXECUTE", "INTEGRATE"):
        assert phase in text


def test_report_writes_html_or_markdown(kernel):
    kernel.ok("%%orchestrate Tell it --no-analyze\n@task\ndef a(): ...\n")
    assert "out.html" in kernel.ok("%orchestrate report out.html").printed
    kernel.ok("%orchestrate report out.md")
    html = (kernel.folder / "out.html").read_text(encoding="utf-8")
    assert html.lstrip().lower().startswith("<!doctype html")
    assert "Tell it" in html
    assert "Tell it" in (kernel.folder / "out.md").read_text(encoding="utf-8")


def test_patterns_are_listed_and_searched_by_words(kernel):
    text = kernel.ok("%orchestrate patterns undo steps").text
    assert "Saga" in text
    assert "%orchestrate patterns saga opens one as a card" in text
    assert len(kernel.ok("%orchestrate patterns").text) > len(text)


@pytest.mark.parametrize("words", ["saga", "Human gate", "fan-out / fan-in", "statechart regions"])
def test_one_pattern_opens_as_a_card_with_its_example_drawn(kernel, words: str):
    cell = kernel.ok(f"%orchestrate patterns {words}")
    assert "Use it when" in cell.text
    assert "How the six systems spell it" in cell.text
    assert "turns its cell into this example" in cell.text
    assert '<img alt="Task graph of' in cell.html


def test_edit_turns_its_own_cell_into_a_patterns_example_which_runs(kernel):
    (payload,) = kernel.ok("%orchestrate edit branch").reply["payload"]
    assert (payload["source"], payload["replace"]) == ("set_next_input", True)
    assert payload["text"].startswith("%%orchestrate\ngoal: ")
    kernel.ok(payload["text"])
    assert kernel.value("_orch.run['full'].status.value") == "'skipped'"
    assert kernel.value("_orch.run.status.value") == "'succeeded'"


def test_a_plan_of_the_kernel_goes_before_a_pattern_of_its_name_which_is_told(kernel):
    kernel.ok("%%orchestrate --no-analyze --dry-run --name saga\ngoal: Mine\ntasks: {a: {}}\n")
    cell = kernel.ok("%orchestrate edit saga")
    assert "goal: Mine" in cell.reply["payload"][0]["text"]
    assert "The pattern: %orchestrate edit pattern:saga" in cell.printed
    (payload,) = kernel.ok("%orchestrate edit pattern:saga").reply["payload"]
    assert "Book a flight" in payload["text"]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("%orchestrate stats", "Did you mean `status`?"),
        ("%orchestrate", "takes one of: status"),
        ("%orchestrate skip", "usage: %orchestrate skip TASK [NOTE]"),
        ("%orchestrate status a b", "usage: %orchestrate status [RUN]"),
        ("%orchestrate approve", "usage: %orchestrate approve TASK [NOTE]"),
        ("%orchestrate pause", "No run is going on"),
        ("%orchestrate workers none", "whole number"),
        (
            "%orchestrate systems --fault",
            "usage: %orchestrate systems [NAME|RUN|VARIABLE] [--fault TASK]",
        ),
        ("%orchestrate systems --fault a --fault b", "--fault stands there twice"),
        ("%orchestrate systems a b", "usage: %orchestrate systems"),
        ("%orchestrate import x", "x is not there"),
        ("%orchestrate import x --as", "usage: %orchestrate import FILE [--as NAME] [--from"),
        ("%orchestrate import x --dag", "[--dag ID]"),
        ("%orchestrate import x --as a --as b", "--as stands there twice"),
        ("%orchestrate import x --to y", "usage: %orchestrate import FILE"),
        ("%orchestrate export celry", "Did you mean `celery`?"),
        ("%orchestrate cancel", "No run is going on"),
        ("%orchestrate edit nothing", "There is no plan named `nothing`"),
        (
            "%orchestrate edit sagaa",
            "Of the patterns: Did you mean `saga`?",
        ),
        ("%orchestrate edit pattern:x", "The catalogue has no pattern `x`"),
        ("%orchestrate Release the library", "use %%orchestrate"),
    ],
)
def test_a_wrong_line_is_a_message_with_the_way_out(kernel, line, told):
    error = kernel.run(line).error
    assert told in error
    assert error.startswith("UsageError: ")
    assert "Traceback" not in error


def test_systems_shows_one_failure_through_six_of_them(kernel):
    kernel.ok(GATED)
    text = kernel.ok("%orchestrate systems gated --fault a").text
    assert "If a fails for good" in text
    assert "What each would leave of this plan" in text
    assert "gate asks a person, and nobody answers" in text
    assert "Did you mean `gate`?" in kernel.run("%orchestrate systems gated --fault gat").error


def test_systems_asks_a_draft_by_its_name(kernel):
    kernel.ok(
        "%%orchestrate --no-analyze --dry-run --name draft\ngoal: D\ntasks: {one: {sh: ls}}\n"
    )
    kernel.ok(
        "%%orchestrate --no-analyze --dry-run --name other\ngoal: O\ntasks: {two: {sh: ls}}\n"
    )
    assert "If one fails for good" in kernel.ok("%orchestrate systems draft").text


def test_a_plan_in_a_variable_is_asked_of_and_exported_by_its_name(kernel):
    kernel.ok("import orch_nb as nb\nmine = nb.decompose('goal: g\\ntasks: {one: {sh: ls}}')")
    assert "If one fails for good" in kernel.ok("%orchestrate systems mine --fault one").text
    assert '"sh": "ls"' in kernel.ok("%orchestrate export bullmq mine").text


def test_systems_is_a_value_with_a_frame(kernel):
    kernel.ok(GATED)
    kernel.ok("found = %orchestrate systems gated --fault=a")
    assert kernel.value("found.fault") == "'a'"
    assert kernel.value("sorted(set(found.df.system))[:2]") == "['airflow', 'bullmq']"


def test_an_export_is_shown_whole_written_and_read_again(kernel, tmp_path):
    file, machine = tmp_path / "long.py", tmp_path / "m.json"
    steps = "".join(f"  t{n}: {{sh: echo {n}, needs: [t{n - 1}]}}\n" for n in range(1, 30))
    cell = "%%orchestrate --no-analyze --dry-run --name long\ngoal: Long\ntasks:\n  t0: {sh: ls}\n"
    kernel.ok(cell + steps)

    shown = kernel.ok("%orchestrate export celery")
    assert "left out" not in shown.text
    assert all(f"'t{n}'" in shown.text for n in range(30))
    assert '<span style="color:' in shown.html

    assert f"Written to {file}" in kernel.ok(f"%orchestrate export celery {file}").printed
    assert "(as it was)" in kernel.ok(f"%orchestrate export celery {file} long").printed
    file.write_text("mine")
    assert "To replace it: --force" in kernel.run(f"%orchestrate export celery {file}").error
    assert file.read_text() == "mine"
    kernel.ok(f"%orchestrate export celery {file} --force")

    assert "30 tasks read from celery" in kernel.ok(f"%orchestrate import {file} --as back").text
    assert kernel.value("len(_orch.plan)") == "30"
    told = kernel.ok(f"%orchestrate export xstate {machine} back").printed
    assert f"Written to {machine} and {tmp_path}/drive.mjs" in told


def test_help_shows_examples_options_and_verbs(kernel):
    payload = kernel.ok("%%orchestrate?").reply["payload"]
    text = payload[0]["data"]["text/plain"]
    for part in (
        "@task",
        "stories:",
        "--workers N",
        "retry [TASK]",
        "skip TASK [NOTE]",
        "report [PATH]",
        "_orch",
    ):
        assert part in text
    assert kernel.ok("%orchestrate?").reply["payload"]


# -- drafts ----------------------------------------------------------------------------------------

WORDS = "%%orchestrate --out carts\nMove the carts of this shop from Redis to Postgres.\n"


def test_edit_turns_its_own_cell_into_the_draft_which_plans_as_it_stands(kernel):
    kernel.ok(WORDS)
    (payload,) = kernel.ok("%orchestrate edit carts").reply["payload"]
    assert (payload["source"], payload["replace"]) == ("set_next_input", True)
    assert payload["text"].startswith("%%orchestrate --from carts --name carts\ngoal: ")
    draft = kernel.value("_orch.plan.hash")
    line, body = payload["text"].split("\n", 1)
    kernel.ok(f"{line} --dry-run\n{body}")
    assert kernel.value("_orch.plan.hash") == draft
    assert kernel.value("_orch.analysis is None") == "False", "--from keeps what was found"


def test_run_runs_a_draft_as_it_stands(kernel):
    kernel.ok(WORDS)
    cell = kernel.ok("%orchestrate run carts")
    assert "⏸ waiting" in cell.text, "its first tasks are a person's"
    for phase in ("ANALYZE", "RESEARCH", "DECOMPOSE", "EXECUTE", "INTEGRATE"):
        assert phase in cell.text


def test_a_prose_cell_that_is_run_again_updates_the_draft_and_stacks_nothing(kernel):
    first = kernel.ok(WORDS)
    second = kernel.ok(WORDS)
    assert len(first.outputs) == len(second.outputs)
    assert not second.reply["payload"], "no cell is made"
    assert kernel.value("carts.plan.hash") == kernel.value("_orch.plan.hash")


def test_a_dry_run_can_be_run_by_name(kernel):
    kernel.ok("%%orchestrate g --no-analyze --dry-run --name dry\n@task\ndef a(): return 7\n")
    kernel.ok("%orchestrate run dry")
    assert kernel.value("_orch.run.results['a'], _orch.run.run_id") == "(7, 'dry-1')"


# -- two runs side by side


def test_two_runs_are_compared_by_name_by_run_or_by_file(kernel):
    kernel.ok("%%orchestrate --no-analyze --name one\ngoal: g\ntasks: {a: {sh: 'echo 1'}}\n")
    kernel.ok("%orchestrate report one.html")
    kernel.ok("%%orchestrate --no-analyze --name two\ngoal: g\ntasks: {a: {sh: 'exit 3'}}\n")
    for line in ("one two", "one.html two", "one-1 two-1"):
        cell = kernel.ok(f"%orchestrate compare {line}")
        assert "failed where" in cell.text
        assert "changed: sh" in cell.text
    error = kernel.run("%orchestrate compare one nobody").error
    assert "no run `nobody`" in error
    assert (
        "usage: %orchestrate compare BEFORE AFTER" in kernel.run("%orchestrate compare one").error
    )


def test_a_report_is_written_as_its_name_says_with_the_cells_if_asked(kernel):
    kernel.ok("%%orchestrate --no-analyze --name rep\ngoal: g\ntasks: {a: {sh: 'echo 1'}}\n")
    assert (
        "The report of run rep-1 is in rep.xml" in kernel.ok("%orchestrate report rep.xml").printed
    )
    assert "<system-out>1" in (kernel.folder / "rep.xml").read_text()
    kernel.ok("%orchestrate report rep.html")
    assert "CODE" not in (kernel.folder / "rep.html").read_text()
    kernel.ok("%orchestrate report rep-1 rep.html --code")  # in either order
    assert "%%orchestrate --no-analyze --name rep" in (kernel.folder / "rep.html").read_text()
    assert "a report is written as .html" in kernel.run("%orchestrate report rep.doc").error
    assert "usage:" in kernel.run("%orchestrate report rep.html --cod").error


def test_one_dag_of_a_file_is_imported_under_a_name(kernel):
    (kernel.folder / "dags.py").write_text("""\
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
with DAG("large"):
    BashOperator(task_id="a", bash_command="x") >> BashOperator(task_id="b", bash_command="y")
with DAG("small"):
    BashOperator(task_id="c", bash_command="z")
""")
    kernel.ok("%orchestrate import dags.py --dag small --as few")
    assert kernel.value("_orch.plan.goal, [task.id for task in _orch.plan]") == "('small', ['c'])"
