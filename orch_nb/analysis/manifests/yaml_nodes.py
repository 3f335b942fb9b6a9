"""YAML as nodes that know their line, bounded: no tag is resolved, no bomb goes off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

__all__ = [
    "child", "compose_nodes", "documents", "entries", "items", "line", "plain", "scalar", "walk",
]  # fmt: skip

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MOST_ALIASES = 200
_MOST_BYTES = 1_000_000
_MOST_DOCUMENTS = 500


def compose_nodes(text: str) -> yaml.MappingNode | None:
    """The root mapping of a YAML document, with lines; None if it is something else.

    Tags are not resolved, so `!reset` and the like do no harm. Raises ValueError if it does not
    parse, or refers to more than a few anchors, which is how a small file becomes a huge one.
    """
    _checked(text)
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error).replace("\n", " ")[:120]) from None
    return node if isinstance(node, yaml.MappingNode) else None


def documents(text: str) -> list[yaml.MappingNode]:
    """The mappings of a stream of YAML documents. Raises ValueError as `compose_nodes`."""
    _checked(text)
    found = []
    try:
        for node in yaml.compose_all(text, Loader=_LOADER):
            if isinstance(node, yaml.MappingNode):
                found.append(node)
            if len(found) >= _MOST_DOCUMENTS:
                break
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(str(error).replace("\n", " ")[:120]) from None
    return found


def _checked(text: str) -> None:
    if len(text) > _MOST_BYTES:
        raise ValueError("too big to be a manifest")
    if len(re.findall(r"(?m)[\s\[,-]\*[\w.-]+", text)) > _MOST_ALIASES:
        raise ValueError("too many aliases")


def child(node: yaml.Node | None, *keys: str) -> yaml.Node | None:
    """The value below `keys`, one in the other; the first that stands there, merges included."""
    for key in keys:
        node = _child(node, key, 0)
    return node


def _child(node: yaml.Node | None, key: str, depth: int) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode) or depth > 8:
        return None
    merged: list[yaml.Node] = []
    for name, value in node.value:
        if name.value == key:
            return value  # type: ignore[no-any-return]
        if name.value == "<<":
            merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
    for other in merged:
        if (found := _child(other, key, depth + 1)) is not None:
            return found
    return None


def entries(node: yaml.Node | None) -> Iterator[tuple[str, int, yaml.Node]]:
    """The entries of a mapping: key, line of the key, value; merges after its own."""
    if isinstance(node, yaml.MappingNode):
        merged: list[yaml.Node] = []
        for name, value in node.value:
            if name.value == "<<":
                merged += value.value if isinstance(value, yaml.SequenceNode) else [value]
            elif isinstance(name, yaml.ScalarNode):
                yield name.value, line(name), value
        for other in merged[:20]:
            if other is not node:
                yield from entries(other)


def items(node: yaml.Node | None) -> list[yaml.Node]:
    """The items of a sequence; none of anything else."""
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def scalar(node: yaml.Node | None) -> str:
    """The words of a scalar, "" for anything else (null is one)."""
    if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
        return ""
    return str(node.value)


def line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def walk(node: yaml.Node | None, depth: int = 0) -> Iterator[yaml.ScalarNode]:
    """Every scalar value below `node`, down to a depth that no manifest has."""
    if isinstance(node, yaml.ScalarNode):
        yield node
    elif depth < 12 and isinstance(node, yaml.MappingNode):
        for _, value in node.value:
            yield from walk(value, depth + 1)
    elif depth < 12 and isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from walk(value, depth + 1)


def plain(node: yaml.Node | None, depth: int = 0) -> Any:
    """A node as strings, lists and dicts, for what needs no lines."""
    if depth > 12:
        return ""
    if isinstance(node, yaml.MappingNode):
        return {key: plain(value, depth + 1) for key, _, value in entries(node)}
    if isinstance(node, yaml.SequenceNode):
        return [plain(value, depth + 1) for value in node.value]
    return scalar(node)
