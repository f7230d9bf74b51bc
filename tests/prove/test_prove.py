"""Promises that are kept, and that turn red when broken on purpose: the quick forms of those that take seconds.

CI runs the quick form of every promise beside this (`make prove ARGS=--quick`).
"""

import json
from pathlib import Path

import pytest

from tests.prove.__main__ import PROMISES, main
from tests.prove.checked_requests import AnswerChecker, CheckedRequest, random_requests
from tests.prove.client import Answer
from tests.prove.mutations import requests
from tests.prove.promise import Measure, Outcome, Promise, document, none_of, read, table, write
from tests.prove.served import SHIPPED


def line(name: str, *measures: Measure) -> Promise:
    return Promise(name, measures)


def test_a_count_must_be_within_its_bounds() -> None:
    assert Measure("a", 3, at_least=3).kept
    assert not Measure("a", 2.9, at_least=3).kept
    assert not Measure("a", 4, at_most=3).kept
    assert not Measure("a", float("nan"), at_most=3).kept
    assert not none_of("a", 1).kept


def test_one_red_count_makes_a_promise_red() -> None:
    promise = line("p", none_of("lost", 0), Measure("share", 0.5, at_least=0.9))
    assert not promise.kept
    assert document([promise])[0] | {"notes": []} == {
        "promise": "p",
        "count": {"lost": 0, "share": 0.5},
        "wanted": {"lost": "0", "share": "at least 0.900"},
        "kept": False,
        "notes": [],
    }
    assert [row.split()[-1] for row in table([promise]).splitlines()[2:]] == ["yes", "NO"]


def test_lines_of_earlier_runs_stay(tmp_path: Path) -> None:
    path = tmp_path / "prove.json"
    write(path, [line("a", none_of("x", 0)), line("b", none_of("x", 1))], read(path))
    write(path, [line("b", none_of("x", 0))], read(path))
    assert {one["promise"]: one["kept"] for one in read(path)} == {"a": True, "b": True}


def test_a_trial_that_breaks_off_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks_off(_run: object) -> Outcome:
        raise RuntimeError("no service")

    monkeypatch.setattr("tests.prove.fuzz.prove", breaks_off)
    assert main(["fuzzed-requests", "--out", str(tmp_path / "p.json")]) == 1
    assert not read(tmp_path / "p.json")[0]["kept"]


def test_an_unknown_promise_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["no-such-promise"]) == 2
    assert "no-such-promise" in capsys.readouterr().err


def test_each_promise_says_how_it_is_broken() -> None:
    for module in PROMISES.values():
        source = (Path(__file__).parent / f"{module}.py").read_text()
        assert "\nSABOTAGE = " in source
        assert "run.sabotaged" in source


def test_the_same_seed_makes_the_same_requests() -> None:
    first, again, other = requests(1), requests(1), requests(2)
    one = [next(first) for _ in range(200)]
    assert one == [next(again) for _ in range(200)]
    assert one != [next(other) for _ in range(200)]


def test_wrong_answers_are_told_from_right_ones() -> None:
    checker = AnswerChecker()
    checker.published("spam-cnn", 4, SHIPPED / "spam-cnn" / "4")
    request = CheckedRequest(0, "spam", texts=["WINNER!! claim your prize at http://x.y"])

    def fault(status: int, **changes: object) -> str | None:
        scores = {"spam": 0.943395, "ham": 0.056605}
        body = {"model": "spam-cnn", "version": 4, "results": [{"label": "spam", "scores": scores}], **changes}
        return checker.fault(request, Answer(status, {}, json.dumps(body).encode(), closes=False))

    assert fault(200) is None
    assert fault(200, version=5) == "spam-cnn version 5 was never published"
    assert "instead of" in str(fault(200, results=[{"scores": {"spam": 0.9439, "ham": 0.0561}}]))
    assert "0 results" in str(fault(200, results=[]))
    assert "status 500" in str(fault(500))
    assert "without a reason" in str(fault(503))


def test_questions_are_of_every_shape() -> None:
    asked = random_requests(["spam", "forecast"], 200)
    assert {len(request.texts) for request in asked if request.texts} >= {1, 2, 5}
    assert max(len(values) for request in asked for values in request.series) > 500


@pytest.mark.parametrize("promise", ["fuzzed-requests", "killed-workers"])
def test_promises_are_kept(promise: str, tmp_path: Path) -> None:
    assert main([promise, "--quick", "--out", str(tmp_path / "prove.json")]) == 0


@pytest.mark.parametrize("promise", PROMISES)
def test_a_promise_that_is_broken_on_purpose_turns_red(
    promise: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SABOTAGE", promise)
    assert main(["--quick", "--out", str(tmp_path / "prove.json")]) == 1
    (only,) = read(tmp_path / "prove.json")
    assert (only["promise"], only["kept"]) == (promise, False)
    assert "trials that broke off" not in only["count"]
