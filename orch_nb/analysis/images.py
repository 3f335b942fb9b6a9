"""What a container image is known to be, by its name: a store, a queue, a tool that serves others.

>>> known_image("docker.io/bitnami/postgresql:16"), known_image("ghcr.io/acme/shop:1")
(('PostgreSQL', 'store'), None)
"""

from __future__ import annotations

import re

__all__ = ["image_name", "known_image"]

_KNOWN = {
    "store": {
        "PostgreSQL": "postgres postgresql postgis pgvector timescaledb timescaledb-ha "
        "cloudnative-pg postgresql-repmgr spilo supabase-postgres",
        "MySQL": "mysql mysql-server percona percona-server",
        "MariaDB": "mariadb mariadb-galera",
        "SQL Server": "mssql mssql-server sqlserver azure-sql-edge server-mssql",
        "Oracle": "oracle oracle-xe oracle-free",
        "MongoDB": "mongo mongodb mongodb-community-server percona-server-mongodb",
        "Redis": "redis redis-stack redis-stack-server redis-cluster keydb dragonfly garnet",
        "Valkey": "valkey valkey-cluster",
        "Memcached": "memcached",
        "Elasticsearch": "elasticsearch",
        "OpenSearch": "opensearch",
        "ClickHouse": "clickhouse clickhouse-server",
        "Cassandra": "cassandra scylla scylladb",
        "CockroachDB": "cockroach cockroachdb",
        "Neo4j": "neo4j",
        "CouchDB": "couchdb",
        "InfluxDB": "influxdb",
        "etcd": "etcd",
        "Consul": "consul",
        "MinIO": "minio seaweedfs",
        "DynamoDB": "dynamodb-local dynamodb",
        "Meilisearch": "meilisearch",
        "Typesense": "typesense",
        "Solr": "solr",
        "Qdrant": "qdrant",
        "Weaviate": "weaviate",
        "Milvus": "milvus",
        "Chroma": "chroma chromadb",
        "SurrealDB": "surrealdb",
        "ArangoDB": "arangodb",
        "Trino": "trino prestodb",
        "TiDB": "tidb",
        "YugabyteDB": "yugabyte",
        "EventStoreDB": "eventstore kurrentdb",
    },
    "queue": {
        "Kafka": "kafka cp-kafka cp-server redpanda apache-kafka kafka-native",
        "RabbitMQ": "rabbitmq rabbitmq-server lavinmq",
        "NATS": "nats nats-streaming nats-server",
        "Pulsar": "pulsar pulsar-all",
        "ActiveMQ": "activemq activemq-artemis artemis activemq-classic",
        "Mosquitto": "eclipse-mosquitto mosquitto emqx",
        "NSQ": "nsq nsqd",
        "SQS": "elasticmq elasticmq-native",
        "Pub/Sub": "gcloud-pubsub-emulator pubsub-emulator",
        "beanstalkd": "beanstalkd",
    },
    "support": {
        "ZooKeeper": "zookeeper cp-zookeeper",
        "Schema Registry": "cp-schema-registry schema-registry apicurio-registry",
        "Prometheus": "prometheus pushgateway alertmanager node-exporter cadvisor statsd-exporter",
        "Grafana": "grafana grafana-oss grafana-enterprise",
        "Loki": "loki promtail alloy",
        "Tempo": "tempo",
        "Jaeger": "jaeger all-in-one jaeger-collector jaeger-query jaeger-agent",
        "Zipkin": "zipkin zipkin-slim",
        "OpenTelemetry Collector": "opentelemetry-collector opentelemetry-collector-contrib "
        "opentelemetry-collector-ebpf-profiler otel-collector aws-otel-collector",
        "Envoy": "envoy envoy-distroless",
        "nginx": "nginx nginx-unprivileged openresty nginx-proxy",
        "Traefik": "traefik",
        "Caddy": "caddy",
        "HAProxy": "haproxy",
        "Apache": "httpd",
        "Kong": "kong",
        "Keycloak": "keycloak",
        "Vault": "vault",
        "Kibana": "kibana opensearch-dashboards",
        "Logstash": "logstash fluentd fluent-bit filebeat vector metricbeat",
        "Mailpit": "mailpit mailhog maildev smtp4dev mailcatcher mailcrab",
        "Adminer": "adminer pgadmin4 phpmyadmin redis-commander redisinsight mongo-express "
        "kafka-ui akhq kafdrop cmak portainer dbgate sqlpad redis-insight",
        "flagd": "flagd unleash-server",
        "Temporal": "auto-setup temporal temporal-ui admin-tools",
        "Selenium": "standalone-chrome standalone-firefox selenium chrome",
        "Emulator": "azurite localstack localstack-pro floci fake-gcs-server moto motoserver "
        "cosmosdb-emulator firebase-emulator stripe-mock wiremock mockserver dynamodb-admin",
    },
}  # fmt: skip
#: In the name of an image that works with a store, and is none.
_NOT_ITSELF = frozenset(
    "to sync backup exporter ui gui init migrate migration migrations connect connector consumer "
    "producer proxy bridge sink source cdc operator api service client setup web for".split()
)
_BY_IMAGE = {
    word: (technology, kind)
    for kind, technologies in _KNOWN.items()
    for technology, words in technologies.items()
    for word in words.split()
}


def image_name(image: str) -> str:
    """The last part of an image's name, without registry, tag and digest.

    >>> image_name("ghcr.io/acme/shop-web:1.2@sha256:0a")
    'shop-web'
    """
    name = image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    return name.strip("\"' ")


def known_image(image: str) -> tuple[str, str] | None:
    """What the image is, and its kind (store, queue, support); None if it is not known."""
    name = image_name(image).lower().removesuffix("-local").removeprefix("aws-")
    name = re.sub(r"-\d+$", "", name)  # `postgresql-16`
    if not name or "$" in name:
        return None
    if found := _BY_IMAGE.get(name):
        return found
    if "exporter" in name or name.endswith(("-operator", "-client", "-ui", "-init")):
        return None
    if tokens := set(re.split(r"[-_]", name)) - {""}:
        last = _BY_IMAGE.get(re.split(r"[-_]", name)[-1])
        if last is not None and last[1] != "support" and tokens.isdisjoint(_NOT_ITSELF):
            return last  # somebody's build of it
    owner = image.partition("@")[0].lower().split("/")
    if len(owner) > 1 and name in {"server", "database", "enterprise", "community"}:
        return _BY_IMAGE.get(owner[-2])
    if len(owner) > 1 and owner[-2] in {"bitnami", "bitnamilegacy", "library", "opensearchproject"}:
        return _BY_IMAGE.get(re.split(r"[-_]", name)[0])
    return None
