"""Text from outside, before it becomes a finding: data, whatever it says.

What acts on a terminal or turns a page around is taken out here, markup is neutralised where it is
rendered, and a text that speaks to a model ("ignore previous instructions") is shown as the data it
is, with a word about it.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from orch_nb.model.unseen import ANSI, CONTROL

__all__ = ["INSTRUCTS", "alike", "cleaned", "instructs", "normal_url", "safe_url", "words_of"]

INSTRUCTS = "its text holds instructions to its reader, which are shown as data and not followed"
_INSTRUCTS = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,30}\b(?:previous|prior|above|earlier|all|your)\b"
    r".{0,30}\b(?:instruction|prompt|rule|message|context)s?\b"
    r"|\byou (?:are|must) now\b.{0,40}\b(?:assistant|agent|mode|act|obey|an? )"
    r"|\b(?:system|developer) prompt\b"
    r"|</?(?:system|assistant|instructions?|important)>|<\|im_(?:start|end)\|>"
    r"|\bdo not (?:tell|mention|inform|reveal)\b.{0,30}\b(?:user|human|person)\b"
    r"|\b(?:reveal|send|print|exfiltrate)\b.{0,40}\b(?:api[ _-]?key|secret|token|password)s?\b",
    re.IGNORECASE | re.DOTALL,
)
_UNSEEN = re.compile("[\u200b-\u200d\u00ad]")
_WORD = re.compile(r"[a-z0-9]{3,}")
_TRACKING = re.compile(r"utm_|fbclid|gclid|ref_?$|mc_|source$", re.IGNORECASE)
_ALIKE = 0.8
_LEAST_ALIKE = 8


def cleaned(text: str) -> str:
    """`text` without terminal sequences, controls and marks of direction."""
    return CONTROL.sub("", ANSI.sub("", text.replace("\r\n", "\n")))


def instructs(text: str) -> bool:
    """Whether a text speaks to a model that would read it. A hint for a person, no defence."""
    return _INSTRUCTS.search(_UNSEEN.sub("", text[:20_000])) is not None


def safe_url(url: str) -> str:
    """An address that a page may link to; empty for any other."""
    url = cleaned(url).strip()
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and len(url) <= 2_000
    except ValueError:
        return ""
    return url if fits and not re.search(r"\s|[<>\"'`\\]", url) else ""


def normal_url(url: str) -> str:
    """An address as it is compared: two ways of writing one page are one."""
    try:
        parts = urlsplit(url.strip())
        port = f":{parts.port}" if parts.port not in (None, 80, 443) else ""
    except ValueError:
        return url.strip().lower()
    if not parts.hostname:
        return url.strip().rstrip("/").lower()
    host = parts.hostname.lower().removeprefix("www.")
    query = urlencode(sorted(p for p in parse_qsl(parts.query) if not _TRACKING.match(p[0])))
    path = re.sub(r"/(?:index\.html?)?$", "", parts.path)
    return urlunsplit(("", host + port, path, query, parts.fragment)).lstrip("/")


def words_of(text: str) -> frozenset[str]:
    """The words of a text, to compare it with others."""
    return frozenset(_WORD.findall(text.lower()))


def alike(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two texts say the same in nearly the same words; short ones never do."""
    if min(len(one), len(other)) < _LEAST_ALIKE:
        return False
    return len(one & other) >= _ALIKE * len(one | other)
