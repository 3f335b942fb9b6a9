"""Words of goals, paths and names in one form, so that they can be compared.

    >>> words_of("ProductCatalogService/cart_store.py")
    ('product', 'catalog', 'service', 'cart', 'store', 'py')
    >>> stem("payments"), stem("caching"), stem("caches"), stem("entries")
    ('payment', 'cach', 'cach', 'entry')

Stemming is the first steps of Porter's (1980) and no more: names in code are short, and what a
deeper stemmer merges ("general", "generate") are different things there.
"""

from __future__ import annotations

import functools
import re

from orch_nb.catalog.library import document

__all__ = ["STOP", "goal_terms", "stem", "words_of"]

_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+|\d+")
_SHORTEST = 3
_MOST = 40
_NEAR = 0.6
#: Words that name nothing in a codebase: of goals, of the ways that goals speak of, of work.
STOP = frozenset(
    "a about above across after afterwards again against all along already also "
    "always among an and "
    "another any anyone anything are around as ask at away back be because been before being below "
    "best better between both but by can cannot could day days did do does doing done down during "
    "each either else end enough even ever every everyone everything far few first for from full "
    "further get give go goes going good great had half has have having he her here him his how if "
    "in instead into is it its itself just keep keeps kept kind know last late later "
    "least less let "
    "like little live long look lot made make makes making many may me mean means "
    "might month months "
    "more most much must my near need needed needs never new next no nobody none nor "
    "not nothing now "
    "of off often old on once one ones only onto or other others our out over own part per place "
    "please possible put quite rather ready really right run running safe safely same say says see "
    "seen several shall she should show side simple since small so some somebody something soon "
    "still stop such sure take taken takes team than that the their them then there "
    "these they thing "
    "things this those though three through time times to today together too toward turn two under "
    "until up upon us use used user users uses using very via want wants was way "
    "ways we week weeks "
    "well were what when where whether which while who whole whom whose why will "
    "with within without "
    "would year years yes yet you your "
    # what is done, which any goal says
    "add adds build built bring change changes changed check clean convert create "
    "cut define delete "
    "deploy develop drop enable ensure extend fail fails failing find finish fix "
    "fixes handle implement improve "
    "increase introduce launch maintain migrate migrated migrating migration move "
    "moved moves moving "
    "perform plan prepare provide reduce release rewrite refactor remove removed rename replace "
    "replaced restore retire roll rollback rolled set setup ship split start support switch try "
    "update updates upgrade verify write allow offer single multiple allows "
    # what any codebase has
    "app apps application applications code codebase component components data demo file files "
    "folder project projects repo repository service services source src system systems "
    "downtime step steps task tasks thing version work works working shop store stores site".split()
)


@functools.lru_cache(maxsize=200_000)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a name, a path or a sentence, split where an identifier joins them."""
    return tuple(piece.lower() for piece in _PIECES.findall(text))


@functools.lru_cache(maxsize=100_000)
def stem(word: str) -> str:
    """`word` without its ending, in lower case."""
    word = word.lower()
    if len(word) <= _SHORTEST:
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    for ending, least in (("ings", 3), ("ing", 3), ("ed", 3), ("es", 3), ("s", 3), ("e", 3)):
        if word.endswith("eed"):
            return word
        if word.endswith(ending) and len(word) - len(ending) >= least:
            if ending == "s" and word[-2:] in {"ss", "us", "is"}:
                return word
            bare = word[: -len(ending)]
            if ending in {"ing", "ings", "ed"} and bare[-1] == bare[-2] and bare[-1] not in "lsz":
                bare = bare[:-1]
            return bare.removesuffix("e") if len(bare) > _SHORTEST else bare
    return word


@functools.cache
def _synonyms() -> dict[str, tuple[str, ...]]:
    groups: list[str] = document("vocabulary.yaml")["synonyms"]
    found: dict[str, tuple[str, ...]] = {}
    for group in groups:
        stems = tuple(stem(word) for word in group.split())
        for own in stems:
            found[own] = (*found.get(own, ()), *(other for other in stems if other != own))
    return found


@functools.cache
def _stems_of_stop() -> frozenset[str]:
    return frozenset(map(stem, STOP))


def _stopped(word: str) -> bool:
    return word in STOP or stem(word) in _stems_of_stop()


def goal_terms(text: str) -> dict[str, tuple[str, float]]:
    """Stems to look for in a codebase, each with the word of `text` that it stands for and how much
    it counts: 1 for a word of the goal, less for its synonyms.

    >>> goal_terms("Move the carts from Redis")["basket"]
    ('carts', 0.6)
    """
    found: dict[str, tuple[str, float]] = {}
    words = [word for word in words_of(text) if len(word) >= _SHORTEST and not _stopped(word)]
    own = [(stem(word), word) for word in dict.fromkeys(words) if not word.isdigit()][:_MOST]
    for one, word in own:
        found.setdefault(one, (word, 1.0))
    for one, word in own:
        for other in _synonyms().get(one, ()):
            found.setdefault(other, (word, _NEAR))
    return found
