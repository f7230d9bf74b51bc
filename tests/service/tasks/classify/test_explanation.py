"""`explain` of `POST /classify`: words, and what each adds to the score."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from bundle.tasks.classify.text import EncodedText
from service.settings import Settings
from service.tasks.classify.explanation import HiddenWords, Word, find_words, share_rows
from tests.support.answers import classify
from tests.support.running_app import running_app

TEXTS = [
    "win a free prize, call now!!!",
    "see you at home, mum",
    "free 😀 prize\r\nsee you \U0001f9d1\u200d\U0001f680\tnow, e\u0301t\u00e9 \U0001f1e9\U0001f1ea \u202eok \u0000",
    "hello",
]


def results_of(client: TestClient, inputs: str | list[str], **body: Any) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = classify(client, inputs=inputs, **body)["results"]
    return results


def explain(client: TestClient, text: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    [result] = results_of(client, text, explain=True)
    explanation: list[dict[str, Any]] = result.pop("explanation")
    return result, explanation


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("WINNER!! don\u2019t pay $5.50", ["WINNER", "!!", "don\u2019t", "pay", "$", "5.50"]),
        ("it's x-ray, a_b: 1,000", ["it's", "x", "-", "ray", ",", "a_b", ":", "1,000"]),
        ("a\r\nb\n\n\tc", ["a", "b", "c"]),
        ("?!?!!..x...", ["?", "!", "?", "!!", "..", "x", "..."]),
        ("! !", ["!", "!"]),
        ("aa 11 哈哈", ["aa", "11", "哈", "哈"]),
        ("😂😂😂😀", ["😂😂😂", "😀"]),
        ("👨\u200d👩\u200d👧ok👍🏽👍🏽", ["👨\u200d👩\u200d👧", "ok", "👍🏽", "👍🏽"]),
        ("🇩🇪🇫🇷🇩🇪", ["🇩🇪", "🇫🇷", "🇩🇪"]),
        ("e\u0301clair o\u0302", ["e\u0301clair", "o\u0302"]),
        ("北京 カタカナ 한국어", ["北", "京", "カタカナ", "한국어"]),
        ("สวัสดี", ["ส", "วั", "ส", "ดี"]),
        ("مرحبا हिन्दी", ["مرحبا", "हिन्दी"]),
        ("", []),
        (" \t\r\n\u00a0\u2003\u3000\u2028", []),
    ],
)
def test_words_are_those_of_unicode(text: str, words: list[str]) -> None:
    assert [text[start:end] for start, end in find_words(text)] == words


@given(st.text() | st.text(alphabet="a1!? \r\n\u0301\u200d\ufe0f😀👍🏽🇩🇪_'.,ก你\u00ad"))
def test_words_and_white_space_are_the_whole_text(text: str) -> None:
    behind = 0
    for word in find_words(text):
        assert word.start >= behind
        assert not text[behind : word.start].strip()
        assert text[word.start : word.end].strip()
        behind = word.end
    assert not text[behind:].strip()


@settings(deadline=None)
@given(st.text(max_size=60).filter(lambda text: not any("\ud800" <= character <= "\udfff" for character in text)))
def test_offsets_are_code_points_of_the_text_sent(client: TestClient, text: str) -> None:
    _, explanation = explain(client, text)
    assert [word["text"] for word in explanation] == [text[word["start"] : word["end"]] for word in explanation]
    assert sum(len(word["text"]) for word in explanation) >= len("".join(text.split()))


@pytest.mark.parametrize("text", TEXTS)
def test_weight_is_what_the_score_loses_without_the_word(client: TestClient, text: str) -> None:
    result, explanation = explain(client, text)
    for word in explanation:
        [without] = results_of(client, text[: word["start"]] + text[word["end"] :])
        assert word["weight"] == pytest.approx(result["score"] - without["scores"][result["label"]], abs=5e-6)


def test_without_its_heaviest_word_the_score_falls_most(client: TestClient) -> None:
    result, explanation = explain(client, TEXTS[0])
    assert result["label"] == "spam"
    rest = [TEXTS[0][: word["start"]] + TEXTS[0][word["end"] :] for word in explanation]
    scores = [one["scores"]["spam"] for one in results_of(client, rest)]
    heaviest = int(np.argmax([word["weight"] for word in explanation]))
    assert int(np.argmin(scores)) == heaviest
    assert result["score"] - scores[heaviest] > 0.01


def test_explained_result_is_the_same_otherwise(client: TestClient) -> None:
    plain = results_of(client, TEXTS)
    explained = results_of(client, TEXTS, explain=True)
    for without, result in zip(plain, explained, strict=True):
        assert "explanation" not in without
        assert result.pop("explanation")
        assert result.pop("score") == pytest.approx(without.pop("score"), abs=1e-5)
        assert result.pop("scores") == pytest.approx(without.pop("scores"), abs=1e-5)
        assert result == without


def test_each_of_many_texts_has_its_own_explanation(client: TestClient) -> None:
    texts = [*TEXTS, "", " ", "\r\n\t", "\u00a0\u2003", TEXTS[1], *(f"call {number} now" for number in range(100))]
    for text, result in zip(texts, results_of(client, texts, explain=True), strict=True):
        _, alone = explain(client, text)
        assert [word["text"] for word in result["explanation"]] == [word["text"] for word in alone]
        weights = [word["weight"] for word in alone]
        assert [word["weight"] for word in result["explanation"]] == pytest.approx(weights, abs=1e-5)
        assert bool(weights) == bool(text.strip())


def test_of_a_truncated_text_only_what_is_read_is_explained(client: TestClient) -> None:
    text = "call me at home, free prize \U0001f680 " * 1000
    result, explanation = explain(client, text)
    assert result["truncated"]
    last = explanation[-1]
    up_to, before = results_of(client, [text[: last["end"]], text[: last["start"]]])
    assert up_to["scores"] == pytest.approx(result["scores"], abs=1e-5)
    assert not before["truncated"]
    [one_more] = results_of(client, text[: last["end"] + len(" prize \U0001f680 call")])
    assert one_more["truncated"]


def test_as_many_words_as_allowed_are_explained(tiny_store: Path) -> None:
    with running_app(Settings(store=tiny_store, max_explained_words=5)) as client:
        assert len(results_of(client, ["see you", "now ok !!!"], explain=True)[1]["explanation"]) == 3
        body = {"model": "spam", "inputs": ["see you", "now ok ! ?"]}
        response = client.post("/classify", json=body | {"explain": True})
        assert response.status_code == 422
        [place] = response.json()["errors"]
        assert place["loc"] == ["explain"]
        assert place["msg"].startswith("At most 5 words")
        assert client.post("/classify", json=body).status_code == 200


def test_deadline_holds_for_explanations_too(tiny_store: Path) -> None:
    with running_app(Settings(store=tiny_store, deadline_seconds=1e-6)) as client:
        body = {"model": "spam", "inputs": "see you", "explain": True}
        assert client.post("/classify", json=body).status_code == 504


def test_what_is_hidden_is_asked_about_once_and_together_with_the_texts() -> None:
    def text(only_id: int) -> EncodedText:
        return EncodedText([only_id], truncated=False)

    words = [Word(0, 1), Word(2, 3)]
    hidden = [HiddenWords(words, [text(3), text(5)]), HiddenWords([], []), HiddenWords(words, [text(4), text(3)])]
    rows, places_without = share_rows([text(1), text(2), text(1)], hidden)
    assert rows == [text(only_id) for only_id in (1, 2, 1, 3, 5, 4)]
    assert [[rows[place].ids for place in places] for places in places_without] == [[[3], [5]], [], [[4], [3]]]
