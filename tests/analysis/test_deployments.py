"""Many files, one service: compose and its overlays, Kubernetes, Helm, Kustomize, Skaffold, and the
traps among them."""

from __future__ import annotations

import pytest

from orch_nb.analysis.components import inventory
from orch_nb.analysis.scan import scan

DOCKERFILE = "FROM python:3.13\nCOPY . .\n"


def made(root):
    return inventory(scan(root))


def found(root):
    return {part.name: part for part in made(root).components}


def ties(root):
    return {(link.source, link.target): link.kind for link in made(root).links}


def deployment(name, image, env="", kind="Deployment"):
    return (
        f"apiVersion: apps/v1\nkind: {kind}\nmetadata:\n  name: {name}\nspec:\n  template:\n"
        f"    metadata: {{labels: {{app: {name}}}}}\n    spec:\n      containers:\n"
        f"      - name: main\n        image: {image}\n{env}---\n"
    )


def test_a_service_in_five_manifests_is_one_component(repository):
    root = repository(
        {
            "src/cart/Dockerfile": DOCKERFILE,
            "src/cart/app.py": "",
            "compose.yaml": "services:\n  cart:\n    build: src/cart\n",
            "skaffold.yaml": "apiVersion: skaffold/v4\nkind: Config\nbuild:\n  artifacts:\n"
            "  - image: registry/cart\n    context: src/cart\n",
            "k8s/cart.yaml": deployment("cart", "registry/cart"),
            "chart/Chart.yaml": "name: shop\n",
            "chart/values.yaml": "cart: {name: cart}\n",
            "chart/templates/cart.yaml": deployment("{{ .Values.cart.name }}", "x/{{ .Values.t }}"),
            "docker-bake.hcl": 'target "cart" {\n  context = "src/cart"\n}\n',
        }
    )
    parts = found(root)
    assert list(parts) == ["cart"]
    assert (parts["cart"].kind, parts["cart"].language) == ("service", "Python")
    assert (parts["cart"].path, str(parts["cart"].evidence)) == (
        "src/cart", "compose.yaml:2 built from src/cart",
    )  # fmt: skip


# -- compose ---------------------------------------------------------------------------------------


def test_what_depends_what_calls_and_what_uses(repository):
    root = repository(
        {
            ".env": "DB_HOST=db\nAPI_ADDR=api:80\n",
            "compose.yaml": "services:\n"
            "  web:\n    image: acme/web\n    depends_on: [api, auth]\n"
            "    environment:\n      - API_ADDR\n      - SELF_URL=http://web:80\n"
            "  api:\n    image: acme/api\n    depends_on:\n      db: {condition: service_healthy}\n"
            "    environment:\n      DATABASE_URL: postgres://u:p@${DB_HOST}:5432/x\n"
            "      CORS_ORIGINS: http://web:80\n"
            "    command: [--cache, 'redis://cache:6379']\n"
            "  auth: {image: acme/auth, links: ['db:database']}\n"
            "  db: {image: postgres}\n  cache: {image: redis}\n",
        }
    )
    assert ties(root) == {
        ("web", "api"): "calls", ("web", "auth"): "depends_on", ("api", "db"): "uses",
        ("api", "cache"): "uses", ("auth", "db"): "uses",
    }  # fmt: skip
    link = next(link for link in made(root).links if link.source == "web" and link.target == "api")
    assert str(link.evidence) == "compose.yaml:6 API_ADDR"


def test_an_overlay_adds_to_what_another_file_declares(repository):
    root = repository(
        {
            "compose.yaml": "services:\n  web: {image: acme/web}\n  mq: {image: rabbitmq}\n",
            "compose.full.yaml": "services:\n  web:\n    depends_on: !override [mq]\n"
            "    ports: !reset []\n  ghost:\n    environment: {A: b}\n",
        }
    )
    assert set(found(root)) == {"web", "mq"}  # nobody says what `ghost` is
    assert ties(root) == {("web", "mq"): "uses"}


def test_a_service_that_extends_another_is_built_and_set_up_like_it(repository):
    root = repository(
        {
            "common.yaml": "services:\n  base:\n    build: ./app\n"
            "    environment: {DB: 'postgres://db/x'}\n",
            "compose.yaml": "services:\n  jobs:\n    extends: {file: common.yaml, service: base}\n"
            "    command: celery -A app worker\n  db: {image: postgres}\n",
            "app/main.py": "",
        }
    )
    part = found(root)["jobs"]
    assert (part.kind, part.language, part.path) == ("worker", "Python", "app")
    assert ties(root) == {("jobs", "db"): "uses"}


