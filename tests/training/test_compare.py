"""Comparisons: fits are kept and go on after an interruption; the report says who is best, by rows nobody reported."""

import dataclasses
import json
import re
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bundle.manifest import MODEL_FILE
from tests.training.small import VARIANTS
from tests.training.tiny_recipes import TinyTexts, described, tiny_ridership, tiny_spam
from training.__main__ import main
from training.compare.compare import Compared, Comparison, compare, comparisons
from training.compare.latency import microseconds_per_answer
from training.compare.outcomes import Outcome, read_outcome, read_row, settings_key
from training.compare.report import memory_section, shapes_section, write_report
from training.compare.standings import Standings
from training.data.loaders import LABELLED_TEXTS, SERIES_SETS
from training.data.own_texts import OwnTexts
from training.data.series_set import Series, SeriesSet
from training.experiments import memory, shapes
from training.export import session, trace
from training.models import ARCHITECTURES
from training.models.linear import LinearConfig
from training.models.properties import properties
from training.plots import Fan
from training.recipes import RECIPES, Recipe
from training.recipes.forecast import forecast
from training.tasks import TrainedModel
from training.tasks.classify import fit as classify

pytestmark = pytest.mark.slow


def tiny_recipe(architecture: str) -> Recipe:
    settings: dict[str, Any] = {"cnn": tiny_spam().settings, "linear": LinearConfig(outputs=8, window=1)}
    return dataclasses.replace(
        tiny_spam(), name=f"tiny-{architecture}", architecture=architecture, settings=settings[architecture]
    )


TINY = Comparison("tiny", {architecture: tiny_recipe(architecture) for architecture in ("linear", "cnn")})


@pytest.fixture(scope="module", autouse=True)
def tiny_texts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(LABELLED_TEXTS, "tiny", TinyTexts())
        yield


def run(runs: Path, comparison: Comparison = TINY, seeds: int = 2, to_model: Any = trace) -> Compared:
    """Without the fresh process and the checks of a real export, which have their own tests."""
    architectures = list(comparison.recipes)
    return compare(comparison, architectures, range(seeds), runs, progress=False, to_model=to_model)


def refuse(_trained: TrainedModel) -> bytes:
    pytest.fail("it was fitted again")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two architectures with two seeds, all fitted; read it, don't write to it."""
    folder = tmp_path_factory.mktemp("runs")
    run(folder)
    return folder


def fits_in(runs: Path, unfinished: int = 0) -> list[str]:
    """Architecture and seed of what is finished; fails where more or less is half-done."""
    found = [path.name for path in (runs / "compare" / "tiny").iterdir() if not path.name.startswith("baselines-")]
    assert len([name for name in found if name.startswith(".")]) == unfinished
    return sorted(name.rpartition("-")[0] for name in found if not name.startswith("."))


# --- fits ------------------------------------------------------------------------------------------------------------


def test_recipes_are_gathered_by_the_first_part_of_their_name() -> None:
    gathered = comparisons(RECIPES)
    assert {f"{name}-{part}" for name, found in gathered.items() for part in found.recipes} == RECIPES.keys()
    assert gathered["spam"].recipes["cnn"] == RECIPES["spam-cnn"]()


def test_every_architecture_is_fitted_with_every_seed(runs: Path) -> None:
    compared = run(runs, to_model=refuse)
    assert fits_in(runs) == ["cnn-0", "cnn-1", "linear-0", "linear-1"]
    assert {name: [outcome.seed for outcome, _ in found] for name, found in compared.outcomes.items()} == {
        "linear": [0, 1],
        "cnn": [0, 1],
    }
    first, second = (outcome for outcome, _ in compared.outcomes["cnn"])
    assert first.curves != second.curves
    for outcome, place in compared.outcomes["cnn"] + compared.outcomes["linear"]:
        model = (place / MODEL_FILE).read_bytes()
        assert outcome.model_bytes == len(model)
        assert outcome.training_seconds > 0
        assert session(model)(read_row(place))["probabilities"].shape == (1, 2)


def test_outcome_holds_what_fitting_alone_gives(runs: Path, tmp_path: Path) -> None:
    recipe: Any = TINY.recipes["cnn"]
    trained = classify.fit(recipe, 1, tmp_path, progress=False)
    compared = run(runs, to_model=refuse)
    [outcome] = [outcome for outcome, _ in compared.outcomes["cnn"] if outcome.seed == 1]
    assert outcome.figures == json.loads(json.dumps(trained.metrics["model"]))
    assert outcome.selected == trained.report["selection"]["left_out_folds"]["mcc"]
    assert outcome.parameters == trained.parameters
    assert compared.baselines == {name: figures for name, figures in trained.metrics.items() if name != "model"}


