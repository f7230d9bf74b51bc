"""`python -m service list|promote|rollback`: what it prints and refuses, and that running services follow."""

import os
from pathlib import Path

import pytest

from bundle.store import _read_file, read_aliases, set_alias, version_folder
from service.__main__ import main
from service.settings import Settings
from tests.support.next_version import publish_next_version
from tests.support.retry import retry_until
from tests.support.running_app import running_app
from tests.support.stub_bundle import publish_stub
from tests.support.tiny_bundles import copy_tiny_bundles


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two versions of `blank`, one of which isn't whole, and an alias; `SEQSERVE_STORE` names it."""
    monkeypatch.setenv("SEQSERVE_STORE", str(tmp_path))
    publish_stub(tmp_path)
    publish_stub(tmp_path)
    (version_folder(tmp_path, "blank", 2) / "golden.npz").unlink()
    set_alias(tmp_path, "short", "blank")
    set_alias(tmp_path, "second", "blank", 2)
    return tmp_path


def test_list_shows_aliases_and_versions(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert capsys.readouterr().out == (
        "ALIAS   RESOLVES TO\n"
        "second  blank version 2, pinned\n"
        "short   the newest version of blank, now 1\n"
        "\n"
        "BUNDLE  VERSION  CREATED                    ALIASES  STATE\n"
        "blank   1        2026-01-01T00:00:00+00:00  short    ok\n"
        "blank   2        -                          second   golden.npz is absent\n"
    )


def test_promotion_and_rollback_say_before_and_after(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["promote", "short", "blank", "1"]) == 0
    assert capsys.readouterr().out == (
        "short meant the newest version of blank, now 1\nshort means blank version 1, pinned\n"
    )
    assert main(["rollback", "short"]) == 0
    assert capsys.readouterr().out == (
        "short meant blank version 1, pinned\nshort means the newest version of blank, now 1\n"
    )
    assert main(["promote", "third", "blank", "1"]) == 0
    assert capsys.readouterr().out == "third was not there\nthird means blank version 1, pinned\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["promote", "short", "blank", "2"], "blank version 2 is not whole: golden.npz is absent"),
        (["promote", "short", "nothing"], "nothing is not in the store"),
        (["rollback", "short"], "nothing is known of what short meant before"),
        (["rollback", "nothing"], "there is no alias nothing"),
    ],
)
def test_refusal_says_why(store: Path, capsys: pytest.CaptureFixture[str], command: list[str], message: str) -> None:
    before = read_aliases(store)
    assert main(command) == 1
    assert message in capsys.readouterr().err
    assert read_aliases(store) == before


@pytest.mark.parametrize(
    ("command", "store", "message"),
    [
        (
            ["promote", "short", "blank"],
            "/sys",
            "the store /sys can't be written to",
        ),  # not even root makes a file there
        (["rollback", "short"], "/sys", "the store /sys can't be written to"),
        (["list"], "/nowhere", "can't be read: No such file or directory"),
        (["promote", "short", "blank", "newest"], "/sys", "VERSION"),
    ],
)
def test_store_or_version_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str], store: str, message: str
) -> None:
    monkeypatch.setenv("SEQSERVE_STORE", store)
    if message == "VERSION":
        with pytest.raises(SystemExit):
            main(command)
    else:
        assert main(command) == 1
    assert message in capsys.readouterr().err


def test_alias_can_be_read_by_the_services_own_user(store: Path) -> None:
    umask = os.umask(0o077)
    try:
        assert main(["promote", "short", "blank", "1"]) == 0
    finally:
        os.umask(umask)
    assert (store / "aliases.json").stat().st_mode & 0o777 == 0o644


def test_running_service_follows_promotion_and_rollback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = copy_tiny_bundles(tmp_path / "store")
    monkeypatch.setenv("SEQSERVE_STORE", str(store))
    with running_app(Settings(store=store, store_poll_seconds=0.05)) as client:
        publish_next_version(store, "any-frequency")

        def answers(version: int) -> bool:
            answer = client.post("/forecast", json={"model": "any", "values": [1]}).json()
            return bool(answer["version"] == version)

        retry_until(lambda: answers(2))
        assert main(["promote", "any", "any-frequency", "1"]) == 0
        retry_until(lambda: answers(1))
        assert main(["rollback", "any"]) == 0
        retry_until(lambda: answers(2))


def test_list_reads_each_version_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def noted(path: Path, limit: int) -> bytes:
        read.append(path.relative_to(store).as_posix())
        return _read_file(path, limit)

    monkeypatch.setattr("bundle.store._read_file", noted)
    assert main(["list"]) == 0
    assert [path for path in read if path.endswith("manifest.json")] == [
        "blank/1/manifest.json",
        "blank/2/manifest.json",
    ]
