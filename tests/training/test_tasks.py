"""Tasks: what was held out stays out, origins line up with their days, and `evaluate` says what a bundle is worth."""

import dataclasses
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import norm

from bundle.golden import Golden
from bundle.manifest import GOLDEN_FILE, REPORT_FILE
from bundle.store import read_bundle, version_folder
from bundle.tasks.classify.decision import OperatingPoint
from bundle.tasks.classify.text import TOKENIZER_FILE
from bundle.tasks.forecast.series import day_type
from tests.training.tiny_recipes import (
    TinySeries,
    TinyTexts,
    described,
    made_up_boardings,
    made_up_messages,
    tiny_ridership,
    tiny_spam,
)
from training.__main__ import main
from training.data.covariate_series import CovariateSeries, SeriesSplit
from training.data.labelled_texts import LabelledTexts, TextSplit
from training.data.loaders import COVARIATE_SERIES, LABELLED_TEXTS, SERIES_SETS
from training.data.splits import near_duplicate_key, without_near_duplicates
from training.recipes import RECIPES
from training.tasks import TrainedModel
from training.tasks.classify import batches as text_batches
from training.tasks.classify import fit as classify
from training.tasks.classify.figures import describe
from training.tasks.classify.selection import fit_temperature
from training.tasks.classify.tokenizer import MASK_ID
from training.tasks.forecast import daily as forecast
from training.tasks.forecast import daily_figures as forecast_figures
from training.tasks.forecast import windows as stretches_
from training.tasks.forecast.calibration import from_median, from_neighbour
from training.tasks.forecast.origins import Origins
from training.tasks.table import TASKS

RIDERSHIP = tiny_ridership()


def test_every_recipe_names_a_task_and_a_data_set() -> None:
    for name, make in RECIPES.items():
        recipe = make()
        assert recipe.name == name
        assert recipe.task in TASKS
        known: Any = {"classify": LABELLED_TEXTS, "forecast": COVARIATE_SERIES, "global_forecast": SERIES_SETS}
        assert isinstance(recipe.data, str | tuple)
        names = {recipe.data} if isinstance(recipe.data, str) else set(recipe.data)
        assert names <= known[recipe.task].keys()


# --- classify: what was held out -------------------------------------------------------------------------------------

TRAIN = made_up_messages(60, 1)
SEEN = LabelledTexts([f"{text.upper()}!! {number}" for number, text in enumerate(TRAIN.texts[:5])], TRAIN.labels[:5])
UNSEEN = made_up_messages(30, 2)
VALID = LabelledTexts([*SEEN.texts, *UNSEEN.texts], [*SEEN.labels, *UNSEEN.labels])
OPPOSITE = LabelledTexts(UNSEEN.texts, ["ham" if label == "spam" else "spam" for label in UNSEEN.labels])


class Texts(TinyTexts):
    """A source with this validation part."""

    def __init__(self, valid: LabelledTexts) -> None:
        self.valid = valid

    def load(self) -> TextSplit:
        return TextSplit(TRAIN, self.valid, [described("tiny texts")])