def test_interrupted_comparison_goes_on_where_it_was(tmp_path: Path) -> None:
    def interrupted(trained: TrainedModel) -> bytes:
        if fits_in(tmp_path, unfinished=1):
            raise KeyboardInterrupt
        return trace(trained)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, seeds=1, to_model=interrupted)
    assert fits_in(tmp_path) == ["linear-0"]
    [place] = (tmp_path / "compare" / "tiny").glob("linear-0-*")
    before = read_outcome(place)
    compared = run(tmp_path, seeds=1)
    assert fits_in(tmp_path) == ["cnn-0", "linear-0"]
    assert compared.outcomes["linear"] == [(before, place)]  # its seconds too: it wasn't fitted again


def test_changed_settings_are_fitted_anew(runs: Path) -> None:
    with pytest.raises(pytest.fail.Exception, match="fitted again"):
        run(runs, comparison=changed(max_epochs=5), to_model=refuse)
    assert fits_in(runs) == ["cnn-0", "cnn-1", "linear-0", "linear-1"]


def changed(**schedule: Any) -> Comparison:
    recipes: dict[str, Any] = TINY.recipes
    recipe = dataclasses.replace(recipes["cnn"], schedule=dataclasses.replace(recipes["cnn"].schedule, **schedule))
    return Comparison("tiny", {**recipes, "cnn": recipe})


def test_what_can_not_be_compared_is_named(tmp_path: Path) -> None:
    mixed = Comparison("mixed", {"cnn": TINY.recipes["cnn"], "wavenet": tiny_ridership()})
    with pytest.raises(ValueError, match="differ in task or data: classify on tiny, forecast on tiny"):
        run(tmp_path, comparison=mixed)
    with pytest.raises(ValueError, match="tiny has no recipe for eggs; it has linear, cnn"):
        compare(TINY, ["eggs"], [0], tmp_path)
    with pytest.raises(ValueError, match="at least 1 seed"):
        run(tmp_path, seeds=0)


def test_outcomes_measured_on_other_rows_are_refused(tmp_path: Path) -> None:
    run(tmp_path, seeds=1)
    [place] = (tmp_path / "compare" / "tiny").glob("cnn-0-*")
    told = json.loads((place / "outcome.json").read_text())
    (place / "outcome.json").write_text(json.dumps(told | {"evaluated_on": "12 other rows"}))
    with pytest.raises(ValueError, match=r"linear-0 and cnn-0 can't be compared, .* 12 other rows"):
        run(tmp_path, seeds=1, to_model=refuse)


def test_changed_content_of_an_own_file_is_fitted_anew(tmp_path: Path) -> None:
    file = tmp_path / "texts.csv"
    keys = set()
    for content in ("text,label\n", "text,label\nhello,ham\n"):
        file.write_text(content)
        own = OwnTexts(file, "text", "label", ("ham", "spam"))
        keys |= {settings_key(dataclasses.replace(tiny_spam(), data=own)) for _ in range(2)}
    assert len(keys) == 2


# --- many series -----------------------------------------------------------------------------------------------------


def made_up_sets() -> list[SeriesSet]:
    """Monthly series with a season, one with a gap, and yearly ones without."""
    rng = np.random.default_rng(0)
    season = np.tile([5.0, 5, 6, 7, 9, 9, 12, 11, 9, 7, 6, 8], 6)
    monthly = [Series(f"m{number}", season * (1 + number) + rng.normal(0, 0.2, 72)) for number in range(3)]
    monthly[1].values[3:6] = np.nan
    yearly = [Series(f"y{number}", np.cumsum(rng.normal(1, 0.5, 30))) for number in range(3)]
    described_ = described("made up")
    return [
        SeriesSet("made monthly", monthly, "MS", 12, 6, described_),
        SeriesSet("made yearly", yearly, "YS", 1, 4, described_),
    ]


def tiny_forecast(architecture: str) -> Recipe:
    recipe = forecast(architecture)
    return dataclasses.replace(
        recipe,
        data=("made_up",),
        context_length=48,
        batches_per_epoch=3,
        network=dataclasses.replace(recipe.network, horizon=12),
        schedule=dataclasses.replace(recipe.schedule, max_epochs=1, batch_size=8),
    )


