"""The bundles in `models_store`: whole, proven, small, and as good as they say."""

import datetime as dt
from pathlib import Path

import numpy as np
import pytest

from bundle.golden import Arrays, Golden, Run, replay
from bundle.manifest import GOLDEN_FILE, MODEL_FILE
from bundle.store import Bundle, list_versions, read_aliases, read_bundle, version_folder
from bundle.tasks.classify.reference import NUM_BINS, population_stability_index
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import PAD_ID, TOKENIZER_FILE, TextEncoder, pad
from bundle.tasks.forecast.spec import ForecastSpec
from service.settings import Settings
from tests.support.drift_reference import reference_of
from tests.support.running_app import running_app
from training.__main__ import main
from training.data.loaders import COVARIATE_SERIES, SERIES_SETS
from training.data.splits import without_near_duplicates
from training.export import EXPORT_TOLERANCE, session
from training.recipes import RECIPES
from training.recipes.short_texts import short_texts
from training.tasks import Period, Samples
from training.tasks.classify.recipe import ClassifyRecipe
from training.tasks.classify.reference import measure
from training.tasks.forecast.samples import HistorySamples, SeriesSamples
from training.tasks.table import TASKS

STORE = Path(__file__).resolve().parents[2] / "models_store"
VERSIONS = [(name, version) for name, versions in list_versions(STORE).items() for version in versions]
MEGABYTE = 1024 * 1024


@pytest.fixture(params=VERSIONS, ids=lambda key: f"{key[0]}-{key[1]}")
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return read_bundle(version_folder(STORE, *request.param))


@pytest.fixture
def run(bundle: Bundle) -> Run:
    return session(bundle.files[MODEL_FILE])


def test_three_architectures_of_every_family_are_shipped_and_an_alias_means_one_of_them() -> None:
    families = {name.rpartition("-")[0] for name in RECIPES}
    shipped = {name for name, _ in VERSIONS}
    assert shipped == {f"{family}-{architecture}" for family in families for architecture in ("rnn", "cnn", "wavenet")}
    aliases = {alias: target.name for alias, target in read_aliases(STORE).items()}
    assert aliases.keys() == families
    for alias, name in aliases.items():
        assert name in shipped
        assert RECIPES[name]().alias == alias


def test_store_stays_small() -> None:
    assert sum(path.stat().st_size for path in STORE.rglob("*") if path.is_file()) < 60 * MEGABYTE
    assert max(len(versions) for versions in list_versions(STORE).values()) <= 2


def test_golden_samples_are_reproduced(bundle: Bundle, run: Run) -> None:
    replay(Golden.from_bytes(bundle.files[GOLDEN_FILE]), run)


def test_model_behind_an_alias_beats_every_baseline() -> None:
    for target in read_aliases(STORE).values():
        metrics = read_bundle(version_folder(STORE, target.name, dict(VERSIONS)[target.name])).manifest.metrics
        recipe = RECIPES[target.name]()
        main = TASKS[recipe.task].measures(recipe).main
        best = min if main.aim == "low" else max
        assert metrics["model"][main.key] == best(figures[main.key] for figures in metrics.values()), target.name


def test_every_forecaster_beats_the_seasonal_naive_forecast(bundle: Bundle) -> None:
    """On every data set; where the series are random walks, it is no more than 1 % worse."""
    metrics = bundle.manifest.metrics
    names = {f"mase_{name}" for name in SERIES_SETS} | {"mae_next_day", "mae_mean_of_14"}
    errors = {name: value for name, value in metrics["model"].items() if name in names}
    if bundle.manifest.name.startswith("forecast-"):
        assert len(errors) == len(SERIES_SETS)
    assert bool(errors) == isinstance(bundle.manifest.spec, ForecastSpec)
    for name, error in errors.items():
        assert error < metrics["seasonal_naive"][name] * (1.01 if "exchange_rate" in name else 1), name


def test_code_that_trained_it_was_committed(bundle: Bundle) -> None:
    assert len(bundle.manifest.source_commit) == 40


def test_every_classifier_has_a_reference_that_has_not_drifted_from_itself(bundle: Bundle) -> None:
    reference = reference_of(bundle)
    assert (reference is not None) == isinstance(bundle.manifest.spec, ClassifySpec)
    if reference is None:
        return
    assert reference.num_rows == bundle.manifest.metrics["model"]["rows"] >= 500
    parts = [reference.scores.shares, reference.lengths.shares, list(reference.labels.values())]
    for shares in parts:
        counts = np.array(shares) * reference.num_rows
        np.testing.assert_allclose(counts, counts.round(), atol=1e-9)
        index = population_stability_index(shares, reference.num_rows, counts.round())
        assert index == pytest.approx(0, abs=1e-12)
    assert [len(shares) for shares in parts[:2]] == [NUM_BINS, NUM_BINS]


