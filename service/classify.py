"""The slice of text classification: `POST /classify` from request model to response."""

import asyncio
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from bundle.decision import OperatingPoint, decide
from bundle.manifest import ClassifySpec
from bundle.reference import scores
from bundle.text import EncodedText, TextEncoder
from service import request_record
from service.batcher import Row
from service.errors import Invalid, Place
from service.payload import JSONRoute
from service.problem import declared
from service.schema import RequestModel
from service.settings import Settings
from service.state import Context, context

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
    explain: bool = Field(False, description="weights of the words; not available in this release")


class ClassifyResult(BaseModel):
    """The label of one text."""

    label: str = Field(description="the best label; where the model has an operating threshold, decided by it")
    score: float = Field(description="calibrated probability of `label`")
    scores: dict[str, float] = Field(description="the `top_k` best labels with their probabilities, best first")
    truncated: bool = Field(description="the text goes beyond the model's window; only its beginning was read")


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
    """Label one text or many with the classifier named; `spam` tells spam from ham in English text messages."""
    record = request_record.current()
    record.lap("validate")
    check(payload, context.settings)
    served = context.catalog.find(payload.model, payload.version)
    spec = served.manifest.spec
    if not isinstance(spec, ClassifySpec) or served.encoder is None:
        raise Invalid([Place(("model",), "This model forecasts series; send it to POST /forecast")])
    record.answered_by(served.manifest.name, served.manifest.version, len(payload.inputs))
    async with served.batcher.admitted(context.settings.deadline_seconds):
        encoded = await encode(payload.inputs, served.encoder, context)
        record.lap("encode")
        outputs = await served.batcher.submit([{"ids": text.ids} for text in encoded])
    results = [
        decode(row, spec, payload.top_k, truncated=text.truncated) for row, text in zip(outputs, encoded, strict=True)
    ]
    served.metrics.classified(
        labels=[result.label for result in results],
        scores=scores(np.stack([row["probabilities"] for row in outputs]), spec),
        lengths=[len(text.ids) for text in encoded],
        unknown_token_ratios=[served.encoder.unknown_token_ratio(text.ids) for text in encoded],
        num_truncated=sum(text.truncated for text in encoded),
    )
    record.lap("decode")
    return ClassifyResponse(model=served.manifest.name, version=served.manifest.version, results=results)


def check(payload: ClassifyRequest, settings: Settings) -> None:
    """Refuse what is beyond the service's limits. Raises `Invalid`."""
    places = []
    if payload.explain:
        places.append(Place(("explain",), "Explanations are not available in this release; send false or leave it out"))
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


async def encode(texts: list[str], encoder: TextEncoder, context: Context) -> list[EncodedText]:
    """Texts to token ids, in order."""

    def encode_all() -> list[EncodedText]:
        return [encoder.encode(text) for text in texts]

    if sum(map(len, texts)) <= INLINE_CHARACTERS:
        return encode_all()
    return await asyncio.get_running_loop().run_in_executor(context.encoding, encode_all)


def decode(row: Row, spec: ClassifySpec, top_k: int | None, *, truncated: bool) -> ClassifyResult:
    """One row of `probabilities:float32[classes]` to its result."""
    probabilities = row["probabilities"].astype(np.float64)
    order = np.argsort(-probabilities, kind="stable")
    best = int(decide(probabilities, OperatingPoint.of(spec)))
    scores = {spec.labels[index]: round(float(probabilities[index]), 6) for index in order[:top_k]}
    return ClassifyResult(
        label=spec.labels[best], score=round(float(probabilities[best]), 6), scores=scores, truncated=truncated
    )