def fit_texts(valid: LabelledTexts, folder: Path) -> TrainedModel:
    """Fit the smallest classifier with a validation part."""
    recipe = tiny_spam()
    recipe = dataclasses.replace(recipe, schedule=dataclasses.replace(recipe.schedule, max_epochs=3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LABELLED_TEXTS, "tiny", Texts(valid))
        return classify.fit(recipe, 0, folder, progress=False)


@pytest.fixture(scope="module")
def with_seen(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return fit_texts(VALID, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def with_opposite(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    return fit_texts(OPPOSITE, tmp_path_factory.mktemp("runs"))


def test_no_choice_depends_on_the_validation_part(with_seen: TrainedModel, with_opposite: TrainedModel) -> None:
    assert with_opposite.calibration == with_seen.calibration
    assert with_opposite.spec == with_seen.spec
    assert with_opposite.report["selection"] == with_seen.report["selection"]
    assert with_opposite.report["epochs"] == with_seen.report["epochs"]
    assert with_opposite.files[TOKENIZER_FILE] == with_seen.files[TOKENIZER_FILE]
    weights, other_weights = with_seen.graph.state_dict(), with_opposite.graph.state_dict()
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
    assert with_opposite.metrics["model"] != with_seen.metrics["model"]


def test_near_duplicates_of_training_texts_are_not_reported(
    with_seen: TrainedModel, with_opposite: TrainedModel
) -> None:
    assert {figures["rows"] for figures in with_seen.metrics.values()} == {30}
    assert "less 5 near-duplicates of training texts: 30 rows" in with_seen.report["evaluated_on"]
    for name in with_seen.metrics:
        confusion = np.array(with_seen.metrics[name]["confusion"])
        np.testing.assert_array_equal(with_opposite.metrics[name]["confusion"], confusion[::-1])


# --- classify: batches -----------------------------------------------------------------------------------------------


def encoded(lengths: list[int], fragment_probability: float) -> text_batches.EncodedTexts:
    """Texts of a start token, 2, and ids that count up from 10."""
    ids = [np.array([2, *range(10, 9 + length)]) for length in lengths]
    return text_batches.EncodedTexts(ids, np.arange(len(lengths)) % 2, fragment_probability, np.random.default_rng(0))


def test_fragment_is_the_start_token_and_a_stretch_of_the_text() -> None:
    lengths = [1, 2, 6, 7, 8, 40, 500] * 20
    whole, cut = encoded(lengths, 0.0), encoded(lengths, 1.0)
    for number, length in enumerate(lengths):
        (ids, label), (fragment, same_label) = whole[number], cut[number]
        assert len(ids) == length
        assert label == same_label == number % 2
        if length <= text_batches.MIN_FRAGMENT:
            np.testing.assert_array_equal(fragment, ids)
        else:
            assert text_batches.MIN_FRAGMENT < len(fragment) <= length
            np.testing.assert_array_equal(fragment, [2, *range(fragment[1], fragment[1] + len(fragment) - 1)])
            assert 10 <= fragment[1] <= fragment[-1] <= ids[-1]
    assert len({tuple(cut[number][0]) for number in range(6, 140, 7)}) > 15


def test_batches_hold_every_text_once_in_another_order_each_epoch() -> None:
    lengths = np.random.default_rng(0).integers(1, 100, 300).tolist()
    sampler = text_batches.SimilarLengths(lengths, 16, seed=0)
    epochs = [list(sampler) for _ in range(2)]
    for batches in epochs:
        assert len(batches) == len(sampler) == 19
        assert sorted(row for batch in batches for row in batch) == list(range(300))
        spreads = [max(lengths[row] for row in batch) - min(lengths[row] for row in batch) for batch in batches]
        assert np.mean(spreads) < 25  # of texts drawn at random it is about 90
    assert epochs[0] != epochs[1]
    in_order = text_batches.SimilarLengths(lengths, 16, seed=None)
    assert list(in_order) == list(in_order)
    assert sorted(row for batch in in_order for row in batch) == list(range(300))


def test_tokens_are_hidden_in_training_alone_and_never_the_special_ones() -> None:
    class Noting(torch.nn.Module):
        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            seen.append(ids)
            return torch.zeros(len(ids), 2)

    seen: list[torch.Tensor] = []
    ids = torch.arange(30).repeat(50, 1)
    loss, network = text_batches.TextLoss(mask_probability=0.5), Noting()
    loss(network.train(), (ids, torch.zeros(50, dtype=torch.int64)))
    loss(network.eval(), (ids, torch.zeros(50, dtype=torch.int64)))
    trained, validated = seen
    hidden = trained != ids
    assert (trained[hidden] == MASK_ID).all()
    assert not hidden[:, :3].any()
    assert 0.4 < hidden[:, 3:].float().mean() < 0.6
    assert torch.equal(validated, ids)


# --- classify: figures -----------------------------------------------------------------------------------------------


def test_figures_of_two_classes_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.65, 0.35], [0.2, 0.8], [0.75, 0.25]])
    figures = describe(np.array([0, 0, 1, 1]), probabilities, OperatingPoint(positive=1, threshold=0.3))
    assert figures["rows"] == 4
    assert figures["confusion"] == [[1, 1], [1, 1]]
    assert figures["mcc"] == 0
    assert figures["accuracy"] == figures["precision"] == figures["recall"] == figures["macro_recall"] == 0.5
    assert figures["false_positive_rate"] == 0.5
    assert figures["log_loss"] == pytest.approx(-np.log([0.9, 0.65, 0.8, 0.25]).mean())
    # Calibration is that of the likeliest label, whatever the threshold: only the last row is wrong.
    assert figures["expected_calibration_error"] == pytest.approx((0.1 + 0.35 + 0.2 + 0.75) / 4)


def test_threshold_goes_first_among_three_classes() -> None:
    probabilities = np.array([[0.6, 0.3, 0.1], [0.45, 0.15, 0.4], [0.05, 0.15, 0.8], [0.1, 0.2, 0.7]])
    figures = describe(np.array([1, 0, 2, 1]), probabilities, OperatingPoint(positive=1, threshold=0.2))
    assert figures["confusion"] == [[1, 0, 0], [0, 2, 0], [0, 0, 1]]
    assert figures["false_positive_rate"] == 0
    above = describe(np.array([1, 0, 2, 1]), probabilities, OperatingPoint(positive=1, threshold=0.31))
    assert above["confusion"] == [[1, 0, 0], [1, 0, 1], [0, 0, 1]]


def test_temperature_undoes_overconfidence() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(5_000, 2))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    actual = (rng.random(len(logits)) < probabilities[:, 1]).astype(np.int64)
    assert fit_temperature(logits, actual) == pytest.approx(1, rel=0.1)
    assert fit_temperature(3 * logits, actual) == pytest.approx(3, rel=0.1)


