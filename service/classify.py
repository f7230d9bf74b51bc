"""The slice of text classification: `POST /classify` from request model to response."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from bundle.decision import OperatingPoint, decide
from bundle.manifest import ClassifySpec
from bundle.reference import score
from bundle.text import EncodedText, TextEncoder
from service import request_record
from service.batcher import Admission, Row
from service.errors import Invalid, Place
from service.json_route import JSONRoute
from service.problem import declared
from service.schema import RequestModel
from service.settings import Settings
from service.state import Context, context
from service.word_weights import HiddenWords, Word, ask_with_and_without, hide_words

INLINE_CHARACTERS = 4096
"""Texts of up to this many characters in all are encoded at once; longer ones in a thread, off the event loop."""

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


class WordWeight(BaseModel):
    """What one word adds to the score, told by hiding it."""

    start: int = Field(description="first code point of the word in the text")
    end: int = Field(description="code point behind its last one")
    text: str = Field(description="the word: `text[start:end]` of the text sent")
    weight: float = Field(
        description="`score` minus what the same label scores for the text without these characters; "
        "below 0 where the word speaks against the label"
    )


class ClassifyResult(BaseModel):
    """The label of one text."""

    label: str = Field(description="the best label; where the model has an operating threshold, decided by it")
    score: float = Field(description="calibrated probability of `label`")
    scores: dict[str, float] = Field(description="the `top_k` best labels with their probabilities, best first")
    truncated: bool = Field(description="the text goes beyond the model's window; only its beginning was read")
    explanation: list[WordWeight] | None = Field(
        None, description="with `explain`: the words that the model read, in order; without it the key is absent"
    )


class ClassifyResponse(BaseModel):
    """One result per text, in order, and which version gave them."""

    model: str = Field(description="name of the bundle that answered")
    version: int
    results: list[ClassifyResult]


router = APIRouter(route_class=JSONRoute, tags=["predict"])


@router.post(
    "/classify",
    summary="Label texts",
    responses=declared(400, 404, 413, 415, 422, 429, 503, 504),
)
async def classify(payload: ClassifyRequest, context: Annotated[Context, Depends(context)]) -> ClassifyResponse:
    """Label one text or many with the classifier named; `spam` tells spam from ham in English text messages.

    With `explain` each word is hidden in turn, and its weight is what the score loses without it.
    """
    record = request_record.current()
    check(payload, context.settings)
    asked = payload.model, payload.version
    served = context.catalog.find(*asked) or await context.catalog.load(*asked)
    spec = served.manifest.spec
    if not isinstance(spec, ClassifySpec) or served.encoder is None:
        raise Invalid([Place(("model",), "This model forecasts series; send it to POST /forecast")])
    record.answered_by(served.manifest.name, served.manifest.version, len(payload.inputs))
    async with served.batcher.admitted(context.settings.deadline_seconds) as admission:
        encoded = await encode(payload.inputs, served.encoder, context, admission)
        hidden: list[HiddenWords] = []
        if payload.explain:
            most = context.settings.max_explained_words
            hiding = hide_words(payload.inputs, encoded, served.encoder, most, context.encoding)
            hidden = await admission.wait_for(hiding)
        record.lap("encode")
        outputs, without = await ask_with_and_without(encoded, hidden, admission.submit)
    results = [
        decode(row["probabilities"].tolist(), spec, payload.top_k, truncated=text.truncated)
        for row, text in zip(outputs, encoded, strict=True)
    ]
    if payload.explain:
        for place, result in enumerate(results):
            label = spec.labels.index(result.label)
            words = hidden[place].words
            result.explanation = weigh(payload.inputs[place], words, outputs[place], without[place], label)
    served.metrics.classified(
        labels=[result.label for result in results],
        scores=[score(row["probabilities"].tolist(), spec) for row in outputs],
        lengths=[len(text.ids) for text in encoded],
        unknown_token_ratios=[served.encoder.unknown_token_ratio(text.ids) for text in encoded],
        num_truncated=sum(text.truncated for text in encoded),
    )
    record.lap("decode")
    return ClassifyResponse(model=served.manifest.name, version=served.manifest.version, results=results)


def check(payload: ClassifyRequest, settings: Settings) -> None:
    """Refuse what is beyond the service's limits. Raises `Invalid`."""
    places = []
    if len(payload.inputs) > settings.max_texts:
        places.append(Place(("inputs",), f"At most {settings.max_texts} texts a request; split the list"))
    else:
        limit = settings.max_text_characters
        places += [
            Place(("inputs", index), f"At most {limit} characters a text")
            for index, text in enumerate(payload.inputs)
            if len(text) > limit
        ]
    if places:
        raise Invalid(places)


async def encode(texts: list[str], encoder: TextEncoder, context: Context, admission: Admission) -> list[EncodedText]:
    """Texts to token ids, in order."""

    def encode_all() -> list[EncodedText]:
        return [encoder.encode(text) for text in texts]

    if sum(map(len, texts)) <= INLINE_CHARACTERS:
        return encode_all()
    return await admission.wait_for(asyncio.get_running_loop().run_in_executor(context.encoding, encode_all))


def decode(probabilities: Sequence[float], spec: ClassifySpec, top_k: int | None, *, truncated: bool) -> ClassifyResult:
    """The probabilities of one text, in the order of the labels, to its result."""
    best = decide(probabilities, OperatingPoint.of(spec))
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__, reverse=True)
    scores = {spec.labels[index]: round(probabilities[index], 6) for index in order[:top_k]}
    return ClassifyResult(
        label=spec.labels[best], score=round(probabilities[best], 6), scores=scores, truncated=truncated
    )


def weigh(text: str, words: Sequence[Word], row: Row, without: Sequence[Row], label: int) -> list[WordWeight]:
    """Rows of `probabilities:float32[classes]`, of a text and of it without each word, to weights of the words."""
    whole = float(row["probabilities"][label])
    return [
        WordWeight(
            start=word.start,
            end=word.end,
            text=text[word.start : word.end],
            weight=round(whole - float(rest["probabilities"][label]), 6) + 0.0,  # no -0.0
        )
        for word, rest in zip(words, without, strict=True)
    ]
