"""The one training loop: Lightning fits a network on batches, validates each epoch, keeps the best, stops early.

What a batch is and how its loss is taken comes from the task; seed, optimiser, clipping, averaging of weights, progress
bar and checkpoints are here and nowhere else. The same seed gives the same losses.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint, WeightAveraging
from torch import Tensor, nn
from torch.utils.data import DataLoader

Loss = Callable[[nn.Module, Any], Tensor]
"""Network and batch -> scalar, the mean over the batch; the network's mode says whether it trains or validates."""


@dataclass(frozen=True)
class Schedule:
    """How to fit: the settings of one training run."""

    max_epochs: int
    patience: int
    """Epochs without a better validation loss after which to stop."""
    batch_size: int
    learning_rate: float
    weight_decay: float
    """Of matrices and kernels; biases, gains and embeddings of positions aren't decayed."""
    gradient_clip: float = 1.0
    """Largest norm of the gradient; larger ones are scaled down (unstable gradients)."""
    warm_up_steps: int = 50
    """Steps over which the learning rate rises to its value."""
    cosine: bool = False
    """Let the learning rate fall to 2 % over `max_epochs`, as half a cosine; otherwise it stays."""
    average_decay: float = 0.99
    """Of the exponential moving average of the weights, which is what is validated and kept."""


@dataclass(frozen=True)
class Epoch:
    """Losses of one epoch; the validation loss is that of the averaged weights."""

    train_loss: float
    valid_loss: float | None


@dataclass(frozen=True)
class Fitted:
    """What a run found: the network holds the weights of the best epoch (counted from 1)."""

    best_epoch: int
    epochs: list[Epoch]


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch, and compute on one thread.

    Networks this small gain nothing from a second thread, lose much where cores are shared, and the order of their
    sums, hence the last digits of a loss, would depend on the number of cores.
    """
    lightning.seed_everything(seed, workers=True, verbose=False)
    torch.set_num_threads(1)


def fit(
    network: nn.Module,
    loss: Loss,
    train: DataLoader[Any],
    valid: DataLoader[Any] | None,
    schedule: Schedule,
    folder: Path,
    *,
    num_epochs: int | None = None,
    enough: float | None = None,
    progress: bool = True,
) -> Fitted:
    """Fit `network` in place.

    Args:
        network: gets the averaged weights of the best epoch, or of the last one where nothing is validated.
        loss: of the task.
        train: batches of one epoch, in an order that the seed decides.
        valid: batches to choose the epoch by; None fits all epochs.
        schedule: settings.
        folder: where checkpoints are written.
        num_epochs: epochs to fit of the schedule's `max_epochs`; the learning rate falls as if all were.
        enough: validation loss at which to stop before the epochs are over; None for never.
        progress: show a progress bar.
    """
    num_epochs = num_epochs or schedule.max_epochs
    module = _Fitting(network, loss, schedule, steps_per_epoch=len(train))
    callbacks: list[Callback] = [WeightAveraging(use_buffers=False, avg_fn=_averaging(schedule))]
    checkpoint = None
    if valid is not None:
        # Whole checkpoints: of weights alone, Lightning would save those of the last step instead of their average.
        checkpoint = ModelCheckpoint(dirpath=folder, filename="best", monitor="valid_loss")
        callbacks += [checkpoint, EarlyStopping("valid_loss", patience=schedule.patience, stopping_threshold=enough)]
    with warnings.catch_warnings():
        # Lightning advises worker processes and log intervals for its own idea of a large run.
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", category=FutureWarning, module="torch")
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=num_epochs,
            gradient_clip_val=schedule.gradient_clip,
            deterministic=True,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=checkpoint is not None,
            enable_model_summary=False,
            enable_progress_bar=progress,
            num_sanity_val_steps=0,
        )
        trainer.fit(module, train, valid)
    network.eval()
    if checkpoint is None:
        return Fitted(num_epochs, module.epochs)
    best = torch.load(checkpoint.best_model_path, weights_only=True)
    module.load_state_dict(best["state_dict"])
    return Fitted(int(best["epoch"]) + 1, module.epochs)


def _averaging(schedule: Schedule) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """How weights enter their average: in the warm-up they replace it, so that it never holds untrained ones."""

    def average(averaged: Tensor, current: Tensor, num_averaged: Tensor | int) -> Tensor:
        decay = schedule.average_decay if num_averaged > schedule.warm_up_steps else 0.0
        return decay * averaged + (1 - decay) * current

    return average


class _Fitting(lightning.LightningModule):
    """A network with its loss, as Lightning takes it."""

    def __init__(self, network: nn.Module, loss: Loss, schedule: Schedule, steps_per_epoch: int) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.schedule = schedule
        self.steps = steps_per_epoch * schedule.max_epochs
        self.epochs: list[Epoch] = []

    def training_step(self, batch: Any, _index: int) -> Tensor:
        loss = self.loss(self.network, batch)
        self.log("train_loss", loss, on_step=False, on_epoch=True, prog_bar=True, batch_size=1)
        return loss

    def validation_step(self, batch: Any, _index: int) -> None:
        self.log("valid_loss", self.loss(self.network, batch), prog_bar=True, batch_size=_rows(batch))

    def on_train_epoch_end(self) -> None:
        seen = self.trainer.callback_metrics
        valid = float(seen["valid_loss"]) if "valid_loss" in seen else None
        self.epochs.append(Epoch(float(seen["train_loss"]), valid))

    def configure_optimizers(self) -> Any:
        schedule = self.schedule
        matrices = [parameter for parameter in self.network.parameters() if parameter.ndim > 1]
        vectors = [parameter for parameter in self.network.parameters() if parameter.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(
            groups,
            lr=schedule.learning_rate,
            weight_decay=schedule.weight_decay,
        )

        def factor(step: int) -> float:
            rising = min(1.0, (step + 1) / max(1, schedule.warm_up_steps))
            if not schedule.cosine:
                return rising
            done = min(1.0, step / max(1, self.steps))
            return rising * float(0.02 + 0.98 * (1 + torch.cos(torch.tensor(torch.pi * done))) / 2)

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def _rows(batch: Any) -> int:
    first = batch[0] if isinstance(batch, tuple | list) else next(iter(batch.values()))
    return len(first)
