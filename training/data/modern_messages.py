"""Modern messages: spam and ham of the 2020s, written for this project (CC0), with slots filled anew at random.

`modern_messages/*.jsonl` hold one message a line: label, channel, kind, language, format, subject (mail only), text.
A slot such as `{amount}` stands for what differs from one such message to the next; `slots.json` holds the names, and
numbers, dates and addresses are drawn here, from the reserved ones (RFC 2606; telephone numbers kept for drama).
"""

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bundle.tasks.classify.reading import STEPS
from bundle.tasks.classify.reading import read as read_text

NAME = "modern_messages"
FOLDER = Path(__file__).with_name(NAME)
_SLOT = re.compile(r"{([a-z_0-9]+)}")


@dataclass(frozen=True)
class Written:
    """One message as it was written, slots open."""

    label: str
    channel: str
    kind: str
    language: str
    text: str
    """Of a mail: a line with the subject, then the body."""
    is_reported: bool
    """Whether it is of the messages that another hand wrote, to report on."""


def read() -> list[Written]:
    """All messages, by file and line. Raises `ValueError` naming the line that isn't one, or has an unknown slot."""
    return [message for path in sorted(FOLDER.glob("*.jsonl")) for message in _lines(path)]


def _lines(path: Path) -> Iterator[Written]:
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            row: dict[str, Any] = json.loads(line)
            text = f"Subject: {row['subject']}\n{row['text']}" if row["channel"] == "mail" else row["text"]
            fill(text, row["language"], random.Random(0))
            yield Written(row["label"], row["channel"], row["kind"], row["language"], text, path.stem == "reported")
        except (KeyError, ValueError) as error:
            raise ValueError(f"{path.name}, line {number}: {error!r}") from error


def fill(text: str, language: str, rng: random.Random) -> str:
    """The text with every slot filled; the same slot twice in a text gets the same content. Raises `KeyError`."""
    drawn: dict[str, str] = {}

    def content(match: re.Match[str]) -> str:
        name = match[1]
        if name not in drawn:
            drawn[name] = _draw(name, language, rng)
        return drawn[name]

    return _SLOT.sub(content, text)


def fixed(message: Written) -> str:
    """The text with slots filled, and read: the same each time."""
    return read_text(fill(message.text, message.language, random.Random(message.text)), list(STEPS))


def is_for_choosing(message: Written) -> bool:
    """A fifth of the messages, by the letters of their text."""
    letters = "".join(filter(str.isalpha, message.text.casefold()))
    return hashlib.sha256(letters.encode()).digest()[0] < 51


@cache
def _names() -> dict[str, dict[str, list[str]]]:
    names: dict[str, dict[str, list[str]]] = json.loads((FOLDER / "slots.json").read_text("utf-8"))
    return names


def _draw(name: str, language: str, rng: random.Random) -> str:
    drawer = _DRAWERS.get(name)
    if drawer is not None:
        return drawer(language, rng)
    lists = _names()[name]
    return rng.choice(lists.get(language, lists["en"]))


def _money(low: float, high: float) -> Callable[[str, random.Random], str]:
    def draw(language: str, rng: random.Random) -> str:
        value = low * (high / low) ** rng.random()
        if value > 20 and rng.random() < 0.5:
            value = round(value, -1 if value < 1000 else -2)
        whole = rng.random() < 0.4 or value > 20_000
        if language == "en":
            number = f"{value:,.0f}" if whole else f"{value:,.2f}"
            currency = rng.choices(
                ["£", "$", "€", "USD ", "Rs.", "AUD ", "GBP ", "R", "NGN", "INR "], [8, 8, 4, 1, 2, 1, 1, 1, 1, 1]
            )[0]
            return currency + (number if rng.random() < 0.7 else number.replace(",", ""))
        number = f"{value:.0f}" if whole else f"{value:.2f}".replace(".", ",")
        return rng.choice([f"{number} €", f"{number}€", f"€ {number}", f"{number} EUR", f"{number} euro"])

    return draw


def _digits(low: int, high: int) -> Callable[[str, random.Random], str]:
    return lambda _language, rng: "".join(rng.choice("0123456789") for _ in range(rng.randint(low, high)))


def _order(_language: str, rng: random.Random) -> str:
    letters = "".join(rng.choice("ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(rng.choice([0, 0, 2, 2, 3])))
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randint(5, 12)))
    return rng.choice([f"{letters}{digits}", f"{letters}-{digits[:4]}-{digits[4:]}".strip("-"), f"#{digits}", digits])


def _date(language: str, rng: random.Random) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(2020, 2027)
    name = _names()["month"].get(language, _names()["month"]["en"])[month - 1]
    dotted = language == "de"
    return rng.choice(
        [
            f"{day}{'.' if dotted else ''} {name}",
            f"{day}{'.' if dotted else ''} {name} {year}",
            f"{day:02}/{month:02}/{year}" if language != "de" else f"{day:02}.{month:02}.{year}",
            f"{day:02}-{month:02}-{year}" if language == "nl" else f"{day}/{month}",
            f"{year}-{month:02}-{day:02}",
        ]
    )


def _time(language: str, rng: random.Random) -> str:
    hour, minute = rng.randint(6, 22), rng.choice([0, 0, 15, 30, 45, rng.randint(0, 59)])
    if language == "en" and rng.random() < 0.5:
        suffix = "am" if hour < 12 else "pm"
        shown = (hour - 1) % 12 + 1
        return f"{shown}{suffix}" if minute == 0 else f"{shown}:{minute:02}{suffix}"
    separator = rng.choice("h:") if language == "fr" else ":"
    return f"{hour}{separator}{minute:02}"