# --- forecast: origins -----------------------------------------------------------------------------------------------

START = dt.date(2018, 10, 1)
FIRST_TARGET, LAST_TARGET = dt.date(2019, 2, 26), dt.date(2019, 5, 31)


def numbered_days(last: dt.date) -> CovariateSeries:
    """The target of a day is its number, the bus 1000 more."""
    count = (last - START).days + 1
    kinds = [day_type(START + dt.timedelta(days=number)) for number in range(count)]
    return CovariateSeries(START, np.arange(float(count)), {"bus": 1000 + np.arange(float(count))}, {"day_type": kinds})


@pytest.mark.parametrize("first_target", [FIRST_TARGET, START + dt.timedelta(days=7)])
@pytest.mark.parametrize("last_day", [LAST_TARGET, LAST_TARGET + dt.timedelta(days=5), dt.date(2019, 7, 31)])
def test_history_ends_the_day_before_the_first_target(first_target: dt.date, last_day: dt.date) -> None:
    """Also where the file goes on behind the last target, of which nothing is read but day types, or begins late."""
    origins = Origins.of(numbered_days(last_day), RIDERSHIP.spec(), first_target, LAST_TARGET)
    context, horizon = RIDERSHIP.context_length, RIDERSHIP.network.horizon
    first, last = (first_target - START).days, (LAST_TARGET - START).days
    assert len(origins) == last - first + 1
    assert origins.first == first - 1
    history, bus, codes = (origins.inputs[name] for name in ("history", "past_bus", "future_day_type"))
    assert history.dtype == bus.dtype == np.float32
    assert codes.dtype == np.int64
    for row in range(len(origins)):
        next_day = first + row
        days = np.arange(next_day - context, next_day)
        np.testing.assert_array_equal(history[row], np.where(days >= 0, days, np.nan))
        np.testing.assert_array_equal(bus[row], np.where(days >= 0, 1000 + days, np.nan))
        ahead = np.arange(next_day, next_day + horizon)
        np.testing.assert_array_equal(origins.actual[row], np.where(ahead <= last, ahead, np.nan))
        kinds = [day_type(START + dt.timedelta(days=int(day))) if day >= 0 else None for day in [*days, *ahead]]
        assert [(None, *RIDERSHIP.day_types)[code] for code in codes[row]] == kinds


