"""`POST /classify`, answered by a tiny classifier trained here."""

import itertools
import json
import shutil
from collections import Counter
from pathlib import Path
from unittest import mock

import pytest
from starlette.testclient import TestClient

from bundle.store import read_bundle, version_folder
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import EncodedText
from service.engine.batcher import BatchStats
from service.settings import Settings
from service.tasks.classify.engine import TextAnswer, TextClassifier
from service.tasks.classify.schema import ClassifyResult
from tests.support.answers import classify
from tests.support.drift_reference import reference_of
from tests.support.made_up_data import messages
from tests.support.running_app import running_app
from tests.support.tiny_bundles import TINY_BUNDLES

TEXTS = [
    "win a free prize, call now",
    "see you at home",
    "",
    "😀 e\u0301 \u202eright to left \u0000 \U0001f9d1\u200d\U0001f680",
    "ok",
]


def test_spam_and_ham_are_told_apart(client: TestClient) -> None:
    answer = classify(client, inputs=["win free prize cash claim", "thanks mum, see you at dinner tomorrow"])
    assert (answer["model"], answer["version"]) == ("spam-cnn", 1)
    assert [result["label"] for result in answer["results"]] == ["spam", "ham"]


def test_one_text_is_short_for_a_list_of_one_and_an_alias_for_a_version(client: TestClient) -> None:
    answer = classify(client, inputs="see you")
    assert answer == classify(client, inputs=["see you"])
    assert answer == classify(client, inputs="see you", model="spam-cnn", version=1)
    for top_k, num_scores in ((1, 1), (9, 2)):
        assert len(classify(client, inputs="ok", top_k=top_k)["results"][0]["scores"]) == num_scores
    results = classify(client, inputs=["free " * 10, "free " * 10_000])["results"]
    assert [result["truncated"] for result in results] == [False, True]


def test_every_text_has_its_result_in_order(client: TestClient) -> None:
    together = classify(client, inputs=TEXTS)["results"]
    assert len(together) == len(TEXTS)
    for text, result in zip(TEXTS, together, strict=True):
        alone = classify(client, inputs=text)["results"][0]
        assert alone["label"] == result["label"]
        assert alone["scores"] == pytest.approx(result["scores"], abs=1e-5)


def test_scores_are_probabilities_best_first(client: TestClient) -> None:
    for result in classify(client, inputs=TEXTS)["results"]:
        scores = list(result["scores"].values())
        assert sum(scores) == pytest.approx(1, abs=1e-5)
        assert scores == sorted(scores, reverse=True)
        assert result["score"] == result["scores"][result["label"]]


def test_labels_answered_have_the_shares_of_the_reference(client: TestClient, tiny_store: Path) -> None:
    reference = reference_of(read_bundle(version_folder(tiny_store, "spam-cnn", 1)))
    assert reference is not None
    texts, _ = messages(80, 2)  # what the bundle's reference was measured on
    answered = Counter(result["label"] for result in classify(client, inputs=texts)["results"])
    assert len(answered) == 2
    assert {label: answered[label] / len(texts) for label in answered} == reference.labels


def test_texts_may_be_said_to_be_mail_or_html(client: TestClient) -> None:
    plain = classify(client, inputs="win a free prize")["results"][0]
    mail = "From: a@b.example\nContent-Transfer-Encoding: base64\n\nd2luIGEgZnJlZSBwcml6ZQ=="
    for written, text in (("html", "<p>win <b>a</b> free prize</p>"), ("email", mail)):
        long = [text, "ok " * 3000]  # encoded in a thread
        for inputs in ([text], long):
            assert classify(client, inputs=inputs, format=written)["results"][0] == plain
        assert classify(client, inputs=text, format="text")["results"][0] != plain
    together = [classify(client, inputs=["<p>win a free prize</p>"], format="html", explain=True)["results"][0]]
    assert {word["text"] for word in together[0]["explanation"]} >= {"win", "free", "prize"}


def test_unknown_format_is_refused(client: TestClient) -> None:
    response = client.post("/classify", json={"model": "spam", "inputs": "ok", "format": "pdf"})
    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["format"]


def test_what_can_not_be_judged_is_said_with_the_answer(tmp_path: Path) -> None:
    store = tmp_path / "store"
    shutil.copytree(TINY_BUNDLES, store)
    manifest = store / "spam-cnn" / "1" / "manifest.json"
    document = json.loads(manifest.read_text())
    document["spec"]["doubt"] = {"scripts": ["LATIN"], "fewest_characters_per_token": 0.1, "fewest_tokens": 5}
    manifest.write_text(json.dumps(document))
    with running_app(Settings(store=store)) as client:
        sure, unsure = classify(client, inputs=["win a free prize, call now", "Поезд прибывает в девять"])["results"]
    assert "warnings" not in sure
    assert [warning.startswith("Most letters are of a script") for warning in unsure["warnings"]] == [True]
    assert unsure["score"] <= 0.75


def test_as_many_texts_as_allowed(client: TestClient) -> None:
    results = classify(client, inputs=[f"call me {number}" * (number % 40) for number in range(1024)])["results"]
    assert len(results) == 1024


SPEC = ClassifySpec(labels=["ham", "spam", "other"], max_tokens=8, positive_label="spam", threshold=0.3)


def result(spec: ClassifySpec, probabilities: list[float], top_k: int | None = None) -> ClassifyResult:
    """What is answered to a text that the graph gives these probabilities."""
    unused = mock.Mock()
    classifier = TextClassifier(spec, unused, unused, BatchStats(), unused, unused)
    return classifier._result(TextAnswer(probabilities, probabilities, EncodedText([1], False)), top_k)


@pytest.mark.parametrize("num_labels", [2, 3])
def test_scores_descend_and_of_equals_the_first_comes_first(num_labels: int) -> None:
    labels = ["ham", "spam", "other"][:num_labels]
    spec = ClassifySpec(labels=labels, max_tokens=8)
    for probabilities in itertools.permutations([0.1, 0.3, 0.6][-num_labels:]):
        scores = result(spec, list(probabilities))["scores"]
        assert list(scores.values()) == sorted(probabilities, reverse=True)
        assert scores == dict(zip(labels, probabilities, strict=True))
    assert list(result(spec, [0.5] * num_labels)["scores"]) == labels
    assert len(result(spec, [0.5] * num_labels, 1)["scores"]) == 1


@pytest.mark.parametrize(
    ("probabilities", "label"),
    [([0.6, 0.3, 0.1], "spam"), ([0.6, 0.29, 0.11], "ham"), ([0.1, 0.25, 0.65], "other"), ([0.36, 0.29, 0.35], "ham")],
)
def test_operating_threshold_decides_the_label(probabilities: list[float], label: str) -> None:
    answered = result(SPEC, probabilities)
    assert answered["label"] == label
    assert answered["score"] == answered["scores"][label]


def test_best_other_label_stands_where_the_threshold_is_missed() -> None:
    spec = SPEC.model_copy(update={"threshold": 0.9})
    assert result(spec, [0.1, 0.8, 0.1])["label"] == "ham"
