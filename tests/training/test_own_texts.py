"""A person's own labelled texts: parted without leaks, whatever the order of the file; what is wrong is named."""

import itertools
import random
from collections import Counter
from pathlib import Path

import pytest

from training.data import own_texts
from training.data.splits import near_duplicate_key
from training.data.table_file import TableProblem

WORDS = ["".join(pair) for pair in itertools.product("bdgk", "aeio")]
ROWS = [(f"{first} {second}", "spam" if first < second else "ham") for first in WORDS for second in WORDS]


def written(folder: Path, rows: list[tuple[str, str]], name: str = "mail.csv") -> Path:
    path = folder / name
    lines = [f'"{text}",{label}' for text, label in rows]
    path.write_text("\n".join(["body,kind", *lines]) + "\n")
    return path


def test_about_a_seventh_of_each_label_is_held_out(tmp_path: Path) -> None:
    split = own_texts.load(written(tmp_path, ROWS), "body", "kind")
    everything = Counter(label for _, label in ROWS)
    held_out = Counter(split.valid.labels)
    for label, count in everything.items():
        assert held_out[label] == pytest.approx(0.15 * count, abs=1)
    assert sorted(split.train.texts + split.valid.texts) == sorted(text for text, _ in ROWS)


def test_near_duplicates_stay_on_one_side(tmp_path: Path) -> None:
    rows = [(f"{text}{ending}", label) for text, label in ROWS for ending in ("", "!", " 12", " 34?")]
    split = own_texts.load(written(tmp_path, rows), "body", "kind")
    assert split.valid.texts
    assert not {*map(near_duplicate_key, split.train.texts)} & {*map(near_duplicate_key, split.valid.texts)}


def test_parts_do_not_depend_on_the_order_of_the_file(tmp_path: Path) -> None:
    shuffled = random.Random(7).sample(ROWS, len(ROWS))
    one = own_texts.load(written(tmp_path, ROWS), "body", "kind")
    other = own_texts.load(written(tmp_path, shuffled, "shuffled.csv"), "body", "kind")
    assert sorted(one.valid.texts) == sorted(other.valid.texts)


def test_group_too_large_to_be_held_out_is_trained_on(tmp_path: Path) -> None:
    rows = [(f"call {number}", "spam") for number in range(500)]
    rows += [(text, "spam") for text, _ in ROWS[:8]] + [(text, "ham") for text, _ in ROWS[40:80]]
    split = own_texts.load(written(tmp_path, rows), "body", "kind")
    assert not any(text.startswith("call") for text in split.valid.texts)
    assert split.valid.labels.count("spam") == 1


def test_every_label_is_on_both_sides_with_the_fewest_texts(tmp_path: Path) -> None:
    rows = [(text, f"label {number // own_texts.MIN_TEXTS}") for number, (text, _) in enumerate(ROWS[:80])]
    split = own_texts.load(written(tmp_path, rows), "body", "kind")
    assert Counter(split.valid.labels) == {f"label {number}": 1 for number in range(10)}
    assert Counter(split.train.labels) == {f"label {number}": 7 for number in range(10)}


def test_labels_are_text_without_the_space_around_them(tmp_path: Path) -> None:
    rows = [(text, " 1 " if label == "spam" else "0") for text, label in ROWS]
    assert {*own_texts.load(written(tmp_path, rows), "body", "kind").train.labels} == {"0", "1"}


def test_data_is_described_without_its_folder(tmp_path: Path) -> None:
    split = own_texts.load(written(tmp_path, ROWS), "body", "kind")
    [described] = split.described
    assert (described.name, described.origin, described.licence) == ("mail.csv", "own file", "the owner's")
    assert list(described.files) == ["mail.csv"]
    assert described.rows == {"train": len(split.train.texts), "valid": len(split.valid.texts)}
    assert str(tmp_path) not in described.model_dump_json()


def test_text_with_two_labels_is_kept_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    split = own_texts.load(written(tmp_path, [*ROWS, ("ba de", "ham")]), "body", "kind")
    (line,) = [number for number, row in enumerate(ROWS, start=2) if row[0] == "ba de"]
    assert (
        f"mail.csv, column 'kind', lines {line} and {len(ROWS) + 2}: the same text has different labels" in caplog.text
    )
    assert len(split.train.texts + split.valid.texts) == len(ROWS) + 1


def spoilt(*rows: tuple[str, str]) -> list[tuple[str, str]]:
    return [*ROWS[:3], *rows, *ROWS[3:]]


# fmt: off
PROBLEMS = {
    "empty text": (spoilt(("  ", "ham")),
        "mail.csv, column 'body', line 5: the text is empty; write one, or remove the"),
    "empty labels": (spoilt(*[("hi", " ")] * 5),
        "mail.csv, column 'kind', lines 5, 6, 7 and 2 more: the label is empty"),
    "one label": ([(text, "spam") for text, _ in ROWS], "column 'kind': every row has the label 'spam'; add texts of"),
    "too few texts": (spoilt(("call 1", "rare"), ("call 2", "rare"), ("hello", "rare")),
        "mail.csv, column 'kind', line 5: too few different texts of rare (2); each label needs 8"),
    "too few texts of several": (spoilt(("a", "x"), ("b", "y")), "too few different texts of x (1), y (1); each"),
    "spelt in other case": (spoilt(("hello", "Spam")),
        "mail.csv, column 'kind', lines 3 and 5: the labels 'Spam' and 'spam' differ in upper and lower case only"),
    "free text": ([(text, f"{text} indeed") for text, _ in ROWS],
        "column 'kind': there are 256 different labels ('ba ba indeed', 'ba be indeed', "),
    "amounts": ([(text, f"{number}.5") for number, (text, _) in enumerate(ROWS)],
        "is this the column of labels? Amounts"),
}
# fmt: on


@pytest.mark.parametrize(("rows", "message"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_texts_that_cannot_be_learned_are_refused(tmp_path: Path, rows: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(TableProblem) as refused:
        own_texts.load(written(tmp_path, rows), "body", "kind")
    assert message in str(refused.value)


def test_file_to_measure_on_may_have_few_texts_and_labels(tmp_path: Path) -> None:
    rows = own_texts.load_file(
        written(tmp_path, [("hello", "ham "), ("hello", "ham")]), "body", "kind", ["ham", "spam"]
    )
    assert (rows.texts, rows.labels) == (["hello", "hello"], ["ham", "ham"])


def test_file_to_measure_on_has_known_labels_only(tmp_path: Path) -> None:
    path = written(tmp_path, [("hello", "ham"), ("buy", "Spam"), ("see", "eggs")])
    with pytest.raises(TableProblem) as refused:
        own_texts.load_file(path, "body", "kind", ["spam", "ham"])
    assert str(refused.value) == (
        "mail.csv, column 'kind', lines 3 and 4: 'Spam' is no label of this model, which knows ham, spam"
    )


@pytest.mark.real_data
def test_airline_tweets_are_read(real_data: Path) -> None:
    split = own_texts.load(real_data / "airline_tweets" / "train.csv.gz", "text", "airline_sentiment")
    assert {*split.train.labels} == {"negative", "neutral", "positive"}
    assert len(split.train.texts) + len(split.valid.texts) == 10_273
    assert len(split.valid.texts) == pytest.approx(0.15 * 10_273, rel=0.02)
