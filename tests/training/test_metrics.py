"""Metrics against scikit-learn's, and by hand."""

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from training import metrics

Codes = NDArray[np.int64]


@st.composite
def labelled(draw: st.DrawFn) -> tuple[Codes, Codes, int]:
    """Actual and predicted classes of some rows, and the number of classes."""
    num_classes = draw(st.integers(2, 3))
    pairs = draw(st.lists(st.tuples(*[st.integers(0, num_classes - 1)] * 2), min_size=1, max_size=40))
    actual, predicted = np.array(pairs, dtype=np.int64).T
    return actual, predicted, num_classes


@pytest.fixture(autouse=True)
def without_advice() -> Iterator[None]:
    """scikit-learn warns of absent classes; ours has an answer for them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="sklearn")
        yield


# --- classification --------------------------------------------------------------------------------------------------


@given(labelled())
def test_figures_of_decisions_are_scikit_learns(case: tuple[Codes, Codes, int]) -> None:
    actual, predicted, num_classes = case
    counts = metrics.confusion(actual, predicted, num_classes)
    expected = sklearn.metrics.confusion_matrix(actual, predicted, labels=range(num_classes))
    np.testing.assert_array_equal(counts, expected)
    assert metrics.matthews(counts) == pytest.approx(sklearn.metrics.matthews_corrcoef(actual, predicted), abs=1e-9)
    assert metrics.macro_recall(counts) == pytest.approx(sklearn.metrics.balanced_accuracy_score(actual, predicted))
    assert metrics.accuracy(counts) == pytest.approx(sklearn.metrics.accuracy_score(actual, predicted))


@given(labelled())
def test_precision_and_recall_are_scikit_learns(case: tuple[Codes, Codes, int]) -> None:
    actual, predicted, _ = case
    precision, recall = metrics.precision_recall(actual == 1, predicted == 1)
    assert precision == pytest.approx(sklearn.metrics.precision_score(actual == 1, predicted == 1, zero_division=0))
    assert recall == pytest.approx(sklearn.metrics.recall_score(actual == 1, predicted == 1, zero_division=0))


def test_matthews_of_the_perfect_the_opposite_and_the_constant() -> None:
    assert metrics.matthews(np.array([[3, 0], [0, 5]])) == pytest.approx(1)
    assert metrics.matthews(np.array([[0, 3], [5, 0]])) == pytest.approx(-1)
    assert metrics.matthews(np.array([[3, 0], [5, 0]])) == 0


@pytest.mark.parametrize("num_classes", [2, 3])
def test_log_loss_is_scikit_learns(num_classes: int) -> None:
    rng = np.random.default_rng(num_classes)
    actual = rng.integers(0, num_classes, 200)
    probabilities = rng.dirichlet(np.ones(num_classes), 200)
    expected = sklearn.metrics.log_loss(actual, probabilities, labels=range(num_classes))
    assert metrics.log_loss(actual, probabilities) == pytest.approx(expected)
    assert metrics.log_loss(np.array([0]), np.array([[0.0, 1.0]])) == pytest.approx(-np.log(1e-12))


def test_calibration_by_hand() -> None:
    confidence = np.array([0.5, 0.58, 0.9, 0.95, 1.0, 0.94])
    correct = np.array([True, False, True, True, True, False])
    bins = metrics.calibration_bins(correct, confidence)
    assert [count for _, _, count in bins] == [2, 4]
    assert [said for said, _, _ in bins] == pytest.approx([0.54, 0.9475])
    assert [true for _, true, _ in bins] == pytest.approx([0.5, 0.75])
    expected = (2 * 0.04 + 4 * 0.1975) / 6
    assert metrics.expected_calibration_error(correct, confidence) == pytest.approx(expected)


def test_being_right_as_often_as_said_is_no_calibration_error() -> None:
    confidence, correct = np.full(20, 0.75), np.arange(20) % 4 > 0
    assert metrics.expected_calibration_error(correct, confidence) == pytest.approx(0)
    assert metrics.expected_calibration_error(~correct, confidence) == pytest.approx(0.5)


def test_best_threshold_lies_between_the_classes() -> None:
    score = np.array([0.05, 0.1, 0.2, 0.3, 0.8, 0.85, 0.9])
    assert metrics.best_threshold(score >= 0.8, score) == pytest.approx(0.5)
    high = np.array([0.1, 0.5, 0.6, 0.702, 0.9, 0.95])  # thresholds from 0.705 to 0.90 part them
    assert metrics.best_threshold(high >= 0.9, high) == pytest.approx(0.765)  # the nearest to 0.5 with 0.06 to spare
    low = np.array([0.05, 0.1, 0.302, 0.35, 0.6])  # and here those from 0.105 to 0.30
    assert metrics.best_threshold(low >= 0.3, low) == pytest.approx(0.24)


def test_best_threshold_prefers_a_broad_hill_to_a_high_needle() -> None:
    score = np.array([0.1] * 10 + [0.6] * 4 + [0.8] * 6 + [0.812] * 10)
    actual = np.array([False] * 10 + [True] * 4 + [False] * 6 + [True] * 10)
    hill, needle = (
        metrics.matthews(metrics.confusion(actual * 1, (score >= threshold) * 1, 2)) for threshold in (0.5, 0.81)
    )
    assert needle > hill
    assert metrics.best_threshold(actual, score) == pytest.approx(0.5)


# --- forecasting -----------------------------------------------------------------------------------------------------


def test_pinball_by_hand() -> None:
    actual = np.array([10.0])
    quantiles = np.array([[8.0, 9.0, 14.0]])
    expected = (0.1 * 2 + 0.5 * 1 + (1 - 0.9) * 4) / 3
    assert metrics.pinball(actual, quantiles, (0.1, 0.5, 0.9)) == pytest.approx(expected)
    actual, forecast = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[2.0, 2.0], [0.0, 9.0]])
    assert metrics.absolute_error_by_horizon(actual, forecast).tolist() == [2.0, 2.5]
    assert metrics.pinball(actual, forecast[..., None], (0.5,)) == 2.25 / 2  # half the mean absolute error


def test_pinball_is_least_at_the_quantile() -> None:
    values = np.arange(101.0)
    losses = [metrics.pinball(values, np.full((101, 1), place), (0.2,)) for place in range(101)]
    assert int(np.argmin(losses)) == 20


def test_coverage_counts_the_ends_in() -> None:
    actual = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert metrics.coverage(actual, np.full((2, 2), 2.0), np.full((2, 2), 3.0)) == 0.5
    assert metrics.coverage(actual, actual, actual) == 1
    assert metrics.coverage(actual, actual + 1, actual + 2) == 0
