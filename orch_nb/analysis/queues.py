"""Which way messages go: whether a part that uses a queue puts into it, takes from it, or both.

By the calls of the usual clients in its code. Where both are seen, or neither, it just uses it.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from orch_nb.analysis.languages import CODE
from orch_nb.analysis.owners import owner_of
from orch_nb.analysis.parts import Part
from orch_nb.analysis.scan import Scan, of_tests
from orch_nb.analysis.search import Pattern, search
from orch_nb.model.analysis import Link

__all__ = ["directed"]

_PUTS = Pattern(
    r"\bKafkaProducer\b|\bNew(?:Async|Sync)Producer\b|\bkafka\.Writer\b|\bProducerBuilder<|\bKafkaTemplate\b"
    r"|\.producer\(\)|\bbasic_publish\(|\bBasicPublish(?:Async)?\(|\.sendToQueue\(|\bRabbitTemplate\b"
    r"|\bPublishWithContext\(|\bsend_message\(|\bSendMessageCommand\b|\bjs\.Publish\(|\bnc\.Publish\("
    r"|\bFutureProducer\b|\bAIOKafkaProducer\b|\bnewProducer\(|\bchannel\.publish\("
)
_TAKES = Pattern(
    r"\bKafkaConsumer\b|\bNewConsumer(?:Group)?\b|\bkafka\.(?:NewReader|Reader)\b|\bConsumerBuilder<"
    r"|@KafkaListener\b|\.consumer\(|\bbasic_consume\(|\bBasicConsume(?:Async)?\(|\bchannel\.consume\("
    r"|@RabbitListener\b|\breceive_message\(|\bReceiveMessageCommand\b|\bStreamConsumer\b|@SqsListener\b"
    r"|\bAIOKafkaConsumer\b|\bnewConsumer\(|\bch\.Consume\(|\bAsyncEventingBasicConsumer\b"
)


def directed(scan: Scan, parts: list[Part], links: tuple[Link, ...]) -> tuple[Link, ...]:
    """`links`, those to queues with the way that the code shows."""
    queues = {part.name for part in parts if part.kind == "queue"}
    users = {link.source for link in links if link.target in queues}
    homes = {part.folder: part.name for part in parts if part.folder is not None}
    if not users.intersection(homes.values()):
        return links
    owners = {
        file.path: homes[folder]
        for file in scan.files
        if file.language in CODE
        and not of_tests(file.path)
        and (folder := owner_of(file.path, homes)) is not None
        and homes[folder] in users
    }
    files = [file for file in scan.files if file.path in owners]
    found = search(scan, {"puts": _PUTS, "takes": _TAKES}, files)
    seen = {way: {owners[file.path] for file in hits} for way, hits in found.items()}
    return tuple(
        replace(link, kind=_way(link.source, seen))
        if link.target in queues and link.kind == "uses"
        else link
        for link in links
    )


def _way(name: str, seen: Mapping[str, set[str]]) -> str:
    puts, takes = name in seen["puts"], name in seen["takes"]
    if puts == takes:
        return "uses"
    return "publishes" if puts else "consumes"
