"""Texts in batches: encoded together, each answered with its own."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from bundle.golden import Arrays
from bundle.tasks.classify.reading import Format
from bundle.tasks.classify.text import EncodedText, TextEncoder, pad
from bundle.tasks.classify.windows import Windows
from service.engine.batcher import Limits
from service.tasks.classify.engine import TextAnswer, TextBatcher, TextEngine, size_of
from service.telemetry.request_record import RequestRecord
from tests.support.tiny_bundles import TINY_BUNDLES

TOKENIZER = (TINY_BUNDLES / "spam-cnn" / "1" / "tokenizer.json").read_text()


class Encoder(TextEncoder):
    """Remembers what it was asked, and can't encode "broken"."""

    def __init__(self) -> None:
        super().__init__(TOKENIZER, 64)
        self.asked: list[list[str]] = []

    def encode_all(self, texts: Sequence[str], written: Format = "auto") -> list[EncodedText]:
        self.asked.append(list(texts))
        if "broken" in texts:
            raise RuntimeError("the tokenizer failed")
        return super().encode_all(texts, written)


ENCODER = TextEncoder(TOKENIZER, 64)


def run(arrays: Arrays) -> Arrays:
    return {"probabilities": arrays["ids"].sum(axis=1, keepdims=True)}


async def ask(encoder: Encoder, *requests: list[str]) -> list[list[TextAnswer] | BaseException]:
    with ThreadPoolExecutor(1) as executor:
        batcher = TextBatcher(TextEngine(encoder, run), executor, Limits(8, 10_000, 8), encoder=encoder)
        deadline = time.monotonic() + 5
        asked = (batcher.submit_texts(texts, "auto", deadline, RequestRecord()) for texts in requests)
        return await asyncio.gather(*asked, return_exceptions=True)


def test_texts_of_all_callers_are_encoded_together_and_each_gets_its_own() -> None:
    encoder = Encoder()
    requests = ["call me"], ["see you at eight, or later, or whenever it suits you and her", "me"], ["call"]
    answers = asyncio.run(ask(encoder, *requests))
    assert encoder.asked == [[text for texts in requests for text in texts]]
    for texts, own in zip(requests, answers, strict=True):
        assert isinstance(own, list)
        assert [answer.encoded for answer in own] == [encoder.encode(text) for text in texts]
        assert [answer.probabilities for answer in own] == [[sum(encoder.encode(text).ids)] for text in texts]


def test_text_that_cannot_be_encoded_fails_its_own_caller_only() -> None:
    first, broken, last = asyncio.run(ask(Encoder(), ["call me"], ["me", "broken"], ["call"]))
    assert isinstance(broken, RuntimeError)
    assert isinstance(first, list)
    assert isinstance(last, list)


def test_text_of_a_client_that_is_alone_is_encoded_and_computed_at_once() -> None:
    encoder = Encoder()

    async def ask_in_turn() -> list[list[TextAnswer] | BaseException]:
        with ThreadPoolExecutor(1) as executor:
            batcher = TextBatcher(TextEngine(encoder, run), executor, Limits(8, 10_000, 8), encoder=encoder)
            answers: list[list[TextAnswer] | BaseException] = []
            for own in (["call me"], ["call me"], ["broken"], ["call me"]):
                asked = batcher.submit_texts(own, "auto", time.monotonic() + 5, RequestRecord())
                answers += await asyncio.gather(asked, return_exceptions=True)
                await asyncio.sleep(0.01)  # no batch is under way any more
        return answers

    first, second, broken, last = asyncio.run(ask_in_turn())
    assert first == second == last
    assert isinstance(broken, RuntimeError)
    assert encoder.asked == [["call me"], ["call me"], ["broken"], ["call me"]]


def test_no_more_is_encoded_before_a_batch_than_another_one_has() -> None:
    encoder = Encoder()
    asyncio.run(ask(encoder, *(["call"] * 40 for _ in range(4))))
    assert [len(texts) for texts in encoder.asked] == [80, 80]


