"""Messages of many collections as one set: what is taken, and on which side of the split it falls."""

import json
import lzma
import random
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bundle.tasks.classify.reading import STEPS, read
from bundle.tasks.classify.text import TextEncoder
from tests.support.tiny_bundles import TINY_BUNDLES
from training.data import messages, modern_messages
from training.data.disguise import DISGUISES, as_reported
from training.data.labelled_texts import LabelledTexts, Origin
from training.data.message_sources import SOURCES, contents
from training.data.near_duplicates import group
from training.data.source import DataUnavailable
from training.tasks.classify.augmentation import Augmentation, AugmentedTexts

BY_NAME = {source.name: source for source in SOURCES}
WORDS = [
    "lunch",
    "meeting",
    "window",
    "train",
    "garden",
    "violin",
    "parcel",
    "invoice",
    "river",
    "ticket",
    "doctor",
    "school",
    "market",
    "winter",
    "coffee",
]


def sentence(seed: int, num_words: int = 12) -> str:
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) + rng.choice(["", "s", "ed"]) for _ in range(num_words))


def rows_of(name: str) -> list[dict[str, str]]:
    """Twenty messages of a collection, half of them spam, and one that each collection has."""
    first = sum(map(ord, name)) * 1000
    rows = [{"label": "spam" if number % 2 else "ham", "text": sentence(first + number)} for number in range(20)]
    return [*rows, {"label": "ham", "text": f"{sentence(1, 40)} {name[:2]} 2026"}]


