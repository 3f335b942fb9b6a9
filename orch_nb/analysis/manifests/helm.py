"""Helm charts: templates are no YAML until they are rendered, so they are rendered here by rules.

What a rule knows: `.Values` (of `values.yaml`), the chart's own name, `include` of the chart's own
helpers, `default`, `quote`, `printf`. Conditions are decided by the values; `range` and `with`
stand once. What no rule knows becomes a word that names nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from orch_nb.analysis.declared import Declared, Surroundings, line_of
from orch_nb.analysis.images import known_image
from orch_nb.analysis.manifests.kubernetes import looks_like_kubernetes, workloads
from orch_nb.analysis.manifests.yaml_nodes import (
    child,
    compose_nodes,
    documents,
    items,
    line,
    plain,
    scalar,
)
from orch_nb.analysis.scan import File

__all__ = ["chart", "chart_of", "template"]

_TAG = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_CODE_IS_HERE = (
    "Dockerfile", "package.json", "go.mod", "pom.xml", "build.gradle", "build.gradle.kts",
    "pyproject.toml", "Cargo.toml", "requirements.txt", "Gemfile", "composer.json", "mix.exs",
)  # fmt: skip
_UNKNOWN = "unknown"
#: The name of a release, until it is taken out of the names that it is put before.
_RELEASE = "release0name"
_DEPTH = 6


def chart_of(path: str, around: Surroundings) -> str | None:
    """The folder of the chart that a template belongs to; None if it belongs to none."""
    folder, slash, _ = path.rpartition("/templates/")
    if not slash:
        if not path.startswith("templates/"):
            return None
        folder = ""
    return folder if around.has(f"{folder}/Chart.yaml" if folder else "Chart.yaml") else None


def chart(text: str, file: File, around: Surroundings) -> Iterable[Declared]:
    """What a chart brings along from other charts: stores and queues by their names."""
    values = _values(file.folder, around)
    for one in items(child(compose_nodes(text), "dependencies")):
        name = scalar(child(one, "alias")) or scalar(child(one, "name"))
        known = known_image(scalar(child(one, "name")))
        condition = scalar(child(one, "condition")).partition(",")[0]
        if known is None or not name:
            continue
        off = condition and _looked_up(condition.split("."), values) in (False, "false", None)
        yield Declared(
            name=name, kind=known[1], path=file.path, line=line(one), text="from another chart",
            system="helm", language=known[0] if known[1] != "support" else "",
            confidence=0.5 if off else 0.85, optional="optional: off by default" if off else "",
            aliases=(f"{_chart_name(file.folder, around)}-{name}",),
        )  # fmt: skip


def template(text: str, file: File, around: Surroundings) -> Iterable[Declared]:
    """What a template deploys."""
    folder = chart_of(file.path, around)
    if folder is None or not re.search(r"kind:", text) or "apiVersion" not in text:
        return
    rules = around.memo.get(f"helm:{folder}")
    if rules is None:
        rules = around.memo[f"helm:{folder}"] = _Rules(folder, around)
    rendered, optional = rules.render(text)
    if not looks_like_kubernetes(rendered):
        return
    for part in _parsed(rendered):
        try:
            roots = documents(part)
        except ValueError:
            roots = documents(_bare(part))  # of what the rules cannot render, names and images
        for one in workloads(roots, file, "helm", optional=optional):
            if _UNKNOWN not in one.name:
                line = one.line if one.line and one.line > 1 else line_of(text, r"^kind:")
                short = one.name.removeprefix(f"{rules.own}-").removeprefix(f"{rules.name}-")
                yield msgspec.structs.replace(
                    one, line=line, name=short, aliases=(*one.aliases, one.name),
                    folder=_beside(folder, around) if one.name == rules.own else None,
                )  # fmt: skip


def _beside(folder: str, around: Surroundings) -> str | None:
    """The folder of the code that a chart deploys, where it stands in the midst of it."""
    above = folder.rpartition("/")[0]
    while above:
        if any(around.has(f"{above}/{name}") for name in _CODE_IS_HERE):
            return above
        if above.rpartition("/")[2].lower() not in {"chart", "charts", "helm", "deploy", "k8s"}:
            return None
        above = above.rpartition("/")[0]
    return None


def _parsed(text: str) -> list[str]:
    """The documents of a stream, each with the lines before it blank, so that lines hold."""
    parts, before = [], 0
    for part in re.split(r"(?m)^---.*\n?", text):
        if part.strip():
            parts.append("\n" * before + part)
        before += part.count("\n") + 1
    return parts


def _bare(text: str) -> str:
    """Of a resource that does not parse, the lines by which it is known."""
    kind = re.search(r"(?m)^kind:\s*(\w+)", text)
    name = re.search(r"(?m)^\s{2}name:\s*(\S+)", text)
    image = re.search(r"(?m)^\s*(?:- )?image:\s*(\S+)", text)
    if not (kind and name):
        return ""
    return (
        f"apiVersion: v1\nkind: {kind.group(1)}\nmetadata: {{name: {name.group(1)}}}\n"
        "spec: {template: {spec: {containers: [{name: main, image: "
        f"{image.group(1) if image else 'none'}}}]}}}}}}\n"
    )


def _chart_name(folder: str, around: Surroundings) -> str:
    text = around.text(f"{folder}/Chart.yaml" if folder else "Chart.yaml")
    match = re.search(r"(?m)^name:\s*['\"]?([\w.-]+)", text)
    return match.group(1) if match else folder.rpartition("/")[2]


def _values(folder: str, around: Surroundings) -> dict[str, Any]:
    text = around.text(f"{folder}/values.yaml" if folder else "values.yaml")
    try:
        found = plain(compose_nodes(text)) if text else {}
    except ValueError:
        return {}  # told where it is read; the templates are read without it
    return found if isinstance(found, dict) else {}


def _looked_up(path: list[str], values: Any) -> Any:
    for key in path:
        if not isinstance(values, dict) or key not in values:
            return None
        values = values[key]
    return values


class _Rules:
    """What a template of one chart may say."""

    def __init__(self, folder: str, around: Surroundings) -> None:
        self.values = _values(folder, around)
        self.name = _chart_name(folder, around)
        named = self.values.get("fullnameOverride") or self.values.get("nameOverride")
        self.own = named if isinstance(named, str) and named else self.name
        self.helpers: dict[str, str] = {}
        for file in around.under(f"{folder}/templates" if folder else "templates"):
            if file.name.endswith(".tpl"):
                text = around.text(file.path)
                for match in re.finditer(
                    r"\{\{-?\s*define\s+\"([^\"]+)\"\s*-?\}\}(.*?)(?=\{\{-?\s*define\s|\Z)",
                    text,
                    re.DOTALL,
                ):
                    self.helpers[match.group(1)] = match.group(2)

    def render(self, text: str) -> tuple[str, str]:
        """The text as YAML, line by line, and why it is optional, if it is."""
        out: list[str] = []
        optional = ""
        stack: list[tuple[bool, bool]] = []  # whether a block stands, whether one of its arms did
        lines = re.sub(r"\{\{-?\s*/\*.*?\*/\s*-?\}\}", lambda m: "\n" * m[0].count("\n"), text,
                       flags=re.DOTALL).splitlines()  # fmt: skip
        for n, one in enumerate(lines):
            tags = [tag.strip() for tag in _TAG.findall(one)]
            words = [tag.split(None, 1)[0] if tag else "" for tag in tags]
            alone = bool(tags) and _TAG.sub("", one).strip() == ""
            if alone and words[0] in {"if", "range", "with", "define", "block", "else", "end"}:
                for tag, word in zip(tags, words, strict=True):
                    if word in {"if", "range", "with", "define", "block"}:
                        stands = word != "if" or self._holds(tag[2:].strip())
                        if not stands and _has_kind(lines, n):
                            stands, optional = True, "optional: off by default"
                        stack.append((stands, stands))
                    elif word == "else" and stack:
                        _, stood = stack[-1]
                        arm = not stood and (
                            " if " not in f" {tag} " or self._holds(tag.partition(" if ")[2])
                        )
                        stack[-1] = (arm, stood or arm)
                    elif word == "end" and stack:
                        stack.pop()
                out.append("")
            elif not all(stands for stands, _ in stack) or (
                alone and (re.search(r"toYaml|nindent|tpl |:=|fail ", one))
            ):
                out.append("")
            else:
                out.append(_TAG.sub(lambda match: self.value(match.group(1)), one))
        made = "\n".join(out) + "\n"
        for name in (f"{_RELEASE}-", f"-{_RELEASE}", _RELEASE):
            made = made.replace(name, "")
        return made, optional

    def _holds(self, condition: str) -> bool:
        """Whether a condition holds by the values; what is unknown holds."""
        condition = condition.strip().strip("()")
        if match := re.fullmatch(r"not\s+(.+)", condition):
            return not self._holds(match.group(1))
        if match := re.match(r"(eq|ne)\s+(\S+)\s+\"?([^\"\s]*)\"?$", condition):
            same = self.value(match.group(2)) == match.group(3)
            return same if match.group(1) == "eq" else not same
        if match := re.match(r"and\s+(\S+)\s+(\S+)$", condition):
            return self._holds(match.group(1)) and self._holds(match.group(2))
        if match := re.match(r"or\s+(\S+)\s+(\S+)$", condition):
            return self._holds(match.group(1)) or self._holds(match.group(2))
        if match := re.fullmatch(r"\$?\.Values\.([\w.]+)", condition):
            found = _looked_up(match.group(1).split("."), self.values)
            return found not in (None, "", "false", "0", {}, [])
        return True

    def value(self, tag: str, depth: int = 0) -> str:
        """What an expression is, in one word."""
        first, *rest = [part.strip() for part in tag.split("|")]
        found = self._term(first.strip(), depth)
        for one in rest:
            word, _, more = one.partition(" ")
            if word == "default" and found in {"", _UNKNOWN}:
                found = self._term(more.strip(), depth)
            elif word == "trimSuffix" and more:
                found = found.removesuffix(more.strip().strip('"'))
            elif word == "lower":
                found = found.lower()
        return found.strip().strip("-") if "include" in first or "template" in first else found

    def _term(self, term: str, depth: int) -> str:  # noqa: PLR0911  # a table of cases
        term = term.removeprefix("(").removesuffix(")").strip() if term.startswith("(") else term
        if term.startswith('"'):
            return term.strip('"')
        if match := re.match(r"(?:include|template)\s+\"([^\"]+)\"", term):
            return self._helper(match.group(1), depth)
        if term.startswith((".Release.", "$.Release.")):
            return _RELEASE if term.endswith(".Name") else ""
        if re.match(r"\$?\.Chart\.(Name)", term):
            return self.name
        if match := re.fullmatch(r"\$?\.Values\.([\w.-]+)", term):
            found = _looked_up(match.group(1).split("."), self.values)
            return found if isinstance(found, str) else _UNKNOWN if found is None else ""
        if match := re.match(r"default\s+(\S+)\s+(.+)", term):
            found = self._term(match.group(2), depth)
            return found if found not in {"", _UNKNOWN} else self._term(match.group(1), depth)
        if match := re.match(r"printf\s+\"([^\"]*)\"\s*(.*)", term):
            parts = re.findall(r"\([^)]*\)|\"[^\"]*\"|\S+", match.group(2))
            made = match.group(1)
            for part in parts:
                made = re.sub(r"%[sdv]", lambda _, p=part: self._term(p, depth), made, count=1)
            return re.sub(r"%[sdv]", "", made)
        if match := re.match(r"(?:quote|required\s+\"[^\"]*\"|tpl|lower|toString)\s+(\S+)", term):
            return self._term(match.group(1), depth)
        return _UNKNOWN

    def _helper(self, name: str, depth: int) -> str:
        """A helper of the chart: its name where it makes names, else its first words."""
        if name.endswith((".fullname", ".name", ".chart")) and name.count(".") == 1:
            return self.own
        body = self.helpers.get(name, "")
        if not body or depth > _DEPTH:
            return self.name if name.endswith("name") and body else _UNKNOWN
        for one in body.splitlines():
            tags = _TAG.findall(one)
            words = {tag.split(None, 1)[0] for tag in tags if tag}
            if words & {"if", "else", "end", "with", "range"} or not one.strip() or (
                tags and ":=" in tags[0]
            ):  # fmt: skip
                continue
            made = _TAG.sub(lambda match: self.value(match.group(1), depth + 1), one).strip()
            if made and _UNKNOWN not in made:
                return made.strip("-")
        return _UNKNOWN


def _has_kind(lines: list[str], at: int) -> bool:
    """Whether the block that opens on a line holds a resource as a whole."""
    depth = 0
    for one in lines[at:]:
        if re.match(r"kind:\s*\w", one):
            return True
        for tag in _TAG.findall(one):
            word = tag.split(None, 1)[0] if tag.strip() else ""
            depth += word in {"if", "range", "with", "define", "block"}
            depth -= word == "end"
        if depth <= 0:
            return False
    return False
