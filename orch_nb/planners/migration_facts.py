"""What a goal says of a migration: what goes from where to where, and what kind of thing that is.

The kind picks the method: `stores` (data from one store to another), `fleet` (every machine of a
system), `rename` (a name that others use), `upgrade` (a newer version underneath), `endpoint` (an
address that others fetch from); with none of these it is people's work that moves.
"""

from __future__ import annotations

import re

from orch_nb.catalog.clauses import split_list
from orch_nb.catalog.vocabulary import found
from orch_nb.catalog.words import fit
from orch_nb.planners.notes import Item, Notes
from orch_nb.planners.release_facts import VERSION

__all__ = ["read_migration"]

_STOP = (
    r"(?=\s+(?:for (?:the|all|our)|one (?:after|by)|without|with|while|before|after|by|"
    r"so|because|over|until|at|keeping|and keep|"
    r"on (?:the )?\d|in (?:all|every|each|the|our|one|several|\d))\b|[,;:!?]|\.(?:\s|$)|$)"
)
_PAIRS = tuple(
    re.compile(pattern + _STOP, re.IGNORECASE)
    for pattern in (
        r"\brename\s+(?P<a>[^,;:]+?)\s+to\s+(?P<b>[^,;:]+?)",
        r"\bfrom\s+(?P<a>[^,;:]+?)\s+(?:in)?to\s+(?P<b>[^,;:]+?)",
        r"\b(?:replace|swap)\s+(?P<a>[^,;:]+?)\s+(?:with|by|for)\s+(?P<b>[^,;:]+?)",
    )
)
_TO = re.compile(
    r"\b(?:migrate|move|switch|convert|port|upgrade|transition|transfer)\s+(?P<w>[^,;:]+?)\s+"
    rf"(?:in)?to\s+(?P<b>[^,;:]+?){_STOP}",
    re.IGNORECASE,
)
_WHAT = re.compile(
    r"^\W*(?:please\s+)?\w+\s+(?P<w>.+?)\s+(?:from|to|into|with|by)\b", re.IGNORECASE
)
_OLD = re.compile(
    r"\bold\s+(?P<a>[^,;:]+?)(?=\s+(?:on|by|in|at|and|to)\b|[,;.]\s|$)", re.IGNORECASE
)
_ADDRESS = re.compile(r"\b(?:to|from|at|in)\s+(?P<b>[\w.-]+\.[a-z]{2,}[\w./-]*)", re.IGNORECASE)
_LEAD = re.compile(
    r"^\W*(?:please\s+)?[\w-]+\s+(?P<w>[^,;:.]+?)(?=\s+(?:from|to|into|with|without|by|before|after|"
    r"while|so|and|for|in|on)\b|[,;:.]|$)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“'](?P<q>[^\"”']+)[\"”']")
