"""A sequential-thinking server without an SDK: it echoes the number of each thought; with `hang`
it says nothing."""

from __future__ import annotations

import json
import sys
import time

if sys.argv[2:] == ["hang"]:
    time.sleep(120)
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    result = {"tools": [{"name": "sequentialthinking", "inputSchema": {"type": "object"}}]}
    if asked["method"] == "initialize":
        result = {
            "protocolVersion": "2025-06-18", "capabilities": {"tools": {}},
            "serverInfo": {"name": "thinker", "version": "1"},
        }  # fmt: skip
    elif asked["method"] == "tools/call":
        number = asked["params"]["arguments"]["thoughtNumber"]
        result = {"content": [{"type": "text", "text": json.dumps({"thoughtNumber": number})}]}
    print(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result}), flush=True)
