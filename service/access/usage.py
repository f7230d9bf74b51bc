"""How much of its limits each key has used: a token bucket for the rate, a count for the day, shared by all workers.

Each key with limits has a file of 32 bytes. A charge locks it, reads it and writes it back within microseconds. If a
worker is stopped while it holds the lock, the others wait 50 ms and go on without it; charges may be lost. The files
aren't flushed: they survive the service, but not a crash of the host.
"""

import fcntl
import logging
import math
import os
import struct
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from service.access.keys import Key, Limits
from service.errors import QuotaExceeded, RateLimited

DAY_SECONDS = 86_400
LOCK_SECONDS, RETRY_SECONDS = 0.05, 0.0001
"""How long to wait for the lock, and between two attempts."""
NO_WAIT_SECONDS = 1.0
"""After a wait in vain, how long not to wait again."""
_FORMAT = struct.Struct("<qqdd")

logger = logging.getLogger(__name__)


class State(NamedTuple):
    """The state of one account."""

    day: int  # of UTC since 1970
    rows: int  # charged on that day
    tokens: float  # in the bucket after the last charge; negative after a request larger than what was left
    at: float  # time of the last charge by CLOCK_MONOTONIC, shared by all processes


@dataclass
class Account:
    """How much of its limits one key has used.

    A request needs one token and is charged all its rows: the bucket may become negative. So a request larger than the
    burst isn't refused for ever, and the rate holds over time. The day's quota never becomes negative.
    """

    path: Path
    """The file; created if it is missing."""
    limits: Limits
    on_fault: Callable[[], None]
    """Called when the file can't be used."""
    _descriptor: int | None = None
    _no_wait_until: float = 0.0
    _last: State | None = None
    _own_state: State | None = None
    """The state while the file can't be used."""

    def check(self) -> None:
        """Raise `RateLimited` or `QuotaExceeded` if the limits are used up."""
        self._last = self._read()
        self._refuse_unless_enough(self._now(self._last), 1)

    def charge(self, num_rows: int, *, refuse: bool) -> None:
        """Count rows; with `refuse`, raise `RateLimited` or `QuotaExceeded` instead of going over the limits."""
        own = self._own_state
        if own is None:
            try:
                descriptor = self._open()
                self._lock(descriptor)
                try:
                    before = _parse(os.pread(descriptor, _FORMAT.size, 0), self.limits)
                    self._last = self._charged(before, num_rows, refuse=refuse)
                    os.pwrite(descriptor, _FORMAT.pack(*self._last), 0)
                    return
                finally:
                    fcntl.flock(descriptor, fcntl.LOCK_UN)  # does nothing where the wait was in vain
            except OSError as error:
                own = self._count_alone(error)
        self._own_state = self._last = self._charged(own, num_rows, refuse=refuse)

    def _charged(self, before: State, num_rows: int, *, refuse: bool) -> State:
        now = self._now(before)
        if refuse:
            self._refuse_unless_enough(now, num_rows)
        return now._replace(rows=now.rows + num_rows, tokens=now.tokens - num_rows)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Headers of draft-ietf-httpapi-ratelimit-headers: what was left when this process last read the file."""
        now, limits = self._now(self._last or self._read()), self.limits
        policies, left = [], []
        if limits.rows_per_second is not None:
            full = _capacity(limits)
            window = math.ceil(full / limits.rows_per_second)
            policies.append(f'"rate";q={math.floor(full)};w={window}')
            refilled = math.ceil((full - now.tokens) / limits.rows_per_second)
            left.append(f'"rate";r={max(0, math.floor(now.tokens))};t={refilled}')
        if limits.rows_per_day is not None:
            policies.append(f'"day";q={limits.rows_per_day};w={DAY_SECONDS}')
            left.append(f'"day";r={max(0, limits.rows_per_day - now.rows)};t={_until_tomorrow()}')
        return [(b"ratelimit-policy", ", ".join(policies).encode()), (b"ratelimit", ", ".join(left).encode())]

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _now(self, before: State) -> State:
        """The state after the time that has passed since `before`."""
        day, at = int(time.time() // DAY_SECONDS), time.monotonic()
        full = _capacity(self.limits)
        passed = max(0.0, at - before.at)  # the clock restarts with the host
        tokens = min(full, before.tokens + passed * (self.limits.rows_per_second or 0.0))
        return State(day, before.rows if day == before.day else 0, tokens, at)

    def _refuse_unless_enough(self, now: State, num_rows: int) -> None:
        limits = self.limits
        if limits.rows_per_day is not None and now.rows + num_rows > limits.rows_per_day:
            left = max(0, limits.rows_per_day - now.rows)
            used = f"This takes {num_rows} of the key's {limits.rows_per_day} rows a day"
            detail = f"{used}, of which {left} are left until midnight UTC."
            raise QuotaExceeded(detail, retry_after_seconds=_until_tomorrow())
        if limits.rows_per_second is not None and now.tokens < 1:
            detail = f"The key may send {limits.rows_per_second:g} rows a second; slow down, and heed Retry-After."
            wait = math.ceil((1 - now.tokens) / limits.rows_per_second)
            raise RateLimited(detail, retry_after_seconds=wait)

    def _read(self) -> State:
        try:
            return self._own_state or _parse(os.pread(self._open(), _FORMAT.size, 0), self.limits)
        except OSError as error:
            return self._count_alone(error)

    def _lock(self, descriptor: int) -> None:
        """Take the lock, which others hold for microseconds; go on without it if one of them is stopped."""
        begun = time.perf_counter()
        timeout = LOCK_SECONDS if begun >= self._no_wait_until else 0.0
        while True:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.perf_counter() - begun > timeout:
                    self._no_wait_until = time.perf_counter() + NO_WAIT_SECONDS
                    return None
            time.sleep(RETRY_SECONDS)

    def _open(self) -> int:
        if self._descriptor is None:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._descriptor

    def _count_alone(self, error: OSError) -> State:
        logger.error("%s can't be used: %s; this worker counts by itself", self.path, error.strerror)
        self.on_fault()
        self.close()
        self._own_state = _parse(b"", self.limits)
        return self._own_state


@dataclass
class Usage:
    """The accounts of all keys that have limits."""

    folder: Path
    """Of their files; created if it is missing."""
    on_fault: Callable[[], None]
    """Called when one can't be used."""
    _accounts: dict[str, Account] = field(default_factory=dict)

    def account(self, key: Key) -> Account | None:
        """The account of a key; None where it has no limits."""
        if not key.is_limited:
            return None
        if key.id not in self._accounts:
            self._accounts[key.id] = Account(self.folder / key.id, key.limits, self.on_fault)
        account = self._accounts[key.id]
        account.limits = key.limits
        return account

    def keep(self, ids: Collection[str]) -> None:
        """Close the files of all other keys."""
        for key_id in self._accounts.keys() - ids:
            self._accounts.pop(key_id).close()


def _capacity(limits: Limits) -> float:
    return max(1.0, limits.burst_rows or limits.rows_per_second or 0.0)


def _parse(content: bytes, limits: Limits) -> State:
    """The state in a file; of a new account, with a full bucket, if the file is empty or damaged."""
    if len(content) == _FORMAT.size:
        spent = State(*_FORMAT.unpack(content))
        if math.isfinite(spent.tokens) and math.isfinite(spent.at):
            return spent
    return State(0, 0, _capacity(limits), 0.0)


def _until_tomorrow() -> int:
    return DAY_SECONDS - int(time.time()) % DAY_SECONDS