def test_forecasters_of_many_series_are_compared_by_every_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(SERIES_SETS, "made_up", made_up_sets)
    comparison = Comparison("many", {name: tiny_forecast(name) for name in ("linear", "cnn")})
    standings = Standings(run(tmp_path, comparison, seeds=1), {"linear-0": 5.0, "cnn-0": 9.0})
    baselines = standings.baselines
    assert baselines["seasonal_naive"]["mase_made_monthly"] < baselines["naive"]["mase_made_monthly"]
    assert baselines["auto_theta_on_a_sample"].keys() == baselines["naive"].keys()
    assert baselines["seasonal_arima_on_a_sample"].keys() == {"mase_made_monthly"}  # so it has no mean of sets
    figures = standings.outcomes["cnn"][0].figures
    assert figures["mase_made"] == pytest.approx((figures["mase_made_monthly"] + figures["mase_made_yearly"]) / 2)
    assert figures["mase_mean_of_data_sets"] == figures["mase_made"]
    write_report(standings, "again", tmp_path / "report")
    page = check(tmp_path / "report", ["linear", "cnn", "auto theta on a sample", "made monthly"])
    assert any("made monthly, series m0, the last 6 steps" in alt for alt in page.described)


# --- standings -------------------------------------------------------------------------------------------------------


def outcome(architecture: str, seed: int, selected: float, figures: dict[str, Any], **more: Any) -> Outcome:
    epochs = [{"train_loss": 2.0, "valid_loss": 1.5}, {"train_loss": 1.0, "valid_loss": 1.2}]
    given: dict[str, Any] = {
        "parameters": 100 * len(architecture),
        "model_bytes": 2048,
        "training_seconds": 3.0,
        "evaluated_on": "5 rows",
        "data": [{"name": "rows & <i>", "licence": "none", "origin": "https://example.org/rows", "rows": {"days": 9}}],
        "curves": [epochs],
        "fan": None,
        "labels": None,
        "source_commit": "unknown",
    }
    return Outcome(architecture=architecture, seed=seed, selected=selected, figures=figures, **given | more)


def standings_of(comparison: Comparison, outcomes: list[Outcome], baselines: dict[str, Any]) -> Standings:
    by_architecture = {
        name: [(found, Path()) for found in outcomes if found.architecture == name] for name in comparison.recipes
    }
    compared = Compared(comparison, sorted({found.seed for found in outcomes}), by_architecture, baselines)
    return Standings(compared, {found.name: 10.0 * len(found.name) for found in outcomes})


def texts(selected: dict[str, list[float]], reported: dict[str, list[float]]) -> Standings:
    counts = [[8, 2], [1, 9]]
    outcomes = [
        outcome(name, seed, value, {"mcc": reported[name][seed], "confusion": counts}, labels=["a|b", "<b>$1$"])
        for name, values in selected.items()
        for seed, value in enumerate(values)
    ]
    return standings_of(TINY, outcomes, {"majority": {"mcc": 0.0}, "tfidf_character_svm": {"mcc": 0.85}})


def test_best_is_chosen_by_the_selection_and_not_by_the_reported_rows() -> None:
    standings = texts({"linear": [0.7, 0.8, 0.9], "cnn": [0.1, 0.81, 0.82]}, {"linear": [0.5] * 3, "cnn": [0.4] * 3})
    assert standings.best() == "cnn"
    assert standings.as_good() == ["linear"]
    standings = texts({"linear": [0.7, 0.75, 0.8], "cnn": [0.81, 0.82, 0.9]}, {"linear": [0.9] * 3, "cnn": [0.4] * 3})
    assert standings.best() == "cnn"
    assert standings.as_good() == []
    assert standings.strongest_baseline() == "tfidf_character_svm"
    assert standings.better_than("tfidf_character_svm") == ["linear"]


def days(mae: dict[str, float]) -> Standings:
    recipe = tiny_ridership()
    fan = Fan(
        title="boardings",
        unit="days",
        history=[5.0, None, 7.0] * 20,
        actual=[6.0, 7.0, None],
        median=[6.5, 6.0, 6.0],
        intervals={"95": ([4.0] * 3, [8.0] * 3), "80": ([6.2, 5.0, 5.0], [7.0] * 3)},
        naive=[5.0, None, 7.0],
    )
    outcomes = [
        outcome(name, seed, value, {"mae_mean_of_14": value + seed, "coverage_80": 0.75}, fan=dataclasses.asdict(fan))
        for name, value in mae.items()
        for seed in range(2)
    ]
    comparison = Comparison("days", dict.fromkeys(mae, recipe))
    return standings_of(comparison, outcomes, {"naive": {"mae_mean_of_14": 30.0}, "ridge": {"mae_mean_of_14": 18.0}})


