"""Native JSON, the first codec.

pydantic parses and validates a body at once. One that fails is read again by `json_text`, which says what is wrong.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from fastapi import Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from pydantic_core import to_json

from service.errors import FieldError, Invalid
from service.http import json_text, problem
from service.http.codec import Call, EncodedRequest
from service.http.schema import RequestModel
from service.predict import Answers

MEDIA_TYPES = ("application/json", "application/*+json")

Payload = TypeVar("Payload", bound=RequestModel)


def validated(model: type[Payload], body: bytes) -> Payload:
    """The body as a request model. Raises `NotJSON`, `Invalid` or `RequestValidationError`."""
    try:
        return model.__pydantic_validator__.validate_json(body)  # type: ignore[no-any-return]
    except ValidationError:
        pass
    document = json_text.parse(body)
    try:
        model.refuse_unknown_keys(document)
        return model.model_validate(document)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from None


class JSONCodec(Generic[Payload]):
    """`Codec` of one task; a subclass names the models and says what of the payload is asked of `predict`."""

    task: str
    payload: type[Payload]
    response: ClassVar[Any]
    """Type of the JSON object answered, for the OpenAPI document."""
    media_types: tuple[str, ...] = MEDIA_TYPES
    content_encodings: tuple[str, ...] = ()
    response_media_type = "application/json"

    def decode(self, request: EncodedRequest) -> Call:
        """What is asked. Raises `NotJSON`, `Invalid` or `RequestValidationError`."""
        return self.call(validated(self.payload, request.body))

    def encode(self, call: Call, answers: Answers) -> bytes:
        """The response's JSON."""
        return to_json(self.respond(call, answers))

    def error(self, error: Exception, call: Call | None) -> Response:
        """As problem+json; field paths are those of the payload."""
        if isinstance(error, Invalid) and call is not None:
            error = Invalid([FieldError(self.locate(call, fault.loc), fault.msg) for fault in error.errors])
        return problem.answer(error)

    @abstractmethod
    def call(self, payload: Payload) -> Call:
        """What is asked of `predict`."""

    @abstractmethod
    def respond(self, call: Call, answers: Answers) -> Mapping[str, object]:
        """The response, of the type `response`."""

    def locate(self, call: Call, loc: tuple[str | int, ...]) -> tuple[str | int, ...]:  # noqa: ARG002 - for subclasses
        """A field path of `predict` (`inputs`, index, …; name of an option) as one of the payload."""
        return loc
