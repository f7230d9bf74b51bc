"""The versions in memory, and which of them are let go: under a ceiling, the least recently asked for first.

A version that has callers stays, whatever the ceiling says; so a single one may be larger than the ceiling. One that no
name means any more, because a newer one took over, goes a minute after its number was last asked for; of each bundle
the last one that did answer stays a minute after that, for a rollback.
"""

import math
import time
from collections.abc import Collection

from service.catalog.loader import LoadedModel

Key = tuple[str, int]
"""Name and version of a bundle."""

SUPERSEDED_SECONDS = 60.0
"""So long after its last request a version is kept that only its number still means, or a rollback would."""


class ModelCache:
    """Versions by key; for the event loop, or one thread.

    Args:
        ceiling_bytes: what they may take together; 0: as much as they need.
    """

    def __init__(self, ceiling_bytes: int) -> None:
        self._ceiling_bytes = ceiling_bytes
        self._served: dict[Key, LoadedModel] = {}
        self._asked_at: dict[Key, float] = {}
        self._number_asked_at: dict[Key, float] = {}

    def items(self) -> list[tuple[Key, LoadedModel]]:
        """All that are in memory."""
        return list(self._served.items())

    def ask(self, key: Key, *, by_number: bool = False) -> LoadedModel | None:
        """One of them, for a caller, who may have asked for just this version; None if it isn't in memory."""
        served = self._served.get(key)
        if served is not None:
            self._asked_at[key] = time.monotonic()
            if by_number:
                self._number_asked_at[key] = self._asked_at[key]
        return served

    def put(self, key: Key, served: LoadedModel) -> None:
        """Take one in."""
        self._served[key] = served

    def pop(self, key: Key) -> LoadedModel:
        """Let one go; those who have it in use keep it until they are done."""
        self._asked_at.pop(key, None)
        self._number_asked_at.pop(key, None)
        return self._served.pop(key)

    def surplus(self, meant: Collection[Key], just_asked: Key | None = None) -> list[Key]:
        """What has to go now; none that has callers.

        Args:
            meant: what a name means; anything else is superseded.
            just_asked: stays this time.
        """
        now = time.monotonic()
        num_bytes = sum(served.num_bytes for served in self._served.values())
        asked_at = {key: self._asked_at.get(key, -math.inf) for key in self._served}
        in_turn = sorted(asked_at, key=asked_at.__getitem__)
        last_of_its_name = {key[0]: key for key in in_turn if key not in meant}
        surplus = []
        for key in in_turn:
            served = self._served[key]
            if served.batcher.num_callers or key == just_asked:
                continue
            times = asked_at if last_of_its_name.get(key[0]) == key else self._number_asked_at
            superseded = key not in meant and now - times.get(key, -math.inf) > SUPERSEDED_SECONDS
            if superseded or 0 < self._ceiling_bytes < num_bytes:
                num_bytes -= served.num_bytes
                surplus.append(key)
        return surplus
