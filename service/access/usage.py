"""How much of its limits each key has used: a token bucket for the rate, a count for the day, shared by all workers.

A charge locks the key's file of 32 bytes, reads it and writes it back: exact over all workers of a host. If a worker is
stopped while it holds the lock, the others go on without it after 50 ms. Nothing is flushed to disk. If a file can't be
used, each worker counts by itself.
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

    day: int
    """Days of UTC since 1970."""
    rows: int
    """Charged on that day."""
    tokens: float
    """In the bucket after the last charge; negative after a request larger than what was left."""
    at: float
    """Time of the last charge by `CLOCK_MONOTONIC`, which all processes share."""


@dataclass(eq=False)
class Account:
    """How much of its limits one key has used.

    With one token left a request is accepted and charged all its rows: the bucket may become negative, and a request
    larger than the burst isn't refused for ever. The day's quota never becomes negative.
    """

    path: Path
    """Created if it is missing."""
    limits: Limits
    on_fault: Callable[[], None]
    """Called when the file can't be used."""
    _descriptor: int | None = None
    _no_wait_until: float = 0.0
    _last: State | None = None
    _own_state: State | None = None
    """The state while the file can't be used."""

    def check(self) -> None:
        """Raises `RateLimited` and `QuotaExceeded` if the limits are used up."""
        self._last = self._read()
        self._refuse_unless_enough(self._now(self._last), 1)

    def charge(self, num_rows: int, *, refuse: bool) -> None:
        """Count rows. With `refuse`, raises `RateLimited` and `QuotaExceeded` instead of going over the limits."""

        def charged(before: State) -> State:
            now = self._now(before)
            if refuse:
                self._refuse_unless_enough(now, num_rows)
            return now._replace(rows=now.rows + num_rows, tokens=now.tokens - num_rows)

        self._update(charged)

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Headers of draft-ietf-httpapi-ratelimit-headers: what was left when this process last read the file."""
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

    def _read(self) -> State:
        try:
            return self._own_state or _parse(os.pread(self._open(), _FORMAT.size, 0), self.limits)
        except OSError as error:
            return self._count_alone(error)

    def _update(self, change: Callable[[State], State]) -> None:
        if self._own_state is not None:
            self._own_state = self._last = change(self._own_state)
            return
        try:
            descriptor = self._open()
            is_locked = self._lock(descriptor)
            try:
                self._last = change(_parse(os.pread(descriptor, _FORMAT.size, 0), self.limits))
                os.pwrite(descriptor, _FORMAT.pack(*self._last), 0)
            finally:
                if is_locked:
                    fcntl.flock(descriptor, fcntl.LOCK_UN)
        except OSError as error:
            self._own_state = self._last = change(self._count_alone(error))

    def _lock(self, descriptor: int) -> bool:
        """Take the lock, which others hold for microseconds unless they are stopped; whether that worked."""
        begun = time.perf_counter()
        timeout = LOCK_SECONDS if begun >= self._no_wait_until else 0.0
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.perf_counter() - begun > timeout:
                    self._no_wait_until = time.perf_counter() + NO_WAIT_SECONDS
                    return False
                time.sleep(RETRY_SECONDS)
            else:
                return True

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


@dataclass(eq=False)
class Usage:
    """The accounts of all keys that have limits."""

    folder: Path
    """Created if it is missing."""
    on_fault: Callable[[], None]
    _accounts: dict[str, Account] = field(default_factory=dict)

    def account(self, key: Key) -> Account | None:
        """The account of a key; None where it has no limits."""
        if not key.is_limited:
            return None
        account = self._accounts.get(key.id)
        if account is None:
            account = self._accounts[key.id] = Account(self.folder / key.id, key.limits, self.on_fault)
        account.limits = key.limits
        return account

    def keep(self, ids: Collection[str]) -> None:
        """Close the files of all other keys."""
        for key_id in [key_id for key_id in self._accounts if key_id not in ids]:
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
