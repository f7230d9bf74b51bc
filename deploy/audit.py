"""Known vulnerabilities of the image's dependencies: `python -m deploy.audit`, from the root of the checkout.

`deploy/advisories.json` holds the advisories that were gathered by hand, each with the versions it affects, and what a
database answered last. Asks OSV, then PyPI, about each version in `deploy/requirements.lock` by pip-audit, and keeps
the answer in that file; then, whether or not one could be asked, compares the lock with the file. The status is 1 where
something is known of a locked version that nobody has accepted, and 0 otherwise: what no database was asked about is
said, and fails nothing, so a machine without a network can audit too.
"""

import argparse
import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from deploy.lock import LOCK
from deploy.lock import read as read_lock

RECORD = Path("deploy/advisories.json")
FRESH_DAYS = 30
TIMEOUT_SECONDS = 300


def _check_specifier(text: str) -> str:
    """The text. Raises `ValueError` where it tells no versions, or doesn't say which."""
    try:
        specifier = SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError(str(error)) from None
    if not list(specifier):
        raise ValueError("a specifier of all versions is none")
    return text


Specifier = Annotated[str, AfterValidator(_check_specifier)]
"""Versions by PEP 440: `>=0.39.0,<0.49.1`."""
PackageName = Annotated[str, AfterValidator(canonicalize_name)]


def covers(specifier: Specifier, version: str) -> bool:
    """Whether a version is among the specified ones; pre-releases are versions like others."""
    return SpecifierSet(specifier).contains(version, prereleases=True)


class Advisory(BaseModel):
    """What was published about some versions of a package."""

    model_config = ConfigDict(extra="forbid")

    package: PackageName
    ids: list[str] = Field(min_length=1)
    """Names of the one vulnerability: CVE, GHSA, PYSEC."""
    affected: list[Specifier] = Field(min_length=1)
    """Versions that any of these covers."""
    summary: str
    source: str
    """Where it can be read."""


class Acceptance(BaseModel):
    """Why something that is known fails nothing, written by hand."""

    model_config = ConfigDict(extra="forbid")

    versions: Specifier
    reason: str


class Answer(BaseModel):
    """What a database said of the versions that were locked then."""

    model_config = ConfigDict(extra="forbid")

    date: dt.date
    source: str
    versions: dict[PackageName, str]
    found: dict[PackageName, list[list[str]]]
    """By package, the ids of each vulnerability."""


class Record(BaseModel):
    """All that is known."""

    model_config = ConfigDict(extra="forbid")

    advisories: list[Advisory]
    gathered: dt.date
    gathered_from: str
    accepted: dict[str, Acceptance]
    """By one of the ids."""
    answer: Answer | None
    """None until a database was asked."""

    def known(self, locked: dict[str, str]) -> Iterator[tuple[str, list[str], str]]:
        """Package, ids and a summary of what affects the locked versions."""
        for advisory in self.advisories:
            version = locked.get(advisory.package)
            if version is not None and any(covers(affected, version) for affected in advisory.affected):
                yield advisory.package, advisory.ids, f", {advisory.summary} ({advisory.source})"
        if self.answer is not None:
            for package, found in self.answer.found.items():
                if package in locked and self.answer.versions.get(package) == locked[package]:
                    yield from ((package, ids, "") for ids in found)

    def acceptance(self, ids: list[str], version: str) -> Acceptance | None:
        """What accepts a vulnerability of a version, if anything does."""
        named = (self.accepted[found] for found in ids if found in self.accepted)
        return next((accepted for accepted in named if covers(accepted.versions, version)), None)


def locked_versions(lock: Path) -> dict[str, str]:
    """Version by package."""
    return {pin.name: pin.version for pin in read_lock(lock)}


def ask(lock: Path, *service: str) -> dict[str, list[list[str]]] | None:
    """By package, the ids of each vulnerability, from one service; None where it can't tell of every package."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(lock), "--disable-pip", "--format", "json"]
    try:
        done = subprocess.run(
            [*command, "--progress-spinner", "off", "--vulnerability-service", *service],
            capture_output=True, text=True, timeout=TIMEOUT_SECONDS,
        )  # fmt: skip
        dependencies: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError):
        return None
    # What a service doesn't know is left out with a reason, and the status is 0 all the same.
    told = {
        one["name"]: [[found["id"], *found["aliases"]] for found in one["vulns"]]
        for one in dependencies
        if "vulns" in one
    }
    return told if told.keys() == locked_versions(lock).keys() else None


def read(path: Path) -> Record:
    """What is recorded. Raises `SystemExit` where it can't be read."""
    try:
        return Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise SystemExit(f"{path} is missing: it holds the advisories that the lock is compared with") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SystemExit(f"{path} is no record of advisories: {where}: {first['msg']}") from None


def judge(record: Record, lock: Path, today: dt.date) -> int:
    """Say what a record tells of the lock; 1 where something is known and not accepted."""
    locked = locked_versions(lock)
    failed = False
    for package, ids, summary in record.known(locked):
        pin = f"{package} {locked[package]}"
        if accepted := record.acceptance(ids, locked[package]):
            print(f"{pin}: {ids[0]} is accepted: {accepted.reason}")
        else:
            failed = True
            print(f"{pin}: {ids[0]}{summary}; take a newer version (make lock), or accept it with a reason")
    about = [advisory for advisory in record.advisories if advisory.package in locked]
    packages = len({advisory.package for advisory in about})
    print(f"compared with advisories on {packages} of {len(locked)} locked packages, {len(about)} in all,")
    print(f"gathered on {record.gathered} ({record.gathered_from})")
    answer = record.answer
    asked = answer.versions if answer else {}
    unasked = [f"{name} {version}" for name, version in sorted(locked.items()) if asked.get(name) != version]
    if answer:
        audited = len(locked) - len(unasked)
        print(f"{audited} of {len(locked)} locked versions were audited on {answer.date} by {answer.source}")
    stale = [f"no database was asked about {', '.join(unasked) if answer else 'any locked version'}"] if unasked else []
    age = (today - (answer.date if answer else record.gathered)).days
    if age > FRESH_DAYS:
        stale.append(f"what is known is {age} days old")
    for reason in stale:
        print(f"STALE: {reason}")
    if stale:
        print(f"run make audit where OSV or PyPI can be reached, and commit {RECORD}")
    return int(failed)


def main(arguments: list[str] | None = None) -> int:
    """Ask a database where there is one, and compare the lock with all that is known."""
    parser = argparse.ArgumentParser(prog="python -m deploy.audit", description="Audit the locked dependencies.")
    parser.add_argument("--lock", type=Path, default=LOCK)
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--osv-url", help="another address of OSV")
    options = parser.parse_args(arguments)
    today = dt.datetime.now(dt.UTC).date()
    record = read(options.record)
    services = {"OSV": ["osv", *(["--osv-url", options.osv_url] if options.osv_url else [])], "PyPI": ["pypi"]}
    for source, service in services.items():
        told = ask(options.lock, *service)
        if told is not None:
            record.answer = Answer(
                date=today,
                source=source,
                versions=locked_versions(options.lock),
                found={name: found for name, found in told.items() if found},
            )
            options.record.write_text(record.model_dump_json(indent=1) + "\n")
            break
    else:
        print("neither OSV nor PyPI can be asked from here")
    return judge(record, options.lock, today)


if __name__ == "__main__":
    sys.exit(main())
