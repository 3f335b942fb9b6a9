"""A run on the axis of its time (Gantt 1910): a bar a task, in the order they began.

The plan's bar lies under the run's where there are estimates; ticks part attempts; a pause before
another attempt, and a wait for a person, are hatched; an attempt that was lost with its process is
hollow. A `foreach` task is a band, as high as the number of its instances that ran at once, with
some of them below it (`lanes`). `strip` writes the shapes that are decided here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime, timedelta

from orch_nb.graph.critical_path import planned_s
from orch_nb.model.account import on_purpose
from orch_nb.model.quantity import count, duration, number
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import Status
from orch_nb.render.alternative import timeline_alt
from orch_nb.render.attempts import attempt_state
from orch_nb.render.axis import axis_below
from orch_nb.render.document import Drawing
from orch_nb.render.facts import Mark, situation
from orch_nb.render.lanes import MOST_ROWS, Lane, at_once, lanes
from orch_nb.render.palette import GREY, look
from orch_nb.render.saga import state_of
from orch_nb.render.sketch import text_width
from orch_nb.render.strip import Bar, Label, Shape, strip_png, strip_svg

__all__ = ["MOST_ROWS", "timeline"]

_ROW, _BAR, _TOP, _CHART = 21.0, 13.0, 20.0, 620.0
_PARTS = 200
_BAD = 300


def timeline(run: Run, now: datetime | None = None) -> Drawing | None:
    """The timeline of a run; None where nothing has begun.

    `now` ends the bars of a run that goes on; without it the last thing that is known does.
    """
    rows, tasks_left, instances_left = lanes(run)
    if not rows:
        return None
    end = run.finished or now or _last(run)
    total = max((end - run.started).total_seconds(), planned_s(run.plan) or 0.0, 0.001)
    left = [count(tasks_left, "task")] if tasks_left else []
    left += [count(instances_left, "instance")] if instances_left else []
    shapes, width, height = _shapes(run, rows, end, total, left=" and ".join(left))
    return Drawing(
        svg=strip_svg(shapes, width, height),
        alt=timeline_alt(run, rows),
        width=width,
        height=height,
        png=functools.partial(strip_png, tuple(shapes), width, height),
    )


def _last(run: Run) -> datetime:
    every = [done for part in (run.tasks, run.derived) for done in part]
    times = [t for done in every for t in (done.started, done.finished) if t is not None]
    times += [a.finished or a.started for done in every for a in done.attempts]
    return max(times, default=run.started)


def _shapes(
    run: Run, rows: list[Lane], end: datetime, total: float, *, left: str
) -> tuple[list[Shape], float, float]:
    names = [lane.name + Mark("", len(lane.done.attempts)).suffix for lane in rows]
    bottom = _TOP + _ROW * len(rows) + 2
    lines = axis_below(names, total, wide=_CHART, top=_TOP, bottom=bottom)
    start, scale, shapes = lines.start, lines.scale, [*lines.shapes]
    found = situation(run.plan) if planned_s(run.plan) is not None else None

    def x_of(at: datetime) -> float:
        return start + _since(run, at) * scale

    for n, (lane, name) in enumerate(zip(rows, names, strict=True)):
        y, task = _TOP + _ROW * n + (_ROW - _BAR) / 2, lane.done.task
        shapes.append(Label(start - 8, y + _BAR - 3, name, "end"))
        planned = task in run.plan and run.plan[task].estimate_s is not None
        if found is not None and planned:
            begin = found.path.start_s[task]
            wide = (found.path.finish_s[task] - begin) * scale
            if wide > 0:
                x = start + begin * scale
                shapes.append(Bar(x, y + _BAR + 1, wide, 3, GREY, "none", title="plan"))
        drawn = _band if lane.members else _task_bars
        shapes += drawn(lane, end, x_of, y)
    shapes += _legend(run, shapes, start, bottom, left)
    # Labels stand beside their bars: the picture is as wide as the one that ends last.
    ends = (s.x + text_width(s.text, s.size) for s in shapes if isinstance(s, Label))
    width = max(start + _CHART + 24, *(end + 8 for end in ends))
    return shapes, width, bottom + 16


def _legend(run: Run, shapes: list[Shape], start: float, bottom: float, left: str) -> list[Shape]:
    """What the thin bars, the hatched ones and the bands are, and how much is not drawn."""
    bars = [shape for shape in shapes if isinstance(shape, Bar)]
    found: list[Shape] = []
    x, y = start, bottom + 8

    def told(text: str) -> None:
        nonlocal x
        found.append(Label(x + 24, y + 5, text, "start", 10))
        x += 24 + text_width(text, 10) + 14

    if any(bar.title == "plan" for bar in bars):
        found.append(Bar(x, y, 18, 3, GREY, "none"))
        told("planned")
    hatched = next((bar for bar in bars if bar.hatched), None)
    if hatched is not None:
        found.append(Bar(x, y - 2, 18, 7, hatched.fill, hatched.stroke, hatched=True))
        told("waiting")
    band = next((bar for bar in bars if bar.title.endswith(" at once") and bar.height > 1), None)
    if band is not None:
        steps = zip((0, 4, 8, 12), (3, 5, 8, 5), strict=True)
        box = ((x + dx, y + 6 - high, 4, high, band.fill, band.stroke) for dx, high in steps)
        found += [Bar(*place, sharp=True) for place in box]
        told("how many ran at once")
    if left:
        note = f"shown are the longest, and first what did not succeed; {left} more ran"
        found.append(Label(x, y + 5, note, "start", 10))
        x += text_width(note, 10) + 14
    if on_purpose(run):
        shown = look("injected")
        found.append(
            Label(x, y + 5, f"{shown.glyph} faults on purpose", "start", 10, "faults on purpose")
        )
    return found


def _since(run: Run, at: datetime) -> float:
    return max(0.0, (at - run.started).total_seconds())


def _task_bars(
    lane: Lane, end: datetime, x_of: Callable[[datetime], float], y: float
) -> list[Shape]:
    """The task's attempts, the pauses between them, and how it ended, in words."""
    done = lane.done
    begun = done.started or end
    shapes: list[Shape] = []
    if done.wait_s and done.attempts:
        before = x_of(begun - timedelta(seconds=done.wait_s))
        if x_of(begun) - before > 2:
            shapes.append(_bar(before, x_of(begun), y + 5, "pending", title="ready", height=3))
    past: datetime | None = None
    for attempt in done.attempts:
        if past is not None and attempt.started > past:
            pause = (x_of(past), x_of(attempt.started))
            shapes.append(_bar(*pause, y + 3, "backing_off", "pause", height=7, hatched=True))
        until = attempt.finished or end
        state = _shown(done) if attempt is done.attempts[-1] else attempt_state(attempt)
        title = f"attempt {attempt.number} {look(attempt_state(attempt)).word}"
        shapes.append(_bar(x_of(attempt.started), x_of(until), y, state, title))
        past = until
    finish = done.finished or end
    if not done.attempts:
        shapes.append(_bar(x_of(begun), x_of(finish), y, "waiting", "waited", hatched=True))
    elif done.status == Status.BACKING_OFF and past is not None and end > past:
        shapes.append(
            _bar(x_of(past), x_of(end), y + 3, "backing_off", "pause", height=7, hatched=True)
        )
    hit = sum(attempt.injected for attempt in done.attempts)
    more = f" · {number(hit)} on purpose" if hit else ""
    return [*shapes, _ended(shapes, state_of(done), finish - begun, y, more)]


