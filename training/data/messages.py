"""Messages: every public collection of spam and ham, and the modern messages written for this project, as one set.

Parts: the collections' own validation parts and a tenth of the others are reported; an eighth of what is left chooses.
Near-duplicates and templates, across all collections, are in one part. A fifth of the written messages chooses; what is
reported of them was written by another hand (`modern_messages/reported.jsonl`).
"""

import hashlib
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bundle.manifest import TrainingData
from bundle.tasks.classify.reading import STEPS, read
from training.data import modern_messages, sms_spam
from training.data.labelled_texts import LabelledTexts, Origin, TextSplit
from training.data.message_sources import SOURCES, Message, Source, contents
from training.data.near_duplicates import group
from training.data.source import sha256

NAME = "messages"
LABELS = ("ham", "spam")
_MOST = {"nus_sms_en": 9000, "smishing_multilingual": 3500, "sms_spam_translated": 2500}
"""Of collections that would outweigh the others: so many messages, drawn by their checksums."""
_LANGUAGES = frozenset({"en", "de", "nl", "fr", "es"})
_FIRST_NAMES = ("Alex", "Sam", "Priya", "Tom", "Lucia", "Wei", "Fatima", "Jan", "Emma", "David", "Chidi", "Marie")


class _Row(NamedTuple):
    text: str
    label: str
    origin: Origin
    is_reported: bool
    is_for_choosing: bool


def load() -> TextSplit:
    """All parts, as `reading` gives them. Raises `DataUnavailable`."""
    rows: list[_Row] = []
    described = []
    for source in SOURCES:
        files = contents(source)
        messages = _taken(source, [message for name in source.files for message in source.read(name, files[name])])
        described.append(_describe(source, files, messages))
        rows += _of_collection(source, messages)
    for written in modern_messages.read():
        origin = Origin(modern_messages.NAME, written.channel, written.kind, written.language, written.text)
        choosing = modern_messages.is_for_choosing(written)
        rows.append(_Row(modern_messages.fixed(written), written.label, origin, written.is_reported, choosing))
    parts = _divided(rows)
    described.append(_describe_written(parts))
    train, choose, report = (
        LabelledTexts([row.text for row in part], [row.label for row in part], [row.origin for row in part])
        for part in (parts["train"], parts["choose"], parts["report"])
    )
    return TextSplit(train, report, described, choose)


def _of_collection(source: Source, messages: list[Message]) -> Iterator[_Row]:
    has_valid = any(name.startswith("valid") for name in source.files)
    for message in messages:
        text = read(_unmasked(message.text), list(STEPS))
        if text:
            origin = Origin(source.name, source.channel, source.name, message.language)
            reported = message.is_reported or (not has_valid and _first_byte(text, "report") < 26)
            yield _Row(text, message.label, origin, reported, _first_byte(text, "choose") < 32)


def _divided(rows: list[_Row]) -> dict[str, list[_Row]]:
    """By part. A group of near-duplicates goes where its first row goes, and is dropped where one of it is reported."""
    groups = group([row.text for row in rows]).tolist()
    reported = {own for own, row in zip(groups, rows, strict=True) if row.is_reported}
    choosing: dict[int, bool] = {}
    parts: dict[str, list[_Row]] = {"train": [], "choose": [], "report": []}
    chosen: set[tuple[int, str]] = set()
    for row, own in zip(rows, groups, strict=True):
        if row.is_reported:
            parts["report"].append(row)
        elif own not in reported:
            if not choosing.setdefault(own, row.is_for_choosing):
                parts["train"].append(row)
            elif (own, row.origin.source) not in chosen:  # one of a template is enough to choose by
                parts["choose"].append(row)
                chosen.add((own, row.origin.source))
    return parts


def _taken(source: Source, messages: list[Message]) -> list[Message]:
    known = [message for message in messages if message.language in _LANGUAGES]
    most = _MOST.get(source.name)
    if most is None or len(known) <= most:
        return known
    return sorted(known, key=lambda message: hashlib.sha256(message.text.encode()).digest())[:most]


def _first_byte(text: str, purpose: str) -> int:
    return hashlib.sha256(f"{purpose} {text}".encode("utf-8", "replace")).digest()[0]


def _unmasked(text: str) -> str:
    """Names where a collection's publisher masked them: the mask would give the collection away, and its class."""
    if "NAME" not in text:
        return text
    rng = random.Random(text)
    return re.sub(r"\bNAME\b", lambda _: rng.choice(_FIRST_NAMES), text)


def _describe(source: Source, files: dict[str, bytes], messages: list[Message]) -> TrainingData:
    return TrainingData(
        name=source.title,
        origin=source.origin,
        licence=source.licence,
        citation=source.citation,
        files={name: sha256(content) for name, content in files.items()},
        rows={"taken": len(messages)},
    )


def _describe_written(parts: dict[str, list[_Row]]) -> TrainingData:
    own = {name: sum(row.origin.source == modern_messages.NAME for row in rows) for name, rows in parts.items()}
    paths = sorted(modern_messages.FOLDER.glob("*.jsonl"))
    return TrainingData(
        name="Modern messages",
        origin="training/data/modern_messages",
        licence="CC0 1.0",
        citation="written for this project",
        files={path.name: sha256(path.read_bytes()) for path in paths},
        rows=own,
    )


def load_file(path: Path) -> LabelledTexts:
    """A file in the form of the SMS Spam Collection, for `evaluate`."""
    return sms_spam.load_file(path)
