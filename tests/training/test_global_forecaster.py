"""The global forecaster: simple forecasts are what they say, and nothing a caller sends breaks their mixture."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from bundle.golden import Run
from bundle.tasks.forecast.series import FREQUENCIES, freq_code
from bundle.tensors import TensorSpec
from tests.training.small import VARIANTS, unfitted
from training.export import EXPORT_TOLERANCE, check, session, trace
from training.models.global_forecaster import AnyFreq, GlobalForecaster, GlobalForecasterConfig, OneFreq, _Simple
from training.models.linear import LinearConfig
from training.tasks.forecast.samples import HistorySamples

CONFIG = GlobalForecasterConfig(
    horizon=60,
    quantile_levels=(0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975),
    read_length=64,
    context_size=6,
    hidden=16,
    dropout=0.0,
)
T, H = 100, CONFIG.horizon
MIDDLE = len(CONFIG.quantile_levels) // 2
LAST, SEASONAL, DRIFT, YEAR = 0, 1, 8, 13
"""Places of some of the simple forecasts."""


def forecaster(variant: str = "rnn gru", *, steep: bool = True) -> GlobalForecaster:
    """Untrained; `steep`, so that whatever is read shows."""
    torch.manual_seed(0)
    network = GlobalForecaster(CONFIG, *VARIANTS[variant])
    if steep:
        with torch.no_grad():
            network.weights.weight.mul_(100)
            network.output.weight.mul_(100)
    return network.eval()


@pytest.fixture(scope="module")
def run() -> Run:
    """The served graph in onnxruntime."""
    inputs = [
        TensorSpec(name="history", dtype="float32", shape=["batch", "context"]),
        TensorSpec(name="freq", dtype="int64", shape=["batch", 1]),
    ]
    outputs = [TensorSpec(name="quantiles", dtype="float32", shape=["batch", H, len(CONFIG.quantile_levels)])]
    return session(trace(unfitted(AnyFreq(forecaster()), inputs, outputs, HistorySamples(any_freq=True), {})))


def quantiles(run: Run, history: Any, freq: str | None = "MS") -> NDArray[Any]:
    """Of one series."""
    values = np.asarray(history, dtype=np.float32)[None]
    code = freq_code(freq)  # type: ignore[arg-type]
    result: NDArray[Any] = run({"history": values, "freq": np.array([[code]])})["quantiles"][0]
    return result


def seasonal_series(season: int, length: int = T, noise: float = 0.1, seed: int = 0) -> NDArray[np.float64]:
    rng = np.random.default_rng(seed)
    shape = rng.normal(size=season) * 3
    return 50 + np.resize(shape, length) + 0.05 * np.arange(length) + rng.normal(0, noise, length)


@torch.no_grad()
def simple(history: Any, freq: str | None = "MS") -> tuple[NDArray[Any], NDArray[Any]]:
    """Simple forecasts `[H, K]` in the series' units, and which are available."""
    network = forecaster()
    code = torch.tensor([[freq_code(freq)]])  # type: ignore[arg-type]
    window = network._window(torch.tensor(np.asarray(history)[None], dtype=torch.float32), code)
    forecasts = _Simple.of(window, torch.arange(1, H + 1))
    in_units = window.last.unsqueeze(2) + window.scale.unsqueeze(2) * forecasts.forecasts
    return in_units[0].numpy(), forecasts.available[0].numpy()


# --- simple forecasts ------------------------------------------------------------------------------------------------


def test_last_value_seasonal_naive_and_drift_are_what_they_say() -> None:
    history = seasonal_series(12)
    forecasts, available = simple(history)
    assert available[:, :YEAR].all()
    np.testing.assert_allclose(forecasts[:, LAST], history[-1], rtol=1e-5)
    np.testing.assert_allclose(forecasts[:, SEASONAL], np.resize(history[-12:], H), rtol=1e-5)
    slope = (history[-1] - history[0]) / (T - 1)
    np.testing.assert_allclose(forecasts[:, DRIFT], history[-1] + slope * np.arange(1, H + 1), rtol=1e-5)


def test_some_simple_forecast_continues_a_season_with_a_trend_exactly() -> None:
    history = seasonal_series(12, T + H, noise=0)
    forecasts, _ = simple(history[:T])
    assert np.abs(forecasts - history[T:, None]).max(axis=0).min() < 1e-3


def test_growing_forecast_multiplies() -> None:
    history = np.resize([4.0, 2, 1, 3], 60) * np.repeat(1.1 ** np.arange(15), 4)
    forecasts, _ = simple(history, "QS")
    expected = history[-4:] * 1.1
    assert np.abs(forecasts[:4] - expected[:, None]).max(axis=0).min() < 1e-3 * expected.max()


