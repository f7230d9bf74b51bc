"""Text to token ids: the one encoder that training and serving share.

The tokenizer travels inside the bundle as Hugging Face `tokenizers` JSON: normalisation, splitting, vocabulary and the
leading start token are data, so nothing about a text is decided in code.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

PAD_ID = 0
"""Id that fills a row behind its last token; the graph masks it out."""


@dataclass(frozen=True)
class EncodedText:
    """`ids:int64[tokens]`, never empty, and whether the text went beyond the model's window."""

    ids: NDArray[np.int64]
    truncated: bool


class TextEncoder:
    """Encode texts as a bundle's model expects them.

    Args:
        tokenizer_json: content of the bundle's `tokenizer.json`.
        max_tokens: length of the model's window; what is beyond is cut off.

    Raises `ValueError` if the JSON is no tokenizer, or leaves an empty text without a token.
    """

    def __init__(self, tokenizer_json: str, max_tokens: int) -> None:
        try:
            self._tokenizer = Tokenizer.from_str(tokenizer_json)
        except Exception as error:  # tokenizers raises bare Exception
            raise ValueError(f"the tokenizer can't be read: {error}") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self.max_tokens = max_tokens
        if not len(self.encode("").ids):
            raise ValueError("the tokenizer must put a start token before every text, the empty one too")

    @property
    def vocabulary_size(self) -> int:
        """Number of ids, the padding included."""
        return int(self._tokenizer.get_vocab_size())

    def encode(self, text: str) -> EncodedText:
        """One text, without padding."""
        ids = self._tokenizer.encode(text).ids
        kept = np.asarray(ids[: self.max_tokens], dtype=np.int64)
        return EncodedText(kept, truncated=len(ids) > self.max_tokens)


def pad(rows: Sequence[NDArray[np.int64]], length: int | None = None) -> NDArray[np.int64]:
    """Stack rows of ids into `int64[rows, length]`, `PAD_ID` behind each; by default as long as the longest row."""
    width = max((len(row) for row in rows), default=0) if length is None else length
    padded = np.full((len(rows), width), PAD_ID, dtype=np.int64)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return padded
