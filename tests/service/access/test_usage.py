"""How much of its limits a key has used: exact over processes; each worker by itself where the file fails."""

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


def fail_on_fault() -> None:
    pytest.fail("the file can't be used")


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(
        tmp_path / "usage" / "account", Limits(rows_per_second=2, burst_rows=10, rows_per_day=100), fail_on_fault
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


def test_a_clock_that_restarts_adds_no_tokens(account: Account, clock: dict[str, float]) -> None:
    account.charge(10, refuse=True)
    clock["monotonic"] = 1.0
    with pytest.raises(RateLimited):
        account.check()
    account.charge(0, refuse=False)
    clock["monotonic"] = 2.0
    account.check()


def test_a_refused_request_is_not_charged(account: Account) -> None:
    with pytest.raises(QuotaExceeded):
        account.charge(101, refuse=True)
    assert b'"day";r=100;' in dict(account.headers())[b"ratelimit"]


def test_processes_share_an_account_exactly(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHARGE_A_THOUSAND_TIMES, str(tmp_path / "account")]
    both = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]
    headers = dict(Account(tmp_path / "account", Limits(rows_per_day=1_000_000), fail_on_fault).headers())
    assert headers[b"ratelimit"].startswith(b'"day";r=998000;')


def test_a_lock_that_is_never_released_is_waited_for_once(
    account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.charge(1, refuse=True)
    held = os.open(tmp_path / "usage" / "account", os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    for _ in range(2):
        account.charge(1, refuse=True)
        waits.append(-1.0)
    assert waits[0] == usage.RETRY_SECONDS
    assert waits[-2:] == [-1.0, -1.0]  # the second charge doesn't wait
    os.close(held)
    assert b'"day";r=97;' in dict(account.headers())[b"ratelimit"]


def test_a_worker_counts_alone_and_logs_it_where_the_file_can_not_be_used(
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
def test_a_damaged_file_starts_again(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "account").write_bytes(content)
    account = Account(tmp_path / "account", Limits(rows_per_day=2), fail_on_fault)
    account.charge(2, refuse=True)
    with pytest.raises(QuotaExceeded):
        account.check()


def test_changed_limits_apply_to_what_was_used_before(tmp_path: Path) -> None:
    usages = Usage(tmp_path / "usage", fail_on_fault)
    key = new_key("shop", ["predict"], None, Limits(rows_per_day=10)).key
    before = usages.account(key)
    assert before is not None
    before.charge(4, refuse=True)
    after = usages.account(key.model_copy(update={"limits": Limits(rows_per_day=5)}))
    assert after is not None
    assert b'"day";r=1;' in dict(after.headers())[b"ratelimit"]
    assert usages.account(new_key("free", ["predict"], None, Limits()).key) is None
    usages.keep(set())
    assert [path.name for path in (tmp_path / "usage").iterdir()] == [key.id]