_ASPECTS = re.compile(
    r"[\"“'][^\"”']+[\"”']\s+((?:[\w-]+)(?:(?:,\s*|\s+and\s+)[\w-]+)*)\s+to\b", re.IGNORECASE
)
_NOUN = re.compile(r"\brename\s+(?:the |our |a )?(?P<n>[\w-]+(?: [\w-]+)?)\s+[\"“']", re.IGNORECASE)
#: An operating system is not taken off a machine that goes on running.
_SYSTEM = re.compile(
    r"\b(linux|ubuntu|debian|centos|rhel|rocky|alma\w*|fedora|suse|windows|macos|freebsd)\b",
    re.IGNORECASE,
)
_LISTED = re.compile(
    r"\b(?:repositories|repos|services|projects|teams|sites|regions|databases)\s+"
    r"(?P<l>[\w./-]+(?:,\s*[\w./-]+)*,?\s+and\s+[\w./-]+)",
    re.IGNORECASE,
)
_UNIT = re.compile(
    r"\b(?:every|each|all(?: of)?(?: the| our)?|the|our)\s+(?:\w+\s+)?(node|host|server|machine|vm|"
    r"broker|worker|router|laptop|runner|instance|replica)s?\b",
    re.IGNORECASE,
)
_MANY = re.compile(
    r"\b(every|each|all|fleet|cluster|nodes|hosts|servers|machines)\b", re.IGNORECASE
)
_DATA = re.compile(
    r"\b(data|databases?|tables?|rows|records|carts?|sessions?|orders|users|accounts|profiles|events|"
    r"schema|documents|keys|stores?|storage|cache|files|messages|queue|topics?|history|metrics)\b",
    re.IGNORECASE,
)
_ENDPOINT = re.compile(
    r"\b(registry|mirror|domain|host ?name|urls?|endpoints?|address|cdn|download (site|server)|"
    r"bucket)\b",
    re.IGNORECASE,
)
_PLATFORM = re.compile(
    r"\b(wikis?|confluence|jira|notion|trello|slack|mattermost|teams|sharepoint|trackers?|track(?:ing)?|"
    r"bugs?|issues?|tickets?|repositor(?:y|ies)|repos?|git|svn|subversion|mercurial|github|gitlab|"
    r"bitbucket|mailing lists?|forums?|crm|helpdesk|moodle|intranet)\b",
    re.IGNORECASE,
)
_RETIRE = re.compile(
    r"^\W*(?:retire|decommission|sunset|shut ?down|turn off|phase out)\b", re.IGNORECASE
)
_LEFT_BEHIND = re.compile(r"\b(old|freeze|redirect|retire|sunset|only to)\b", re.IGNORECASE)
_ORDER = re.compile(
    r"\s*(?P<w>[^,.;:]+?)\s+(?:comes? |goes? )?(?P<o>first|next|second|third|then|last)\b",
    re.IGNORECASE,
)
_RANK = {"first": 0, "second": 1, "next": 1, "then": 1, "third": 2, "last": 9}
_WHOLE_NUMBER = re.compile(r"v?\d{1,4}")
_LONGEST_SHORT = 16
_BRACKET = re.compile(r"\(([^()]*,[^()]*)\)")


def read_migration(text: str, notes: Notes) -> None:
    """Writes down what a migration needs."""
    source, target, what = _from_to(text)
    source, target, flag = _of_kind(text, source, target, what)
    if flag:
        notes.flag(flag)
    elif platform := _PLATFORM.search(text):
        notes.flag("platform", f"the goal speaks of “{platform.group(0)}”")
    if not target and _RETIRE.match(text):
        notes.flag("retiring", "the goal names nothing that takes its place")
    if found("stores", text) or _DATA.search(text):
        notes.flag("data", "the goal speaks of data")
    notes.text["source"] = source or "the old one"
    notes.text["target"] = target or "the new one"
    subject = what or (lead.group("w") if (lead := _LEAD.match(text)) else "")
    notes.text["subject_of"] = f"the {_tidy(subject)}" if subject else "it"
    notes.text["old"], notes.text["new"] = _short(source, "the old"), _short(target, "the new")
    short = notes.text["target"].split(" on ")[-1].split()[0]
    notes.text["target_short"] = short if target else "the new one's"
    notes.text["what"] = f"the {_tidy(what)}" if what else "what is there"
    notes.text["what_title"] = notes.text["what"][:1].upper() + notes.text["what"][1:]
    unit = _UNIT.search(text)
    notes.text["unit"] = unit.group(1).lower() if unit else "machine"
    notes.text["units"] = f"{notes.text['unit']}s"
    _read_platform(text, notes)
    _read_fleet(text, notes)
    _read_waves(text, notes)
    after, before = _ASPECTS.search(text), _NOUN.search(text)
    named = split_list(after.group(1)) if after else [before.group("n")] if before else ["name"]
    notes.items["aspects"] = tuple(Item(aspect) for aspect in named)
    if re.search(r"\bonly [^.;]*\b(when|if)\b|\bon (request|demand)\b", text, re.IGNORECASE):
        notes.flag("on_request")


def _short(name: str, otherwise: str) -> str:
    """A name that fits into a title: without its place, or only the word that tells it apart."""
    if not name:
        return f"{otherwise} one"
    head = re.split(r"\s+(?:on|at|in|of|under|behind)\s+|\s*\(", name)[0]
    if len(head) <= _LONGEST_SHORT:
        return head
    telling = [word for word in head.split() if re.search(r"[.\dA-Z]", word)]
    return fit(telling[-1] if telling else head.rsplit(" ", 1)[-1], _LONGEST_SHORT)


