"""Splits that keep near-duplicates on one side.

Short messages come in templates ("WINNER! call 0906…", "WINNER! call 0871…"). A model that has seen one knows the
other, so a split by row measures memory. Here texts that are equal once case, digits, punctuation and spacing are
dropped form one group, and a group is never divided.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold


def near_duplicate_key(text: str) -> str:
    """What a text shares with its near-duplicates: its letters, case-folded; a text without letters keeps itself."""
    letters = "".join(character for character in text.casefold() if character.isalpha())
    return letters or text.strip()


def without_near_duplicates(texts: Sequence[str], seen: Sequence[str]) -> list[int]:
    """Indices of those `texts` that have no near-duplicate among `seen`, in order."""
    keys = {near_duplicate_key(text) for text in seen}
    return [index for index, text in enumerate(texts) if near_duplicate_key(text) not in keys]


def grouped_folds(
    texts: Sequence[str], labels: Sequence[str], num_folds: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Stratified folds with near-duplicates kept together: pairs of (training rows, held-out rows)."""
    groups = [near_duplicate_key(text) for text in texts]
    folds = StratifiedGroupKFold(num_folds, shuffle=True, random_state=seed)
    yield from folds.split(np.zeros(len(texts)), list(labels), groups)