@pytest.fixture
def collections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cleaned copies of all collections, small and made up."""
    for source in SOURCES:
        folder = tmp_path / source.name
        folder.mkdir()
        rows = rows_of(source.name)
        for number, file in enumerate(source.files):
            own = rows[number * 5 : number * 5 + 5] if file.startswith("valid") else rows
            if file.endswith(".tsv"):
                content = "".join(f"{row['label']}\t{row['text']}\n" for row in own).encode()
            elif file.endswith(".csv"):
                lines = [f"{int(row['label'] == 'spam')},{row['text']}" for row in own]
                content = ("CLASS,CONTENT\n" + "\n".join(lines) + "\n").encode()
            else:
                text = "raw" if source.name == "spamassassin" else "text"
                lines = [json.dumps({"label": row["label"], text: row["text"]}) for row in own]
                content = lzma.compress(("\n".join(lines) + "\n").encode())
            (folder / file).write_bytes(content)
    monkeypatch.setenv("SEQSERVE_DATA", str(tmp_path))
    return tmp_path


def test_near_duplicates_of_all_collections_fall_on_one_side(collections: Path) -> None:
    split = messages.load()
    assert split.choose is not None
    parts = {"train": split.train, "choose": split.choose, "report": split.valid}
    groups = group([text for part in parts.values() for text in part.texts])
    sides: dict[int, set[str]] = {}
    places = [name for name, part in parts.items() for _ in part.texts]
    for own, name in zip(groups.tolist(), places, strict=True):
        sides.setdefault(own, set()).add(name)
    assert [own for own, names in sides.items() if len(names) > 1] == []
    assert {origin.source for origin in split.train.origins} == {*BY_NAME, modern_messages.NAME}
    assert all(len(part.texts) == len(part.labels) == len(part.origins) for part in parts.values())
    assert len(split.described) == len(SOURCES) + 1


def test_what_a_validation_part_holds_is_reported(collections: Path) -> None:
    split = messages.load()
    reported = [origin.source for origin in split.valid.origins]
    for name in ("sms_spam", "enron_spam", "spamassassin", "youtube_spam"):
        assert reported.count(name) == 5
    assert modern_messages.NAME in reported


def test_without_the_copies_the_way_to_them_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEQSERVE_DATA", raising=False)
    with pytest.raises(DataUnavailable, match="SEQSERVE_DATA"):
        contents(SOURCES[0])


NOTICES = [
    ("spam", "Your data plan balance is 195 MB, it expires on 29/Sep/2014", "ham"),
    ("spam", "2985 is your verification code", "ham"),
    ("spam", "Win airtime! Text WAVE to 31077, N10/SMS", "spam"),
    ("spam", "Kindness is a kind of magic, in return we get love", None),
    ("spam", "Your bill is ready, thank you for shopping, see mm7.in/MTJJ", None),
    ("ham", "See you in church on Sunday", "ham"),
    ("ham", "Get 10MB for 1day at N100 only, dial *141*11*1#", None),
]


@pytest.mark.parametrize(("label", "text", "taken"), NOTICES)
def test_notices_are_ham_and_offers_are_not(label: str, text: str, taken: str | None) -> None:
    content = lzma.compress((json.dumps({"label": label, "text": text}) + "\n").encode())
    read_rows = list(BY_NAME["exais_sms"].read("train.jsonl.xz", content))
    assert [message.label for message in read_rows] == ([] if taken is None else [taken])


def test_texts_of_one_template_are_near_duplicates_whatever_differs_in_it() -> None:
    letter = sentence(5, 60)
    texts = [f"Dear Ann, {letter} on 3 May", f"Dear Bob, {letter} on 14 June", sentence(6, 60), "Call 1", "CALL 2!"]
    groups = group(texts).tolist()
    assert groups[0] == groups[1]
    assert groups[3] == groups[4]
    assert len(set(groups)) == 3


# --- the messages written for this project ---


def test_written_messages_are_many_and_of_every_kind() -> None:
    written = [message for message in modern_messages.read() if not message.is_reported]
    labels = Counter(message.label for message in written)
    assert min(labels["spam"], labels["ham"]) >= 600
    channels = Counter((message.label, message.channel) for message in written)
    assert all(
        channels[label, channel] >= 70 for label in ("spam", "ham") for channel in ("sms", "mail", "comment", "chat")
    )
    languages = Counter((message.label, message.language) for message in written)
    assert all(languages[label, language] >= 40 for label in ("spam", "ham") for language in ("nl", "de", "es", "fr"))
    assert sum(len(message.text.split()) >= 300 for message in written if message.channel == "mail") >= 50


def test_written_messages_are_each_worded_anew() -> None:
    texts = [message.text for message in modern_messages.read()]
    assert len(set(group(texts).tolist())) >= 0.99 * len(texts)


def test_slots_are_filled_anew_and_twice_alike_in_one_text() -> None:
    text = (
        "{first_name}: {code}, {code}; {date} {time} {amount} {phone} {link} {odd_link} {short_link} {email} {street}"
    )
    rng = random.Random(1)
    filled = [
        modern_messages.fill(text, language, rng) for language in ("en", "de", "nl", "es", "fr") for _ in range(40)
    ]
    assert not any("{" in own for own in filled)
    assert len(set(filled)) == len(filled)
    first, second = (own.split(": ")[1].split(";")[0].split(", ") for own in filled[:2])
    assert first[0] == first[1] != second[0]


def test_addresses_and_numbers_are_reserved_ones() -> None:
    rng = random.Random(2)
    for slot in ("{link}", "{odd_link}", "{short_link}", "{email}"):
        for _ in range(100):
            host = modern_messages.fill(slot, "en", rng).split("://")[-1].split("@")[-1].split("/")[0].split("?")[0]
            assert host.endswith(".example"), host


def test_a_fifth_is_for_choosing() -> None:
    written = modern_messages.read()
    share = sum(map(modern_messages.is_for_choosing, written)) / len(written)
    assert 0.16 < share < 0.24


# --- disguises ---

PLAIN = "Your parcel is waiting, please pay the fee at https://pay.parcel.example/x before Friday"


@pytest.mark.parametrize("name", DISGUISES)
def test_disguises_change_a_text_and_can_be_repeated(name: str) -> None:
    disguise = DISGUISES[name]
    changed = {disguise(PLAIN, random.Random(seed), ["see you at the match"]) for seed in range(20)}
    assert len(changed - {PLAIN}) > 1
    assert disguise(PLAIN, random.Random(3), ["a b c d e"]) == disguise(PLAIN, random.Random(3), ["a b c d e"])


@pytest.mark.parametrize("name", ["zero_width", "lookalikes", "spaced"])
def test_reading_undoes_most_of_what_hides_letters(name: str) -> None:
    seen = [read(DISGUISES[name](PLAIN, random.Random(seed), []), list(STEPS)) for seed in range(40)]
    seen = ["".join(filter(str.isascii, unicodedata.normalize("NFD", text))) for text in seen]  # as the tokenizer does
    known = set(read(PLAIN, list(STEPS)).lower().split())
    kept = [len(known & set(text.lower().split())) / len(known) for text in seen]
    assert np.mean(kept) > 0.6, seen[:10]


def test_the_form_of_one_collection_can_be_put_on_any_text() -> None:
    assert as_reported("Pay 2.99 now!", random.Random(1), []) == "Pay X.XX now"


# --- augmentation ---


def test_texts_are_shown_as_often_as_is_said_and_changed_each_time() -> None:
    encoder = TextEncoder((TINY_BUNDLES / "spam-cnn" / "1" / "tokenizer.json").read_text(), 64)
    template = "your code is {code}, see {link}"
    origins = [Origin(modern_messages.NAME, "sms", "x", "en", template), Origin("other", "sms", "x", "en")]
    rows = LabelledTexts(["your code is 1234, see a.example", "see you later " * 30], ["spam", "ham"], origins)
    settings = Augmentation(times={modern_messages.NAME: 3}, num_tokens=16)
    shown = AugmentedTexts(rows, np.array([1, 0]), encoder, settings, seed=1)
    assert len(shown) == 4
    assert max(shown.lengths) == 16
    ids = [tuple(shown[position][0].tolist()) for position in range(4)]
    assert len(set(ids[:3])) == 3
    assert len(ids[3]) == 16
    assert [shown[position][1] for position in range(4)] == [1, 1, 1, 0]
    braces = {encoder.encode("{").ids[-1]}
    assert not any(braces & set(own) for own in ids)
