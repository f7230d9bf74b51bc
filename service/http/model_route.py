"""A JSON route whose requests a model computes: where its queue is full, large requests are refused unread.

Reading and validating them is most of what a refusal costs, and under overload there are many.
"""

import re

from service.errors import QueueFull, Refusal
from service.http.json_route import JSONRoute
from service.state import Context
from service.telemetry import request_record

LARGE_BYTES, LARGEST_BYTES = 2048, 262_144
"""A shorter body is read about as quickly as it is searched; in a longer one the search itself takes milliseconds."""

_MODEL = re.compile(rb'"model"\s*:\s*"([\w.-]+)"')
"""A key and its value, never part of a string: within one JSON has a backslash before each quotation mark."""


class ModelRoute(JSONRoute):
    """A `JSONRoute` whose payload names a model."""

    def _refuse_unread(self, body: bytes, context: Context) -> None:
        if (
            not LARGE_BYTES <= len(body) <= LARGEST_BYTES
            or b'"version"' in body
            or (named := _MODEL.search(body)) is None
        ):
            return
        try:
            served = context.catalog.find(named[1].decode())
        except Refusal:  # said in its turn, once the rest of the request has been looked at
            return
        if served is None:
            return
        record = request_record.current()
        try:
            served.batcher.refuse_if_full(context.settings.deadline_seconds - record.waited)
        except QueueFull:
            record.answered_by(served.manifest.name, served.manifest.version)
            raise
