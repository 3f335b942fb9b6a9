"""Components by their manifests: each kind with its line, merged by folder, broken ones noted."""

from __future__ import annotations

import json

import pytest

from orch_nb.analysis.components import BROKEN, components
from orch_nb.analysis.scan import scan


def found(root):
    return {part.name: part for part in components(scan(root))}


@pytest.mark.parametrize(
    ("path", "text", "name", "kind", "language", "line"),
    [
        ("pyproject.toml", '[project]\nname = "acme"\n', "acme", "library", "Python", 2),
        (
            "pyproject.toml",
            '[project]\nname = "acme"\n[project.scripts]\nacme = "acme:main"\n',
            "acme", "application", "Python", 2,
        ),
        ("pyproject.toml", '[tool.poetry]\nname = "old"\n', "old", "library", "Python", 2),
        ("setup.cfg", "[metadata]\nname = cfg\n", "cfg", "library", "Python", 2),
        (
            "setup.py", "from setuptools import setup\nsetup(\n  name='sp')\n",
            "sp", "library", "Python", 3,
        ),
        (
            "package.json", '{\n "name": "web",\n "private": true}',
            "web", "application", "JavaScript", 2,
        ),
        (
            "package.json", '{"name": "lib", "devDependencies": {"typescript": "5"}}',
            "lib", "library", "TypeScript", 1,
        ),
        ("go.mod", "// a\nmodule example.org/x/shop\n", "shop", "library", "Go", 2),
        ("Cargo.toml", '[package]\nname = "rusty"\n', "rusty", "library", "Rust", 2),
        (
            "pom.xml",
            '<project xmlns="urn:m">\n<artifactId>jar</artifactId></project>',
            "jar", "library", "Java", 2,
        ),
        ("app/build.gradle", "plugins { id 'application' }\n", "app", "application", "Java", 1),
        (
            "src/Cart/Cart.csproj", '<Project Sdk="Microsoft.NET.Sdk.Web"></Project>',
            "Cart", "application", "C#", 1,
        ),
        ("svc/Dockerfile", "# x\nFROM python:3\n", "svc", "service", "Python", 2),
    ],
)  # fmt: skip
def test_each_manifest_names_its_component_with_its_line(
    repository, path, text, name, kind, language, line
):
    part = found(repository({path: text}))[name]
    assert (part.kind, part.language, part.evidence.path) == (kind, language, path)
    assert line is None or part.evidence.line == line


def test_a_project_file_and_a_dockerfile_in_one_folder_are_one_service(repository):
    root = repository(
        {
            "cart/pyproject.toml": '[project]\nname = "cart"\n',
            "cart/Dockerfile": "FROM python\n",
            "cart/requirements.txt": "flask\n",
        }
    )
    parts = found(root)
    assert list(parts) == ["cart"]
    assert parts["cart"].kind == "service"
    assert parts["cart"].language == "Python"


def test_a_dockerfile_alone_takes_the_language_of_the_sources_beside_it(repository):
    root = repository({"mail/Dockerfile": "FROM ruby\n", "mail/app/server.rb": "puts 1\n"})
    assert found(root)["mail"].language == "Ruby"


def test_compose_gives_stores_queues_and_services_with_their_lines(repository):
    root = repository(
        {
            "compose.yaml": "services:\n"
            "  db:\n    image: postgres:16\n"
            "  mq:\n    image: docker.io/library/rabbitmq:3\n"
            "  web:\n    build: ./web\n"
            "  proxy:\n    image: nginx\n",
            "web/package.json": '{"name": "shop-web"}',
        }
    )
    parts = found(root)
    assert parts["db"].kind == "store"
    assert parts["db"].evidence.line == 2
    assert parts["mq"].kind == "queue"
    assert parts["proxy"].kind == "support"
    assert "shop-web" not in parts  # the package that `web` is built from is the same thing
    assert (parts["web"].kind, parts["web"].language) == ("service", "JavaScript")


def test_an_overlay_with_unknown_tags_names_nothing_twice(repository):
    root = repository(
        {
            "compose.yaml": "services:\n  db: {image: 'redis:7'}\n",
            "compose.override.yaml": "services:\n  db:\n    image: redis:7\n    ports: !reset []\n",
        }
    )
    assert [part.name for part in components(scan(root))] == ["db"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("pyproject.toml", "[project\nname ="),
        ("package.json", "{"),
        ("pom.xml", "<project>"),
        ("pom.xml", '<!DOCTYPE x [<!ENTITY a "b">]><project>&a;</project>'),
        ("compose.yaml", "services: [a\n"),
        ("setup.py", "setup(name="),
        ("Cargo.toml", "= 1"),
    ],
)
def test_a_broken_manifest_is_noted_and_stops_nothing(repository, path, text):
    root = repository({path: text, "good/go.mod": "module x/good\n"})
    seen = scan(root)
    parts = {part.name: part for part in components(seen)}
    assert parts[path].kind == BROKEN
    assert "does not parse" in parts[path].evidence.text
    assert "good" in parts
    assert seen.skipped[BROKEN] == 1


def test_a_yaml_bomb_is_refused_quickly(repository):
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 30)}]" for n in range(1, 12)]
    root = repository({"docker-compose.yml": "\n".join(lines)})
    assert found(root)["docker-compose.yml"].kind == BROKEN


def test_settings_without_a_project_are_no_component(repository):
    assert found(repository({"pyproject.toml": "[tool.ruff]\nline-length = 100\n"})) == {}


def test_manifests_of_tests_are_left_out_and_examples_are_marked(repository):
    root = repository(
        {
            "tests/fixtures/app/package.json": '{"name": "fake"}',
            "examples/hello/package.json": '{"name": "hello"}',
            "package.json": '{"name": "real"}',
        }
    )
    seen = scan(root)
    assert {part.name: part.kind for part in components(seen)} == {
        "real": "library",
        "hello": "example",
    }
    assert seen.skipped["manifest of a test"] == 1


def test_nothing_of_the_workspace_is_run(repository, tmp_path):
    trap = f"open({json.dumps(str(tmp_path / 'ran'))}, 'w').close()\n"
    root = repository({"setup.py": trap + "from setuptools import setup\nsetup(name='x')\n"})
    assert "x" in found(root)
    assert not (tmp_path / "ran").exists()


def test_a_dockerfile_in_a_folder_that_says_nothing_takes_the_name_above(repository):
    assert "cart" in found(repository({"cart/docker/Dockerfile": "FROM x\n"}))


def test_an_image_that_is_only_pulled_has_no_language_of_this_codebase(repository):
    root = repository({"a.py": "", "compose.yaml": "services:\n  proxy: {image: nginx}\n"})
    assert found(root)["proxy"].language == ""


def test_a_makefile_is_a_component_where_nothing_else_names_one(repository):
    root = repository({"Makefile": "all:\n\tcc a.c\n", "a.c": "int main;"})
    part = found(root)["repository"]
    assert (part.language, part.evidence.path) == ("C", "Makefile")


def test_manifests_by_name_are_read_before_the_search_for_others(repository, monkeypatch):
    root = repository({"go.mod": "module x.org/shop\n", "k8s/a.yaml": "apiVersion: v1\n"})
    seen = scan(root)
    monkeypatch.setattr(seen, "look_for", lambda words: setattr(seen, "late", 0.0))
    assert [part.name for part in components(seen)] == ["shop"]
