"""Batches of texts: encoded, now and then cut to a fragment, sorted by length, padded; and their loss."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it
from torch.utils.data import Dataset, Sampler

from bundle.tasks.classify.text import pad
from training.tasks.classify.tokenizer import MASK_ID, SPECIAL_TOKENS

MIN_FRAGMENT = 6
"""Tokens of the shortest fragment shown in training."""


class TextLoss:
    """Cross-entropy, each class weighed by `class_weights` if there are any; in training, some tokens are hidden."""

    def __init__(self, mask_probability: float, class_weights: Tensor | None = None) -> None:
        self.mask_probability = mask_probability
        self.class_weights = class_weights

    def __call__(self, network: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Mean over the batch."""
        ids, labels = batch
        if network.training and self.mask_probability:
            hidden = (torch.rand(ids.shape) < self.mask_probability) & (ids >= len(SPECIAL_TOKENS))
            ids = ids.masked_fill(hidden, MASK_ID)
        return F.cross_entropy(network(ids), labels, self.class_weights)


class EncodedTexts(Dataset[tuple[NDArray[np.int64], int]]):
    """Ids and labels; now and then of a fragment: the start token and a random stretch of the text."""

    def __init__(
        self,
        ids: list[NDArray[np.int64]],
        labels: NDArray[np.int64],
        fragment_probability: float,
        rng: np.random.Generator,
    ) -> None:
        self.ids, self.labels = ids, labels
        self.fragment_probability, self.rng = fragment_probability, rng
        self.lengths = [len(row) for row in ids]

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> tuple[NDArray[np.int64], int]:
        ids = self.ids[index]
        if len(ids) > MIN_FRAGMENT and self.rng.random() < self.fragment_probability:
            size = self.rng.integers(max(MIN_FRAGMENT, len(ids) // 4), len(ids))
            first = self.rng.integers(1, len(ids) - size + 1)
            ids = np.concatenate([ids[:1], ids[first : first + size]])
        return ids, int(self.labels[index])


def collate(rows: list[tuple[NDArray[np.int64], int]]) -> tuple[Tensor, Tensor]:
    """Padded ids `[batch, time]` and labels `[batch]`."""
    return torch.from_numpy(pad([ids for ids, _ in rows])), torch.tensor([label for _, label in rows])


class SimilarLengths(Sampler[list[int]]):
    """Batches of texts of similar length, so that little is padding; shuffled anew each epoch, or in order."""

    def __init__(self, lengths: list[int], batch_size: int, seed: int | None) -> None:
        self.lengths, self.batch_size = lengths, batch_size
        self.rng = None if seed is None else np.random.default_rng(seed)

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[list[int]]:
        size = self.batch_size
        if self.rng is None:
            order = np.argsort(self.lengths, kind="stable").tolist()
            yield from (order[start : start + size] for start in range(0, len(order), size))
            return
        order = self.rng.permutation(len(self.lengths)).tolist()
        batches = []
        for start in range(0, len(order), 8 * size):  # similar among 8 batches' worth, random beyond
            chunk = sorted(order[start : start + 8 * size], key=lambda row: self.lengths[row])
            batches += [chunk[first : first + size] for first in range(0, len(chunk), size)]
        yield from (batches[place] for place in self.rng.permutation(len(batches)))
