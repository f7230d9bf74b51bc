from benchmarks.serving.grid import Row
from benchmarks.serving.measure import Round
from benchmarks.serving.spread import Spread, ratio, spread
from benchmarks.serving.table import markdown, show
from benchmarks.serving.workload import Workload


def test_spread_shows_how_far_rounds_went_apart() -> None:
    found = spread([3.0, 1.0, 2000.0])
    assert found == Spread(3.0, 1.0, 2000.0)
    assert found.show(1) == "3.0 (1.0 to 2,000.0)"


def test_ratio_is_taken_within_each_round() -> None:
    # The second round ran at half speed for both: nothing was gained or lost.
    assert ratio([200, 100, 220], [100, 50, 100]) == Spread(2.0, 2.0, 2.2)


def test_markdown_has_a_rule_below_its_header() -> None:
    assert markdown(("", "a"), [["x", "1"]]).splitlines() == ["|  | a |", "| --- | ---: |", "| x | 1 |"]


def test_row_says_which_aims_are_met() -> None:
    row = Row("text", Workload("texts", 1, 12), 64, 2, ("raw", "alone"), aims={"raw": 1.1, "alone": 0.9}, p99_aim=2)
    ours = [Round(120, 0.1, 2.0, 3.0), Round(240, 0.1, 2.0, 5.0), Round(120, 0.1, 2.0, 3.0)]
    raw = [Round(100, 0.1, 2.0, 3.0), Round(200, 0.1, 2.0, 3.0), Round(110, 0.1, 2.0, 3.0)]
    shown = show(row, {"us": ours, "raw": raw, "alone": [Round(200, 0.1)] * 3}, "us")
    assert "| 1.20 (1.09 to 1.20) × | ≥ 1.1: met |" in shown
    assert "| 0.60 (0.60 to 1.20) × | ≥ 0.9: **not met** |" in shown
    assert "p99 of us is 1.50 (1.50 to 2.50) × its p50; aim ≤ 2: met" in shown
