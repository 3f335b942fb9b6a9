"""What a run leaves behind has no secret in it: journal, results, report, whoever ran what."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import textwrap
from pathlib import Path

import pytest

import orch_nb as nb
from orch_nb import phases
from orch_nb.errors import PlanError, UsageError
from orch_nb.model import event as ev
from orch_nb.model.masked import masked, unrunnable, whole
from orch_nb.model.secrets import PLAIN, Mask, mark
from orch_nb.planners.yaml import dump_plan, plan_from_yaml
from orch_nb.testing import perform

NAMED = "hunter2-Zq9!x"
TOKEN = "ghp_" + "aB3" * 12
BOTH = f"{NAMED} and {TOKEN}"
needs_notebooks = pytest.mark.skipif(
    importlib.util.find_spec("nbclient") is None, reason="needs nbclient"
)


@pytest.fixture(autouse=True)
def secret(monkeypatch, tmp_path):
    monkeypatch.setenv("DB_PASSWORD", NAMED)
    monkeypatch.chdir(tmp_path)


def spill():
    import sys

    told = f"{os.environ['DB_PASSWORD']} and ghp_{'aB3' * 12}"
    print("out", told)
    print("err", told, file=sys.stderr)
    return {"told": told, "n": 1}


async def spill_async():
    print("async", BOTH)
    await asyncio.sleep(0)
    return BOTH


def fail():
    told = f"{os.environ['DB_PASSWORD']} and ghp_{'aB3' * 12}"
    raise ValueError(f"cannot log in with {told}") from KeyError(told)


def left_behind(folder, *, but=()):
    """The files of a folder that have one of the secrets in them, in whatever place."""
    return [
        file.name
        for file in folder.rglob("*")
        if file.is_file() and file.name not in but
        and any(text.encode() in file.read_bytes() for text in (NAMED, TOKEN))
    ]  # fmt: skip


def executed(plan, journal="j.db", **options):
    return nb.execute(plan, journal=journal, secrets=["DB_PASSWORD"], run_id="r", **options)


def seen_of(run):
    """All that a person sees of a run."""
    report = nb.integrate(run)
    report.to_html("report.html")
    report.to_markdown("report.md")
    shown = [*run._repr_mimebundle_().values(), *report._repr_mimebundle_().values()]
    tables = [run.df.to_csv(), run.plan.df.to_csv(), dump_plan(run.plan)]
    return "".join(map(str, [*shown, *tables, repr(run), str(report)]))


# -- by executor


@pytest.mark.parametrize("executor", ["inline", "threads", "processes", "dask"])
def test_nothing_of_a_secret_is_left_behind_by_functions(executor, tmp_path, capsys, request):
    options = {"executor": executor}
    if executor == "dask":
        distributed = pytest.importorskip("distributed")
        cluster = distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        )
        request.addfinalizer(cluster.close)
        options["address"] = cluster.scheduler_address
    plan = nb.Plan(
        goal=f"use {BOTH}",
        params={"pw": NAMED},
        tasks=[
            nb.Task(id="spill", run=spill, description=f"with {TOKEN}", title=f"By {NAMED}"),
            nb.Task(id="uses", run=_uses, needs=["spill"], with_={"token": TOKEN}),
            nb.Task(id="fail", run=fail, retry=2, required=False),
            nb.Task(id="wide", run=spill_item, foreach=[NAMED, "harmless"]),
        ],
    )
    run = executed(plan, **options)
    assert run.status == "succeeded"
    assert run.results["spill"] == {"told": BOTH, "n": 1}, "who needs it gets the true value"
    assert run.results["uses"] == f"{NAMED}{TOKEN}{NAMED}"
    assert run.results["wide"] == [NAMED, "harmless"]
    shown = seen_of(run)
    assert (NAMED in shown, TOKEN in shown) == (False, False)
    assert left_behind(tmp_path) == []
    error = run["fail"].attempts[-1].error
    assert f"cannot log in with {mark('DB_PASSWORD')} and {mark('GitHub token')}" in error.message
    assert "fail" in error.traceback
    journal = nb.SqliteJournal("j.db")
    told = f"{mark('DB_PASSWORD')} and {mark('GitHub token')}"
    assert journal.read_log("r", "spill").split("\n")[0] == f"out {told}"
    if executor in ("inline", "threads"):
        printed = capsys.readouterr()
        assert (NAMED in printed.out + printed.err, f"out {told}" in printed.out) == (False, True)


def _uses(spill, pw, token):
    told = spill["told"]
    return told.split()[0] + token + pw


def spill_item(item):
    return item


def test_nothing_is_left_behind_by_async_functions(tmp_path, capsys):
    run = executed(nb.Plan(goal="g", tasks=[nb.Task(id="a", run=spill_async)]))
    assert run.results["a"] == BOTH
    assert run["a"].result.format == "unstored"
    assert left_behind(tmp_path) == []
    assert capsys.readouterr().out == f"async {mark('DB_PASSWORD')} and {mark('GitHub token')}\n"


def test_nothing_is_left_behind_by_shell_commands(tmp_path):
    plan = plan_from_yaml(textwrap.dedent(f"""
        goal: g
        params: {{token: {TOKEN}}}
        tasks:
          says: {{sh: 'echo "$DB_PASSWORD" {{{{ token }}}}; echo "$ORCH_PARAM_TOKEN" >&2'}}
          fails: {{sh: 'echo "$DB_PASSWORD" >&2; exit 3', required: false, description: {NAMED}}}
          holds: {{sh: 'echo {TOKEN} | wc -c', needs: [says]}}
          asks: {{approval: "With {NAMED}?", needs: [holds]}}
    """), {}, first_line=1)  # fmt: skip
    run = executed(plan, approve=["asks"])
    assert run.status == "succeeded"
    assert run.results["holds"] == "41", "what runs has the secret"
    shown = seen_of(run)
    assert (NAMED in shown, TOKEN in shown) == (False, False)
    assert left_behind(tmp_path) == []
    assert run["fails"].attempts[0].error.message == f"exit code 3: {mark('DB_PASSWORD')}"


@needs_notebooks
def test_nothing_is_left_behind_by_notebooks(tmp_path):
    import nbformat

    code = "import os\nprint(os.environ['DB_PASSWORD'], token)\nos.environ['DB_PASSWORD']"
    cells = [nbformat.v4.new_code_cell(code)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), "own.ipynb")
    plan = nb.Plan(goal="g", tasks=[nb.Task(id="n", notebook="own.ipynb", with_={"token": TOKEN})])
    run = executed(plan)
    assert run.status == "succeeded"
    assert left_behind(tmp_path) == []
    (kept,) = (tmp_path / ".orch_nb").rglob("*.ipynb")
    assert mark("DB_PASSWORD") in kept.read_text()
    assert nb.SqliteJournal("j.db").read_log("r", "n") == (
        f"{mark('DB_PASSWORD')} {mark('GitHub token')}\n"
    )


# -- what people and the engine say


def test_notes_and_reasons_are_masked():
    gate = nb.Plan(goal="g", tasks=[
        nb.Task(id="ask", approval="Ship?"),
        nb.Task(id="odd", sh="true", when=f"undefined_name == '{TOKEN}'", required=False),
    ])  # fmt: skip
    run = perform(
        gate, interactive=True,
        at={1.0: lambda driver: driver.reject("ask", by="me", note=f"not with {TOKEN}")},
    )  # fmt: skip
    assert run["ask"].note == f"not with {mark('GitHub token')}"
    assert TOKEN not in "".join(str(task.reason) for task in run)


def test_the_process_that_a_note_comes_from_masks_it_before_it_is_written(tmp_path):
    from orch_nb.cli import main

    nb.execute("goal: g\ntasks: {ask: {approval: 'Ship?'}}", journal="j.db", run_id="r")
    assert main(["approve", "r", "ask", "--journal", "j.db", "--note", f"with {TOKEN}"]) == 0
    assert left_behind(tmp_path) == []


# -- results


def test_a_result_with_a_secret_is_not_kept_and_its_task_runs_again(tmp_path):
    ran = []

    def secret_rows():
        ran.append("rows")
        return [os.environ["DB_PASSWORD"], 2]

    def later(secret_rows):
        ran.append("later")
        if ran.count("later") == 1:
            raise KeyboardInterrupt
        return len(secret_rows)

    plan = nb.Plan(goal="g", tasks=[
        nb.Task(id="secret_rows", run=secret_rows),
        nb.Task(id="ask", approval="On?", needs=["secret_rows"]),
        nb.Task(id="later", run=later, needs=["secret_rows", "ask"]),
    ])  # fmt: skip
    run = executed(plan)
    assert run.status == "waiting"
    ref = run["secret_rows"].result
    assert (ref.format, ref.preview) == ("unstored", f"['{mark('DB_PASSWORD')}', 2]")
    assert mark("DB_PASSWORD") in ref.reason
    ran.append("later")
    run = nb.recover("r", plan, journal="j.db", approve=["ask"])
    assert (run.status, run.results["later"]) == ("succeeded", 2)
    assert ran == ["rows", "later", "rows", "later"]
    assert run.options.secrets == ("DB_PASSWORD",)
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (NAMED, mark("DB_PASSWORD")),
        (f"{'x' * 230} {NAMED}", f"{'x' * 230} ‹secret …"),
        ((NAMED,), f"('{mark('DB_PASSWORD')}',)"),
        ([["x" * 300 + NAMED]], f"<list with {mark('DB_PASSWORD')}>"),
        ({"a": [NAMED.encode(), 1]}, f"{{'a': [b'{mark('DB_PASSWORD')}', 1]}}"),
    ],
)
def test_the_preview_of_a_result_with_a_secret_shows_nothing_of_it(value, shown):
    run = executed(nb.Plan(goal="g", tasks=[nb.Task(id="a", run=lambda: value)]))
    assert run["a"].result.format == "unstored"
    assert run["a"].result.preview == shown
    assert run.results["a"] == value


def test_in_memory_a_result_is_the_value_and_only_its_preview_is_masked():
    run = executed(nb.Plan(goal="g", tasks=[nb.Task(id="a", run=lambda: [NAMED])]), "memory")
    assert (run["a"].result.format, run.results["a"]) == ("memory", [NAMED])
    assert run["a"].result.preview == f"['{mark('DB_PASSWORD')}']"


def test_a_table_with_a_secret_is_not_kept(tmp_path):
    pandas = pytest.importorskip("pandas")
    numpy = pytest.importorskip("numpy")
    plan = nb.Plan(goal="g", tasks=[
        nb.Task(id="frame", run=lambda: pandas.DataFrame({"pw": ["x", NAMED]})),
        nb.Task(id="array", run=lambda: numpy.array(["x", NAMED])),
        nb.Task(id="fine", run=lambda: pandas.DataFrame({"pw": ["x"]})),
    ])  # fmt: skip
    run = executed(plan)
    assert [t.result.format for t in run] == ["unstored", "unstored", "pickle"]
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    "value", [5, 1.5, True, None, "fine", "a" * 40, [1, 2, 3], {"token": "none"}, "9f86d081884c"]
)
def test_results_without_a_secret_are_kept_as_they_were(value):
    run = executed(nb.Plan(goal="g", tasks=[nb.Task(id="a", run=lambda: value)]))
    journal = nb.SqliteJournal("j.db")
    assert phases.past_run(journal.history("r"), journal).results["a"] == value
    assert mark("DB_PASSWORD") not in str(run["a"].result)


# -- the plan


SHELL = (
    f"goal: g\ntasks:\n  a: {{sh: 'echo {TOKEN} >> ran; test -e go'}}\n"
    "  b: {sh: 'true', needs: [a]}"
)


def test_a_run_is_not_recovered_by_a_command_with_a_mark_in_it(tmp_path):
    plan = plan_from_yaml(SHELL, {}, first_line=1)
    nb.execute(plan, journal="j.db", run_id="r")
    assert left_behind(tmp_path, but=["ran"]) == []
    with pytest.raises(PlanError, match=r"task `a` has had a secret taken out, ‹secret GitHub"):
        nb.recover("r", journal="j.db", retry="a")
    (tmp_path / "go").touch()
    run = nb.recover("r", plan, journal="j.db", retry="a")
    assert run.status == "succeeded"
    assert (tmp_path / "ran").read_text() == f"{TOKEN}\n" * 2
    assert left_behind(tmp_path, but=["ran"]) == []


def test_what_has_succeeded_for_good_keeps_no_run_from_being_recovered(tmp_path):
    (tmp_path / "go").touch()
    text = SHELL.replace("'true'", "'test -e gone'").replace("needs: [a]", "needs: [a, ask]")
    nb.execute(f"{text}\n  ask: {{approval: ok}}", journal="j.db", run_id="r")
    (tmp_path / "gone").touch()
    assert nb.recover("r", journal="j.db", approve=["ask"]).status == "succeeded"


def test_another_plan_is_still_another_plan():
    nb.execute(plan_from_yaml(SHELL, {}, first_line=1), journal="j.db", run_id="r")
    other = plan_from_yaml(SHELL.replace("test -e go", "true"), {}, first_line=1)
    with pytest.raises(PlanError, match="another plan"):
        nb.recover("r", other, journal="j.db", retry="a")


def test_a_secret_that_was_changed_since_does_not_make_another_plan(tmp_path):
    nb.execute(plan_from_yaml(SHELL, {}, first_line=1), journal="j.db", run_id="r")
    (tmp_path / "go").touch()
    renewed = "ghp_" + "Zz9" * 12
    plan = plan_from_yaml(SHELL.replace(TOKEN, renewed), {}, first_line=1)
    assert nb.recover("r", plan, journal="j.db", retry="a").status == "succeeded"
    assert renewed in (tmp_path / "ran").read_text()


def test_a_runs_own_plan_runs_with_all_that_it_has():
    run = executed(plan_from_yaml("goal: g\nparams: {pw: x}\ntasks: {a: {sh: 'echo "
                                  f"{TOKEN} | wc -c'}}}}", {}, first_line=1))  # fmt: skip
    assert TOKEN not in run.plan["a"].sh
    again = nb.execute(run.plan, journal="memory")
    assert again.results["a"] == "41"


def test_a_plan_without_secrets_is_its_own_twin():
    plan = nb.Plan(goal="g", params={"a": [1]}, tasks=[nb.Task(id="a", sh="true", description="d")])
    assert masked(plan, PLAIN) is plan
    assert masked(plan, Mask({"X": ["never there"]})) is plan
    assert unrunnable(plan) == {}


def test_a_twin_says_the_same_but_for_the_secrets():
    plan = nb.Plan(
        goal=f"g {TOKEN}", params={"n": 1, "t": [TOKEN]}, stories=[nb.Story(id="s", title=TOKEN)],
        tasks=[
            nb.Task(id="a", run=spill, story="s", retry=3, timeout="3s", with_={"x": TOKEN, "y": 1},
                    compensate={"sh": f"undo {TOKEN}"}, foreach=[1, TOKEN], pool="p"),
            nb.Task(id="b", sh=f"x {TOKEN}", needs=["a"], outputs=["*.txt"], description=TOKEN),
        ],
        pools={"p": 2}, on_failure={"sh": f"tell {TOKEN}"},
    )  # fmt: skip
    twin = masked(plan, PLAIN)
    assert whole(twin) is plan
    assert dump_plan(twin) == dump_plan(plan).replace(TOKEN, mark("GitHub token"))
    assert twin["a"].run is spill
    assert twin["a"].compensate.id == "compensate(a)"
    assert set(unrunnable(twin)) == {"", "a", "b", "on_failure"}
    assert masked(twin, PLAIN) is twin


# -- naming


def test_a_name_that_is_nothing_is_told_before_anything_runs():
    with pytest.raises(UsageError, match=r"DB_PASSWORT is neither .* Did you mean `DB_PASSWORD`"):
        nb.execute("goal: g\ntasks: {a: {sh: 'true'}}", journal="memory", secrets=["DB_PASSWORT"])


def test_who_goes_on_with_a_run_needs_its_secrets_and_who_reads_it_does_not(monkeypatch):
    text = "goal: g\ntasks: {ask: {approval: ok}, a: {sh: 'echo $DB_PASSWORD', needs: [ask]}}"
    executed(plan_from_yaml(text, {}, first_line=1))
    monkeypatch.delenv("DB_PASSWORD")
    assert phases.past_run(nb.SqliteJournal("j.db").history("r"), nb.SqliteJournal("j.db"))
    with pytest.raises(UsageError, match="DB_PASSWORD is neither set"):
        nb.recover("r", journal="j.db", approve=["ask"])
    monkeypatch.setenv("DB_PASSWORD", "another-one")
    run = nb.recover("r", journal="j.db", approve=["ask"])
    assert run["a"].result.preview == mark("DB_PASSWORD")


def test_a_parameter_can_be_named_a_number_or_a_list_of_texts_too():
    plan = nb.Plan(
        goal="g", params={"pin": 48151623, "words": ["abcdef", {"k": "ghijkl"}]},
        tasks=[nb.Task(id="a", run=_told)],
    )  # fmt: skip
    run = nb.execute(plan, journal="j.db", run_id="r", secrets="pin")
    assert run.options.secrets == ("pin",)
    assert run.plan.params["pin"] == mark("pin")
    journal = nb.SqliteJournal("j.db")
    assert b"48151623" not in Path("j.db").read_bytes()
    assert journal.read_log("r", "a") == f"{mark('pin')} ['abcdef', {{'k': 'ghijkl'}}]\n"
    nb.execute(plan, journal="j.db", run_id="s", secrets=["words"])
    told = f"48151623 ['{mark('words')}', {{'k': '{mark('words')}'}}]\n"
    assert journal.read_log("s", "a") == told


def _told(pin, words):
    print(pin, words)


def test_what_is_not_in_the_file_yet_is_not_in_its_log_either(tmp_path):
    journal = nb.SqliteJournal("j.db")
    run = executed(nb.Plan(goal=f"g {NAMED}", tasks=[nb.Task(id="a", run=spill)]), journal)
    assert (tmp_path / "j.db-wal").stat().st_size > 0
    assert left_behind(tmp_path) == []
    journal._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert left_behind(tmp_path) == []
    assert run.results["a"]["told"] == BOTH


def test_names_are_kept_and_values_are_not(tmp_path):
    executed(nb.Plan(goal="g", tasks=[nb.Task(id="a", sh="true")]))
    first = nb.SqliteJournal("j.db").history("r")[0]
    assert isinstance(first, ev.RunStarted)
    assert first.options.secrets == ("DB_PASSWORD",)
    assert left_behind(tmp_path) == []


def test_a_plan_names_its_secrets_itself(tmp_path):
    text = "goal: g\nsecrets: [DB_PASSWORD]\ntasks: {a: {sh: 'echo $DB_PASSWORD'}}\n"
    plan = plan_from_yaml(text, {}, first_line=1)
    assert plan.secrets == ("DB_PASSWORD",)
    assert plan_from_yaml(dump_plan(plan), {}, first_line=1) == plan
    run = nb.execute(plan, journal="j.db", run_id="r")
    assert nb.SqliteJournal("j.db").read_log("r", "a") == f"{mark('DB_PASSWORD')}\n"
    assert run["a"].result.preview == mark("DB_PASSWORD")
    assert left_behind(tmp_path) == []
    with pytest.raises(UsageError, match="NOWHERE is neither"):
        nb.execute(text.replace("[DB_PASSWORD]", "NOWHERE"), journal="memory")


def test_an_operation_and_a_plan_show_nothing_of_a_secret():
    text = f"goal: g\nparams: {{pw: {NAMED}}}\ntasks: {{a: {{sh: 'echo {TOKEN} | wc -c'}}}}\n"
    done = nb.orchestrate(text, journal="memory", secrets=["DB_PASSWORD"])
    assert done.run.results["a"] == "41"
    shown = f"{done.plan} {done.document} {done.report} {done.run._repr_mimebundle_()}"
    assert (NAMED in shown, TOKEN in shown) == (False, False)
    plan = plan_from_yaml(text, {}, first_line=1)
    assert TOKEN not in str(plan._repr_mimebundle_())
    assert TOKEN in plan["a"].sh
