"""Windows of long texts, doubtful texts, and the encoder that has both."""

import itertools
from typing import Literal

import numpy as np
import pytest

from bundle.tasks.classify.doubt import NO_LANGUAGE, NO_WORDS, OTHER_SCRIPT, Doubt, damp
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import EncodedText, TextEncoder
from bundle.tasks.classify.windows import Windows
from tests.support.tiny_bundles import TINY_BUNDLES

TOKENIZER = (TINY_BUNDLES / "spam-cnn" / "1" / "tokenizer.json").read_text()


@pytest.mark.parametrize("length", [1, 8, 9, 12, 13, 40])
@pytest.mark.parametrize("overlap", [0, 3])
def test_windows_hold_every_id_and_are_full(length: int, overlap: int) -> None:
    ids = [99, *range(length - 1)]
    windows = Windows(overlap=overlap, combine="mean").split(ids, 8, 1)
    assert all(window[0] == 99 for window in windows)
    assert {one for window in windows for one in window} == set(ids)
    assert [len(window) for window in windows] == [min(length, 8)] * len(windows)
    for before, after in itertools.pairwise(windows):
        assert len(set(before[1:]) & set(after[1:])) >= overlap


@pytest.mark.parametrize(("combine", "odds"), [("mean", 0.5), ("halfway", 2.0)])
def test_windows_become_the_answer_of_their_text(combine: Literal["mean", "halfway"], odds: float) -> None:
    """Windows of odds 8 and 1/32 for the positive class: the mean of the logits has 1/2, halfway to the first has 2."""
    probabilities = np.array([[0.9, 0.1], [1 / 9, 8 / 9], [32 / 33, 1 / 33]])
    joined = Windows(overlap=2, combine=combine).join(probabilities, [1, 2], 1)
    assert np.allclose(joined, [[0.9, 0.1], [1 / (1 + odds), odds / (1 + odds)]])


def test_a_long_text_is_read_whole() -> None:
    encoder = TextEncoder(TOKENIZER, 16, windows=Windows(overlap=4, combine="mean"))
    text = "see you later, or call me when you can " * 50
    encoded = encoder.encode(text)
    assert not encoded.truncated
    assert encoded == encoder.encode_all(["short", text])[1]
    assert max(map(len, encoder.windows_of(encoded.ids))) == 16
    assert encoder.num_characters_read(text) == len(text)
    with pytest.raises(ValueError, match="more than the window's 16 tokens"):
        encoder.encode_padded([text])


DOUBT = Doubt(scripts=["LATIN"], fewest_characters_per_token=1.5, fewest_tokens=6)


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("", NO_WORDS),
        ("12345 67 !!", NO_WORDS),
        ("😀😀😀", NO_WORDS),
        ("Поезд прибывает в девять", OTHER_SCRIPT),
        ("列车九点到达", OTHER_SCRIPT),
        ("qxzvkj wqpfhg zxjkvb", NO_LANGUAGE),
        ("see you later, call me", None),
        ("Über Köln fährt der Zug", None),
        ("ok", None),
    ],
)
def test_what_can_not_be_judged_is_said(text: str, doubt: str | None) -> None:
    encoder = TextEncoder(TOKENIZER, 64)
    num_tokens = 12 if text == "Über Köln fährt der Zug" else len(encoder.encode(text).ids) - 1
    assert DOUBT.of(text, num_tokens) == doubt


def test_doubtful_answers_keep_their_order_and_are_never_sure() -> None:
    assert damp([0.0, 1.0]) == [0.25, 0.75]
    assert damp([0.4, 0.6]) == [0.4, 0.6]
    damped = damp([0.98, 0.02, 0.0])
    assert damped[0] == pytest.approx(0.75)
    assert damped[0] > damped[1] > damped[2]
    assert sum(damped) == pytest.approx(1)
    assert damp([0.5, 0.5]) == [0.5, 0.5]
    encoder = TextEncoder(TOKENIZER, 16)
    rows = [EncodedText([1], False, NO_WORDS), EncodedText([1], False)]
    assert encoder.joined(rows, [1, 1], np.array([[0.0, 1.0], [0.0, 1.0]])).tolist() == [[0.25, 0.75], [0.0, 1.0]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"windows": Windows(overlap=8, combine="mean")}, "overlap by half"),
        ({"windows": Windows(overlap=1, combine="halfway"), "positive_label": None}, "no"),
        ({"reading": ["unknown"]}, "reading"),
    ],
)
def test_what_a_manifest_can_not_mean_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClassifySpec.model_validate({"labels": ["ham", "spam"], "max_tokens": 16, "positive_label": "spam"} | changes)
