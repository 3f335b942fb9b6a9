"""What the tasks of one run print, on its way to the journal and, for those of this process, to who
looks on.

    a task prints ─► Tee (`engine.tee`) ─► Output.echo ─► what may be shown now, to where it was
                                              │            going
    a shell command's pipe ──► Output.write ──┤
                                              └► lines, masked ─► take() ─► Journal.write_log

A line is masked when it is whole, since a secret may come in pieces; what has been shown of it
until then is what cannot be the beginning of one. Lines wait here for the driver's next turn, a
quarter of a second at most, and of a task that prints faster than that the newest.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable

from orch_nb.engine.logs import left_out
from orch_nb.engine.ports import Printed
from orch_nb.model.secrets import KeyLines, Mask

__all__ = ["Output"]

_LINE = 100_000  # characters; what is longer is cut, or becomes several while it has no end
_MANY = 3
_WAITING = 400_000  # characters of a task that wait for the journal
_ROW = 32_000  # characters of a row in the journal
_TOGETHER_S = 0.25  # lines of a row were printed within this

_Key = tuple[str, int, str]  # task, attempt, stream


class _Open:
    """A line that has not ended."""

    __slots__ = ("echoed", "key", "parts", "seen", "shown", "size")

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.size = 0
        self.seen = 0  # its size at the last look
        self.shown = ""  # what has been shown of it, masked
        self.echoed = False  # it is of a task whose output is shown
        self.key = KeyLines()

    def take(self) -> str:
        text = "".join(self.parts)
        self.parts, self.size = [], 0
        return text

    def put(self, text: str) -> None:
        if text:
            self.parts.append(text)
            self.size += len(text)


class _Waiting:
    """Lines of one task that the journal has not got yet."""

    __slots__ = ("gone", "lines", "size")

    def __init__(self) -> None:
        self.lines: deque[tuple[int, int, str, str, float]] = deque()  # order, attempt, ...
        self.size = 0
        self.gone = 0


class Output:
    """The output of one run. From any thread. `now` is the clock's."""

    def __init__(self, mask: Mask, now: Callable[[], float]) -> None:
        self._mask, self._now = mask, now
        # One that may be taken twice: a `__del__` may print in the midst of what another printed.
        self._lock = threading.RLock()
        self._open: dict[_Key, _Open] = {}
        self._waiting: dict[str, _Waiting] = {}
        self._count = 0
        #: Whether there is anything here at all.
        self.busy = False

    # -- what tasks print ----------------------------------------------------------------------

    def write(self, task: str, attempt: int, stream: str, text: str) -> None:
        """Keep what an attempt printed that nobody looks on at."""
        with self._lock:
            self._add((task, attempt, stream), text, echo=False)

    def echo(self, task: str, attempt: int, stream: str, text: str) -> str:
        """Keep what an attempt printed, and give what of it may be shown now: whole lines."""
        with self._lock:
            return self._add((task, attempt, stream), text, echo=True)

    def flush(self, task: str, attempt: int, stream: str) -> str:
        """What may be shown of a line that has not ended."""
        with self._lock:
            one = self._open.get((task, attempt, stream))
            return self._begun(one) if one is not None else ""

    def _add(self, key: _Key, text: str, *, echo: bool) -> str:
        self.busy = True
        one = self._open.get(key)
        if one is None:
            one = self._open[key] = _Open()
        one.echoed = echo
        if "\n" not in text and "\r" not in text and one.size + len(text) <= _LINE:
            one.put(text)
            return ""
        text = one.take() + text
        *lines, rest = text.split("\n")
        if len(lines) > _MANY and not (one.key or one.shown) and self._plain(text):
            shown = [text[: len(text) - len(rest)]]
            self._keep(key, shown[0])
        else:
            shown = [self._ended(key, one, line, "\n") for line in lines]
        over = rest.rfind("\r", 0, max(0, len(rest) - 1)) + 1
        if over:  # what a progress bar has drawn over is of no more use
            shown.append(self._shown(one, self._mask.text(rest[:over]), ""))
            rest = rest[over:]
        while len(rest) > _LINE:
            cut = max(self._mask.tail(rest[:_LINE]), _LINE // 2)
            shown.append(self._ended(key, one, rest[:cut], ""))
            rest = rest[cut:]
        one.put(rest)
        return "".join(shown) if echo else ""

    def _plain(self, text: str) -> bool:
        """Whether many lines can be kept as they are: one look at all of them is quicker."""
        return len(text) <= _LINE and "\r" not in text and self._mask.clean(text)

    def _ended(self, key: _Key, one: _Open, line: str, end: str) -> str:
        """Keep a line; what is to be shown of it."""
        kept = one.key.line(line)
        if kept is None:
            one.shown = ""
            return ""
        masked = self._mask.text(kept)
        last = masked.removesuffix("\r").rpartition("\r")[2] if "\r" in kept else masked
        if len(last) > _LINE:
            last = f"{last[:_LINE]}… ({len(last) - _LINE:,} more characters)"
        self._keep(key, f"{last}\n")
        return self._shown(one, masked, end) if one.echoed else ""

    def _shown(self, one: _Open, masked: str, end: str) -> str:
        """A line for who looks on, without what has been shown of it."""
        if not one.shown:
            return f"{masked}{end}"
        before, one.shown = one.shown, ""
        # Where what came later made a secret of what was shown, all of it is shown again, masked.
        rest = masked.removeprefix(before) if masked.startswith(before) else f"\n{masked}"
        return f"{rest}{end}"

    def _begun(self, one: _Open) -> str:
        """What of an open line cannot be the beginning of a secret."""
        if not one.echoed or not one.parts or one.key:
            return ""
        line = one.take()
        one.put(line)
        masked = self._mask.text(line)
        safe = masked[: self._mask.tail(masked)]
        if not safe.startswith(one.shown):
            return ""
        rest, one.shown = safe[len(one.shown) :], safe
        return rest

    def _keep(self, key: _Key, text: str) -> None:
        """Have whole lines wait for the journal."""
        task, attempt, stream = key
        waiting = self._waiting.get(task)
        if waiting is None:
            waiting = self._waiting[task] = _Waiting()
        self._count += 1
        waiting.lines.append((self._count, attempt, stream, text, self._now()))
        waiting.size += len(text)
        while waiting.size > _WAITING and len(waiting.lines) > 1:
            old = waiting.lines.popleft()[3]
            waiting.size -= len(old)
            waiting.gone += old.count("\n")

    # -- what becomes of it --------------------------------------------------------------------

    def begun(self) -> list[tuple[str, str]]:
        """What may be shown of lines that have stood still since the last look, as (stream, text):
        of those that go on, others would be mixed with them."""
        if not self._open:
            return []
        with self._lock:
            still = []
            for key, one in list(self._open.items()):
                if one.size == one.seen:
                    still.append((key[2], one))
                one.seen = one.size
            found = [(stream, self._begun(one)) for stream, one in still]
        return [(stream, text) for stream, text in found if text]

    def ended(self, attempts: Iterable[tuple[str, int]] | None = None) -> list[tuple[str, str]]:
        """These attempts (None: all) print nothing more: their last lines need no end. What is to
        be shown of them, as (stream, text)."""
        if not self._open:
            return []
        with self._lock:
            over = None if attempts is None else set(attempts)
            shown = []
            for key in list(self._open):
                if over is not None and key[:2] not in over:
                    continue
                one = self._open.pop(key)
                line = one.take()
                if line or one.shown:
                    shown.append((key[2], self._ended(key, one, line, "")))
        return [(stream, text) for stream, text in shown if text]

    def take(self) -> list[Printed]:
        """The lines that wait, in the order in which they were printed, for the journal."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            self.busy = bool(self._open)
        lines = []
        for task, one in waiting.items():
            if one.gone:
                first = one.lines[0]
                lines.append((first[0] - 0.5, task, first[1], "", left_out(one.gone), first[4]))
            lines += [(n, task, *rest) for n, *rest in one.lines]  # type: ignore[misc]
        lines.sort()
        return _rows(lines)


def _rows(lines: list[tuple[float, str, int, str, str, float]]) -> list[Printed]:
    """Lines that follow each other in one stream of one attempt stand in one row."""
    rows: list[Printed] = []
    parts: list[str] = []
    size, begun = 0, (("", 0, ""), 0.0)
    for _, task, attempt, stream, text, at in lines:
        key = (task, attempt, stream)
        if parts and (key != begun[0] or size > _ROW or at - begun[1] > _TOGETHER_S):
            rows.append((*begun[0], "".join(parts), begun[1]))
            parts, size = [], 0
        if not parts:
            begun = (key, at)
        parts.append(text)
        size += len(text)
    if parts:
        rows.append((*begun[0], "".join(parts), begun[1]))
    return rows