def test_several_services_of_one_folder_are_several_and_the_folder_is_a_library(repository):
    root = repository(
        {
            "go.mod": "module x.org/shop\n",
            "main.go": "package main\n",
            "Dockerfile": DOCKERFILE,
            "compose.yaml": "services:\n  orders-api: {build: .}\n  orders-worker: {build: .}\n",
        }
    )
    assert {name: (part.kind, part.language) for name, part in found(root).items()} == {
        "orders-api": ("service", "Go"), "orders-worker": ("worker", "Go"),
        "shop": ("library", "Go"),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("image", "kind", "technology"),
    [
        ("postgres:17", "store", "PostgreSQL"),
        ("docker.io/bitnami/mongodb@sha256:00", "store", "MongoDB"),
        ("ghcr.io/valkey-io/valkey:9", "store", "Valkey"),
        ("confluentinc/cp-kafka", "queue", "Kafka"),
        ("nats:2", "queue", "NATS"),
        ("me/my-redis", "store", "Redis"),
        ("prom/prometheus", "support", ""),
        ("nginx", "support", ""),
        ("oliver006/redis_exporter", "service", ""),
        ("acme/sync-to-postgres", "service", ""),
        ("${REGISTRY}/shop:1", "service", ""),
    ],
)
def test_an_image_that_is_pulled_is_known_by_its_name(repository, image, kind, technology):
    root = repository({"compose.yaml": f"services:\n  it:\n    image: {image}\n"})
    part = found(root)["it"]
    assert (part.kind, part.language) == (kind, technology)


def test_a_store_that_is_built_here_is_a_store(repository):
    root = repository(
        {"db/Dockerfile": "FROM mysql:8\nCOPY init.sql /\n", "db/init.sql": "",
         "compose.yaml": "services:\n  data: {build: db}\n"}
    )  # fmt: skip
    assert (found(root)["data"].kind, found(root)["data"].language) == ("store", "MySQL")


def test_several_stores_are_built_of_one_folder(repository):
    root = repository(
        {"mongo/Dockerfile": "FROM mongo:7\nADD init.js /\n", "mongo/init.js": "",
         "compose.yaml": "services:\n  a-db: {build: mongo}\n  b-db: {build: mongo}\n"}
    )  # fmt: skip
    assert {name: part.kind for name, part in found(root).items()} == {
        "a-db": "store", "b-db": "store",
    }  # fmt: skip


def test_a_compose_file_under_a_name_of_its_own_is_known_by_what_is_in_it(repository):
    root = repository(
        {"scripts/infra.yml": "services:\n  db:\n    image: mcr.microsoft.com/mssql/server:2022\n",
         "conf/other.yaml": "services:\n  - a\n"}
    )  # fmt: skip
    assert {name: part.language for name, part in found(root).items()} == {"db": "SQL Server"}


def test_two_versions_of_a_service_are_that_service(repository):
    root = repository(
        {"compose.yaml": "services:\n  cart: {image: a/cart}\n",
         "k8s/v.yaml": deployment("cart-v1", "a/cart:1") + deployment("cart-v2", "a/cart:2")}
    )  # fmt: skip
    assert set(found(root)) == {"cart"}


def test_a_container_that_sets_up_and_ends_is_a_job(repository):
    root = repository({"compose.yaml": "services:\n  kafka-init: {image: apache/kafka}\n"})
    assert found(root)["kafka-init"].kind == "job"


def test_a_service_of_a_profile_is_optional_and_says_so(repository):
    root = repository(
        {"compose.yaml": "services:\n  web: {image: a/web}\n"
                         "  debug: {image: a/debug, profiles: [dev]}\n"}
    )  # fmt: skip
    parts = found(root)
    assert parts["debug"].confidence < parts["web"].confidence
    assert "only in profile dev" in parts["debug"].evidence.text


def test_files_for_development_and_production_declare_the_same_services(repository):
    text = "services:\n  web: {build: web}\n  db: {image: postgres}\n"
    root = repository(
        {"docker-compose.yml": text, "docker-compose.prod.yml": text, "deploy/compose.yml":
         "services:\n  web: {image: acme/web}\n  db: {image: 'postgres:17'}\n", "web/a.py": ""}
    )  # fmt: skip
    assert set(found(root)) == {"web", "db"}


