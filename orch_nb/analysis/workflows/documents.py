"""YAML documents with their lines, as the readers of configuration files need them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

__all__ = ["child", "documents", "entries", "items", "line", "text", "texts", "under"]

_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_ALIASES = 300


def documents(source: str) -> list[yaml.Node]:
    """The documents of a file; raises ValueError where it does not parse.

    Tags are not resolved. More than a few hundred aliases are refused: that is how a small file
    becomes a huge one.
    """
    if len(re.findall(r"(?m)[\s\[,-]\*[\w.-]+", source)) > _ALIASES:
        raise ValueError("too many aliases")
    try:
        return [node for node in yaml.compose_all(source, Loader=_LOADER) if node is not None]
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error).replace("\n", " ")[:120]) from None


def entries(node: yaml.Node | None) -> Iterator[tuple[str, yaml.Node, int]]:
    """(key, value, line of the key) of a mapping; merged ones (`<<`) behind its own."""
    if not isinstance(node, yaml.MappingNode):
        return
    merged: list[yaml.Node] = []
    for key, value in node.value:
        if key.value == "<<":
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
        elif isinstance(key, yaml.ScalarNode):
            yield str(key.value), value, key.start_mark.line + 1
    for other in merged:
        yield from entries(other)


def child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    return next((value for name, value, _ in entries(node) if name == key), None)


def under(node: yaml.Node | None, *keys: str) -> yaml.Node | None:
    """The value at a path of keys; None where there is none."""
    for key in keys:
        node = child(node, key)
    return node


def items(node: yaml.Node | None) -> list[yaml.Node]:
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def text(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def texts(node: yaml.Node | None) -> list[str]:
    """A text, or a list of them, as a list."""
    if isinstance(node, yaml.ScalarNode):
        return [text(node)] if node.value else []
    return [text(item) for item in items(node) if text(item)]


def line(node: yaml.Node) -> int:
    return node.start_mark.line + 1
