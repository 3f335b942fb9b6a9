"""What git would ignore in a workspace: `.gitignore` of every folder, and what stands outside them.

git's rule: the last pattern that speaks of a path decides, those of a deeper file over those of an
upper one. Most lines name a file, a folder or a suffix, and are looked up; the rest goes to
`pathspec`, which speaks git's whole pattern language.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

import pathspec

__all__ = ["Ignores", "Rules", "outside"]

_NAME = re.compile(r"[\w.@ +~-]+")
_SUFFIX = re.compile(r"\*(\.\w+)")


class Rules:
    """The patterns of one file. `decide` says what they make of a path: ignored, kept, or None."""

    __slots__ = ("_folders", "_names", "_spec", "_suffixes")

    def __init__(self, lines: Iterable[str]) -> None:
        kept = [line.rstrip("\r\n") for line in lines]
        kept = [line for line in kept if line.strip() and not line.startswith("#")]
        self._names: set[str] = set()
        self._folders: set[str] = set()
        self._suffixes: set[str] = set()
        self._spec: pathspec.GitIgnoreSpec | None = None
        # After the last exception the order of lines matters no more: any that speaks decides.
        free = max((n for n, line in enumerate(kept) if line.startswith("!")), default=-1) + 1
        rest = kept[:free] + [line for line in kept[free:] if not self._simple(line.rstrip())]
        if rest:
            self._spec = pathspec.GitIgnoreSpec.from_lines(rest)

    def _simple(self, line: str) -> bool:
        bare = line.removesuffix("/")
        if _NAME.fullmatch(bare):
            (self._folders if line.endswith("/") else self._names).add(bare)
            return True
        if (match := _SUFFIX.fullmatch(line)) is not None:
            self._suffixes.add(match.group(1))
            return True
        return False

    def decide(self, path: str, name: str, *, folder: bool) -> bool | None:
        """`path` is relative to the folder of the rules, `name` its last part."""
        if name in self._names or (folder and name in self._folders):
            return True
        if self._suffixes and os.path.splitext(name)[1] in self._suffixes:
            return True
        if self._spec is None:
            return None
        return self._spec.check_file(f"{path}/" if folder else path).include


class Ignores:
    """The rules that hold in a folder: its own, then those above it, then those from outside."""

    __slots__ = ("_layers",)

    def __init__(self, layers: tuple[tuple[str, Rules], ...] = ()) -> None:
        self._layers = layers

    def below(self, folder: str, text: str) -> Ignores:
        """These and those of a `.gitignore` in `folder`."""
        try:
            rules = Rules(text.splitlines())
        except ValueError:
            return self  # git reads on over a pattern that is none
        return Ignores(((f"{folder}/" if folder else "", rules), *self._layers))

    def ignored(self, path: str, name: str, *, folder: bool) -> bool:
        for prefix, rules in self._layers:
            verdict = rules.decide(path[len(prefix) :], name, folder=folder)
            if verdict is not None:
                return verdict
        return False


def outside(root: str) -> Ignores:
    """What is ignored by files that are not in the workspace: those of the folders above it up to
    the repository's own, `.git/info/exclude`, and the person's global excludes."""
    above: list[str] = []
    at = root
    while not os.path.exists(os.path.join(at, ".git")):
        upper = os.path.dirname(at)
        if upper == at:
            above = []  # no repository: nothing above has a say
            at = root
            break
        at = upper
        above.append(at)
    layers: list[tuple[str, Rules]] = []
    for place in above:
        inner = os.path.relpath(root, place).replace(os.sep, "/") + "/"
        layers += _layer(os.path.join(place, ".gitignore"), inner)
    rest = os.path.relpath(root, at).replace(os.sep, "/").split("/") if above else []
    if any(_covers(rules, rest) for _, rules in layers):
        layers = []  # who names a folder that the repository ignores wants to see it all the same
    layers += _layer(os.path.join(at, ".git", "info", "exclude"), "")
    layers += _layer(_global_excludes(), "")
    return Ignores(tuple(layers))


def _covers(rules: Rules, rest: list[str]) -> bool:
    """Whether rules of a folder above ignore the workspace itself, or a folder it is in."""
    if not isinstance(rules, _Above):
        return False
    inner = rules.inner.rstrip("/").split("/")
    skipped = len(rest) - len(inner)
    parts = rest[skipped:]
    return any(
        Rules.decide(rules, "/".join(parts[: n + 1]), part, folder=True) is True
        for n, part in enumerate(parts)
    )


class _Above(Rules):
    """Rules of a folder above the workspace: paths are lengthened before they are asked."""

    __slots__ = ("inner",)

    def __init__(self, lines: Iterable[str], inner: str) -> None:
        super().__init__(lines)
        self.inner = inner

    def decide(self, path: str, name: str, *, folder: bool) -> bool | None:
        return super().decide(self.inner + path, name, folder=folder)


def _layer(path: str, inner: str) -> list[tuple[str, Rules]]:
    text = read_text(path)
    if not text:
        return []
    try:
        return [("", _Above(text.splitlines(), inner) if inner else Rules(text.splitlines()))]
    except ValueError:
        return []


def _global_excludes() -> str:
    home = os.path.expanduser("~")
    config = read_text(os.path.join(home, ".gitconfig"))
    if match := re.search(r"(?im)^\s*excludesfile\s*=\s*\"?([^\"\n]+)", config):
        return os.path.expanduser(match.group(1).strip())
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    return os.path.join(base, "git", "ignore")


def read_text(path: str) -> str:
    """The text of a file, "" where there is none that can be read: then it ignores nothing."""
    try:
        with open(path, encoding="utf-8-sig", errors="replace") as handle:
            return handle.read(1_000_000)
    except OSError:
        return ""
