"""Does a goal need orchestration at all, or would one step in one place do?

    >>> need("Fix the typo in README").orchestrate
    False
    >>> need("Add logging to every service").reasons
    ('it goes to many places: “every service”',)

Orchestration is for steps that depend on each other, go to several places, wait for somebody, or
must be undone when one of them fails; each of these is looked for, and what was found is the
reason. Only where none is there, and the goal is of a kind that a person does in one go (a look, a
command, an edit in a named place), it is told to be one step. A goal of which nothing is known is
planned: a plan too many costs less than advice to go ahead without one.
"""

from __future__ import annotations

import re

import msgspec

from orch_nb.analysis.constraints import stated
from orch_nb.catalog.clauses import parts
from orch_nb.catalog.operations import classify
from orch_nb.catalog.vocabulary import found
from orch_nb.catalog.words import verb_of
from orch_nb.model.analysis import Constraint

__all__ = ["Need", "need"]


class Need(msgspec.Struct, frozen=True):
    """Whether a goal needs orchestration, and what says so."""

    orchestrate: bool
    reasons: tuple[str, ...] = ()


_POLITE = re.compile(
    r"\W*(?:(?:please|can you|could you|would you|let['’]?s|just|now|quickly|i (?:want|need) to|"
    r"we (?:want|need|have) to)\s+)+",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"(?:what|which|who|why|where|whose|how (?:many|much|long|often|big|does|"
    r"do(?! (?:i|we|you))|is|are|did|old|fast))\b",
    re.IGNORECASE,
)
#: Asked so, a question is for a plan.
_ADVICE = re.compile(r"how (?:do|can|should|would) (?:i|we|you)\b", re.IGNORECASE)
_THEN = re.compile(
    r"(?:^|[\s,;])(?:then|afterwards?|after (?:that|which)|finally|followed by|and later|"
    r"in the end)\b|(?m:^|\s)\(?2[.)]\s",
    re.IGNORECASE,
)
#: Demands that only several steps, or somebody to wait for, can meet.
_DEMANDING = {"no_downtime", "reversible", "approval", "at_once", "order", "window"}
#: Things of which one command, or one edit, takes as many as there are.
_BULK = re.compile(
    r"\b(?:files?|lines?|imports?|tests?|warnings?|functions?|modules?|words?|rows?|columns?|"
    r"commits?|branches|changes|spaces|whitespace|typos?|occurrences?|usages?|cells?|pages?|logs?|"
    r"comments?|extensions?|packages?|containers?|processes|process|pods?|errors?|tags?|todos?|"
    r"notebooks?|issues?|requests?|links?|rules?|jobs?|checks?|cases?|entries|variables?|"
    r"settings?|fields?|keys?|markdown|python|yaml|json|css|docs?|images? in)\b|"
    r"(?<!\w)\.[a-z]\w{0,4}\b",
    re.IGNORECASE,
)
_NUMBER = (
    r"(?:\d[\d,.]*(?:\s*(?:million|thousand))?|two|three|four|five|six|seven|eight|nine|ten|eleven|"
    r"twelve|twenty|fifty|hundred|dozens? of|hundreds of|thousands of|millions of|several|many)"
)
_NOT_PLACES = (
    r"(?!(?:the|seconds?|minutes?|hours?|days?|weeks?|months?|years?|percent|times?|to|in|of|on|or|"
    r"and|per|from|at|is|are|was|lines?|rows?|new|current)\b)"
)
_MANY_PLACES = re.compile(
    r"\b(?:(?:every|each|all|both|across|fleet of)\s+(?:of\s+)?(?:the\s+|our\s+|its\s+)?"
    rf"(?P<thing>{_NOT_PLACES}[a-z][\w-]*(?:\s[a-z][\w-]+)?)|"
    rf"{_NUMBER}\s+(?P<things>{_NOT_PLACES}(?:[a-z][\w-]*\s)?(?:[a-z][\w-]*s|people|children|men))\b)",
    re.IGNORECASE,
)
#: A file, or a place in one: whatever is done there is an edit.
_FILE = re.compile(
    r"(?<![\w.])(?:[\w/-]*\.[a-z][a-z0-9]{0,5}\b(?![\w/])|[\w-]+\(\)|README|LICENSE|CHANGELOG|"
    r"Makefile|Dockerfile|\w+/(?=\s|$)|line \d+)",
)
#: What an edit changes: the thing itself is small, whatever is done to it.
_SMALL_THING = re.compile(
    r"\b(?:typos?|spelling|docstrings?|comments?|variables?|functions?|methods?|class|"
    r"constants?|parameters?|arguments?|imports?|columns?|index|flags?|settings?|timeout|default|"
    r"colou?r|background|title|heading|headline|label|button|link|icon|font|logo|messages?|"
    r"sentence|paragraph|word|import|branch|commit|tag|pull request|issue|ticket|limit|threshold|"
    r"\w+ variable|env var|port|version|year|header|unit test|dependency|lock ?file|value|name|"
    r"whitespace|newline|indentation|f-strings?|file|folder|directory|cell|row|theme|alias|"
    r"loop|comprehension|off-by-one|null check|log level|debug\w*|log(?:ging)? (?:line|statement)|"
    r"password|screenshot|change|entry|menu item|checkbox|typo|placeholder|tooltip|"
    r"key|max_\w+|[a-z]+_[a-z_]+|"
    r"[A-Z]+_[A-Z_]+)$",
)
#: What one command runs, makes or takes.
_RUNNABLE = re.compile(
    r"\b(?:tests?|lint\w*|docs|documentation|formatter|server|job|container|image|script|"
    r"notebook|build|app|application|program|cache|process|proto files|benchmarks?|type ?checker|"
    r"screenshot|database|dependencies|service|worker|packages?|table|bug|report)$",
    re.IGNORECASE,
)
_RUNS = frozenset(
    "run rerun start stop restart uninstall build rebuild try check kill ping lint "
    "test compile execute "
    "render regenerate generate export download install clear reload format refresh fix "
    "retry reset reopen open close upload dump print convert".split()
)
#: What is done to whatever has a name: "install numpy".
_BY_NAME = frozenset(
    "run rerun start stop restart uninstall kill ping compile execute download "
    "install clear reload".split()
)
_OBJECT_END = re.compile(
    r"\s(?:to|into|in|on|of|from|by|with|so|until|that|which|for|at|as|out|off|between|under|"
    r"against|via|using|and|or|if|when|after|before|about|called|named|"
    r"everywhere|again|please|on port)\b",
)
#: What is built, moved or held together by many steps, whatever the verb.
_UNDERTAKING = re.compile(
    r"\b(?:micro-?services?|monolith|architecture|platform|infrastructure|data cent(?:re|er)s?|"
    r"cluster|pipelines?|framework|engine|production|incident|outage|conference|party|wedding|"
    r"festival|workshop|summit|campaign|authentication|feature flags?|rate limiting|"
    r"backwards? compatib\w+|"
    r"app store|play store|engineers?|employees|staff|contract|team|office|flat|house|bathroom|"
    r"kitchen|garden|thesis|paper|audit|regions?|recommendation engine|payments?|module)\b",
    re.IGNORECASE,
)
_CRAFT = re.compile(
    r"(?:migrat|releas|deploy|roll(?:ing)? ?out|launch|refactor|rewrit|re-?implement|port\b|"
    r"split (?:up )?the|introduc|onboard|hire|recruit|organi[sz]e|plan\b|decommission|"
    r"modernis|moderniz|consolidat|implement|integrat|replicat|reproduc|investigat|renovat|"
    r"locali[sz]|internationali[sz]|train|free us|get rid|move (?:all|to|from|our|the \w+ "
    r"(?:from|to))|replace \w+ (?:with|by)|switch \w* ?\w* ?from|set ?up|establish|build a|"
    r"rebuild|process|archive|ingest|collect|scrape|merge the|close the books|encrypt|rotate|"
    r"secure|harden|automate|publish|ship)",
    re.IGNORECASE,
)
#: A package in a version of its own is an edit of one line.
_VERSION = re.compile(
    r"(?:re-?)?(?:upgrade|bump|pin|downgrade|update|install|set) (?:the )?[\w@/.-]+ "
    r"(?:(?:from )?v?\d[\w.]* )?(?:to |at )?(?:version )?v?\d[\w.]*$",
    re.IGNORECASE,
)
#: Of these a new version is more than a line.
_HEAVY = {"databases", "kubernetes", "cloud", "messaging"}
_MEANS = re.compile(
    r"\b(?:by|via) (?:first )?(?!adding|using|setting|making)[a-z]+ing\b", re.IGNORECASE
)
_NAMED = re.compile(r"((?:(?:the|an?|this|my) (?:(?:current|last|new) )?|"
                    r"(?=(?:column|function|class|method|variable|branch|field|file)\b))\S+) "
                    r"\S+(?: \S+)?$|"
                    r"(.+) #?\d+$")  # fmt: skip