def test_texts_of_a_caller_who_left_are_not_encoded() -> None:
    async def leave() -> None:
        with ThreadPoolExecutor(1) as executor:
            batcher = TextBatcher(TextEngine(encoder, run), executor, Limits(8, 10_000, 8), encoder=encoder)
            leaving, staying = (
                asyncio.create_task(batcher.submit_texts([text], "auto", time.monotonic() + 5, RequestRecord()))
                for text in ("call", "me")
            )
            await asyncio.sleep(0)
            leaving.cancel()
            await staying

    encoder = Encoder()
    asyncio.run(leave())
    assert encoder.asked == [["me"]]


def test_batch_of_long_texts_is_computed_in_slices_sorted_by_length() -> None:
    shapes = []

    def note(arrays: Arrays) -> Arrays:
        shapes.append(arrays["ids"].shape)
        return run(arrays)

    lengths = [250, 130, 255, 140, 256, 150, 200, 131] * 3
    rows = [EncodedText([place + 1] * length, truncated=False) for place, length in enumerate(lengths)]
    answers, padding_ratio = TextEngine(ENCODER, note).compute([rows[:5], rows[5:]])
    assert [answer.probabilities for answer in answers] == [[sum(row.ids)] for row in rows]
    assert [answer.encoded for answer in answers] == rows
    assert shapes == [(8, 140), (8, 250), (8, 256)]
    assert padding_ratio == pytest.approx(1 - sum(lengths) / (8 * (140 + 250 + 256)))


def test_probabilities_are_shown_as_python_rounds_them() -> None:
    drawn = np.random.default_rng(0).random((512, 2), dtype=np.float32)
    drawn[:4] = [[0.0, 1.0], [1e-9, 0.5], [1 / 128, 3 / 128], [0.0000005, 0.9999995]]
    rows = [EncodedText([1], truncated=False)] * len(drawn)
    answers, _ = TextEngine(ENCODER, lambda _: {"probabilities": drawn}).compute([rows])
    assert [answer.probabilities for answer in answers] == drawn.tolist()
    assert [answer.rounded for answer in answers] == [[round(one, 6) for one in row] for row in drawn.tolist()]


def test_text_longer_than_a_slice_is_one() -> None:
    rows = [EncodedText([1] * length, truncated=False) for length in (5000, 4100)]
    answers, _ = TextEngine(ENCODER, run).compute([rows])
    assert [answer.probabilities for answer in answers] == [[5000], [4100]]


@pytest.mark.parametrize(("length", "size"), [(1, 16), (16, 16), (17, 32), (512, 512), (513, 1024)])
def test_sizes(length: int, size: int) -> None:
    assert size_of(length) == size


def test_windows_of_a_long_text_become_one_answer_beside_short_ones() -> None:
    encoder = TextEncoder(TOKENIZER, 16, windows=Windows(overlap=4, combine="halfway"), positive=1)
    rows = encoder.encode_all(["see you", "see you later, or call me when you can " * 8, "call"])

    def graph(arrays: Arrays) -> Arrays:
        positive = arrays["ids"].sum(axis=1) / 20_000
        return {"probabilities": np.stack([1 - positive, positive], axis=1)}

    answers, padding_ratio = TextEngine(encoder, graph).compute([rows])
    assert len(rows[1].ids) > 16
    assert not rows[1].truncated
    alone = [graph({"ids": pad(encoder.windows_of(row.ids))})["probabilities"][:, 1] for row in rows]
    assert [answer.probabilities[1] for answer in (answers[0], answers[2])] == [alone[0][0], alone[2][0]]
    assert min(alone[1]) < answers[1].probabilities[1] < max(alone[1])
    assert 0 < padding_ratio < 1


def test_doubtful_text_is_answered_without_being_sure() -> None:
    rows = [EncodedText([2, 5], False), EncodedText([2, 5], False, "no words")]
    answers, _ = TextEngine(ENCODER, lambda _: {"probabilities": np.array([[0.01, 0.99]] * 2)}).compute([rows])
    assert [answer.rounded for answer in answers] == [[0.01, 0.99], [0.25, 0.75]]
