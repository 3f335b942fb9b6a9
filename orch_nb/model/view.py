"""How a value shows itself without knowing how it looks.

`.df`, `.graph`, `_repr_mimebundle_` and the `to_*` methods of a value are one descriptor, `View`,
that finds its function by name on first use. So `model` imports neither pandas nor networkx nor
`render`, `import orch_nb` stays cheap, and data still flows one way. `TARGETS` is the only place
where orch_nb imports by name; a test resolves every row of it and every `View` of the package.
The idea of a backend found by lazy name is redun's (`redun/executors/base.py`).
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any, overload

__all__ = ["TARGETS", "Method", "View"]

TARGETS: dict[str, str] = {
    "plan.df": "orch_nb.render.frame:plan_frame",
    "plan.graph": "orch_nb.render.network:plan_graph",
    "plan.show": "orch_nb.render.bundle:plan_bundle",
    "run.df": "orch_nb.render.frame:run_frame",
    "run.graph": "orch_nb.render.network:run_graph",
    "run.show": "orch_nb.render.bundle:shown_run",
    "analysis.df": "orch_nb.render.frame:analysis_frame",
    "analysis.components": "orch_nb.render.frame:components_frame",
    "analysis.workflows": "orch_nb.render.frame:workflows_frame",
    "analysis.links": "orch_nb.render.frame:links_frame",
    "analysis.parts": "orch_nb.render.frame:parts_frame",
    "analysis.touched": "orch_nb.render.frame:touched_frame",
    "analysis.graph": "orch_nb.render.network:analysis_graph",
    "analysis.show": "orch_nb.render.bundle:analysis_bundle",
    "research.df": "orch_nb.render.frame:research_frame",
    "research.fits": "orch_nb.render.frame:fits_frame",
    "research.systems": "orch_nb.render.frame:systems_frame",
    "research.show": "orch_nb.render.bundle:research_bundle",
    "report.df": "orch_nb.render.frame:report_frame",
    "report.by_story": "orch_nb.render.aggregate:story_frames",
    "report.show": "orch_nb.render.bundle:shown_report",
    "report.to_html": "orch_nb.render.page:write_html",
    "report.to_markdown": "orch_nb.render.page:write_markdown",
    "operation.show": "orch_nb.render.bundle:shown_operation",
    "contrast.df": "orch_nb.render.frame:contrast_frame",
    "contrast.show": "orch_nb.render.bundle:contrast_bundle",
    "aftermath.df": "orch_nb.render.frame:aftermath_frame",
    "aftermath.show": "orch_nb.render.systems_table:aftermath_bundle",
    "standing.show": "orch_nb.render.statechart:standing_bundle",
    "statechart.show": "orch_nb.render.statechart:statechart_bundle",
    "translation.df": "orch_nb.render.frame:losses_frame",
    "translation.save": "orch_nb.render.losses:save",
    "translation.show": "orch_nb.render.losses:translation_bundle",
    "execute.heard": "orch_nb.notebook.watching:watched_and_heard",
    "execute.watch": "orch_nb.notebook.watching:watch",
    "execute.watch_async": "orch_nb.notebook.watching:watch_async",
    "schedule.df": "orch_nb.render.frame:schedule_frame",
}


@functools.cache
def resolve(name: str) -> Callable[..., Any]:
    """The function that row `name` of `TARGETS` names."""
    module, _, attribute = TARGETS[name].partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return function


class View:
    """A computed attribute of a value: `plan.df` calls the function that `TARGETS` names."""

    def __init__(self, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, value: None, owner: type) -> View: ...
    @overload
    def __get__(self, value: object, owner: type) -> Any: ...
    def __get__(self, value: object | None, owner: type) -> Any:
        return self if value is None else resolve(self.name)(value)


class Method(View):
    """The same for a method: `report.to_html(path)` calls the function with the value first."""

    @overload
    def __get__(self, value: None, owner: type) -> View: ...
    @overload
    def __get__(self, value: object, owner: type) -> Any: ...
    def __get__(self, value: object | None, owner: type) -> Any:
        if value is None:
            return self
        return functools.partial(self._call, value)

    def _call(self, value: object, *args: Any, **kwargs: Any) -> Any:
        return resolve(self.name)(value, *args, **kwargs)
