"""What each ecosystem's manifest says: kind, language, name and line, in a small repository."""

from __future__ import annotations

import json

import pytest

from orch_nb.analysis.components import inventory
from orch_nb.analysis.scan import scan


def found(root):
    return {part.name: part for part in inventory(scan(root)).components}


def told(root):
    """Each component as (kind, language)."""
    return {name: (part.kind, part.language) for name, part in found(root).items()}


def ties(root, *kinds):
    """The links as (source, target), of some kinds."""
    made = inventory(scan(root)).links
    return {(link.source, link.target) for link in made if not kinds or link.kind in kinds}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"web/package.json": '{"name": "web", "dependencies": {"react-dom": "19"},'
                              ' "scripts": {"start": "vite"}}', "web/src/a.tsx": ""},
         {"web": ("ui", "TypeScript")}),
        ({"api/package.json": '{"name": "api", "private": true, "dependencies": {"express": "5"},'
                              ' "main": "index.js", "scripts": {"start": "node ."}}'},
         {"api": ("application", "JavaScript")}),
        ({"package.json": '{"name": "lib", "exports": "./x.js"}'},
         {"lib": ("library", "JavaScript")}),
        ({"package.json": '{"private": true, "name": "t", "devDependencies": {"prettier": "3"}}'},
         {"t": ("tool", "JavaScript")}),
        ({"go.mod": "module example.org/a/shop/v2\n", "server.go": "package main\n"},
         {"shop": ("application", "Go")}),
        ({"go.mod": "module example.org/a/shop\n", "cmd/serve/main.go": "package main\n",
          "cmd/migrate/main.go": "package main\n"},
         {"shop": ("library", "Go"), "serve": ("application", "Go"),
          "migrate": ("application", "Go")}),
        ({"a/Cargo.toml": '[package]\nname = "a"\n', "a/src/main.rs": ""},
         {"a": ("application", "Rust")}),
        ({"pom.xml": "<project><artifactId>p</artifactId><packaging>pom</packaging>"
                     "<modules><module>m</module></modules></project>",
          "m/pom.xml": "<project><artifactId>m</artifactId></project>",
          "m/src/main/java/MApplication.java": "", },
         {"m": ("application", "Java")}),
        ({"settings.gradle.kts": 'include(":app", ":core")\n', "build.gradle.kts": "plugins {}\n",
          "app/build.gradle.kts": 'plugins { id("org.springframework.boot") }\n',
          "app/src/main/kotlin/A.kt": "", "core/build.gradle.kts": "plugins {}\n",
          "core/src/main/java/C.java": ""},
         {"app": ("application", "Kotlin"), "core": ("library", "Java")}),
        ({"W/W.csproj": '<Project Sdk="Microsoft.NET.Sdk.Worker"></Project>',
          "L/L.csproj": '<Project Sdk="Microsoft.NET.Sdk"></Project>',
          "T.Tests/T.Tests.csproj": '<Project Sdk="Microsoft.NET.Sdk"></Project>'},
         {"W": ("worker", "C#"), "L": ("library", "C#")}),
        ({"shop/Gemfile": "source 'x'\ngem 'rails', '~> 8'\n", "shop/app/a.rb": ""},
         {"shop": ("application", "Ruby")}),
        ({"Gemfile": "gem 'rubocop'\n"}, {}),
        ({"thing.gemspec": "Gem::Specification.new do |s|\n  s.name = 'thing'\nend\n"},
         {"thing": ("library", "Ruby")}),
        ({"composer.json": '{"name": "acme/shop", "require": {"laravel/framework": "^12"}}'},
         {"shop": ("application", "PHP")}),
        ({"mix.exs": "def project do\n [app: :chat]\nend\ndef application do\n [mod: {A, []}]\n"},
         {"chat": ("application", "Elixir")}),
        ({"pubspec.yaml": "name: phone\ndependencies:\n  flutter:\n    sdk: flutter\n",
          "lib/main.dart": ""}, {"phone": ("ui", "Dart")}),
        ({"Package.swift": 'let package = Package(\n  name: "Kit",\n  targets: [])\n'},
         {"Kit": ("library", "Swift")}),
        ({"CMakeLists.txt": "project(engine)\nadd_executable(engine main.cpp)\n"},
         {"engine": ("application", "C++")}),
        ({"serverless.yml": "service: thumbs\nfunctions:\n  make: {handler: a.b}\n"},
         {"thumbs": ("service", "")}),
        ({"shop/Procfile": "web: gunicorn shop\nworker: celery -A shop worker\nrelease: x\n",
          "shop/a.py": ""}, {"shop": ("service", "Python"), "worker": ("worker", "Python")}),
    ],
    ids=lambda value: next(iter(value), "") if isinstance(value, dict) else "",
)  # fmt: skip
def test_each_ecosystem_is_read(repository, files, expected):
    assert told(repository(files)) == expected


def test_workspaces_and_their_packages_import_one_another(repository):
    root = repository(
        {
            "package.json": '{"name": "mono", "workspaces": ["packages/*"]}',
            "packages/ui/package.json": '{"name": "@m/ui", "exports": "./a.js"}',
            "packages/app/package.json": json.dumps(
                {"name": "@m/app", "scripts": {"start": "x"}, "dependencies": {"@m/ui": "*"}}
            ),
        }
    )
    assert told(root)["mono"][0] == "workspace"
    assert ties(root) == {("@m/app", "@m/ui")}


