"""Recipes of the tiny bundles: the shipped ones on made-up data, fitted in seconds."""

import dataclasses
import datetime as dt
from pathlib import Path

from bundle.manifest import TrainingData
from tests.support.made_up_data import boardings, messages
from training.data import cta_ridership
from training.data.covariate_series import CovariateSeries, SeriesSplit
from training.data.labelled_texts import LabelledTexts, TextSplit
from training.data.sms_spam import load_file
from training.fit import Schedule
from training.models.cnn import CNNConfig
from training.models.text_classifier import TextClassifierConfig
from training.models.wavenet import WaveNetConfig
from training.recipes.ridership import ridership
from training.recipes.short_texts import short_texts
from training.tasks.classify.recipe import ClassifyRecipe
from training.tasks.classify.tokenizer import TokenizerConfig
from training.tasks.forecast.daily_recipe import ForecastRecipe


def made_up_messages(count: int, seed: int) -> LabelledTexts:
    return LabelledTexts(*messages(count, seed))


def described(name: str) -> TrainingData:
    return TrainingData(name=name, origin="made up", licence="none", citation="none", files={}, rows={})


class TinyTexts:
    """A text source as `training.data.loaders` has them."""

    def load(self) -> TextSplit:
        return TextSplit(made_up_messages(240, 1), made_up_messages(80, 2), [described("tiny texts")])

    def load_file(self, path: Path) -> LabelledTexts:
        return load_file(path)


def tiny_spam() -> ClassifyRecipe:
    """The recipe of the shipped `spam-cnn`, small and quick."""
    return dataclasses.replace(
        short_texts("cnn", "spam-cnn"),
        alias="spam",
        intended_use="Tell unsolicited advertising and fraud from personal messages in short English texts.",
        limits=(
            "Trained on 3,925 messages: ham by students in Singapore, spam from the United Kingdom, all of the 2000s. "
            "Expect more errors on other languages, on e-mail and on texts made to evade a filter; the first 512 "
            "tokens of a text are read."
        ),
        data="tiny",
        settings=CNNConfig(filters=8, kernel_sizes=(1, 3)),
        network=TextClassifierConfig(embedding_dim=8, embedding_dropout=0.0, dropout=0.0),
        tokenizer=TokenizerConfig(vocabulary_size=320),
        max_tokens=128,
        schedule=Schedule(
            max_epochs=6,
            patience=2,
            batch_size=32,
            learning_rate=2e-2,
            weight_decay=0.0,
            warm_up_steps=2,
            average_decay=0.5,
        ),
        num_folds=2,
        num_folds_left_out=2,
    )


def made_up_boardings(first: dt.date, days: int, seed: int) -> CovariateSeries:
    made_up = boardings(first, days, seed)
    return CovariateSeries(first, made_up.rail, {"bus": made_up.bus}, {"day_type": made_up.day_types})


class TinySeries:
    """A series source as `training.data.loaders` has them."""

    def load(self) -> SeriesSplit:
        return SeriesSplit(made_up_boardings(dt.date(2018, 1, 1), 500, 1), described("tiny series"))

    def load_file(self, path: Path) -> CovariateSeries:
        return cta_ridership.load_file(path)


def tiny_ridership() -> ForecastRecipe:
    """The recipe of the shipped `ridership-wavenet`, small and quick."""
    shipped = ridership("wavenet")
    return dataclasses.replace(
        shipped,
        data="tiny",
        calibration_start=dt.date(2019, 1, 15),
        selection_start=dt.date(2019, 2, 1),
        selection_end=dt.date(2019, 3, 31),
        reporting_start=dt.date(2019, 4, 1),
        reporting_end=dt.date(2019, 4, 20),
        settings=WaveNetConfig(residual_channels=4, skip_channels=4, dilations=(1, 2, 4, 8, 16, 32)),
        network=dataclasses.replace(shipped.network, hidden=8, context_size=4, step_size=2, dropout=0.0),
        stretch_days=126,
        stretches_per_epoch=64,
        schedule=dataclasses.replace(shipped.schedule, max_epochs=2, warm_up_steps=2, average_decay=0.5),
    )
