"""Text to token ids: the one encoder that training and serving share.

The tokenizer travels inside the bundle as Hugging Face `tokenizers` JSON: normalisation, splitting, vocabulary and the
leading start token are data, so nothing about a text is decided in code.
"""

import json
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer
from tokenizers.models import Unigram
from tokenizers.processors import PostProcessor, TemplateProcessing

from bundle.tasks.classify.doubt import Doubt, damp
from bundle.tasks.classify.reading import Format, Step, read
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.windows import Windows

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # a text at a time needs no pool of threads

TOKENIZER_FILE = "tokenizer.json"

_CHARACTERS_A_TOKEN = 16
"""Characters tokenised at first for each token of the window; more only where they weren't enough."""

_UNKNOWN = "\U0010fffd"
"""A character that no vocabulary has: a tokenizer without an id for what is unknown fails on it, as on some request."""

BATCH_ROWS = 64
"""Of a graph, where nothing else decides."""

PAD_ID = 0
"""Id that fills a row behind its last token; the graph masks it out."""


class EncodedText(NamedTuple):
    """Token ids of a text, at least one, and whether a part of it wasn't read."""

    ids: list[int]
    truncated: bool
    doubt: str | None = None
    """Why the model can't judge it, if so."""


class TextEncoder:
    """Encode texts as a bundle's model expects them.

    Args:
        tokenizer_json: content of the bundle's `tokenizer.json`.
        max_tokens: length of the model's window.
        reading: steps before the tokenizer.
        windows: how texts beyond the window are read; None cuts them off.
        doubt: which texts the model can't judge.
        positive: index of the positive label, where windows are combined by it.

    Raises `ValueError` if the JSON is no tokenizer, or leaves an empty text without a token.
    """

    def __init__(
        self,
        tokenizer_json: str,
        max_tokens: int,
        *,
        reading: Sequence[Step] = (),
        windows: Windows | None = None,
        doubt: Doubt | None = None,
        positive: int | None = None,
    ) -> None:
        self.max_tokens = max_tokens
        self._positive = positive
        self._reading, self._windows, self._doubt = reading, windows, None
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
        self._doubt = doubt
        self.unknown_id = self._find_unknown_id()
        """Id of what the vocabulary lacks; None where any text has ids of its own, as with bytes for an alphabet."""

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, the padding included."""
        return int(self._tokenizer.get_vocab_size())

    @classmethod
    def of(cls, tokenizer_json: str, spec: ClassifySpec) -> "TextEncoder":
        """That of a bundle."""
        positive = None if spec.positive_label is None else spec.labels.index(spec.positive_label)
        return cls(
            tokenizer_json,
            spec.max_tokens,
            reading=spec.reading,
            windows=spec.windows,
            doubt=spec.doubt,
            positive=positive,
        )

    def encode(self, text: str, likely_characters: int | None = None, written: Format = "auto") -> EncodedText:
        """One text, without padding; of a long one that is cut off, no more is tokenised than the window needs.

        Args:
            text: to be encoded.
            likely_characters: so many of the text are likely to fill the window; only speed depends on it.
            written: what the text is.
        """
        text = self._read(text, written)
        if self._windows is not None:
            likely_characters = len(text)
        return self._encoded(text, self._tokenize(text, likely_characters, with_places=False).ids)

    def encode_all(self, texts: Sequence[str], written: Format = "auto") -> list[EncodedText]:
        """Several texts, in order; short ones in one go, which takes less time than one by one."""
        if max(map(len, texts)) > _CHARACTERS_A_TOKEN * self.max_tokens:
            return [self.encode(text, written=written) for text in texts]
        if self._reading or written != "auto":
            texts = [self._read(text, written) for text in texts]
        try:
            encodings = self._tokenizer.encode_batch_fast(texts)
        except BaseException as error:
            raise _as_error(error) from error
        return [self._encoded(text, encoding.ids) for text, encoding in zip(texts, encodings, strict=True)]

    def windows_of(self, ids: Sequence[int]) -> list[Sequence[int]]:
        """The ids of a text as rows of the graph: one, or several that overlap."""
        if self._windows is None:
            return [ids]
        return self._windows.split(ids, self.max_tokens, len(self._leading))

    def probabilities(
        self, rows: Sequence[EncodedText], run: Callable[[NDArray[np.int64]], NDArray[np.floating]]
    ) -> NDArray[np.floating]:
        """Of texts, `[texts, classes]`, from a graph that is run on batches of similar length.

        Args:
            rows: the texts.
            run: ids `[windows, time]` to probabilities `[windows, classes]`.
        """
        windows = [self.windows_of(row.ids) for row in rows]
        flat = [window for own in windows for window in own]
        order = sorted(range(len(flat)), key=lambda index: len(flat[index]))
        batches = [order[start : start + BATCH_ROWS] for start in range(0, len(order), BATCH_ROWS)]
        computed = np.concatenate([run(pad([flat[index] for index in batch])) for batch in batches])
        in_order = np.empty_like(computed)
        in_order[order] = computed
        return self.joined(rows, [len(own) for own in windows], in_order)

    def joined(
        self, rows: Sequence[EncodedText], num_windows: Sequence[int], probabilities: NDArray[np.floating]
    ) -> NDArray[np.floating]:
        """Those of windows, `[windows, classes]`, as those of their texts; of doubtful texts less sure."""
        if self._windows is not None:
            probabilities = self._windows.join(probabilities, num_windows, self._positive)
        doubtful = [index for index, row in enumerate(rows) if row.doubt is not None]
        if doubtful:
            probabilities = probabilities.copy()
            probabilities[doubtful] = [damp(row) for row in probabilities[doubtful].astype(float).tolist()]
        return probabilities

    def _read(self, text: str, written: Format) -> str:
        if not self._reading and written == "auto":
            return text
        return read(text, self._reading, written)

    def _encoded(self, text: str, ids: list[int]) -> EncodedText:
        doubt = None if self._doubt is None else self._doubt.of(text, len(ids))
        ids = self._leading + ids
        if len(ids) <= self.max_tokens or self._windows is not None:
            return EncodedText(ids, False, doubt)
        return EncodedText(ids[: self.max_tokens], True, doubt)

    def num_characters_read(self, text: str) -> int:
        """How far into a text its ids reach; its length where it isn't truncated, or wasn't read as it is."""
        if self._windows is not None or self._reading:
            return len(text)
        encoding = self._tokenize(text, with_places=True)
        most = self.max_tokens - len(self._leading)
        if len(encoding.ids) <= most:
            return len(text)
        return max((end for _, end in encoding.offsets[:most]), default=0)

    def encode_padded(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Several texts as `int64[texts, time]`, padded to the longest. Raises `ValueError` if one has two windows."""
        rows = [self.encode(text).ids for text in texts]
        if any(len(row) > self.max_tokens for row in rows):
            raise ValueError(f"a text has more than the window's {self.max_tokens} tokens")
        return pad(rows)

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
