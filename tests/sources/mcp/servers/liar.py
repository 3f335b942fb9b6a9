"""A server without an SDK, whose every answer is wrong in the way its first argument names."""

from __future__ import annotations

import json
import sys
from typing import Any

MODE = sys.argv[1]
TOOL: dict[str, Any] = {
    "name": "search", "description": "d",
    "inputSchema": {"type": "object", "properties": {"query": {"type": "string"}},
                    "required": ["query"]},
    "annotations": {"readOnlyHint": True},
}  # fmt: skip


def result(method: str) -> Any:
    if method == "initialize":
        if MODE == "version":
            return {"protocolVersion": "1999-01-01", "capabilities": {}, "serverInfo": {}}
        return {
            "protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
            "serverInfo": {"name": "liar", "version": "1"},
        }  # fmt: skip
    if method == "tools/list":
        if MODE == "tools":
            return {"tools": [1, {"name": 5}]}
        if MODE == "endless":
            return {"tools": [TOOL], "nextCursor": "again"}
        if MODE == "schema":
            return {"tools": [{**TOOL, "inputSchema": {"type": "object", "properties": [1]}}]}
        if MODE == "structure":
            schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
            return {"tools": [{**TOOL, "outputSchema": schema}]}
        return {"tools": [TOOL]}
    if MODE == "result":
        return {"content": "not a list"}
    if MODE == "structure":
        return {"content": [{"type": "text", "text": "t"}], "structuredContent": {"n": "many"}}
    if MODE == "deep":
        return {"content": [{"type": "text", "text": "[" * 100_000}]}
    return {"content": [{"type": "text", "text": "fine"}]}


for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    told: dict[str, Any] = {"jsonrpc": "2.0", "id": asked["id"]}
    if asked["method"] == "server/discover":
        told["error"] = {"code": -32601, "message": "Method not found"}
    elif MODE == "stranger" and asked["method"] == "tools/call":
        told |= {"id": 999, "result": result("tools/call")}
    elif MODE == "error" and asked["method"] == "tools/call":
        told["error"] = {"code": -32000, "message": "\x1b[31mGitHub API error: Bad credentials"}
    else:
        told["result"] = result(asked["method"])
    print(json.dumps(told), flush=True)
    if MODE == "storm":
        notice = {"jsonrpc": "2.0", "method": "notifications/message",
                  "params": {"level": "info", "data": "z" * 1000}}  # fmt: skip
        for _ in range(2000):
            print(json.dumps(notice), flush=True)
