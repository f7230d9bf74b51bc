"""Fits of one recipe: a tokenizer and a network, and what the network says of texts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight
from torch.utils.data import DataLoader

from bundle.tasks.classify.text import TextEncoder
from training.data.labelled_texts import LabelledTexts
from training.fit import Fitted, seed_everything
from training.fit import fit as fit_network
from training.models.text_classifier import TextClassifier
from training.tasks.classify.augmentation import AugmentedTexts
from training.tasks.classify.batches import EncodedTexts, SimilarLengths, TextLoss, collate
from training.tasks.classify.recipe import ClassifyRecipe
from training.tasks.classify.tokenizer import train_tokenizer

LEAST_PROBABILITY = 1e-9


class FittedNetwork(NamedTuple):
    """One fit."""

    network: TextClassifier
    tokenizer_json: str
    encoder: TextEncoder
    fitted: Fitted

    def logits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Logarithms of the uncalibrated probabilities, `[texts, classes]`; windows of long texts are joined."""
        return np.log(np.maximum(self.probabilities(texts, self.encoder, 1.0), LEAST_PROBABILITY))

    @torch.no_grad()
    def probabilities(self, texts: Sequence[str], encoder: TextEncoder, temperature: float) -> NDArray[np.float64]:
        """Calibrated ones, `[texts, classes]`, of all windows as the encoder joins them."""

        def run(ids: NDArray[np.int64]) -> NDArray[np.float64]:
            logits = self.network(torch.from_numpy(ids)).double()
            return np.asarray(torch.softmax(logits / temperature, dim=-1))

        return encoder.probabilities(encoder.encode_all(texts), run).astype(np.float64)


class Fits:
    """Of one recipe and seed."""

    def __init__(self, recipe: ClassifyRecipe, seed: int, folder: Path, progress: bool) -> None:
        self.recipe, self.seed, self.folder, self.progress = recipe, seed, folder, progress

    def codes(self, labels: Sequence[str]) -> NDArray[np.int64]:
        """Indices into the recipe's labels."""
        return np.array([self.recipe.labels.index(label) for label in labels], dtype=np.int64)

    def class_weights(self, labels: Sequence[str]) -> NDArray[np.float64] | None:
        """What makes every class count alike, where the recipe wants that; their mean over the rows is 1."""
        if not self.recipe.balanced:
            return None
        codes = self.codes(labels)
        weights: NDArray[np.float64] = compute_class_weight("balanced", classes=np.unique(codes), y=codes)
        return weights

    def fit(
        self, train: LabelledTexts, valid: LabelledTexts | None, name: str, num_epochs: int | None = None
    ) -> FittedNetwork:
        """A tokenizer and a network fitted to `train` alone; `valid` chooses the epoch."""
        recipe = self.recipe
        seed_everything(self.seed)
        tokenizer_json = train_tokenizer(train.texts, recipe.tokenizer)
        encoder = TextEncoder(
            tokenizer_json,
            recipe.max_tokens,
            reading=recipe.reading,
            windows=recipe.windows,
            positive=None if recipe.positive_label is None else recipe.labels.index(recipe.positive_label),
        )
        network = TextClassifier(
            encoder.vocabulary_size, len(recipe.labels), recipe.network, recipe.architecture, recipe.settings
        )
        weights = self.class_weights(train.labels)
        fitted = fit_network(
            network,
            TextLoss(recipe.mask_probability, None if weights is None else torch.from_numpy(weights).float()),
            self._batches(train, encoder, shuffle=True),
            None if valid is None else self._batches(valid, encoder, shuffle=False),
            recipe.schedule,
            self.folder / name,
            num_epochs=num_epochs,
            progress=self.progress,
        )
        network.halve_vectors()
        return FittedNetwork(network, tokenizer_json, encoder, fitted)

    def _batches(self, rows: LabelledTexts, encoder: TextEncoder, *, shuffle: bool) -> DataLoader[Any]:
        recipe, codes = self.recipe, self.codes(rows.labels)
        data_set: AugmentedTexts | EncodedTexts
        if recipe.augmentation is not None and shuffle:
            data_set = AugmentedTexts(rows, codes, encoder, recipe.augmentation, self.seed)
        else:
            data_set = EncodedTexts(
                [np.array(encoder.windows_of(encoded.ids)[0]) for encoded in encoder.encode_all(rows.texts)],
                codes,
                recipe.fragment_probability if shuffle else 0.0,
                np.random.default_rng(self.seed),
            )
        sampler = SimilarLengths(data_set.lengths, recipe.schedule.batch_size, self.seed if shuffle else None)
        return DataLoader(data_set, batch_sampler=sampler, collate_fn=collate)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Of each row."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.floating] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities
