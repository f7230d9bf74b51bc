"""Tweets and their labels stay in step, and read as they were written."""

from pathlib import Path

import pytest

from training.data import tweeteval_sentiment
from training.data.loaders import LABELLED_TEXTS
from training.data.source import DataUnavailable

TEXTS = "so good \\u2019cause \n@user meh\nbad \\ud83d\\ude02 \\ud83d\n"
LABELS = "2\n1\n0\n"


def test_escaped_characters_are_read_as_what_they_stand_for() -> None:
    rows = tweeteval_sentiment.parse(TEXTS, LABELS)
    assert rows.texts == ["so good ’cause ", "@user meh", "bad 😂 �"]
    assert rows.labels == ["positive", "neutral", "negative"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [("2\n1\n", "3 lines of text, but 2 of labels"), ("2\n1\n3\n", "line 3 of the labels: expected 0")],
)
def test_labels_out_of_step_or_unknown_are_refused(labels: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        tweeteval_sentiment.parse(TEXTS, labels)


def test_file_of_labels_lies_beside_that_of_texts(tmp_path: Path) -> None:
    (tmp_path / "val_text.txt").write_text(TEXTS)
    (tmp_path / "val_labels.txt").write_text(LABELS)
    assert tweeteval_sentiment.load_file(tmp_path / "val_text.txt").labels == ["positive", "neutral", "negative"]
    with pytest.raises(ValueError, match="name the file of texts"):
        tweeteval_sentiment.load_file(tmp_path / "val_labels.txt")


def test_original_with_other_counts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEQSERVE_DATA", raising=False)
    files = {name: (TEXTS if "text" in name else LABELS).encode() for name in tweeteval_sentiment.FILES}
    asked = {}

    def fetch(url: str, known_hash: str | None, name: str) -> bytes:
        asked[name] = known_hash
        assert url.endswith(f"/datasets/sentiment/{name}")
        return files[name]

    with pytest.raises(DataUnavailable, match="other counts of labels"):
        tweeteval_sentiment.load(fetch)
    assert asked["val_text.txt"] == f"sha256:{tweeteval_sentiment.ORIGIN_SHA256['val_text.txt']}"
    monkeypatch.setattr(tweeteval_sentiment, "ORIGIN_CLASSES", {"positive": 1, "neutral": 1, "negative": 1})
    assert tweeteval_sentiment.load(fetch).described[0].rows == {"train": 3, "valid": 3}


@pytest.mark.real_data
def test_tweets_are_those_of_the_publisher(real_data: Path) -> None:
    split = LABELLED_TEXTS["tweeteval_sentiment"].load()
    assert (len(split.train.texts), len(split.valid.texts)) == (45_612, 2_000)
    assert not any("\\u" in text for text in split.train.texts)
    for name, known in tweeteval_sentiment.ORIGIN_SHA256.items():
        assert split.described[0].files[name] == known
