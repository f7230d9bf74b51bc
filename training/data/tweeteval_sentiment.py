"""TweetEval sentiment: 47,612 English tweets of 2013 to 2016, negative, neutral or positive.

Sources: S. Rosenthal, N. Farra, P. Nakov, "SemEval-2017 Task 4: Sentiment Analysis in Twitter", SemEval 2017; F.
Barbieri et al., "TweetEval: Unified Benchmark and Comparative Evaluation for Tweet Classification", Findings of EMNLP
2020, https://github.com/cardiffnlp/tweeteval.
"""

import re
from collections import Counter
from pathlib import Path

from bundle.manifest import TrainingData
from training.data.labelled_texts import LabelledTexts, TextSplit
from training.data.source import DataUnavailable, Fetch, download, local_folder, read_local, sha256

NAME = "tweeteval_sentiment"
LABELS = ("negative", "neutral", "positive")
"""In the order of the codes 0, 1 and 2 of the label files."""
FILES = ("train_text.txt", "train_labels.txt", "val_text.txt", "val_labels.txt")
ORIGIN = "https://raw.githubusercontent.com/cardiffnlp/tweeteval/3eb5e91dd5070b5a5931df4e70cbab5978e3c50c/datasets/sentiment/"
ORIGIN_SHA256 = {
    "val_text.txt": "e5b021e6fc45064c260b09814b803d8f56cada519c4d952d72f43d48a350a964",
    "val_labels.txt": "b4566926c72e2e4e2916c864def94e76c4cdde52446af2c7ba4fc2006e057e51",
}
ORIGIN_CLASSES = {"negative": 7093, "neutral": 20673, "positive": 17849}
"""Of the training part at its origin, whose checksum its publishers don't name: counts prove it instead."""

_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


def parse(texts: str, labels: str) -> LabelledTexts:
    """Read a file with a tweet a line and the one with the code of its label a line.

    Characters that the files write as `\\u2019` are read as what they stand for. Raises `ValueError` naming the line
    that has no tweet or no label.
    """
    lines, codes = (content.removesuffix("\n").split("\n") for content in (texts, labels))
    if len(lines) != len(codes):
        raise ValueError(f"{len(lines)} lines of text, but {len(codes)} of labels: they must be in step")
    read = []
    for number, (line, code) in enumerate(zip(lines, codes, strict=True), start=1):
        if code.strip() not in {"0", "1", "2"}:
            raise ValueError(f"line {number} of the labels: expected 0 (negative), 1 (neutral) or 2 (positive)")
        read.append(_ESCAPE.sub(lambda found: chr(int(found[1], 16)), line))
    return LabelledTexts([_without_lone_surrogates(line) for line in read], [LABELS[int(code)] for code in codes])


def _without_lone_surrogates(text: str) -> str:
    """Escaped pairs of surrogates become their character, half of one a replacement character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def load(fetch: Fetch = download) -> TextSplit:
    """Training and validation part, from `SEQSERVE_DATA` or the public original.

    Raises `DataUnavailable` where neither can be read, or the original isn't the one known.
    """
    folder = local_folder(NAME)
    if folder is None:
        contents = {
            name: fetch(ORIGIN + name, f"sha256:{ORIGIN_SHA256[name]}" if name in ORIGIN_SHA256 else None, name)
            for name in FILES
        }
    else:
        contents = read_local(folder, list(FILES))
    train, valid = (
        parse(contents[f"{part}_text.txt"].decode(), contents[f"{part}_labels.txt"].decode())
        for part in ("train", "val")
    )
    if folder is None and Counter(train.labels) != ORIGIN_CLASSES:
        raise DataUnavailable(f"{ORIGIN} is not the expected data: its training part has other counts of labels")
    described = TrainingData(
        name="TweetEval sentiment (SemEval-2017 Task 4 A)",
        origin="https://github.com/cardiffnlp/tweeteval",
        licence="CC BY 3.0; use of tweets is subject to the terms of the platform",
        citation="Rosenthal, Farra, Nakov: SemEval-2017 Task 4; Barbieri et al.: TweetEval, Findings of EMNLP 2020",
        files={name: sha256(content) for name, content in contents.items()},
        rows={"train": len(train.texts), "valid": len(valid.texts)},
    )
    return TextSplit(train, valid, [described])


def load_file(path: Path) -> LabelledTexts:
    """A file `…_text.txt` and the `…_labels.txt` beside it, for `evaluate`. Raises `ValueError` for another name."""
    if not path.name.endswith("_text.txt"):
        raise ValueError(f"{path.name}: name the file of texts, …_text.txt; its labels are read from …_labels.txt")
    labels = path.with_name(path.name.removesuffix("_text.txt") + "_labels.txt")
    return parse(path.read_bytes().decode(), labels.read_bytes().decode())
