"""Known vulnerabilities of the image's dependencies: `python -m deploy.audit`, from the root of the checkout.

Asks OSV, then PyPI, about each version in `deploy/requirements.lock` by pip-audit, and records in `deploy/audit.json`
what was audited, when, and what was found. Where neither can be reached, what was recorded last is compared with the
lock instead: which versions nobody has looked at since. The status is 1 where something is known of a locked version
that nobody has accepted, and 0 otherwise: a machine without a network fails nothing.
"""

import argparse
import datetime as dt
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.lock import LOCK
from deploy.lock import read as read_lock

RECORD = Path("deploy/audit.json")
FRESH_DAYS = 30
TIMEOUT_SECONDS = 300


class Record(BaseModel):
    """What the last audit found."""

    model_config = ConfigDict(extra="forbid")

    date: dt.date
    source: str
    versions: dict[str, str]
    """Of every package that was looked at."""
    found: dict[str, list[str]] = Field(default_factory=dict)
    """Ids of vulnerabilities by package."""
    accepted: dict[str, str] = Field(default_factory=dict)
    """Ids that fail nothing, each with the reason, written by hand."""


def locked_versions(lock: Path) -> dict[str, str]:
    """Version by package."""
    return {pin.name: pin.version for pin in read_lock(lock)}


def ask(lock: Path, *service: str) -> dict[str, list[str]] | None:
    """Ids of vulnerabilities by package, from one service; None where it can't tell of every package."""
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
    told = {one["name"]: [found["id"] for found in one["vulns"]] for one in dependencies if "vulns" in one}
    return told if told.keys() == locked_versions(lock).keys() else None


def read(path: Path) -> Record | None:
    """What was recorded; None if nothing. Raises `SystemExit` where it can't be read."""
    if not path.is_file():
        return None
    try:
        return Record.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise SystemExit(f"{path} is no record of an audit: {error.errors()[0]['msg']}") from None


def judge(record: Record, lock: Path, today: dt.date) -> int:
    """Say what a record tells of the lock; 1 where something is known and not accepted."""
    locked = locked_versions(lock)
    open_ids = {
        name: [found for found in ids if found not in record.accepted]
        for name, ids in record.found.items()
        if record.versions.get(name) == locked.get(name)
    }
    failed = False
    for name, ids in sorted(open_ids.items()):
        if ids:
            failed = True
            print(
                f"{name} {locked[name]}: {', '.join(ids)}; take a newer version (make lock), or accept it with a reason"
            )
    unseen = [f"{name} {version}" for name, version in sorted(locked.items()) if record.versions.get(name) != version]
    age = (today - record.date).days
    print(
        f"{len(locked) - len(unseen)} of {len(locked)} locked versions were audited on {record.date} by {record.source}"
    )
    if unseen:
        print(f"STALE: never audited: {', '.join(unseen)}")
    if age > FRESH_DAYS:
        print(f"STALE: the audit is {age} days old")
    if unseen or age > FRESH_DAYS:
        print(f"run make audit where {record.source} can be reached, and commit {RECORD}")
    return int(failed)


def main(arguments: list[str] | None = None) -> int:
    """Audit, or compare with the last audit."""
    parser = argparse.ArgumentParser(prog="python -m deploy.audit", description="Audit the locked dependencies.")
    parser.add_argument("--lock", type=Path, default=LOCK)
    parser.add_argument("--record", type=Path, default=RECORD)
    parser.add_argument("--osv-url", help="another address of OSV")
    asked = parser.parse_args(arguments)
    today = dt.datetime.now(dt.UTC).date()
    record = read(asked.record)
    services = {"OSV": ["osv", *(["--osv-url", asked.osv_url] if asked.osv_url else [])], "PyPI": ["pypi"]}
    for source, service in services.items():
        told = ask(asked.lock, *service)
        if told is not None:
            record = Record(
                date=today,
                source=source,
                versions=locked_versions(asked.lock),
                found={name: ids for name, ids in told.items() if ids},
                accepted=record.accepted if record else {},
            )
            asked.record.write_text(record.model_dump_json(indent=1) + "\n")
            break
    else:
        print("neither OSV nor PyPI can be asked from here")
    if record is None:
        print(f"STALE: no audit was ever recorded; run make audit where one can be asked, and commit {asked.record}")
        return 0
    return judge(record, asked.lock, today)


if __name__ == "__main__":
    sys.exit(main())
