"""Words of goals: which of them are verbs, and how a text becomes a short title or a name.

English verbs cannot be told from nouns by their form, so there is a list of those by which people
say what is to be done, each with the phase of work that it belongs to. A word that is not in the
list but stands before an article ("zap the cache") is taken for one as well.

The phase says what may go side by side: two things of one phase do not wait for each other unless
the goal says so, and a check comes after the making that is named before it.

    >>> phase("lint"), phase("type-check"), phase("publish")
    ('check', 'check', 'out')
    >>> slug("Update the PyPI package!")
    'update_pypi_package'
"""

from __future__ import annotations

import re

__all__ = [
    "MOST_ID",
    "MOST_TITLE",
    "VERB",
    "base_verb",
    "fit",
    "follows",
    "phase",
    "slug",
    "verb_of",
]

#: A title beyond this is too wide for a node of a drawing; the rest is the description's.
MOST_TITLE = 40
MOST_ID = 20

_PHASES = {
    "look": "collect count crawl download examine explore extract fetch find gather get "
    "identify import ingest inspect interview inventory investigate list load locate "
    "look map measure observe plot poll profile pull query read record research "
    "sample scan scrape search study survey trace track ask buy purchase borrow rent "
    "reproduce",
    "wait": "await sleep wait",
    "keep": "archive back backup cordon drain freeze lock pause quiesce save snapshot stop",
    "prepare": "clean cleanse correct dedupe deduplicate filter impute label normalise normalize "
    "parse sanitise sanitize standardise standardize tidy",
    "combine": "combine concatenate join link merge unify union",
    "compute": "aggregate analyse analyze apply calculate cluster compute convert enrich "
    "estimate fit forecast model predict rank score simulate summarise summarize "
    "train transform translate tune",
    "check": "audit benchmark check compare confirm evaluate lint proofread prove reconcile "
    "rehearse review test try typecheck weigh validate verify",
    "decide": "agree approve decide sign vote",
    "make": "adapt add adjust allow assemble assign automate backfill bake book brief bring "
    "build bump calibrate change cherry-pick choose code compile configure connect "
    "contain containerise containerize cook copy create cut define describe design "
    "develop disable document draft drill drop dry edit enable encrypt ensure export "
    "extend film finish fix flag fold format generate give glue hand harden have hire "
    "host implement improve increase initialise initialize install instrument "
    "integrate introduce invite invoice isolate keep let lower make migrate mitigate "
    "monitor mount move negotiate onboard open optimise optimize order organise "
    "organize pack package paint patch pay pick pin plan plant plug point port post "
    "prepare present print produce prototype provide provision prune pull put raise "
    "rebase rebuild recalibrate recover recruit reduce refactor refill refresh refuse "
    "register rehearse reinstall rekey relabel rename render reopen repair replace "
    "replicate request reserve reset resize resolve restart restore retrain rewire "
    "rework rewrite rotate run schedule screw seed select set settle shoot show "
    "simplify sort split squash start store strip support swap sync tag take teach "
    "trim turn uncordon unpack unplug update upgrade use visit warn wash watch wire "
    "wrap write say leave drive eat drink ride walk phone fill empty hold hang peel "
    "boil mix stir roast chop slice heat cool water mow rake dig sow harvest feed "
    "knit sketch sing play practise practice learn revise memorise meet discuss "
    "answer reply respond arrange decorate",
    "out": "activate cutover deliver deploy distribute expose file go grant hand launch mail "
    "offer promote publish push redirect release roll route sell send serve share "
    "ship submit switch transfer upload",
    "tell": "announce blog communicate contact email inform message notify ping tell tweet "
    "call forward",
    "end": "ban cancel close decommission delete deprecate destroy disconnect erase evict "
    "expire purge remove retire revert revoke shut sunset terminate truncate unblock "
    "unfreeze uninstall unlock unpublish unregister wipe",
}
_PHASE = {verb: name for name, verbs in _PHASES.items() for verb in verbs.split()}
_PHASE |= {"apply": "make", "drop": "end", "hand": "out", "tell": "tell", "try": "check"}
_KNOWN = "|".join(sorted(_PHASE, key=lambda verb: (-len(verb), verb)))
#: Before an article these are no verbs.
_NO_VERB = (
    "about above across after against all along also although among an and any are as at because "
    "before behind below beside between both but by can could did do does down during each "
    "either even every except few for from had has have how if in inside into is just least less "
    "like many may might more most must near neither next no nor not of off on once one only onto "
    "or out outside over past per plus rather said same should since so some still such than "
    "that then these they this those though through throughout till toward towards under unless "
    "until unto up upon via was we were what whatever when where whether which while who whom "
    "whose why will with within without would yet you"
).split()
_DETERMINER = r"(?:the|an?|our|my|your|their|its|it|them|all|every|each|this|these|those|whatever)"
#: A verb at the start of a clause: a known one, with or without "re-", "dual-" and their like, or
#: any word before an article.
VERB = re.compile(
    rf"(?:(?:(?:re-?|un)?|[a-z]+-)(?:{_KNOWN})\b(?!-)(?!['’]s\b)"
    r"(?!\s+(?:is|are|was|were|has|have|must|should|will|can|cannot|may)\b)|"
    r"(?!(?:other|like|exerc|prec|no|enterpr|expert|kustom)[iw])[a-z]{4,}i[sz]e\b|"
    rf"(?!(?:{'|'.join(_NO_VERB)})\b)[a-z]{{2,}}(?=\s+{_DETERMINER}\b))",
    re.IGNORECASE,
)
_SMALL = frozenset("the a an of and to for in on or with at by from into its their our".split())
#: Where a title may end without saying something else: never inside of a list or of a "to".
_CUT = re.compile(
    r"\s*(?:[:;]|,\s(?:so|but|which)\s|\s\(|\s(?:so|because|which|that|without|while|when|if|with|"
    r"before|after|until|for|from|on|at|by|as|per|using|via)\s)"
)
_SHORTEST = 14