_COMMAND = re.compile(
    r"(?:make|npm|npx|yarn|cargo|go|git|docker|kubectl|helm|pip|uv|poetry|pytest|just|tox|gradle|"
    r"mvn|dotnet) [a-z][\w:.-]*(?: -\S+)*$"
)
_LIVE = re.compile(r"\b(?:in|on|to) (?:the )?(?:production|prod|live system)\b", re.IGNORECASE)
_STORES, _NAME = 2, 2
_SHORT, _WORDS = 8, 14
_LOOKS = frozenset(
    "look show see check print tell open count list find read explain describe summarise summarize "
    "search grep view display watch plot draw inspect find try".split()
)
#: What one command does to as many of them as there are.
_SWEEPS = frozenset(
    "delete remove sort fix correct comment uncomment close count squash hide drop "
    "trim strip rename "
    "sum average total merge rebase capitalise capitalize list strip".split()
)
_EVERYDAY = frozenset(
    "send remind buy book call water feed wash empty mow phone ask text mail email".split()
)


def need(text: str, constraints: tuple[Constraint, ...] | None = None) -> Need:
    """Whether `text` asks for orchestration. The reasons are for a reader; there is at least one.

    `constraints` are what `stated(text)` gives, where they are known already.
    """
    bare = _POLITE.sub("", " ".join(text.split())).rstrip(" .!")
    constraints = stated(text) if constraints is None else constraints
    question = bare.endswith("?") or _QUESTION.match(bare) is not None
    if question and not _ADVICE.match(bare):
        return Need(False, ("it is a question, and a look answers it",))
    if told := re.match(r"(?:show|tell|give|get) me\b", bare, re.IGNORECASE):
        bare = f"show{bare[told.end() :]}"
    reasons = _reasons(text, bare, constraints)
    if not reasons and _one_step(bare):
        return Need(False, (f"it is one step in one place (“{bare}”)",))
    return Need(True, tuple(dict.fromkeys(reasons)) or ("nothing says that one step would do",))


