"""An ASGI application by hand, the model inline: what someone would write who wants the most of one model.

No schema, no batches, no limits, no metrics, no log. `BENCH_BUNDLE` names the bundle's folder.
"""

import json
from typing import Any

from benchmarks.serving.engine import from_environment

JSON = (b"content-type", b"application/json")
engine = from_environment()


def rows_of(payload: dict[str, Any]) -> list[Any]:
    """The texts or series of a request."""
    if "inputs" in payload:
        inputs = payload["inputs"]
        return [inputs] if isinstance(inputs, str) else inputs
    return [payload["values"]] if "values" in payload else [one["values"] for one in payload["series"]]


async def app(_scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Label texts, or continue series."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    content = json.dumps(engine.answer(rows_of(json.loads(body)))).encode()
    headers = [JSON, (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content})
