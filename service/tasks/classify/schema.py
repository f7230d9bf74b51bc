"""What `POST /classify` takes and gives, and its JSON codec."""

from dataclasses import dataclass
from typing import Annotated, Any, NotRequired

from pydantic import BeforeValidator, Field, WithJsonSchema
from typing_extensions import TypedDict

from bundle.tasks.classify.reading import Format
from service.http.codec import Call
from service.http.json_codec import JSONCodec
from service.http.schema import Integer, PositiveInteger, RequestModel
from service.predict import Answers

_TEXTS_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "minItems": 1, "x-maxItems": "max_texts"},
    ],
    "description": "one text, or a list of texts",
}


def _one_or_many(inputs: Any) -> Any:
    if not isinstance(inputs, str | list):
        raise ValueError("send one text (a string) or a list of texts")
    return [inputs] if isinstance(inputs, str) else inputs


Texts = Annotated[
    list[str], Field(min_length=1, fail_fast=True), BeforeValidator(_one_or_many), WithJsonSchema(_TEXTS_SCHEMA)
]


class ClassifyRequest(RequestModel):
    """Texts, and the model to classify them with."""

    model: str = Field(description="alias or name of a classifier; GET /models lists them")
    version: Integer | None = Field(None, description="ask for one version; default: the one in service")
    inputs: Texts
    top_k: PositiveInteger | None = Field(None, description="scores given per text, best first; default: all labels")
    explain: bool = Field(False, description="weigh each word; costs a row more for every word")
    format: Format = Field("auto", description="what the texts are; auto: mail and HTML are recognised")


class WordWeight(TypedDict):
    """How much one word raises or lowers the score: computed by hiding it."""

    start: Annotated[int, Field(description="first code point of the word in the text")]
    end: Annotated[int, Field(description="code point behind its last one")]
    text: Annotated[str, Field(description="the word: `text[start:end]` of the text sent")]
    weight: Annotated[float, Field(description="`score` minus that of the same label for the text without the word")]


class ClassifyResult(TypedDict):
    """The label of one text."""

    label: Annotated[str, Field(description="the best label, by the model's operating threshold where it has one")]
    score: Annotated[float, Field(description="calibrated probability of `label`")]
    scores: Annotated[dict[str, float], Field(description="the `top_k` best labels with their probabilities")]
    truncated: Annotated[bool, Field(description="only the beginning of the text was read: it is too long")]
    warnings: NotRequired[
        Annotated[list[str], Field(description="what is doubtful, in sentences; absent if nothing is")]
    ]
    explanation: NotRequired[
        Annotated[list[WordWeight], Field(description="with `explain`: the words that the model read, in order")]
    ]


class ClassifyResponse(TypedDict):
    """One result per text, in order, and which version gave them."""

    model: Annotated[str, Field(description="name of the bundle that answered")]
    version: int
    results: list[ClassifyResult]


@dataclass(frozen=True, slots=True)
class ClassifyOptions:
    """What may be asked for beside the labels."""

    top_k: int | None = None
    """Scores given per text; None: all labels."""
    explain: bool = False
    format: Format = "auto"
    """What the texts are."""


class ClassifyJSON(JSONCodec[ClassifyRequest]):
    """Native JSON."""

    task = "classify"
    payload = ClassifyRequest
    response = ClassifyResponse

    def call(self, payload: ClassifyRequest) -> Call:
        """What is asked."""
        options = ClassifyOptions(payload.top_k, payload.explain, payload.format)
        return Call(payload.model, payload.version, payload.inputs, options)

    def respond(self, call: Call, answers: Answers) -> ClassifyResponse:  # noqa: ARG002 - answers hold all of it
        """The response."""
        return {"model": answers.model, "version": answers.version, "results": list(answers.results)}
