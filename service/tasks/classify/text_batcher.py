"""Texts in batches: encoded when their turn has come, those of all callers together, and padded to the longest.

One stage for many callers keeps to the processor's cache; all stages of one after the other don't, and take half as
long again.
"""

import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bundle.golden import Arrays
from bundle.tasks.classify.text import EncodedText, TextEncoder, pad
from service.engine.batcher import Batcher, Part, Places, Submission

SIZES = (16, 32, 64, 128, 256, 512)

SLICE_IDS = 2048
"""A batch of longer texts is computed in slices of about so many padded ids: what a graph makes of more falls out of
the processor's cache, and takes up to twice as long. Sorted by length, slices are padded less than a whole batch."""

TEXTS_AT_ONCE = 64
"""Texts encoded before the next batch, unless one caller has more; as many as a batch has."""


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


class TextEngine:
    """For `Batcher`.

    Args:
        run: `ids`, `int64[rows, time]`, to `probabilities`, `float32[rows, classes]`.
    """

    def __init__(self, run: Callable[[Arrays], Arrays]) -> None:
        self._run = run

    def parts(self, rows: list[EncodedText]) -> Iterator[Part[list[EncodedText]]]:
        """The texts by size."""
        sizes = [size_of(len(row.ids)) for row in rows]
        different = set(sizes)
        if len(different) == 1:
            yield Part(sizes[0], slice(0, len(rows)), rows)
            return
        for size in sorted(different):
            places = [place for place, own in enumerate(sizes) if own == size]
            yield Part(size, np.array(places), [rows[place] for place in places])

    def compute(self, parts: Sequence[list[EncodedText]]) -> tuple[list[TextAnswer], float]:
        """One batch, and the share of its ids that are padding."""
        rows = list(chain.from_iterable(parts))
        lengths = [len(row.ids) for row in rows]
        num_slices = min(len(rows), -(-len(rows) * max(lengths) // SLICE_IDS))
        if num_slices == 1:
            computed, num_padded = self._probabilities(rows)
        else:
            order = sorted(range(len(rows)), key=lengths.__getitem__)
            bounds = [len(rows) * number // num_slices for number in range(num_slices + 1)]
            slices = [
                self._probabilities([rows[place] for place in order[begin:end]]) for begin, end in pairwise(bounds)
            ]
            in_order = np.concatenate([own for own, _ in slices])
            computed, num_padded = np.empty_like(in_order), sum(own_padded for _, own_padded in slices)
            computed[order] = in_order
        probabilities = computed.astype(np.float64)
        rounded = np.round(probabilities, DECIMALS)  # all at once takes a quarter of the time that one by one takes
        answers = list(map(TextAnswer, probabilities.tolist(), rounded.tolist(), rows))
        return answers, 1 - sum(lengths) / num_padded

    def _probabilities(self, rows: Sequence[EncodedText]) -> tuple[NDArray[np.floating], int]:
        """Of the rows, `[rows, classes]`, and how many ids they make padded."""
        padded = pad([row.ids for row in rows])
        return self._run({"ids": padded})["probabilities"], padded.size

    def gather(self, pieces: Sequence[tuple[Places, list[TextAnswer]]], num_rows: int) -> list[TextAnswer]:
        """Answers in the order of the texts."""
        every = np.arange(num_rows)
        by_place = {
            place: answer for places, own in pieces for place, answer in zip(every[places].tolist(), own, strict=True)
        }
        return [by_place[place] for place in range(num_rows)]


_Newcomer = tuple[Submission[list[EncodedText], list[TextAnswer]], Sequence[str]]


@dataclass
class TextBatcher(Batcher[list[EncodedText], list[TextAnswer]]):
    """Batches of texts for one model.

    Args:
        encoder: of the model.
    """

    encoder: TextEncoder = field(kw_only=True)
    _newcomers: deque[_Newcomer] = field(default_factory=deque)

    async def submit_texts(self, texts: Sequence[str], deadline: float) -> list[TextAnswer]:
        """`submit`, of texts that are short enough to be encoded on the event loop."""
        submission = self._open(len(texts), deadline)
        self._newcomers.append((submission, texts))
        return await self._answer(submission)

    def _more_wait(self) -> bool:
        """Whether another batch could begin now."""
        return bool(self._newcomers) or super()._more_wait()

    def _before_batch(self) -> None:
        """Encode those who came since the last batch, as many as another batch has."""
        taken, num_texts = [], 0
        while self._newcomers and num_texts < TEXTS_AT_ONCE:
            newcomer = self._newcomers.popleft()
            if not newcomer[0].answer.done():  # else it has given up
                taken.append(newcomer)
                num_texts += len(newcomer[1])
        if taken:
            self._encode(taken)

    def _encode(self, newcomers: Sequence[_Newcomer]) -> None:
        began = time.perf_counter()
        try:
            encoded = self.encoder.encode_all([text for _, texts in newcomers for text in texts])
        except Exception as error:
            if len(newcomers) == 1:
                newcomers[0][0].fail(error)
            else:  # each on its own, so that only whose text it was has to bear it
                for newcomer in newcomers:
                    self._encode([newcomer])
            return
        seconds = time.perf_counter() - began
        begin = 0
        for submission, texts in newcomers:
            end = begin + len(texts)
            submission.encoding_seconds = seconds
            self._queue(submission, encoded[begin:end])
            begin = end
