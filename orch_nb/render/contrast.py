"""Two runs side by side: a sentence, both timelines over one another, and what differs in tables.

lint    ▇▇▇▇            3 s ─► 4.1 s      above in grey the run before,
        ▇▇▇▇▇▇                            below in its colours the run after
tests   ▇▇▇▇▇▇▇▇▇
          ▇▇▇▇▇▇
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

from orch_nb.model.contrast import Contrast, TaskContrast
from orch_nb.model.quantity import count, duration, number
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import Status
from orch_nb.render.axis import axis_below
from orch_nb.render.document import (
    Badge,
    Block,
    Code,
    Document,
    Drawing,
    Fold,
    Header,
    Line,
    Section,
    Text,
    line,
    said,
)
from orch_nb.render.facts import waited
from orch_nb.render.palette import GREY, look
from orch_nb.render.plaintext import bounded, one_line
from orch_nb.render.rows import table
from orch_nb.render.sketch import text_width
from orch_nb.render.strip import Bar, Label, Shape, strip_png, strip_svg

__all__ = ["contrast_document"]

_ROW, _BAR, _TOP, _CHART = 25.0, 8.0, 20.0, 560.0
_MOST, _FIRST = 40, 60
_OLD = "#d0d7de"


def contrast_document(found: Contrast) -> Document:
    before, after = found.before, found.after
    title = one_line(after.plan.goal.strip().split("\n")[0], 160) or "Untitled"
    facts = f"{_name(before)} beside {_name(after)}"
    differ = [task for task in found.tasks if task.differs]
    blocks: list[Block | None] = [
        _timelines(found), _tasks("What differs", differ), _around(found), _everything(found),
    ]  # fmt: skip
    finding = f"{count(len(differ), 'task')} of {number(len(found.tasks))} with differences"
    section = Section(0, "COMPARE", finding, tuple(b for b in blocks if b is not None), True)
    return Document(Header(title, str(after.status), facts, (said(found.sentence),)), (section,))


def _name(run: Run) -> str:
    return f"run {run.run_id} ({look(str(run.status))}, {duration(run.duration_s) or 'running'})"


def _everything(found: Contrast) -> Block | None:
    whole = _tasks("", found.tasks)
    if whole is None or all(task.differs for task in found.tasks):
        return None
    return Fold(line(Text(f"All {count(len(found.tasks), 'task')}", muted=True)), (whole,))


def _tasks(caption: str, tasks: list[TaskContrast] | tuple[TaskContrast, ...]) -> Block | None:
    rows = [
        (
            line(one_line(task.title or task.task, 80)),
            _plan(task),
            _state(task.status_before),
            _state(task.status_after),
            line(duration(task.duration_before_s)),
            line(duration(task.duration_after_s)),
            line(_signed(task.apart_s)),
            line(_pair(task.attempts_before, task.attempts_after)),
            line(waited(task.wait_before_s)),
            line(waited(task.wait_after_s)),
            _result(task),
        )
        for task in tasks[:_FIRST]
    ]
    titles = ("task", "plan", "before", "after", "ran before", "ran after", "apart", "attempts",
              "waited before", "waited after", "result")  # fmt: skip
    return table(
        caption, titles, rows,
        numeric=("ran before", "ran after", "apart", "waited before", "waited after"),
        wrap=("plan", "result"), left_out=max(0, len(tasks) - _FIRST),
    )  # fmt: skip


def _plan(task: TaskContrast) -> Line:
    return line(task.change, f": {', '.join(task.changed)}" if task.changed else "")


def _state(status: str) -> Line:
    return line(Badge(status)) if status else ()


def _pair(one: int | None, other: int | None) -> str:
    if one == other or one is None or other is None:
        tries = (other if other is not None else one) or 0
        return number(tries) if tries > 1 else ""
    return f"{one} → {other}"


def _signed(seconds: float | None) -> str:
    if seconds is None or abs(seconds) < 0.0005:
        return ""
    return duration(seconds) if seconds < 0 else f"+{duration(seconds)}"


def _result(task: TaskContrast) -> Line:
    if task.same_result is not False:
        return line(Text("same", muted=True)) if task.same_result else ()
    one, other = (one_line(text, 120) for text in (task.result_before, task.result_after))
    if one == other:
        return line(Code(other), " (other bytes)")
    return line(Code(one), " → ", Code(other))


def _around(found: Contrast) -> Block | None:
    rows = [
        (line(one.kind), line(one_line(one.name, 80)), line(one_line(one.before, 160)),
         line(one_line(one.after, 160)))
        for one in found.differences[:_FIRST]
    ]  # fmt: skip
    return table(
        "Options, parameters, environment", ("kind", "name", "before", "after"), rows,
        wrap=("before", "after"), left_out=max(0, len(found.differences) - _FIRST),
    )  # fmt: skip


# -- both timelines over one another -------------------------------------------------------------


def _timelines(found: Contrast) -> Drawing | None:
    rows, left = _rows(found)
    ends = [_until(done, run) for pair in rows for done, run in _sides(found, pair)]
    if not ends:
        return None
    names = [bounded(one_line(task.title or task.task), 30) for task in rows]
    bottom = _TOP + _ROW * len(rows) + 2
    lines = axis_below(names, max(*ends, 0.001), wide=_CHART, top=_TOP, bottom=bottom)
    start, scale, shapes = lines.start, lines.scale, [*lines.shapes]
    right = start + _CHART
    for n, (task, name) in enumerate(zip(rows, names, strict=True)):
        y = _TOP + _ROW * n + 3
        shapes.append(Label(start - 8, y + _BAR + 4, name, "end"))
        for done, run in _sides(found, task):
            old = run is found.before
            shapes += _bars(done, run, start, scale, y if old else y + _BAR + 2, old=old)
        told, words = _told(task)
        x = _end(shapes, y, start) + 6
        shapes.append(Label(x, y + _BAR + 4, told, "start", words=words))
        right = max(right, x + text_width(told, 11))
    shapes += _legend(found, start, bottom, left)
    width, height = right + 12, bottom + 18
    return Drawing(
        svg=strip_svg(shapes, width, height), alt=_alt(found, rows), width=width, height=height,
        png=functools.partial(strip_png, tuple(shapes), width, height),
    )  # fmt: skip


def _end(shapes: list[Shape], y: float, start: float) -> float:
    """Where the last bar of the row at `y` ends."""
    ends = (s.x + s.width for s in shapes if isinstance(s, Bar) and y <= s.y <= y + _BAR + 2)
    return max(ends, default=start)


def _rows(found: Contrast) -> tuple[list[TaskContrast], int]:
    """All of a few tasks; of many those whose times are furthest apart; in the order in which they
    began, and how many have no row."""
    begun = [task for task in found.tasks if next(_sides(found, task), None) is not None]
    order = {task.task: n for n, task in enumerate(sorted(begun, key=lambda t: _first(found, t)))}
    far = sorted(begun, key=lambda task: (not task.differs, -abs(task.apart_s or 0.0)))
    kept = sorted(far[:_MOST], key=lambda task: order[task.task])
    return kept, len(begun) - len(kept)


def _first(found: Contrast, task: TaskContrast) -> float:
    return min(_since(done, run) for done, run in _sides(found, task))


def _sides(found: Contrast, task: TaskContrast) -> Iterator[tuple[TaskRun, Run]]:
    for run in (found.before, found.after):
        if task.task in run.plan and run[task.task].started is not None:
            yield run[task.task], run


def _since(done: TaskRun, run: Run) -> float:
    assert done.started is not None
    return max(0.0, (done.started - run.started).total_seconds())


def _until(done: TaskRun, run: Run) -> float:
    end = done.finished or run.finished or done.started
    assert end is not None
    return max(0.0, (end - run.started).total_seconds())


def _bars(
    done: TaskRun, run: Run, start: float, scale: float, y: float, *, old: bool
) -> list[Shape]:
    shown = look(str(done.status))
    fill, stroke = (_OLD, GREY) if old else (shown.fill, shown.text)
    which = "before" if old else "after"
    last = done.finished or run.finished or done.started
    spans = [(a.started, a.finished or run.finished or a.started) for a in done.attempts]
    if not spans and done.started is not None and last is not None:
        spans = [(done.started, last)]
    found: list[Shape] = []
    for begun, ended in spans:
        x = start + max(0.0, (begun - run.started).total_seconds()) * scale
        wide = max(2.0, (ended - begun).total_seconds() * scale)
        found.append(
            Bar(x, y, wide, _BAR, fill, stroke, hatched=not done.attempts,
                title=f"{which}: {shown.word}")
        )  # fmt: skip
    return found


def _told(task: TaskContrast) -> tuple[str, str]:
    """What stands beside the bars, with glyphs and in words."""
    sides = []
    for status, took in (
        (task.status_before, task.duration_before_s),
        (task.status_after, task.duration_after_s),
    ):
        shown = look(status) if status else None
        time = duration(took)
        sides.append(
            (f"{shown.glyph} {time}".strip(), f"{shown.word} {time}".strip())
            if shown is not None
            else ("not in the plan", "not in the plan")
        )
    return f"{sides[0][0]} → {sides[1][0]}", f"{sides[0][1]}, then {sides[1][1]}"


def _legend(found: Contrast, start: float, bottom: float, left: int) -> list[Shape]:
    shown = look(str(Status.SUCCEEDED))
    y = bottom + 8
    one = f"before: {bounded(one_line(found.before.run_id), 40)}"
    other = f"after: {bounded(one_line(found.after.run_id), 40)}"
    second = start + 24 + text_width(one, 10) + 14
    more = f"{count(left, 'task')} of less difference not drawn" if left else ""
    shapes: list[Shape] = [
        Bar(start, y - 2, 18, 7, _OLD, GREY), Label(start + 24, y + 5, one, "start", 10),
        Bar(second, y - 2, 18, 7, shown.fill, shown.text),
        Label(second + 24, y + 5, other, "start", 10),
    ]  # fmt: skip
    if more:
        shapes.append(Label(second + 38 + text_width(other, 10), y + 5, more, "start", 10))
    return shapes


def _alt(found: Contrast, rows: list[TaskContrast]) -> str:
    told = "; ".join(f"{one_line(task.title or task.task, 60)}: {_told(task)[1]}" for task in rows)
    return bounded(
        f"Timelines of run {one_line(found.before.run_id, 60)} and run "
        f"{one_line(found.after.run_id, 60)} over one another. {told}.", 4000,
    )  # fmt: skip
