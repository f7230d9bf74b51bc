"""Recipes: one function per published model, which returns everything that decides it.

`python -m training fit NAME` runs one; what was tried on the way to these settings is in `LOG.md`.
"""

import datetime as dt
from collections.abc import Callable

from training.fit import Schedule
from training.models.cnn import CNNConfig
from training.models.forecaster import ForecasterConfig
from training.models.text_classifier import TextClassifierConfig
from training.models.wavenet import WaveNetConfig
from training.tasks.classify_recipe import ClassifyRecipe
from training.tasks.forecast_recipe import ForecastRecipe
from training.tokenizer import TokenizerConfig

Recipe = ClassifyRecipe | ForecastRecipe


def spam_cnn() -> ClassifyRecipe:
    """Spam or ham in English text messages: a 1-D CNN over subwords."""
    return ClassifyRecipe(
        name="spam-cnn",
        alias="spam",
        data="sms_spam",
        labels=("ham", "spam"),
        positive_label="spam",
        architecture="cnn",
        settings=CNNConfig(filters=96, kernel_sizes=(1, 3, 5)),
        network=TextClassifierConfig(embedding_dim=64, embedding_dropout=0.2, dropout=0.5),
        tokenizer=TokenizerConfig(vocabulary_size=3500),
        max_tokens=512,
        mask_probability=0.05,
        fragment_probability=0.3,
        schedule=Schedule(
            max_epochs=12,
            patience=4,
            batch_size=64,
            learning_rate=3e-3,
            weight_decay=0.01,
            cosine=True,
        ),
        num_folds=5,
        golden_texts=(
            "",
            "ok",
            "running late, see you at 8",
            "WINNER!! You have been selected for a £900 prize. Call 09061701461 now, claim code KL341.",
            "Can you pick up some milk on the way home? x",
            "FREE entry in our weekly draw! Text WIN to 80086. T&Cs apply, 18+ only, 150p/msg",
            "Réunion déplacée à 15h30 😀 — d'accord?",
            "שלום 你好 привет \u0000 tab\there",
        ),
        intended_use="Tell unsolicited advertising and fraud from personal messages in short English texts.",
        limits=(
            "Trained on 3,925 messages: ham by students in Singapore, spam from the United Kingdom, all of the 2000s. "
            "Expect more errors on other languages, on e-mail and on texts made to evade a filter; the first 512 "
            "tokens of a text are read."
        ),
    )


def ridership_wavenet() -> ForecastRecipe:
    """Chicago's rail boardings for the next 14 days: a WaveNet that also reads bus boardings and day types."""
    return ForecastRecipe(
        name="ridership-wavenet",
        alias="ridership",
        data="cta_ridership",
        target="rail boardings",
        unit="boardings a day",
        past=("bus",),
        day_types=("W", "A", "U"),
        calibration_start=dt.date(2018, 1, 1),
        selection_start=dt.date(2018, 9, 1),
        selection_end=dt.date(2018, 12, 31),
        reporting_start=dt.date(2019, 2, 26),
        reporting_end=dt.date(2019, 5, 31),
        context_length=112,
        architecture="wavenet",
        settings=WaveNetConfig(
            residual_channels=32, skip_channels=64, dilations=(1, 2, 4, 8, 16, 32), kernel_size=3, dropout=0.1
        ),
        network=ForecasterConfig(
            horizon=14,
            quantile_levels=(0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.975),
            half_life_days=28.0,
            memory_days=84,
            anchor_weeks=6,
            anchor_decay=0.6,
            lag_weeks=3,
            context_size=32,
            step_size=8,
            step_embedding=8,
            hidden=64,
            dropout=0.2,
        ),
        stretch_days=224,
        stretches_per_epoch=800,
        steps_per_stretch=64,
        warm_up_days=14,
        first_step_weight=3.0,
        spoiling=0.5,
        schedule=Schedule(
            max_epochs=20,
            patience=6,
            batch_size=16,
            learning_rate=3e-3,
            weight_decay=0.01,
            cosine=True,
        ),
        intended_use="Forecast the daily boardings of Chicago's trains up to two weeks ahead, with intervals.",
        limits=(
            "Fitted to Chicago, 2001 to 2017, and to daily values only. It knows weekdays, Saturdays, Sundays and six "
            "holidays, not weather, events or strikes: a day like the cold of 30 January 2019 is outside its "
            "intervals, which cover a little less in a new year than in the one they were fitted to. For other series "
            "use a model trained on them."
        ),
    )


RECIPES: dict[str, Callable[[], Recipe]] = {"spam-cnn": spam_cnn, "ridership-wavenet": ridership_wavenet}