def _phone(language: str, rng: random.Random) -> str:
    tail = f"{rng.randint(0, 999):03}"
    return rng.choice(
        {
            "en": [
                f"+44 7700 900{tail}",
                f"07700 900{tail}",
                f"0808 157 0{tail}",
                f"+1 (202) 555-0{rng.randint(100, 199)}",
                f"1-800-555-0{rng.randint(100, 199)}",
                f"020 7946 0{tail}",
            ],
            "de": [f"030 23125 {tail}", f"+49 171 39200{tail[:2]}", f"0176 040690{tail[:2]}"],
            "nl": [f"06-5550{tail}", f"+31 6 5550 {tail}", f"085-5550{tail}"],
            "fr": [
                f"06 39 98 {tail[:2]} {tail[1:]}",
                f"01 99 00 {tail[:2]} {tail[1:]}",
                f"+33 6 39 98 {tail[:2]} {tail[1:]}",
            ],
            "es": [f"600 000 {tail}", f"900 000 {tail}", f"+34 600 000 {tail}"],
        }.get(language, [f"+44 7700 900{tail}"])
    )


def _code(rng: random.Random, length: int) -> str:
    return "".join(rng.choice("abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789") for _ in range(length))


def _host(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "shop"


_TOP_LEVEL = ("com", "net", "org", "co.uk", "de", "nl", "fr", "es", "eu", "io", "app", "info", "shop", "top", "xyz")


def _domain(name: str, rng: random.Random) -> str:
    """Under the reserved `.example`, with the look of any other: `shop.com.example`."""
    return f"{name}.example" if rng.random() < 0.4 else f"{name}.{rng.choice(_TOP_LEVEL)}.example"


def _scheme(rng: random.Random) -> str:
    return rng.choices(["https://", "http://", "", "www.", "https://www."], [6, 1, 3, 1, 1])[0]


def _link(language: str, rng: random.Random) -> str:
    owner = _host(_draw(rng.choice(["shop", "bank", "courier", "company", "service"]), language, rng))
    words = _names()["path"]["en"]
    path = "/".join(rng.choice(words) for _ in range(rng.randint(0, 2)))
    tail = rng.choice(["", "", f"/{_code(rng, rng.randint(4, 10))}", f"?id={rng.randint(1000, 999999)}"])
    host = rng.choice(["", "", "my.", "track.", "account.", "m.", "app."]) + owner
    return f"{_scheme(rng)}{_domain(host, rng)}{'/' + path if path else ''}{tail}"


def _odd_link(language: str, rng: random.Random) -> str:
    owner = _host(_draw(rng.choice(["bank", "courier", "service", "shop"]), language, rng))
    bait = rng.choice(_names()["bait"].get(language, _names()["bait"]["en"]))
    number = rng.choice(["", "", str(rng.randint(1, 999))])
    host = rng.choice(
        [
            f"{owner}-{bait}{number}",
            f"{bait}-{owner}",
            f"{owner}.{bait}{number}",
            f"{bait}{number}",
            f"{_code(rng, 6).lower()}.{owner}-{bait}",
            f"{bait}-{_code(rng, 4).lower()}",
        ]
    )
    tail = rng.choice(["", "", f"/{_code(rng, rng.randint(3, 8))}", f"/{bait}", f"/?{_code(rng, 5)}"])
    return f"{_scheme(rng)}{_domain(host, rng)}{tail}"


def _short_link(_language: str, rng: random.Random) -> str:
    host = rng.choice(["bit", "tiny", "cutt", "short", "go", "t", "lnk", "is", "rb", "s"])
    ending = rng.choice(["example", "ly.example", "co.example", "gd.example"])
    return f"{rng.choice(['https://', '', ''])}{host}.{ending}/{_code(rng, rng.randint(5, 8))}"


def _email(language: str, rng: random.Random) -> str:
    first = _host(_draw("first_name", language, rng))
    owner = _host(_draw(rng.choice(["company", "shop", "service"]), language, rng))
    user = rng.choice([first, f"{first}{rng.randint(1, 99)}", "info", "support", "office", "billing", "noreply"])
    return f"{user}@{_domain(rng.choice([owner, 'mail', 'post']), rng)}"


_DRAWERS: dict[str, Callable[[str, random.Random], str]] = {
    "amount": _money(5, 600),
    "small_amount": _money(0.5, 9),
    "big_amount": _money(900, 4_000_000),
    "percent": lambda _language, rng: str(rng.choice([5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 3, 12])),
    "code": _digits(4, 8),
    "last4": _digits(4, 4),
    "short_code": _digits(5, 5),
    "order": _order,
    "date": _date,
    "time": _time,
    "phone": _phone,
    "number": lambda _language, rng: str(rng.randint(2, 9)),
    "days": lambda _language, rng: str(rng.randint(2, 30)),
    "link": _link,
    "odd_link": _odd_link,
    "short_link": _short_link,
    "email": _email,
    "full_name": lambda language, rng: f"{_draw('first_name', language, rng)} {_draw('last_name', language, rng)}",
    "handle": lambda language, rng: (
        rng.choice(["", "the", "its", "real"])
        + _host(_draw("first_name", language, rng))
        + rng.choice(["", "_", "."])
        + rng.choice(["", str(rng.randint(1, 2010)), "music", "x", "official", "fx"])
    ),
    "street": lambda language, rng: (
        f"{rng.randint(1, 180)} {_draw('street_name', 'en', rng)}"
        if language in {"en", "fr"}
        else f"{_draw('street_name', language, rng)} {rng.randint(1, 180)}"
    ),
}