def test_forecast_of_days_repeats_what_their_level_did_a_year_ago() -> None:
    week = np.resize([5.0, 1, 1, 1, 1, 3, 9], 440)
    level = np.where(np.arange(440) % 364 >= 10, 40.0, 20.0)  # a step up, ten days into each year
    history = (week + level)[: 364 + 8]
    forecasts, available = simple(history, "D")
    assert available[:, YEAR].all()
    expected = (week + level)[372:432]
    np.testing.assert_allclose(forecasts[10:, YEAR], expected[10:], rtol=1e-3)
    assert not simple(history[-363:], "D")[1][:, YEAR].any()
    assert not simple(history, "MS")[1][:, YEAR].any()


@pytest.mark.parametrize("length", [1, 2, 5, 11])
def test_series_shorter_than_a_season_falls_back_to_its_last_value(length: int) -> None:
    history = seasonal_series(12, length)
    forecasts, available = simple(history)
    assert available[:, LAST].all()
    assert not available[:, SEASONAL].all()
    missing = available[:, SEASONAL] == 0
    np.testing.assert_allclose(forecasts[missing, SEASONAL], history[-1], rtol=1e-5)


def test_missing_value_is_that_of_a_season_before() -> None:
    history = seasonal_series(12, noise=0) - 0.05 * np.arange(T)
    gapped = history.copy()
    gapped[[-1, -5, -7]] = np.nan
    forecasts, _ = simple(gapped)
    np.testing.assert_allclose(forecasts[:, SEASONAL], np.resize(history[-12:], H), rtol=1e-4)


@pytest.mark.parametrize("season", [1, 4, 7, 12, 24])
@torch.no_grad()
def test_season_is_found_where_the_spacing_is_unknown(season: int) -> None:
    for seed in range(5):
        history = seasonal_series(season, noise=0.3, seed=seed)
        if season == 1:
            history = np.random.default_rng(seed).normal(size=T).cumsum()
        window = forecaster()._window(torch.tensor(history[None], dtype=torch.float32), torch.tensor([[0]]))
        assert window.season.item() == season


@torch.no_grad()
def test_known_spacing_decides_the_season_over_which_the_scale_is_the_usual_change() -> None:
    history = seasonal_series(7)
    for freq, season in (("h", 24), ("D", 7), ("MS", 12), ("YS", 1)):
        code = torch.tensor([[freq_code(freq)]])  # type: ignore[arg-type]
        window = forecaster()._window(torch.tensor(history[None], dtype=torch.float32), code)
        assert window.season.item() == season
        if freq == "D":
            assert window.scale.item() == pytest.approx(np.abs(history[7:] - history[:-7]).mean(), rel=0.01)


# --- the mixture -----------------------------------------------------------------------------------------------------


def test_untrained_network_lies_within_the_simple_forecasts() -> None:
    network, history = forecaster(steep=False), seasonal_series(12)
    forecasts, _ = simple(history)
    with torch.no_grad():
        code = torch.tensor([[freq_code("MS")]])
        median = network(torch.tensor(history[None], dtype=torch.float32), code)[0][0, :, MIDDLE].numpy()
    slack = 0.2 * np.abs(history[12:] - history[:-12]).mean()
    assert (median >= forecasts.min(axis=1) - slack).all()
    assert (median <= forecasts.max(axis=1) + slack).all()


def test_gradients_reach_every_weight() -> None:
    network = forecaster().train()
    history = torch.tensor(np.stack([seasonal_series(7, seed=seed) for seed in range(8)]), dtype=torch.float32)
    said, scale = network(history, torch.tensor([[freq_code("D")]] * 4 + [[0]] * 4))
    torch.autograd.backward(((said - history[:, -1:, None]) / scale[:, None, None]).square().mean())
    idle = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert idle == []


def test_architecture_that_sees_one_step_is_refused() -> None:
    with pytest.raises(ValueError, match="linear sees 1 step: a forecast needs at least two"):
        GlobalForecaster(CONFIG, "linear", LinearConfig(outputs=4, window=1))


@pytest.mark.parametrize("variant", ["linear", "rnn lstm", "cnn", "wavenet"])
def test_export_equals_for_every_kind_of_body(variant: str) -> None:
    inputs = [TensorSpec(name="history", dtype="float32", shape=["batch", "context"])]
    outputs = [TensorSpec(name="quantiles", dtype="float32", shape=["batch", H, len(CONFIG.quantile_levels)])]
    graph = OneFreq(forecaster(variant, steep=False), freq_code("D"))
    trained = unfitted(graph, inputs, outputs, HistorySamples(any_freq=False), {})
    assert check(trained, session(trace(trained))) <= EXPORT_TOLERANCE


