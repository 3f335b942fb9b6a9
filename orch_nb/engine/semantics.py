"""What each system would leave of a plan when one task fails, inferred from what it was seen to do.

Nothing is run. A task's part (`engine.aftermath`) names the observation that decides its fate:

    behind   chain, with several needs join      never runs, or waits for ever
    begun    siblings                            goes on to its end, or works on in vain
    later    branch                              runs, or is never asked for
    anyway   cleanup, further behind late        runs, or waits for ever

Where a plan cannot be said in a system's own words (a job of BullMQ has one parent, a canvas of
Celery is a nest of chains and groups), there are no fates, and the reason stands instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet

from orch_nb.catalog.observations import observed, recordings
from orch_nb.engine.aftermath import parts
from orch_nb.graph.semantics import fault_of
from orch_nb.graph.series_parallel import N, decomposed
from orch_nb.graph.topology import Edges, downstream, order, upstream
from orch_nb.model.observation import Aftermath, Fate, Outcome
from orch_nb.model.plan import Plan

__all__ = ["aftermath"]

#: What a verdict means for a task.
_FATES = {
    "upstream failed": "never runs", "never asked for": "never runs",
    "failed, never run": "never runs", "waits for ever": "waits for ever",
    "goes on to its end": "ends", "told to stop": "in vain", "works on for nothing": "in vain",
    "runs": "ends", "runs, hides the failure": "ends", "runs, if you write so": "ends",
}  # fmt: skip

_BAD = ("fault", "behind")


def aftermath(plan: Plan, fault: str = "") -> Aftermath:
    """`plan` is acyclic. Raises UsageError for a `fault` that is no task of it."""
    task = fault_of(plan, fault)
    found, needs = parts(plan, task), upstream(plan)
    scenarios = _scenarios(found, needs)
    return Aftermath(
        plan, task,
        tuple(_outcome(one.system, one.title, plan, task, found, scenarios)
              for one in recordings()),
    )  # fmt: skip


def _scenarios(found: Mapping[str, str], needs: Edges) -> dict[str, str]:
    """By task the observation that decides its fate, "" where none is needed."""
    told: dict[str, str] = {}
    for task in order(needs):
        match found[task]:
            case "behind":
                told[task] = "chain" if len(needs[task]) == 1 else "join"
            case "begun":
                told[task] = "siblings"
            case "later":
                told[task] = "branch"
            case "anyway":  # what never ran stands between it and the failure, or not
                before = [found[one] for one in needs[task]]
                late = "behind" in before or any(told[one] == "late" for one in needs[task])
                told[task] = "late" if late else "cleanup"
            case _:
                told[task] = ""
    return told


def _outcome(
    system: str, title: str, plan: Plan, fault: str, found: Mapping[str, str],
    scenarios: Mapping[str, str],
) -> Outcome:  # fmt: skip
    why = _unsaid(system, plan)
    if why:
        return Outcome(system, title, "", (), remarks=(why,))
    fates = tuple(_fate(system, one, part, scenarios[one]) for one, part in found.items())
    return Outcome(
        system, title, _tries(system, plan, fault), fates, _whole(system, plan, fates),
        tuple(_remarks(system, plan, fault, fates)),
    )  # fmt: skip


def _fate(system: str, task: str, part: str, scenario: str) -> Fate:
    if scenario:
        return Fate(task, _FATES[observed(system, scenario).verdict], part, scenario)
    plain = {"ended": "ends", "fault": "fails", "passed_over": "never runs"}
    return Fate(task, plain[part], part)


def _tries(system: str, plan: Plan, fault: str) -> str:
    many = plan[fault].retry.maximum_attempts
    worked = not plan[fault].waits_for_person  # whom nobody tries again
    return "without end" if many == 1 and worked and _endless(system) else str(many)


def _endless(system: str) -> bool:
    """Whether it tries a task of which nothing is said again and again."""
    return observed(system, "unsaid").verdict == "again and again"


def _unsaid(system: str, plan: Plan) -> str:
    """Why the plan cannot be said in the system's own words."""
    gates = [task.id for task in plan.tasks if task.waits_for_person]
    if gates and observed(system, "approval").verdict == "no such thing":
        return f"`{gates[0]}` waits for a person, and nothing here does."
    if system == "bullmq":
        for task, after in downstream(plan).items():
            if len(after) > 1:
                shown = [f"`{one}`" for one in after[:2]]
                last = (
                    f"{len(after) - 2} more"
                    if len(after) > 3
                    else "".join(f"`{one}`" for one in after[2:])
                )
                others = " and ".join([", ".join(shown), last] if last else shown)
                return f"{others} wait for `{task}`, and a job of a flow has one parent."
    if system == "celery" and isinstance(n := decomposed(upstream(plan)), N):
        return (
            f"No nest of chains and groups: `{n.a}` and `{n.b}` come before `{n.c}`, and of these "
            f"only `{n.b}` before `{n.d}`."
        )
    return ""


def _whole(system: str, plan: Plan, fates: tuple[Fate, ...]) -> str:
    """How the plan as a whole would end, in the system's own word."""
    if any(one.fate == "waits for ever" for one in fates):
        return "never ends"
    bad = {one.task for one in fates if one.part in _BAD}
    if system == "orch_nb":  # engine.board
        return "failed" if any(plan[task].required for task in bad) else "succeeded"
    if system == "airflow":
        return "success" if _hidden(plan, bad) else "failed"
    anyway = any(one.part == "anyway" for one in fates)
    state = observed(system, "cleanup" if anyway else "chain").states.get("whole", "")
    return state.split(" ")[0] if system == "xstate" else state  # else with the names of states


def _hidden(plan: Plan, bad: AbstractSet[str]) -> bool:
    """Whether Airflow, of which a DAG's last tasks alone decide, calls it a success."""
    return not any(task in bad for task, after in downstream(plan).items() if not after)


def _remarks(system: str, plan: Plan, fault: str, fates: tuple[Fate, ...]) -> Iterator[str]:
    """What to know before the fates are believed."""
    if _tries(system, plan, fault) == "without end":
        yield (
            f"`{fault}` is tried without end, and nothing of this comes, unless your program says "
            "one attempt."
        )
    waiting = [one.task for one in fates if one.fate == "waits for ever"]
    if waiting:
        yield f"`{waiting[0]}` waits unless each child says what its failure means."
    anyway = [one for one in fates if one.part == "anyway" and one.fate == "ends"]
    if anyway and observed(system, anyway[0].scenario).verdict == "runs, if you write so":
        yield f"`{anyway[0].task}` runs if your code says so."
    if system == "airflow" and _hidden(plan, {one.task for one in fates if one.part in _BAD}):
        yield f"The run is a success though `{fault}` failed: only a DAG's last tasks decide."
    done = [one.task for one in fates if one.fate in ("ends", "in vain")]
    undone = [task for task in done if plan[task].compensate is not None]
    if undone:
        yield f"What `{undone[-1]}` did: {observed(system, 'undo').verdict}."
    if not plan[fault].required and system != "orch_nb":
        yield "It has no word for `required: false`."
