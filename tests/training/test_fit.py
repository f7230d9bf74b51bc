"""The one training loop: repeatable, stopped in time, clipped, averaged, on its schedule."""

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader, TensorDataset

from training.fit import Fitted, Schedule, fit, seed_everything

SCHEDULE = Schedule(
    max_epochs=4, patience=4, batch_size=8, learning_rate=0.01, weight_decay=0.01, warm_up_steps=3, average_decay=0.9
)


def squared_error(network: nn.Module, batch: Any) -> Tensor:
    features, targets = batch
    return F.mse_loss(network(features), targets)


def batches(seed: int, *, rows: int = 40, target: float | None = None, shuffle: bool = False) -> DataLoader[Any]:
    """Made-up regression; with `target`, every row asks for that number."""
    rng = torch.Generator().manual_seed(seed)
    features = torch.randn(rows, 3, generator=rng)
    targets = features.sum(dim=1, keepdim=True) if target is None else torch.full((rows, 1), target)
    return DataLoader(TensorDataset(features, targets), batch_size=8, shuffle=shuffle)


class Counting(nn.Module):
    """A network with dropout, and buffers that count what it saw in training."""

    num_batches: Tensor
    sum_of_features: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 1))
        self.register_buffer("num_batches", torch.tensor(0))
        self.register_buffer("sum_of_features", torch.tensor(0.0))

    def forward(self, features: Tensor) -> Tensor:
        if self.training:
            self.num_batches += 1
            self.sum_of_features += features.sum()
        output: Tensor = self.layers(features)
        return output


@contextmanager
def after_each_step(seen: list[Any], look: Any) -> Iterator[None]:
    """Append `look(optimizer)` after every step of any optimizer; the gradients are those it used."""

    def note(optimizer: Optimizer, _arguments: Any, _named: Any) -> None:
        seen.append(look(optimizer))

    handle = register_optimizer_step_post_hook(note)
    try:
        yield
    finally:
        handle.remove()


def learning_rate(optimizer: Optimizer) -> float:
    return float(optimizer.param_groups[0]["lr"])


def weights_of(optimizer: Optimizer) -> Tensor:
    return nn.utils.parameters_to_vector(optimizer.param_groups[0]["params"]).detach().clone()


def gradient_norm(optimizer: Optimizer) -> float:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return float(torch.linalg.vector_norm(torch.cat([parameter.grad.flatten() for parameter in parameters])))


# --- the same seed ---------------------------------------------------------------------------------------------------


def run(seed: int, folder: Path) -> tuple[Fitted, Tensor]:
    seed_everything(seed)
    network = Counting()
    fitted = fit(network, squared_error, batches(1, shuffle=True), batches(2), SCHEDULE, folder, progress=False)
    return fitted, nn.utils.parameters_to_vector(network.parameters()).detach()


def test_same_seed_gives_the_same_losses_and_weights_and_another_others(tmp_path: Path) -> None:
    first, weights = run(5, tmp_path / "first")
    other, other_weights = run(6, tmp_path / "other")
    again, same_weights = run(5, tmp_path / "other")  # what an earlier run left there is not taken
    assert len(first.epochs) == SCHEDULE.max_epochs
    assert again == first
    assert torch.equal(same_weights, weights)
    assert all(one != another for one, another in zip(first.epochs, other.epochs, strict=True))
    assert not torch.equal(other_weights, weights)


# --- the best epoch --------------------------------------------------------------------------------------------------


def fitted_past_its_best(folder: Path, patience: int = 3) -> tuple[nn.Module, Fitted, DataLoader[Any]]:
    """Training pulls the answer from 0 to 10 while validation asks for 3: it gets better, then worse."""
    seed_everything(0)
    network = nn.Linear(3, 1)
    nn.init.zeros_(network.weight)
    nn.init.zeros_(network.bias)
    schedule = dataclasses.replace(
        SCHEDULE, max_epochs=40, patience=patience, learning_rate=0.1, average_decay=0.7, weight_decay=0.0
    )
    valid = batches(2, rows=20, target=3.0)  # 20 rows make a short last batch
    fitted = fit(network, squared_error, batches(1, target=10.0), valid, schedule, folder, progress=False)
    return network, fitted, valid


@pytest.mark.parametrize("patience", [1, 3])
def test_fitting_stops_when_validation_gets_no_better(patience: int, tmp_path: Path) -> None:
    _, fitted, _ = fitted_past_its_best(tmp_path, patience)
    losses = [epoch.valid_loss or 0.0 for epoch in fitted.epochs]
    assert 1 < fitted.best_epoch < 20
    assert losses[fitted.best_epoch - 1] == min(losses)
    assert len(losses) == fitted.best_epoch + patience < 40


def test_network_holds_the_averaged_weights_of_the_best_epoch(tmp_path: Path) -> None:
    taken: list[Tensor] = []
    with after_each_step(taken, weights_of):
        network, fitted, valid = fitted_past_its_best(tmp_path)
    assert not network.training
    with torch.no_grad():
        errors = [(network(features) - targets).square() for features, targets in valid]
    loss = torch.cat(errors).mean().item()
    assert loss == pytest.approx(fitted.epochs[fitted.best_epoch - 1].valid_loss, rel=1e-6)

    steps = taken[: 5 * fitted.best_epoch]  # 40 rows in batches of 8
    average = steps[SCHEDULE.warm_up_steps]
    for weights in steps[SCHEDULE.warm_up_steps + 1 :]:
        average = 0.7 * average + 0.3 * weights
    held = nn.utils.parameters_to_vector([network.get_parameter("weight")]).detach()
    torch.testing.assert_close(held, average, rtol=1e-5, atol=1e-6)
    assert not torch.allclose(held, steps[-1], rtol=1e-3)


