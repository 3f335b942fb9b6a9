"""Compose files: services with what they are built from or pulled as, and whom they name.

Every file speaks for itself: an overlay only adds to the service that another file of that name
declares, which is put together later. Variables come from `.env` beside the file and from
`env_file`; `extends` brings image, build and environment of the service it names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import yaml

from orch_nb.analysis.declared import Declared, Reference, Surroundings, joined
from orch_nb.analysis.images import known_image
from orch_nb.analysis.manifests.docker import aside, home_of
from orch_nb.analysis.manifests.yaml_nodes import (
    child,
    compose_nodes,
    entries,
    items,
    line,
    scalar,
)
from orch_nb.analysis.scan import File

__all__ = ["compose", "dotenv", "expanded", "is_compose"]

_OF_TESTS = re.compile(r"(?i)(^|[._-])(tests?|e2e|ci|cypress|playwright|integration)([._-]|$)")
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)(?::?[-+](?P<default>[^{}]*(?:\$\{[^}]*\})?[^{}]*))?"
                       r"(?::?\?[^}]*)?\}|(?P<bare>[A-Za-z_]\w*))")  # fmt: skip


def is_compose(name: str) -> bool:
    """Whether a file of that name is a compose file."""
    return re.fullmatch(
        r"([\w.-]+[._-])?(docker-?)?compose([._-][\w.-]+)?\.ya?ml|[\w.-]+\.compose\.ya?ml", name
    ) is not None  # fmt: skip


def dotenv(text: str) -> dict[str, str]:
    """The variables of a `.env` file, those that others of it name expanded."""
    found: dict[str, str] = {}
    for one in text.splitlines()[:2000]:
        match = re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)$", one)
        if match:
            value = match.group(2).strip()
            value = value[1:-1] if value[:1] in {"'", '"'} and value[-1:] == value[:1] else (
                re.sub(r"\s+#.*$", "", value)
            )  # fmt: skip
            found[match.group(1)] = expanded(value, found)
    return found


def expanded(value: str, known: Mapping[str, str], depth: int = 0) -> str:
    """`value` with `$A`, `${A}`, `${A:-default}` put in; what is unknown stays as it is written."""

    def put(match: re.Match[str]) -> str:
        name = match["braced"] or match["bare"]
        if known.get(name):
            return known[name]
        return match["default"] if match["default"] is not None else match.group(0)

    if "$" not in value or depth > 4 or len(value) > 5000:
        return value
    made = _VARIABLE.sub(put, value)
    return made if made == value else expanded(made, known, depth + 1)


def compose(text: str, file: File, around: Surroundings) -> Iterable[Declared]:
    root = compose_nodes(text)
    services = child(root, "services")
    if services is None and root is not None and child(root, "version") is None:
        services = _first_version(root)
    known = _known(file, around)
    tested = aside(file.folder) or bool(
        _OF_TESTS.search(re.sub(r"(?i)(docker-?)?compose|\.ya?ml$", "", file.name))
    )
    for name, at, service in entries(services):
        if isinstance(service, yaml.MappingNode) and service.tag != "!reset":
            yield _service(name, at, service, _Place(file, around, known, services, tested))


def _first_version(root: yaml.MappingNode) -> yaml.MappingNode | None:
    """Files of the first version name their services at the top."""
    named = [value for _, _, value in entries(root)]
    alike = [value for value in named if child(value, "image") or child(value, "build")]
    return root if named and len(alike) == len(named) else None


class _Place:
    """Where a service stands: what its references are read in."""

    def __init__(
        self, file: File, around: Surroundings, known: Mapping[str, str],
        services: yaml.Node | None, tested: bool,
    ) -> None:  # fmt: skip
        self.file, self.around, self.known = file, around, known
        self.services, self.tested = services, tested


def _known(file: File, around: Surroundings) -> dict[str, str]:
    inside = f"{file.folder}/" if file.folder else ""
    found: dict[str, str] = {}
    for name in (
        ".env.example",
        ".env.sample",
        ".env.template",
        "example.env",
        ".env.dist",
        ".env",
    ):
        found.update(dotenv(around.text(inside + name)))
    return found


def _service(name: str, at: int, node: yaml.MappingNode, place: _Place) -> Declared:
    base = _extended(node, place)
    image = expanded(scalar(child(node, "image")) or scalar(child(base, "image")), place.known)
    build = child(node, "build") or child(base, "build")
    folder = _built_from(build, place) if build is not None else None
    profiles = [scalar(one) for one in items(child(node, "profiles"))]
    optional = f"only in profile {', '.join(profiles)}" if any(profiles) else ""
    hosts = [scalar(child(node, "container_name")), scalar(child(node, "hostname"))]
    hosts += [
        scalar(one)
        for _, _, net in entries(child(node, "networks"))
        for one in items(child(net, "aliases"))
    ]
    references = [*_depends(node, place.file), *_environment(node, place)]
    if base is not None:
        references += [Reference("extends", _base_name(node, place), place.file.path)]
        references += [*_depends(base, place.file), *_environment(base, place)]
    words = f"image {image}" if image and build is None else f"built from {folder or '.'}"
    known = known_image(image)
    confidence = 0.95 if image or build is not None else 0.6
    if known is not None and known[0] == "Emulator":
        confidence = 0.6  # it stands in for a service of a cloud, where people develop
    return Declared(
        name=name, kind="test" if place.tested else "", path=place.file.path, line=at,
        text="patched by an overlay" if not image and build is None else words,
        system="compose", folder=folder, image="" if build is not None and folder is not None
        else image, aliases=tuple(expanded(host, place.known) for host in hosts if host),
        references=(*references, *_commands(node, place), *_mounted(node, image, folder, place)),
        confidence=confidence - (0.2 if optional else 0.0), optional=optional,
    )  # fmt: skip


def _base_name(node: yaml.MappingNode, place: _Place) -> str:
    """The service that this one extends, with the path of its file."""
    extends = child(node, "extends")
    other = scalar(child(extends, "file"))
    path = joined(place.file.folder, other) if other else place.file.path
    return f"{path}#{scalar(extends) or scalar(child(extends, 'service'))}"


def _extended(node: yaml.MappingNode, place: _Place) -> yaml.Node | None:
    """The service that this one extends."""
    extends = child(node, "extends")
    name = scalar(extends) or scalar(child(extends, "service"))
    other = scalar(child(extends, "file"))
    if not name:
        return None
    if not other:
        return child(place.services, name)
    text = place.around.text(joined(place.file.folder, other))
    try:
        return child(compose_nodes(text), "services", name) if text else None
    except ValueError:
        return None  # told where that file itself is read


def _built_from(build: yaml.Node, place: _Place) -> str | None:
    """The folder of the source: the Dockerfile's own where it has one, else the context."""
    context = expanded(scalar(build) or scalar(child(build, "context")) or ".", place.known)
    if "://" in context or context.startswith("git@"):
        return None
    folder = joined(place.file.folder, context) if "$" not in context else ""
    folder = _there(folder, place)
    made = expanded(scalar(child(build, "dockerfile")), place.known)
    if not made or "$" in made:
        return folder
    meant = joined(folder, made).rpartition("/")[0]
    inner = _there(meant, place)
    last = inner.rpartition("/")[2].lower()
    home = inner if last in {"src", "app"} and inner != folder else home_of(inner)
    inside = not folder or home.startswith(f"{folder}/") or inner != meant
    tool = last.startswith(".") or last in {"scripts", "hack", "ci", "tools"}
    return home if home and inside and not tool else folder