def test_a_proxy_calls_whom_its_settings_name(repository):
    root = repository(
        {
            "compose.yaml": "services:\n  edge:\n    image: nginx\n    volumes:\n"
            "      - ./nginx.conf:/etc/nginx/nginx.conf:ro\n  app: {image: acme/app}\n"
            "  old: {image: acme/old}\n",
            "nginx.conf": "location / {\n  proxy_pass http://app:8000;\n  # http://old:1;\n}\n",
        }
    )
    assert ties(root) == {("edge", "app"): "calls"}
    assert str(made(root).links[0].evidence) == "nginx.conf:2 in its settings"


# -- Dockerfiles -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        ".devcontainer/Dockerfile", "ci/Dockerfile", "tests/Dockerfile", "tools/gen/Dockerfile",
        "Dockerfile.dev", "e2e.Dockerfile", "web/Dockerfile.cypress", "protos/Dockerfile",
    ],
)  # fmt: skip
def test_an_image_of_ci_or_tests_or_development_is_no_service(repository, path):
    assert "service" not in {p.kind for p in found(repository({path: DOCKERFILE})).values()}


def test_another_way_to_build_a_service_is_no_second_one(repository):
    root = repository(
        {"cart/Dockerfile": DOCKERFILE, "cart/Dockerfile.fast": DOCKERFILE,
         "cart/genproto/Dockerfile": DOCKERFILE, "cart/stage/Dockerfile": DOCKERFILE}
    )  # fmt: skip
    assert list(found(root)) == ["cart"]


def test_dockerfiles_named_for_services_are_those_services(repository):
    root = repository({"docker/api.Dockerfile": DOCKERFILE, "docker/Dockerfile.mailer": DOCKERFILE})
    assert {name: part.kind for name, part in found(root).items()} == {
        "api": "service", "mailer": "service",
    }  # fmt: skip


# -- Kubernetes, Kustomize, Helm -------------------------------------------------------------------

ENV = (
    "        env:\n        - {name: CART_ADDR, value: 'cart:7070'}\n"
    "        - name: MQ\n          valueFrom: {configMapKeyRef: {name: settings, key: MQ_URL}}\n"
)


def test_deployments_are_linked_by_their_variables_services_and_config_maps(repository):
    root = repository(
        {
            "k8s/web.yaml": deployment("web", "acme/web", ENV),
            "k8s/cart.yaml": deployment("cart-v1", "acme/cart"),
            "k8s/services.yaml": "apiVersion: v1\nkind: Service\nmetadata: {name: cart}\n"
            "spec: {selector: {app: cart-v1}}\n",
            "k8s/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n"
            "data:\n  MQ_URL: amqp://mq.prod.svc.cluster.local:5672\n",
            "k8s/mq.yaml": deployment("mq", "rabbitmq:4", kind="StatefulSet"),
            "k8s/nightly.yaml": deployment("nightly", "acme/nightly", kind="CronJob"),
        }
    )
    assert {name: part.kind for name, part in found(root).items()} == {
        "web": "service", "cart-v1": "service", "mq": "queue", "nightly": "job",
    }  # fmt: skip
    assert ties(root) == {("web", "cart-v1"): "calls", ("web", "mq"): "uses"}


def test_a_component_of_kustomize_is_optional_and_a_patch_alone_is_nothing(repository):
    root = repository(
        {
            "base/web.yaml": deployment("web", "acme/web"),
            "base/kustomization.yaml": "kind: Kustomization\nresources: [web.yaml]\n",
            "components/ai/kustomization.yaml": "kind: Component\nresources: [ai.yaml]\n",
            "components/ai/ai.yaml": deployment("ai", "acme/ai"),
            "overlays/prod/patch.yaml": "apiVersion: apps/v1\nkind: Deployment\n"
            "metadata: {name: ghost}\nspec: {replicas: 3}\n",
        }
    )
    parts = found(root)
    assert set(parts) == {"web", "ai"}
    assert parts["ai"].confidence <= 0.6 < parts["web"].confidence
    assert "optional: a Kustomize component" in parts["ai"].evidence.text


