"""Texts in, labelled texts out: a classifier in memory.

Short texts of all requests are encoded together when their batch begins, which takes a third less time.
"""

import asyncio
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bundle.golden import Arrays, Run
from bundle.tasks.classify.decision import OperatingPoint, decide
from bundle.tasks.classify.reading import Format
from bundle.tasks.classify.self_test import TextAssets
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import EncodedText, TextEncoder, pad
from service.engine.admission import Admission
from service.engine.batcher import Batcher, BatchStats, Part, RowIndices, Submission, Timed
from service.errors import FieldError, Invalid
from service.settings import Settings
from service.tasks.classify.explanation import HiddenWords, explain, hide_words, share_rows
from service.tasks.classify.metrics import ClassifierMetrics
from service.tasks.classify.schema import ClassifyOptions, ClassifyResult
from service.tasks.task import Resources
from service.telemetry.request_record import RequestRecord

INLINE_CHARACTERS = 4096
"""Texts of up to this many characters in all are encoded on the event loop; longer ones in a thread."""

SIZES = (16, 32, 64, 128, 256, 512)

SLICE_IDS = 2048
"""A batch of longer texts is computed in slices of about so many padded ids: what a graph makes of more falls out of
the processor's cache, and takes up to twice as long. Sorted by length, slices are padded less than a whole batch."""

TEXTS_AT_ONCE = 64
"""Texts encoded before the next batch, unless one request has more; as many as a batch has."""


DECIMALS = 6
"""Of probabilities in answers: float32 holds hardly more."""


class TextAnswer(NamedTuple):
    """What the graph answers to one text."""

    probabilities: list[float]
    rounded: list[float]
    """The same to `DECIMALS`, as they are shown."""
    encoded: EncodedText