def verb_of(text: str) -> str:
    """The verb at the start of `text`, in lower case, or ""."""
    found = VERB.match(text)
    return found.group(0).lower() if found else ""


def phase(verb: str) -> str:
    """The phase of work that `verb` belongs to: look, wait, ..., end; make if it is not known."""
    verb = verb.lower()
    for form in (verb, verb.rpartition("-")[2], re.sub(r"^(?:re|un)-?", "", verb)):
        if form in _PHASE:
            return _PHASE[form]
    return "make"


def follows(verb: str, other: str) -> bool:
    """Whether `verb`, named after `other` and parted from it by a comma only, comes after it: it
    belongs to another phase, or to one in which one thing works on what the other leaves.

    >>> follows("order", "book"), follows("test", "build"), follows("roll", "upload")
    (False, True, True)
    """
    if phase(verb) != phase(other):
        return True
    return phase(verb) in {"prepare", "combine", "out", "end"} and verb != other


def base_verb(gerund: str) -> str:
    """The verb of a gerund or participle, as far as the list of verbs knows it.

    >>> base_verb("publishing"), base_verb("switched"), base_verb("making")
    ('publish', 'switch', 'make')
    """
    stem = re.sub(r"(?:ing|ed)$", "", gerund.lower())
    forms = [stem, f"{stem}e", re.sub(r"(.)\1$", r"\1", stem), re.sub(r"i$", "y", stem)]
    return next((form for form in forms if form in _PHASE), stem)


def slug(text: str, words: int = 5, most: int = MOST_ID) -> str:
    """A short snake_case name of `text`: whole words, at most `most` characters.

    >>> slug("Tell three species of penguins apart by their bills")
    'tell_three_species'
    """
    bare = re.sub(r"\([^()]*\)", " ", text) if not text.startswith("(") else text
    found = re.findall(r"[a-z0-9]+", bare.lower().replace("'s ", " ").replace("’s ", " "))
    kept = [word for word in found if word not in _SMALL] or found
    name = ""
    for word in kept[:words]:
        longer = f"{name}_{word}" if name else word[:most]
        if len(longer) > most:
            break
        name = longer
    if name[:1].isalpha():
        return name
    return f"t_{name}"[:most].rstrip("_") if name else "task"


def fit(text: str, most: int = MOST_TITLE) -> str:
    """`text` in at most `most` characters: cut where a phrase ends, else at a word with "…".

    >>> fit("Copy the history, so that nothing is lost on the way there")
    'Copy the history'
    """
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    bare = " ".join(re.sub(r"\s*\([^()]*\)", "", text).split())
    if _SHORTEST <= len(bare) <= most:
        return bare
    ends = [cut.start() for cut in _CUT.finditer(bare) if _SHORTEST <= cut.start() <= most]
    if ends:
        return bare[: ends[-1]].rstrip()
    head = bare[: most - 1].rpartition(" ")[0] or bare[: most - 1]
    return f"{head.rstrip(' ,;:.')}…"
