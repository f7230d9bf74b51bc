"""The slice of text classification: `POST /classify` from request model to response."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Annotated

from fastapi import APIRouter, Depends

from bundle.tasks.classify.text import EncodedText, TextEncoder
from service.catalog.loader import Classifier
from service.engine.admission import Admission, deadline_of
from service.errors import Invalid, Place
from service.http.model_route import ModelRoute
from service.http.problem import declared
from service.settings import Settings
from service.state import Context, context
from service.tasks.classify.explanation import HiddenWords, Word, hide_words, share_rows
from service.tasks.classify.schema import ClassifyRequest, ClassifyResponse, WordWeight
from service.telemetry import request_record

INLINE_CHARACTERS = 4096
"""Texts of up to this many characters in all are encoded on the event loop; longer ones in a thread."""

router = APIRouter(route_class=ModelRoute, tags=["predict"])


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
    if not isinstance(served, Classifier):
        raise Invalid([Place(("model",), "This model forecasts series; send it to POST /forecast")])
    record.answered_by(served.manifest.name, served.manifest.version, len(texts))
    hidden: list[HiddenWords] = []
    batcher, labeller = served.batcher, served.labeller
    with Admission(batcher, deadline, len(texts)) as admission:
        if not payload.explain and sum(map(len, texts)) <= INLINE_CHARACTERS:
            record.charge_rows(len(texts))
            answers = await batcher.submit_texts(texts, admission.deadline)
        else:
            encoded = await admission.wait_for(encode(texts, batcher.encoder, context.encoding))
            if payload.explain:
                most = settings.max_explained_words
                hidden = await admission.wait_for(hide_words(texts, batcher.encoder, most, context.encoding))
            rows, places_without = share_rows(encoded, hidden)
            record.lap("encode")
            record.charge_rows(len(rows))
            answers = await batcher.submit(rows, admission.deadline)
    own_answers = answers[: len(texts)]
    results = [labeller.result(answer, payload.top_k) for answer in own_answers]
    for index, own in enumerate(hidden):  # there are none unless asked for; their rows come behind those of the texts
        label = labeller.labels.index(results[index]["label"])
        rest = [answers[place].probabilities[label] for place in places_without[index]]
        results[index]["explanation"] = weigh(texts[index], own.words, answers[index].probabilities[label], rest)
    served.metrics.classified(
        labels=[result["label"] for result in results],
        scores=[labeller.score(answer.probabilities) for answer in own_answers],
        lengths=[len(answer.encoded.ids) for answer in own_answers],
        unknown_token_ratios=[batcher.encoder.unknown_token_ratio(answer.encoded.ids) for answer in own_answers],
        num_truncated=sum(answer.encoded.truncated for answer in own_answers),
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


async def encode(texts: Sequence[str], encoder: TextEncoder, executor: Executor) -> list[EncodedText]:
    """Texts to token ids, off the event loop."""
    return await asyncio.get_running_loop().run_in_executor(executor, encoder.encode_all, texts)


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
