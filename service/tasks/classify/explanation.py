"""Occlusion explanation: which words a label rests on. Each is hidden in turn, and the rest of the text classified.

Words are found in the text itself, not in its tokens: sending the text without one gives the score behind its weight.

Source: M. D. Zeiler, R. Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014 (occlusion).
"""

import asyncio
import functools
import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from bundle.tasks.classify.reading import Format
from bundle.tasks.classify.text import EncodedText, TextEncoder
from service.errors import FieldError, Invalid
from service.tasks.classify.schema import WordWeight

if TYPE_CHECKING:
    import regex

CHARACTERS_AT_ONCE = 200_000
"""Characters encoded in one call of the executor, as many as one long text has."""

SETTLING = 64
"""Characters read beyond what is likely to fill the window, so that its last word is whole."""


class Word(NamedTuple):
    """`text[start:end]`, in code points."""

    start: int
    end: int


@dataclass(frozen=True)
class HiddenWords:
    """The words of one text that the model reads, and in the same order what is left of the text without each."""

    words: list[Word]
    without: list[EncodedText]


@functools.cache
def _boundary() -> "regex.Pattern[str]":
    import regex  # takes 10 ms of the start and 2 MB, for what not every process is asked

    return regex.compile(r"\b", regex.WORD)


def find_words(text: str) -> Iterator[Word]:
    """Words and signs in order, as Unicode divides a text (UAX #29), without white space. A repeated sign is one."""
    word = None
    boundaries = (match.start() for match in _boundary().finditer(text))
    for start, end in itertools.pairwise(boundaries):
        piece = text[start:end]
        if word and word.end == start and piece == text[start - 1] and not piece.isalnum():
            word = Word(word.start, end)
            continue
        if word:
            yield word
        word = None if piece.isspace() else Word(start, end)
    if word:
        yield word


def read_words(text: str, num_read: int, most: int) -> list[Word]:
    """Words that begin within the first `num_read` characters; of more than `most`, one too many."""
    read = itertools.takewhile(lambda word: word.start < num_read, find_words(text))
    return list(itertools.islice(read, most + 1))


def without(text: str, word: Word) -> str:
    """The text with a word hidden."""
    return text[: word.start] + text[word.end :]


async def hide_words(
    texts: Sequence[str], encoder: TextEncoder, written: Format, max_words: int, executor: Executor
) -> list[HiddenWords]:
    """Each text's words, and its ids without each of them. Raises `Invalid` beyond `max_words` in all."""
    loop = asyncio.get_running_loop()

    def find(text: str, most: int) -> tuple[list[Word], int]:
        num_read = encoder.num_characters_read(text)
        return read_words(text, num_read, most), num_read

    def encode_without(text: str, words: Sequence[Word], num_read: int) -> list[EncodedText]:
        # What moves into the window is about as long as what is hidden; a little more settles where it ends.
        return [
            encoder.encode(without(text, word), num_read + word.end - word.start + SETTLING, written) for word in words
        ]

    found: list[tuple[list[Word], int]] = []
    room = max_words
    for text in texts:
        found.append(await loop.run_in_executor(executor, find, text, room))
        room -= len(found[-1][0])
        if room < 0:
            remedy = "send fewer or shorter texts, or leave explain out"
            raise Invalid(
                [FieldError(("explain",), f"At most {max_words} words are explained in one request; {remedy}")]
            )
    hidden = []
    for text, (words, num_read) in zip(texts, found, strict=True):
        at_once = max(1, CHARACTERS_AT_ONCE // max(1, len(text)))
        rest: list[EncodedText] = []
        for first in range(0, len(words), at_once):
            these = words[first : first + at_once]
            rest += await loop.run_in_executor(executor, encode_without, text, these, num_read)
        hidden.append(HiddenWords(words, rest))
    return hidden


def share_rows(
    encoded: Sequence[EncodedText], hidden: Sequence[HiddenWords]
) -> tuple[list[EncodedText], list[list[int]]]:
    """All rows to compute, the texts first, and by text the index of the row without each word."""
    rows = list(encoded)
    indices: dict[tuple[int, ...], int] = {}
    without_each = []
    for own in hidden:
        for rest in own.without:
            if indices.setdefault(tuple(rest.ids), len(rows)) == len(rows):
                rows.append(rest)
        without_each.append([indices[tuple(rest.ids)] for rest in own.without])
    return rows, without_each


def explain(text: str, words: Sequence[Word], probability: float, without_each: Sequence[float]) -> list[WordWeight]:
    """Weights of the words: a label's probability for the text, minus that for the text without each word."""
    return [
        {
            "start": word.start,
            "end": word.end,
            "text": text[word.start : word.end],
            "weight": round(probability - rest, 6) + 0.0,  # no -0.0
        }
        for word, rest in zip(words, without_each, strict=True)
    ]
