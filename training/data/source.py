"""Where source files come from: a local folder if there is one, else a checked download.

`SEQSERVE_DATA` names the folder, laid out as `<folder>/<data set>/<files>`. Without it the public original is fetched
once into the user's cache folder by pooch, and verified.
"""

import gzip
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pooch
import requests

from bundle.manifest import TrainingData

Fetch = Callable[[str, str | None, str], bytes]
"""`download`, or what stands in for it: origin, checksum if one is known, name in the cache -> content."""


class DataUnavailable(RuntimeError):
    """Neither a local copy nor the public origin could be read; the message says what to do."""


def described_own_file(name: str, checksum: str, rows: dict[str, int]) -> TrainingData:
    """A person's own file, as a manifest describes it."""
    return TrainingData(
        name=name, origin="own file", licence="the owner's", citation="none", files={name: checksum}, rows=rows
    )


def local_folder(data_set: str) -> Path | None:
    """`$SEQSERVE_DATA/<data_set>`, or None where the variable isn't set.

    Raises `DataUnavailable` where the variable is set and the folder isn't there.
    """
    root = os.environ.get("SEQSERVE_DATA")
    if not root:
        return None
    folder = Path(root) / data_set
    if not folder.is_dir():
        raise DataUnavailable(f"SEQSERVE_DATA is set, but {folder} is not a folder; put the files there or unset it")
    return folder


def read_local(folder: Path, names: list[str]) -> dict[str, bytes]:
    """Content of the named files. Raises `DataUnavailable` naming one that is absent."""
    contents = {}
    for name in names:
        path = folder / name
        if not path.is_file():
            raise DataUnavailable(f"{path} is absent")
        contents[name] = path.read_bytes()
    return contents


def download(url: str, known_hash: str | None, file_name: str) -> bytes:
    """Fetch a public original into the cache, once, and return its content.

    Args:
        url: origin.
        known_hash: "sha256:…" of the file, or None where only a part of it is verified, by the caller.
        file_name: name in the cache.

    Raises `DataUnavailable` when offline or when the file isn't the expected one.
    """
    advice = "or set SEQSERVE_DATA to a folder that holds the data"
    try:
        cached = pooch.retrieve(url, known_hash=known_hash, fname=file_name, path=pooch.os_cache("seqserve"))
    except requests.RequestException as error:
        raise DataUnavailable(
            f"{url} can't be reached ({type(error).__name__}): check the network, {advice}"
        ) from error
    except ValueError as error:  # pooch: the checksum differs
        raise DataUnavailable(f"{url} is not the expected file: {error}; try again later, {advice}") from error
    return Path(cached).read_bytes()


def read_part(data_set: str, file_name: str, origin: str, num_lines: int, part_sha256: str, fetch: Fetch) -> bytes:
    """Training and validation part of a file whose first `num_lines` lines they are; what follows is the test part.

    From `$SEQSERVE_DATA/<data_set>/<file_name>`, unpacked if its name ends in .gz, or cut from the public original,
    which `part_sha256` proves. Raises `DataUnavailable` where neither can be read, or the original isn't the one known.
    """
    folder = local_folder(data_set)
    if folder is not None:
        content = read_local(folder, [file_name])[file_name]
        return gzip.decompress(content) if file_name.endswith(".gz") else content
    content = fetch(origin, None, f"{data_set}_{Path(origin).name}")
    if origin.endswith(".gz"):
        content = gzip.decompress(content)
    lines = content.replace(b"\r\n", b"\n").split(b"\n", num_lines)
    part = b"\n".join(lines[:num_lines]) + b"\n"
    if sha256(part) != part_sha256:
        raise DataUnavailable(f"{origin} is not the expected file: its first {num_lines} lines differ")
    return part


def sha256(content: bytes) -> str:
    """Hexadecimal checksum, as written into manifests."""
    return hashlib.sha256(content).hexdigest()
