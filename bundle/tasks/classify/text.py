"""Text to token ids: the one encoder that training and serving share.

The tokenizer travels inside the bundle as Hugging Face `tokenizers` JSON: normalisation, splitting, vocabulary and the
leading start token are data, so nothing about a text is decided in code.
"""

import json
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from tokenizers.models import Unigram
from tokenizers.processors import PostProcessor, TemplateProcessing

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # a text at a time needs no pool of threads

TOKENIZER_FILE = "tokenizer.json"

_CHARACTERS_A_TOKEN = 16
"""Characters tokenised at first for each token of the window; more only where they weren't enough."""

_UNKNOWN = "\U0010fffd"
"""A character that no vocabulary has: a tokenizer without an id for what is unknown fails on it, as on some request."""

PAD_ID = 0
"""Id that fills a row behind its last token; the graph masks it out."""


class EncodedText(NamedTuple):
    """Token ids of a text, at least one, and whether the text went beyond the model's window."""

    ids: list[int]
    truncated: bool


class TextEncoder:
    """Encode texts as a bundle's model expects them.

    Args:
        tokenizer_json: content of the bundle's `tokenizer.json`.
        max_tokens: length of the model's window; what is beyond is cut off.

    Raises `ValueError` if the JSON is no tokenizer, or leaves an empty text without a token.
    """

    def __init__(self, tokenizer_json: str, max_tokens: int) -> None:
        self.max_tokens = max_tokens
        self._leading: list[int] = []
        """Ids before those of every text, where the tokenizer has been relieved of them."""
        try:
            self._tokenizer = Tokenizer.from_str(tokenizer_json)
            self._tokenizer.no_padding()
            self._tokenizer.no_truncation()
            shortest = self.encode("")
            self.encode(_UNKNOWN)
            if _only_leads(self._tokenizer.post_processor):  # to put ids before others takes a moment
                self._leading = self._tokenize("", with_places=False).ids
                self._tokenizer.post_processor = None
        except BaseException as raised:
            error = _as_error(raised)
            if not isinstance(error, Exception):  # tokenizers raises bare Exception
                raise
            raise ValueError(f"the tokenizer can't be read: {error}") from error
        if not len(shortest.ids):
            raise ValueError("the tokenizer must put a start token before every text, the empty one too")
        self.unknown_id = self._find_unknown_id()
        """Id of what the vocabulary lacks; None where any text has ids of its own, as with bytes for an alphabet."""

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, the padding included."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str, likely_characters: int | None = None) -> EncodedText:
        """One text, without padding; of a long one, no more is tokenised than the window needs.

        Args:
            text: to be encoded.
            likely_characters: so many of the text are likely to fill the window; only speed depends on it.
        """
        ids = self._leading + self._tokenize(text, likely_characters, with_places=False).ids
        if len(ids) <= self.max_tokens:
            return EncodedText(ids, truncated=False)
        return EncodedText(ids[: self.max_tokens], truncated=True)

    def encode_all(self, texts: Sequence[str]) -> list[EncodedText]:
        """Several texts, in order; short ones in one go, which takes less time than one by one."""
        if max(map(len, texts)) > _CHARACTERS_A_TOKEN * self.max_tokens:
            return [self.encode(text) for text in texts]
        try:
            encodings = self._tokenizer.encode_batch_fast(texts)
        except BaseException as error:
            raise _as_error(error) from error
        most, leading = self.max_tokens, self._leading
        return [
            EncodedText(ids, False) if len(ids := leading + encoding.ids) <= most else EncodedText(ids[:most], True)
            for encoding in encodings
        ]

    def num_characters_read(self, text: str) -> int:
        """How far into a text its ids reach; its length where it isn't truncated."""
        encoding = self._tokenize(text, with_places=True)
        most = self.max_tokens - len(self._leading)
        if len(encoding.ids) <= most:
            return len(text)
        return max((end for _, end in encoding.offsets[:most]), default=0)

    def encode_padded(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Several texts as `int64[texts, time]`, padded to the longest."""
        return pad([self.encode(text).ids for text in texts])

    def unknown_token_ratio(self, ids: list[int]) -> float:
        """Share of a text's tokens that the vocabulary lacks, its start token not counted; 0 of an empty text."""
        if self.unknown_id is None or len(ids) == 1:
            return 0.0
        return ids[1:].count(self.unknown_id) / (len(ids) - 1)

    def _find_unknown_id(self) -> int | None:
        model = self._tokenizer.model
        if isinstance(model, Unigram):  # names the id, all others the token
            unknown_id: int | None = json.loads(self._tokenizer.to_str())["model"]["unk_id"]
            return unknown_id
        token: str | None = model.unk_token
        return None if token is None else self._tokenizer.token_to_id(token)

    def _tokenize(self, text: str, likely_characters: int | None = None, *, with_places: bool) -> Encoding:
        """The text, or a beginning of it that holds more than the window; without places in a quarter less time."""
        length = likely_characters or _CHARACTERS_A_TOKEN * self.max_tokens
        try:
            while length < len(text):
                encoding = self._tokenizer.encode_batch([text[:length]])[0]
                # What follows the cut can change the last word before it, no earlier one.
                words = encoding.word_ids  # a new list each time it is asked for
                settled = sum(word != words[-1] for word in words)
                if settled > self.max_tokens:
                    return encoding
                length *= 4
            encode_batch = self._tokenizer.encode_batch if with_places else self._tokenizer.encode_batch_fast
            return encode_batch([text])[0]  # unlike `encode`, leaves the interpreter to other threads meanwhile
        except BaseException as error:
            raise _as_error(error) from error


def _only_leads(post_processor: PostProcessor | None) -> bool:
    """Whether all that it does to a text is to put tokens before it."""
    if not isinstance(post_processor, TemplateProcessing):
        return False
    *before, text = json.loads(post_processor.__getstate__())["single"]
    return "Sequence" in text and not any("Sequence" in piece for piece in before)


def _as_error(raised: BaseException) -> BaseException:
    """A panic of the tokenizer's Rust code isn't an `Exception`: left alone, it would end the process."""
    return RuntimeError(f"the tokenizer failed: {raised}") if type(raised).__name__ == "PanicException" else raised


def pad(rows: Sequence[Sequence[int] | NDArray[np.int64]], length: int | None = None) -> NDArray[np.int64]:
    """Stack rows of ids into `int64[rows, length]`, `PAD_ID` behind each; by default as long as the longest row."""
    width = max(map(len, rows), default=0) if length is None else length
    padded = np.zeros((len(rows), width), dtype=np.int64)  # zeros are PAD_ID, and there sooner than any other number
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return padded