def _read_platform(text: str, notes: Notes) -> None:
    code = False
    if re.search(r"\brepositor(y|ies)\b|\brepos?\b", text, re.IGNORECASE):
        notes.flag("repositories")
        code = True
    if code or re.search(
        r"\b(bugs?|issues?|tickets?|track(er|ing)|patches)\b", text, re.IGNORECASE
    ):
        notes.flag("code")
        notes.text["roles"] = "administrators, triage team, contributors"
    else:
        notes.text["roles"] = "administrators, editors, readers"
    steps = ", with the steps to commit a pull request"
    notes.text["workflow_steps"] = steps if code else ""


def _read_fleet(text: str, notes: Notes) -> None:
    cluster = re.search(r"\b(kubernetes|k8s|kubeadm|openshift)\b", text, re.IGNORECASE) is not None
    unit = notes.text["unit"]
    out, back = f"Take the {unit} out of service", f"Put the {unit} back into service"
    notes.text["drain"] = f"Cordon and drain the {unit}" if cluster else out
    notes.text["undrain"] = f"Uncordon the {unit}" if cluster else back
    notes.text["agent"] = "kubelet and " if cluster else ""
    hint = "control plane first, then the workers" if cluster else "the least important first"
    notes.text["order_hint"] = hint
    if not _SYSTEM.search(notes.text["target"]):
        notes.flag("swap")


def _of_kind(text: str, source: str, target: str, what: str) -> tuple[str, str, str]:
    """Source and target as that kind of thing names them, and the kind."""
    lead = text.split(" ", 1)[0].lower()
    stores = found("stores", f"{source} ; {target}")
    if _ENDPOINT.search(text) and _LEFT_BEHIND.search(text):
        old, new = _OLD.search(text), _ADDRESS.search(text)
        source = source or (old.group("a") if old else "")
        return source, target or (new.group("b") if new else ""), "endpoint"
    if lead == "rename" or re.search(r"\bdeprecat\w+|\brename\b", text, re.IGNORECASE):
        quoted = [match.group("q") for match in _QUOTED.finditer(text)]
        return (*(quoted[:2] if len(quoted) > 1 else (source, target)), "rename")
    if _MANY.search(text) and _UNIT.search(text):
        old = _OLD.search(text)
        return source or (f"the old {old.group('a')}" if old else ""), target, "fleet"
    if what and _WHOLE_NUMBER.fullmatch(source) and _WHOLE_NUMBER.fullmatch(target):
        source, target = f"{_tidy(what)} {source}", f"{_tidy(what)} {target}"
    versions = VERSION.search(source) and VERSION.search(target)
    if lead == "upgrade" or versions or re.search(r"\bupgrade\b", text, re.IGNORECASE):
        if what and VERSION.match(source) and VERSION.match(target):
            name = _tidy(what)
            source, target = f"{name} {source}", f"{name} {target}"
        return source, target, "upgrade"
    if len(stores) > 1 or (stores and _DATA.search(text)):
        return source, target, "stores"
    return source, target, ""


def _from_to(text: str) -> tuple[str, str, str]:
    """Source, target and what goes from one to the other, as far as the goal says them."""
    what = _WHAT.match(text)
    moved = _BRACKET.sub("", what.group("w")).strip() if what else ""
    for pattern in _PAIRS:
        if match := pattern.search(text):
            return _tidy(match.group("a")), _tidy(match.group("b")), moved
    if match := _TO.search(text):
        return "", _tidy(match.group("b")), _tidy(match.group("w"))
    return "", "", ""


def _tidy(text: str) -> str:
    text = _BRACKET.sub("", text.strip())
    return re.sub(r"^(?:the|our|a|an|all)\s+", "", text, flags=re.IGNORECASE).strip(" \"“”'")


def _read_waves(text: str, notes: Notes) -> None:
    """What goes one after the other: clauses that end in first, next, last; or a list in
    brackets."""
    bracket = _BRACKET.search(text)
    named = split_list(bracket.group(1)) if bracket else []
    if not named and (listed := _LISTED.search(text)):
        named = split_list(listed.group("l"))
    notes.text["items"] = ", ".join(named)
    rest = text[bracket.end() if bracket else 0 :]
    ordered = [
        (_RANK[match.group("o").lower()], place, _tidy(match.group("w")))
        for place, match in enumerate(_ORDER.finditer(rest))
    ]
    several = len(ordered) > 1
    waves = [wave for _, _, wave in sorted(ordered)] if several else named
    notes.items["waves"] = tuple(Item(wave) for wave in waves)
    if named and several:
        notes.flag("items")
    if not waves:
        notes.flag("no_waves")
