"""What the task of a signature is called with, as `with` of a plan says it.

add.s(4) after add        with: {"*": ["{{ add }}", 4]}        or, where its parameters are
                          with: {x: "{{ add }}", y: 4}         known: def add(x, y)
total.s() after a group   with: {"*": ["{{ [count, count_2] }}"]}
add.starmap([(1, 2)])     foreach: [[1, 2]], with: {"*": "{{ item }}"}
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from orch_nb.formats.celery.pieces import Signature, Value, Wired
from orch_nb.graph.expressions import LONGEST, RESERVED
from orch_nb.model.parameters import STAR
from orch_nb.model.task import Foreach

__all__ = ["called", "expression", "too_long"]

_WORDS = frozenset(
    "true false none True False None and or not in is if else for import self super caller "
    "varargs kwargs loop".split()
)
_FEW = 8


def called(
    wired: Wired, names: Sequence[str], parameters: Sequence[str] | None, own: str
) -> dict[str, Any]:
    """`with` and `foreach` of a task. `names` are the tasks by place, `parameters` those of its
    function where they are known and are all that it takes."""
    signature = wired.signature
    if signature.over:
        return _over(signature, parameters)
    args = list(signature.args)
    if wired.first is not None:
        args.insert(0, "{{ " + expression(wired.first, names, wired.before) + " }}")
    kwargs = dict(signature.kwargs)
    if parameters is None or len(args) > len(parameters):
        # Without `*` a function that takes anything would get the results by name as well.
        return {"with_": {STAR: args, **kwargs} if args or wired.before else kwargs}
    named = dict(zip(parameters, args, strict=False)) | kwargs
    taken_for_needs = {one for one in parameters if one not in named} & ({*names} - {own})
    if taken_for_needs:
        return {"with_": {STAR: args, **kwargs}}
    return {"with_": named}


def _over(signature: Signature, parameters: Sequence[str] | None) -> dict[str, Any]:
    items = signature.items or []
    if signature.over == "starmap":
        return {"foreach": Foreach(items), "with_": {STAR: "{{ item }}"}}
    if parameters:
        return {"foreach": Foreach(items, parameters[0])}
    return {"foreach": Foreach(items), "with_": {STAR: ["{{ item }}"]}}


def expression(value: Value, names: Sequence[str], before: Sequence[int]) -> str:
    """A value in the words of an expression."""
    if isinstance(value, int):
        return _name(names[value])
    if len(value) > _FEW and value == list(before):
        return "dict(results).values() | list"
    return "[" + ", ".join(expression(one, names, ()) for one in value) + "]"


def _name(name: str) -> str:
    if name.isidentifier() and name not in RESERVED and name not in _WORDS:
        return name
    return f"results[{name!r}]"


def too_long(with_: Mapping[str, Any]) -> bool:
    """Whether a template is longer than any may be."""
    star = with_.get(STAR)
    values: Collection[Any] = [*with_.values(), *(star if isinstance(star, list) else ())]
    return any(isinstance(one, str) and len(one) > LONGEST and one[:2] == "{{" for one in values)
