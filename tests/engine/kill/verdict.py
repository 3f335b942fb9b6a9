"""What has to hold of a run that was killed, judged by what its tasks really did.

Three witnesses: `effects`, the lines that tasks left while they ran; the journals as they were at
each death (`cuts`); and the run's own account at its end. What an uninterrupted run of the same
plan came to (`expected`) is the measure.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter, defaultdict

import psutil
from children import Effect, Scene, effects_of

from orch_nb.engine.journal import SqliteJournal
from orch_nb.engine.launch import past_run
from orch_nb.engine.retry import backoff_s, spread
from orch_nb.graph import topology
from orch_nb.model import event as ev
from orch_nb.model.fold import replay

__all__ = ["judge"]

_ENDS = (ev.AttemptSucceeded, ev.AttemptFailed, ev.AttemptLost)


def judge(scene: Scene, told: dict, expected: dict | None) -> None:
    """Raises AssertionError for the first law that does not hold. `expected` is the account of an
    uninterrupted run; None where this is that one."""
    history, effects = scene.history(), effects_of(scene.folder)
    _the_journal_is_sound(history)
    _the_journal_and_the_process_tell_the_same(scene, told)
    _nothing_that_was_committed_is_lost(scene.cuts, history)
    _nothing_that_was_committed_runs_again(scene.cuts, history, effects)
    _every_attempt_was_committed_before_it_ran(scene.cuts, history, effects)
    _every_success_was_real(history, effects, scene)
    _attempts_of_a_task_follow_one_another(effects)
    _order_is_kept(history, effects)
    _the_output_of_what_succeeded_is_kept(scene.cuts, history)
    _limits_hold(history)
    _waits_are_those_of_the_policy(history)
    _what_succeeded_is_undone_in_reverse(history, effects)
    _no_process_is_left(history)
    if expected is not None:
        _it_ends_as_if_nothing_had_been(history, told, expected)


# -- what the journal says


def _the_journal_is_sound(history):
    """Attempts are numbered without a gap, begin once, end once; nothing follows the run's end
    unless it was resumed; every success is recorded once."""
    running, last, done = {}, Counter(), set()
    over = False
    for event in history:
        if isinstance(event, ev.RunResumed):
            over = False
        # What was in flight is told lost just before the run is told to go on.
        assert not over or isinstance(event, (ev.AttemptLost, ev.RetryRequested)), event
        task = getattr(event, "task", None)
        if isinstance(event, ev.AttemptStarted):
            assert task not in running, f"{task} starts twice"
            assert task not in done, f"{task} starts after its success"
            assert event.attempt == last[task] + 1, f"{task}: attempt {event.attempt}?"
            last[task] = running[task] = event.attempt
        elif isinstance(event, ev.AttemptReturned):
            assert running.pop(task) == event.attempt
            last[task] -= 1
        elif isinstance(event, _ENDS):
            assert running.pop(task, None) == event.attempt, f"{task} ends, and does not run"
            if isinstance(event, ev.AttemptSucceeded):
                done.add(task)
        elif isinstance(event, ev.TaskEnded):
            assert task not in done, f"{task} ends twice"
            done.add(task)
        elif isinstance(event, ev.RetryRequested):
            done -= set(event.reset)
        elif isinstance(event, ev.RunEnded):
            assert not running, "the run ends while attempts run"
            over = True
    assert over, "the run has not ended"


def _the_journal_and_the_process_tell_the_same(scene, told):
    journal = SqliteJournal(scene.folder / "j.db")
    run = past_run(journal.history("r"), journal)
    every = [*run.tasks, *run.derived]
    assert told["status"] == run.status
    assert told["tasks"] == {task.task: task.status for task in every}
    for task in every:
        if task.result is not None and task.result.format != "unstored":
            assert repr(run.results[task.task]) == told["results"][task.task]
    (row,) = [row for row in journal.runs() if row.run_id == "r"]
    assert (row.status, row.held) == (told["status"], False)
    journal.close()


def _nothing_that_was_committed_is_lost(cuts, history):
    """What the journal held at a death is what it begins with now; its results can be read."""
    for cut in cuts:
        assert history[: len(cut.history)] == cut.history, "the past has changed"
        journal = SqliteJournal(cut.journal)
        for event in cut.history:
            result = getattr(event, "result", None) or getattr(event, "items", None)
            if result is not None and result.format != "unstored":
                journal.load(result)
        journal.close()


def _the_output_of_what_succeeded_is_kept(cuts, history):
    """A success that runs never again has its output in the journal, wherever that goes there."""
    plan, elsewhere = history[0].plan, history[0].options.executor == "processes"
    for cut in cuts:
        journal = SqliteJournal(cut.journal)
        for event in cut.history:
            if isinstance(event, ev.AttemptSucceeded) and event.task in plan:
                task = plan[event.task]
                prints = elsewhere and task.run == "plans_to_kill:step"
                if prints or "did $ORCH_TASK" in (task.sh or ""):
                    assert f"did {task.id}\n" in journal.read_log("r", task.id)
        journal.close()


def _limits_hold(history):
    """Never more attempts at once than the plan's pools and `max_active` allow."""
    plan, running = history[0].plan, set()
    for event in history:
        if isinstance(event, ev.AttemptStarted):
            running.add(event.task)
            pools, groups = Counter(), Counter()
            for name in running:
                base = name.partition("[")[0]
                if base in plan:
                    pools.update(plan[base].pool or {})
                    groups[base] += "[" in name
            for pool, used in pools.items():
                assert used <= plan.pools[pool].slots
            for name, used in groups.items():
                assert used <= (plan[name].max_active or used)
        elif isinstance(event, (*_ENDS, ev.AttemptReturned)):
            running.discard(event.task)


