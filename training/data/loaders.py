"""Loaders: the sources of data, by name. A new source is a module and a row here."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from training.data import (
    classic_series,
    competitions,
    cta_ridership,
    ett,
    exchange_rate,
    m4,
    messages,
    sms_spam,
    tweeteval_sentiment,
)
from training.data.covariate_series import CovariateSeries, SeriesSplit
from training.data.labelled_texts import LabelledTexts, TextSplit
from training.data.series_set import SeriesSet


class TextSource(Protocol):
    """A loader of labelled texts; each is a module."""

    def load(self) -> TextSplit:
        """Training and validation part."""
        ...

    def load_file(self, path: Path, /) -> LabelledTexts:
        """Any file of the same form."""
        ...


class SeriesSource(Protocol):
    """A loader of a series with covariates; each is a module."""

    def load(self) -> SeriesSplit:
        """Training and validation days."""
        ...

    def load_file(self, path: Path, /) -> CovariateSeries:
        """Any file of the same form."""
        ...


LABELLED_TEXTS: dict[str, TextSource] = {
    sms_spam.NAME: sms_spam,
    messages.NAME: messages,
    tweeteval_sentiment.NAME: tweeteval_sentiment,
}
COVARIATE_SERIES: dict[str, SeriesSource] = {cta_ridership.NAME: cta_ridership}
SERIES_SETS: dict[str, Callable[[], list[SeriesSet]]] = {
    **competitions.LOADERS,
    m4.NAME: m4.load,
    ett.NAME: ett.load,
    exchange_rate.NAME: exchange_rate.load,
    classic_series.NAME: classic_series.load,
    cta_ridership.NAME: cta_ridership.load_sets,
}
"""Loaders of many series, each a list of sets."""
