import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.peers.__main__ import kept
from benchmarks.peers.dialects import BENTOML, TORCHSERVE, V1, V2
from benchmarks.peers.environment import Unavailable, make, reason, wants
from benchmarks.peers.peer import Peer
from benchmarks.peers.peers import PEERS
from benchmarks.peers.report import ROWS, brief, report
from benchmarks.peers.work import answer_each
from benchmarks.serving.contender import SEQSERVE_TEXTS, Dialect, Launch
from benchmarks.serving.contenders import RAW, SERVICE
from benchmarks.serving.engine import engine
from benchmarks.serving.workload import Workload

BUNDLE = Workload("texts", 1, 12).bundle


@pytest.mark.parametrize("peer", PEERS.values(), ids=PEERS)
def test_each_peer_has_a_server_and_the_version_it_was_tested_with(peer: Peer) -> None:
    launch = Launch(port=1234, workers=2, bundle=BUNDLE)
    contender = peer.contender()
    python, script, *arguments = contender.command(launch)
    assert Path(python).is_relative_to(peer.environment)
    assert (peer.requirements.parents[3] / script).exists()
    assert not any("{" in argument for argument in arguments)
    assert contender.environment(launch)["BENCH_PORT"] == "1234"
    assert f"{peer.package}" in peer.requirements.read_text("utf-8")
    assert all(part.isdigit() for part in peer.version.split("."))
    assert "onnxruntime==" in wants(peer)


def test_requests_of_a_batch_are_answered_as_each_alone() -> None:
    own = engine(BUNDLE)
    bodies: list[dict[str, Any]] = [{"inputs": "see you at lunch"}, {"inputs": ["WINNER!! Claim your prize", "ok"]}]
    together = answer_each(own, bodies)
    alone = [answer_each(own, [body])[0] for body in bodies]
    assert [[one["label"] for one in answer["results"]] for answer in together] == [
        [one["label"] for one in answer["results"]] for answer in alone
    ]
    assert [len(answer["results"]) for answer in together] == [1, 2]


@pytest.mark.parametrize(
    ("dialect", "path", "body", "answer"),
    [
        (BENTOML, "/classify", {"inputs": ["a", "b"]}, [{"label": "ham"}, {"label": "spam"}]),
        (V1, "/v1/models/m:predict", {"instances": ["a", "b"]}, {"predictions": [{"label": "ham"}, {"label": "spam"}]}),
        (
            V2,
            "/v2/models/m/infer",
            {"inputs": [{"name": "text", "shape": [2, 1], "datatype": "BYTES", "data": ["a", "b"]}]},
            {"outputs": [{"name": "scores", "data": [0.1]}, {"name": "label", "data": ["ham", "spam"]}]},
        ),
        (
            TORCHSERVE,
            "/predictions/m",
            {"model": "m", "inputs": ["a", "b"]},
            {"results": [{"label": "ham"}, {"label": "spam"}]},
        ),
    ],
)
def test_dialects_ask_and_read(dialect: Dialect, path: str, body: object, answer: object) -> None:
    request = dialect.ask("m", ["a", "b"])
    assert (request.path, json.loads(request.body)) == (path, body)
    assert dialect.read(json.dumps(answer).encode()) == ["ham", "spam"]


def test_peer_that_needs_what_is_not_here_says_so() -> None:
    with pytest.raises(Unavailable, match="needs no-such-program"):
        make(Peer("x", "x", "litserve", SEQSERVE_TEXTS, needs=("no-such-program",)))


def test_reason_is_the_error_that_counts() -> None:
    printed = """WARNING: nothing
ERROR: Ignored the following versions that require a different python version: 1.0
ERROR: Could not find a version that satisfies the requirement x>=9
ERROR: No matching distribution found for x>=9
"""
    assert reason(printed) == "Could not find a version that satisfies the requirement x>=9"
    assert reason("Traceback\nOSError: disk full\n") == "OSError: disk full"


def test_brief_keeps_the_first_line_and_the_last_error() -> None:
    assert (
        brief("x ended with status 1\nloading\nImportError: libfoo\nbye")
        == "x ended with status 1 … ImportError: libfoo"
    )


def test_what_another_version_did_is_measured_again() -> None:
    peer = PEERS["LitServe"]
    entry = {"version": peer.version, "rows": {"text-64": {}}, "skipped": "it failed later"}
    assert kept(entry, peer) == {"version": peer.version, "rows": {"text-64": {}}}
    assert kept(entry | {"version": "0.0.1"}, peer) == {"version": peer.version, "rows": {}}


def test_report_has_ratios_and_reasons() -> None:
    def rounds(rate: float) -> list[dict[str, float]]:
        return [{"rate": rate, "cpu_seconds": 1 / rate, "p50_ms": 1.0, "p99_ms": 2.0}] * 2

    measured = {SERVICE: rounds(300), RAW: rounds(150), "Triton": rounds(200)}
    said = report(
        {
            "Triton": {"version": "1", "rows": {ROWS[0].name: measured}},
            "Robyn": {"version": "2", "rows": {}, "skipped": "no"},
        }
    )
    assert "| Triton 1 | 200 (200 to 200) | 1.50 (1.50 to 1.50) × | ≥ 1.15: met | 0.75 (0.75 to 0.75) × |" in said
    assert "Robyn 2 was left out: no" in said
