"""Lessons: what of a system was recorded, whether it is here, and programs in its own words.

                         recorded                                    live
lesson("bullmq")         pictures and sentences, no server needed    the same cells on a server
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

import orch_nb as nb
from orch_nb.catalog.observations import observations, observed
from orch_nb.lessons import Lesson, Recorded, lesson
from orch_nb.render.lesson import scenario_sketch

VARIABLES = (
    "TEMPORAL_ADDRESS", "RESTATE_ADDRESS", "REDIS_URL", "ORCH_NB_AIRFLOW", "NODE_PATH",
    "ORCH_NB_LESSONS",
)  # fmt: skip
SYSTEMS = ("airflow", "temporal", "restate", "xstate", "celery", "bullmq")
SHOP = {"task": "photos", "sibling": "captions", "join": "book"}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch, tmp_path):
    """A folder above which no package of npm lies, and no system that a variable names."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def text_of(shown) -> str:
    return shown._repr_mimebundle_()["text/plain"]


# -- What was recorded ---------------------------------------------------------------------------


def test_a_picture_has_the_words_of_the_system_and_the_names_of_the_lesson():
    sketch = scenario_sketch(observed("bullmq", "join"), SHOP)
    assert [(box.label, box.state, box.detail) for box in sketch.boxes] == [
        ("photos", "failed", "failed"),
        ("book", "waiting", "waiting-children"),
        ("captions", "succeeded", "completed"),
    ]
    assert [(arrow.tail, arrow.head) for arrow in sketch.arrows] == [
        ("task", "join"),
        ("sibling", "join"),
    ]


def test_what_was_never_begun_does_not_look_as_if_it_had_run():
    """Celery says FAILURE of a chord's body that nobody has called."""
    boxes = scenario_sketch(observed("celery", "join"), SHOP).boxes
    assert {box.label: (box.state, box.detail) for box in boxes}["book"] == (
        "upstream_failed",
        "FAILURE",
    )


def test_a_task_that_was_done_twice_says_so():
    roles = {"before": "charge", "task": "ship", "after": "thank"}
    boxes = scenario_sketch(observed("temporal", "killed"), roles).boxes
    assert [box.head for box in boxes] == ["✓ charge", "✓ ship ×2", "✓ thank"]


def test_every_recording_can_be_shown_with_and_without_names():
    roles = {"task": "a", "sibling": "b", "join": "c", "before": "d", "after": "e", "cleanup": "f",
             "top": "g", "left": "h", "right": "i", "bottom": "j"}  # fmt: skip
    for one in observations():
        for names in ({}, roles):
            bundle = Recorded(one.system, (one.scenario,), names)._repr_mimebundle_()
            assert one.verdict in bundle["text/plain"]
            assert "{" not in bundle["text/plain"].replace("{'", "")


def test_the_same_picture_is_drawn_once():
    bundle = lesson("bullmq", **SHOP).recorded("join", "siblings")._repr_mimebundle_()
    assert bundle["text/html"].count("<img") == 1
    assert "recorded on" in bundle["text/plain"].lower()


def test_what_is_misspelt_is_named_with_the_nearest():
    with pytest.raises(nb.UsageError, match=r"`temporl`.*`temporal`"):
        lesson("temporl")
    with pytest.raises(nb.UsageError, match=r"no role `tsk`.*`task`"):
        lesson("temporal", tsk="charge")
    with pytest.raises(nb.UsageError, match=r"no scenario `kiled`.*`killed`"):
        lesson("temporal").recorded("kiled")


# -- Whether it is here --------------------------------------------------------------------------


@pytest.mark.parametrize("system", SYSTEMS)
def test_with_recorded_nothing_is_looked_for(system, monkeypatch):
    monkeypatch.setenv("ORCH_NB_LESSONS", "recorded")
    found = lesson(system)
    assert not found.there
    assert all(line in text_of(found) for line in found.start)


def test_another_word_than_recorded_is_refused(monkeypatch):
    monkeypatch.setenv("ORCH_NB_LESSONS", "off")
    with pytest.raises(nb.UsageError, match="`recorded` or not set, not `off`"):
        lesson("temporal")


@pytest.mark.parametrize(
    ("system", "variable", "address"),
    [
        ("temporal", "TEMPORAL_ADDRESS", "127.0.0.1:{}"),
        ("restate", "RESTATE_ADDRESS", "127.0.0.1:{}"),
        ("celery", "REDIS_URL", "redis://127.0.0.1:{}"),
        ("bullmq", "REDIS_URL", "redis://127.0.0.1:{}"),
    ],
)
def test_where_nobody_listens_nothing_is_there(system, variable, address, monkeypatch):
    with socket.socket() as taken:  # bound, and not listening
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv(variable, address.format(taken.getsockname()[1]))
        assert not lesson(system).there


