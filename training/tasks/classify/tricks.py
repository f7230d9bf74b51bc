"""What a classifier of messages makes of disguised texts, and of texts that nobody can judge."""

import base64
import random
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from bundle.tasks.classify.decision import OperatingPoint, decide_all
from training.data.disguise import DISGUISES
from training.data.labelled_texts import LabelledTexts

CHANNEL = "sms"
"""Texts of this channel are disguised: short ones, in which a disguise is all there is."""
MOST_TEXTS = 600
NUM_DOUBTFUL = 40
"""Of each kind."""
SURE = 0.8

_ALPHABETS = {
    "Cyrillic": "абвгдежзиклмнопрстуфхцчшщыьэюя",
    "Greek": "αβγδεζηθικλμνξοπρστυφχψω",
    "Arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "Chinese": "的一是不了人我在有他这中大来上个国到说们为子和你地出道也时年",
    "Devanagari": "कखगघचछजझटठडढतथदधनपफबभमयरलवशषसह",
}

Answer = Callable[[Sequence[str]], NDArray[np.floating]]
"""Texts to calibrated probabilities, `[texts, classes]`."""


def disguised(
    rows: LabelledTexts, actual: NDArray[np.int64], answer: Answer, operating_point: OperatingPoint
) -> dict[str, dict[str, float]]:
    """By trick: the shares of spam caught and of ham blocked; `none` is of the texts as they are."""
    chosen = [index for index, origin in enumerate(rows.origins) if origin.channel == CHANNEL]
    chosen = random.Random(0).sample(chosen, min(MOST_TEXTS, len(chosen)))
    is_positive = actual[chosen] == operating_point.positive
    ham = [rows.texts[index] for index, positive in zip(chosen, is_positive, strict=True) if not positive]
    found = {}
    for name, disguise in {"none": None, **DISGUISES}.items():
        rng = random.Random(1)
        texts = [rows.texts[index] for index in chosen]
        if disguise is not None:
            texts = [disguise(text, rng, ham) for text in texts]
        positive = decide_all(answer(texts), operating_point) == operating_point.positive
        found[name] = {"caught": _share(positive[is_positive]), "blocked": _share(positive[~is_positive])}
    return found


def doubtful(answer: Answer) -> dict[str, float]:
    """By kind of text that can't be judged: the share answered with more than `SURE`."""
    return {kind: _share(answer(texts).max(axis=1) > SURE) for kind, texts in _doubtful_texts().items()}


def _doubtful_texts() -> dict[str, list[str]]:
    rng = random.Random(2)

    def words(alphabet: str) -> str:
        lengths = [rng.randint(2, 9) for _ in range(rng.randint(2, 12))]
        return " ".join("".join(rng.choice(alphabet) for _ in range(length)) for length in lengths)

    makers: dict[str, Callable[[], str]] = {
        "random letters": lambda: words("abcdefghijklmnopqrstuvwxyz"),
        "keyboard": lambda: words("asdfghjkl") + " " + words("qwertzuiop"),
        "base64": lambda: base64.b64encode(rng.randbytes(rng.randint(18, 120))).decode(),
        "hexadecimal": lambda: rng.randbytes(rng.randint(12, 60)).hex(),
        "digits": lambda: words("0123456789"),
        "signs": lambda: words("!?.-_*#@%&/()"),
        **{name: (lambda own: lambda: words(own))(alphabet) for name, alphabet in _ALPHABETS.items()},
    }
    return {kind: [make() for _ in range(NUM_DOUBTFUL)] for kind, make in makers.items()}


def _share(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else 0.0