def test_complete_origins_are_those_whose_horizon_came_true() -> None:
    origins = Origins.of(numbered_days(LAST_TARGET), RIDERSHIP.spec(), FIRST_TARGET, LAST_TARGET)
    complete = origins.complete()
    assert (len(origins), len(complete)) == (95, 82)
    assert np.isfinite(complete.actual).all()
    assert {len(array) for array in complete.inputs.values()} == {82}
    assert complete.actual[-1, -1] == (LAST_TARGET - START).days
    of_one_day = Origins.of(numbered_days(LAST_TARGET), RIDERSHIP.spec(), LAST_TARGET, LAST_TARGET)
    assert (len(of_one_day), len(of_one_day.complete()), np.isfinite(of_one_day.actual).sum()) == (1, 0, 1)


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (dt.date(2018, 10, 7), LAST_TARGET, "a week of history is needed before 2018-10-07; the file starts at 2018"),
        (dt.date(2018, 1, 1), LAST_TARGET, "2018-01-01 is outside the series, 2018-10-01 to 2019-05-31"),
        (FIRST_TARGET, dt.date(2019, 6, 1), "no day from 2019-02-26 to 2019-06-01"),
        (FIRST_TARGET, dt.date(2021, 1, 1), "2021-01-01 is outside the series"),
        (LAST_TARGET, FIRST_TARGET, "no day from 2019-05-31 to 2019-02-26"),
    ],
)
def test_period_outside_the_file_is_named(start: dt.date, end: dt.date, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Origins.of(numbered_days(LAST_TARGET), RIDERSHIP.spec(), start, end)


def test_seasonal_naive_repeats_the_last_week() -> None:
    origins = Origins.of(numbered_days(LAST_TARGET), RIDERSHIP.spec(), FIRST_TARGET, LAST_TARGET)
    first = (FIRST_TARGET - START).days
    naive = forecast_figures.seasonal_naive(origins)
    assert naive.shape == origins.actual.shape
    np.testing.assert_array_equal(naive[0], [*range(first - 7, first)] * 2)
    np.testing.assert_array_equal(naive[94], np.array([*range(first - 7, first)] * 2) + 94)


def test_figures_of_quantiles_by_hand() -> None:
    actual = np.array([[10.0, 20.0], [30.0, 40.0], [50.0, np.nan]])
    ends_and_median = np.array([[[8.0, 9, 12], [18, 21, 22]], [[24, 26, 29], [30, 33, 36]], [[44, 48, 54], [0, 0, 0]]])
    figures = forecast_figures.describe(actual, ends_and_median, (0.025, 0.5, 0.975))
    assert figures["mae_next_day"] == pytest.approx((1 + 4 + 2) / 3)
    assert figures["mae_by_horizon"] == [2.5, 4.0]  # of the two origins whose horizon came true
    assert figures["mae_mean_of_14"] == 3.25
    assert figures["coverage_95_next_day"] == pytest.approx(2 / 3)
    assert figures["coverage_95"] == 0.5
    # The 80 % interval reaches 0.4 / 0.475 of the way from the median to each end.
    assert figures["coverage_80_next_day"] == pytest.approx(2 / 3)
    below, above = 0.025 * np.array([2, 2, 6, 10]), 0.025 * np.array([2, 2, 0, 0]) + 0.975 * np.array([0, 0, 1, 4])
    assert figures["pinball"] == pytest.approx((below + above + [0.5, 0.5, 2, 3.5]).mean() / 3)


def test_days_no_origin_completes_are_measured_by_the_next_day_alone() -> None:
    actual = np.full((3, 14), np.nan)
    actual[:, 0] = [1.0, 2.0, 3.0]
    quantiles = np.full((3, 14, 3), 100.0)
    quantiles[:, 0] = [-2.0, 1.0, 2.0]
    figures = forecast_figures.describe(actual, quantiles, (0.025, 0.5, 0.975))
    assert figures == {
        "mae_next_day": 1.0,
        "coverage_80_next_day": pytest.approx(1 / 3),
        "coverage_95_next_day": pytest.approx(2 / 3),
    }


# --- forecast: what was held out -------------------------------------------------------------------------------------


@pytest.fixture
def fit_other_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dt.date], TrainedModel]:
    """Fit the tiny forecaster to a series that is otherwise from a day on; it reports on fewer days."""

    def fit(first: dt.date) -> TrainedModel:
        split = TinySeries().load()
        series, begin = split.series, split.series.index_of(first)
        rail, bus = series.target.copy(), series.past["bus"].copy()
        rail[begin:] = rail[begin:][::-1] * 3
        bus[begin:] = 1e5
        other = CovariateSeries(series.start, rail, {"bus": bus}, series.future)
        monkeypatch.setattr(TinySeries, "load", lambda _: SeriesSplit(other, split.described))
        monkeypatch.setitem(COVARIATE_SERIES, "tiny", TinySeries())
        recipe = dataclasses.replace(RIDERSHIP, reporting_end=RIDERSHIP.reporting_start + dt.timedelta(days=13))
        return forecast.fit(recipe, 0, tmp_path, progress=False, baselines={})

    return fit


def test_no_choice_depends_on_the_reporting_days(
    fit_other_days: Callable[[dt.date], TrainedModel], tiny_store: Path
) -> None:
    published = read_bundle(version_folder(tiny_store, "ridership-wavenet", 1))
    trained = fit_other_days(RIDERSHIP.selection_end + dt.timedelta(days=1))
    assert trained.calibration == published.manifest.calibration
    golden = Golden.from_bytes(published.files[GOLDEN_FILE])
    with torch.no_grad():
        answers = trained.graph(*(torch.from_numpy(golden.inputs[spec.name]) for spec in trained.inputs))
    np.testing.assert_array_equal(answers, golden.outputs["quantiles"])
    assert trained.metrics["model"]["mae_next_day"] > 2 * published.manifest.metrics["model"]["mae_next_day"]


