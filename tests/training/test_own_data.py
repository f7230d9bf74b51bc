"""From a person's file to an answer over HTTP: two commands, nothing in between."""

import csv
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bundle.store import read_aliases, read_bundle, version_folder
from service.settings import Settings
from tests.support.running_app import running_app
from tests.training.tiny_recipes import made_up_messages
from training.__main__ import main
from training.recipes import own

pytestmark = pytest.mark.slow

Fit = Callable[..., tuple[int, str]]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few steps, so that a fit takes seconds."""
    monkeypatch.setattr(own, "NUM_STEPS", 150)
    monkeypatch.setattr(own, "BATCHES_PER_EPOCH", 4)
    monkeypatch.setattr(own, "NUM_EPOCHS", 2)


@pytest.fixture
def fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Fit:
    """`python -m training fit …` into a store of its own; exit status and what it said."""

    def run(*arguments: str) -> tuple[int, str]:
        folders = ["--store", str(tmp_path / "store"), "--runs", str(tmp_path / "runs"), "--no-progress"]
        try:
            status = main(["fit", *arguments, *folders])
        except SystemExit as end:
            status = int(str(end.code))
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


def mail(folder: Path, **dialect: Any) -> Path:
    path = folder / "mail.csv"
    rows = made_up_messages(200, 1)
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, **dialect)
        writer.writerow(["nr", "body", "kind"])
        writer.writerows(zip(range(200), rows.texts, rows.labels, strict=True))
    return path


def sales(folder: Path) -> Path:
    path = folder / "sales.csv"
    rng = np.random.default_rng(0)
    lines = ["date,shop,units"]
    for day in range(120):
        date = dt.date(2024, 1, 1) + dt.timedelta(days=day)
        lines += [f"{date},{shop},{level * (2 + (day % 7 > 4)) + rng.normal():.2f}" for shop, level in SHOPS.items()]
    path.write_text("\n".join(lines))
    return path


SHOPS = {"north": 50.0, "south": 8.0}
CLASSIFY = ("--text", "body", "--label", "kind", "--name", "my-filter")
FORECAST = ("--time", "date", "--value", "units", "--series", "shop", "--horizon", "7", "--name", "my-sales")


def ask(store: Path, path: str, question: dict[str, Any]) -> Any:
    with running_app(Settings(store=store, required_models=[])) as client:
        answer = client.post(path, json=question)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_own_texts_go_from_file_to_answer(tmp_path: Path, fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    path, store = mail(tmp_path, delimiter=";"), tmp_path / "store"
    status, said = fit("--classify", str(path), *CLASSIFY, "--architecture", "cnn")
    assert status == 0, said
    assert str(version_folder(store, "my-filter", 1)) in said
    [result] = ask(store, "/classify", {"model": "my-filter", "inputs": "win a prize, claim cash now"})["results"]
    assert result["scores"].keys() == {"ham", "spam"}
    assert result["label"] == "spam"

    bundle = read_bundle(version_folder(store, "my-filter", 1))
    assert bundle.manifest.recipe["data"] == {
        "path": "mail.csv",
        "text": "body",
        "label": "kind",
        "labels": ["ham", "spam"],
    }
    assert str(tmp_path) not in bundle.manifest.model_dump_json()
    assert read_aliases(store) == {}

    capsys.readouterr()  # the service's own lines
    assert main(["evaluate", "my-filter", "--file", str(path), "--store", str(store)]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    assert figures["all_rows"]["rows"] == 200
    assert "mail.csv, which the model was trained on" in figures["without_near_duplicates_of_training_texts"]


@pytest.mark.parametrize("architecture", ["rnn", "wavenet"])
def test_own_series_go_from_file_to_answer(
    architecture: str, tmp_path: Path, fit: Fit, capsys: pytest.CaptureFixture[str]
) -> None:
    path, store = sales(tmp_path), tmp_path / "store"
    status, said = fit("--forecast", str(path), *FORECAST, "--architecture", architecture)
    assert status == 0, said
    values = [50.0 * (2 + (day % 7 > 4)) for day in range(28)]
    question = {"model": "my-sales", "values": values, "start": "2024-06-03", "freq": "D", "horizon": 7}
    [forecast] = ask(store, "/forecast", question)["forecasts"]
    assert forecast["timestamps"][0] == "2024-07-01"
    np.testing.assert_allclose(forecast["median"], values[:7], rtol=0.35)

    manifest = read_bundle(version_folder(store, "my-sales", 1)).manifest
    assert manifest.architecture == architecture
    assert manifest.recipe["data"]["path"] == "sales.csv"
    assert str(tmp_path) not in manifest.model_dump_json()

    capsys.readouterr()  # the service's own lines
    assert main(["evaluate", "my-sales", "--file", str(path), "--store", str(store)]) == 0
    figures = json.loads(capsys.readouterr().out)["figures"]
    [key] = [key for key in figures["model"] if key.startswith("mase_sales")]
    assert figures["model"][key] == pytest.approx(manifest.metrics["model"][key], rel=1e-4)


def short(folder: Path) -> Path:
    """Two and a half years of months: too few to hold out one year to report and another to choose the epoch by."""
    path = folder / "short.csv"
    months = [f"{2022 + month // 12}-{month % 12 + 1:02d}-01,{100 + month % 12}" for month in range(30)]
    path.write_text("\n".join(["month,units", *months]))
    return path


SHORT = ("--time", "month", "--value", "units", "--horizon", "12", "--name", "my-months")


def test_series_too_short_to_choose_the_epoch_by_are_fitted_all_the_same(tmp_path: Path, fit: Fit) -> None:
    status, said = fit("--forecast", str(short(tmp_path)), *SHORT)
    assert status == 0, said
    bundle = read_bundle(version_folder(tmp_path / "store", "my-months", 1))
    assert "the series are too short: all epochs are fitted" in bundle.files["report.md"].decode()
    question = {"model": "my-months", "values": [100.0 + month % 12 for month in range(24)], "horizon": 12}
    [forecast] = ask(tmp_path / "store", "/forecast", question)["forecasts"]
    assert len(forecast["median"]) == 12


def test_series_too_short_to_choose_by_are_not_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = ["--architectures", "linear", "--seeds", "1", "--runs", str(tmp_path / "runs"), "--no-progress"]
    assert main(["compare", "--forecast", str(short(tmp_path)), *SHORT, *wanted]) == 1
    assert "too short to choose an architecture by" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "runs" / "compare" / "my-months").iterdir() if path.is_dir()] == []


def test_architectures_are_compared_on_an_own_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "NUM_STEPS", 20)
    folders = ["--runs", str(tmp_path / "runs"), "--output", str(tmp_path / "report"), "--no-progress"]
    wanted = ["--architectures", "linear", "--seeds", "1"]
    assert main(["compare", "--classify", str(mail(tmp_path)), *CLASSIFY, *wanted, *folders]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report" / "report.html")
    report = (tmp_path / "report" / "report.md").read_text()
    assert "Comparison: my-filter" in report
    assert "| linear" in report
    assert "tfidf character svm" in report


# --- what is refused -------------------------------------------------------------------------------------------------

# fmt: off
REFUSED = {
    "nothing asked for": ([], 2, "give either the NAME of a recipe, or --classify FILE, or --forecast FILE"),
    "two things asked for": (["spam-cnn", "--classify", "mail.csv"], 2, "give either the NAME"),
    "an unknown recipe": (["spam-transformer"], 2, "there is no 'spam-transformer'; there are spam-linear"),
    "no columns": (["--classify", "mail.csv", "--name", "x"], 2, "--classify needs --text, --label too"),
    "no horizon": (["--forecast", "s.csv", "--time", "t", "--value", "v", "--name", "x"], 2,
        "--forecast needs --horizon too"),
    "an odd name": (["--classify", "m.csv", *CLASSIFY[:4], "--name", "My Filter"], 2,
        "--name 'My Filter': a name is 1"),
    "a shipped name": (["--classify", "m.csv", *CLASSIFY[:4], "--name", "spam-cnn"], 2, "is that of a shipped model"),
    "a shipped alias": (["--classify", "m.csv", *CLASSIFY[:4], "--name", "spam"], 2, "is that of a shipped model"),
    "an absent file": (["--classify", "nowhere.csv", *CLASSIFY], 1, "nowhere.csv"),
}
# fmt: on


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_asked_for_wrongly_is_refused_in_words(case: str, tmp_path: Path, fit: Fit) -> None:
    arguments, expected, words = REFUSED[case]
    status, said = fit(*arguments)
    assert status == expected
    assert words in said
    assert not (tmp_path / "store").exists()


def test_problem_of_a_row_is_said_with_its_line(tmp_path: Path, fit: Fit) -> None:
    path = mail(tmp_path)
    path.write_text(path.read_text(encoding="utf-8-sig") + "200,,ham\n")
    status, said = fit("--classify", str(path), *CLASSIFY)
    assert status == 1
    assert "line 202" in said
    assert "the text is empty" in said
