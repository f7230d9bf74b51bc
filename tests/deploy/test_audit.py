"""The audit of dependencies asks a database where there is one; else it says what nobody has looked at."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from deploy import audit

LOCK = "left==1.0 \\\n    --hash=sha256:{0}\n    # via right\nright==2.5.0 \\\n    --hash=sha256:{0}\n".format("0" * 64)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "lock").write_text(LOCK)
    return ["--lock", str(tmp_path / "lock"), "--record", str(tmp_path / "audit.json")]


@pytest.fixture
def database() -> Iterator[str]:
    """OSV, as far as pip-audit asks it; something is known of `left`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = {"id": "PYSEC-2026-1", "summary": "bad", "details": "bad", "affected": [], "aliases": []}
            body = json.dumps({"vulns": [known]} if asked["package"]["name"] == "left" else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()
        thread.join()


def test_what_is_known_fails_until_it_is_accepted_with_a_reason(
    files: list[str], database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main([*files, "--osv-url", database]) == 1
    assert "left 1.0: PYSEC-2026-1; take a newer version" in capsys.readouterr().out
    record = json.loads((tmp_path / "audit.json").read_text())
    assert (record["versions"], record["found"]) == ({"left": "1.0", "right": "2.5.0"}, {"left": ["PYSEC-2026-1"]})
    (tmp_path / "audit.json").write_text(json.dumps(record | {"accepted": {"PYSEC-2026-1": "not reached"}}))
    assert audit.main([*files, "--osv-url", database]) == 0
    assert "2 of 2 locked versions were audited" in capsys.readouterr().out


def unreachable(_lock: Path, *_service: str) -> None:
    return None


def test_without_a_database_the_record_is_compared(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "ask", unreachable)
    assert audit.main(files) == 0
    assert "no audit was ever recorded" in capsys.readouterr().out
    old = audit.Record(date=dt.date(2026, 1, 1), source="OSV", versions={"left": "1.0", "right": "2.4.0"})
    (tmp_path / "audit.json").write_text(old.model_dump_json())
    assert audit.main(files) == 0
    told = capsys.readouterr().out
    assert "STALE: never audited: right 2.5.0\n" in told
    assert "days old" in told
    known = old.model_copy(update={"found": {"left": ["PYSEC-2026-1"], "right": ["PYSEC-2026-2"]}})
    (tmp_path / "audit.json").write_text(known.model_dump_json())
    assert audit.main(files) == 1  # it was found, wherever this runs; what was found of another version doesn't count
    told = capsys.readouterr().out
    assert "PYSEC-2026-1" in told
    assert "PYSEC-2026-2" not in told


def test_a_database_that_knows_only_some_is_none(files: list[str], tmp_path: Path) -> None:
    assert audit.ask(tmp_path / "lock", "osv", "--osv-url", "http://127.0.0.1:1/v1/query") is None
