"""The text classifier: an answer hangs on the text alone, and the temperature on nothing but how sure it is."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from bundle.tasks.classify.text import pad
from tests.training.small import VARIANTS
from training.models.text_classifier import CalibratedClassifier, Pooling, TextClassifier, TextClassifierConfig

VOCABULARY, CLASSES = 50, 3

every_variant = pytest.mark.parametrize("variant", sorted(VARIANTS))


def classifier(variant: str, temperature: float = 1.0, pooling: Pooling = "maximum") -> CalibratedClassifier:
    """Untrained, with an output so steep that a small difference shows."""
    torch.manual_seed(0)
    config = TextClassifierConfig(embedding_dim=6, embedding_dropout=0.5, dropout=0.5, pooling=pooling)
    network = TextClassifier(VOCABULARY, CLASSES, config, *VARIANTS[variant])
    with torch.no_grad():
        network.output.weight.mul_(8)
    return CalibratedClassifier(network, temperature).eval()


def texts(lengths: list[int]) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.integers(1, VOCABULARY, length) for length in lengths]


def padded(rows: list[Any], length: int | None = None) -> Tensor:
    return torch.from_numpy(pad(rows, length))


@every_variant
@pytest.mark.parametrize("pooling", ["maximum", "mean"])
@torch.no_grad()
def test_answer_is_the_same_alone_padded_and_in_mixed_company(variant: str, pooling: Pooling) -> None:
    graph = classifier(variant, pooling=pooling)
    rows = texts([1, 2, 3, 7, 40, 150, 512] + [1 + 3 * number for number in range(57)])
    together = graph(padded(rows))
    assert together.shape == (64, CLASSES)
    assert together.std(dim=0).max() > 0.01  # answers differ, so agreement says something
    for number, row in enumerate(rows):
        expected = together[number : number + 1]
        torch.testing.assert_close(graph(padded([row])), expected, rtol=0, atol=1e-5)
        torch.testing.assert_close(graph(padded([row], 512)), expected, rtol=0, atol=1e-5)


@every_variant
@torch.no_grad()
def test_every_token_can_change_the_answer(variant: str) -> None:
    graph = classifier(variant)
    row = texts([4])[0]
    others = [np.where(np.arange(4) == place, token, row) for place in range(4) for token in range(1, VOCABULARY)]
    moved = (graph(padded(others)) - graph(padded([row]))).abs().amax(dim=1).reshape(4, -1)
    assert (moved.amax(dim=1) > 1e-3).all()


@torch.no_grad()
def test_padding_is_zero_and_stays_so_in_training() -> None:
    network = classifier("cnn").classifier
    assert isinstance(network, TextClassifier)
    with torch.enable_grad():
        network(padded(texts([3, 9]))).square().sum().backward()
    assert network.embedding.weight.grad is not None
    assert network.embedding.weight.grad.any()
    assert not network.embedding.weight.grad[0].any()
    assert not network.embedding.weight[0].any()


@torch.no_grad()
def test_probabilities_sum_to_one() -> None:
    probabilities = classifier("cnn", temperature=0.5)(padded(texts([1, 5, 30])))
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(3))
    assert (probabilities >= 0).all()


@torch.no_grad()
def test_temperature_flattens_and_keeps_the_order() -> None:
    ids = padded(texts([1, 5, 30, 80]))
    cold, plain, warm, hot = (classifier("cnn", temperature)(ids) for temperature in (0.5, 1.0, 2.0, 1e6))
    torch.testing.assert_close(plain, torch.softmax(classifier("cnn").classifier(ids), dim=1))
    assert (cold.amax(dim=1) > plain.amax(dim=1)).all()
    assert (plain.amax(dim=1) > warm.amax(dim=1)).all()
    assert torch.equal(cold.argsort(dim=1), warm.argsort(dim=1))
    torch.testing.assert_close(hot, torch.full_like(hot, 1 / CLASSES))
