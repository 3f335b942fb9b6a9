"""A run on the axis of its time (Gantt 1910): a bar a task, in the order they began.

The plan's bar lies under the run's where there are estimates; ticks part attempts; a pause before
another attempt, and a wait for a person, are hatched; an attempt that was lost with its process is
hollow. `strip` writes the shapes that are decided here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import datetime, timedelta

from orch_nb.graph.critical_path import planned_s
from orch_nb.model.quantity import count, duration
from orch_nb.model.run import Run, TaskRun
from orch_nb.model.status import Status
from orch_nb.render.alternative import timeline_alt
from orch_nb.render.document import Drawing
from orch_nb.render.facts import Mark, situation
from orch_nb.render.palette import GREY, look
from orch_nb.render.plaintext import bounded, one_line
from orch_nb.render.sketch import text_width
from orch_nb.render.strip import Bar, Label, Rule, Shape, strip_png, strip_svg

__all__ = ["MOST_ROWS", "axis", "timeline"]

MOST_ROWS = 60
_LONGEST = 40
_ROW, _BAR, _TOP, _CHART = 21.0, 13.0, 20.0, 620.0
_STEPS = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600,
    900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800, 2592000, 7776000, 31536000,
)  # fmt: skip


def axis(total_s: float) -> tuple[float, ...]:
    """The seconds at which the axis has a line: round ones, at most nine.

    >>> axis(11.6), axis(200)[:3]
    ((0.0, 2.0, 4.0, 6.0, 8.0, 10.0, 12.0), (0.0, 30.0, 60.0))
    """
    step = next((s for s in _STEPS if total_s / s <= 8), total_s / 8)
    lines = int(-(-total_s // step))
    return tuple(round(float(n * step), 6) for n in range(max(1, lines) + 1))


def timeline(run: Run, now: datetime | None = None) -> Drawing | None:
    """The timeline of a run; None where nothing has begun.

    `now` ends the bars of a run that goes on; without it the last thing that is known does.
    """
    begun = [done for done in run.tasks if done.started is not None]
    if not begun:
        return None
    begun.sort(key=lambda done: done.started or run.started)
    end = run.finished or now or _last(run)
    total = max((end - run.started).total_seconds(), planned_s(run.plan) or 0.0, 0.001)
    shown = _chosen(begun)
    shapes, width, height = _shapes(run, shown, end, total, left=len(begun) - len(shown))
    return Drawing(
        svg=strip_svg(shapes, width, height),
        alt=timeline_alt(run, [done.task for done in begun]),
        width=width,
        height=height,
        png=functools.partial(strip_png, tuple(shapes), width, height),
    )


def _chosen(begun: list[TaskRun]) -> list[TaskRun]:
    """All of a short run; of a long one what did not succeed and what took longest, in order."""
    if len(begun) <= MOST_ROWS:
        return begun
    weight = {
        done.task: (done.status not in (Status.SUCCEEDED, Status.SKIPPED), done.duration_s or 0.0)
        for done in begun
    }
    kept = set(sorted(weight, key=lambda task: weight[task], reverse=True)[:_LONGEST])
    return [done for done in begun if done.task in kept]


def _last(run: Run) -> datetime:
    times = [t for done in run.tasks for t in (done.started, done.finished) if t is not None]
    times += [a.finished or a.started for done in run.tasks for a in done.attempts]
    return max(times, default=run.started)


def _shapes(
    run: Run, shown: list[TaskRun], end: datetime, total: float, *, left: int
) -> tuple[list[Shape], float, float]:
    names = {
        done.task: bounded(one_line(run.plan[done.task].label), 30) + _tries(done) for done in shown
    }
    start = max(60.0, *(text_width(name, 11) for name in names.values())) + 14
    lines = axis(total)
    scale = _CHART / lines[-1]
    bottom = _TOP + _ROW * len(shown) + 2
    shapes: list[Shape] = []
    for at in lines:
        x = start + at * scale
        shapes += [Rule(x, _TOP - 3, bottom), Label(x, _TOP - 8, duration(at), "middle", 10)]
    found = situation(run.plan) if planned_s(run.plan) is not None else None
    for n, done in enumerate(shown):
        y = _TOP + _ROW * n + (_ROW - _BAR) / 2
        shapes.append(Label(start - 8, y + _BAR - 3, names[done.task], "end"))
        if found is not None and run.plan[done.task].estimate_s is not None:
            begin = found.path.start_s[done.task]
            wide = (found.path.finish_s[done.task] - begin) * scale
            if wide > 0:
                x = start + begin * scale
                shapes.append(Bar(x, y + _BAR + 1, wide, 3, GREY, "none", title="plan"))
        shapes += _task_bars(run, done, end, lambda t: start + _since(run, t) * scale, y)
    return [*shapes, *_legend(shapes, start, bottom, left)], start + _CHART + 150, bottom + 16


def _legend(shapes: list[Shape], start: float, bottom: float, left: int) -> list[Shape]:
    """What the thin bars and the hatched ones are, and how many tasks are not drawn."""
    bars = [shape for shape in shapes if isinstance(shape, Bar)]
    found: list[Shape] = []
    x, y = start, bottom + 8
    if any(bar.title == "plan" for bar in bars):
        found += [Bar(x, y, 18, 3, GREY, "none"), Label(x + 24, y + 5, "planned", "start", 10)]
        x += 80
    hatched = next((bar for bar in bars if bar.hatched), None)
    if hatched is not None:
        found.append(Bar(x, y - 2, 18, 7, hatched.fill, hatched.stroke, hatched=True))
        found.append(Label(x + 24, y + 5, "waiting", "start", 10))
        x += 80
    if left:
        note = f"the longest are shown, and what did not succeed; {count(left, 'task')} more ran"
        found.append(Label(x, y + 5, note, "start", 10))
    return found


def _tries(done: TaskRun) -> str:
    return Mark("", len(done.attempts)).suffix


def _since(run: Run, at: datetime) -> float:
    return max(0.0, (at - run.started).total_seconds())


def _task_bars(
    run: Run, done: TaskRun, end: datetime, x_of: Callable[[datetime], float], y: float
) -> list[Shape]:
    """The task's attempts, the pauses between them, and how it ended, in words."""
    begun = done.started or run.started
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
        last = attempt is done.attempts[-1]
        state = str(done.status) if last and attempt.status != "lost" else attempt.status
        if last and done.status in (Status.BACKING_OFF, Status.PENDING, Status.READY):
            state = attempt.status
        title = f"attempt {attempt.number} {look(state).word}"
        shapes.append(_bar(x_of(attempt.started), x_of(until), y, state, title))
        past = until
    finish = done.finished or end
    if not done.attempts:
        shapes.append(_bar(x_of(begun), x_of(finish), y, "waiting", "waited", hatched=True))
    elif done.status == Status.BACKING_OFF and past is not None and end > past:
        shapes.append(
            _bar(x_of(past), x_of(end), y + 3, "backing_off", "pause", height=7, hatched=True)
        )
    right = max(shape.x + shape.width for shape in shapes if isinstance(shape, Bar))
    shown, took = look(done.status), duration((finish - begun).total_seconds())
    glyph, word = f"{shown.glyph} {took}", f"{shown.word} {took}"
    shapes.append(Label(right + 6, y + _BAR - 3, glyph, "start", words=word))
    return shapes


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
