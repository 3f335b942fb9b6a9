"""The tiny fake of the port `Source`."""

from __future__ import annotations

import asyncio
from typing import Any

from orch_nb.model.research import Citation, Finding


def finding(title: str = "t", **fields: Any) -> Finding:
    fields.setdefault("citation", Citation(title, f"https://example.org/{title}"))
    return Finding(title=title, excerpt="e", source="fake", **fields)


class FakeSource:
    """Answers with `answer`, raises it if it is an exception, after `delay_s` seconds."""

    def __init__(self, answer: Any = (), *, name: str = "fake", delay_s: float = 0.0) -> None:
        self.answer, self.name, self.delay_s = answer, name, delay_s

    async def search(self, query: Any) -> Any:
        await asyncio.sleep(self.delay_s)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer
