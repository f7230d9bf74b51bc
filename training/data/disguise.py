"""Disguises: texts of both classes as people write them around a filter, for training and for measuring by trick.

A model that sees them in spam alone would block whoever writes ham that way, so both classes are disguised alike.
Sources of the tricks: D. Lowd, C. Meek, "Good Word Attacks on Statistical Spam Filters", CEAS 2005; rspamd's and
SpamAssassin's rules.
"""

import random
import re
from collections.abc import Callable, Sequence

_LEET = {"a": "4@", "b": "8", "e": "3", "g": "9", "i": "1!", "l": "1", "o": "0", "s": "5$", "t": "7", "z": "2"}
_LOOKALIKES = {
    "a": "аɑαà", "c": "сϲç", "e": "еєé", "i": "іιí", "o": "оοöσ", "p": "рρ", "x": "хχ", "y": "уγ", "s": "ѕ", "n": "ոñ",
    "u": "υü", "v": "ѵν", "h": "һ", "k": "κк", "m": "м", "t": "тτ", "A": "АΑ", "B": "ВΒ", "C": "С", "E": "ЕΕ",
    "H": "НΗ", "I": "ІΙ", "K": "КΚ", "M": "МΜ", "N": "Ν", "O": "ОΟ", "P": "РΡ", "T": "ТΤ", "X": "ХΧ",
}  # fmt: skip
_ZERO_WIDTH = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_WORD = re.compile(r"[^\W\d_]{3,}")
_LINK = re.compile(r"(https?://)?(\w[\w-]*(?:\.\w[\w-]*)+)(/\S*)?")

Disguise = Callable[[str, random.Random, Sequence[str]], str]
"""Text, randomness, and ham to borrow good words from -> the text disguised."""


def leet(text: str, rng: random.Random, _ham: Sequence[str]) -> str:
    """Digits and signs for letters."""
    share = rng.choice([0.3, 0.6, 1.0])
    return "".join(
        rng.choice(_LEET[character.lower()]) if character.lower() in _LEET and rng.random() < share else character
        for character in text
    )


def lookalikes(text: str, rng: random.Random, _ham: Sequence[str]) -> str:
    """Letters of other scripts for Latin ones."""
    share = rng.choice([0.2, 0.5, 1.0])
    return "".join(
        rng.choice(_LOOKALIKES[character]) if character in _LOOKALIKES and rng.random() < share else character
        for character in text
    )


def zero_width(text: str, rng: random.Random, _ham: Sequence[str]) -> str:
    """Invisible characters inside words."""
    share, sign = rng.choice([0.2, 0.6, 1.0]), rng.choice(_ZERO_WIDTH)
    return "".join(
        character + sign if character.isalnum() and rng.random() < share else character for character in text
    )


def spaced(text: str, rng: random.Random, _ham: Sequence[str]) -> str:
    """Signs between the letters of words, or of all of them."""
    sign, share = rng.choice(" ..-_*"), rng.choice([0.3, 1.0])

    def space(match: re.Match[str]) -> str:
        return sign.join(match[0]) if rng.random() < share else match[0]

    between = re.sub(" ", "  ", text) if sign == " " and share == 1 else text
    return re.sub(r"[^\W_]+" if share == 1 else _WORD, space, between)


def padded(text: str, rng: random.Random, ham: Sequence[str]) -> str:
    """Good words of ham before, behind, or around."""
    where = rng.random()
    words = " ".join(_some(rng.choice(ham), rng, 4, 60) for _ in range(rng.randint(1, 3)))
    if where < 0.4:
        return f"{text} {words}"
    return f"{words} {text}" if where < 0.8 else f"{_some(rng.choice(ham), rng, 4, 40)} {text} {words}"


def _some(text: str, rng: random.Random, low: int, high: int) -> str:
    words = text.split()
    count = min(len(words), rng.randint(low, high))
    begin = rng.randint(0, len(words) - count)
    return " ".join(words[begin : begin + count])


def misspelt(text: str, rng: random.Random, _ham: Sequence[str]) -> str:
    """Letters swapped, dropped, doubled or replaced in some words."""
    share = rng.choice([0.15, 0.3, 0.5])

    def spoil(match: re.Match[str]) -> str:
        word = match[0]
        if rng.random() > share:
            return word
        place = rng.randrange(len(word) - 1)
        return rng.choice(
            [
                word[:place] + word[place + 1] + word[place] + word[place + 2 :],
                word[:place] + word[place + 1 :],
                word[:place] + word[place] * 2 + word[place + 1 :],
                word[:place] + rng.choice("abcdefghijklmnoprstuvwy") + word[place + 1 :],
            ]
        )

    return _WORD.sub(spoil, text)


def link_disguise(text: str, rng: random.Random, _ham: Sequence[str]) -> str:
    """Links broken up so that a person still reads them."""
    dot = rng.choice(["[.]", " dot ", " . ", "(.)", "[dot]", " ."])
    scheme = rng.choice(["", "hxxp://", "http : //"])
    return _LINK.sub(
        lambda match: (
            f"{scheme if match[1] else ''}{match[2].replace('.', dot)}{match[3] or ''}"
            if any(map(str.isalpha, match[2]))
            else match[0]
        ),
        text,
    )


def case(text: str, rng: random.Random, _ham: Sequence[str]) -> str:
    """All capitals, all small, or alternating."""
    return rng.choice([str.upper, str.lower, str.swapcase])(text)


def as_reported(text: str, rng: random.Random, _ham: Sequence[str]) -> str:
    """As one collection has them: words apart, no punctuation, digits as X."""
    words = re.findall(r"[^\W_]+(?:[./][^\W_]+)*|//|'s", text)
    return re.sub(r"\d", "X", " ".join(words)) if rng.random() < 0.7 else " ".join(words)


DISGUISES: dict[str, Disguise] = {
    "leet": leet,
    "lookalikes": lookalikes,
    "zero_width": zero_width,
    "spaced": spaced,
    "padded": padded,
    "misspelt": misspelt,
    "link_disguise": link_disguise,
}
"""Tricks, by name."""
