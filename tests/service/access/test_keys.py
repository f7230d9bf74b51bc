"""The file of keys and `python -m service keys`."""

import json
import os
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from service.__main__ import main
from service.access.keys import Keyring, KeysUnreadable, Limits, new_key, read_keys, write_keys


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SEQSERVE_API_KEYS_FILE", str(tmp_path / "keys.json"))
    return tmp_path / "keys.json"


def test_a_key_is_printed_once_and_only_its_hash_is_kept(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", "add", "shop", "--scope", "predict", "--scope", "read", "--rows-per-day", "500"]) == 0
    text = capsys.readouterr().out.strip()
    assert re.fullmatch("seqserve_[0-9a-f]{12}_[0-9a-f]{64}", text)
    secret = text.rpartition("_")[2]
    assert secret not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600
    [key] = read_keys(path)
    assert (key.name, key.scopes, key.limits) == ("shop", ["predict", "read"], Limits(rows_per_day=500))
    assert Keyring([key]).find(text.encode()) is key
    assert main(["keys", "list"]) == 0
    listed = capsys.readouterr().out
    assert secret not in listed
    assert re.search(rf"shop +{key.id} +predict,read +\S+ +never +500 rows a day", listed)


def test_a_revoked_key_is_gone_and_the_others_stay(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("shop", "board"):
        assert main(["keys", "add", name, "--scope", "read", "--days", "30"]) == 0
    assert main(["keys", "revoke", "shop"]) == 0
    assert [key.name for key in read_keys(path)] == ["board"]
    assert os.listdir(path.parent) == ["keys.json"]


def test_a_changed_file_stays_readable_for_who_could_read_it(path: Path) -> None:
    assert main(["keys", "add", "shop", "--scope", "read"]) == 0
    path.chmod(0o640)
    assert main(["keys", "add", "board", "--scope", "read"]) == 0
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["add", "shop", "--scope", "read"], "there is a key named shop already"),
        (["revoke", "nobody"], "there is no key of that name"),
        (["add", "a b", "--scope", "read"], "name: String should match"),
        (["add", "new", "--scope", "read", "--rows-per-day", "0"], "rows_per_day: Input should be greater"),
        (["add", "new", "--scope", "read", "--burst-rows", "5"], "burst_rows says nothing without rows_per_second"),
    ],
)
def test_what_can_not_be_is_refused(
    path: Path, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "add", "shop", "--scope", "read"]) == 0
    before = path.read_bytes()
    assert main(["keys", *arguments]) == 1
    assert said in capsys.readouterr().err
    assert path.read_bytes() == before


def test_without_the_setting_there_is_nothing_to_change(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("SEQSERVE_API_KEYS_FILE", raising=False)
    assert main(["keys", "list"]) == 1
    assert "SEQSERVE_API_KEYS_FILE names no file" in capsys.readouterr().err


def test_a_service_does_not_start_with_a_broken_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve"]) == 2
    assert "keys.json can't be read: No such file or directory" in capsys.readouterr().err
    path.write_text("{")
    assert main(["serve"]) == 2
    assert "keys.json is no key file" in capsys.readouterr().err


def test_a_broken_file_says_why_and_repeats_nothing(tmp_path: Path) -> None:
    key = new_key("shop", ["predict"], None, Limits())
    write_keys(tmp_path / "keys.json", [key.key])
    whole = json.loads((tmp_path / "keys.json").read_text())
    entry = whole["keys"][0]
    documents: list[Any] = [
        [],
        {"format": 2, "keys": []},
        {"format": 1, "keys": [entry, entry]},
        {"format": 1, "keys": [entry | {"key": key.text}]},
        {"format": 1, "keys": [entry | {"sha256": key.text}]},
        {"format": 1, "keys": [entry | {"scopes": [key.text]}]},
        {"format": 1, "keys": [entry | {"expires": "2030-01-01T00:00:00"}]},  # where?
    ]
    for broken in documents:
        (tmp_path / "keys.json").write_text(json.dumps(broken))
        with pytest.raises(KeysUnreadable) as refused:
            read_keys(tmp_path / "keys.json")
        assert key.text not in str(refused.value)


def test_two_who_add_at_once_both_get_their_key(path: Path) -> None:
    adding = [threading.Thread(target=main, args=[["keys", "add", f"k{n}", "--scope", "read"]]) for n in range(8)]
    for thread in adding:
        thread.start()
    for thread in adding:
        thread.join()
    assert {key.name for key in read_keys(path)} == {f"k{n}" for n in range(8)}
