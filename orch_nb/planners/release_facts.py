"""What a goal says of a release: of what, which version, from which branch, published where."""

from __future__ import annotations

import re

from orch_nb.catalog.clauses import Part
from orch_nb.catalog.vocabulary import Artefact, artefacts, artefacts_by_id
from orch_nb.model.analysis import Analysis
from orch_nb.planners.notes import Item, Notes

__all__ = ["VERSION", "read_release"]

VERSION = re.compile(r"\bv?\d+\.(?:\d+|x)(?:\.(?:\d+|x))?(?:[ab]\d+|rc\d+|-[\w.]+)?\b")
_NUMBER = re.compile(r"\bversion (?P<v>v?\d+(?:\.\d+)*)\b", re.IGNORECASE)
_NEXT = re.compile(r"\bfor (?:the )?(v?\d+\.\d+(?:\.\d+)?)\b")
_LEAD = re.compile(r"^\W*(?:please\s+|we (?:want|need) to\s+)?[A-Za-z]+\s+")
_WHOLE = re.compile(
    r"\b(?:releas(?:e|ing)|deploy|ship|launch|roll out)\s+(?:the |a |an |our |new )*"
    r"(.+?)(?=\s+(?:to|on|in|with|without|by|before|after|from|as|and)\b|[,;:!?]|\.(?:\s|$)|$)",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"^(?:the|a|an|new|our|version|of)\s+|\s*\b(?:version|of|release)\s*$", re.IGNORECASE
)
_PLACE = re.compile(r"\b(production|staging|the live system|the cluster)\b", re.IGNORECASE)
_DEPLOY = re.compile(
    r"\b(deploy\w*|roll(?:ing)? ?out|production|canary|launch|go live)\b", re.IGNORECASE
)
_OF = re.compile(
    r"\s+of\s+(?:the |our |a )?(.+?)(?=\s+(?:to|on|in|with|without|by|before|as|and)\b|[,;:!?.]|$)",
    re.IGNORECASE,
)
_PLATFORMS = re.compile(
    r"\b(linux|macos|windows|arm64|aarch64|every platform|all platforms|android|ios)\b",
    re.IGNORECASE,
)
_MANY_ARTEFACTS = 4
_LONGEST_SUBJECT = 40
_LONGEST_THING = 60
_DOCUMENTS = frozenset({"the documentation", "docs", "the docs", "documentation"})
_BY_MANIFEST = {
    "pyproject.toml": "pypi", "setup.py": "pypi", "setup.cfg": "pypi", "Cargo.toml": "crates",
    "package.json": "npm", "pom.xml": "maven", "go.mod": "go_module", "Dockerfile": "docker",
}  # fmt: skip


def read_release(text: str, told: list[Part], analysis: Analysis | None, notes: Notes) -> None:
    """Writes down what a release needs; `told` are the parts that the goal names."""
    version = VERSION.search(text) or _NUMBER.search(text)
    notes.text["version"] = _version_text(version)
    notes.text["subject"] = _subject(text, version, notes)
    known = f"{notes.text['subject']} {notes.text['version']}"
    if notes.text["subject"] == "the project":
        known = notes.text["version"]
    notes.text["release"] = known if version else f"the new version of {notes.text['subject']}"
    branch = re.search(r"\b(main|master|trunk|develop)\b", text)
    notes.text["branch"] = branch.group(1) if branch else "the main branch"
    maintained = re.search(r"\bmaintenance branch\b", text, re.IGNORECASE) is not None
    notes.text["branch_of_release"] = (
        "the maintenance branch" if maintained else "the release branch"
    )
    if maintained:
        notes.flag("maintenance", "the goal says “maintenance branch”")
    upcoming = _NEXT.search(text)
    notes.text["next"] = upcoming.group(1) if upcoming else "the next version's"
    place = _PLACE.search(text)
    notes.text["place"] = place.group(1) if place else "production"
    _read_artefacts(text, told, analysis, notes)
    _read_size(text, notes)
    changelog = notes.flags.get("said_changelog") or notes.flags.get("changelog")
    if changelog and not {"large", "said_notes"} & set(notes.flags):
        notes.flag("changelog_only", changelog)
    if "said_changelog" in notes.flags:
        notes.flag("changelog", notes.flags["said_changelog"])
    channels = "mailing list, blog, social channels"
    notes.text["channels"] = channels if "large" in notes.flags else "the project's page and lists"
    published = any(item.words for name in ("packages", "records") for item in notes.items[name])
    if _DEPLOY.search(text) and not published:
        notes.flag("deploy")


