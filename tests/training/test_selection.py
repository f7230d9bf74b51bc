"""Choices on rows of their own: epoch, temperature, a threshold that spares every channel; and the report."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from bundle.tasks.classify.decision import OperatingPoint
from bundle.tasks.classify.doubt import Doubt
from bundle.tasks.classify.reading import STEPS
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import TextEncoder
from bundle.tasks.classify.windows import Windows
from tests.support.made_up_data import messages
from tests.training.tiny_recipes import described, tiny_spam
from training import metrics
from training.data import loaders
from training.data.labelled_texts import LabelledTexts, Origin, TextSplit
from training.export import export
from training.tasks.classify.augmentation import Augmentation
from training.tasks.classify.figures import interval
from training.tasks.classify.fit import fit
from training.tasks.classify.selection import BLOCKED, threshold_for_channels

CHANNELS = ("sms", "mail")


def rows(count: int, seed: int) -> LabelledTexts:
    texts, labels = messages(count, seed)
    origins = [Origin(f"source {number % 3}", CHANNELS[number % 2], "kind", "en") for number in range(count)]
    return LabelledTexts(texts, labels, origins)


class Messages:
    """A source with rows to choose by."""

    def load(self) -> TextSplit:
        return TextSplit(rows(240, 1), rows(90, 2), [described("made up")], rows(90, 3))

    def load_file(self, path: Path) -> LabelledTexts:
        raise NotImplementedError


def test_a_classifier_of_messages_is_fitted_chosen_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(loaders.LABELLED_TEXTS, "messages of sources", Messages())
    recipe = dataclasses.replace(
        tiny_spam(),
        data="messages of sources",
        max_tokens=16,
        reading=tuple(STEPS),
        windows=Windows(overlap=4, combine="halfway"),
        doubt=Doubt(scripts=["LATIN"], fewest_characters_per_token=0.5, fewest_tokens=6),
        augmentation=Augmentation(disguise=0.3, case=0.1, as_reported=0.1, num_tokens=12),
        sources_left_out=(("source 1",),),
        golden_texts=("", "ok", "call me"),
    )
    trained = fit(recipe, 1, tmp_path, progress=False)
    spec = trained.spec
    assert isinstance(spec, ClassifySpec)
    assert (spec.reading, spec.windows, spec.doubt) == (list(STEPS), recipe.windows, recipe.doubt)
    assert 0 < (spec.threshold or 0) <= 1
    assert "left out in turn" in trained.calibration["chosen_on"]
    assert set(trained.report["selection"]["left_out_sources"]) == {"source 1"}
    tables = trained.report["tables"]
    assert [row["source"] for row in tables["By source"]] == ["source 0", "source 1", "source 2"]
    assert [row["channel"] for row in tables["By channel"]] == ["mail", "sms"]
    assert {row["trick"] for row in tables["Disguised text messages"]} >= {"none", "leet", "padded"}
    doubtful = {row["kind"]: float(row["answered with more than 0.8"]) for row in tables["Texts that can't be judged"]}
    assert doubtful["digits"] == doubtful["Chinese"] == 0
    assert trained.metrics["model"]["mcc"] > 0.5
    assert set(trained.metrics["tfidf_character_svm"]["mcc_by_source"]) == {"source 0", "source 1", "source 2"}
    files = {"tokenizer.json": trained.files["tokenizer.json"]}
    encoder = TextEncoder.of(files["tokenizer.json"].decode(), spec)
    assert trained.golden["ids"].tolist() == encoder.encode_padded(["", "ok", "call me"]).tolist()
    assert export(trained).largest_difference < 1e-4


def test_the_threshold_spares_every_channel() -> None:
    scores = np.concatenate([np.linspace(0, 0.6, 300), np.linspace(0, 0.9, 300), np.ones(50)])
    actual = np.concatenate([np.zeros(600, np.int64), np.ones(50, np.int64)])
    channels = ["sms"] * 300 + ["mail"] * 300 + ["sms"] * 50
    probabilities = np.stack([1 - scores, scores], axis=1)
    chosen = threshold_for_channels(OperatingPoint(1, 0.5), actual, probabilities, channels)
    assert chosen is not None
    blocked = scores >= chosen.threshold
    assert blocked[:300].mean() <= BLOCKED
    assert 0 < blocked[300:600].mean() <= BLOCKED
    assert threshold_for_channels(OperatingPoint(1, 0.95), actual, probabilities, channels) == OperatingPoint(1, 0.95)
    assert threshold_for_channels(None, actual, probabilities, channels) is None


def test_intervals_hold_the_figure_and_narrow_with_more_rows() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for count in (100, 2000):
        actual = rng.integers(0, 2, count)
        predicted = np.where(rng.random(count) < 0.9, actual, 1 - actual)
        low, high = interval(actual, predicted, 2)
        assert low < metrics.matthews(metrics.confusion(actual, predicted, 2)) < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2
