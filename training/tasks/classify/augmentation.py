"""Texts changed anew each time they are shown: slots filled, disguises put on, long ones cut to a window.

Both classes are changed alike, so that no disguise tells a class.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Dataset

from bundle.tasks.classify.text import TextEncoder
from training.data import modern_messages
from training.data.disguise import DISGUISES, as_reported, case
from training.data.labelled_texts import LabelledTexts

MIN_FRAGMENT = 6
"""Tokens of the shortest fragment shown in training."""


@dataclass(frozen=True)
class Augmentation:
    """How often texts are changed; all are probabilities of a text each time it is shown."""

    disguise: float = 0.0
    """One of `DISGUISES`."""
    case: float = 0.0
    as_reported: float = 0.0
    """Of text messages: the form of a collection that has spam alone, so that the form tells nothing."""
    times: Mapping[str, int] = field(default_factory=dict)
    """By source: how often an epoch shows a text of it; once unless named."""
    num_tokens: int | None = None
    """A random window of a longer text is shown; None shows the whole."""


class AugmentedTexts(Dataset[tuple[NDArray[np.int64], int]]):
    """Ids and labels of texts, changed as `Augmentation` says."""

    def __init__(
        self, rows: LabelledTexts, labels: NDArray[np.int64], encoder: TextEncoder, settings: Augmentation, seed: int
    ) -> None:
        times = [settings.times.get(origin.source, 1) for origin in rows.origins]
        self._indices = np.repeat(np.arange(len(rows)), times)
        self._rows, self._labels, self._encoder, self._settings = rows, labels, encoder, settings
        self._encoded = [np.array(encoded.ids) for encoded in encoder.encode_all(rows.texts)]
        self._rng = random.Random(seed)
        self._ham = [text for text, label in zip(rows.texts, rows.labels, strict=True) if label == "ham"]
        lengths = np.array([len(ids) for ids in self._encoded])[self._indices]
        self.lengths: list[int] = np.minimum(lengths, settings.num_tokens or lengths.max()).tolist()

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, position: int) -> tuple[NDArray[np.int64], int]:
        index = int(self._indices[position])
        ids = self._changed(index)
        most = self._settings.num_tokens
        if most is not None and len(ids) > most:
            # The beginning more often than any other window: it has the subject.
            start = 1 if self._rng.random() < 0.4 else self._rng.randint(1, len(ids) - most + 1)
            ids = np.concatenate([ids[:1], ids[start : start + most - 1]])
        return ids, int(self._labels[index])

    def _changed(self, index: int) -> NDArray[np.int64]:
        settings, rng = self._settings, self._rng
        text, origin = self._rows.texts[index], self._rows.origins[index]
        changes: list[Callable[[str], str]] = []
        if (template := origin.template) is not None:
            changes.append(lambda _: modern_messages.fill(template, origin.language, rng))
        if rng.random() < settings.disguise:
            disguise = DISGUISES[rng.choice(list(DISGUISES))]
            changes.append(lambda text: disguise(_beginning(text), rng, self._ham))
        if rng.random() < settings.case:
            changes.append(lambda text: case(text, rng, ()))
        if origin.channel == "sms" and rng.random() < settings.as_reported:
            changes.append(lambda text: as_reported(text, rng, ()))
        if not changes:
            return self._encoded[index]
        for change in changes:
            text = change(text)
        return np.array(self._encoder.encode(text).ids)


def _beginning(text: str, num_characters: int = 3000) -> str:
    """A disguise goes through every character; windows of training are short."""
    return text[:num_characters]
