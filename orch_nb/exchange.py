"""Plans that come from another system, or go to one.

    export(plan, "airflow", "dags/release.py")     a file that reads as if written by hand
    import_("dags/release.py")                     its plan, and what was lost on the way
    systems(plan, "orders")                        what each would leave of it if `orders` failed

Reading a file never runs it.
"""

from __future__ import annotations

import json
import os
import re
from io import BytesIO
from pathlib import Path
from tokenize import detect_encoding

import msgspec

from orch_nb import phases
from orch_nb.engine.semantics import aftermath
from orch_nb.errors import PlanError, Problem, UsageError
from orch_nb.formats.translators import importers, recognised, translator
from orch_nb.graph.nearest import did_you_mean
from orch_nb.graph.validate import check
from orch_nb.model.observation import Aftermath
from orch_nb.model.plan import Plan
from orch_nb.model.secrets import marked
from orch_nb.model.translation import Export, Import, Loss
from orch_nb.render.losses import differs

__all__ = ["export", "import_", "read", "save", "systems"]

_MOST_BYTES = 5_000_000


def export(plan: Plan, system: str, path: str | os.PathLike[str] | None = None) -> Export:
    """`plan` in the words of `system`: airflow, bullmq, celery or xstate; written to `path`.

    A file that is there is replaced. `.losses` tells what that system cannot say. Raises UsageError
    for a system that there is not, PlanError for a plan that is broken, would be wrong there (a
    diamond is no BullMQ flow) or would have a secret in the file.
    """
    module = translator(system)
    if not hasattr(module, "export"):
        raise UsageError(f"Nothing is exported to {system}.")
    shown = _sound(plan)
    secret = [name for name, value in shown.params.items() if marked(repr(value))]
    given = {name: None if name in secret else value for name, value in shown.params.items()}
    made: Export = module.export(msgspec.structs.replace(shown, params=given) if secret else shown)
    _without_secrets(made, shown)
    told = {loss.why for loss in made.losses if loss.what == "secrets"}
    made = msgspec.structs.replace(made, losses=(*made.losses, *(
        Loss("secrets", f"the value of `{name}` is not written: give it there", severity="changed")
        for name in secret if not any(f"`{name}`" in why for why in told)
    )))  # fmt: skip
    if path is not None:
        made.save(path)
    return made


def _sound(plan: Plan) -> Plan:
    """The plan as it is shown. Raises PlanError for one with a cycle, or broken otherwise: what is
    made of it would be wrong. Raises UsageError for what is no plan at all."""
    if not isinstance(plan, Plan):
        raise UsageError(
            f"A Plan is wanted, not a {type(plan).__name__}: `nb.decompose(...)` makes one of a "
            "document, of its file or of a goal in words."
        )
    problems = check(plan)
    if problems:
        raise PlanError(problems)
    return phases.seen(plan)


def _without_secrets(made: Export, shown: Plan) -> None:
    """Raises PlanError where a mark stands for a secret in what tasks do there: with the secret the
    file would tell it, with the mark it would do something else."""
    text = "\n".join([made.text, *made.files.values()])

    def left(said: object) -> str:
        mark = marked(repr(said))
        return mark if mark and (mark in text or json.dumps(mark)[1:-1] in text) else ""

    problems = []
    performed = (*shown.by_id.values(), *filter(None, [shown.on_failure]))
    for task in performed:
        undone = task.compensate
        if mark := left([(one.sh, one.with_) for one in (task, undone) if one is not None]):
            why = f"What `{task.id}` does has {mark} in it, which no file should tell."
            problems.append(Problem(why, task=task.id, hint=_FROM_OUTSIDE))
    if problems:
        raise PlanError(problems)


_FROM_OUTSIDE = "Let the task read it where it runs: from an environment variable, `$NAME`."


def save(made: Export, path: str | os.PathLike[str], *, force: bool = False) -> str:
    """`made` as a file, for a line or a command that is not to lose one: what is there and says
    something else stays, unless `force` is said. Returns what was written, in words; raises
    UsageError."""
    target = Path(path).expanduser()
    same = target.exists() and not differs(target, made.text)
    if target.is_file() and not same and not force:
        raise UsageError(f"`{target}` is there already and says something else. To replace it: "
                         "--force")  # fmt: skip
    made.save(target)
    names = " and ".join([str(target), *(str(target.parent / name) for name in made.files)])
    return f"{names}{' (as it was)' if same else ''}"


