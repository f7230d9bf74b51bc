"""The model cache: which versions are in memory, and which are evicted: the least recently used beyond a limit.

A version with requests stays. One that no name resolves to any more is evicted 60 s after the last request for its
number; the last one that answered for a bundle stays 60 s after that, for a rollback.
"""

import math
import time
from collections.abc import Collection

from service.catalog.loader import LoadedModel

Key = tuple[str, int]
"""Name and version of a bundle."""

SUPERSEDED_SECONDS = 60.0


class ModelCache:
    """Loaded models by key, of `max_bytes` together at most (0: no limit); for one thread."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.models: dict[Key, LoadedModel] = {}
        self.used_at: dict[Key, float] = {}
        """When each was last asked for."""
        self.number_used_at: dict[Key, float] = {}
        """When each was last asked for by its number."""

    def pop(self, key: Key) -> LoadedModel:
        """Evict one; requests that use it keep it until they are done."""
        self.used_at.pop(key, None)
        self.number_used_at.pop(key, None)
        return self.models.pop(key)

    def surplus(self, resolved: Collection[Key], just_asked: Key | None = None) -> list[Key]:
        """What to evict now, as no name resolves to it or it is too much; nothing with requests, nor `just_asked`."""
        now = time.monotonic()
        num_bytes = sum(model.num_bytes for model in self.models.values())
        used_at = {key: self.used_at.get(key, -math.inf) for key in self.models}
        by_age = sorted(used_at, key=used_at.__getitem__)
        last_of_its_name = {key[0]: key for key in by_age if key not in resolved}
        surplus = []
        for key in by_age:
            model = self.models[key]
            if model.engine.batcher.num_requests or key == just_asked:
                continue
            times = used_at if last_of_its_name.get(key[0]) == key else self.number_used_at
            superseded = key not in resolved and now - times.get(key, -math.inf) > SUPERSEDED_SECONDS
            if superseded or 0 < self._max_bytes < num_bytes:
                num_bytes -= model.num_bytes
                surplus.append(key)
        return surplus
