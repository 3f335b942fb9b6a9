"""What a queue of Node is called, where code does not say it in the same place: members of an enum
or of an object, constants, templates that begin with one; and workers that a method makes for the
queue that its caller names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from orch_nb.analysis.workflows.code import Call, Code
from orch_nb.analysis.workflows.page import GUESSED, Draft
from orch_nb.analysis.workflows.scripts import Script, Scripts
from orch_nb.model.analysis import Evidence, Workflow

__all__ = ["made_by_callers", "queue_name"]

_MEMBER = re.compile(r"([A-Za-z_$][\w$]*)\.([A-Za-z_$][\w$]*)")
_DEPTH = 4


def queue_name(scripts: Scripts, script: Script, span: tuple[int, int], depth: int = _DEPTH) -> str:
    """The name that an expression stands for; "" where it cannot be read."""
    code = script.code
    said = re.sub(r"\s+as\s+[\w.]+$", "", code.source(span).strip())
    if code.value(span):
        return code.value(span)
    if match := _MEMBER.fullmatch(said):
        return _member(scripts, script, match.group(1), match.group(2))
    if match := re.match(r"`\$\{([\w$]+)\.([\w$]+)\}", said):
        return _member(scripts, script, match.group(1), match.group(2))
    if depth and re.fullmatch(r"[\w$]+", said):
        made = rf"\b(?:const|let|var)\s+{re.escape(said)}\s*(?::[^=;]+)?=\s*"
        before = list(re.finditer(made, code.blanked[: span[0]]))
        if before:
            start = before[-1].end()
            end = re.compile(r";|\n\s*(?:const|let|var|return|if|this|super)\b").search(
                code.blanked, start
            )
            return queue_name(scripts, script, (start, end.start() if end else span[0]), depth - 1)
    return ""


def _member(scripts: Scripts, script: Script, owner: str, member: str) -> str:
    """The text of a member of an enum or an object, here or in the module that it comes from."""
    home = _home(scripts, script, owner, _DEPTH)
    if home is None:
        return ""
    start = _opening(home, owner)
    body = home.page.text[start : home.code.close(start)]
    said = re.search(rf"\b{re.escape(member)}['\"]?\s*[=:]\s*(['\"`])([^'\"`$]+)\1", body)
    return said.group(2) if said else ""


def _opening(script: Script, name: str) -> int:
    """Where the body of an enum, an object or a class opens; -1 where it is not of this file."""
    found = re.search(
        rf"\benum\s+{re.escape(name)}\s*\{{|\bclass\s+{re.escape(name)}\b[^{{;]*\{{"
        rf"|\b(?:const|let|var)\s+{re.escape(name)}\b[^={{;]*=\s*(?:Object\.freeze\(\s*)?\{{",
        script.code.blanked,
    )
    return found.end() - 1 if found else -1


def _home(scripts: Scripts, script: Script, name: str, depth: int) -> Script | None:
    """The script that defines what `name` is in `script`, through what modules pass on."""
    key = script.page.path, name
    if key not in scripts.homes:
        scripts.homes[key] = None  # modules may pass on each other's names
        scripts.homes[key] = _found(scripts, script, name, depth)
    return scripts.homes[key]


def _found(scripts: Scripts, script: Script, name: str, depth: int) -> Script | None:
    if _opening(script, name) >= 0:
        return script
    modules = [script.imports[name][0]] if name in script.imports else []
    modules += [module for module, names in script.again if names is None or name in names]
    for module in modules if depth else ():
        path = scripts.resolve(module, script.page.path)
        other = scripts.at(path) if path and scripts.may_have(path, name) else None
        found = _home(scripts, other, name, depth - 1) if other is not None else None
        if found is not None:
            return found
    return None


def made_by_callers(scripts: Scripts, script: Script, call: Call) -> Iterator[Workflow]:
    """The workers of a method that makes one for the queue it is given: one for each call of it,
    with the function that does the work."""
    code = script.code
    asked = code.source(call.arguments[0]) if call.arguments else ""
    method = _around(code, call, asked)
    if not method:
        return
    for other in scripts.holding(f"{method}("):
        for use in other.code.calls(re.escape(method)):
            head = other.code.blanked[max(0, use.start - 20) : use.start]
            if len(use.arguments) < 2 or re.search(r"\b(?:function|static|async)\s+$", head):
                continue
            work = re.match(r"[\w$.]+", other.code.source(use.arguments[1]))
            queue = queue_name(scripts, other, use.arguments[0]) or _looped(scripts, other, use)
            name = queue or (work.group().rpartition(".")[2] if work else "")
            if not name:
                continue
            line = other.code.line(use.start)
            where = Evidence(method, other.page.path, line)
            draft = Draft(name, "bullmq", "worker", where, code.confidence if queue else GUESSED)
            draft.part(name, "worker", line)
            if work:
                draft.task(work.group().rpartition(".")[2], "job", line)
            yield draft.done()


def _around(code: Code, call: Call, parameter: str) -> str:
    """The method, with its class, that has `parameter` and holds the call; "" if none does."""
    if not re.fullmatch(r"[\w$]+", parameter):
        return ""
    for match in reversed(
        list(re.finditer(r"\b(?:static|function)\s+(?:async\s+)?([\w$]+)\s*(?:<[^(){}]*>)?\(",
                         code.blanked[: call.start]))
    ):  # fmt: skip
        head = code.blanked[match.end() : code.close(match.end() - 1)]
        if re.search(rf"\b{re.escape(parameter)}\b", head):
            if match.group().startswith("function"):
                return match.group(1)
            owners = re.findall(r"\bclass\s+([\w$]+)", code.blanked[: match.start()])
            return f"{owners[-1]}.{match.group(1)}" if owners else ""
        break
    return ""


def _looped(scripts: Scripts, script: Script, use: Call) -> str:
    """The name that those of a loop begin with, where a method of a class makes them: shards."""
    code = script.code
    asked = re.match(r"[\w$]+", code.source(use.arguments[0]))
    each = re.escape(asked.group()) if asked else ""
    loops = re.findall(
        rf"\bof\s+([\w$.]+)|\b([\w$]+)\.(?:forEach|map)\(\s*\(?\s*{each}\b",
        code.blanked[max(0, use.start - 600) : use.start],
    )
    if not each or not loops:
        return ""
    names = loops[-1][0] or loops[-1][1]
    made = re.findall(
        rf"\b{re.escape(names)}\s*=\s*([\w$]+)\.([\w$]+)\(", code.blanked[: use.start]
    ) or re.findall(r"^([\w$]+)\.([\w$]+)$", names)
    if not made:
        return ""
    owner, method = made[-1]
    home = _home(scripts, script, owner, _DEPTH)
    if home is None:
        return ""
    start = _opening(home, owner)
    body = home.page.text[start : home.code.close(start)]
    said = re.search(rf"\b{re.escape(method)}\(.*?\$\{{([\w$]+)\.([\w$]+)\}}", body, re.DOTALL)
    return _member(scripts, home, said.group(1), said.group(2)) if said else ""
