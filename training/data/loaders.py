"""Loaders: the sources of data, by name. A new source is a module and a row here."""

from pathlib import Path
from typing import Protocol

from training.data import cta_ridership, sms_spam, tweeteval_sentiment
from training.data.covariate_series import CovariateSeries, SeriesSplit
from training.data.labelled_texts import LabelledTexts, TextSplit


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
    tweeteval_sentiment.NAME: tweeteval_sentiment,
}
COVARIATE_SERIES: dict[str, SeriesSource] = {cta_ridership.NAME: cta_ridership}