def _waits_are_those_of_the_policy(history):
    """After n failures the wait is the n-th, however many processes there were; it is waited out;
    and a task is tried as often as its policy says, attempts that were lost not counted."""
    state = replay(history)
    run_id, failures, until = history[0].run_id, Counter(), {}
    for event in history:
        if isinstance(event, ev.AttemptFailed):
            failures[event.task] += 1
            policy = state.spec(event.task).retry
            assert failures[event.task] <= policy.maximum_attempts
            failed = event
        elif isinstance(event, ev.BackingOff):
            policy = state.spec(event.task).retry
            u = spread(run_id, event.task, failed.attempt)
            wait = backoff_s(policy, failures[event.task], u)
            assert event.until - event.at == wait or abs(event.until - event.at - wait) < 1e-5
            until[event.task] = event.until
        elif isinstance(event, ev.AttemptStarted):
            assert event.at >= until.pop(event.task, 0.0), f"{event.task} did not wait"


# -- what tasks did


def _successes(history):
    """By task, the attempt that succeeded, as far as no later event takes it back."""
    found = {}
    for event in history:
        if isinstance(event, ev.AttemptSucceeded):
            found[event.task] = event.attempt
        elif isinstance(event, ev.TaskEnded):
            found[event.task] = 0  # no attempt may begin that did not before
        elif isinstance(event, ev.RetryRequested):
            for task in event.reset:
                found.pop(task, None)
    return found


def _nothing_that_was_committed_runs_again(cuts, history, effects):
    made_again = set()  # results that no journal can keep, and that are still needed
    for event in history:
        if isinstance(event, ev.RetryRequested):
            state = replay(history[: history.index(event)])
            for task in event.reset:
                result = state.task(task).result
                assert result is not None, task
                assert result.format == "unstored", f"{task} runs again, and was kept"
            made_again.update(event.reset)
    for cut in cuts:
        done = _successes(cut.history)
        for effect in effects[cut.effects :]:
            if effect.what == "begin" and effect.task in done:
                again = f"{effect.task} runs again (attempt {effect.attempt}), and was committed"
                assert effect.task in made_again, again
    done = _successes(history)
    begun = Counter((e.task, e.attempt) for e in effects if e.what == "begin")
    for (task, attempt), count in begun.items():
        assert count == 1, f"attempt {attempt} of {task} ran {count} times"
        if done.get(task):
            assert attempt <= done[task], f"{task} ran again after its success"


def _every_attempt_was_committed_before_it_ran(cuts, history, effects):
    known = {(e.task, e.attempt) for e in history if isinstance(e, ev.AttemptStarted)}
    for effect in effects:
        assert (effect.task, effect.attempt) in known, f"{effect} is in no journal"
    for cut in cuts:
        known = {(e.task, e.attempt) for e in cut.history if isinstance(e, ev.AttemptStarted)}
        for effect in effects[: cut.effects]:
            assert (effect.task, effect.attempt) in known, f"{effect} was not committed before"


