"""The rule that makes a label of probabilities."""

import numpy as np
import pytest

from bundle.tasks.classify.decision import OperatingPoint, decide, decide_all
from bundle.tasks.classify.spec import ClassifySpec

PROBABILITIES = np.array([[0.6, 0.3, 0.1], [0.45, 0.15, 0.4], [0.05, 0.15, 0.8], [0.1, 0.5, 0.4]])


def test_without_an_operating_point_the_likeliest_label_is_answered() -> None:
    assert decide_all(PROBABILITIES, None).tolist() == [0, 0, 2, 1]


@pytest.mark.parametrize(
    ("threshold", "answered"), [(0.2, [1, 0, 2, 1]), (0.3, [1, 0, 2, 1]), (0.31, [0, 0, 2, 1]), (0.51, [0, 0, 2, 2])]
)
def test_threshold_decides_before_the_likeliest_label(threshold: float, answered: list[int]) -> None:
    assert decide_all(PROBABILITIES, OperatingPoint(1, threshold)).tolist() == answered


def test_one_row_is_decided_as_among_others() -> None:
    for operating_point in (None, OperatingPoint(1, 0.2), OperatingPoint(2, 0.5)):
        together = decide_all(PROBABILITIES, operating_point).tolist()
        assert [decide(row, operating_point) for row in PROBABILITIES.tolist()] == together


def test_threshold_just_above_a_single_precision_score_is_not_reached() -> None:
    scores = np.array([0.9, 0.1], dtype=np.float32)
    above = float(scores[1]) + 1e-12
    assert np.float32(above) == scores[1]
    assert decide(scores.tolist(), OperatingPoint(1, above)) == 0
    assert decide(scores.tolist(), OperatingPoint(1, float(scores[1]))) == 1


def test_deciding_leaves_the_probabilities_as_they_were() -> None:
    before = PROBABILITIES.copy()
    decide_all(PROBABILITIES, OperatingPoint(0, 0.5))
    np.testing.assert_array_equal(PROBABILITIES, before)


def test_bundle_without_a_threshold_has_no_operating_point() -> None:
    labels = ["ham", "spam"]
    assert OperatingPoint.of(ClassifySpec(labels=labels, max_tokens=8)) is None
    assert OperatingPoint.of(ClassifySpec(labels=labels, max_tokens=8, positive_label="spam")) is None
    spec = ClassifySpec(labels=labels, max_tokens=8, positive_label="spam", threshold=0.4)
    assert OperatingPoint.of(spec) == OperatingPoint(1, 0.4)
