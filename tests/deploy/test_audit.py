"""The audit of dependencies asks a database where there is one, and compares the lock with all that is known."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy import audit
from tests.support.service_process import ROOT

LOCK = "left==1.0 \\\n    --hash=sha256:{0}\n    # via right\nright==2.5.0 \\\n    --hash=sha256:{0}\n".format("0" * 64)

ID = re.compile(r"CVE-\d{4}-\d{4,}|GHSA(-[0-9a-z]{4}){3}|PYSEC-\d{4}-\d+")
FLAW: dict[str, Any] = {
    "package": "left",
    "ids": ["CVE-2026-1", "GHSA-aaaa-bbbb-cccc"],
    "affected": ["<0.9", ">=1.0,<1.0.1"],
    "summary": "goes right",
    "source": "https://example.org/1",
}
RECORD: dict[str, Any] = {
    "advisories": [],
    "gathered": "2026-01-01",
    "gathered_from": "here and there",
    "accepted": {},
    "answer": None,
}


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "lock").write_text(LOCK)
    write(tmp_path)
    return ["--lock", str(tmp_path / "lock"), "--record", str(tmp_path / "advisories.json")]


def write(directory: Path, **changes: object) -> None:
    (directory / "advisories.json").write_text(json.dumps(RECORD | changes))


@pytest.fixture
def database() -> Iterator[str]:
    """OSV, as far as pip-audit asks it; something is known of `left`."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = {
                "id": "PYSEC-2026-1",
                "summary": "bad",
                "details": "bad",
                "affected": [],
                "aliases": ["CVE-2026-1"],
            }
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


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "ask", lambda _lock, *_service: None)


def test_what_a_database_knows_fails_until_it_is_accepted_with_a_reason(
    files: list[str], database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert audit.main([*files, "--osv-url", database]) == 1
    assert "left 1.0: PYSEC-2026-1; take a newer version" in capsys.readouterr().out
    record = json.loads((tmp_path / "advisories.json").read_text())
    assert record["answer"]["versions"] == {"left": "1.0", "right": "2.5.0"}
    assert record["answer"]["found"] == {"left": [["PYSEC-2026-1", "CVE-2026-1"]]}
    record["accepted"] = {"CVE-2026-1": {"versions": "==1.0", "reason": "not reached"}}  # by any of its ids
    (tmp_path / "advisories.json").write_text(json.dumps(record))
    assert audit.main([*files, "--osv-url", database]) == 0
    told = capsys.readouterr().out
    assert "left 1.0: PYSEC-2026-1 is accepted: not reached" in told
    assert "2 of 2 locked versions were audited" in told
    assert "STALE" not in told


@pytest.mark.usefixtures("offline")
def test_without_a_database_the_last_answer_is_compared(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = {"date": "2026-01-01", "source": "OSV", "versions": {"left": "1.0", "right": "2.4.0"}, "found": {}}
    write(tmp_path, answer=answer)
    assert audit.main(files) == 0
    told = capsys.readouterr().out
    assert "STALE: no database was asked about right 2.5.0\n" in told
    assert "days old" in told
    write(tmp_path, answer=answer | {"found": {"left": [["PYSEC-2026-1"]], "right": [["PYSEC-2026-2"]]}})
    assert audit.main(files) == 1  # it was found, wherever this runs; what was found of another version doesn't count
    told = capsys.readouterr().out
    assert "PYSEC-2026-1" in told
    assert "PYSEC-2026-2" not in told


@pytest.mark.usefixtures("offline")
def test_an_advisory_fails_the_versions_it_affects(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, advisories=[FLAW, FLAW | {"package": "unlocked"}])
    assert audit.main(files) == 1
    told = capsys.readouterr().out
    assert "left 1.0: CVE-2026-1, goes right (https://example.org/1); take a newer version (make lock)" in told
    assert "compared with advisories on 1 of 2 locked packages, 1 in all,\ngathered on 2026-01-01" in told
    write(tmp_path, advisories=[FLAW | {"affected": ["<1.0", ">=1.0.1,<1.1"]}, FLAW | {"package": "right"}])
    assert audit.main(files) == 0
    told = capsys.readouterr().out
    assert "CVE-2026-1" not in told
    assert "compared with advisories on 2 of 2 locked packages, 2 in all,\n" in told
    assert "STALE: no database was asked about any locked version" in told


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(("versions", "status"), [("==1.0", 0), ("<1.0", 1)])
def test_an_advisory_is_accepted_for_named_versions(
    versions: str, status: int, files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accepted = {"GHSA-aaaa-bbbb-cccc": {"versions": versions, "reason": "we never go right"}}
    write(tmp_path, advisories=[FLAW], accepted=accepted)
    assert audit.main(files) == status
    assert ("left 1.0: CVE-2026-1 is accepted: we never go right" in capsys.readouterr().out) == (status == 0)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"advisories": [FLAW | {"affected": ["below 1.0"]}]}, "advisories.0.affected.0: .*below 1.0"),
        ({"advisories": [FLAW | {"affected": [""]}]}, "advisories.0.affected.0: .*all versions"),
        ({"advisories": [FLAW | {"severity": "high"}]}, "advisories.0.severity: "),
        ({"accepted": {"CVE-2026-1": {"versions": "==1.0"}}}, "accepted.CVE-2026-1.reason: "),
    ],
)
def test_a_record_that_is_none_says_where(
    changes: dict[str, Any], where: str, files: list[str], tmp_path: Path
) -> None:
    write(tmp_path, **changes)
    with pytest.raises(SystemExit, match=where):
        audit.main(files)
    (tmp_path / "advisories.json").unlink()
    with pytest.raises(SystemExit, match="is missing"):
        audit.main(files)


@pytest.mark.usefixtures("offline")
def test_nothing_recorded_affects_what_is_shipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert audit.main([]) == 0


def test_the_shipped_record_is_well_formed() -> None:
    record = audit.read(ROOT / audit.RECORD)
    assert len(record.advisories) > 0
    names = [(advisory.package, found) for advisory in record.advisories for found in advisory.ids]
    assert len(set(names)) == len(names)
    assert all(ID.fullmatch(found) for _, found in names)
    assert set(record.accepted) <= {found for _, found in names}
    assert all(advisory.source.startswith("https://") and advisory.summary for advisory in record.advisories)
    # Something has mended each of them: a range without an end would condemn a package for good.
    assert all("<" in affected for advisory in record.advisories for affected in advisory.affected)


def test_a_database_that_knows_only_some_is_none(files: list[str], tmp_path: Path) -> None:
    assert audit.ask(tmp_path / "lock", "osv", "--osv-url", "http://127.0.0.1:1/v1/query") is None