def test_lower_errors_are_better() -> None:
    standings = days({"rnn": 20.0, "wavenet": 16.0})
    assert standings.best() == "wavenet"
    assert standings.strongest_baseline() == "ridge"
    assert standings.better_than("ridge") == ["wavenet"]


def test_every_model_is_timed(runs: Path) -> None:
    compared = run(runs, to_model=refuse)
    models = {
        outcome.name: (session((place / MODEL_FILE).read_bytes()), read_row(place))
        for outcome, place in compared.outcomes["cnn"]
    }
    microseconds = microseconds_per_answer(models, rounds=1)
    assert microseconds.keys() == {"cnn-0", "cnn-1"}
    assert min(microseconds.values()) > 0


# --- the report ------------------------------------------------------------------------------------------------------

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Parsed(HTMLParser):
    """Fails where tags aren't closed in order or an identifier stands twice."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: set[str] = set()
        self.described: list[str] = []
        self.svgs = 0
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        assert len(given) == len(attrs), f"{tag} has an attribute twice"
        if identifier := given.get("id"):
            assert identifier not in self.ids
            self.ids.add(identifier)
        if tag == "svg":
            self.svgs += 1
            if given.get("role") == "img":
                self.described.append(given.get("aria-label") or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def check(folder: Path, contenders: list[str]) -> Parsed:
    """What holds for every report; returns the page."""
    html, markdown = (folder / "report.html").read_text(), (folder / "report.md").read_text()
    page = Parsed(html)
    assert re.findall(r"https?:|//|@import|<script|<link", re.sub(r"/\*.*?\*/", "", html)) == []
    references = re.findall(r'(?:url\(|href="|src=")([^")]*)', html)
    assert {reference.removeprefix("#") for reference in references} <= page.ids
    images = re.findall(r"!\[(.+?)\]\((.+?)\)", markdown)
    assert len(images) == page.svgs == len(page.described) > 2
    assert all(len(alt) > 40 for alt in page.described)
    assert all((folder / file).read_bytes().startswith(b"<?xml") for _, file in images)
    for name in contenders:
        assert re.search(rf"^\| (\*\*)?{name}", markdown, flags=re.MULTILINE)
        assert re.search(rf'<th scope="row">{name}\b', html)
    return page


def test_command_writes_a_report_of_every_contender_and_baseline(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("linear", "cnn"):
        monkeypatch.setitem(RECIPES, f"tiny-{name}", partial(tiny_recipe, name))
    output = tmp_path / "report"
    arguments = ["compare", "tiny", "--seeds", "2", "--runs", str(runs), "--output", str(output), "--no-progress"]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"{output / 'report.html'}\n"
    baselines = ["majority", "tfidf logistic regression", "tfidf character svm"]
    page = check(output, ["linear", "cnn", *baselines])
    assert "python -m training compare tiny --seeds 2" in (output / "report.md").read_text()
    assert "validation part less 0 near-duplicates of training texts: 80 rows" in page.text
    numbers = json.loads((output / "report.json").read_text())
    assert {fit["architecture"] for fit in numbers["fits"]} == {"linear", "cnn"}
    assert f"Chosen: {numbers['chosen']}." in page.text


def test_one_seed_of_one_architecture_makes_a_report(runs: Path, tmp_path: Path) -> None:
    compared = compare(TINY, ["cnn"], [0], runs, progress=False, to_model=refuse)
    write_report(Standings(compared, {"cnn-0": 12.0}), "again", tmp_path)
    check(tmp_path, ["cnn", "majority"])


def test_report_shows_labels_and_data_as_they_are_written(tmp_path: Path) -> None:
    write_report(texts({"linear": [0.8], "cnn": [0.7]}, {"linear": [0.8], "cnn": [0.7]}), "again", tmp_path)
    page = check(tmp_path, ["linear", "cnn"])
    assert "rows & <i>" in page.text
    assert "example.org/rows" in page.text
    assert "of 10 a|b, 8 were taken for a|b, 2 were taken for <b>$1$" in page.described[-1]
    assert page.text.count("<b>$1$") == 4  # on two axes of two matrices, and no formula


def test_report_of_forecasts_shows_the_same_forecast_by_each(tmp_path: Path) -> None:
    write_report(days({"rnn": 20.0, "wavenet": 16.0}), "again", tmp_path)
    page = check(tmp_path, ["rnn", "wavenet", "naive", "ridge"])
    assert {path.name for path in tmp_path.glob("forecast-*")} == {"forecast-rnn.svg", "forecast-wavenet.svg"}
    assert any("2 of 2 values are inside the 95 % interval" in alt for alt in page.described)
    assert "Better than that in the median: wavenet." in page.text


def keep(folder: Path, kind: Any, outcomes: list[dict[str, Any]]) -> None:
    """Write outcomes of an experiment, of which only some fields matter."""
    unset: dict[str, Any] = dict.fromkeys((field.name for field in dataclasses.fields(kind)), 0)
    for number, outcome in enumerate(outcomes):
        (folder / f"adding-{number}.json").write_text(json.dumps(unset | outcome))


def test_report_says_how_far_back_each_remembers(tmp_path: Path) -> None:
    kept = [("LSTM", 100, 0.002), ("LSTM", 20, 0.001), ("simple RNN", 20, 0.09)]
    outcomes = [
        {"contender": contender, "length": length, "error": error, "solved": error < 0.01}
        for contender, length, error in kept
    ]
    keep(tmp_path, memory.Outcome, [{"task": "adding", "baseline": 0.1} | outcome for outcome in outcomes])
    section = memory_section(memory.read_outcomes(tmp_path))
    write_report(days({"rnn": 20.0, "wavenet": 16.0}), "again", tmp_path / "report", [section])
    page = check(tmp_path / "report", ["rnn", "wavenet", "LSTM", "simple RNN"])
    assert "LSTM at 100 steps; simple RNN at no length" in page.described[-1]
    assert "| simple RNN | 90 % | – |" in (tmp_path / "report" / "report.md").read_text()


def test_folder_without_memory_outcomes_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no outcome is in .*; python -m training.experiments.memory"):
        memory.read_outcomes(tmp_path)


def test_report_says_what_each_shape_of_problem_gave(tmp_path: Path) -> None:
    names = [shape.name for shape in shapes.SHAPES]
    further: list[float | None] = [30_000.0, *[None] * (len(names) - 1)]
    outcomes = [
        {"shape": name, "architecture": "rnn", "mae_next_day": 20_000.0 + place, "mae_mean_of_14": further[place]}
        for place, name in enumerate(names)
    ]
    keep(tmp_path, shapes.ShapeOutcome, outcomes)
    baseline = shapes.Row("last week repeated", "", 41_274.0, 39_756.0)
    section = shapes_section(shapes.read_outcomes(tmp_path), baseline)
    write_report(days({"rnn": 20.0, "wavenet": 16.0}), "again", tmp_path / "report", [section])
    page = check(tmp_path / "report", ["rnn", "wavenet", *names])
    assert f"best by {names[0]} (rnn): 20,000, beside 41,274" in page.described[-1]
    assert "| last week repeated |  | 41,274 | 39,756 |" in (tmp_path / "report" / "report.md").read_text()


# --- properties ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", [*VARIANTS, "linear, one step"])
@torch.no_grad()
def test_what_is_said_of_order_and_memory_is_so(variant: str) -> None:
    architecture, settings = VARIANTS.get(variant, ("linear", LinearConfig(outputs=4, window=1)))
    said = properties(architecture, settings)
    torch.manual_seed(0)
    body = ARCHITECTURES[architecture].build(3, settings).eval()
    x, mask, turned = torch.randn(1, 30, 3), torch.ones(1, 30), torch.arange(29, -1, -1)
    same = torch.allclose(body(x[:, turned], mask)[:, turned], body(x, mask), atol=1e-6)
    assert same == said.order.startswith("No")
    reach = [step for step in range(30) if not torch.equal(body(x, mask)[0, 15], changed_at(step, body, x)[0, 15])]
    assert (max(reach) <= 15) == ("both sides" not in said.memory)
    steps = re.match(r"(\d+) step", said.memory)
    assert len(reach) == (int(steps[1]) if steps else 30 if "both sides" in said.memory else 16)


def changed_at(step: int, body: Any, x: torch.Tensor) -> torch.Tensor:
    other = x.clone()
    other[0, step] += 100
    output: torch.Tensor = body(other, torch.ones(1, x.shape[1]))
    return output
