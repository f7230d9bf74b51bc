"""SMS Spam Collection: 5,574 English text messages, ham or spam.

Source: T. A. Almeida, J. M. Gómez Hidalgo, A. Yamakami, "Contributions to the Study of SMS Spam Filtering: New
Collection and Results", DocEng 2011; UCI Machine Learning Repository, DOI 10.24432/C5CC84, CC BY 4.0.
"""

import hashlib
from pathlib import Path

from bundle.manifest import TrainingData
from training.data.labelled_texts import LabelledTexts, TextSplit
from training.data.source import Fetch, download, local_folder, read_local, sha256

NAME = "sms_spam"
LABELS = ("ham", "spam")
ORIGIN = (
    "https://raw.githubusercontent.com/mahdithedev/Naive-Bayes-model/"
    "6bcd75f1e8fa7d9e6923cad655b6406c112ceea8/data/SMSSpamCollection"
)
ORIGIN_SHA256 = "6292852506516bde49acaa774ae7cef026a31ae604f59452654f196350330113"


def parse(text: str) -> LabelledTexts:
    """Read `label TAB message` lines: no header, no quoting.

    Raises `ValueError` naming the line that isn't of that form.
    """
    texts, labels = [], []
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        label, tab, message = line.partition("\t")
        if not tab or label not in LABELS:
            raise ValueError(f"line {number}: expected ham or spam, a TAB and the message")
        texts.append(message)
        labels.append(label)
    return LabelledTexts(texts, labels)


def part_of(message: str) -> str:
    """Part of the split a message belongs to: by the first byte of its SHA-256, white space at the ends removed.

    Below 51 `test`, 51 to 76 `valid`, else `train`; equal texts always fall in the same part.
    """
    first = hashlib.sha256(message.strip(" \t\r\n\v\f").encode()).digest()[0]
    return "test" if first < 51 else "valid" if first < 77 else "train"


def load(fetch: Fetch = download) -> TextSplit:
    """Training and validation part, from `SEQSERVE_DATA` (`train.tsv`, `valid.tsv`) or the public original, split here.

    Raises `DataUnavailable` where neither can be read.
    """
    folder = local_folder(NAME)
    if folder is None:
        content = fetch(ORIGIN, f"sha256:{ORIGIN_SHA256}", "SMSSpamCollection")
        everything = parse(content.decode())
        parts = {
            part: everything.at([row for row, text in enumerate(everything.texts) if part_of(text) == part])
            for part in ("train", "valid")
        }
        checksums = {"SMSSpamCollection": sha256(content)}
    else:
        contents = read_local(folder, ["train.tsv", "valid.tsv"])
        parts = {part: parse(contents[f"{part}.tsv"].decode()) for part in ("train", "valid")}
        checksums = {name: sha256(content) for name, content in contents.items()}
    described = TrainingData(
        name="SMS Spam Collection",
        origin="https://archive.ics.uci.edu/dataset/228/sms+spam+collection",
        licence="CC BY 4.0",
        citation="Almeida, Gómez Hidalgo, Yamakami: Contributions to the Study of SMS Spam Filtering, DocEng 2011",
        files=checksums,
        rows={part: len(rows.texts) for part, rows in parts.items()},
    )
    return TextSplit(parts["train"], parts["valid"], [described])


def load_file(path: Path) -> LabelledTexts:
    """Any file of the same form, for `evaluate`."""
    return parse(path.read_bytes().decode())
