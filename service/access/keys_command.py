"""`python -m service keys add|list|revoke`: edit the key file; running services follow within two seconds."""

import argparse
import datetime as dt
import sys
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from service.access.keys import SCOPES, Key, KeysUnreadable, Limits, Scope, locked, new_key, read_keys, write_keys
from service.catalog.text_table import text_table

COMMAND = "keys"

_ADD = "Make a key and print it. It is shown only once: the file holds its hash. Creates the file if it is missing."
_REVOKE = "Remove a key from the file. It is refused from then on."


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command and its actions."""
    text = "add, list and revoke API keys in the file that SEQSERVE_API_KEYS_FILE names"
    parser = commands.add_parser(COMMAND, help=text, description=text)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="make a key and print it", description=_ADD)
    add.add_argument("name", metavar="NAME", help="its name in the log")
    add.add_argument(
        "--scope", dest="scopes", metavar="SCOPE", action="append", choices=SCOPES, required=True,
        help=f"{', '.join(SCOPES)}; may be given several times",
    )  # fmt: skip
    add.add_argument("--days", metavar="N", type=int, help="days until it expires; default: never")
    add.add_argument("--rows-per-second", metavar="N", type=float, help="rate limit in texts and series; default: none")
    add.add_argument("--burst-rows", metavar="N", type=int, help="rows at once after a pause; default: one second's")
    add.add_argument("--rows-per-day", metavar="N", type=int, help="quota of a day in UTC; default: none")
    actions.add_parser("list", help="show the keys without their secrets", description="Show the keys.")
    actions.add_parser("revoke", help="remove a key", description=_REVOKE).add_argument("name", metavar="NAME")


def run(path: Path | None, options: argparse.Namespace) -> int:
    """Run the action; exit status 1 with the reason on standard error if it fails."""
    if path is None:
        print("SEQSERVE_API_KEYS_FILE names no file; set it", file=sys.stderr)
        return 1
    try:
        match options.action:
            case "add":
                text = _add(path, options)
                print(f"key of {options.name} ({', '.join(options.scopes)}); it is not shown again:", file=sys.stderr)
                print(text)
            case "revoke":
                _revoke(path, options.name)
                print(f"{options.name} is revoked")
            case _:
                print(_table(read_keys(path)))
        return 0
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'limits'}: {fault['msg']}" for fault in error.errors()]
    except (KeysUnreadable, LookupError) as error:
        faults = [f"{path}: {error.args[0]}"]
    except OSError as error:
        faults = [f"{path} can't be written: {error.strerror}"]
    print("\n".join(faults), file=sys.stderr)
    return 1


def _add(path: Path, options: argparse.Namespace) -> str:
    limits = Limits(**{name: getattr(options, name) for name in Limits.model_fields})
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    expires = None if options.days is None else now + dt.timedelta(days=options.days)
    made = new_key(options.name, cast(list[Scope], sorted(set(options.scopes))), expires, limits)
    with locked(path):
        keys = read_keys(path) if path.exists() else []
        if any(key.name == options.name for key in keys):
            raise LookupError(f"there is a key named {options.name} already; revoke it, or choose another name")
        write_keys(path, [*keys, made.key])
    return made.text


def _revoke(path: Path, name: str) -> None:
    with locked(path):
        keys = read_keys(path)
        rest = [key for key in keys if key.name != name]
        if len(rest) == len(keys):
            raise LookupError("there is no key of that name")
        write_keys(path, rest)


def _table(keys: list[Key]) -> str:
    rows = [("NAME", "ID", "SCOPES", "CREATED", "EXPIRES", "LIMITS")]
    for key in keys:
        expires = "never" if key.expires is None else f"{key.expires:%Y-%m-%d}"
        expires += " (expired)" if key.has_expired() else ""
        rows.append((key.name, key.id, ",".join(key.scopes), f"{key.created:%Y-%m-%d}", expires, _limits(key.limits)))
    return text_table(rows)


def _limits(limits: Limits) -> str:
    parts = []
    if limits.rows_per_second is not None:
        burst = "" if limits.burst_rows is None else f", {limits.burst_rows} at once"
        parts.append(f"{limits.rows_per_second:g} rows a second{burst}")
    if limits.rows_per_day is not None:
        parts.append(f"{limits.rows_per_day} rows a day")
    return "; ".join(parts) or "none"
