"""Memory by experiment: the tasks are what they say, a run repeats, a sweep goes on where it was."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import Generator

from training.experiments import memory
from training.experiments.memory import (
    ADDING,
    COPY,
    TASKS,
    Contender,
    MemoryTask,
    Outcome,
    contenders,
    run,
    sweep,
    table,
)
from training.models import ARCHITECTURES
from training.models.dense import DenseConfig
from training.models.rnn import RNNConfig

GRU = Contender("GRU", "rnn", RNNConfig("gru", units=24), learning_rate=1e-2)
ONE_STEP = Contender("dense, sees 1", "dense", DenseConfig(units=(32,), window=1), learning_rate=1e-2)

every_task = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


def rng(seed: int = 0) -> Generator:
    return Generator().manual_seed(seed)


# --- tasks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [2, 5, 20])
def test_adding_asks_for_the_sum_of_two_marked_numbers_one_in_each_half(length: int) -> None:
    features, targets = ADDING.make_batch(rng(), 300, length)
    values, marks = features.unbind(dim=2)
    assert features.shape == (300, length, 2)
    assert values.min() >= 0
    assert values.max() <= 1
    assert marks[:, : length // 2].sum(dim=1).tolist() == [1.0] * 300
    assert marks[:, length // 2 :].sum(dim=1).tolist() == [1.0] * 300
    torch.testing.assert_close(targets, values[marks == 1].reshape(300, 2).sum(dim=1))


def test_copy_asks_for_ten_symbols_after_a_delay() -> None:
    features, targets = COPY.make_batch(rng(), 8, 5)
    steps = features.argmax(dim=2)
    assert features.shape == (8, 25, 10)
    assert torch.equal(features.sum(dim=2), torch.ones(8, 25))
    assert torch.equal(steps[:, :10], targets)
    assert targets.max() < memory.NUM_SYMBOLS
    assert steps[:, 10:].tolist() == [[memory.BLANK] * 4 + [memory.SIGNAL] + [memory.BLANK] * 10] * 8


@every_task
def test_baseline_is_the_error_of_the_constant_answer(task: MemoryTask) -> None:
    _, targets = task.make_batch(rng(), 20_000, 6)
    constant = torch.full((20_000, task.num_answers, task.num_outputs), float(targets.float().mean()))
    assert float(task.loss(constant, targets)) == pytest.approx(task.baseline, rel=0.02)


@every_task
def test_every_architecture_contends_with_a_like_number_of_weights(task: MemoryTask) -> None:
    chosen = contenders(task)
    assert {contender.architecture for contender in chosen} == ARCHITECTURES.keys()
    for contender in chosen:
        body = ARCHITECTURES[contender.architecture].build(task.num_inputs, contender.settings)
        assert 11_000 < sum(weights.numel() for weights in body.parameters()) < 19_000
        if "sees" in contender.name:
            assert contender.name.endswith(f" {body.receptive_field}")


# --- one run ---------------------------------------------------------------------------------------------------------


def test_gru_learns_what_a_window_of_one_step_cannot() -> None:
    learnt = run(ADDING, GRU, length=5, seed=0, steps=1000)
    assert learnt.solved
    assert learnt.error < 0.1 * learnt.baseline
    assert learnt.num_steps < learnt.max_steps
    assert 0 < learnt.gradient_before < 1

    blind = run(ADDING, ONE_STEP, length=5, seed=0, steps=300)
    assert not blind.solved
    assert blind.error > 0.5 * blind.baseline  # it sees the second number in some rows, the first in none
    assert blind.num_steps == blind.max_steps
    assert blind.gradient_before == blind.gradient_after == 0


def test_same_seed_gives_the_same_outcome_and_another_another() -> None:
    first = run(COPY, GRU, length=2, seed=1, steps=100)
    assert run(COPY, GRU, length=2, seed=1, steps=100) == first
    assert run(COPY, GRU, length=2, seed=2, steps=100).error != first.error


# --- many runs -------------------------------------------------------------------------------------------------------


def test_sweep_runs_only_what_is_not_in_its_folder(tmp_path: Path) -> None:
    first = sweep(tmp_path, ADDING, [GRU], [3, 2], steps=50, progress=False)
    assert [outcome.length for outcome in first] == [2, 3]

    kept = tmp_path / "adding-2-GRU-0.json"
    noted = json.loads(kept.read_text()) | {"error": 0.0625}
    kept.write_text(json.dumps(noted))
    (tmp_path / "adding-3-GRU-0.json").unlink()
    again = sweep(tmp_path, ADDING, [GRU], [2, 3], steps=50, progress=False)
    assert again == [dataclasses.replace(first[0], error=0.0625), first[1]]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["adding-2-GRU-0.json", "adding-3-GRU-0.json"]


def test_sweep_gives_up_after_two_failures_in_a_row(tmp_path: Path) -> None:
    found = sweep(tmp_path, ADDING, [ONE_STEP, GRU], [2, 3, 4, 5], steps=50, progress=False)
    assert [(outcome.contender, outcome.length) for outcome in found if outcome.contender == ONE_STEP.name] == [
        (ONE_STEP.name, 2),
        (ONE_STEP.name, 3),
    ]


def test_outcomes_of_other_settings_are_not_taken_for_these(tmp_path: Path) -> None:
    sweep(tmp_path, ADDING, [ONE_STEP], [2], steps=50, progress=False)
    wider = dataclasses.replace(ONE_STEP, settings=DenseConfig(units=(33,), window=1))
    with pytest.raises(ValueError, match="other settings;"):
        sweep(tmp_path, ADDING, [wider], [2], steps=50, progress=False)
    with pytest.raises(ValueError, match="other max steps;"):
        sweep(tmp_path, ADDING, [ONE_STEP], [2], steps=100, progress=False)


def outcome(contender: str, length: int, error: float) -> Outcome:
    return Outcome("adding", contender, "rnn", {}, 3e-3, 12_000, length, 0, 100, 50, error, 0.5, error < 0.05, 1, 1, 1)


def test_table_and_plot_show_every_contender() -> None:
    outcomes = [outcome("GRU", 20, 0.01), outcome("GRU", 50, 0.02), outcome("simple RNN", 20, 0.5)]
    assert table(outcomes).splitlines() == [
        "| adding | weights | 20 | 50 |",
        "|---|---|---|---|",
        "| GRU | 12,000 | **0.02** (50) | **0.04** (50) |",
        "| simple RNN | 12,000 | 1.00 |  |",
    ]
    drawn = memory.plot(outcomes)
    assert drawn == memory.plot(outcomes)
    for text in (b"GRU", b"simple RNN", b"constant answer", b"length in steps"):
        assert text in drawn