def test_weights_are_fitted_to_the_days_before_the_calibration_alone(
    fit_other_days: Callable[[dt.date], TrainedModel], tiny_store: Path
) -> None:
    published = read_bundle(version_folder(tiny_store, "ridership-wavenet", 1))
    learned = json.loads(published.files[REPORT_FILE])["epochs"]
    trained = fit_other_days(RIDERSHIP.calibration_start)
    assert [epoch["train_loss"] for epoch in trained.report["epochs"]] == [epoch["train_loss"] for epoch in learned]
    assert [epoch["valid_loss"] for epoch in trained.report["epochs"]] != [epoch["valid_loss"] for epoch in learned]
    assert trained.calibration["widening"] != published.manifest.calibration["widening"]


# --- forecast: spoiling ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spoiling", [0.0, 5.0])
def test_spoiling_changes_what_is_read_and_never_the_target(spoiling: float) -> None:
    days = numbered_days(LAST_TARGET)
    recipe = dataclasses.replace(RIDERSHIP, spoiling=spoiling)
    stretches = stretches_.Stretches(days, recipe, np.random.default_rng(0))
    length, horizon = recipe.stretch_days, recipe.network.horizon
    assert len(stretches) == len(days.target) - length - horizon + 1
    codes = np.array([1 + recipe.day_types.index(kind) for kind in days.future["day_type"]])
    spoiled = set()
    for start in range(len(stretches)):
        history, bus, read_codes, target = (part.numpy() for part in stretches[start])
        np.testing.assert_array_equal(target, start + np.arange(length + horizon))
        for name, read, true in (
            ("history", history, start + np.arange(length)),
            ("bus", bus, 1000 + start + np.arange(length)),
            ("day types", read_codes, codes[start : start + length + horizon]),
        ):
            hidden = np.isnan(read) | (read == 0 if name == "day types" else False)
            np.testing.assert_array_equal(read[~hidden], true[~hidden])
            if hidden.any():
                spoiled.add(name)
    assert spoiled == ({"history", "bus", "day types"} if spoiling else set())
    np.testing.assert_array_equal(days.target, np.arange(len(days.target)))


# --- forecast: widening ----------------------------------------------------------------------------------------------

LEVELS = (0.025, 0.1, 0.3, 0.5, 0.7, 0.9, 0.975)


