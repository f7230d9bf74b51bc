"""`python -m service keys add|list|revoke`: who may ask a service that asks for keys.

They change the file that `SEQSERVE_API_KEYS_FILE` names; running services follow within two seconds.
"""

import argparse
import datetime as dt
import sys
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from service.access.keys import SCOPES, Key, KeysUnreadable, Limits, Scope, locked, new_key, read_keys, write_keys
from service.catalog.text_table import text_table

COMMAND = "keys"

_ADD = """Make a key and print it. It is shown this once: the file keeps its hash. The file is made where it isn't
there."""
_REVOKE = "Take a key out of the file. It is refused from then on."


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the command and its own commands."""
    explained = "make, list and revoke the keys in the file that SEQSERVE_API_KEYS_FILE names"
    parser = commands.add_parser(COMMAND, help=explained, description=explained)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add = actions.add_parser("add", help="make a key and print it", description=_ADD)
    add.add_argument("name", metavar="NAME", help="whose it is; the log names it")
    add.add_argument(
        "--scope", dest="scopes", metavar="SCOPE", action="append", choices=SCOPES, required=True,
        help=f"what it may do: {', '.join(SCOPES)}; may be given several times",
    )  # fmt: skip
    add.add_argument("--days", metavar="N", type=int, help="expires after so many days; default: never")
    add.add_argument(
        "--rows-per-second", metavar="N", type=float, help="texts and series it may send; default: no limit"
    )
    add.add_argument(
        "--burst-rows", metavar="N", type=int, help="… at once, after a rest; default: those of one second"
    )
    add.add_argument("--rows-per-day", metavar="N", type=int, help="… in a day of UTC; default: no limit")
    actions.add_parser("list", help="show the keys, without what is secret", description="Show the keys.")
    actions.add_parser("revoke", help="take a key out", description=_REVOKE).add_argument("name", metavar="NAME")


def run(path: Path | None, asked: argparse.Namespace) -> int:
    """Run it; exit status 1 with the reason on standard error where it is refused."""
    if path is None:
        print("SEQSERVE_API_KEYS_FILE names no file; set it", file=sys.stderr)
        return 1
    try:
        match asked.action:
            case "add":
                text = _add(path, asked)
                print(
                    f"{asked.name} may {', '.join(asked.scopes)} with this key, which is not shown again:",
                    file=sys.stderr,
                )
                print(text)
            case "revoke":
                _revoke(path, asked.name)
                print(f"{asked.name} is revoked")
            case _:
                print(_table(read_keys(path)))
    except ValidationError as error:
        for fault in error.errors():
            print(f"{'.'.join(map(str, fault['loc'])) or 'limits'}: {fault['msg']}", file=sys.stderr)
        return 1
    except (KeysUnreadable, LookupError) as error:
        print(f"{path}: {error.args[0]}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{path} can't be written: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _add(path: Path, asked: argparse.Namespace) -> str:
    limits = Limits(rows_per_second=asked.rows_per_second, burst_rows=asked.burst_rows, rows_per_day=asked.rows_per_day)
    expires = None
    if asked.days is not None:
        expires = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(days=asked.days)
    made = new_key(asked.name, cast(list[Scope], sorted(set(asked.scopes))), expires, limits)
    with locked(path):
        keys = read_keys(path) if path.exists() else []
        if any(key.name == asked.name for key in keys):
            raise LookupError(f"there is a key named {asked.name} already; revoke it, or choose another name")
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
        expires = (
            "never" if key.expires is None else f"{key.expires:%Y-%m-%d}" + (" (over)" if key.has_expired() else "")
        )
        rows.append((key.name, key.id, ",".join(key.scopes), f"{key.created:%Y-%m-%d}", expires, _told(key.limits)))
    return text_table(rows)


def _told(limits: Limits) -> str:
    told = []
    if limits.rows_per_second is not None:
        burst = "" if limits.burst_rows is None else f", {limits.burst_rows} at once"
        told.append(f"{limits.rows_per_second:g} rows a second{burst}")
    if limits.rows_per_day is not None:
        told.append(f"{limits.rows_per_day} rows a day")
    return "; ".join(told) or "none"