HELM = """{{- if .Values.enabled }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "shop.fullname" . }}-web
  labels:
    {{- include "shop.labels" . | nindent 4 }}
spec:
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: "{{ .Values.image.repository }}:{{ .Values.tag | default .Chart.AppVersion }}"
          env:
            - name: CACHE_HOST
              value: {{ .Release.Name }}-cache
            {{- range $key, $value := .Values.env }}
            - name: {{ $key }}
              value: {{ $value | quote }}
            {{- end }}
            {{- if eq .Values.mode "queue" }}
            - {name: MQ_ADDR, value: "mq:5672"}
            {{- else }}
            - {name: MQ_ADDR, value: "none:5672"}
            {{- end }}
          resources:
            {{- toYaml .Values.resources | nindent 12 }}
{{- end }}
"""


def test_a_chart_is_read_though_it_is_no_yaml(repository):
    root = repository(
        {
            "chart/Chart.yaml": "name: shop\ndependencies:\n  - name: postgresql\n"
            "  - {name: mongodb, condition: mongodb.enabled}\n",
            "chart/values.yaml": "enabled: true\nmode: queue\nimage: {repository: acme/web}\n"
            "mongodb: {enabled: false}\n",
            "chart/templates/web.yaml": HELM,
            "chart/templates/cache.yaml": deployment("{{ .Release.Name }}-cache", "redis"),
            "chart/templates/mq.yaml": deployment("mq", "nats"),
        }
    )
    parts = found(root)
    assert {name: part.kind for name, part in parts.items()} == {
        "web": "service", "cache": "store", "mq": "queue", "postgresql": "store",
        "mongodb": "store",
    }  # fmt: skip
    assert parts["web"].evidence.line == 5
    assert parts["mongodb"].confidence < parts["postgresql"].confidence
    assert ties(root) == {("web", "cache"): "uses", ("web", "mq"): "uses"}


def test_what_a_chart_leaves_off_is_optional(repository):
    root = repository(
        {
            "chart/Chart.yaml": "name: shop\n",
            "chart/values.yaml": "tracing: {enabled: false}\n",
            "chart/templates/t.yaml": "{{- if .Values.tracing.enabled }}\n"
            + deployment("tracer", "acme/tracer")
            + "{{- end }}\n",
        }
    )
    part = found(root)["tracer"]
    assert part.confidence <= 0.6
    assert "off by default" in part.evidence.text


def test_names_that_one_system_prefixes_are_the_others_names(repository):
    root = repository(
        {
            "compose.yaml": "services:\n  web: {image: a/web}\n  api: {image: a/api}\n",
            "k8s/all.yaml": deployment("shop-web", "a/web") + deployment("shop-api", "a/api"),
        }
    )
    assert set(found(root)) == {"web", "api"}


def test_a_store_that_two_systems_name_differently_is_one(repository):
    root = repository(
        {
            "compose.yaml": "services:\n  db: {image: postgres}\n",
            "k8s/db.yaml": deployment("postgres", "postgres:17", kind="StatefulSet"),
        }
    )
    assert set(found(root)) == {"db"}


# -- traps -----------------------------------------------------------------------------------------


def test_words_in_a_readme_are_no_truth(repository):
    root = repository({"README.md": "| cart | Go |\n", "docs/x.md": "services:\n  a: {image: b}\n"})
    assert found(root) == {}


def test_services_of_tests_are_left_out_and_those_of_examples_marked(repository):
    root = repository(
        {
            "compose.e2e.yaml": "services:\n  cypress: {image: cypress/included}\n",
            "tests/compose.yaml": "services:\n  db: {image: postgres}\n",
            "examples/hello/compose.yaml": "services:\n  hello: {image: a/hello}\n",
            "load-tests/package.json": '{"name": "k6-tests"}',
        }
    )
    parts = found(root)
    assert {name: part.kind for name, part in parts.items()} == {"hello": "example"}
    assert parts["hello"].confidence < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "services:\n"
        + "".join(f"  s{n}: &a{n} {{image: x, y: *a{n - 1}}}\n" for n in range(1, 300)),
        "a: &a [*a]\nservices: {x: {image: *a}}\n",
        "services: " + "[" * 3000,
        "services:\n  x: {image: {a: b}, build: [1], depends_on: 3, environment: 5}\n",
        "\x01\x02",
        "services: null\n",
        "- a\n- b\n",
    ],
    ids=["many aliases", "of itself", "deep", "odd shapes", "control", "null", "a list"],
)  # fmt: skip
def test_a_compose_file_of_any_kind_stops_nothing(repository, text):
    root = repository({"compose.yaml": text, "good/go.mod": "module x.org/good\n"})
    assert "good" in found(root)


