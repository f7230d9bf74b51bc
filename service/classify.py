"""The slice of text classification: `POST /classify` from request model to response."""

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends

from bundle.decision import OperatingPoint, decide
from bundle.manifest import ClassifySpec
from bundle.reference import score
from bundle.text import EncodedText, TextEncoder, pad
from service import request_record
from service.admission import Admission, deadline_of
from service.classify_schema import ClassifyRequest, ClassifyResponse, ClassifyResult, WordWeight
from service.errors import Invalid, Place
from service.json_route import JSONRoute
from service.problem import declared
from service.settings import Settings
from service.state import Context, context
from service.word_weights import HiddenWords, Word, hide_words, share_rows

INLINE_CHARACTERS = 4096
"""Texts of up to this many characters in all are encoded at once; longer ones in a thread, off the event loop."""

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
    record, deadline = request_record.current(), deadline_of(context.settings)
    texts, settings = payload.inputs, context.settings
    check(texts, settings)
    asked = payload.model, payload.version
    served = context.catalog.find(*asked) or await context.catalog.load(*asked, deadline)
    spec, encoder = served.manifest.spec, served.encoder
    if not isinstance(spec, ClassifySpec) or encoder is None:
        raise Invalid([Place(("model",), "This model forecasts series; send it to POST /forecast")])
    record.answered_by(served.manifest.name, served.manifest.version, len(texts))
    async with Admission(served.batcher, deadline - time.monotonic(), len(texts)) as admission:
        encoded = await encode(texts, encoder, context, admission)
        hidden: list[HiddenWords] = []
        if payload.explain:
            most = settings.max_explained_words
            hidden = await admission.wait_for(hide_words(texts, encoder, most, context.encoding))
        rows, places_without = share_rows(encoded, hidden)
        record.lap("encode")
        outputs = await admission.submit({"ids": pad(rows)}, [len(row) for row in rows])
    probabilities: list[list[float]] = outputs["probabilities"].tolist()
    operating_point = OperatingPoint.of(spec)
    results = [
        decode(own, spec, operating_point, payload.top_k, truncated=text.truncated)
        for own, text in zip(probabilities, encoded, strict=False)  # behind the texts come those without each word
    ]
    for index, own in enumerate(hidden):  # there are none unless asked for
        label = spec.labels.index(results[index]["label"])
        rest = [probabilities[place][label] for place in places_without[index]]
        results[index]["explanation"] = weigh(texts[index], own.words, probabilities[index][label], rest)
    served.metrics.classified(
        labels=[result["label"] for result in results],
        scores=[score(own, spec) for own in probabilities[: len(texts)]],
        lengths=[len(text.ids) for text in encoded],
        unknown_token_ratios=[encoder.unknown_token_ratio(text.ids) for text in encoded],
        num_truncated=sum(text.truncated for text in encoded),
    )
    record.lap("decode")
    return {"model": served.manifest.name, "version": served.manifest.version, "results": results}


def check(texts: Sequence[str], settings: Settings) -> None:
    """Refuse what is beyond the service's limits. Raises `Invalid`."""
    if len(texts) > settings.max_texts:
        raise Invalid([Place(("inputs",), f"At most {settings.max_texts} texts a request; split the list")])
    limit = settings.max_text_characters
    if places := [
        Place(("inputs", index), f"At most {limit} characters a text")
        for index, text in enumerate(texts)
        if len(text) > limit
    ]:
        raise Invalid(places)


async def encode(
    texts: Sequence[str], encoder: TextEncoder, context: Context, admission: Admission
) -> list[EncodedText]:
    """Texts to token ids, in order."""
    if sum(map(len, texts)) <= INLINE_CHARACTERS:
        return [encoder.encode(text) for text in texts]

    def encode_all() -> list[EncodedText]:
        return [encoder.encode(text) for text in texts]

    return await admission.wait_for(asyncio.get_running_loop().run_in_executor(context.encoding, encode_all))


def decode(
    probabilities: Sequence[float],
    spec: ClassifySpec,
    operating_point: OperatingPoint | None,
    top_k: int | None,
    *,
    truncated: bool,
) -> ClassifyResult:
    """The probabilities of one text, in the order of the labels, to its result."""
    best = decide(probabilities, operating_point)
    order = sorted(range(len(probabilities)), key=probabilities.__getitem__, reverse=True)
    scores = {spec.labels[index]: round(probabilities[index], 6) for index in order[:top_k]}
    return {
        "label": spec.labels[best],
        "score": round(probabilities[best], 6),
        "scores": scores,
        "truncated": truncated,
    }


def weigh(text: str, words: Sequence[Word], whole: float, without: Sequence[float]) -> list[WordWeight]:
    """What a label scores for a text, and for the text without each word, to weights of the words."""
    return [
        {
            "start": word.start,
            "end": word.end,
            "text": text[word.start : word.end],
            "weight": round(whole - rest, 6) + 0.0,  # no -0.0
        }
        for word, rest in zip(words, without, strict=True)
    ]
