"""Public collections of messages, spam and ham: where each comes from, its channel, and what of it is taken.

Spam is unwanted advertising and fraud. A notice that a person asked for or needs (operator, bank, delivery) is ham,
however its collection labels it: `NOTICE` is that rule for the two collections that label many of them spam.
Origins hold repeats, masks and personal data, so what is read is a cleaned copy: `$SEQSERVE_DATA/<name>/<file>`.
"""

import csv
import io
import json
import lzma
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from training.data import sms_spam
from training.data.source import DataUnavailable, local_folder, read_local

Channel = Literal["sms", "mail", "comment", "chat"]


@dataclass(frozen=True)
class Message:
    """One message of a collection."""

    text: str
    label: str
    language: str = "en"
    is_reported: bool = False
    """Whether it is of the collection's validation part."""


@dataclass(frozen=True)
class Source:
    """One collection."""

    name: str
    title: str
    channel: Channel
    origin: str
    licence: str
    citation: str
    files: Sequence[str]
    """Of the cleaned copy."""
    read: Callable[[str, bytes], Iterator[Message]]
    """Messages of one file: its name and content."""


NOTICE = re.compile(
    r"\b(balance|bal:|acct|a/c|account number|expires?( on| at| in)?|valid (till|until)|has been (activated|renewed|"
    r"received|processed|credited|debited|transferred)|was transferred|is active|successful(ly)?|recharged?|"
    r"verification|otp|(your|viber|whatsapp) (\w+ )?(code|pin|password)|you have used|data plan|bundle|subscribed to|"
    r"subscription (will be|has been)|welcome to|thank you for|missed call|please call me|pickup|out for delivery|"
    r"assigned|ticket|pnr|booking)\b",
    re.IGNORECASE,
)
"""Words of notices on what a person has, did or asked for."""
_OFFER = re.compile(
    r"\b(win|won|free|offers?|% ?off|cashback|congrat\w*|bonus|dial|prize|promo|discount|subscribe|play|loan|jobs?|"
    r"earn|hurry|sale|gift|watch|enjoy|save|recharge (now|with|today)|get \d|reply (with )?(yes|ok|1))\b|\bcost\b|"
    r"@ ?n\d+|\btext \w+ to \d+|send \S+ to \d+",
    re.IGNORECASE,
)
"""Words of offers: with them a message of `NOTICE` isn't taken for one."""


def _json_lines(content: bytes) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, lzma.decompress(content).decode().removesuffix("\n").split("\n"))


def _is_valid(file: str) -> bool:
    return file.startswith("valid")


def _rows(file: str, content: bytes) -> Iterator[Message]:
    for row in _json_lines(content):
        subject = row.get("subject")
        text = f"Subject: {subject}\n{row['text']}" if subject else row["text"]
        yield Message(text, row["label"], row.get("language", "en"), _is_valid(file))


def _sms(file: str, content: bytes) -> Iterator[Message]:
    rows = sms_spam.parse(content.decode())
    return (Message(text, label, "en", _is_valid(file)) for text, label in zip(rows.texts, rows.labels, strict=True))


def _comments(file: str, content: bytes) -> Iterator[Message]:
    for row in csv.DictReader(io.StringIO(content.decode(), newline="")):
        yield Message(row["CONTENT"], "spam" if row["CLASS"] == "1" else "ham", "en", _is_valid(file))


def _raw_mail(file: str, content: bytes) -> Iterator[Message]:
    for row in _json_lines(content):
        yield Message(row["raw"], row["label"], "en", _is_valid(file))


def _smishing(file: str, content: bytes) -> Iterator[Message]:
    for row in _json_lines(content):
        if not row.get("also_in"):
            yield Message(row["text"], "ham" if row["label"] == "ham" else "spam", "en", _is_valid(file))


def _with_notices(file: str, content: bytes) -> Iterator[Message]:
    """Spam that is a notice without a link becomes ham; ham with an offer and spam that offers nothing are left out."""
    for message in _rows(file, content):
        offers = _OFFER.search(message.text) is not None
        notifies = NOTICE.search(message.text) is not None
        links = re.search(r"https?:|www\.|\w\.\w+/", message.text) is not None
        if message.label == "spam" and notifies and not offers:
            if not links:
                yield Message(message.text, "ham")
        elif message.label == "spam":
            if offers or links:
                yield message
        elif not (offers and (links or re.search(r"\d{4,}|\*\d+", message.text))):
            yield message


_READERS: Mapping[str, Callable[[str, bytes], Iterator[Message]]] = {
    "sms_spam": _sms,
    "smishing": _smishing,
    "exais_sms": _with_notices,
    "india_sms": _with_notices,
    "spamassassin": _raw_mail,
    "youtube_spam": _comments,
}
"""By source; those that aren't here are read by `_rows`."""

SOURCES: tuple[Source, ...] = tuple(
    Source(**row, read=_READERS.get(row["name"], _rows))
    for row in json.loads(Path(__file__).with_suffix(".json").read_text("utf-8"))
)


def contents(source: Source) -> dict[str, bytes]:
    """Files of a collection's cleaned copy. Raises `DataUnavailable` where they aren't there."""
    folder = local_folder(source.name)
    if folder is None:
        raise DataUnavailable(
            f"{source.title} ({source.origin}) is read as a cleaned copy: set SEQSERVE_DATA to the folder that holds "
            f"{source.name}/{', '.join(source.files)}; docs/messages.md says what is in them"
        )
    return read_local(folder, list(source.files))
