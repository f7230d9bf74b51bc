"""Texts to ids."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from bundle.tasks.classify.text import PAD_ID, EncodedText, TextEncoder, pad
from tests.support.tiny_bundles import TINY_BUNDLES

TOKENIZER = (TINY_BUNDLES / "spam-cnn" / "1" / "tokenizer.json").read_text()


@given(st.text(max_size=200))
def test_any_text_has_ids_and_none_is_padding(text: str) -> None:
    encoded = TextEncoder(TOKENIZER, 64).encode(text)
    assert 1 <= len(encoded.ids) <= 64
    assert min(encoded.ids) > PAD_ID


@given(st.lists(st.text(max_size=60), min_size=1, max_size=5), st.integers(2, 6))
def test_texts_together_have_the_ids_of_each_alone(texts: list[str], max_tokens: int) -> None:
    encoder = TextEncoder(TOKENIZER, max_tokens)
    assert encoder.encode_all(texts) == [encoder.encode(text) for text in texts]


def test_long_text_is_cut_and_said_to_be() -> None:
    encoder = TextEncoder(TOKENIZER, 8)
    whole, cut = encoder.encode("call"), encoder.encode("call " * 100)
    assert not whole.truncated
    assert cut.truncated
    assert len(cut.ids) == 8


def test_how_far_a_text_is_read_is_known() -> None:
    encoder = TextEncoder(TOKENIZER, 8)
    text = "call me 12345 \U0001f680"
    whole, cut = (TextEncoder(TOKENIZER, window).num_characters_read(text) for window in (64, 7))
    assert whole == len(text)
    assert text[:cut] == "call m"
    assert encoder.num_characters_read("call " * 1000) == encoder.num_characters_read("call " * 8)


def test_digits_are_read_alike() -> None:
    encoder = TextEncoder(TOKENIZER, 64)
    np.testing.assert_array_equal(encoder.encode("call 09061701461").ids, encoder.encode("call 08712345678").ids)


@pytest.mark.parametrize("name", ["[PAD]", "[MASK]", "[START]"])
def test_name_of_a_special_token_is_ordinary_text(name: str) -> None:
    assert min(TextEncoder(TOKENIZER, 64).encode(name).ids[1:]) > 2


def test_tokenizer_without_start_token_is_refused() -> None:
    with pytest.raises(ValueError, match="start token"):
        TextEncoder(Tokenizer(models.BPE()).to_str(), 8)


@pytest.mark.parametrize(
    "model",
    [
        models.WordLevel({"[START]": 1, "me": 2}, unk_token="[UNK]"),
        models.WordPiece({"[START]": 1, "me": 2}, unk_token="[UNK]"),
        models.BPE({"[START]": 1, "m": 2}, [], unk_token="[UNK]"),
        models.Unigram([("[PAD]", -1.0), ("[START]", -1.0), ("me", -1.0)]),
    ],
    ids=lambda model: type(model).__name__,
)
def test_tokenizer_that_fails_on_what_it_does_not_know_is_refused(model: models.Model) -> None:
    with pytest.raises(ValueError, match="can't be read"):
        TextEncoder(with_start_token(model, 1), 8)


def with_start_token(model: models.Model, start: int) -> str:
    """A tokenizer of words around this model, which knows `[START]` by this id."""
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="[START] $A", special_tokens=[("[START]", start)])
    return str(tokenizer.to_str())


@pytest.mark.parametrize("template", ["[START] $A", "[START] [START] $A", "[START] $A [START]", "[START] $A $A"])
@pytest.mark.parametrize("text", ["", "call", "me call", "call me " * 40])
@pytest.mark.parametrize("window", [1, 2, 64])
def test_ids_are_those_of_the_tokenizer_whatever_it_puts_around_a_text(template: str, text: str, window: int) -> None:
    tokenizer = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single=template, special_tokens=[("[START]", 1)])
    encoder = TextEncoder(tokenizer.to_str(), window)
    ids = tokenizer.encode(text).ids
    assert encoder.encode(text) == EncodedText(ids[:window], truncated=len(ids) > window)
    assert encoder.encode_all([text, "me"])[0] == encoder.encode(text)


VOCABULARY = {"[PAD]": 0, "[START]": 1, "[UNK]": 2, "call": 3, "me": 4}
WITH_UNKNOWN = {
    "words": models.WordLevel(VOCABULARY, unk_token="[UNK]"),
    "word pieces": models.WordPiece(VOCABULARY, unk_token="[UNK]"),
    "byte pairs": models.BPE(VOCABULARY | {"m": 5, "e": 6}, [("m", "e")], unk_token="[UNK]", fuse_unk=True),
    "unigrams": models.Unigram([(token, -1.0) for token in VOCABULARY], unk_id=2),
}


@pytest.mark.parametrize("name", WITH_UNKNOWN)
def test_tokens_that_the_vocabulary_lacks_are_counted(name: str) -> None:
    encoder = TextEncoder(with_start_token(WITH_UNKNOWN[name], 1), 64)
    assert encoder.unknown_id == 2
    assert encoder.unknown_token_ratio(encoder.encode("me me привет me").ids) == 0.25
    assert encoder.unknown_token_ratio(encoder.encode("me me").ids) == 0
    assert encoder.unknown_token_ratio(encoder.encode("").ids) == 0


def test_start_token_is_not_counted_as_unknown() -> None:
    tokenizer = with_start_token(models.WordLevel({"[UNK]": 1, "me": 2}, unk_token="[UNK]"), 1)
    encoder = TextEncoder(tokenizer, 64)
    assert encoder.encode("me you").ids == [1, 2, 1]
    assert encoder.unknown_token_ratio(encoder.encode("me you").ids) == 0.5


def test_nothing_is_unknown_where_bytes_are_the_alphabet() -> None:
    encoder = TextEncoder(TOKENIZER, 64)
    assert encoder.unknown_id is None
    assert encoder.unknown_token_ratio(encoder.encode("привет 你好").ids) == 0


def test_rows_are_padded_behind() -> None:
    rows = [np.array([5, 6]), np.array([7])]
    assert pad(rows).tolist() == [[5, 6], [7, 0]]
    assert pad(rows, 4).tolist() == [[5, 6, 0, 0], [7, 0, 0, 0]]


@given(
    st.lists(
        st.one_of(
            st.text(max_size=8), st.sampled_from(["call ", "free", " \u0301", "é", " 12", "\u1100\u1161", "prize!"])
        ),
        max_size=400,
    )
)
def test_cutting_a_long_text_early_never_changes_its_window(parts: list[str]) -> None:
    text = "".join(parts)
    small, whole = TextEncoder(TOKENIZER, 4), TextEncoder(TOKENIZER, 100_000)
    encoded, expected = small.encode(text), whole.encode(text)
    assert encoded.ids == expected.ids[:4]
    assert encoded.truncated == (len(expected.ids) > 4)


@settings(deadline=None)
@given(st.text(max_size=300), st.integers(1, 400))
def test_where_the_window_is_likely_to_end_changes_nothing(text: str, likely_characters: int) -> None:
    encoder = TextEncoder(TOKENIZER, 8)
    plain, hinted = encoder.encode(text), encoder.encode(text, likely_characters)
    assert hinted.ids == plain.ids
    assert hinted.truncated == plain.truncated
