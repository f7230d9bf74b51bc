"""What each key has used of its limits: a token bucket for the rate and a count for the day, shared by all workers.

Each key with limits has a file of 32 bytes. Whoever charges it locks it, reads it and writes it back: a few
microseconds, and exact over all workers of a host. A worker that is stopped while it holds the lock holds the others up
for a twentieth of a second; then they go on without it, and charges of that time may get lost. Nothing is flushed to
the disk, so the files outlive the service but not a crash of the host. Where they can't be used, each worker counts by
itself, and says so.
"""

import fcntl
import logging
import math
import os
import struct
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from service.access.keys import Key, Limits
from service.errors import QuotaExceeded, RateLimited

DAY_SECONDS = 86_400
LOCK_SECONDS, LOOK_SECONDS = 0.05, 0.0001
"""How long to wait for a lock, and how long between two looks."""
IMPATIENT_SECONDS = 1.0
"""How long not to wait again after it was in vain."""
_FORM = struct.Struct("<qqdd")

logger = logging.getLogger(__name__)


class Spent(NamedTuple):
    """The state of one account."""

    day: int
    """Days of UTC since 1970."""
    rows: int
    """Charged on that day."""
    tokens: float
    """In the bucket when it was last charged; below zero after a request larger than what was left."""
    at: float
    """When that was, by the clock that nobody sets and all processes share."""


