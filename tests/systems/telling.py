"""From what was seen to what is said: the fates of a scenario's tasks, a verdict, sentences.

What is seen comes from two witnesses: the system's own words (`states`) and the marks that the
tasks left (`fates`). Nothing is said that neither of them shows; why it is so (`BECAUSE`) is said
after it, with the page where the system says so itself.
"""

from __future__ import annotations

import functools
import itertools
from typing import Any

import marks
from because import BECAUSE, OWN, PAGES

from orch_nb.model.observation import Observation

#: What each system calls a whole plan that it performs.
WHOLE = {
    "airflow": "DAG run", "bullmq": "flow", "celery": "canvas", "restate": "invocation",
    "temporal": "workflow", "xstate": "machine", "orch_nb": "run",
}  # fmt: skip
GOOD = {"success", "succeeded", "COMPLETED", "completed success", "done done"}
#: Where what follows a failure is code, or a link, that somebody writes for the purpose.
WRITTEN = {"temporal", "restate", "xstate", "celery"}
#: The scenarios that are run, and those of which each answers the questions.
SCENARIOS = (
    "unsaid", "retry", "chain", "join", "branch", "cleanup", "late", "timeout", "approval", "undo",
    "foreach", "killed", "diamond",
)  # fmt: skip
ANSWERS = {"join": ("siblings", "join")}

Told = tuple[str, str, str]  # a verdict, a mood, a sentence


class Seen:
    """What was seen of a system in a scenario."""

    def __init__(self, system: str, scenario: str, found: dict[str, Any]) -> None:
        self.system, self.scenario = system, scenario
        self.states: dict[str, str] = found["states"]
        self.facts: dict[str, Any] = found["facts"]
        #: Whether the whole counts as a success.
        self.good = self.states.get("whole") in GOOD
        self.names = {
            name.partition(".")[2] for _, name, _ in marks.read()
            if name.startswith(f"{scenario}.") and name != "killed.kill"
        }  # fmt: skip

    def times(self, role: str, what: str = "begins") -> list[float]:
        return marks.times(f"{self.scenario}.{role}", what)

    def ended(self) -> str:
        """How the whole ended, where the system has a word for that."""
        whole = self.states.get("whole")
        return f"The {WHOLE[self.system]} ended as `{whole}`." if whole else ""

    def fates(self) -> dict[str, str]:
        return {role: self.fate(role) for role in sorted(self.names)}

    def fate(self, role: str) -> str:
        """begun how often (of a task that is tried without end: often), and how it ended."""
        begun = len(self.times(role))
        how = next((what for what in ("ends", "stopped", "fails") if self.times(role, what)), "")
        often = "often" if self.scenario == "unsaid" and begun > 1 else str(begun)
        told = ", told to stop" if self.times(role, "told") else ""
        return f"begun {often}, {how or 'no end'}{told}"

    def waits(self, role: str) -> list[float]:
        begun = self.times(role)
        return [after - before for before, after in itertools.pairwise(begun)]


def tell(system: str, scenario: str, found: dict[str, Any]) -> list[Observation]:
    """The observations that the scenario gives; most give one."""
    one = Seen(system, scenario, found)
    return [_made(one, question) for question in ANSWERS.get(scenario, (scenario,))]


def untold(system: str, scenario: str, why: str, url: str) -> Observation:
    """What cannot be observed, in the words of the system's own pages."""
    unseen = why.startswith("Not observed")
    return Observation(
        system=system, scenario=scenario, verdict="not observed" if unseen else "no such thing",
        mood="none" if unseen else "bad", says=why, observed=False, url=url,
    )  # fmt: skip


def _made(one: Seen, question: str) -> Observation:
    verdict, mood, says = TELLERS[question](one)
    because = BECAUSE.get((one.system, question), "")
    return Observation(
        system=one.system, scenario=question, verdict=verdict, mood=mood,
        says=" ".join(part.strip() for part in (says, because) if part), states=one.states,
        fates=one.fates(), url=PAGES.get((one.system, question), OWN[one.system]),
    )  # fmt: skip


