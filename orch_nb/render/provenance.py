"""Where a run comes from: versions, parameters, hashes, the workspace, and what people did."""

from __future__ import annotations

from orch_nb.model.quantity import count, number, when
from orch_nb.model.report import Environment, Report
from orch_nb.model.run import Run
from orch_nb.render.document import Block, Code, Fold, Line, Text, line
from orch_nb.render.plaintext import one_line
from orch_nb.render.rows import table

__all__ = ["decisions_table", "environment_fold"]

_DECISIONS = 50
_SAID = {
    "approve": "approved", "tick": "ticked as done", "reject": "rejected", "skip": "skipped",
    "retry": "tried anew", "compensate": "asked to undo", "cancel": "cancelled", "pause": "paused",
    "resume": "resumed", "workers": "set workers to", "recover": "went on",
}  # fmt: skip


def decisions_table(run: Run) -> Block | None:
    """Who approved, rejected, skipped, cancelled, tried anew what, when and why."""
    told = run.decisions[-_DECISIONS:]
    return table(
        "What people did",
        ("when", "who", "what", "task", "note"),
        [
            (
                line(f"{done.at:%Y-%m-%d %H:%M:%S}"),
                line(one_line(done.by, 60)),
                line(_SAID.get(done.verb, done.verb)),
                line(one_line(done.task or "the run", 80)),
                line(one_line(done.note, 200)),
            )
            for done in told
        ],
        wrap=("note",),
        left_out=len(run.decisions) - len(told),
    )


def environment_fold(report: Report) -> Block | None:
    """Versions, parameters and hashes, behind one line that names the first of them."""
    found = report.environment
    if found is None:
        return None
    caption = f"Environment: Python {found.python}"
    version = dict(found.packages).get("orch_nb", "")
    caption += f", orch_nb {version}" if version else ""
    caption += f", commit {found.commit[:10]}" if found.commit else ""
    caption += " and changed files" if found.commit and found.changed else ""
    blocks = [
        table("", ("", "value"), _rows(report.run, found), wrap=("value",)),
        table("Parameters", ("name", "value"), _pairs(found.params), wrap=("value",)),
        table("Packages", ("package", "version"), _pairs(found.packages)),
        table("Hashes", ("of", "hash"), _pairs(found.hashes)),
    ]
    kept = tuple(block for block in blocks if block is not None)
    return Fold(line(Text(one_line(caption, 200), muted=True)), kept)


def _rows(run: Run, found: Environment) -> list[tuple[Line, Line]]:
    options = run.options
    rows = [
        ("run", run.run_id),
        ("started", when(run.started)),
        ("finished", when(run.finished)),
        (
            "workers",
            f"{number(options.workers)}, {options.on.partition('://')[0] or options.executor}",
        ),
        ("platform", found.platform),
        ("workspace", _workspace(found)),
        ("gone on with", count(run.resumed, "time") if run.resumed else ""),
    ]
    if not found.same_process:
        rows.append(("versions", "of the process that made this report, not the run"))
    return [(line(name), line(one_line(value, 200))) for name, value in rows if value]


def _workspace(found: Environment) -> str:
    if not found.commit:
        return ""
    state = {True: "with changed files", False: "as committed", None: ""}[found.changed]
    return f"git commit {found.commit[:12]}" + (f", {state}" if state else "")


def _pairs(pairs: tuple[tuple[str, str], ...]) -> list[tuple[Line, Line]]:
    return [(line(one_line(name, 120)), line(Code(one_line(value, 200)))) for name, value in pairs]