def size_of(length: int) -> int:
    """Tokens of the rows that a row may share a batch with: one of `SIZES`, beyond them a multiple of the last."""
    if length > SIZES[-1]:
        return -(-length // SIZES[-1]) * SIZES[-1]
    return SIZES[bisect_left(SIZES, length)]


@dataclass(eq=False)
class TextEngine:
    """For `Batcher`."""

    encoder: TextEncoder
    run: Callable[[Arrays], Arrays]
    """`ids`, `int64[rows, time]`, to `probabilities`, `float32[rows, classes]`."""

    def parts(self, rows: list[EncodedText]) -> Iterator[Part[list[EncodedText]]]:
        """The texts by size."""
        sizes = [size_of(len(row.ids)) for row in rows]
        different = set(sizes)
        if len(different) == 1:
            yield Part(sizes[0], slice(0, len(rows)), rows)
            return
        for size in sorted(different):
            indices = [index for index, own in enumerate(sizes) if own == size]
            yield Part(size, np.array(indices), [rows[index] for index in indices])

    def compute(self, parts: Sequence[list[EncodedText]]) -> tuple[list[TextAnswer], float]:
        """One batch, and the share of its ids that are padding."""
        rows = list(chain.from_iterable(parts))
        windows = [self.encoder.windows_of(row.ids) for row in rows]
        computed, num_padded = self._in_slices(list(chain.from_iterable(windows)))
        probabilities = self.encoder.joined(rows, list(map(len, windows)), computed).astype(np.float64)
        rounded = np.round(probabilities, DECIMALS)  # all at once takes a quarter of the time that one by one takes
        answers = list(map(TextAnswer, probabilities.tolist(), rounded.tolist(), rows))
        return answers, 1 - sum(len(ids) for own in windows for ids in own) / num_padded

    def _in_slices(self, rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.floating], int]:
        """Probabilities of rows of ids, `[rows, classes]`, and how many ids they make padded."""
        lengths = list(map(len, rows))
        num_slices = min(len(rows), -(-len(rows) * max(lengths) // SLICE_IDS))
        if num_slices == 1:
            return self._probabilities(rows)
        order = sorted(range(len(rows)), key=lengths.__getitem__)
        bounds = [len(rows) * number // num_slices for number in range(num_slices + 1)]
        slices = [self._probabilities([rows[index] for index in order[begin:end]]) for begin, end in pairwise(bounds)]
        in_order = np.concatenate([own for own, _ in slices])
        computed, num_padded = np.empty_like(in_order), sum(own_padded for _, own_padded in slices)
        computed[order] = in_order
        return computed, num_padded

    def _probabilities(self, rows: Sequence[Sequence[int]]) -> tuple[NDArray[np.floating], int]:
        padded = pad(rows)
        return self.run({"ids": padded})["probabilities"], padded.size

    def gather(self, pieces: Sequence[tuple[RowIndices, list[TextAnswer]]], num_rows: int) -> list[TextAnswer]:
        """Answers in the order of the texts."""
        every = np.arange(num_rows)
        by_index = {
            index: answer for indices, own in pieces for index, answer in zip(every[indices].tolist(), own, strict=True)
        }
        return [by_index[index] for index in range(num_rows)]


class _Unencoded(NamedTuple):
    submission: Submission[list[EncodedText], list[TextAnswer]]
    texts: Sequence[str]
    format: Format


@dataclass
class TextBatcher(Batcher[list[EncodedText], list[TextAnswer]]):
    """Batches of texts for one model."""

    encoder: TextEncoder = field(kw_only=True)
    _unencoded: deque[_Unencoded] = field(default_factory=deque)

    async def submit_texts(
        self, texts: Sequence[str], written: Format, deadline: float, timed: Timed
    ) -> list[TextAnswer]:
        """`submit`, of texts that are short enough to be encoded on the event loop."""
        submission = self._open(len(texts), deadline)
        self._unencoded.append(_Unencoded(submission, texts, written))
        return await self._answer(submission, timed)

    def _more_wait(self) -> bool:
        return bool(self._unencoded) or super()._more_wait()

    def _before_batch(self) -> None:
        """Encode the texts that came since the last batch, as many as another batch has."""
        taken, num_texts = [], 0
        while self._unencoded and num_texts < TEXTS_AT_ONCE:
            one = self._unencoded.popleft()
            if not one.submission.answer.done():  # else it is cancelled
                taken.append(one)
                num_texts += len(one.texts)
        for written in {one.format for one in taken}:
            self._encode([one for one in taken if one.format == written])

    def _encode(self, unencoded: Sequence[_Unencoded]) -> None:
        began = time.perf_counter()
        try:
            texts = [text for one in unencoded for text in one.texts]
            encoded = self.encoder.encode_all(texts, unencoded[0].format)
        except Exception as error:
            if len(unencoded) == 1:
                unencoded[0].submission.fail(error)
            else:  # each on its own, so that only the request with that text fails
                for one in unencoded:
                    self._encode([one])
            return
        seconds = time.perf_counter() - began
        begin = 0
        for one in unencoded:
            end = begin + len(one.texts)
            one.submission.encoding_seconds = seconds
            self._queue(one.submission, encoded[begin:end])
            begin = end


@dataclass(eq=False)
class TextClassifier:
    """One classifier in memory."""

    spec: ClassifySpec
    assets: TextAssets
    run: Run
    stats: BatchStats
    metrics: ClassifierMetrics
    resources: Resources

    def __post_init__(self) -> None:
        inference, limits = self.resources.inference, self.resources.limits
        self._operating_point = OperatingPoint.of(self.spec)
        encoder = self.assets.encoder
        self.batcher = TextBatcher(TextEngine(encoder, self.run), inference, limits, self.stats, encoder=encoder)

    async def answer(
        self, texts: Sequence[str], options: ClassifyOptions, admission: Admission, identity: RequestRecord
    ) -> list[ClassifyResult]:
        """The labels of texts, in order; see `Engine` of `service.tasks.task`."""
        batcher = self.batcher
        hidden: list[HiddenWords] = []
        if not options.explain and sum(map(len, texts)) <= INLINE_CHARACTERS:
            identity.charge_rows(len(texts))
            answers = await batcher.submit_texts(texts, options.format, admission.deadline, identity)
        else:
            executor = self.resources.encoding
            encode, written = self.assets.encoder.encode_all, options.format
            encoding = asyncio.get_running_loop().run_in_executor(executor, encode, texts, written)
            encoded = await admission.wait_for(encoding)
            if options.explain:
                most = self.resources.settings.max_explained_words
                hidden = await admission.wait_for(hide_words(texts, self.assets.encoder, written, most, executor))
            rows, rows_without = share_rows(encoded, hidden)
            identity.lap("encode")
            identity.charge_rows(sum(len(self.assets.encoder.windows_of(row.ids)) for row in rows))
            answers = await batcher.submit(rows, admission.deadline, identity)
        own = answers[: len(texts)]
        results = [self._result(answer, options.top_k) for answer in own]
        for index, words in enumerate(hidden):  # there are none unless asked for; their rows follow those of the texts
            label = self.spec.labels.index(results[index]["label"])
            rest = [answers[row].probabilities[label] for row in rows_without[index]]
            probability = answers[index].probabilities[label]
            results[index]["explanation"] = explain(texts[index], words.words, probability, rest)
        identity.defer(self.metrics.classified, [result["label"] for result in results], own, self.assets.encoder)
        return results

    def _result(self, answer: TextAnswer, top_k: int | None) -> ClassifyResult:
        """The result of one text; None for `top_k` is all labels."""
        labels, rounded = self.spec.labels, answer.rounded
        best = decide(answer.probabilities, self._operating_point)
        result: ClassifyResult = {
            "label": labels[best],
            "score": rounded[best],
            "scores": {labels[index]: rounded[index] for index in _descending(answer.probabilities)[:top_k]},
            "truncated": answer.encoded.truncated,
        }
        if answer.encoded.doubt is not None:
            result["warnings"] = [answer.encoded.doubt]
        return result


def _descending(probabilities: Sequence[float]) -> Sequence[int]:
    """Indices of the probabilities, the largest first; of equals the first."""
    if len(probabilities) == 2:  # takes a third of the time of what follows
        return (0, 1) if probabilities[0] >= probabilities[1] else (1, 0)
    return sorted(range(len(probabilities)), key=probabilities.__getitem__, reverse=True)


def check(texts: Sequence[str], _options: ClassifyOptions, settings: Settings) -> None:
    """Raises `Invalid` beyond the service's limits."""
    if len(texts) > settings.max_texts:
        raise Invalid([FieldError(("inputs",), f"At most {settings.max_texts} texts a request; split the list")])
    limit = settings.max_text_characters
    if errors := [
        FieldError(("inputs", index), f"At most {limit} characters a text")
        for index, text in enumerate(texts)
        if len(text) > limit
    ]:
        raise Invalid(errors)
