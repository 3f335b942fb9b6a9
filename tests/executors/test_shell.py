"""Shell commands: their output, their exit, and that nothing of them is left behind."""

from __future__ import annotations

import os
import time

import psutil
import pytest

from orch_nb.model.task import Task


def run(bench, command, **options):
    return bench(Task(id="a", sh=command, with_=options.pop("with_", {})), **options)["a"]


def group(pid):
    """Living processes of the process group `pid`."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == pid and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, ProcessLookupError):
            continue
    return found


def nothing_left(pid, within_s=5.0):
    until = time.monotonic() + within_s
    while group(pid) and time.monotonic() < until:
        time.sleep(0.02)
    return group(pid) == []


# -- output


def test_the_result_is_the_stripped_stdout(shell):
    outcome = run(shell, "echo; echo ' one'; echo two; echo; echo aside >&2")
    assert (outcome.value, outcome.exit_code, outcome.failure) == ("one\ntwo", 0, None)
    assert shell.logs["a", "stdout"] == "\n one\ntwo\n\n"
    assert shell.logs["a", "stderr"] == "aside\n"


def test_nothing_printed_is_an_empty_result(shell):
    assert run(shell, "true").value == ""


def test_a_failure_has_the_exit_code_and_the_end_of_stderr(shell):
    outcome = run(shell, "echo working; echo 'no such table' >&2; exit 7")
    assert outcome.exit_code == 7
    assert str(outcome.failure) == "ShellError: exit code 7: no such table"
    assert shell.logs["a", "stderr"] == "no such table\n"


def test_a_failure_without_stderr_quotes_stdout(shell):
    assert str(run(shell, "echo 'said here'; false").failure) == (
        "ShellError: exit code 1: said here"
    )


def test_a_command_that_is_not_there_is_told(shell):
    outcome = run(shell, "no-such-command-at-all")
    assert outcome.exit_code == 127
    assert "not found" in outcome.failure.message


@pytest.mark.parametrize(
    ("command", "told"),
    [("kill -KILL $$", "killed by SIGKILL"), ("kill -45 $$", "killed by signal 45")],
)
def test_a_command_that_was_killed_says_by_what(shell, command, told):
    assert run(shell, command).failure.message == told


def test_a_result_is_bounded_and_the_log_has_it_all(shell):
    outcome = run(shell, "yes 0123456789 | head -c 3000000; echo end")
    assert len(outcome.value) < 1_000_200
    assert outcome.value.endswith("more characters are in the log)")
    assert len(shell.logs["a", "stdout"]) == 3_000_004


def test_an_error_quotes_the_end_of_a_long_stderr(shell):
    failure = run(shell, "yes noise | head -c 1200000 >&2; echo 'the cause' >&2; exit 1").failure
    assert failure.message == "exit code 1: the cause"
    assert len(failure.traceback) < 3000


def test_both_streams_may_be_full_at_once(shell):
    command = "yes o | head -c 2000000 & yes e | head -c 2000000 >&2; wait"
    run(shell, command)
    assert {len(text) for text in shell.logs.values()} == {2_000_000}


def test_output_that_is_no_utf8_is_kept_as_far_as_it_can_be(shell):
    outcome = run(shell, r"printf 'caf\351 \342\202\254 \360\237'")
    assert outcome.value == "caf� € �"


def test_a_character_that_is_cut_by_a_pause_is_whole(shell):
    assert run(shell, r"printf '\342\202'; sleep 0.2; printf '\254'").value == "€"


def test_output_comes_as_it_is_printed(shell):
    seen = {}
    run(
        shell, "echo first; sleep 0.8; echo second",
        meanwhile=lambda executor: seen.update(shell.logs),
    )  # fmt: skip
    assert seen == {("a", "stdout"): "first\n"}


# -- what it finds


def test_it_finds_who_it_is_and_its_parameters(shell):
    outcome = run(
        shell,
        "echo $ORCH_TASK $ORCH_ATTEMPT $ORCH_RUN_ID $ORCH_IDEMPOTENCY_KEY "
        "$ORCH_PARAM_REGION $ORCH_PARAM_N",
        params={"region": "eu", "n": 1}, with_={"n": 2}, attempt=3,
    )  # fmt: skip
    assert outcome.value == "a 3 nightly-1 nightly-1:a eu 2"


def test_a_parameter_is_data_and_no_code(shell):
    evil = "$(echo pwned); `echo pwned` '\""
    assert run(shell, 'printf %s "$ORCH_PARAM_X"', with_={"x": evil}).value == evil


def test_it_runs_in_the_workspace(shell, tmp_path):
    assert run(shell, "pwd -P", workspace=str(tmp_path)).value == str(tmp_path.resolve())


def test_a_workspace_that_is_not_there_fails_the_attempt_only(shell, tmp_path):
    outcome = run(shell, "pwd", workspace=str(tmp_path / "gone"))
    assert outcome.failure.type == "FileNotFoundError"


def test_a_command_that_no_process_can_have_fails_the_attempt_only(shell):
    assert run(shell, "echo a\0b").failure.type == "ValueError"


def test_it_has_an_empty_stdin_and_does_not_wait_for_one(shell):
    assert run(shell, "cat; read -r x || echo nothing").value == "nothing"


def test_it_is_plain_sh_with_its_quoting_untouched(shell):
    assert run(shell, """echo "a  b" 'c "d"' $((1+2)) \\$HOME; echo "$0" | grep -c sh""").value == (
        'a  b c "d" 3 $HOME\n1'
    )


# -- what is left behind

NEST = "(sleep 300; true) & (sh -c 'sleep 301; true'; true) & wait"


def test_cancelling_kills_the_whole_process_group(shell):
    outcome = run(shell, NEST, meanwhile=lambda executor: executor.cancel(("a", 1)))
    assert outcome.cancelled
    assert nothing_left(shell.pids["a"])


def test_a_command_may_clean_up_when_it_is_stopped(shell, tmp_path):
    command = f"trap 'echo bye > {tmp_path}/bye; exit 0' TERM; sleep 300 & wait"
    outcome = run(shell, command, meanwhile=lambda executor: executor.cancel(("a", 1)))
    assert outcome.cancelled  # also if it says that all went well
    assert (tmp_path / "bye").read_text() == "bye\n"
    assert nothing_left(shell.pids["a"])


def test_a_command_that_ignores_sigterm_is_killed_after_two_seconds(shell):
    begun = time.monotonic()
    outcome = run(
        shell, "trap '' TERM; while true; do sleep 0.1; done",
        meanwhile=lambda executor: executor.cancel(("a", 1)),
    )  # fmt: skip
    assert outcome.cancelled
    assert 1.9 < time.monotonic() - begun < 4
    assert nothing_left(shell.pids["a"])


def test_a_grandchild_that_ignores_sigterm_goes_with_its_group(shell):
    command = "sh -c \"trap '' TERM; while true; do sleep 0.1; done\" & wait"
    run(shell, command, meanwhile=lambda executor: executor.cancel(("a", 1)))
    assert nothing_left(shell.pids["a"])


def test_the_end_of_the_engine_leaves_nothing(shell):
    with pytest.raises(TimeoutError):
        run(shell, NEST, within_s=0.4)
    assert nothing_left(shell.pids["a"])


def test_a_daemon_that_keeps_the_pipe_open_does_not_hold_up_its_task(shell):
    begun = time.monotonic()
    outcome = run(shell, "sleep 20 & echo started")
    try:
        assert outcome.value == "started"
        assert time.monotonic() - begun < 3
    finally:
        for process in group(shell.pids["a"]):
            process.kill()


def test_a_daemon_that_keeps_printing_does_not_hold_up_its_task(shell):
    begun = time.monotonic()
    outcome = run(shell, "(while echo x; do sleep 0.01; done) & echo started")
    assert "started" in outcome.value
    assert time.monotonic() - begun < 3
    assert nothing_left(shell.pids["a"])  # it meets a closed pipe


def test_a_command_that_closes_its_streams_is_waited_for(shell):
    begun = time.monotonic()
    outcome = run(shell, "exec >&- 2>&-; sleep 0.7; exit 4")
    assert outcome.exit_code == 4
    assert time.monotonic() - begun > 0.6


def test_a_command_begins_only_when_its_process_is_known(shell, tmp_path):
    told = []

    def started(task, attempt, pid):
        time.sleep(0.3)  # as long as a journal may take
        told.append((tmp_path / "ran").exists())

    request = shell.request

    def slow(task, **fields):
        from msgspec.structs import replace

        found = request(task, **fields)
        return replace(found, setting=replace(found.setting, process=started))

    shell.request = slow
    run(shell, f"touch {tmp_path}/ran")
    assert told == [False]
    assert (tmp_path / "ran").exists()
