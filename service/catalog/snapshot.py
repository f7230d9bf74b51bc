"""What can answer at one moment, and what names and aliases resolve to then."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field

from bundle.store import Alias
from service.catalog.cache import Key
from service.catalog.loader import TestedVersion
from service.catalog.rejected import Rejected
from service.errors import NotFound, NotReady


@dataclass(frozen=True)
class Snapshot:
    """What can answer at one moment."""

    versions: Mapping[Key, TestedVersion] = field(default_factory=dict)
    aliases: Mapping[str, Alias] = field(default_factory=dict)
    rejected: Mapping[Key, Rejected] = field(default_factory=dict)
    pending: frozenset[Key] = frozenset()
    """Found in the store; not tested yet."""
    fault: str | None = "the store has not been read yet"
    """Why the store as a whole, or its aliases, can't be read; the state before it goes on."""

    def names(self) -> list[str]:
        """Bundle names with at least one version that passed its self-test."""
        return sorted(self._newest)

    def passed(self, name: str) -> list[int]:
        """Versions of a bundle that passed their self-test, ascending."""
        return sorted(version for found, version in self.versions if found == name)

    def key_of(self, model: str, version: int | None = None) -> Key | None:
        """Name and version of what answers for a bundle name or alias; None when nothing that passed does."""
        name, wanted = self.target(model, version)
        if wanted is None:
            wanted = self._newest.get(name)
        return None if wanted is None or (name, wanted) not in self.versions else (name, wanted)

    def find(self, model: str, version: int | None = None) -> Key:
        """The same; where nothing that passed answers, what is yet to be tested.

        Raises `NotFound` or, before the first reading, `NotReady`.
        """
        key = self.key_of(model, version)
        if key is not None:
            return key
        name, wanted = self.target(model, version)
        if awaited := [key for key in self.pending if key[0] == name and wanted in (None, key[1])]:
            return max(awaited)
        if self.fault and not self.versions:
            raise NotReady("No model is loaded yet.", retry_after_seconds=1)
        if name in self._newest:
            raise NotFound("That version of the model is not served; GET /models lists what is.")
        raise NotFound("There is no such model; GET /models lists what is served.")

    @functools.cached_property
    def current(self) -> dict[str, Key]:
        """What each bundle name and alias resolves to without a version, where something that passed answers."""
        names = {*self._newest, *self.aliases}
        return {name: key for name in names if (key := self.key_of(name)) is not None}

    def resolved(self) -> set[Key]:
        """What bundle names and aliases resolve to without a version."""
        return set(self.current.values())

    def target(self, model: str, version: int | None = None) -> tuple[str, int | None]:
        """Bundle name that a name or alias resolves to, and which version of it; None: the newest."""
        alias = self.aliases.get(model)
        if alias is None:
            return model, version
        return alias.name, alias.version if version is None else version

    @functools.cached_property
    def _newest(self) -> dict[str, int]:
        return dict(sorted(self.versions))  # of each name the last, which is the newest
