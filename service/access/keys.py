"""API keys: their format, and the file that lists them with their scopes and limits.

A key is `seqserve_<id>_<secret>`, both in hexadecimal. The id finds the entry, which holds the SHA-256 of the key. The
secret has 256 random bits: it can't be guessed and needs no slow, salted hash.
"""

import datetime as dt
import fcntl
import functools
import hashlib
import hmac
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

FORMAT = 1
PREFIX = "seqserve_"
"""Lets scanners of repositories and logs find a leaked key."""

_KEY = re.compile(rb"seqserve_([0-9a-f]{12})_[0-9a-f]{64}")

Scope = Literal["predict", "read", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class KeysUnreadable(Exception):
    """The key file is missing or malformed; the message says why and repeats none of its content."""


class Limits(BaseModel):
    """Limits of one key; None: no limit."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rows_per_second: float | None = Field(None, gt=0, allow_inf_nan=False)
    burst_rows: int | None = Field(None, ge=1)
    """Rows at once after a pause; None: those of one second."""
    rows_per_day: int | None = Field(None, ge=1)
    """In a day of UTC."""

    @model_validator(mode="after")
    def _burst_needs_a_rate(self) -> "Limits":
        if self.burst_rows is not None and self.rows_per_second is None:
            raise ValueError("burst_rows says nothing without rows_per_second")
        return self


class Key(BaseModel):
    """One key, without its secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Name
    id: str = Field(pattern="^[0-9a-f]{12}$")
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    scopes: list[Scope] = Field(min_length=1)
    created: AwareDatetime
    expires: AwareDatetime | None = None
    limits: Limits = Limits()

    @functools.cached_property
    def is_limited(self) -> bool:
        """Whether it has any limits."""
        return self.limits != Limits()

    def has_expired(self) -> bool:
        """Whether it has expired."""
        return self.expires is not None and dt.datetime.now(dt.UTC) >= self.expires


class _Document(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[1]
    keys: list[Key]

    @model_validator(mode="after")
    def _names_are_unique(self) -> "_Document":
        for what in ("name", "id"):
            if len({getattr(key, what) for key in self.keys}) < len(self.keys):
                raise ValueError(f"two keys have the same {what}")
        return self


class NewKey(NamedTuple):
    """A new key; `text` is stored nowhere."""

    text: str
    key: Key


def new_key(name: str, scopes: list[Scope], expires: dt.datetime | None, limits: Limits) -> NewKey:
    """Make a random key. Raises `ValueError` for an invalid field."""
    id_ = secrets.token_hex(6)
    text = f"{PREFIX}{id_}_{secrets.token_hex(32)}"
    digest = hashlib.sha256(text.encode()).hexdigest()
    created = dt.datetime.now(dt.UTC).replace(microsecond=0)
    key = Key(name=name, id=id_, sha256=digest, scopes=scopes, created=created, expires=expires, limits=limits)
    return NewKey(text, key)


class Keyring:
    """Keys by their ids."""

    def __init__(self, keys: list[Key]) -> None:
        self.keys = keys
        self._by_id = {key.id.encode(): (key, bytes.fromhex(key.sha256)) for key in keys}

    def find(self, text: bytes) -> Key | None:
        """The entry of a key as it was sent, expired or not. Digests are compared in constant time."""
        if (match := _KEY.fullmatch(text)) is None:
            return None
        key, digest = self._by_id.get(match[1], (None, bytes(32)))
        return key if hmac.compare_digest(hashlib.sha256(text).digest(), digest) else None


def read_keys(path: Path) -> list[Key]:
    """The keys of a file. Raises `KeysUnreadable`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KeysUnreadable(f"can't be read: {error.strerror}") from None
    try:
        return _Document.model_validate_json(content).keys
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, fault["loc"]))
        raise KeysUnreadable(f"is no key file: {field + ': ' if field else ''}{fault['msg']}") from None


def write_keys(path: Path, keys: list[Key]) -> None:
    """Create or replace the file atomically; only its owner can read a new one."""
    content = _Document(format=FORMAT, keys=keys).model_dump_json(indent=1, exclude_defaults=True).encode() + b"\n"
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # of mode 0600
    try:
        with open(descriptor, "wb") as file:
            with suppress(FileNotFoundError):  # the service that reads it may run as another user
                old = path.stat()
                os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
                with suppress(PermissionError):
                    os.fchown(descriptor, old.st_uid, old.st_gid)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock on the folder: nobody else changes the file meanwhile."""
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
