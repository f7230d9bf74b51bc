"""What keys have used: exact over processes, and no worse than alone where the file fails."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from service.access import usage
from service.access.keys import Limits, new_key
from service.access.usage import Account, Usage
from service.errors import QuotaExceeded, RateLimited
from tests.support.service_process import ROOT

CHARGE_A_THOUSAND_TIMES = """
import sys
from pathlib import Path
from service.access.keys import Limits
from service.access.usage import Account
account = Account(Path(sys.argv[1]), Limits(rows_per_day=1_000_000), lambda: None)
for _ in range(1000):
    account.charge(1, refuse=True)
"""


def faultless() -> None:
    pytest.fail("the file can't be used")


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(
        tmp_path / "usage" / "account", Limits(rows_per_second=2, burst_rows=10, rows_per_day=100), faultless
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    now = {"time": 1_000_000 * 86_400.0 + 86_000, "monotonic": 5000.0}
    monkeypatch.setattr(time, "time", lambda: now["time"])
    monkeypatch.setattr(time, "monotonic", lambda: now["monotonic"])
    return now


def test_a_bucket_fills_at_its_rate_up_to_its_size(account: Account, clock: dict[str, float]) -> None:
    account.charge(10, refuse=True)
    with pytest.raises(RateLimited) as refused:
        account.check()
    assert refused.value.retry_after_seconds == 1
    clock["monotonic"] += 0.5
    account.check()
    clock["monotonic"] += 1000
    account.charge(30, refuse=True)  # 20 more than there are: ten seconds to zero, half a one more to the next row
    with pytest.raises(RateLimited) as refused:
        account.charge(1, refuse=True)
    assert refused.value.retry_after_seconds == 11


def test_a_day_ends_at_midnight(account: Account, clock: dict[str, float]) -> None:
    clock["monotonic"] += 100
    account.charge(100, refuse=True)
    clock["monotonic"] += 100
    with pytest.raises(QuotaExceeded) as refused:
        account.check()
    assert refused.value.retry_after_seconds == 400
    clock["time"] += 400
    account.check()


def test_a_clock_that_begins_anew_refills_nothing_and_stops_nothing(account: Account, clock: dict[str, float]) -> None:
    account.charge(10, refuse=True)
    clock["monotonic"] = 1.0
    with pytest.raises(RateLimited):
        account.check()
    account.charge(0, refuse=False)
    clock["monotonic"] = 2.0
    account.check()


def test_what_is_refused_costs_nothing(account: Account) -> None:
    with pytest.raises(QuotaExceeded):
        account.charge(101, refuse=True)
    assert b'"day";r=100;' in dict(account.headers())[b"ratelimit"]


def test_processes_share_an_account_exactly(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHARGE_A_THOUSAND_TIMES, str(tmp_path / "account")]
    both = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]
    headers = dict(Account(tmp_path / "account", Limits(rows_per_day=1_000_000), faultless).headers())
    assert headers[b"ratelimit"].startswith(b'"day";r=998000;')


def test_who_holds_the_lock_for_ever_holds_nobody_up(account: Account, tmp_path: Path) -> None:
    account.charge(1, refuse=True)
    held = os.open(tmp_path / "usage" / "account", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    begun = time.monotonic()
    for _ in range(5):
        account.charge(1, refuse=True)
    assert time.monotonic() - begun < 5 * usage.LOCK_SECONDS  # waited for once, not each time
    os.close(held)
    assert b'"day";r=94;' in dict(account.headers())[b"ratelimit"]


def test_where_the_file_can_not_be_used_a_worker_counts_alone_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "usage").write_text("no folder")
    faults: list[None] = []
    account = Account(tmp_path / "usage" / "account", Limits(rows_per_day=2), lambda: faults.append(None))
    account.charge(2, refuse=True)
    with pytest.raises(QuotaExceeded):
        account.charge(1, refuse=True)
    assert len(faults) == 1
    assert "counts by itself" in caplog.text


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 32])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "account").write_bytes(content)
    account = Account(tmp_path / "account", Limits(rows_per_day=2), faultless)
    account.charge(2, refuse=True)
    with pytest.raises(QuotaExceeded):
        account.check()


def test_a_change_of_limits_keeps_what_is_used(tmp_path: Path) -> None:
    accounts = Usage(tmp_path / "usage", faultless)
    key = new_key("shop", ["predict"], None, Limits(rows_per_day=10)).key
    before = accounts.of(key)
    assert before is not None
    before.charge(4, refuse=True)
    after = accounts.of(key.model_copy(update={"limits": Limits(rows_per_day=5)}))
    assert after is not None
    assert b'"day";r=1;' in dict(after.headers())[b"ratelimit"]
    assert accounts.of(new_key("free", ["predict"], None, Limits()).key) is None
    accounts.keep(set())
    assert [path.name for path in (tmp_path / "usage").iterdir()] == [key.id]
