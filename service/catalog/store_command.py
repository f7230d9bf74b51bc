"""`python -m service list|check|promote|rollback`: what is in the store, and what its aliases resolve to.

Running services follow within two seconds; nothing here talks to them.
"""

import argparse
import asyncio
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from bundle.promotion import Change, promote, rollback, whole_versions
from bundle.store import Alias, BundleError, list_versions, read_aliases, read_bundle, version_folder
from service.catalog.sandbox import Passed, test_in_sandbox
from service.catalog.text_table import text_table
from service.settings import Settings

COMMANDS = ("list", "check", "promote", "rollback")

_LIST = (
    "Show what each alias resolves to, and each version in the store with its state; `check` runs the self-test, too."
)
_CHECK = """Run the self-test of versions in a sandbox, and print `passed` or why a service would reject one. Without
VERSION all of a bundle, without NAME all of the store. The exit status is 1 if one would be rejected."""
_PROMOTE = """Point an alias at a bundle: without VERSION at its newest one, now and whenever one is published, else at
that one. Refused if the version isn't in the store or its files are not those that were published."""
_ROLLBACK = """Point an alias at what answered before: where it means the newest version and one was published since its
promotion, at the version before; else at what it meant before its last promotion. Each goes one step further back."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the commands."""
    commands.add_parser("list", help="show the store's aliases and versions", description=_LIST)
    checked = commands.add_parser("check", help="run the self-test of versions", description=_CHECK)
    checked.add_argument("name", metavar="NAME", help="name of a bundle", nargs="?")
    checked.add_argument("version", metavar="VERSION", type=int, nargs="?")
    promoted = commands.add_parser("promote", help="point an alias at a bundle", description=_PROMOTE)
    promoted.add_argument("alias", metavar="ALIAS")
    promoted.add_argument("name", metavar="NAME", help="name of a bundle")
    promoted.add_argument("version", metavar="VERSION", type=int, nargs="?", help="pin it; default: always the newest")
    rolled_back = commands.add_parser("rollback", help="point an alias at what answered before", description=_ROLLBACK)
    rolled_back.add_argument("alias", metavar="ALIAS")


def run(settings: Settings, asked: argparse.Namespace) -> int:
    """Run one of `COMMANDS`; exit status 1 with the reason on standard error where it is refused."""
    store = settings.store
    try:
        match asked.command:
            case "promote":
                print(_described(store, asked.alias, promote(store, asked.alias, asked.name, asked.version)))
            case "rollback":
                print(_described(store, asked.alias, rollback(store, asked.alias)))
            case "check":
                return _check(settings, asked.name, asked.version)
            case _:
                print(_listed(store))
    except BundleError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        todo = "read" if asked.command in {"list", "check"} else "written to"
        print(f"the store {store} can't be {todo}: {error.strerror}; SEQSERVE_STORE names it", file=sys.stderr)
        return 1
    return 0


def _check(settings: Settings, name: str | None, version: int | None) -> int:
    """One line a version as soon as it is known; exit status 1 if one is refused."""
    keys = [
        (found, number)
        for found, numbers in list_versions(settings.store).items()
        for number in numbers
        if name in (None, found) and version in (None, number)
    ]
    if not keys:
        which = " ".join(["the store" if name is None else name, *([] if version is None else [f"version {version}"])])
        raise BundleError(f"{which} is not there, or holds nothing")
    status = 0
    for key in keys:
        folder = version_folder(settings.store, *key)
        tested = test_in_sandbox(folder, memory_bytes=settings.trial_memory_bytes, seconds=settings.trial_seconds)
        outcome = asyncio.run(tested)
        shown = "passed" if isinstance(outcome, Passed) else outcome.reason
        status |= not isinstance(outcome, Passed)
        print(f"{key[0]} {key[1]}: {shown}", flush=True)
    return status


def _described(store: Path, alias: str, change: Change) -> str:
    def meaning(target: Alias) -> str:
        return _meaning(target, whole_versions(store, target.name) if target.version is None else [])

    before = "was not there" if change.before is None else f"meant {meaning(change.before)}"
    return f"{alias} {before}\n{alias} means {meaning(change.after)}"


def _meaning(target: Alias, whole: Sequence[int]) -> str:
    """What an alias means, the whole versions of its bundle being these, ascending."""
    if target.version is not None:
        return f"{target.name} version {target.version}, pinned"
    return f"the newest version of {target.name}, " + (f"now {whole[-1]}" if whole else "of which none is whole")


def _listed(store: Path) -> str:
    """Two tables: what each alias means, and every version with its state."""
    keys = [(name, version) for name, versions in list_versions(store).items() for version in versions]
    states = {key: _state(version_folder(store, *key)) for key in keys}
    whole: dict[str, list[int]] = defaultdict(list)
    for (name, version), (_, reason) in states.items():
        if reason is None:
            whole[name].append(version)
    aliases = [("ALIAS", "RESOLVES TO")]
    answering: dict[tuple[str, int], list[str]] = defaultdict(list)
    for alias, target in sorted(read_aliases(store).items()):
        aliases.append((alias, _meaning(target, whole[target.name])))
        answering[target.name, target.version or max(whole[target.name], default=0)].append(alias)
    versions = [("BUNDLE", "VERSION", "CREATED", "ALIASES", "STATE")]
    for (name, version), (created, reason) in states.items():
        called = ", ".join(answering[name, version]) or "-"
        versions.append((name, str(version), created, called, reason or "ok"))
    return f"{text_table(aliases)}\n\n{text_table(versions)}"


def _state(folder: Path) -> tuple[str, str | None]:
    """When a version was made, and None, or why it isn't whole."""
    try:
        return read_bundle(folder).manifest.created, None
    except BundleError as error:
        return "-", str(error)