@pytest.mark.parametrize("folder", [".cursor", ".devcontainer", ".gitpod", "e2e", "ci"])
def test_what_people_work_in_is_no_service(repository, folder):
    root = repository(
        {
            "shop/Dockerfile": "FROM python:3\n",
            "shop/app.py": "",
            f"{folder}/Dockerfile": "FROM python:3\n",
            f"{folder}/compose.yaml": "services:\n  helper: {image: acme/helper}\n",
        }
    )
    assert set(found(root)) == {"shop"}


def test_an_emulator_of_a_cloud_supports_those_who_develop(repository):
    part = found(repository({"compose.yaml": "services:\n  cloud: {image: azure/azurite}\n"}))
    assert (part["cloud"].kind, part["cloud"].confidence) == ("support", 0.6)


def test_members_of_a_cluster_are_one_store(repository):
    nodes = "".join(f"  redis-node-{n}: {{image: redis}}\n" for n in range(3))
    part = found(repository({"compose.yaml": f"services:\n{nodes}"}))
    assert list(part) == ["redis-node"]
    assert (part["redis-node"].kind, part["redis-node"].evidence.line) == ("store", 2)


def test_a_context_that_leads_nowhere_is_read_from_the_root(repository):
    build = "{build: {context: ../../, dockerfile: apps/web/Dockerfile.web}}"
    root = repository(
        {
            "compose.yaml": "services:\n  web: {build: {context: ., "
            "dockerfile: apps/web/Dockerfile.web}}\n",
            "apps/web/Dockerfile.web": "FROM node:22\n",
            "apps/web/index.ts": "",
            "deploy/cli/community/build.yml": f"services:\n  web: {build}\n",
        }
    )
    assert {name: part.path for name, part in found(root).items()} == {"web": "apps/web"}


def test_an_image_of_all_in_one_is_no_further_service(repository):
    stages = "".join(f"FROM acme/shop-{name}:1 AS {name}\n" for name in ("web", "api", "mail"))
    copies = "".join(f"COPY --from={name} /app /{name}\n" for name in ("web", "api", "mail"))
    root = repository(
        {
            "web/Dockerfile": "FROM node:22\n",
            "deploy/aio/Dockerfile": f"{stages}FROM alpine\n{copies}",
        }
    )
    assert set(found(root)) == {"web"}


def test_a_root_that_only_holds_packages_is_not_what_an_image_of_its_name_runs(repository):
    root = repository(
        {
            "package.json": '{"name": "shop", "workspaces": ["web"]}',
            "web/package.json": '{"name": "web", "scripts": {"start": "x"}}',
            "web/Dockerfile": "FROM node:22\n",
            "compose.build.yaml": "services:\n  shop-web: {build: web}\n",
            "compose.yaml": "services:\n  shop-web: {image: acme/shop}\n",
        }
    )
    assert found(root)["shop-web"].path == "web"
    assert found(root)["shop"].kind == "workspace"


def test_a_builder_says_the_language_where_a_manifest_beside_it_does(repository):
    root = repository(
        {
            "Dockerfile": "FROM node:24 AS ui\nFROM golang:1 AS made\nFROM alpine\n",
            "go.mod": "module x.org/shop\n",
            "main.go": "package main\n",
            "compose.yaml": "services:\n  server: {build: .}\n  worker: {build: .}\n",
            **{f"client/{n}.ts": "" for n in range(5)},
        }
    )
    assert {found(root)[name].language for name in ("server", "worker")} == {"Go"}


@pytest.mark.parametrize(
    ("base", "language"),
    [
        ("FROM golang:1 AS made\nFROM grafana/k6\n", "TypeScript"),
        ("FROM node:24 AS ui\nFROM python:3.13-slim\n", "Python"),
        ("FROM node:24\n", "TypeScript"),
        ("FROM python:3 AS base\nFROM node:24 AS ui\nFROM base\n", "Python"),
        ("FROM golang:1\n", "TypeScript"),
    ],
)
def test_what_an_image_runs_in_says_the_language_of_a_mixed_folder(repository, base, language):
    root = repository(
        {
            "Dockerfile": base,
            "compose.yaml": "services:\n  server: {build: .}\n  worker: {build: .}\n",
            **{f"client/{n}.ts": "" for n in range(5)},
            "server/app.py": "",
        }
    )
    assert {found(root)[name].language for name in ("server", "worker")} == {language}
