"""Terraform, Procfile, serverless: what runs, or is rented, outside of containers."""

from __future__ import annotations

import re
from collections.abc import Iterable

from orch_nb.analysis.declared import Declared, Surroundings
from orch_nb.analysis.images import known_image
from orch_nb.analysis.manifests.yaml_nodes import child, compose_nodes, entries, scalar
from orch_nb.analysis.scan import File

__all__ = ["procfile", "serverless", "terraform"]

_RESOURCES = (
    (r"aws_(db_instance|rds_cluster|rds_global_cluster)", "RDS", "store"),
    (r"aws_elasticache_(cluster|replication_group|serverless_cache)", "ElastiCache", "store"),
    (r"aws_memorydb_cluster", "MemoryDB", "store"),
    (r"aws_dynamodb_table", "DynamoDB", "store"),
    (r"aws_(opensearch_domain|elasticsearch_domain)", "OpenSearch", "store"),
    (r"aws_(docdb|neptune|redshift)_cluster", "AWS database", "store"),
    (r"aws_s3_bucket", "S3", "bucket"),
    (r"aws_sqs_queue", "SQS", "queue"),
    (r"aws_sns_topic", "SNS", "queue"),
    (r"aws_(msk_cluster|msk_serverless_cluster)", "Kafka", "queue"),
    (r"aws_mq_broker", "Amazon MQ", "queue"),
    (r"aws_kinesis_stream", "Kinesis", "queue"),
    (r"aws_(eks|ecs)_cluster", "cluster", "cluster"),
    (r"aws_(ecs_service|lambda_function|apprunner_service)", "", "service"),
    (r"google_sql_database_instance", "Cloud SQL", "store"),
    (r"google_(redis_instance|memcache_instance|redis_cluster)", "Memorystore", "store"),
    (r"google_spanner_instance", "Spanner", "store"),
    (r"google_alloydb_cluster", "AlloyDB", "store"),
    (r"google_(firestore_database|bigtable_instance|bigquery_dataset)", "Google database", "store"),
    (r"google_storage_bucket", "Cloud Storage", "bucket"),
    (r"google_pubsub_topic", "Pub/Sub", "queue"),
    (r"google_container_cluster", "cluster", "cluster"),
    (r"google_(cloud_run_v2_service|cloud_run_service|cloudfunctions2?_function)", "", "service"),
    (r"azurerm_(postgresql|mysql|mssql|mariadb)\w*_server", "Azure database", "store"),
    (r"azurerm_(redis_cache|cosmosdb_account|storage_account)", "Azure store", "store"),
    (r"azurerm_(servicebus_namespace|eventhub_namespace|servicebus_queue)", "Azure queue", "queue"),
    (r"azurerm_kubernetes_cluster", "cluster", "cluster"),
    (r"azurerm_(container_app|linux_web_app|linux_function_app)", "", "service"),
    (r"digitalocean_database_cluster", "database", "store"),
)
_KNOWN = tuple((re.compile(regex), name, kind) for regex, name, kind in _RESOURCES)


def terraform(text: str, file: File, _: Surroundings) -> Iterable[Declared]:
    """Databases, queues, clusters and services by the types of resources. What is only counted in
    (`count = var.x ? 1 : 0`) says so."""
    for match in re.finditer(r'(?m)^\s*resource\s+"(\w+)"\s+"([\w-]+)"\s*\{', text):
        for regex, technology, kind in _KNOWN:
            if not regex.fullmatch(match.group(1)):
                continue
            body = text[match.end() : match.end() + 400].partition("\n}")[0]
            off = re.search(r"(?m)^\s*count\s*=.*\?", body)
            named = re.search(r'(?m)^\s*(?:name|identifier|cluster_id)\s*=\s*"([\w.-]+)"', body)
            label = match.group(2)
            if label in {"this", "main", "default", "instance", "cluster", "primary"}:
                label = technology
            if not label:
                break  # one of a module, named where the module is used
            yield Declared(
                name=named.group(1) if named else label, kind=kind, path=file.path,
                line=text.count("\n", 0, match.start(1)) + 1, text=match.group(1),
                system="terraform", language=technology, aliases=(label,),
                confidence=0.5 if off else 0.8, optional="optional: counted in" if off else "",
            )  # fmt: skip
            break


def procfile(text: str, file: File, _: Surroundings) -> Iterable[Declared]:
    """The processes of an application, each with its command."""
    home = file.folder.rpartition("/")[2] or file.root.rpartition("/")[2]
    for n, line in enumerate(text.splitlines(), 1):
        match = re.match(r"([A-Za-z][\w-]*):\s*(\S.*)", line)
        if match and match.group(1) not in {"release", "console"}:
            known = known_image(match.group(1))
            kind = known[1] if known else ""
            yield Declared(
                name=home if match.group(1) == "web" else match.group(1), kind=kind,
                path=file.path, line=n, text=match.group(2)[:80], system="procfile",
                folder=file.folder, confidence=0.8,
            )  # fmt: skip


def serverless(text: str, file: File, _: Surroundings) -> Iterable[Declared]:
    """The service of a Serverless Framework file, with its functions told."""
    root = compose_nodes(text)
    name = scalar(child(root, "service")) or scalar(child(root, "service", "name"))
    functions = [key for key, _, _ in entries(child(root, "functions"))]
    if name and functions:
        yield Declared(
            name=name, kind="service", path=file.path, line=1, system="serverless",
            text=f"{len(functions)} functions", folder=file.folder, confidence=0.85,
        )  # fmt: skip
