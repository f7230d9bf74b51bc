"""The bill of materials is that of the lock, and names what the image holds."""

import json
from pathlib import Path

import pytest

from deploy.lock import LOCK, read
from deploy.sbom import BOM, described
from tests.support.service_process import ROOT


@pytest.fixture
def at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.usefixtures("at_root")
def test_the_committed_bill_is_that_of_the_lock() -> None:
    assert BOM.read_text() == described(LOCK, Path("pyproject.toml")), "run make sbom"


@pytest.mark.usefixtures("at_root")
def test_every_pin_is_in_it_and_is_needed_by_something() -> None:
    pins = read(LOCK)
    lines = [line for line in LOCK.read_text().splitlines() if line and line[0] not in " #"]
    assert len(pins) == len(lines) > 40
    assert all(pin.needed_by for pin in pins)
    bill = json.loads(BOM.read_text())
    assert {(one["name"], one["version"]) for one in bill["components"]} == {(pin.name, pin.version) for pin in pins}
    needs = {one["ref"]: one.get("dependsOn", []) for one in bill["dependencies"]}
    direct = {ref.partition("@")[0] for ref in needs["seqserve"]}
    assert {"pkg:pypi/fastapi", "pkg:pypi/onnxruntime", "pkg:pypi/tokenizers"} <= direct
    assert "pkg:pypi/starlette" not in direct
    [fastapi] = [found for ref, found in needs.items() if ref.startswith("pkg:pypi/fastapi@")]
    assert any(ref.startswith("pkg:pypi/starlette@") for ref in fastapi)