def _one_step(bare: str) -> bool:
    """Whether a person does this in one go: a look, a command, an edit in a named place."""
    words = len(bare.split())
    verb = _verb(bare)
    if _COMMAND.match(bare):
        return True
    if words > _WORDS:
        return False
    return verb in _LOOKS or _in_one_place(bare) or (verb in _EVERYDAY and words <= _SHORT)


def _verb(bare: str) -> str:
    return verb_of(bare).removeprefix("re-") or bare.split(" ", maxsplit=1)[0].lower()


def _in_one_place(bare: str) -> bool:
    """Whether a file is named, or what is changed is small, or one command takes it."""
    _, _, rest = bare.partition(" ")
    if _FILE.search(rest) or _one_version(bare):
        return True
    verb, head = _verb(bare), _head(rest)
    named = _NAMED.match(head)  # "the branch main": the name stands behind what it names
    ends = [head, named.group(1) or named.group(2)] if named else [head]
    if verb == "give":  # to whom stands before what
        ends.append(rest)
    if any(_SMALL_THING.search(end) for end in ends):
        return True
    if verb in _RUNS:
        short = verb in _BY_NAME and len(head.split()) <= _NAME
        return short or any(_RUNNABLE.search(end) or _BULK.search(end) for end in ends)
    last = head.rpartition(" ")[2]
    return verb in _SWEEPS and _BULK.fullmatch(last) is not None