def _seconds(value: float) -> str:
    return f"{value:.1f} s"


def unsaid(one: Seen) -> Told:
    waits = one.waits("task")
    if not waits:
        return "once", "care", "`{task}` was tried once and then had failed."
    span = one.times("task")[-1] - one.times("task")[0]
    state = one.states.get("task") or one.states["whole"]
    return (
        "again and again", "care",
        (f"`{{task}}` was tried {len(waits) + 1} times in {_seconds(span)}, first again after "
        f"{_seconds(waits[0])}, and then stood as `{state}`: it goes on."),
    )  # fmt: skip


def retry(one: Seen) -> Told:
    first, second = one.waits("task")
    verdict = "you draw it" if one.system == "xstate" else "tried 3 times"
    return (
        verdict, "care" if one.system == "xstate" else "good",
        (f"`{{task}}` failed twice and succeeded at the third attempt, after {_seconds(first)} and "
        f"{_seconds(second)} (asked for: 0.5 s and 1.0 s)."),
    )  # fmt: skip


def waiting(one: Seen, role: str) -> Told:
    """What became of a task that waited for the one that failed."""
    assert not one.times(role), f"{one.system}: {role} ran"
    state = one.states.get(role)
    if state == "waiting-children":
        return (
            "waits for ever", "bad",
            f"`{{{role}}}` still stood as `{state}` after 4 s: nobody tells it.",
        )  # fmt: skip
    if state == "FAILURE":
        return "failed, never run", "care", f"`{{{role}}}` never ran; its result is `{state}`."
    if state == "upstream_failed":
        return "upstream failed", "good", f"`{{{role}}}` never ran and stands as `{state}`."
    assert state is None or state == "None", f"{one.system}: {role} is {state}"
    return (
        "never asked for", "care",
        f"`{{{role}}}` was never asked for, and nothing records that. {one.ended()}",
    )  # fmt: skip


def chain(one: Seen) -> Told:
    """What waits, and what waits for that in turn, have one fate."""
    verdict, mood, says = waiting(one, "after")
    further = waiting(one, "last")[0]
    assert further == verdict, f"{one.system}: after {verdict}, last {further}"
    return verdict, mood, f"{says} The same became of what waits for `{{after}}` in turn."


def branch(one: Seen) -> Told:
    """What waits only for what did not fail; it had not begun when the failure came."""
    assert not one.times("join"), f"{one.system}: join ran"
    assert not one.times("last"), f"{one.system}: last ran"
    if one.times("follower", "ends"):
        return (
            "runs",
            "good",
            "`{follower}` ran when `{sibling}` had ended, though `{task}` failed.",
        )
    state = one.states.get("follower")
    assert state is None, f"{one.system}: follower is {state}"
    return (
        "never asked for", "care",
        f"`{{follower}}` was never asked for, though it needs `{{sibling}}` alone. {one.ended()}",
    )  # fmt: skip


def siblings(one: Seen) -> Told:
    assert one.times("sibling")
    if one.times("sibling", "told"):
        return (
            "told to stop", "care",
            ("`{sibling}` was told to stop at once, by its signal; it heeds that or works on for "
            "nothing, as it did here."),
        )  # fmt: skip
    assert one.times("sibling", "ends"), f"{one.system}: the sibling did not end"
    state = one.states.get("sibling")
    if state == "Scheduled":
        return (
            "works on for nothing", "bad",
            ("`{sibling}` worked on to its end; its result was dropped (the history's last word of "
            f"it is `{state}`). {one.ended()}"),
        )  # fmt: skip
    stood = f" (`{state}`)" if state else ""
    return "goes on to its end", "good", f"`{{sibling}}` worked on to its end{stood}."


def cleanup(one: Seen) -> Told:
    assert one.times("cleanup", "ends"), f"{one.system}: no clean-up"
    says = f"`{{cleanup}}` ran after the failure. {one.ended()}"
    if one.system in WRITTEN:
        return "runs, if you write so", "care", says
    return ("runs, hides the failure", "care", says) if one.good else ("runs", "good", says)