@torch.no_grad()
def test_graph_of_one_spacing_is_that_of_any_with_its_code() -> None:
    network = forecaster()
    history = torch.tensor(seasonal_series(7)[None], dtype=torch.float32)
    for freq in ("D", "MS"):
        code = freq_code(freq)
        assert torch.equal(OneFreq(network, code)(history), AnyFreq(network)(history, torch.tensor([[code]])))
    assert not torch.equal(OneFreq(network, 4)(history), OneFreq(network, 7)(history))


# --- what callers send -----------------------------------------------------------------------------------------------


def edge_cases() -> dict[str, NDArray[Any]]:
    nothing, plain = np.full(T, np.nan), seasonal_series(12)
    one, two, spike = nothing.copy(), nothing.copy(), plain.copy()
    one[-1], two[-2:], spike[50] = 5e5, [1, 2], 1e30
    late = plain.copy()
    late[-30:] = np.nan
    return {
        "nothing known": nothing,
        "one value": one,
        "two values": two,
        "an old value alone": np.where(np.arange(T) == 3, 7.0, np.nan),
        "constant": np.full(T, 3.7),
        "all zero": np.zeros(T),
        "largest there is": np.resize([3e38, -3e38], T),
        "very large": plain * 1e35,
        "very small": plain * 1e-35,
        "far from zero": 1e6 + plain / 1e3,
        "below zero": -plain,
        "a spike": spike,
        "nothing new": late,
        "every other missing": np.where(np.arange(T) % 2, plain, np.nan),
        "exponential": 1.3 ** np.arange(T),
        "shrinking": 0.7 ** np.arange(T),
        "a step": np.where(np.arange(T) < 60, 0.0, 1e5),
    }


@pytest.mark.parametrize("case", sorted(edge_cases()))
@pytest.mark.parametrize("freq", [None, *FREQUENCIES])
def test_any_history_gives_finite_ordered_quantiles(case: str, freq: str | None, run: Run) -> None:
    said = quantiles(run, edge_cases()[case], freq)
    assert np.isfinite(said).all()
    assert (said[:, 1:] >= said[:, :-1]).all()


def test_constant_series_stays_where_it_is(run: Run) -> None:
    np.testing.assert_allclose(quantiles(run, np.full(T, 3.7)), 3.7, rtol=0.01)


@pytest.mark.parametrize("extra", [1, 60, 300])
@pytest.mark.parametrize("length", [1, 6, 40, T])
@pytest.mark.parametrize("freq", [None, "D", "MS"])
def test_absent_steps_before_a_series_never_change_its_forecast(
    extra: int, length: int, freq: str | None, run: Run
) -> None:
    history = seasonal_series(7)[-length:]
    padded = np.concatenate([np.full(extra, np.nan), history])
    scale = np.abs(history).max()
    np.testing.assert_allclose(quantiles(run, padded, freq), quantiles(run, history, freq), atol=2e-6 * scale)


def test_neighbours_in_a_batch_never_change_a_forecast(run: Run) -> None:
    rows = HistorySamples(any_freq=True).draw(np.random.default_rng(0), 64, T)
    rows["history"][5], rows["history"][6] = np.nan, 0
    rows["history"][7] *= 1e20
    together = run(rows)["quantiles"]
    for row in range(64):
        alone = run({name: array[row : row + 1] for name, array in rows.items()})["quantiles"][0]
        known = rows["history"][row][np.isfinite(rows["history"][row])]
        np.testing.assert_allclose(alone, together[row], atol=1e-5 * max(np.abs(known).max(initial=0), 1e-20))


@pytest.mark.parametrize("factor", [1e-3, 20.0, 1e6])
def test_forecast_scales_with_its_series(factor: float, run: Run) -> None:
    history = seasonal_series(12)
    np.testing.assert_allclose(quantiles(run, history * factor) / factor, quantiles(run, history), rtol=1e-3)


def test_widening_moves_the_ends_and_leaves_the_median() -> None:
    network = forecaster(steep=False)
    history, code = torch.tensor(seasonal_series(12)[None], dtype=torch.float32), torch.tensor([[freq_code("MS")]])
    with torch.no_grad():
        before = network(history, code)[0]
        network.calibrate(torch.full((len(CONFIG.quantile_levels),), 2.0))
        after = network(history, code)[0]
    middle = before[..., MIDDLE : MIDDLE + 1]
    torch.testing.assert_close(after[..., MIDDLE], before[..., MIDDLE])
    torch.testing.assert_close(after - middle, 2 * (before - middle), rtol=1e-3, atol=1e-4)


@torch.no_grad()
def test_shorter_horizon_is_the_beginning_of_the_longer_one() -> None:
    network = forecaster()
    history, code = torch.tensor(seasonal_series(12)[None], dtype=torch.float32), torch.tensor([[0]])
    torch.testing.assert_close(network(history, code, 5)[0], network(history, code)[0][:, :5])
