"""The valid keys: those of the key file when it could last be read."""

import asyncio
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from service.access.keys import Key, Keyring, KeysUnreadable, read_keys
from service.catalog import disk

POLL_SECONDS = 1.0

logger = logging.getLogger(__name__)


@dataclass
class KeyFile:
    """Polls the key file. While it is broken the keys read before stay valid, and log and metrics report it."""

    path: Path
    show_num_keys: Callable[[float], None]
    show_fault: Callable[[float], None]
    """Called with 1 while the file is broken, else 0."""
    on_change: Callable[[Collection[str]], None]
    """Called with the ids of the valid keys."""
    keyring: Keyring | None = None
    """None until the file could be read for the first time."""
    _stat: tuple[int, ...] | None = None
    _fault: str | None = None

    async def keep_polling(self) -> None:
        """Poll until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self.poll()
            except Exception:  # an unforeseen error in one poll must not end the polling
                logger.exception("reading %s failed", self.path)

    async def poll(self) -> None:
        """Read the file if it has changed."""
        fault = None
        try:
            self._stat, keys = await disk.ask(self._read)
        except KeysUnreadable as error:
            fault = str(error)
            if fault != self._fault:
                effect = "every key is refused" if self.keyring is None else "the keys read before stay valid"
                logger.error("%s %s; %s", self.path, fault, effect)
        else:
            if keys is not None:
                self.keyring = Keyring(keys)
                self.on_change({key.id for key in keys})
                logger.info("%d keys are valid: %s", len(keys), ", ".join(key.name for key in keys) or "none")
        self._fault = fault
        self.show_num_keys(len(self.keyring.keys) if self.keyring else 0)
        self.show_fault(float(fault is not None))

    def _read(self) -> tuple[tuple[int, ...], list[Key] | None]:
        """The file's stat, and its keys if that has changed; blocks. Raises `KeysUnreadable`."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise KeysUnreadable(f"can't be read: {error.strerror}") from None
        stat = (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)
        return stat, None if stat == self._stat else read_keys(self.path)