def _read_size(text: str, notes: Notes) -> None:
    """Whether the release is evidently that of a large project, and by what one sees it."""
    if "maintenance" in notes.flags:
        notes.flag("large", "the goal names a maintenance branch")
    if "release_branches" in notes.flags:
        notes.flag("large", f"CI knows release branches: {notes.flags['release_branches']}")
    named = list(dict.fromkeys(artefact.name for artefact, _, _ in artefacts(text)))
    if len(named) >= _MANY_ARTEFACTS:
        notes.flag("large", f"the goal names {len(named)} things to publish")
    platforms = list(dict.fromkeys(word.lower() for word in _PLATFORMS.findall(text)))
    if len(platforms) > 1 or any("platform" in word for word in platforms):
        notes.flag("large", f"the goal names several platforms ({', '.join(platforms)})")


def _version_text(match: re.Match[str] | None) -> str:
    if match is None:
        return "the new version"
    return match.groupdict().get("v") or match.group(0)


def _subject(text: str, version: re.Match[str] | None, notes: Notes) -> str:
    lead = _LEAD.match(text)
    said = text[lead.end() if lead else 0 : version.start()] if version else ""
    if version and (of := _OF.match(text, version.end())):
        said = of.group(1)
    if not said.strip() and (whole := _WHOLE.search(text)):
        said = VERSION.sub("", whole.group(1))
    said = _FILLER.sub("", _FILLER.sub("", said.strip())).strip(" ,")
    if 0 < len(said) <= _LONGEST_SUBJECT and ":" not in said and "," not in said:
        return said
    components = notes.items["components"]
    return components[0].text if len(components) == 1 else "the project"


def _read_artefacts(text: str, told: list[Part], analysis: Analysis | None, notes: Notes) -> None:
    """Packages first, then the release of record, then what follows it.

    A package that the goal names after a "then" is one that follows.
    """
    named = artefacts(text)
    rows = [(artefact, words) for artefact, words, _ in named] or _of_manifests(analysis)
    staged: dict[str, list[Item]] = {"package": [], "release": [], "follow": []}
    first = min((part.turn for part in told), default=0)
    for artefact, words in rows:
        part = next((p for p in told if words and words.lower() in p.text.lower()), None)
        stage = artefact.stage
        if part is not None and part.turn > first and stage == "package":
            stage = "follow"
        opening = part is not None and text.lower().startswith(part.text.lower()[:25])
        thing = part.thing if part is not None and stage == "follow" and not opening else ""
        name = thing if 0 < len(thing) < _LONGEST_THING else artefact.name
        staged[stage].append(Item(name, artefact.check, words=words))
    if not staged["package"]:  # what would follow a package is all there is to publish
        staged["package"] = [item for item in staged["follow"] if item.text not in _DOCUMENTS]
        staged["follow"] = [item for item in staged["follow"] if item.text in _DOCUMENTS]
    python = any("PyPI" in item.text for item in staged["package"])
    notes.text["builds"] = "the wheel and the sdist" if python else "the artefacts"
    notes.items["packages"], notes.items["records"], notes.items["follows"] = (
        tuple(staged[stage]) for stage in ("package", "release", "follow")
    )
    if not notes.items["packages"] and not notes.items["records"]:
        notes.items["packages"] = (Item("the built artefacts", "users get the new version"),)
    if "docs" in notes.flags and not any("documentation" in i.text for i in staged["follow"]):
        docs = Item("the documentation", "the new version is the default there")
        notes.items["follows"] = (*notes.items["follows"], docs)
    everything = [item.text for stage in staged.values() for item in stage]
    notes.text["artefact_names"] = ", ".join(everything) or "what users get"
    undo = dict.fromkeys(artefact.undo for artefact, _ in rows)
    notes.text["undo"] = "; ".join(undo) or "what can still be taken back"


def _of_manifests(analysis: Analysis | None) -> list[tuple[Artefact, str]]:
    """What the workspace's manifests can be published as, where the goal names nothing."""
    components = analysis.scope.components if analysis else ()
    names = {c.evidence.path.rpartition("/")[2] for c in components if c.kind != "example"}
    known = artefacts_by_id()
    return [(known[_BY_MANIFEST[name]], "") for name in _BY_MANIFEST if name in names]
