"""A codec: one protocol's way from the bytes of a request to `predict`, and from its answers to bytes.

Native JSON (`json_codec`) is the first. Another protocol is another class, and a `PredictRoute` that is given it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import Response

from service.predict import Answers


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """A request as a codec reads it: the body decompressed and within its limit."""

    body: bytes
    headers: Sequence[tuple[bytes, bytes]]
    """As ASGI has them: names in lower case."""
    path_parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Call:
    """What is asked of `predict`."""

    model: str
    version: int | None
    inputs: Any
    """As the task takes them, one entry a row."""
    options: Any
    """As the task takes them."""
    payload: Any = None
    """What the codec itself wants to remember of the request."""


class Codec(Protocol):
    """One protocol, for one task."""

    @property
    def task(self) -> str:
        """Key in `TASKS`."""

    @property
    def media_types(self) -> Sequence[str]:
        """Of the bodies that it reads; `application/*+json` stands for all of that kind."""

    @property
    def content_encodings(self) -> Sequence[str]:
        """That bodies may have; `gzip` is decompressed before `decode`."""

    @property
    def response_media_type(self) -> str:
        """Of its answers."""

    def decode(self, request: EncodedRequest) -> Call:
        """What is asked. Raises a `Refusal`."""

    def encode(self, call: Call, answers: Answers) -> bytes:
        """The body of the response."""

    def error(self, error: Exception, call: Call | None) -> Response:
        """The response to a refusal, or to a defect of ours; `call` is None where the request wasn't decoded."""
