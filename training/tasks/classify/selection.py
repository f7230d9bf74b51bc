"""What is chosen, and on which rows: epoch, temperature and threshold of a text classifier.

Without rows of their own to choose by, folds of the training part are left out in turn. With them, all epochs of the
schedule are fitted (the loss rises while texts are still judged better, and the temperature mends that), the threshold
spares the ham of every channel, and the temperature hears sources left out as well.
"""

import dataclasses
import itertools
import logging
import statistics
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bundle.tasks.classify.decision import OperatingPoint
from training import metrics
from training.data.labelled_texts import LabelledTexts
from training.data.splits import grouped_folds
from training.tasks.classify.figures import describe
from training.tasks.classify.networks import Fits, FittedNetwork, softmax

logger = logging.getLogger(__name__)

BLOCKED = 0.01
"""Of the texts of every channel that aren't of the positive class, at most, at the threshold; one text is allowed."""

EPOCHS_LEFT_OUT = 2


class Selected(NamedTuple):
    """The final network, and what was chosen for it."""

    final: FittedNetwork
    temperature: float
    operating_point: OperatingPoint | None
    figures: dict[str, Any]
    """Of the rows that were chosen by."""
    chosen_on: str
    """Those rows, in words."""
    report: dict[str, Any]
    epochs: list[list[dict[str, Any]]]
    """Losses of the fits that chose the epoch."""


def by_folds(fits: Fits, train: LabelledTexts) -> Selected:
    """Leave out folds of the training part in turn, then fit the whole of it for as long as was best."""
    recipe = fits.recipe
    left_out_logits = np.zeros((len(train), len(recipe.labels)))
    best_epochs, fold_epochs = [], []
    chosen_by = np.zeros(len(train), dtype=bool)
    folds = grouped_folds(train.texts, train.labels, recipe.num_folds, fits.seed)
    for number, (rows, left_out) in enumerate(itertools.islice(folds, recipe.num_folds_left_out), start=1):
        logger.info("fold %d of %d: %d texts, %d left out", number, recipe.num_folds, len(rows), len(left_out))
        chosen_by[left_out] = True
        own = fits.fit(train.at(rows), train.at(left_out), f"fold-{number}")
        left_out_logits[left_out] = own.logits(train.at(left_out).texts)
        best_epochs.append(own.fitted.best_epoch)
        fold_epochs.append(losses(own))
    num_epochs = round(statistics.median(best_epochs))
    actual, logits = fits.codes(train.labels)[chosen_by], left_out_logits[chosen_by]
    temperature = fit_temperature(logits, actual, fits.class_weights(train.labels))
    calibrated = softmax(logits / temperature)
    operating_point = _best_threshold(fits, actual, calibrated)
    figures = describe(actual, calibrated, operating_point)
    logger.info("final fit: %d texts, %d epochs", len(train), num_epochs)
    return Selected(
        fits.fit(train, None, "final", num_epochs=num_epochs),
        temperature,
        operating_point,
        figures,
        f"{recipe.num_folds_left_out} of {recipe.num_folds} folds of the training part, left out in turn, "
        "near-duplicates kept together",
        {"best_epochs": best_epochs, "num_epochs": num_epochs, "left_out_folds": figures},
        fold_epochs,
    )


def by_rows(fits: Fits, train: LabelledTexts, choose: LabelledTexts) -> Selected:
    """Fit all epochs of the schedule, then choose on the rows for that; see the module's docstring."""
    left_out = [_left_out(fits, train, sources) for sources in fits.recipe.sources_left_out]
    num_epochs = fits.recipe.schedule.max_epochs
    logger.info("final fit: %d texts, %d epochs", len(train), num_epochs)
    final = fits.fit(train, None, "final", num_epochs=num_epochs)
    logits, actual = final.logits(choose.texts), fits.codes(choose.labels)
    every = [(logits, actual), *((own.logits, own.actual) for own in left_out)]
    weights = np.concatenate([np.full(len(codes), 1 / len(codes)) for _, codes in every])
    weights[: len(actual)] *= max(len(left_out), 1)  # half of the weight is that of sources that training knows
    temperature = fit_temperature(
        np.concatenate([own for own, _ in every]), np.concatenate([own for _, own in every]), row_weights=weights
    )
    calibrated = softmax(logits / temperature)
    channels = [origin.channel for origin in choose.origins]
    operating_point = threshold_for_channels(_best_threshold(fits, actual, calibrated), actual, calibrated, channels)
    figures = describe(actual, calibrated, operating_point)
    return Selected(
        final,
        temperature,
        operating_point,
        figures,
        f"{len(choose)} rows of all sources, near-duplicates kept together"
        + (f"; the temperature on {len(left_out)} groups of sources left out in turn too" if left_out else ""),
        {
            "num_epochs": num_epochs,
            "left_out_folds": figures,
            "left_out_sources": {own.name: own.figures for own in left_out},
        },
        [losses(final)],
    )