class Account:
    """One key's use of its limits.

    A request is let through as long as there is a token, and then charged all its rows: the bucket may get below zero,
    so that a request larger than a burst isn't refused for ever, and the rate holds over time. What is left of a day's
    quota doesn't.

    Args:
        path: the file; made where it isn't there.
        limits: of the key.
        note_fault: called when the file couldn't be used.
    """

    def __init__(self, path: Path, limits: Limits, note_fault: Callable[[], None]) -> None:
        self.limits = limits
        self._path = path
        self._note_fault = note_fault
        self._descriptor: int | None = None
        self._impatient_until = 0.0
        self._last: Spent | None = None
        self._alone: Spent | None = None
        """The state while the file can't be used."""

    def check(self) -> None:
        """Refuse a caller who has used it all up. Raises `RateLimited` and `QuotaExceeded`."""
        self._last = self._read()
        self._refuse_unless_enough(self._now(self._last), 1)

    def charge(self, num_rows: int, *, refuse: bool) -> None:
        """Count rows. Raises `RateLimited` and `QuotaExceeded`, counting nothing, if `refuse`."""

        def charged(before: Spent) -> Spent:
            now = self._now(before)
            if refuse:
                self._refuse_unless_enough(now, num_rows)
            return now._replace(rows=now.rows + num_rows, tokens=now.tokens - num_rows)

        self._update(charged)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """What was left when this process last looked, as draft-ietf-httpapi-ratelimit-headers has it."""
        now, limits = self._now(self._last or self._read()), self.limits
        policies, left = [], []
        if limits.rows_per_second is not None:
            full = _capacity(limits)
            window = math.ceil(full / limits.rows_per_second)
            policies.append(f'"rate";q={math.floor(full)};w={window}')
            again = math.ceil((full - now.tokens) / limits.rows_per_second)
            left.append(f'"rate";r={max(0, math.floor(now.tokens))};t={again}')
        if limits.rows_per_day is not None:
            policies.append(f'"day";q={limits.rows_per_day};w={DAY_SECONDS}')
            left.append(f'"day";r={max(0, limits.rows_per_day - now.rows)};t={_until_tomorrow()}')
        return [(b"ratelimit-policy", ", ".join(policies).encode()), (b"ratelimit", ", ".join(left).encode())]

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _now(self, before: Spent) -> Spent:
        """The state after the time that has passed."""
        day, at = int(time.time() // DAY_SECONDS), time.monotonic()
        full = _capacity(self.limits)
        passed = max(0.0, at - before.at)  # after a restart of the host the clock begins anew
        tokens = min(full, before.tokens + passed * (self.limits.rows_per_second or 0.0))
        return Spent(day, before.rows if day == before.day else 0, tokens, at)

    def _refuse_unless_enough(self, now: Spent, num_rows: int) -> None:
        limits = self.limits
        if limits.rows_per_day is not None and now.rows + num_rows > limits.rows_per_day:
            left = max(0, limits.rows_per_day - now.rows)
            raise QuotaExceeded(
                f"This takes {num_rows} of the key's {limits.rows_per_day} rows a day, of which {left} are left until "
                "midnight UTC.",
                retry_after_seconds=_until_tomorrow(),
            )
        if limits.rows_per_second is not None and now.tokens < 1:
            raise RateLimited(
                f"The key may send {limits.rows_per_second:g} rows a second; slow down, and heed Retry-After.",
                retry_after_seconds=math.ceil((1 - now.tokens) / limits.rows_per_second),
            )

    def _read(self) -> Spent:
        try:
            return self._alone or _parse(os.pread(self._open(), _FORM.size, 0), self.limits)
        except OSError as error:
            return self._go_alone(error)

    def _update(self, change: Callable[[Spent], Spent]) -> None:
        if self._alone is not None:
            self._alone = self._last = change(self._alone)
            return
        try:
            descriptor = self._open()
            is_locked = self._lock(descriptor)
            try:
                self._last = change(_parse(os.pread(descriptor, _FORM.size, 0), self.limits))
                os.pwrite(descriptor, _FORM.pack(*self._last), 0)
            finally:
                if is_locked:
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
        except OSError as error:
            self._alone = self._last = change(self._go_alone(error))

    def _lock(self, descriptor: int) -> bool:
        """Whether the lock could be had. Whoever has it needs it for microseconds, unless it is stopped."""
        begun = time.perf_counter()
        patience = LOCK_SECONDS if begun >= self._impatient_until else 0.0
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.perf_counter() - begun > patience:
                    self._impatient_until = time.perf_counter() + IMPATIENT_SECONDS
                    return False
                time.sleep(LOOK_SECONDS)
            else:
                return True

    def _open(self) -> int:
        if self._descriptor is None:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._descriptor

    def _go_alone(self, error: OSError) -> Spent:
        logger.error("%s can't be used: %s; this worker counts by itself", self._path, error.strerror)
        self._note_fault()
        self.close()
        self._alone = _parse(b"", self.limits)
        return self._alone


class Usage:
    """The accounts of all keys that have limits.

    Args:
        folder: where their files are; made where it isn't there.
        note_fault: called when one can't be used.
    """

    def __init__(self, folder: Path, note_fault: Callable[[], None]) -> None:
        self._folder = folder
        self._note_fault = note_fault
        self._accounts: dict[str, Account] = {}

    def of(self, key: Key) -> Account | None:
        """The account of a key; None where it has no limits."""
        if not key.is_limited:
            return None
        account = self._accounts.get(key.id)
        if account is None:
            account = self._accounts[key.id] = Account(self._folder / key.id, key.limits, self._note_fault)
        account.limits = key.limits
        return account

    def keep(self, ids: Collection[str]) -> None:
        """Let go of the files of all other keys."""
        for key_id in [key_id for key_id in self._accounts if key_id not in ids]:
            self._accounts.pop(key_id).close()


def _capacity(limits: Limits) -> float:
    return max(1.0, limits.burst_rows or limits.rows_per_second or 0.0)


def _parse(content: bytes, limits: Limits) -> Spent:
    """A state as it was written; that of an account never used, with a full bucket, where there is none."""
    if len(content) == _FORM.size:
        spent = Spent(*_FORM.unpack(content))
        if math.isfinite(spent.tokens) and math.isfinite(spent.at):
            return spent
    return Spent(0, 0, _capacity(limits), 0.0)


def _until_tomorrow() -> int:
    return DAY_SECONDS - int(time.time()) % DAY_SECONDS