def _shown(done: TaskRun) -> str:
    """The state that the last attempt's bar is painted in: the task's own, where that says more."""
    last = done.attempts[-1]
    own = last.status == "lost" or last.injected
    before = (Status.BACKING_OFF, Status.PENDING, Status.READY, Status.COMPENSATED)
    return attempt_state(last) if own or done.status in before else state_of(done)


def _ended(
    shapes: list[Shape], state: str, took: timedelta, y: float, more: str = "", share: str = ""
) -> Label:
    right = max(shape.x + shape.width for shape in shapes if isinstance(shape, Bar))
    shown, time = look(state), duration(took.total_seconds())
    told = f"{share} in {time}{more}" if share else f"{time}{more}"
    words = f"{shown.word} {told}"
    return Label(right + 6, y + _BAR - 3, f"{shown.glyph} {told}", "start", words=words)


def _band(lane: Lane, end: datetime, x_of: Callable[[datetime], float], y: float) -> list[Shape]:
    """How many instances ran at once, the moments at which some did not succeed, and the count."""
    done, members = lane.done, lane.members
    begin, finish = done.started or end, done.finished or end
    left, right = x_of(begin), max(x_of(finish), x_of(begin) + 2)
    parts = max(1, min(_PARTS, int((right - left) / 2)))
    heights, most = at_once(members, begin, finish, parts)
    shown, wide = look("succeeded"), (right - left) / parts  # what did not is told over it
    title = f"{count(len(members), 'instance')}, at most {number(most)} at once"
    shapes: list[Shape] = [
        Bar(left, y + _BAR - 1, right - left, 1, shown.text, "none", title=title)
    ]
    part = 0
    while part < parts:
        same = next((n for n in range(part, parts) if heights[n] != heights[part]), parts)
        high = _BAR * heights[part] / max(1, most)
        if high:
            x = left + part * wide
            box = (x, y + _BAR - high, (same - part) * wide, high)
            shapes.append(Bar(*box, shown.fill, shown.text, title=title, sharp=True))
        part = same
    bad = sorted({round(x_of(m.finished or end)) for m in members if m.status is Status.FAILED})
    red = look("failed")
    shapes += [Bar(x - 1.5, y - 2, 3, _BAR + 4, red.fill, red.text, title="failed")
               for x in bad[:_BAD]]  # fmt: skip
    good = sum(member.status is Status.SUCCEEDED for member in members)
    share = f"{number(good)} of {number(done.instances or len(members))}"
    hit = sum(a.injected for m in members for a in m.attempts)
    more = f" · {number(hit)} on purpose" if hit else ""
    return [*shapes, _ended(shapes, str(done.status), finish - begin, y, more, share)]


def _bar(
    left: float,
    right: float,
    y: float,
    state: str,
    title: str = "",
    *,
    height: float = _BAR,
    hatched: bool = False,
) -> Bar:
    shown = look(state)
    fill = "none" if state == "lost" else shown.fill
    return Bar(left, y, max(2.0, right - left), height, fill, shown.text, hatched, title)
