"""Memory by experiment: over how many steps can each architecture carry what it has seen?

Two tasks whose length can be chosen, and whose constant answer has a known error:

    adding   a row of random numbers, two of them marked, one in each half: what is their sum?  (squared error)
    copy     ten symbols, a stretch of blanks, a signal: which symbols were they?  (cross-entropy, length = delay)

`run` fits one contender to one task at one length by `training.fit`; `sweep` goes over contenders and growing lengths
and can be broken off: what is finished is kept in a folder. `python -m training.experiments.memory FOLDER` does it all.

Sources: S. Hochreiter, J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9, 1997 (adding), in the form of Q.
Le et al., "A Simple Way to Initialize Recurrent Networks of Rectified Linear Units", 2015, arXiv:1504.00941; M.
Arjovsky et al., "Unitary Evolution Recurrent Neural Networks", ICML 2016 (copy).
"""

import argparse
import itertools
import logging
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from training import plots
from training.experiment import kept_or_run, plain, read_kept
from training.fit import Schedule, fit, seed_everything
from training.models import ARCHITECTURES, Config
from training.models.cnn import CNNConfig
from training.models.dense import DenseConfig
from training.models.linear import LinearConfig
from training.models.rnn import RNNConfig
from training.models.wavenet import WaveNetConfig
from training.tasks import count_parameters

SOLVED = 0.1
"""Share of the constant answer's error below which a task counts as solved."""
LENGTHS = (20, 50, 100, 200)
STEPS = 1500
BATCH_SIZE, STEPS_PER_EPOCH, HELD_OUT_ROWS = 32, 50, 512

Batch = tuple[Tensor, Tensor]


# --- tasks -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MemoryTask:
    """What has to be remembered, how rows are made, and how far from the truth an answer is."""

    name: str
    num_inputs: int
    num_outputs: int
    num_answers: int
    """Steps at the end that are asked for an answer."""
    baseline: float
    """Error of the best constant answer."""
    make_batch: Callable[[Generator, int, int], Batch]
    """Source of randomness, rows, length -> features `x_BTC` and targets."""
    loss: Callable[[Tensor, Tensor], Tensor]
    """Answers `[batch, num_answers, num_outputs]` and targets -> mean error."""


def _adding_batch(rng: Generator, batch_size: int, length: int) -> Batch:
    values_BT = torch.rand(batch_size, length, generator=rng)
    middle = length // 2
    first_B1 = torch.randint(middle, (batch_size, 1), generator=rng)
    second_B1 = torch.randint(middle, length, (batch_size, 1), generator=rng)
    marks_BT = torch.zeros(batch_size, length).scatter_(1, torch.cat([first_B1, second_B1], dim=1), 1.0)
    return torch.stack([values_BT, marks_BT], dim=2), (values_BT * marks_BT).sum(dim=1)


def _squared_error(answers: Tensor, targets: Tensor) -> Tensor:
    return F.mse_loss(answers[:, 0, 0], targets)


NUM_REMEMBERED, NUM_SYMBOLS = 10, 8
BLANK, SIGNAL = NUM_SYMBOLS, NUM_SYMBOLS + 1


def _copy_batch(rng: Generator, batch_size: int, length: int) -> Batch:
    symbols = torch.randint(NUM_SYMBOLS, (batch_size, NUM_REMEMBERED), generator=rng)
    steps_BT = torch.full((batch_size, length + 2 * NUM_REMEMBERED), BLANK)
    steps_BT[:, :NUM_REMEMBERED] = symbols
    steps_BT[:, -NUM_REMEMBERED - 1] = SIGNAL
    return F.one_hot(steps_BT, NUM_SYMBOLS + 2).float(), symbols