def said_and_true(spread: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What came true, 60 origins, the last ones incomplete; quantiles as wide as `spread` says around noisy medians."""
    rng = np.random.default_rng(0)
    median = rng.uniform(100, 200, size=(60, 14))
    actual = median + 10 * rng.standard_t(4, size=median.shape)
    actual[np.add.outer(np.arange(60), np.arange(14)) >= 60] = np.nan
    offsets = spread * np.array([-20.0, -13, -5, 0, 5, 13, 20])
    return actual, median[..., None] + offsets


@pytest.mark.parametrize(("spread", "least", "most"), [(0.1, 2, 100), (1.0, 0.5, 2), (5.0, 0.05, 0.5)])
def test_widened_intervals_cover_what_they_say(spread: float, least: float, most: float) -> None:
    actual, quantiles = said_and_true(spread)
    widening = from_median(actual, quantiles, LEVELS)
    assert widening[3] == 1
    np.testing.assert_array_equal(widening, widening[::-1])
    assert (np.diff(widening[4:]) >= 0).all()
    assert least < widening[4] <= widening[6] < most
    median = quantiles[..., 3:4]
    widened = median + (quantiles - median) * widening
    assert (np.diff(widened, axis=-1) > 0).all()
    known = np.isfinite(actual)
    for lower, upper in ((0, 6), (1, 5), (2, 4)):
        inside = (actual >= widened[..., lower] - 1e-3) & (actual <= widened[..., upper] + 1e-3)
        assert LEVELS[upper] - LEVELS[lower] <= inside[known].mean()


def test_outer_factor_is_never_less_than_an_inner_one() -> None:
    rng = np.random.default_rng(0)
    actual = rng.choice([-10.0, 10.0], size=(50, 14))  # all of it beyond the inner intervals, none beyond the outer
    quantiles = np.broadcast_to([-100.0, -50, -1, 0, 1, 50, 100], (50, 14, 7))
    widening = from_median(actual, quantiles, LEVELS)
    np.testing.assert_allclose(widening, [10, 10, 10, 1, 10, 10, 10], rtol=1e-6)


# --- evaluate --------------------------------------------------------------------------------------------------------


@pytest.fixture
def evaluate(tiny_store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """`python -m training evaluate MODEL --file FILE …` on the tiny store; exit status, output and errors."""
    monkeypatch.setitem(LABELLED_TEXTS, "tiny", TinyTexts())
    monkeypatch.setitem(COVARIATE_SERIES, "tiny", TinySeries())
    monkeypatch.setitem(RECIPES, "spam-cnn", tiny_spam)
    monkeypatch.setitem(RECIPES, "ridership-wavenet", tiny_ridership)

    def run(model: str, file: Path, *further: str) -> tuple[int, str, str]:
        status = main(["evaluate", model, "--file", str(file), "--store", str(tiny_store), *further])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def figures_in(out: str) -> dict[str, Any]:
    figures: dict[str, Any] = json.loads(out, parse_constant=pytest.fail)["figures"]  # NaN is not JSON
    return figures


def sms_file(folder: Path, rows: LabelledTexts) -> Path:
    path = folder / "messages.tsv"
    path.write_text("".join(f"{label}\t{text}\n" for text, label in zip(rows.texts, rows.labels, strict=True)))
    return path


def ridership_file(folder: Path, series: CovariateSeries | None = None) -> Path:
    """The portal's form; by default the days the tiny forecaster was made from."""
    series = series or ALL_DAYS
    lines = ["service_date,day_type,bus,rail_boardings,total_rides"]
    for day, (kind, bus, rail) in enumerate(
        zip(series.future["day_type"], series.past["bus"], series.target, strict=True)
    ):
        lines.append(f"{series.date_at(day):%m/%d/%Y},{kind},{bus:.0f},{rail:.0f},{bus + rail:.0f}")
    path = folder / "boardings.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_widening_from_the_neighbour_gives_each_interval_its_own_share() -> None:
    rng = np.random.default_rng(0)
    actual = rng.standard_t(3, size=4000)
    said = np.tile(norm.ppf(LEVELS), (4000, 1))  # too wide inside, too narrow outside
    widening = from_neighbour(actual, said, LEVELS)
    middle = len(LEVELS) // 2
    steps = np.diff(said[0]) * np.delete(widening, middle)
    for step in range(1, middle + 1):
        half = steps[middle : middle + step].sum()
        assert np.mean(np.abs(actual) <= half) == pytest.approx(
            LEVELS[middle + step] - LEVELS[middle - step], abs=0.002
        )
    assert (widening > 0).all()


@pytest.mark.parametrize("model", ["spam", "spam-cnn"])
def test_evaluate_repeats_the_published_figures_of_texts(
    model: str, evaluate: Any, tiny_store: Path, tmp_path: Path
) -> None:
    status, out, _ = evaluate(model, sms_file(tmp_path, TinyTexts().load().valid))
    said = json.loads(out)
    assert status == 0
    assert said.keys() == {"model", "version", "file", "figures"}
    assert (said["model"], said["version"], said["file"]) == ("spam-cnn", 1, "messages.tsv")
    published = read_bundle(version_folder(tiny_store, "spam-cnn", 1)).manifest.metrics["model"]
    assert said["figures"]["all_rows"]["rows"] == 80
    figures = said["figures"]["without_near_duplicates_of_training_texts"]
    assert len(published) > 5
    for figure, value in published.items():
        assert figures[figure] == pytest.approx(value, rel=1e-4), figure


def test_evaluate_measures_new_texts_apart(evaluate: Any, tmp_path: Path) -> None:
    train, new = TinyTexts().load().train, LabelledTexts(["see you later mum", "win a cash prize"], ["ham", "spam"])
    mixed = LabelledTexts(train.texts[:10] + new.texts, train.labels[:10] + new.labels)
    _, out, _ = evaluate("spam", sms_file(tmp_path, mixed))
    figures = figures_in(out)
    assert figures["all_rows"]["rows"] == 12
    assert figures["without_near_duplicates_of_training_texts"]["rows"] == 2
    status, out, _ = evaluate("spam", sms_file(tmp_path, train))
    assert status == 0
    assert "every row has a near-duplicate" in figures_in(out)["without_near_duplicates_of_training_texts"]


def test_evaluate_repeats_the_published_figures_of_days(evaluate: Any, tiny_store: Path, tmp_path: Path) -> None:
    status, out, _ = evaluate("ridership", ridership_file(tmp_path), "--start", "2019-04-01", "--end", "2019-04-20")
    said = figures_in(out)
    assert status == 0
    assert (said["first_target"], said["last_target"]) == ("2019-04-01", "2019-04-20")
    assert (said["next_day_origins"], said["complete_origins"]) == (20, 7)
    published = read_bundle(version_folder(tiny_store, "ridership-wavenet", 1)).manifest.metrics
    for name in ("model", "seasonal_naive"):
        assert len(published[name]) > 1
        for figure, value in published[name].items():
            assert said[name][figure] == pytest.approx(value, rel=1e-4), (name, figure)


ALL_DAYS = TinySeries().load().series


@pytest.mark.parametrize(
    ("series", "period", "first", "last", "next_day", "complete"),
    [
        (ALL_DAYS, (), "2019-04-21", "2019-05-15", 25, 12),  # by default the days after the reported ones
        (ALL_DAYS.until(dt.date(2019, 4, 21)), (), "2019-04-01", "2019-04-20", 20, 7),  # or those, if they end the file
        (ALL_DAYS, ("2019-05-10", "2019-05-12"), "2019-05-10", "2019-05-12", 3, 0),
        (made_up_boardings(dt.date(2021, 3, 1), 40, seed=5), (), "2021-03-08", "2021-04-09", 33, 20),  # after a week
    ],
)
def test_evaluate_measures_the_days_that_make_sense(
    series: CovariateSeries,
    period: tuple[str, ...],
    first: str,
    last: str,
    next_day: int,
    complete: int,
    evaluate: Any,
    tmp_path: Path,
) -> None:
    options = [part for pair in zip(("--start", "--end"), period, strict=False) for part in pair]
    status, out, _ = evaluate("ridership", ridership_file(tmp_path, series), *options)
    figures = figures_in(out)
    assert status == 0
    assert (figures["first_target"], figures["last_target"]) == (first, last)
    assert (figures["next_day_origins"], figures["complete_origins"]) == (next_day, complete)
    assert "mae_next_day" in figures["model"]
    assert ("mae_mean_of_14" in figures["model"]) == (complete > 0)


def days_of_may() -> CovariateSeries:
    first = dt.date(2019, 5, 1)
    begin = ALL_DAYS.index_of(first)
    bus, kinds = ALL_DAYS.past["bus"][begin:], ALL_DAYS.future["day_type"][begin:]
    return CovariateSeries(first, ALL_DAYS.target[begin:], {"bus": bus}, {"day_type": kinds})


def test_evaluate_takes_history_before_the_file_from_the_data_set(evaluate: Any, tmp_path: Path) -> None:
    period = ("--start", "2019-05-01", "--end", "2019-05-15")
    _, whole, _ = evaluate("ridership", ridership_file(tmp_path), *period)
    _, part, _ = evaluate("ridership", ridership_file(tmp_path, days_of_may()))
    assert figures_in(part) == figures_in(whole)
    assert figures_in(part)["first_target"] == "2019-05-01"


HEADER = "service_date,day_type,bus,rail_boardings\n"


@pytest.mark.parametrize(
    ("model", "content", "message"),
    [
        ("spam", None, "No such file"),
        ("spam", b"", "line 1: expected ham or spam"),
        ("spam", b"ham\tfine\nspam no tab\n", "line 2: expected ham or spam"),
        ("spam", b"label,text\nham,hello\n", "line 1: expected ham or spam"),
        ("spam", b"ham\t\xff\xfe\n", "UnicodeDecodeError"),
        ("ridership", None, "No such file"),
        ("ridership", b"", "No columns to parse"),
        ("ridership", b"date,rides\n2019-01-01,5\n", "columns absent: service_date, day_type, bus, rail_boardings"),
        ("ridership", HEADER.encode(), "there are no rows"),
        ("ridership", HEADER.encode() + b"2019-01-01,U,1,2\n", "2019-01-01"),
        ("ridership", HEADER.encode() + b"01/01/2019,U,1,2\n01/03/2019,W,1,2\n", "2019-01-02 has no row"),
        ("ridership", HEADER.encode() + b"01/01/2019,X,1,2\n", "2019-01-01 has a day_type other than W, A, U"),
        ("ridership", HEADER.encode() + b"01/01/2019,,1,2\n", "2019-01-01 has a day_type other than W, A, U"),
        ("ridership", HEADER.encode() + b"01/01/2019,U,1,\n", "2019-01-01 has no count"),
        ("ridership", HEADER.encode() + b"01/01/2019,U,many,2\n", "many"),
        ("ridership", HEADER.encode() + b"01/01/2019,U,1,2\n", "outside the series"),
        ("ridership", b"\x00\xff", "UnicodeDecodeError"),
    ],
)
def test_file_that_cannot_be_measured_is_said_so(
    model: str, content: bytes | None, message: str, evaluate: Any, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    status, out, err = evaluate(model, file)
    assert status == 1
    assert out == ""
    assert message in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("period", "message"),
    [
        (("--start", "2019-05-16"), "no day from 2019-05-16"),
        (("--start", "2030-01-01"), "2030-01-01 is outside the series, 2018-01-01 to 2019-05-15"),
        (("--end", "2019-05-16"), "no day from 2019-04-21 to 2019-05-16"),
        (("--start", "2018-01-07"), "a week of history is needed before 2018-01-07; the file starts at 2018-01-01"),
        (("--start", "2017-12-31"), "2017-12-31 is before the first day of the file, 2018-01-01"),
        (("--start", "2019-05-02", "--end", "2019-05-01"), "no day from 2019-05-02 to 2019-05-01"),
    ],
)
def test_period_that_cannot_be_measured_is_named(
    period: tuple[str, ...], message: str, evaluate: Any, tmp_path: Path
) -> None:
    status, out, err = evaluate("ridership", ridership_file(tmp_path), *period)
    assert (status, out) == (1, "")
    assert message in err


def test_evaluate_never_measures_days_before_the_file(evaluate: Any, tmp_path: Path) -> None:
    status, _, err = evaluate("ridership", ridership_file(tmp_path, days_of_may()), "--start", "2019-04-30")
    assert status == 1
    assert "2019-04-30 is before the first day of the file, 2019-05-01" in err


@pytest.mark.parametrize(
    ("arguments", "expected", "message"),
    [
        (["eggs"], 2, "no bundle 'eggs'"),
        (["ridership-rnn"], 2, "no bundle 'ridership-rnn'"),
        ([""], 2, "no bundle ''"),
        (["spam", "--version", "0"], 2, "spam-cnn has no version 0 in"),
        (["spam", "--version", "7"], 2, "it has 1"),
        (["spam", "--store", "/nowhere"], 1, "No such file"),
    ],
)
def test_what_is_not_in_the_store_is_named(
    arguments: list[str], expected: int, message: str, evaluate: Any, tmp_path: Path
) -> None:
    model, *options = arguments
    status, out, err = evaluate(model, sms_file(tmp_path, UNSEEN), *options)
    assert (status, out) == (expected, "")
    assert message in err


def test_date_that_is_none_is_said_so(evaluate: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        evaluate("ridership", ridership_file(tmp_path), "--start", "31.12.2019")
    assert stopped.value.code == 2
    assert "--start" in capsys.readouterr().err


def test_fit_without_data_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEQSERVE_DATA", str(tmp_path))
    store, runs = tmp_path / "store", tmp_path / "runs"
    for name in RECIPES:
        assert main(["fit", name, "--store", str(store), "--runs", str(runs), "--no-progress"]) == 1
        assert "DataUnavailable: SEQSERVE_DATA is set, but" in capsys.readouterr().err
    assert not store.exists()


def test_recipes_are_listed_with_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == list(RECIPES)
    assert f"spam-cnn: {RECIPES['spam-cnn']().intended_use}" in lines


# --- real data -------------------------------------------------------------------------------------------------------


@pytest.mark.real_data
def test_reported_messages_have_no_near_duplicate_in_training(real_data: Path) -> None:
    split = LABELLED_TEXTS["sms_spam"].load()
    kept = without_near_duplicates(split.valid.texts, split.train.texts)
    assert len(kept) == 553
    train_keys = {near_duplicate_key(text) for text in split.train.texts}
    assert not train_keys & {near_duplicate_key(split.valid.texts[row]) for row in kept}
    assert len(train_keys & {near_duplicate_key(text) for text in split.valid.texts}) > 0


@pytest.mark.real_data
def test_shipped_forecaster_is_reported_on_the_lectures_days(real_data: Path) -> None:
    recipe: Any = RECIPES["ridership-wavenet"]()
    series = COVARIATE_SERIES["cta_ridership"].load().series
    origins = Origins.of(series, recipe.spec(), recipe.reporting_start, recipe.reporting_end)
    assert (len(origins), len(origins.complete())) == (95, 82)
    march_to_may = Origins.of(series, recipe.spec(), dt.date(2019, 3, 1), recipe.reporting_end)
    errors = np.abs(march_to_may.actual - forecast_figures.seasonal_naive(march_to_may))
    assert errors[:, 0].mean() == pytest.approx(42_143, abs=1)  # the lecture's figure, A. Géron, chapter 15