def import_(
    path: str | os.PathLike[str], system: str | None = None, *, dag: str | None = None
) -> Import:
    """The plan in a file of another system, which is found out by what the file says, unless
    `system` names it.

    Of a DAG file for Airflow that makes several DAGs, `dag` names the one that is meant; else it is
    the largest. Raises UsageError for a file that is not there, of no known system or of several,
    PlanError for one that has no plan in it, or not that DAG.
    """
    source = Path(path).expanduser()
    if system is not None and not hasattr(translator(system), "read"):
        raise UsageError(f"Files of {system} are not read.")
    return read(_text(source), source, system, dag=dag)


def read(text: str, source: Path, system: str | None = None, *, dag: str | None = None) -> Import:
    """The plan in a text that was read from `source`. Raises as `import_` does."""
    if not text.strip():
        raise UsageError(f"{source} is empty: there is no plan in it.")
    if system is not None:
        return _read(text, source, system, dag)
    known = recognised(text, source)
    if not known:
        raise UsageError(f"{source} is of no system that is known here. {_otherwise(text)}")
    if len(known) == 1:
        return _read(text, source, known[0], dag)
    found, problems = [], []
    for name in known:
        try:
            found.append(_read(text, source, name, dag))
        except PlanError as error:
            problems.append(error)
    if not found:
        raise problems[0]
    if len(found) > 1:
        names = " or ".join(one.system for one in found)
        raise UsageError(f"{source} could be of {names}. {_WHICH}")
    return found[0]


_WHICH = "Say which: system=..., --from SYSTEM."


def _read(text: str, source: Path, system: str, dag: str | None) -> Import:
    module = translator(system)
    if dag is not None and system != "airflow":
        raise UsageError(
            f"{source} is of {system}; `dag` names one of the DAGs of an Airflow file."
        )
    found: Import = module.read(text, source) if dag is None else module.read(text, source, dag)
    return found


def _otherwise(text: str) -> str:
    """What to do with a file that no translator takes for its own."""
    if re.search(r"(?m)^(?:tasks|stories)\s*:", text):
        return "It looks like a plan document: orch-nb run FILE, decompose(text)."
    return f"If it is one of {', '.join(importers())}, say which: system=..., --from SYSTEM."


def _text(source: Path) -> str:
    """A file as text: UTF-8, or what a Python file's first lines declare (PEP 263)."""
    try:
        if source.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{source} has more than {_MOST_BYTES:,} bytes; that is no plan.")
        raw = source.read_bytes()
    except IsADirectoryError:
        raise UsageError(f"{source} is a folder; name a file in it.") from None
    except FileNotFoundError:
        raise UsageError(f"{source} is not there. {_near(source)}".rstrip()) from None
    except OSError as error:
        raise UsageError(f"{source} cannot be read: {error.strerror or error}.") from None
    if b"\0" in raw[:4096]:
        raise UsageError(f"{source} is a binary file; plans are read from text in UTF-8.")
    encoding = _declared(raw) if source.suffix == ".py" else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line, byte = raw.count(b"\n", 0, error.start) + 1, raw[error.start]
        name = encoding.removesuffix("-sig").upper()
        raise UsageError(
            f"{source} is no text in {name}: byte 0x{byte:02x} in line {line}. Save it as UTF-8."
        ) from None
    return text.replace("\r\n", "\n")


def _declared(raw: bytes) -> str:
    """What a Python file says that it is written in; UTF-8 where it says nothing, or nonsense."""
    try:
        return detect_encoding(BytesIO(raw).readline)[0]
    except SyntaxError:
        return "utf-8"


def _near(source: Path) -> str:
    try:
        return did_you_mean(source.name, [one.name for one in source.parent.iterdir()])
    except OSError:
        return f"The folder {source.parent} is not there either."


def systems(plan: Plan, fault: str = "") -> Aftermath:
    """What Airflow, Temporal, Restate, XState, Celery, BullMQ and orch_nb would leave of `plan` if
    the task `fault` failed; without one the task of the critical path on which most depends.

    No server is asked: fates are inferred from observations of the real systems, which the value
    shows beside them. Raises UsageError for a task that is not there, PlanError for a broken plan.
    """
    sound = _sound(plan)
    if not isinstance(fault, str | None):
        raise UsageError(
            f"`fault` is the name of a task, such as {sound.tasks[0].id!r}, "
            f"not a {type(fault).__name__}."
        )
    return aftermath(sound, fault)