def _every_success_was_real(history, effects, scene: Scene):
    """Whatever the journal calls a success has begun and has come to its end, with that result."""
    plan = history[0].plan
    ends = {(e.task, e.attempt): e.value for e in effects if e.what == "end"}
    for event in history:
        if isinstance(event, ev.AttemptSucceeded):
            assert (event.task, event.attempt) in ends, f"{event.task} never ended"
            value = ends[event.task, event.attempt]
            base = event.task.partition("[")[0]
            if event.result.preview.lstrip("-").isdigit() and base in plan:
                shown = event.result.preview
                assert value in (shown, repr(shown)), f"{event.task} gave {value}, not {shown}"


def _attempts_of_a_task_follow_one_another(effects: list[Effect]):
    """An attempt has come to its end, or is gone, before the next one of its task begins."""
    latest: dict[str, int] = {}
    for effect in effects:
        if effect.what == "begin":
            assert effect.attempt > latest.get(effect.task, 0), f"{effect} comes late"
            latest[effect.task] = effect.attempt
        else:
            now = latest[effect.task]
            assert effect.attempt == now, f"{effect}: attempt {now} has begun already"


def _order_is_kept(history, effects):
    """A task begins after everything upstream of it has come to its end, in the world as well as
    in the journal."""
    plan = history[0].plan
    edges = topology.upstream(plan)
    ended, running = set(), set()
    for event in history:
        task = getattr(event, "task", None)
        if isinstance(event, ev.AttemptStarted):
            base = task.partition("[")[0]
            for need in edges.get(base, ()):
                assert need in ended, f"{task} starts before {need} has ended"
            running.add(task)
        elif isinstance(event, (ev.AttemptSucceeded, ev.TaskEnded)):
            ended.add(task)
        elif isinstance(event, ev.RetryRequested):
            ended -= set(event.reset)
    last = {}  # the line at which a task was last heard of, before it is undone or made again
    first = {}
    for number, effect in enumerate(effects):
        last[effect.task] = number
        first.setdefault(effect.task, number)
    again = {t for e in history if isinstance(e, ev.RetryRequested) for t in e.reset}
    abandoned = {e.task for e in history if isinstance(e, ev.AttemptFailed) and e.abandoned}
    for task, number in first.items():
        for need in edges.get(task.partition("[")[0], ()):
            lines = [n for name, n in last.items() if name.partition("[")[0] == need]
            if lines and need not in again | abandoned:
                assert max(lines) < number, f"{task} began while {need} was at work"


def _what_succeeded_is_undone_in_reverse(history, effects):
    """At least once, and not again when it is committed (above); one after another; the last to
    complete first; nothing that had not succeeded, and nothing left out."""
    state = replay(history)
    undoes = {t.compensate.id: t.id for t in state.plan.tasks if t.compensate is not None}
    completed = [
        e.task for e in history if isinstance(e, (ev.AttemptSucceeded, ev.TaskEnded))
        and e.task in undoes.values() and getattr(e, "status", "succeeded") == "succeeded"
    ]  # fmt: skip
    begun = [e.task for e in history if isinstance(e, ev.AttemptStarted) and e.task in undoes]
    order = list(dict.fromkeys(begun))
    if state.status in ("failed", "cancelled"):
        assert [undoes[name] for name in order] == completed[::-1]
        assert {e.task for e in effects if e.task in undoes} == set(order)
        for name in order:
            how = "compensated" if state.task(name).status == "succeeded" else "succeeded"
            assert state.task(undoes[name]).status == how
    else:
        assert not order
    places = defaultdict(list)
    for number, effect in enumerate(effects):
        if effect.task in undoes:
            places[effect.task].append(number)
    for one, other in itertools.pairwise(order):
        assert max(places[one]) < min(places[other]), f"{one} and {other} overlap"


# -- the world, and the end


def _no_process_is_left(history):
    """The groups of shell commands are gone, and the worker processes are."""
    groups = {e.pid for e in history if isinstance(e, ev.ProcessStarted)}
    left = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            if os.getpgid(process.pid) in groups and process.status() != "zombie":
                left.append((process.pid, process.info["cmdline"]))
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    assert not left, f"still there: {left}"


def _it_ends_as_if_nothing_had_been(history, told, expected):
    assert told["status"] == expected["status"]
    assert told["tasks"] == expected["tasks"]
    assert told["results"] == expected["results"]
    failures = Counter(
        e.task for e in history if isinstance(e, ev.AttemptFailed) and not e.cancelled
    )
    for task, status in told["tasks"].items():
        most = expected["failures"].get(task, 0)
        if status == "failed":
            assert failures[task] == most, f"{task} was tried {failures[task]} times, not {most}"
        else:
            assert failures[task] <= most, f"{task} failed {failures[task]} times, not {most}"
