"""What `deploy/requirements.lock` holds: pip-compile's pins, with the lines that say who needs them."""

import re
from dataclasses import dataclass
from pathlib import Path

LOCK = Path("deploy/requirements.lock")
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)")
_NEEDED_BY = re.compile(r"^    #   (?:via )?([A-Za-z0-9._-]+)|^    # via ([A-Za-z0-9._-]+)")


@dataclass
class Pin:
    """One package."""

    name: str
    version: str
    needed_by: list[str]
    """Other packages of the lock, or the project itself."""


def read(lock: Path) -> list[Pin]:
    """The pins, in the order of the file."""
    pins: list[Pin] = []
    for line in lock.read_text().splitlines():
        if pin := _PIN.match(line):
            pins.append(Pin(pin[1], pin[2], []))
        elif needed_by := _NEEDED_BY.match(line):
            pins[-1].needed_by.append(needed_by[1] or needed_by[2])
    return pins