@pytest.mark.real_data
def test_reference_is_found_again_on_the_reported_texts(bundle: Bundle, run: Run, real_data: Path) -> None:
    spec, reference = bundle.manifest.spec, reference_of(bundle)
    if not isinstance(spec, ClassifySpec) or reference is None:
        return
    recipe = RECIPES[bundle.manifest.name]()
    assert isinstance(recipe, ClassifyRecipe)
    split = recipe.source().load()
    if [data.name for data in split.described] != [data.name for data in bundle.manifest.data]:
        return  # an earlier version, of other data
    texts = split.valid.at(without_near_duplicates(split.valid.texts, split.train.texts)).texts
    again = measure(spec, bundle.files[TOKENIZER_FILE].decode(), texts, run, reference.measured_on)
    assert again.labels == reference.labels
    assert again.lengths == reference.lengths
    assert again.scores.shares == reference.scores.shares
    assert again.scores.edges == pytest.approx(reference.scores.edges, rel=1e-3)  # another CPU rounds otherwise


def assert_same(expected: np.ndarray, actual: np.ndarray) -> None:
    assert np.abs(expected - actual).max() <= EXPORT_TOLERANCE * max(1.0, float(np.abs(expected).max()))


def test_padding_and_neighbours_never_change_an_answer(bundle: Bundle, run: Run) -> None:
    """Each row alone, padded to 512, and inside a mixed batch of 64."""
    rng = np.random.default_rng(0)
    spec = bundle.manifest.spec
    if isinstance(spec, ClassifySpec):
        _check_texts(spec, bundle, run, rng)
    else:
        assert isinstance(spec, ForecastSpec)
        _check_series(spec, run, rng)


def _check_texts(spec: ClassifySpec, bundle: Bundle, run: Run, rng: np.random.Generator) -> None:
    encoder = TextEncoder.of(bundle.files[TOKENIZER_FILE].decode(), spec)
    words = ["win", "free", "home", "call", "07123", "tonight", "€", "prize!", "ok", "你好", "😀", "claim"]
    texts = ["", "ok", *(" ".join(rng.choice(words, size=rng.integers(1, 60))) for _ in range(62))]
    rows = [encoder.encode(text).ids for text in texts]
    together = run({"ids": pad(rows, 512)})["probabilities"]
    for place, row in enumerate(rows):
        alone = run({"ids": pad([row])})["probabilities"][0]
        assert_same(alone, together[place])
        assert_same(alone, run({"ids": pad([row], 512)})["probabilities"][0])
    assert PAD_ID not in np.concatenate(rows)


def _check_series(spec: ForecastSpec, run: Run, rng: np.random.Generator) -> None:
    samples: Samples
    if spec.future_covariates:
        past = tuple(covariate.name for covariate in spec.past_covariates)
        samples = SeriesSamples(past, spec.horizon, len(spec.future_covariates[0].categories))
    else:
        samples = HistorySamples(any_freq=spec.freq is None)
    rows: Arrays = samples.draw(rng, 64, spec.context_length)
    together = run(rows)["quantiles"]
    padded = run(samples.pad(rows, 512 - spec.context_length))["quantiles"]
    for place in range(64):
        row = {name: value[place : place + 1] for name, value in rows.items()}
        alone = run(row)["quantiles"][0]
        assert_same(alone, together[place])
        assert_same(alone, padded[place])
    assert (np.diff(together, axis=-1) >= 0).all()


def test_every_model_explains_its_answers() -> None:
    days = np.arange(120)
    values = (100 + days / 10 + 20 * np.sin(days * 2 * np.pi / 7)).round(2).tolist()
    with running_app(Settings(store=STORE)) as client:
        for name, version in VERSIONS:
            body = {"model": name, "version": version, "explain": True}
            response = client.post("/classify", json=body | {"inputs": "Win a free prize, call now!"})
            if response.status_code == 422:
                response = client.post("/forecast", json=body | {"values": values, "freq": "D", "horizon": 14})
                [answer] = response.json()["forecasts"]
                assert sum(stretch["weight"] for stretch in answer["explanation"]) == pytest.approx(1, abs=1e-4)
                assert len(answer["explanation"]) >= 16
            else:
                [answer] = response.json()["results"]
                words = [word["text"] for word in answer["explanation"]]
                assert words == ["Win", "a", "free", "prize", ",", "call", "now", "!"]
            assert max(part["weight"] for part in answer["explanation"]) > 0.05, name


