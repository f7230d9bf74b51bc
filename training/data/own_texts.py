"""A person's own labelled texts: two columns of a table, checked, and parted into training and validation."""

import hashlib
import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.data.labelled_texts import LabelledTexts, TextSplit
from training.data.source import DataUnavailable, described_own_file
from training.data.splits import near_duplicate_key
from training.data.table_file import NUM_NAMED, Table, TableProblem, read_table

VALID_SHARE = 0.15
MIN_TEXTS = 8
"""Fewest different texts of a label: one or more to validate on, and one for each of five folds with some to spare."""
MAX_LABELS = 100

logger = logging.getLogger(__name__)


def load(path: Path, text_column: str, label_column: str) -> TextSplit:
    """Training and validation part of a file; their labels are strings, `sorted(set(split.train.labels))` names them.

    A text with several labels is kept as it is, and said in a warning: people disagree, and which of them is right only
    the owner knows. Raises `TableProblem`.
    """
    table = read_table(path, [text_column, label_column])
    rows = _labelled(table, text_column, label_column)
    _check_labels(table, label_column, rows.labels)
    groups = [near_duplicate_key(text) for text in rows.texts]
    label_of = _label_of_groups(groups, rows.labels)
    _check_counts(table, label_column, rows.labels, Counter(label_of.values()))
    _warn_of_contradictions(table, label_column, rows)
    held_out = _held_out(groups, label_of)
    train = rows.at([row for row, group in enumerate(groups) if group not in held_out])
    valid = rows.at([row for row, group in enumerate(groups) if group in held_out])
    num_rows = {"train": len(train.texts), "valid": len(valid.texts)}
    described = described_own_file(table.file, table.sha256, num_rows)
    return TextSplit(train, valid, [described])


def load_file(path: Path, text_column: str, label_column: str, labels: Sequence[str]) -> LabelledTexts:
    """All rows of a file, for `evaluate`; raises `TableProblem`, also for a label that isn't one of `labels`."""
    table = read_table(path, [text_column, label_column])
    rows = _labelled(table, text_column, label_column)
    if unknown := [row for row, label in enumerate(rows.labels) if label not in labels]:
        raise table.problem(
            label_column,
            unknown,
            f"{rows.labels[unknown[0]][:40]!r} is no label of this model, which knows {_named(sorted(labels))}",
        )
    return rows


def _labelled(table: Table, text_column: str, label_column: str) -> LabelledTexts:
    """Texts as written, labels without the white space at their ends; neither is empty."""
    texts = table.columns[text_column]
    labels = [label.strip() for label in table.columns[label_column]]
    if empty := [row for row, text in enumerate(texts) if not text.strip()]:
        raise table.problem(text_column, empty, "the text is empty; write one, or remove the row")
    if empty := [row for row, label in enumerate(labels) if not label]:
        raise table.problem(label_column, empty, "the label is empty; write one, or remove the row")
    return LabelledTexts(texts, labels)


# --- labels ----------------------------------------------------------------------------------------------------------


def _check_labels(table: Table, column: str, labels: list[str]) -> None:
    """There are two labels or more, not too many, and none is another spelt in other case."""
    first_row: dict[str, int] = {}
    for row, label in enumerate(labels):
        first_row.setdefault(label, row)
    if len(first_row) == 1:
        raise TableProblem(
            f"{table.file}, column {column!r}: every row has the label {labels[0][:40]!r}; add texts of another label"
        )
    if len(first_row) > MAX_LABELS:
        examples = ", ".join(repr(label[:40]) for label in list(first_row)[:NUM_NAMED])
        raise TableProblem(
            f"{table.file}, column {column!r}: there are {len(first_row):,} different labels ({examples} …), and at "
            f"most {MAX_LABELS} are learned; is this the column of labels? Amounts and free text aren't labels: put "
            "them in a few groups"
        )
    spelt: dict[str, str] = {}
    for label in sorted(first_row):
        other = spelt.setdefault(label.casefold(), label)
        if other != label:
            raise table.problem(
                column,
                sorted([first_row[other], first_row[label]]),
                f"the labels {other!r} and {label!r} differ in upper and lower case only; write them alike",
            )


def _label_of_groups(groups: list[str], labels: list[str]) -> dict[str, str]:
    """The commonest label of each group of near-duplicates; of equally common ones the first by name."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for group, label in zip(groups, labels, strict=True):
        counts[group][label] += 1
    return {group: min(of, key=lambda label: (-of[label], label)) for group, of in counts.items()}


def _check_counts(table: Table, column: str, labels: list[str], num_texts: Counter[str]) -> None:
    """Each label has `MIN_TEXTS` different texts."""
    few = sorted(label for label in set(labels) if num_texts[label] < MIN_TEXTS)
    if few:
        counts = _named([f"{label} ({num_texts[label]})" for label in few])
        raise table.problem(
            column,
            [labels.index(few[0])],
            f"too few different texts of {counts}; each label needs {MIN_TEXTS}, and those that differ only in case, "
            "digits, punctuation or spacing count once: add some, join the label with another, or remove its rows",
        )


def _warn_of_contradictions(table: Table, column: str, rows: LabelledTexts) -> None:
    labels_of: dict[str, set[str]] = defaultdict(set)
    for text, label in zip(rows.texts, rows.labels, strict=True):
        labels_of[text.strip()].add(label)
    contradictory = [row for row, text in enumerate(rows.texts) if len(labels_of[text.strip()]) > 1]
    if contradictory:
        logger.warning(
            "%s, column %r, %s: the same text has different labels; they are kept as they are, though no model can "
            "learn both (%s)",
            table.file,
            column,
            table.places(contradictory),
            f"{len(contradictory) / len(rows.texts):.1%} of all rows",
        )


def _named(names: Sequence[str]) -> str:
    return ", ".join(name[:40] for name in names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


# --- parts -----------------------------------------------------------------------------------------------------------


def _held_out(groups: list[str], label_of: dict[str, str]) -> set[str]:
    """The groups to validate on: of each label `VALID_SHARE` of its groups, with at most that share of its rows.

    They are taken by their checksum, so the order of the file doesn't matter and new rows move few of the old ones. A
    group too large to be held out is left to training; the smallest of eight or more never is.
    """
    num_rows = Counter(groups)
    groups_of: dict[str, list[str]] = defaultdict(list)
    for group in sorted(num_rows, key=lambda group: hashlib.sha256(group.encode()).digest()):
        groups_of[label_of[group]].append(group)
    held_out: set[str] = set()
    for of_label in groups_of.values():
        num_groups_left = max(1, round(VALID_SHARE * len(of_label)))
        num_rows_left = VALID_SHARE * sum(num_rows[group] for group in of_label)
        for group in of_label:
            if num_groups_left and num_rows[group] <= num_rows_left:
                held_out.add(group)
                num_groups_left -= 1
                num_rows_left -= num_rows[group]
    return held_out


@dataclass(frozen=True)
class OwnTexts:
    """A file as a source of texts, like the modules in `LABELLED_TEXTS`."""

    path: Path
    text: str
    label: str
    labels: tuple[str, ...]
    """Those the model knows."""

    def load(self) -> TextSplit:
        """See `load`. Raises `DataUnavailable` where the file isn't there any more."""
        if not self.path.is_file():
            raise DataUnavailable(f"{self.path.name}, which the model was trained on, isn't in this folder")
        return load(self.path, self.text, self.label)

    def load_file(self, path: Path) -> LabelledTexts:
        """See `load_file`."""
        return load_file(path, self.text, self.label, self.labels)