@pytest.mark.parametrize(
    "files",
    [
        {"a/go.mod": "module x.org/a\nrequire x.org/b v1\nreplace x.org/b => ../b\n",
         "b/go.mod": "module x.org/b\n"},
        {"a/Cargo.toml": '[package]\nname = "a"\n[dependencies]\nb = { path = "../b" }\n',
         "b/Cargo.toml": '[package]\nname = "b"\n'},
        {"a/a.csproj": '<Project><ItemGroup><ProjectReference Include="..\\b\\b.csproj" />'
                       "</ItemGroup></Project>",
         "b/b.csproj": "<Project></Project>"},
        {"a/pom.xml": "<project><artifactId>a</artifactId><dependencies><dependency>"
                      "<artifactId>b</artifactId></dependency></dependencies></project>",
         "b/pom.xml": "<project><artifactId>b</artifactId></project>"},
        {"a/build.gradle": "plugins {}\ndependencies { implementation project(':b') }\n",
         "b/build.gradle": "plugins {}\n"},
        {"a/pyproject.toml": '[project]\nname = "a"\ndependencies = ["b>=1"]\n',
         "b/pyproject.toml": '[project]\nname = "b"\n'},
    ],
    ids=["go", "cargo", "dotnet", "maven", "gradle", "python"],
)  # fmt: skip
def test_a_library_of_the_same_codebase_is_imported(repository, files):
    assert ties(repository(files), "imports") == {("a", "b")}


def test_django_applications_are_modules_of_their_project(repository):
    root = repository(
        {
            "manage.py": "",
            "shop/settings.py": "LOCAL_APPS = ['shop.cart', 'shop.mail.apps.MailConfig']\n"
            "INSTALLED_APPS = ['django.contrib.admin', *LOCAL_APPS]\n",
            "shop/cart/__init__.py": "",
            "shop/mail/apps.py": "",
            "pyproject.toml": '[project]\nname = "shop"\n',
        }
    )
    modules = {name: part for name, part in found(root).items() if part.kind == "module"}
    assert set(modules) == {"shop.cart", "shop.mail"}
    assert str(modules["shop.cart"].evidence) == "shop/settings.py:1 in INSTALLED_APPS"


def test_terraform_tells_stores_queues_and_clusters(repository):
    root = repository(
        {
            "infra/main.tf": 'resource "aws_db_instance" "orders" {\n  engine = "postgres"\n}\n'
            'resource "aws_sqs_queue" "mails" {\n}\n'
            'resource "aws_elasticache_cluster" "this" {\n  count = var.cache ? 1 : 0\n}\n'
            'resource "aws_iam_role" "nobody" {\n}\n'
        }
    )
    parts = found(root)
    assert {name: part.kind for name, part in parts.items()} == {
        "orders": "store", "mails": "queue", "ElastiCache": "store",
    }  # fmt: skip
    assert parts["mails"].evidence.line == 4
    assert "optional" in parts["ElastiCache"].evidence.text
    assert parts["ElastiCache"].confidence < parts["orders"].confidence


ASPIRE = """var builder = DistributedApplication.CreateBuilder(args);
var cache = builder.AddRedis("cache"); // not builder.AddKafka("no")
var sql = builder.AddPostgres("sql").WithLifetime(ContainerLifetime.Persistent);
var orders = sql.AddDatabase("ordersdb");
var api = builder.AddProject<Projects.Shop_Api>("api")
    .WithReference(cache)
    .WithReference(orders).WaitFor(orders);
var endpoint = api.GetEndpoint("http");
builder.AddProject<Projects.Web>("web")
    .WithEnvironment("Api__Url", endpoint)
    .WithEnvironment("CallbackUrl", cache);
builder.Build().Run();
"""


def test_an_aspire_host_names_services_and_wires_them(repository):
    root = repository(
        {
            "AppHost/Program.cs": ASPIRE,
            "AppHost/AppHost.csproj": '<Project Sdk="Aspire.AppHost.Sdk"></Project>',
            "Shop.Api/Shop.Api.csproj": '<Project Sdk="Microsoft.NET.Sdk.Web"></Project>',
            "Web/Web.csproj": '<Project Sdk="Microsoft.NET.Sdk.Web"></Project>',
        }
    )
    assert told(root) == {
        "api": ("service", "C#"), "web": ("service", "C#"), "AppHost": ("tool", "C#"),
        "cache": ("store", "Redis"), "sql": ("store", "PostgreSQL"),
    }  # fmt: skip
    assert found(root)["api"].path == "Shop.Api"
    assert ties(root) == {("api", "cache"), ("api", "sql"), ("web", "api")}


def test_a_queue_is_not_the_library_of_its_name(repository):
    root = repository(
        {
            "AppHost/Program.cs": "var builder = DistributedApplication.CreateBuilder(args);\n"
            'var mq = builder.AddRabbitMQ("eventbus");\n',
            "EventBus/EventBus.csproj": '<Project Sdk="Microsoft.NET.Sdk"></Project>',
        }
    )
    assert told(root) == {"eventbus": ("queue", "RabbitMQ"), "EventBus": ("library", "C#")}


@pytest.mark.parametrize("path", ["pyproject.toml", "package.json", "compose.yaml", "x.csproj"])
def test_a_manifest_with_a_byte_order_mark_and_windows_line_ends_is_read(repository, path):
    text = {
        "pyproject.toml": '[project]\r\nname = "x"\r\n',
        "package.json": '{\r\n"name": "x"}',
        "compose.yaml": "services:\r\n  x:\r\n    image: redis\r\n",
        "x.csproj": '<?xml version="1.0" encoding="utf-8"?>\r\n<Project></Project>',
    }[path]
    root = repository({})
    (root / path).write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert "x" in found(root)