@pytest.mark.real_data
def test_spam_filter_is_as_good_as_promised(real_data: Path) -> None:
    bundle = read_bundle(version_folder(STORE, "spam-cnn", list_versions(STORE)["spam-cnn"][-1]))
    recipe = short_texts("cnn", "spam-cnn")  # whose text messages version 4 was fitted to
    figures = TASKS["classify"].evaluate(
        recipe, bundle.manifest, dict(bundle.files), session(bundle.files[MODEL_FILE]),
        real_data / "sms_spam" / "valid.tsv", Period(),
    )  # fmt: skip
    unseen = figures["without_near_duplicates_of_training_texts"]
    assert unseen["rows"] == 553
    assert unseen["mcc"] >= 0.93
    assert unseen["mcc"] == pytest.approx(bundle.manifest.metrics["model"]["mcc"], abs=1e-9)


@pytest.mark.real_data
def test_ridership_is_as_good_as_promised(real_data: Path) -> None:
    bundle = read_bundle(version_folder(STORE, "ridership-wavenet", list_versions(STORE)["ridership-wavenet"][-1]))
    recipe = RECIPES["ridership-wavenet"]()
    path = real_data / "cta_ridership" / "daily_boardings_to_2019-05-31.csv"
    figures = TASKS["forecast"].evaluate(
        recipe, bundle.manifest, dict(bundle.files), session(bundle.files[MODEL_FILE]), path, Period()
    )
    assert (figures["next_day_origins"], figures["complete_origins"]) == (95, 82)
    assert figures["model"]["mae_next_day"] < 29_015
    assert figures["model"]["mae_mean_of_14"] < 35_017
    assert figures["seasonal_naive"]["mae_next_day"] == pytest.approx(41_274.3, abs=0.1)
    assert figures["model"]["mae_next_day"] == pytest.approx(bundle.manifest.metrics["model"]["mae_next_day"], rel=1e-4)


@pytest.mark.real_data
def test_evaluate_prints_the_figures(real_data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = real_data / "sms_spam" / "valid.tsv"
    assert main(["evaluate", "spam", "--file", str(path), "--store", str(STORE)]) == 0
    assert '"mcc"' in capsys.readouterr().out


@pytest.mark.real_data
def test_ridership_beyond_its_horizon_covers_what_it_says(real_data: Path) -> None:
    """Days 15 to 28 from ten origins of 2018, the year that the intervals were fitted to."""
    days = COVARIATE_SERIES["cta_ridership"].load().series
    covered, widths = [], []
    with running_app(Settings(store=STORE)) as client:
        for month in range(1, 11):
            origin = days.index_of(dt.date(2018, month, 20))
            known = slice(origin - 112, origin)
            body = {
                "model": "ridership",
                "values": days.target[known].tolist(),
                "past_covariates": {"bus": days.past["bus"][known].tolist()},
                "start": days.date_at(origin - 112).isoformat(),
                "horizon": 28,
                "levels": [80],
            }
            [forecast] = client.post("/forecast", json=body).json()["forecasts"]
            lower, upper = (np.array(forecast["intervals"]["80"][end]) for end in ("lower", "upper"))
            actual = days.target[origin : origin + 28]
            covered.append(((lower <= actual) & (actual <= upper))[14:])
            widths.append((upper - lower).reshape(2, 14).mean(axis=1))
    assert 0.7 < np.mean(covered) < 0.92
    first, second = np.mean(widths, axis=0)
    assert first < second < 1.5 * first


@pytest.mark.parametrize("value", [0.0, 5.0])
def test_nothing_in_particular_moves_the_forecast_of_a_series_that_never_moves(value: float) -> None:
    with running_app(Settings(store=STORE)) as client:
        for name in ("forecast-rnn", "forecast-cnn", "forecast-wavenet"):
            asked = {"model": name, "values": [value] * 100, "freq": "D", "explain": True}
            answer = client.post("/forecast", json=asked)
            [forecast] = answer.json()["forecasts"]
            assert {stretch["weight"] for stretch in forecast["explanation"]} == {0.0}
            assert "-0.0," not in answer.text
