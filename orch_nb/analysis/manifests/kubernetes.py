"""Kubernetes manifests, Kustomize components, Skaffold: what is deployed, and whom it names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import yaml

from orch_nb.analysis.declared import Declared, Reference, Surroundings, joined
from orch_nb.analysis.images import image_name, known_image
from orch_nb.analysis.manifests.yaml_nodes import (
    child,
    documents,
    entries,
    items,
    line,
    scalar,
)
from orch_nb.analysis.scan import File

__all__ = ["kubernetes", "looks_like_kubernetes", "skaffold", "workloads"]

_KINDS = {
    "Deployment": "", "StatefulSet": "", "DaemonSet": "", "ReplicaSet": "", "Rollout": "",
    "DeploymentConfig": "", "CronJob": "job", "Job": "job", "Pod": "",
}  # fmt: skip
_OPERATED = {  # resources of operators that are stores and queues themselves
    "Kafka": ("Kafka", "queue"), "RabbitmqCluster": ("RabbitMQ", "queue"),
    "PostgresCluster": ("PostgreSQL", "store"), "postgresql": ("PostgreSQL", "store"),
    "MongoDBCommunity": ("MongoDB", "store"), "Elasticsearch": ("Elasticsearch", "store"),
    "RedisFailover": ("Redis", "store"), "NatsCluster": ("NATS", "queue"),
}  # fmt: skip
_MARK = re.compile(
    r"(?m)^(?:\s*-\s+)?\s{0,2}kind:\s*['\"]?(Deployment|StatefulSet|DaemonSet|CronJob|Job|Pod|Service|ConfigMap"
    r"|Rollout|DeploymentConfig|ReplicaSet|List|Kafka|RabbitmqCluster|PostgresCluster|postgresql)\b"
)


def looks_like_kubernetes(text: str) -> bool:
    """Whether a YAML file holds a resource that is worth reading."""
    return "apiVersion" in text and _MARK.search(text) is not None


def kubernetes(text: str, file: File, around: Surroundings) -> Iterable[Declared]:
    if not looks_like_kubernetes(text) or "{{" in text:
        return
    optional = _optional(file, around)
    yield from workloads(documents(text), file, "kubernetes", optional=optional)


def _optional(file: File, around: Surroundings) -> str:
    """Why what this file deploys is not part of every deployment, "" if it is."""
    folder = file.folder
    while True:
        text = around.text(f"{folder}/kustomization.yaml" if folder else "kustomization.yaml")
        if re.search(r"(?m)^kind:\s*Component\b", text):
            return "optional: a Kustomize component"
        if not folder:
            return ""
        folder = folder.rpartition("/")[0]


def workloads(
    roots: list[yaml.MappingNode], file: File, system: str, *, optional: str = ""
) -> Iterator[Declared]:
    """What a stream of resources deploys. Services and config maps of it are put in."""
    resources: list[yaml.Node] = []
    for root in roots:
        resources += (
            items(child(root, "items")) if scalar(child(root, "kind")) == "List" else [root]
        )
    services = [one for one in resources if scalar(child(one, "kind")) == "Service"]
    maps = {
        scalar(child(one, "metadata", "name")): child(one, "data")
        for one in resources
        if scalar(child(one, "kind")) == "ConfigMap"
    }
    for one in resources:
        kind = scalar(child(one, "kind"))
        name = _named(one)
        if kind in _KINDS and name:
            yield _workload(one, kind, name, file, system, services, maps, optional)
        elif kind in _OPERATED and name:
            technology, what = _OPERATED[kind]
            yield Declared(name=name, kind=what, path=file.path, line=_line(one), text=kind,
                           system=system, language=technology, optional=optional,
                           confidence=0.6 if optional else 0.9)  # fmt: skip
    for one in services:  # a service may stand in a file of its own, and be how others call it
        target = scalar(child(one, "spec", "selector", "app")) or scalar(
            child(one, "spec", "selector", "app.kubernetes.io/name")
        ) or scalar(child(one, "spec", "selector", "io.kompose.service"))  # fmt: skip
        if _named(one):
            yield Declared(name=target or _named(one), kind="alias", path=file.path,
                           line=_line(one), system=system, aliases=(_named(one),))  # fmt: skip
    for name, data in maps.items():
        uses = tuple(_variables(data, file)) if name else ()
        if uses:
            yield Declared(name=name, kind="config", path=file.path, system=system, references=uses)


def _named(node: yaml.Node) -> str:
    return scalar(child(node, "metadata", "name")).strip("-")


def _line(node: yaml.Node) -> int:
    named = child(node, "metadata", "name")
    return line(named if named is not None else node)


def _workload(
    node: yaml.Node, kind: str, name: str, file: File, system: str,
    services: list[yaml.Node], maps: dict[str, yaml.Node | None], optional: str,
) -> Declared:  # fmt: skip
    spec = child(node, "spec")
    template = child(spec, "jobTemplate", "spec", "template") or child(spec, "template") or node
    pod = child(template, "spec")
    containers = items(child(pod, "containers"))
    labels = {
        key: scalar(value) for key, _, value in entries(child(template, "metadata", "labels"))
    }
    main = _main(containers, name)
    image = scalar(child(main, "image")) if main is not None else ""
    aliases = [_named(one) for one in services if _selects(one, labels)]
    references = []
    for container in [*containers, *items(child(pod, "initContainers"))]:
        references += list(_of_container(container, file, maps))
    words = f"{kind}, image {image}" if image else f"{kind}, patched by an overlay"
    known = known_image(image)
    return Declared(
        name=name, kind=_KINDS[kind], path=file.path, line=_line(node), text=words, system=system,
        image=image, aliases=tuple(alias for alias in aliases if alias),
        references=tuple(references), optional=optional,
        language=known[0] if known and known[1] != "support" else "",
        confidence=(0.95 if image else 0.5) - (0.3 if optional else 0.0),
    )  # fmt: skip


def _main(containers: list[yaml.Node], name: str) -> yaml.Node | None:
    """The container that a workload is about: of its own name, else the first no sidecar is."""
    for container in containers:
        if scalar(child(container, "name")) == name:
            return container
    own = [
        c
        for c in containers
        if (known_image(scalar(child(c, "image"))) or ("", ""))[1] != "support"
    ]
    return next(iter(own or containers), None)


def _selects(service: yaml.Node, labels: dict[str, str]) -> bool:
    wanted = {key: scalar(value) for key, _, value in entries(child(service, "spec", "selector"))}
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())


def _of_container(
    container: yaml.Node, file: File, maps: dict[str, yaml.Node | None]
) -> Iterator[Reference]:
    for one in items(child(container, "env")):
        key = scalar(child(one, "name"))
        value = child(one, "value")
        source = child(one, "valueFrom", "configMapKeyRef")
        if source is not None:
            found = child(maps.get(scalar(child(source, "name"))), scalar(child(source, "key")))
            value = found if found is not None else value
            if found is None:
                yield Reference("config", scalar(child(source, "name")), file.path, line(source),
                                key=scalar(child(source, "key")), text=key)  # fmt: skip
        if scalar(value) and value is not None:
            yield Reference("env", scalar(value), file.path, line(value), key=key, text=key)
    for one in items(child(container, "envFrom")):
        name = scalar(child(one, "configMapRef", "name"))
        if name in maps:
            yield from _variables(maps[name], file)
        elif name:
            yield Reference("config", name, file.path, line(one), text="envFrom")
    for part in ("args", "command"):
        for one in items(child(container, part)):
            yield Reference("command", scalar(one)[:2000], file.path, line(one), text=part,
                            confidence=0.8)  # fmt: skip


def _variables(data: yaml.Node | None, file: File) -> Iterator[Reference]:
    for key, at, value in entries(data):
        if "\n" not in scalar(value).strip() and len(scalar(value)) < 1000:
            yield Reference("env", scalar(value), file.path, at, key=key, text=key)


def skaffold(text: str, file: File, _: Surroundings) -> Iterable[Declared]:
    """The images that skaffold builds, each with the folder it is built from."""
    for root in documents(text):
        for artifact in items(child(root, "build", "artifacts")):
            image, context = scalar(child(artifact, "image")), scalar(child(artifact, "context"))
            if image:
                project = scalar(child(artifact, "jib", "project"))
                folder = joined(joined(file.folder, context or "."), project)
                yield Declared(
                    name=image_name(image), kind="", path=file.path, line=line(artifact),
                    system="skaffold", folder=folder, image=image_name(image),
                    text=f"built from {folder or '.'}", confidence=0.8,
                )  # fmt: skip
