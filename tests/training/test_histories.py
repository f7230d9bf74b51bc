"""What a forecaster of many series is trained on, chosen by and measured on never overlaps."""

from typing import Any

import numpy as np
import pytest
import torch

from bundle.tasks.forecast.series import freq_code
from tests.training.tiny_recipes import described
from training.data.series_set import Series, SeriesSet
from training.models.global_forecaster import GlobalForecaster
from training.recipes.forecast import forecast
from training.tasks.forecast import histories
from training.tasks.forecast.histories import EARLIEST, RandomHistories, ScaledPinballLoss, SplitSet, held_out
from training.tasks.forecast.many_figures import mase_figures, mases, seasonal_naive

HORIZON = 4


@pytest.fixture(autouse=True)
def no_noise(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of the sets alone."""
    if "random_walk" not in request.node.name:
        monkeypatch.setattr(histories, "NOISE_SHARE", 0.0)


TRAINED, CHOSEN, REPORTED = 1.0, 2.0, 3.0
"""What the values below say of themselves."""


def marked_set(num_series: int, length: int = 30) -> SeriesSet:
    """Of a small set: training values, then the horizon that chooses, then the one that is reported."""
    parts = [TRAINED] * (length - 2 * HORIZON) + [CHOSEN] * HORIZON + [REPORTED] * HORIZON
    series = [Series(f"s{number}", np.array(parts)) for number in range(num_series)]
    return SeriesSet("marked", series, "D", 7, HORIZON, described("marked"))


def batches(one: SplitSet, number: int = 40, spoiling: float = 0.0, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    drawn = RandomHistories([one], number, 8, context_length=20, max_horizon=12, spoiling=spoiling, rng=rng)
    return [drawn[index] for index in range(len(drawn))]


def seen_in(drawn: list[Any]) -> set[float]:
    values = torch.cat([part.flatten() for history, _, target in drawn for part in (history, target)])
    return set(values[~torch.isnan(values)].tolist())


def test_small_set_is_parted_by_time() -> None:
    one = SplitSet.of(marked_set(3))
    assert seen_in(batches(one)) == {TRAINED}
    chooses = one.selection(20)
    assert chooses is not None
    assert set(chooses.target.flatten()) == {CHOSEN}
    assert set(chooses.history.flatten()) == {TRAINED}
    reported = held_out(one.whole, 20)
    assert set(reported.target.flatten()) == {REPORTED}
    assert REPORTED not in set(reported.history.flatten())


def test_large_set_is_parted_by_series() -> None:
    whole = marked_set(200)
    one = SplitSet.of(whole)
    chooses = one.selection(20)
    assert chooses is not None
    assert 8 <= len(chooses.history) <= 40
    assert len(one.train) + len(one.select) == 200
    assert seen_in(batches(one)) <= {TRAINED, CHOSEN}
    assert set(chooses.target.flatten()) == {CHOSEN}
    assert [id(values) for values in one.select] != [id(values) for values in one.train]
    again = SplitSet.of(whole)
    assert len(again.select) == len(one.select)


def test_series_too_short_to_choose_by_trains_up_to_what_is_reported() -> None:
    one = SplitSet.of(marked_set(2, length=3 * HORIZON))
    assert one.selection(20) is None
    assert seen_in(batches(one)) <= {TRAINED, CHOSEN}


def test_series_without_a_history_is_left_out() -> None:
    assert SplitSet.of(marked_set(2, length=2 * HORIZON)).train != []
    shortest = [Series("short", np.arange(EARLIEST + HORIZON, dtype=float))]
    assert SplitSet.of(SeriesSet("short", shortest, None, 1, HORIZON, described("short"))).train == []


def test_target_follows_its_history() -> None:
    series = [Series("ramp", np.arange(100.0))]
    one = SplitSet.of(SeriesSet("ramp", series, "D", 7, HORIZON, described("ramp")))
    lengths = set()
    for history, freq, target in batches(one):
        assert set(freq.flatten().tolist()) == {freq_code("D")}
        for past, following in zip(history, target, strict=True):
            known = following[~torch.isnan(following)]
            np.testing.assert_array_equal(known, past[-1] + torch.arange(1, len(known) + 1))
            lengths.add(int((~torch.isnan(past)).sum()))
    assert min(lengths) < 8 < 18 < max(lengths) <= 20


def test_same_seed_draws_the_same_batches_and_spoils_them_alike() -> None:
    one = SplitSet.of(marked_set(3))
    first, second, other = (batches(one, spoiling=1.0, seed=seed) for seed in (1, 1, 2))
    for ours, theirs in zip(first, second, strict=True):
        for part, same in zip(ours, theirs, strict=True):
            torch.testing.assert_close(part, same, equal_nan=True)
    assert any(ours[0].shape != theirs[0].shape or not ours[0].equal(theirs[0]) for ours, theirs in zip(first, other))  # noqa: B905
    assert 0 in {code for _, freq, _ in first for code in freq.flatten().tolist()}
    assert all((~torch.isnan(history[:, -1])).all() for history, _, _ in first)  # the newest value is never hidden


def test_loss_is_the_pinball_loss_in_scales_of_the_known_targets() -> None:
    config = forecast("linear").network
    torch.manual_seed(0)
    network = GlobalForecaster(config, "linear", forecast("linear").settings).eval()
    history = torch.randn(3, 40).cumsum(dim=1)
    freq = torch.full((3, 1), freq_code("D"))
    target = torch.randn(3, 5)
    target[1, 2:], target[2] = torch.nan, torch.nan
    said, scale = network(history, freq, 5)
    rows = []
    for row in range(3):
        losses = [
            max(level * error, (level - 1) * error)
            for step in range(5)
            if not target[row, step].isnan()
            for level, error in zip(
                config.quantile_levels, ((target[row, step] - said[row, step]) / scale[row]).tolist(), strict=True
            )
        ]
        rows.append(sum(losses) / max(len(losses), 1))
    loss = ScaledPinballLoss(config.quantile_levels)(network, (history, freq, target))
    assert loss.item() == pytest.approx(sum(rows) / 3, rel=1e-5)


def test_some_batches_are_random_walks_of_any_spacing() -> None:
    one = SplitSet.of(marked_set(3))
    known = {TRAINED}
    noise = [batch for batch in batches(one, number=300) if not seen_in([batch]) <= known]
    assert 8 <= len(noise) <= 50
    assert len({code for _, freq, _ in noise for code in freq.flatten().tolist()}) == 10
    steps = torch.cat([torch.cat([history, target], dim=1).diff(dim=1).flatten() for history, _, target in noise])
    assert abs(steps.mean()) < 0.1
    assert 1.2 < steps.std() < 1.7  # of a t distribution with four degrees of freedom: the square root of two


def test_sets_are_drawn_by_the_fourth_root_of_their_values() -> None:
    drawn = histories.shares([SplitSet.of(marked_set(16)), SplitSet.of(marked_set(1))])
    np.testing.assert_allclose(drawn, [2 / 3, 1 / 3])


# --- figures ---------------------------------------------------------------------------------------------------------


def test_seasonal_naive_repeats_the_last_season_and_mends_gaps_from_the_one_before() -> None:
    values = np.array([1.0, 2, 3, 4, 5, np.nan, 9, 9, 9, 9])
    whole = SeriesSet("s", [Series("a", values)], None, 3, 4, described("s"))
    np.testing.assert_array_equal(seasonal_naive(whole, 3), [[4, 5, 3, 4]])
    np.testing.assert_array_equal(seasonal_naive(whole, 1), [[5, 5, 5, 5]])


def test_mase_is_the_error_in_mean_seasonal_changes() -> None:
    values = np.array([0.0, 10, 2, 12, 4, 14, 6, 16])
    whole = SeriesSet("s", [Series("a", values), Series("flat", np.ones(8))], None, 2, 2, described("s"))
    # Changes of the past over a season of two steps are all 2; the flat series has no scale.
    found = mases(whole, np.array([[5.0, 13.0], [0.0, 0.0]]))
    assert found[0] == pytest.approx((1 + 3) / 2 / 2)
    assert np.isnan(found[1])
    assert mase_figures([(whole, np.array([[5.0, 13.0], [0.0, 0.0]]))], 1)["mase_s"] == found[0]


def test_series_of_a_data_set_count_alike_and_data_sets_do() -> None:
    def named(name: str, count: int) -> SeriesSet:
        series = [Series(str(number), np.array([0.0, 1, 2, 3, 4])) for number in range(count)]
        return SeriesSet(name, series, None, 1, 1, described(name))

    sets = [(named("m days", 3), np.full((3, 1), 5.0)), (named("m years", 1), np.full((1, 1), 9.0))]
    alone = (named("other", 2), np.full((2, 1), 7.0))
    assert mase_figures([*sets, alone], 3) == {
        "mase_m": (3 * 1 + 5) / 4,
        "mase_m_days": 1,
        "mase_m_years": 5,
        "mase_other": 3,
        "mase_mean_of_data_sets": (2 + 3) / 2,
    }
    assert mase_figures(sets, 3) == {"mase_m_days": 1, "mase_m_years": 5}