def _head(rest: str) -> str:
    """What the verb is done to, to its last word.

    >>> _head("the memory limit of the worker")
    'the memory limit'
    """
    cut = _OBJECT_END.search(rest)
    return rest[: cut.start()] if cut else rest


def _one_version(bare: str) -> bool:
    return _VERSION.match(bare) is not None and not _HEAVY & set(found("domains", bare))


def _reasons(text: str, bare: str, constraints: tuple[Constraint, ...]) -> list[str]:
    reasons = []
    steps = _steps(text)
    if len(steps) > 1:
        named = ", ".join(f"“{step}”" for step in steps[:3])
        reasons.append(f"it names {len(steps)} things to do: {named}")
    elif _THEN.search(text):
        reasons.append("it names things to do one after the other")
    reasons += [
        f"it demands “{demand.text}”" for demand in constraints if demand.kind in _DEMANDING
    ]
    place = _in_one_place(bare)
    if (means := _MEANS.search(bare)) and not place:
        reasons.append(f"it names a way that is work of its own: “{means.group(0)}”")
    if many := _many(bare):
        reasons.append(f"it goes to many places: “{many}”")
    stores = found("stores", text)
    if len(stores) >= _STORES:
        reasons.append(f"it moves between {' and '.join(stores)}")
    operation, confidence = classify(text)
    verb = verb_of(bare)
    if operation and not place and verb not in _LOOKS:
        reasons.append(f"it is a {operation} ({round(confidence * 100)} % sure)")
    craft = _CRAFT.match(bare)
    if craft and not (place and len(bare.split()) <= _SHORT - 2):
        reasons.append(f"“{_whole_word(bare, craft.end())}” is work of several steps")
    if (live := _LIVE.search(bare)) and verb not in _LOOKS | _RUNS:
        reasons.append(f"it changes what people use: “{live.group(0)}”")
    if (large := _UNDERTAKING.search(bare)) and verb not in _LOOKS and not place:
        reasons.append(f"“{large.group(0)}” is not done in one step")
    return reasons


def _whole_word(text: str, end: int) -> str:
    return re.match(r"\w*", text[end:]).group(0).join([text[:end], ""])  # type: ignore[union-attr]


def _steps(text: str) -> list[str]:
    """The things to do, without a look at the place or the outcome of another."""
    named = parts(text)
    looks = [part for part in named if _a_look(part.verb, part.thing, named.index(part))]
    done = [part for part in named if part not in looks]
    return [part.said or part.text for part in (done if len(done) > 1 else named[:1])]


def _a_look(verb: str, thing: str, place: int) -> bool:
    if verb in {"open", "look", "go", "read"} and place == 0:
        return True
    told = re.match(r"(?:me|us)\b|(?:what|which|whether|how|if|why|the (?:result|output|diff))\b",
                    thing, re.IGNORECASE)  # fmt: skip
    return verb in {"show", "tell", "print", "report", "explain", "check", "see", "say"} and bool(
        told
    )


def _many(bare: str) -> str:
    """The words that speak of many places, where no single command takes them all."""
    for match in _MANY_PLACES.finditer(bare):
        thing = match.group("thing") or match.group("things")
        if not _BULK.search(thing) and not _SMALL_THING.search(thing.removesuffix("s")):
            return match.group(0)
    return ""
