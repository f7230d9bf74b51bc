"""The keys that count now: those of the file as it was when it could last be read."""

import asyncio
import logging
from collections.abc import Callable, Collection
from pathlib import Path

from service.access.keys import Key, Keyring, KeysUnreadable, read_keys
from service.catalog import disk
from service.telemetry.metrics import Metrics

POLL_SECONDS = 1.0

logger = logging.getLogger(__name__)


class KeyFile:
    """Follows the file. A broken one changes nothing: what was read before goes on, and log and metrics say so.

    Args:
        path: the file.
        metrics: shows how many keys there are, and whether the file is broken.
        changed: called with the ids of the keys that count from now on.
    """

    def __init__(self, path: Path, metrics: Metrics, changed: Callable[[Collection[str]], None]) -> None:
        self._path = path
        self._metrics = metrics
        self._changed = changed
        self._seen: tuple[int, ...] | None = None
        self._fault: str | None = None
        self.keyring: Keyring | None = None
        """None until the file could be read for the first time."""

    async def watch(self) -> None:
        """Follow the file until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.look()
            except Exception:  # the watch must outlive any one reading
                logger.exception("reading %s failed", self._path)

    async def look(self) -> None:
        """Read the file if it has changed."""
        fault: str | None = None
        keys: list[Key] | None = None
        try:
            seen, keys = await disk.ask(self._read)
            self._seen = seen
        except KeysUnreadable as error:
            fault = str(error)
        if keys is not None:
            self.keyring = Keyring(keys)
            self._changed({key.id for key in keys})
            logger.info("%d keys may ask: %s", len(keys), ", ".join(key.name for key in keys) or "none")
        if fault is not None and fault != self._fault:
            logger.error(
                "%s %s; %s", self._path, fault, "nobody may ask" if self.keyring is None else "the keys of before go on"
            )
        self._fault = fault
        self._metrics.keys.set(len(self.keyring.keys) if self.keyring else 0)
        self._metrics.keys_fault.set(float(fault is not None))

    def _read(self) -> tuple[tuple[int, ...], list[Key] | None]:
        """What the file looks like, and its keys if that has changed; blocks. Raises `KeysUnreadable`."""
        try:
            found = self._path.stat()
        except OSError as error:
            raise KeysUnreadable(f"can't be read: {error.strerror}") from None
        seen = (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)
        return seen, None if seen == self._seen else read_keys(self._path)