def _there(folder: str, place: _Place) -> str:
    """The folder, or, where there is none of that path, the one at the root that its end names: the
    file is run from elsewhere than where it stands."""
    if not folder or place.around.under(folder):
        return folder
    parts = folder.split("/")
    ends = ("/".join(parts[n:]) for n in range(1, len(parts)))
    return next((end for end in ends if place.around.under(end)), folder)


def _depends(node: yaml.Node | None, file: File) -> Iterator[Reference]:
    needs = child(node, "depends_on")
    for one in items(needs):
        yield Reference("depends_on", scalar(one), file.path, line(one), text="depends_on",
                        confidence=0.95)  # fmt: skip
    for name, at, _ in entries(needs):
        yield Reference("depends_on", name, file.path, at, text="depends_on", confidence=0.95)
    for one in items(child(node, "links")):
        target = scalar(one).partition(":")[0]
        yield Reference("depends_on", target, file.path, line(one), text="links")


def _environment(node: yaml.Node | None, place: _Place) -> Iterator[Reference]:
    environment = child(node, "environment")
    for one in items(environment):
        key, equals, value = scalar(one).partition("=")
        yield _variable(key, value if equals else f"${{{key}}}", line(one), place)
    for key, at, said in entries(environment):
        yield _variable(key, scalar(said) or f"${{{key}}}", at, place)
    files = child(node, "env_file")
    paths = [scalar(files)] if scalar(files) else []
    paths += [scalar(one) or scalar(child(one, "path")) for one in items(files)]
    for path in filter(None, paths):
        where = joined(place.file.folder, expanded(path, place.known))
        text = place.around.text(where)
        if not text and place.around.has(f"{where}.example"):
            where = f"{where}.example"
            text = place.around.text(where)
        own = {**place.known, **dotenv(text)} if text else {}
        for n, row in enumerate(text.splitlines()[:500], 1):
            if match := re.match(r"\s*(?:export\s+)?(\w+)\s*=\s*(\S+)", row):
                made = expanded(match.group(2).strip("'\""), own)
                yield Reference("env", made, where, n, key=match.group(1), text=match.group(1))