def _cross_entropy(answers: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(answers.flatten(0, 1), targets.flatten())


ADDING = MemoryTask("adding", 2, 1, 1, 1 / 6, _adding_batch, _squared_error)
COPY = MemoryTask(
    "copy", NUM_SYMBOLS + 2, NUM_SYMBOLS, NUM_REMEMBERED, math.log(NUM_SYMBOLS), _copy_batch, _cross_entropy
)
TASKS = {task.name: task for task in (ADDING, COPY)}


# --- contenders ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Contender:
    """An architecture with settings, by a name for tables and plots."""

    name: str
    architecture: str
    settings: Config
    learning_rate: float = 3e-3


def contenders(task: MemoryTask) -> tuple[Contender, ...]:
    """Every architecture with 11,000 to 19,000 weights; those of bounded sight are named by the steps they see.

    The simple RNN, whose gradients are the least stable, has the learning rate that took it furthest of three.
    """
    side_by_side = 12_000 // (64 * task.num_inputs)
    return (
        Contender("linear, sees 64", "linear", LinearConfig(outputs=side_by_side, window=64)),
        Contender("dense, sees 64", "dense", DenseConfig(units=(side_by_side, 32), window=64)),
        Contender("simple RNN", "rnn", RNNConfig("simple", units=110), learning_rate=1e-3),
        Contender("LSTM", "rnn", RNNConfig("lstm", units=56)),
        Contender("GRU", "rnn", RNNConfig("gru", units=64)),
        Contender(
            "CNN, sees 27", "cnn", CNNConfig(filters=20, kernel_sizes=(1, 9, 25), residual_layers=1, causal=True)
        ),
        Contender("WaveNet, sees 32", "wavenet", WaveNetConfig(22, 22, dilations=(1, 2, 4, 8, 16))),
        Contender("WaveNet, sees 512", "wavenet", WaveNetConfig(16, 16, dilations=tuple(2**n for n in range(9)))),
    )


class _Answering(nn.Module):
    """An architecture, and a linear layer on each of its last steps."""

    def __init__(self, task: MemoryTask, contender: Contender) -> None:
        super().__init__()
        self.body = ARCHITECTURES[contender.architecture].build(task.num_inputs, contender.settings)
        self.head = nn.Linear(self.body.num_outputs, task.num_outputs)
        self.num_answers = task.num_answers

    def forward(self, x_BTC: Tensor) -> Tensor:
        h_BTD = self.body(x_BTC, torch.ones(x_BTC.shape[:2]))
        answers: Tensor = self.head(h_BTD[:, -self.num_answers :])
        return answers


# --- one run ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What one contender made of one task at one length."""

    task: str
    contender: str
    architecture: str
    settings: dict[str, Any]
    learning_rate: float
    num_weights: int
    length: int
    seed: int
    max_steps: int
    num_steps: int
    """Taken: fewer than `max_steps` if it was solved before."""
    error: float
    """On held-out rows."""
    baseline: float
    solved: bool
    gradient_before: float
    """Of the loss: its size at the first tenth of the steps, relative to the last tenth, before fitting."""
    gradient_after: float
    """The same after fitting."""
    seconds: float = field(compare=False)


def run(task: MemoryTask, contender: Contender, length: int, seed: int, steps: int = STEPS) -> Outcome:
    """Fit a contender until the task is solved or the steps are over; the same seed gives the same outcome."""
    started = time.perf_counter()
    seed_everything(seed)
    network = _Answering(task, contender)
    held_out = task.make_batch(Generator().manual_seed(2**32 + seed), HELD_OUT_ROWS, length)
    gradient_before = _gradient_at_start(task, network, held_out)
    train = DataLoader(_Generated(task, length, STEPS_PER_EPOCH, BATCH_SIZE, seed), batch_size=None)
    valid_batch = task.make_batch(Generator().manual_seed(2**33 + seed), HELD_OUT_ROWS, length)
    valid = DataLoader(cast(Dataset[Batch], [valid_batch]), batch_size=None)
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit(
            network,
            lambda network, batch: task.loss(network(batch[0]), batch[1]),
            train,
            valid,
            _schedule(contender, steps),
            Path(folder),
            enough=task.baseline * SOLVED / 2,
            progress=False,
        )
    with torch.no_grad():
        error = float(task.loss(network(held_out[0]), held_out[1]))
    return Outcome(
        task=task.name,
        contender=contender.name,
        architecture=contender.architecture,
        settings=plain(contender.settings),
        learning_rate=contender.learning_rate,
        num_weights=count_parameters(network),
        length=length,
        seed=seed,
        max_steps=steps,
        num_steps=len(fitted.epochs) * STEPS_PER_EPOCH,
        error=error,
        baseline=task.baseline,
        solved=error < task.baseline * SOLVED,
        gradient_before=gradient_before,
        gradient_after=_gradient_at_start(task, network, held_out),
        seconds=time.perf_counter() - started,
    )


def _schedule(contender: Contender, steps: int) -> Schedule:
    num_epochs = -(-steps // STEPS_PER_EPOCH)
    return Schedule(
        max_epochs=num_epochs,
        patience=num_epochs,  # long plateaus belong to these tasks
        batch_size=BATCH_SIZE,
        learning_rate=contender.learning_rate,
        weight_decay=0.0,
        average_decay=0.9,
    )


class _Generated(Dataset[Batch]):
    """An epoch of fresh batches, other ones every time it is gone through."""

    def __init__(self, task: MemoryTask, length: int, num_batches: int, batch_size: int, seed: int) -> None:
        self.task, self.length, self.num_batches, self.batch_size = task, length, num_batches, batch_size
        self.rng = Generator().manual_seed(seed)

    def __len__(self) -> int:
        return self.num_batches

    def __getitem__(self, _index: int) -> Batch:
        return self.task.make_batch(self.rng, self.batch_size, self.length)


def _gradient_at_start(task: MemoryTask, network: nn.Module, batch: Batch) -> float:
    """Size of the loss's gradient by the inputs of the first tenth of the steps, relative to the last tenth."""
    x_BTC = batch[0].clone().requires_grad_()
    gradient_BTC = torch.autograd.grad(task.loss(network(x_BTC), batch[1]), x_BTC)[0]
    tenth = max(1, x_BTC.shape[1] // 10)
    at_start, at_end = float(gradient_BTC[:, :tenth].norm()), float(gradient_BTC[:, -tenth:].norm())
    return at_start / at_end if at_end else 0.0  # neither is read


# --- many runs -------------------------------------------------------------------------------------------------------


def sweep(
    folder: Path,
    task: MemoryTask,
    chosen: Sequence[Contender],
    lengths: Sequence[int] = LENGTHS,
    seed: int = 0,
    steps: int = STEPS,
    *,
    progress: bool = True,
) -> list[Outcome]:
    """Run every contender at growing lengths, until it has failed at two in a row: longer ones would be no easier.

    Each outcome is a file in `folder`; what is there already isn't run again.

    Raises `ValueError` if an outcome in the folder comes from other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    with tqdm(total=len(chosen) * len(lengths), unit="run", disable=not progress) as bar:
        for contender in chosen:
            failed = 0
            for length in sorted(lengths):
                if failed < 2:
                    bar.set_description(f"{task.name} {length}, {contender.name}")
                    outcome = _kept_or_run(folder, task, contender, length, seed, steps)
                    outcomes.append(outcome)
                    failed = 0 if outcome.solved else failed + 1
                bar.update()
    return outcomes


def read_outcomes(folder: Path) -> list[Outcome]:
    """All that a sweep kept in a folder. Raises `ValueError` where there is nothing."""
    return read_kept(folder, Outcome, "python -m training.experiments.memory")


def _kept_or_run(folder: Path, task: MemoryTask, contender: Contender, length: int, seed: int, steps: int) -> Outcome:
    name = contender.name.replace(",", "").replace(" ", "-")
    made_with = {
        "settings": plain(contender.settings),
        "learning_rate": contender.learning_rate,
        "max_steps": steps,
    }
    return kept_or_run(
        folder / f"{task.name}-{length}-{name}-{seed}.json",
        Outcome,
        made_with,
        lambda: run(task, contender, length, seed, steps),
    )


def table(outcomes: Sequence[Outcome]) -> str:
    """Markdown: errors relative to the constant answer by contender and length, solved ones bold."""
    lengths = sorted({outcome.length for outcome in outcomes})
    found = {(outcome.contender, outcome.length): outcome for outcome in outcomes}
    rows = [
        f"| {outcomes[0].task} | weights | " + " | ".join(map(str, lengths)) + " |",
        "|---" * (len(lengths) + 2) + "|",
    ]
    for name, group in itertools.groupby(outcomes, key=lambda outcome: outcome.contender):
        cells = [_cell(found[name, length]) if (name, length) in found else "" for length in lengths]
        rows.append(f"| {name} | {next(group).num_weights:,} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _cell(outcome: Outcome) -> str:
    share = f"{outcome.error / outcome.baseline:.2f}"
    return f"**{share}** ({outcome.num_steps})" if outcome.solved else share


def plot(outcomes: Sequence[Outcome]) -> bytes:
    """Error against length, one line a contender."""
    errors: dict[str, dict[int, float]] = {}
    for outcome in outcomes:
        errors.setdefault(outcome.contender, {})[outcome.length] = outcome.error
    return plots.memory(errors, outcomes[0].baseline, f"Memory: the {outcomes[0].task} task")


def main(arguments: list[str] | None = None) -> None:
    """Sweep both tasks, print a table of each, write plots into the folder."""
    parser = argparse.ArgumentParser(
        prog="python -m training.experiments.memory", description="How long does a network remember?"
    )
    parser.add_argument("folder", type=Path, help="where outcomes are kept")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--lengths", nargs="+", type=int, default=list(LENGTHS))
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args(arguments)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for name in chosen.tasks:
        task = TASKS[name]
        outcomes = sweep(chosen.folder, task, contenders(task), chosen.lengths, chosen.seed, chosen.steps)
        print(f"\nError relative to the constant answer; solved in bold, with the steps it took\n\n{table(outcomes)}\n")
        (chosen.folder / f"{name}.svg").write_bytes(plot(outcomes))


if __name__ == "__main__":
    main()