@pytest.mark.parametrize(("system", "variable"), [("restate", "RESTATE_ADDRESS")])
def test_another_server_at_its_port_is_not_taken_for_it(system, variable, monkeypatch):
    pytest.importorskip(system)
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv(variable, f"127.0.0.1:{other.getsockname()[1]}")

        def answer():
            one, _ = other.accept()
            with one:
                one.recv(1024)
                one.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        assert not lesson(system).there


def test_an_airflow_is_where_its_python_is(monkeypatch, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").write_text("")
    monkeypatch.setenv("ORCH_NB_AIRFLOW", "bin/python")
    found = lesson("airflow")
    assert found.there
    assert Path(found.program).is_absolute()
    monkeypatch.setenv("ORCH_NB_AIRFLOW", "bin/no-python")
    assert not lesson("airflow").there


# -- Programs ------------------------------------------------------------------------------------


def here(**more) -> Lesson:
    return Lesson(system="temporal", title="T", there=True, address="h:1", start=(), **more)


def test_a_program_finds_the_address_and_its_input(tmp_path):
    script = tmp_path / "one.py"
    script.write_text("import os, sys; print(os.environ['TEMPORAL_ADDRESS'], input(), sys.argv[1])")
    assert here().run(script, "word", told="told") == "h:1 told word"


def test_a_server_of_this_machine_is_asked_without_a_proxy(tmp_path, monkeypatch):
    script = tmp_path / "one.py"
    script.write_text("import os; print(os.environ['no_proxy'], os.environ['NO_PROXY'])")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "example.org")
    told = "example.org,127.0.0.1,localhost"
    assert here().run(script) == f"{told} {told}"


def test_a_program_that_fails_says_why(tmp_path):
    script = tmp_path / "one.py"
    script.write_text("import sys; sys.exit('the bank is closed')")
    with pytest.raises(nb.BackendUnavailable, match=r"one.py ended with 1: the bank is closed"):
        here().run(script)


@pytest.mark.parametrize("signal", ["SIGABRT", "SIGSEGV", "SIGBUS"])
def test_a_program_that_is_killed_when_it_has_ended_has_ended(tmp_path, signal):
    """Temporal's client does so: github.com/temporalio/sdk-python/issues/300."""
    script = tmp_path / "one.py"
    script.write_text(
        f"import atexit, os, signal\natexit.register(os.kill, os.getpid(), signal.{signal})\n"
        "print(__name__, __file__, sorted(n for n in globals() if not n.startswith('__')))\n"
    )
    said = f"__main__ {script} ['atexit', 'os', 'signal']"
    assert here().run(script) == said


def test_an_abort_before_its_end_is_told(tmp_path):
    script = tmp_path / "one.py"
    script.write_text("import os; print('half', flush=True); os.abort()")
    with pytest.raises(nb.BackendUnavailable, match="ended with -6"):
        here().run(script)


def test_a_script_of_node_finds_the_packages(tmp_path):
    node = shutil.which("node")
    if node is None:
        pytest.skip("install Node")
    package = tmp_path / "somewhere" / "node_modules" / "two"
    package.mkdir(parents=True)
    (package / "package.json").write_text('{"name": "two", "type": "module", "main": "i.js"}')
    (package / "i.js").write_text("export default 2")
    script = tmp_path / "out" / "one.mjs"
    script.parent.mkdir()
    script.write_text("import two from 'two'; console.log(two)")
    lesson_here = here(program=node, packages=str(package.parent))
    assert lesson_here.run(script) == "2"
    link = script.parent / "node_modules"
    link.unlink()
    link.symlink_to(tmp_path / "gone")  # the packages were elsewhere the last time
    assert lesson_here.run(script) == "2"


def test_a_worker_that_cannot_start_says_why():
    with (
        pytest.raises(nb.BackendUnavailable, match="The worker did not start"),
        Lesson(system="bullmq", title="B", there=True, address="nonsense", start=()).worker(),
    ):
        pass  # it raises before


def test_a_command_is_a_process_that_may_be_killed():
    from orch_nb.lessons import command

    one = command("patterns", "saga", stdout=subprocess.DEVNULL, env=os.environ.copy())
    one.kill()
    assert one.wait() == -9


# -- A machine -----------------------------------------------------------------------------------


def test_a_statechart_shows_where_a_machine_stands(tmp_path):
    file = tmp_path / "machine.json"
    file.write_text(
        '{"id": "door", "initial": "shut",'
        ' "states": {"shut": {"on": {"PUSH": "open"}}, "open": {}}}'
    )
    chart = nb.import_(file).chart
    shown = chart.at(chart.step(chart.begin(), "PUSH"))._repr_mimebundle_()
    assert shown["text/plain"].strip().startswith("door is in door.open.")
    before = chart.at(chart.begin())._repr_mimebundle_()
    assert shown["text/html"] != before["text/html"]