def _variable(key: str, value: str, at: int, place: _Place) -> Reference:
    key = key.strip()
    made = expanded(value.strip(), place.known)
    return Reference("env", made, place.file.path, at, key=key, text=key)


def _commands(node: yaml.Node, place: _Place) -> Iterator[Reference]:
    """What is said on the command line: flags hold addresses too."""
    for part in ("command", "entrypoint"):
        said = child(node, part)
        nodes = [said] if scalar(said) else items(said)
        for one in filter(None, nodes):
            value = expanded(scalar(one), place.known)
            yield Reference("command", value, place.file.path, line(one), text=part,
                            confidence=0.8)  # fmt: skip


_SETTINGS = re.compile(r"(?i)\.(ya?ml|conf|cfg|json|toml|ini|template|tmpl|properties)$|Caddyfile$")
_WATCHES = frozenset({"Prometheus", "Loki", "Logstash"})
_MOST_MOUNTED = 40


def _mounted(node: yaml.Node, image: str, folder: str | None, place: _Place) -> Iterator[Reference]:
    """Addresses in the settings that are mounted into an image: a proxy says so whom it serves.
    Not of what watches everything."""
    known = known_image(image)
    if folder is not None or (known and (known[0] in _WATCHES or known[1] == "store")):
        return
    for one in items(child(node, "volumes")):
        said = scalar(one).partition(":")[0] or scalar(child(one, "source"))
        path = expanded(said, place.known)
        if not path.startswith((".", "/")) or path.startswith("/") or path in {".", "./", ".."}:
            continue
        where = joined(place.file.folder, path)
        files = place.around.at(where) if where else []
        for file in files[:_MOST_MOUNTED]:
            if (
                not _SETTINGS.search(file.name)
                or file.size > 200_000
                or file.name.endswith(".json")
            ):
                continue
            for n, text in enumerate(place.around.text(file.path).splitlines(), 1):
                if ":" in text and not text.lstrip().startswith(("#", "//", ";")):
                    value = expanded(text.strip(), place.known)
                    yield Reference("command", value[:500], file.path, n, text="in its settings",
                                    confidence=0.7)  # fmt: skip