def late(one: Seen) -> Told:
    """A clean-up behind a task that is behind the failure."""
    assert not one.times("after"), f"{one.system}: after ran"
    return cleanup(one) if one.times("cleanup") else waiting(one, "cleanup")


def timeout(one: Seen) -> Told:
    began = one.times("task")[0]
    if stopped := one.times("task", "stopped"):
        after = _seconds(stopped[0] - began)
        return "stopped", "good", f"`{{task}}`, allowed 1 s, was stopped after {after}."
    ended = one.times("task", "ends")
    after = _seconds(ended[0] - began) if ended else "a while"
    if one.states.get("task") == "completed":
        return (
            "no such thing", "bad",
            f"`{{task}}`, allowed 1 s, worked for {after} and stands as `completed`.",
        )  # fmt: skip
    return (
        "given up, works on", "care",
        f"`{{task}}`, allowed 1 s, was given up; its code worked on for {after}.",
    )  # fmt: skip


def approval(one: Seen) -> Told:
    assert one.times("after", "ends")
    state = one.facts["unanswered"]
    return (
        "waits for the answer", "good",
        f"2 s later nobody had answered `{{gate}}`: it stood as `{state}`. Answered, it went on.",
    )  # fmt: skip


def undo(one: Seen) -> Told:
    assert one.times("undo", "ends"), f"{one.system}: nothing was undone"
    by_plan = one.system == "orch_nb"
    return (
        "undone by the plan" if by_plan else "undone by your code", "good" if by_plan else "care",
        f"What `{{before}}` had done was undone after `{{task}}` failed. {one.ended()}",
    )  # fmt: skip


def foreach(one: Seen) -> Told:
    others = [one.times(f"item{n}", "ends") for n in (0, 2)]
    assert all(others), f"{one.system}: the other items did not end"
    verdict, mood, says = waiting(one, "after")
    told = ", though told to stop" if one.times("item0", "told") else ""
    dropped = one.states.get("item0") == "Scheduled"
    lost = ", and their results were dropped" if dropped else ""
    return (
        f"others end; {verdict}",
        mood,
        f"The other items worked to their end{told}{lost}. {says}",
    )


def killed(one: Seen) -> Told:
    before, task, after = (one.times(role) for role in ("before", "task", "after"))
    assert len(before) == 1, f"{one.system}: {{before}} ran {len(before)} times"
    if not after:
        return "lost", "bad", "`{task}` was lost with its worker, and `{after}` never came."
    (kill,) = one.times("kill", "ends")
    says = (
        f"`{{before}}` did not run again; `{{task}}` ran again {_seconds(task[-1] - kill)} after "
        "the kill of its worker, once another was there."
    )
    if one.times("plain"):
        assert len(one.times("plain")) == 1
        assert not one.times("plain", "ends")
        lost = one.states["plain"]
        says += f" A task without `acks_late`, killed with it, was lost: it stands as `{lost}`."
        return "goes on, if you say so", "care", says
    if one.system == "xstate":
        return "goes on, if you keep it", "care", says
    return "goes on", "good", says


def diamond(one: Seen) -> Told:
    if one.times("bottom", "ends"):
        return "yes", "good", "`{bottom}` ran once, after `{left}` and `{right}`."
    stuck = [role for role in ("right", "bottom") if not one.times(role)]
    names = " and ".join(f"`{{{role}}}`" for role in stuck)
    stand = "stand" if len(stuck) > 1 else "stands"
    return (
        "no: waits for ever", "bad",
        (f"`{{top}}` was given to both as a child by its id: `{{left}}` ran, {names} still {stand} "
        f"as `{one.states['bottom']}` after 4 s."),
    )  # fmt: skip


TELLERS = {
    "unsaid": unsaid, "retry": retry, "chain": chain, "branch": branch, "late": late,
    "siblings": siblings, "join": functools.partial(waiting, role="join"), "cleanup": cleanup,
    "timeout": timeout, "approval": approval, "undo": undo, "foreach": foreach, "killed": killed,
    "diamond": diamond,
}  # fmt: skip
