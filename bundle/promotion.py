"""Changing what an alias means, and going back: `aliases.previous.json` remembers the meanings there were.

`promote` gives an alias a meaning and remembers the former one. `rollback` goes one step back, to what answered before:

1. Where the alias means the newest version of a bundle, and one was published since it was promoted (or nothing is
   known of a promotion), it is pinned to the version before the newest.
2. Else it gets the meaning it had before the last promotion. Where that was "the newest version", and versions were
   published since, it is pinned to the one that was the newest then: what never answered for the alias isn't let in.

Each further rollback goes one step further back, until there is nothing left. Only versions that are whole count
(`read_bundle`); whether they prove themselves is the service's to find out.
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field, TypeAdapter, ValidationError

from bundle.manifest import Name
from bundle.store import (
    Alias,
    BundleError,
    check_alias,
    list_versions,
    locked,
    read_aliases,
    read_bundle,
    version_folder,
    write_alias,
    write_document,
)

PREVIOUS_FILE = "aliases.previous.json"


class Meaning(Alias):
    """What an alias meant from some time on."""

    newest: int | None = Field(default=None, ge=1)
    """The newest whole version of the bundle when the alias got this meaning, of a former one when it lost it; None:
    nobody noted it."""

    def is_same(self, alias: Alias) -> bool:
        """Whether the alias means just this."""
        return (self.name, self.version) == (alias.name, alias.version)


_MEANINGS = TypeAdapter(dict[Name, list[Meaning]])


@dataclass(frozen=True)
class Change:
    """What an alias meant and means now."""

    before: Alias | None
    after: Alias


def promote(store: Path, alias: str, name: str, version: int | None = None) -> Change:
    """Let `alias` mean a bundle: its newest version, or the one given, pinned. Makes the alias where there is none.

    Raises `BundleError` if that version isn't in the store or isn't whole, or the alias is the name of a bundle;
    `OSError` if the store can't be written to.
    """
    with locked(store):
        check_alias(store, alias)
        versions = list_versions(store).get(name, [])
        if not versions or (version is not None and version not in versions):
            which = name if version is None else f"{name} version {version}"
            known = f"; it has {', '.join(map(str, versions))}" if versions else ""
            raise BundleError(f"{which} is not in the store{known}")
        chosen = versions[-1] if version is None else version
        try:
            read_bundle(version_folder(store, name, chosen))
        except BundleError as error:
            raise BundleError(f"{name} version {chosen} is not whole: {error}") from error
        target = Alias(name=name, version=version)
        before = read_aliases(store).get(alias)
        if target != before:
            former = [] if before is None else _meanings(store, alias, before)
            if former:
                newest = max(whole_versions(store, former[-1].name), default=None)
                former[-1] = former[-1].model_copy(update={"newest": newest})
            _write(store, alias, [*former, Meaning(name=name, version=version, newest=versions[-1])])
        return Change(before, target)


def rollback(store: Path, alias: str) -> Change:
    """Let `alias` mean what answered before; see above.

    Raises `BundleError` if there is no such alias, nothing before is known, or it is no longer whole; `OSError` if the
    store can't be written to.
    """
    with locked(store):
        before = read_aliases(store).get(alias)
        if before is None:
            raise BundleError(f"there is no alias {alias}")
        *earlier, now = _meanings(store, alias, before)
        versions = whole_versions(store, now.name)
        if now.version is None and len(versions) > 1 and (now.newest is None or versions[-1] > now.newest):
            now = Meaning(name=now.name, version=versions[-2], newest=versions[-1])
        elif earlier:
            now = earlier.pop()
            versions = whole_versions(store, now.name)
            wanted = now.version or now.newest
            if not versions or (wanted is not None and wanted not in versions):
                which = now.name if wanted is None else f"{now.name} version {wanted}"
                raise BundleError(f"it meant {which} before, which is not in the store or not whole; promote another")
            if now.version is None and wanted is not None and versions[-1] > wanted:
                now = Meaning(name=now.name, version=wanted, newest=versions[-1])
        else:
            raise BundleError(f"nothing is known of what {alias} meant before; promote what it is to mean")
        _write(store, alias, [*earlier, now])
        return Change(before, Alias(name=now.name, version=now.version))


def whole_versions(store: Path, name: str) -> list[int]:
    """Versions of a bundle whose files are those that were published, ascending."""
    whole = []
    for version in list_versions(store).get(name, []):
        try:
            read_bundle(version_folder(store, name, version))
        except BundleError:
            continue
        whole.append(version)
    return whole


def _meanings(store: Path, alias: str, now: Alias) -> list[Meaning]:
    """The remembered meanings of an alias, of which the last is what it means now."""
    meanings = _read(store).get(alias, [])
    if meanings and meanings[-1].is_same(now):
        return meanings
    if len(meanings) > 1 and meanings[-2].is_same(now):  # the last one was noted, but never got into force
        return meanings[:-1]
    return [*meanings, Meaning(name=now.name, version=now.version)]  # set by other means


def _read(store: Path) -> dict[str, list[Meaning]]:
    try:
        return _MEANINGS.validate_json((store / PREVIOUS_FILE).read_bytes())
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        raise BundleError(f"{PREVIOUS_FILE} is malformed; mend it, or delete it and what it remembers") from error


def _write(store: Path, alias: str, meanings: list[Meaning]) -> None:
    """Note first, then put in force: whoever is interrupted between the two has changed no meaning."""
    document = _MEANINGS.dump_json({**_read(store), alias: meanings}, indent=2) + b"\n"
    write_document(store / PREVIOUS_FILE, document)
    write_alias(store, alias, Alias(name=meanings[-1].name, version=meanings[-1].version))