def test_every_epoch_is_validated_with_weights_that_were_trained(tmp_path: Path) -> None:
    """Also the epochs that end before the warm-up, hence the averaging, is over."""
    network = nn.Linear(3, 1)
    untrained = squared_error(network, next(iter(batches(2, rows=8)))).item()
    schedule = dataclasses.replace(SCHEDULE, warm_up_steps=12)
    fitted = fit(network, squared_error, batches(1), batches(2, rows=8), schedule, tmp_path, progress=False)
    losses = [untrained, *(epoch.valid_loss or 0.0 for epoch in fitted.epochs)]
    assert losses == sorted(set(losses), reverse=True)


def test_run_shorter_than_the_warm_up_is_not_lost(tmp_path: Path) -> None:
    network = nn.Linear(3, 1)
    before = network.weight.detach().clone()
    schedule = dataclasses.replace(SCHEDULE, warm_up_steps=1000)
    fit(network, squared_error, batches(1), None, schedule, tmp_path, num_epochs=1, progress=False)
    assert not torch.equal(network.weight, before)


def test_without_validation_the_last_averaged_weights_are_kept(tmp_path: Path) -> None:
    taken: list[Tensor] = []
    network = nn.Linear(3, 1)
    with after_each_step(taken, weights_of):
        fitted = fit(network, squared_error, batches(1), None, SCHEDULE, tmp_path, progress=False)
    assert fitted.best_epoch == len(fitted.epochs) == SCHEDULE.max_epochs
    assert [epoch.valid_loss for epoch in fitted.epochs] == [None] * SCHEDULE.max_epochs
    assert list(tmp_path.iterdir()) == []
    average = taken[SCHEDULE.warm_up_steps]
    for weights in taken[SCHEDULE.warm_up_steps + 1 :]:
        average = SCHEDULE.average_decay * average + (1 - SCHEDULE.average_decay) * weights
    torch.testing.assert_close(network.weight.detach().flatten(), average)


@pytest.mark.parametrize("validated", [True, False])
def test_averaging_leaves_buffers_as_training_made_them(validated: bool, tmp_path: Path) -> None:
    seed_everything(0)
    network = Counting()
    train, valid = batches(1), batches(2)
    fitted = fit(network, squared_error, train, valid if validated else None, SCHEDULE, tmp_path, progress=False)
    assert network.num_batches.dtype == torch.int64
    assert int(network.num_batches) == len(train) * fitted.best_epoch
    seen = sum(features.sum() for features, _ in train) * fitted.best_epoch
    torch.testing.assert_close(network.sum_of_features, seen)


# --- steps -----------------------------------------------------------------------------------------------------------


def test_large_gradients_are_clipped_and_small_ones_are_not(tmp_path: Path) -> None:
    def norms(scale: float) -> list[float]:
        seed_everything(0)
        seen: list[float] = []

        def loss(network: nn.Module, batch: Any) -> Tensor:
            return scale * squared_error(network, batch)

        with after_each_step(seen, gradient_norm):
            schedule = dataclasses.replace(SCHEDULE, gradient_clip=0.5)
            fit(nn.Linear(3, 1), loss, batches(1), None, schedule, tmp_path, num_epochs=1, progress=False)
        return seen

    assert norms(1e8) == pytest.approx([0.5] * 5, rel=1e-4)
    assert max(norms(1e-8)) < 1e-6


def test_matrices_decay_and_vectors_do_not(tmp_path: Path) -> None:
    def no_gradient(network: nn.Module, batch: Any) -> Tensor:
        return 0 * squared_error(network, batch)

    network = nn.Linear(3, 1)
    weight, bias = network.weight.detach().clone(), network.bias.detach().clone()
    schedule = dataclasses.replace(SCHEDULE, weight_decay=0.5, warm_up_steps=0, average_decay=0.0)
    fit(network, no_gradient, batches(1), None, schedule, tmp_path, num_epochs=1, progress=False)
    torch.testing.assert_close(network.weight.detach(), weight * (1 - 0.01 * 0.5) ** 5)
    assert torch.equal(network.bias, bias)


def learning_rates(schedule: Schedule, folder: Path, num_epochs: int | None = None) -> list[float]:
    """Of each step; five steps make an epoch."""
    seen: list[float] = []
    with after_each_step(seen, learning_rate):
        fit(nn.Linear(3, 1), squared_error, batches(1), None, schedule, folder, num_epochs=num_epochs, progress=False)
    return seen


def test_learning_rate_rises_and_stays_or_falls_to_a_fiftieth_as_half_a_cosine(tmp_path: Path) -> None:
    schedule = dataclasses.replace(SCHEDULE, warm_up_steps=4)
    rising = [0.25, 0.5, 0.75] + [1.0] * 17
    assert learning_rates(schedule, tmp_path) == pytest.approx([0.01 * rise for rise in rising])
    rates = learning_rates(dataclasses.replace(schedule, cosine=True), tmp_path)
    cosine = [0.02 + 0.98 * (1 + math.cos(math.pi * step / 20)) / 2 for step in range(20)]
    assert rates == pytest.approx([0.01 * rise * fall for rise, fall in zip(rising, cosine, strict=True)])
    assert rates[-1] < 0.03 * max(rates)


def test_fewer_epochs_are_the_beginning_of_the_same_schedule(tmp_path: Path) -> None:
    schedule = dataclasses.replace(SCHEDULE, cosine=True)
    whole = learning_rates(schedule, tmp_path)
    assert learning_rates(schedule, tmp_path, num_epochs=2) == whole[:10]
    assert learning_rates(dataclasses.replace(schedule, max_epochs=2), tmp_path) != whole[:10]
