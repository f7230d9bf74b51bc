"""An ASGI application by hand, the model inline: what someone would write who wants the most of one model.

No schema, no batches, no limits, no metrics, no log. `BENCH_BUNDLE` names the bundle's folder.
"""

import json
from typing import Any

from benchmarks.serving.engine import Engine

JSON = (b"content-type", b"application/json")
engine = Engine.from_environment()


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Label texts."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    inputs = json.loads(body)["inputs"]
    content = json.dumps(engine.answer([inputs] if isinstance(inputs, str) else inputs)).encode()
    headers = [JSON, (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