class _LeftOut(NamedTuple):
    name: str
    logits: NDArray[np.float64]
    actual: NDArray[np.int64]
    figures: dict[str, Any]


def _left_out(fits: Fits, train: LabelledTexts, sources: Sequence[str]) -> _LeftOut:
    """What a network says of sources that it hasn't seen, after `EPOCHS_LEFT_OUT`: none of their texts chooses."""
    name = ", ".join(sources)
    known, unknown = _divided(train, sources)
    logger.info("left out: %s, %d texts", name, len(unknown))
    own = fits.fit(known, None, f"without-{sources[0]}", num_epochs=EPOCHS_LEFT_OUT)
    measured = unknown.at(np.random.default_rng(0).permutation(len(unknown))[:4000])
    logits, actual = own.logits(measured.texts), fits.codes(measured.labels)
    figures = describe(actual, softmax(logits), None)
    del figures["calibration_bins"]
    logger.info("left out: %s: MCC %.3f", name, figures["mcc"])
    return _LeftOut(name, logits, actual, figures)


def _divided(rows: LabelledTexts, sources: Sequence[str]) -> tuple[LabelledTexts, LabelledTexts]:
    """Those of other sources, and those of these."""
    is_theirs = np.array([origin.source in sources for origin in rows.origins])
    return rows.at(np.flatnonzero(~is_theirs)), rows.at(np.flatnonzero(is_theirs))


def _best_threshold(
    fits: Fits, actual: NDArray[np.int64], probabilities: NDArray[np.floating]
) -> OperatingPoint | None:
    """The threshold of the recipe's positive label with the best Matthews correlation, if it has such a label."""
    if fits.recipe.positive_label is None:
        return None
    positive = fits.recipe.labels.index(fits.recipe.positive_label)
    return OperatingPoint(positive, metrics.best_threshold(actual == positive, probabilities[:, positive]))


def threshold_for_channels(
    best: OperatingPoint | None,
    actual: NDArray[np.int64],
    probabilities: NDArray[np.floating],
    channels: Sequence[str],
) -> OperatingPoint | None:
    """The best threshold, or a higher one that blocks no more than `BLOCKED` of any channel."""
    if best is None:
        return None
    least = best.threshold
    for channel in set(channels):
        rows = (np.array(channels) == channel) & (actual != best.positive)
        scores = np.sort(probabilities[rows, best.positive])[::-1]
        allowed = max(1, int(BLOCKED * len(scores)))
        if len(scores) > allowed:
            least = max(least, float(np.nextafter(scores[allowed], 2)))
    return OperatingPoint(best.positive, min(least, 1.0))


def fit_temperature(
    logits: NDArray[np.floating],
    actual: NDArray[np.int64],
    class_weights: NDArray[np.floating] | None = None,
    *,
    row_weights: NDArray[np.floating] | None = None,
) -> float:
    """The temperature with the least log-loss, classes weighed as in training, between 0.1 and 10."""
    candidates = np.exp(np.linspace(np.log(0.1), np.log(10), 401))
    weights = (np.ones(logits.shape[1]) if class_weights is None else class_weights)[actual]
    if row_weights is not None:
        weights = weights * row_weights
    losses = [metrics.log_loss(actual, softmax(logits / candidate), weights) for candidate in candidates]
    return float(candidates[int(np.argmin(losses))])


def losses(own: FittedNetwork) -> list[dict[str, Any]]:
    """Of each epoch."""
    return [dataclasses.asdict(epoch) for epoch in own.fitted.epochs]
