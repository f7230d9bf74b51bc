"""What `POST /classify` takes and gives. Requests are validated; answers are built right, and typed."""

from typing import Annotated, Any, NotRequired

from pydantic import BeforeValidator, Field, WithJsonSchema
from typing_extensions import TypedDict

from service.http.schema import RequestModel

_TEXTS_SCHEMA = {
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
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
    """Texts and the model that is to label them."""

    model: str = Field(description="alias or name of a classifier; GET /models lists them")
    version: int | None = Field(None, description="ask for one version; default: the one in service")
    inputs: Texts
    top_k: int | None = Field(None, ge=1, description="scores given per text, best first; default: all labels")
    explain: bool = Field(False, description="say what each word adds to the score; costs a row more for every word")


class WordWeight(TypedDict):
    """What one word adds to the score, told by hiding it."""

    start: Annotated[int, Field(description="first code point of the word in the text")]
    end: Annotated[int, Field(description="code point behind its last one")]
    text: Annotated[str, Field(description="the word: `text[start:end]` of the text sent")]
    weight: Annotated[
        float,
        Field(
            description="`score` minus what the same label scores for the text without these characters; "
            "below 0 where the word speaks against the label"
        ),
    ]


class ClassifyResult(TypedDict):
    """The label of one text."""

    label: Annotated[
        str, Field(description="the best label; where the model has an operating threshold, decided by it")
    ]
    score: Annotated[float, Field(description="calibrated probability of `label`")]
    scores: Annotated[
        dict[str, float], Field(description="the `top_k` best labels with their probabilities, best first")
    ]
    truncated: Annotated[
        bool, Field(description="the text goes beyond the model's window; only its beginning was read")
    ]
    explanation: NotRequired[
        Annotated[
            list[WordWeight],
            Field(description="with `explain`: the words that the model read, in order; without it the key is absent"),
        ]
    ]


class ClassifyResponse(TypedDict):
    """One result per text, in order, and which version gave them."""

    model: Annotated[str, Field(description="name of the bundle that answered")]
    version: int
    results: list[ClassifyResult]
