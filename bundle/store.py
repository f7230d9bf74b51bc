"""Bundles on disk: `<store>/<name>/<version>/…` and `<store>/aliases.json`.

Publishing is all or nothing. A version is written into a hidden folder beside the others, flushed to disk, and renamed
into place; a reader therefore sees a whole version or none, whenever the writer is killed. Published versions never
change. Reading trusts nothing: every file is named in the manifest with its checksum, and nothing leads out of the
folder.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from bundle.manifest import MANIFEST_FILE, NAME_PATTERN, Manifest, Name
from bundle.tasks import TASKS

ALIASES_FILE = "aliases.json"
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MAX_FILE_BYTES = 128 * 1024 * 1024
MAX_BUNDLE_BYTES = 256 * 1024 * 1024
_LOCK_FILE = ".lock"
_UNFINISHED = ".unfinished-"


class BundleError(ValueError):
    """A bundle or store that must not be used; the message says why."""


class BundleUnreadable(BundleError):
    """A bundle that couldn't be read just now: the disk, the network or a permission, not its content."""


class Alias(BaseModel):
    """What a short name means: the newest version that proved itself (`version: null`), or one pinned version."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: Name
    version: int | None = Field(default=None, ge=1)


_ALIASES = TypeAdapter(dict[Name, Alias])


@dataclass(frozen=True)
class Bundle:
    """One version, read and verified: its manifest and the content of every file the manifest names."""

    manifest: Manifest
    files: Mapping[str, bytes]
    digest: str
    """SHA-256 of the manifest as it lies there; since that names all others, what has the same is the same."""


# --- reading ---------------------------------------------------------------------------------------------------------


def read_bundle(folder: Path) -> Bundle:
    """Read one version, `<store>/<name>/<version>`, and verify it whole.

    Raises `BundleError` if it is incomplete or changed, of an unknown format, holds anything the manifest doesn't name,
    a link or a sub-folder, its manifest speaks of another name or version than its place, or a file of its task can't
    be read.
    """
    try:
        present = _plain_files(folder)
        if MANIFEST_FILE not in present:
            raise BundleError("manifest.json is absent")
        document = _read_file(folder / MANIFEST_FILE, MAX_MANIFEST_BYTES)
        try:
            manifest = Manifest.model_validate_json(document)
        except ValidationError as error:
            raise BundleError(f"manifest.json: {_first_problem(error)}") from error
        _check_keys(document)
        if str(manifest.version) != folder.name or manifest.name != folder.parent.name:
            raise BundleError(f"manifest.json speaks of {manifest.name} version {manifest.version}")
        if unnamed := present - manifest.files.keys() - {MANIFEST_FILE}:
            raise BundleError(f"{sorted(unnamed)[0]} is not named in the manifest")
        files: dict[str, bytes] = {}
        left = MAX_BUNDLE_BYTES
        for name, checksum in manifest.files.items():
            if name not in present:
                raise BundleError(f"{name} is absent")
            files[name] = _read_file(folder / name, min(left, MAX_FILE_BYTES))
            left -= len(files[name])
            _check(name, files[name], checksum)
        bundle = Bundle(manifest, files, hashlib.sha256(document).hexdigest())
        _check_task_files(bundle)
        return bundle
    except OSError as error:
        raise BundleUnreadable(f"can't be read: {error.strerror or error}") from error


def _check_task_files(bundle: Bundle) -> None:
    """Raises `BundleError` for a file that only another task has, or that its task can't read."""
    spec = bundle.manifest.spec
    own = TASKS[spec.task].optional_files
    for name, task in TASKS.items():
        if foreign := sorted((task.optional_files.keys() - own.keys()) & bundle.files.keys()):
            raise BundleError(f"{foreign[0]}: only a bundle of the task {name} has one")
    for file, read in own.items():
        if file not in bundle.files:
            continue
        try:
            read(spec, bundle.files[file])
        except ValidationError as error:
            raise BundleError(f"{file}: {_first_problem(error)}") from error
        except ValueError as error:
            raise BundleError(f"{file}: {error}") from error


def read_published(folder: Path, manifest: Manifest, name: str) -> bytes:
    """One file that the manifest names, of a version that `read_bundle` has read before.

    Raises `BundleError` if it is no longer the file that was published.
    """
    try:
        content = _read_file(folder / name, MAX_FILE_BYTES)
    except OSError as error:
        raise BundleUnreadable(f"can't be read: {error.strerror or error}") from error
    _check(name, content, manifest.files[name])
    return content


def _check(name: str, content: bytes, checksum: str) -> None:
    if hashlib.sha256(content).hexdigest() != checksum:
        raise BundleError(f"{name} is not the file that was published: its checksum differs")


def _check_keys(document: bytes) -> None:
    """Raises `BundleError` if a key is there twice: readers disagree on which of the two counts."""

    def once_each(pairs: list[tuple[str, object]]) -> None:
        if len({key for key, _ in pairs}) != len(pairs):
            raise BundleError("manifest.json: an object has the same key twice")

    try:
        json.loads(document, object_pairs_hook=once_each)
    except BundleError:
        raise
    except ValueError as error:
        raise BundleError(f"manifest.json: {error}") from error


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    return ": ".join([*filter(None, [".".join(map(str, first["loc"]))]), first["msg"]])


def _plain_files(folder: Path) -> set[str]:
    if folder.is_symlink() or folder.parent.is_symlink():
        raise BundleError("the folder is a symbolic link")
    names = set()
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                raise BundleError(f"{entry.name} is a symbolic link")
            if not entry.is_file(follow_symlinks=False):
                raise BundleError(f"{entry.name} is not a plain file")
            names.add(entry.name)
    return names


def _read_file(path: Path, limit: int) -> bytes:
    # O_NOFOLLOW and the check on the open file: what was a plain file a moment ago may have been swapped since.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BundleError(f"{path.name} is not a plain file")
        if status.st_size > limit:
            raise BundleError(f"{path.name} is larger than {limit} bytes")
        content = file.read(limit + 1)
    if len(content) > limit:
        raise BundleError(f"{path.name} is larger than {limit} bytes")
    return content


def list_versions(store: Path) -> dict[str, list[int]]:
    """Versions present by bundle name, ascending; not yet verified.

    Folders that can't be a bundle's, such as `lost+found`, are passed over. Raises `OSError` if the store, or a
    bundle's folder, can't be listed.
    """
    found: dict[str, list[int]] = {}
    # Services do this each second, so it asks the system for no more than names.
    with os.scandir(store) as entries:
        folders = [entry for entry in entries if re.fullmatch(NAME_PATTERN, entry.name) and entry.is_dir()]
    for folder in sorted(folders, key=lambda entry: entry.name):
        names = os.listdir(folder)
        versions = sorted(int(name) for name in names if name.isascii() and name.isdigit() and name[0] != "0")
        if versions:
            found[folder.name] = versions
    return found


def version_folder(store: Path, name: str, version: int) -> Path:
    """Where a version lies in its store."""
    return store / name / str(version)


def read_aliases(store: Path) -> dict[str, Alias]:
    """`aliases.json`; empty where there is none. Raises `BundleError` if it is malformed."""
    try:
        return _ALIASES.validate_json(_read_file(store / ALIASES_FILE, MAX_MANIFEST_BYTES))
    except FileNotFoundError:
        return {}
    except ValidationError as error:
        raise BundleError(f"aliases.json: {_first_problem(error)}") from error
    except OSError as error:
        raise BundleError(f"aliases.json can't be read: {error.strerror or error}") from error


# --- writing ---------------------------------------------------------------------------------------------------------


Describe = Callable[[int, dict[str, str]], Manifest]
"""Version number and checksum by file name -> the manifest of that version."""


def publish(store: Path, name: str, files: Mapping[str, bytes], describe: Describe) -> Manifest:
    """Write the next version of `name`; visible whole, or not at all.

    Args:
        store: root of the store, made if absent.
        name: bundle name.
        files: content by file name, the manifest excepted.
        describe: makes the manifest, once the version is known.

    Returns the manifest as written. Raises `BundleError` if the manifest speaks of another name or version, the name is
    an alias, or it can't be written, as on a full disk; the store is then as it was.
    """
    store.mkdir(parents=True, exist_ok=True)
    with locked(store):
        if name in read_aliases(store):
            raise BundleError(f"{name} is an alias and can't be the name of a bundle")
        version = max(list_versions(store).get(name, []), default=0) + 1
        manifest = describe(version, {file: hashlib.sha256(content).hexdigest() for file, content in files.items()})
        if (manifest.name, manifest.version) != (name, version):
            raise BundleError(f"the manifest speaks of {manifest.name} version {manifest.version}")
        document = json.dumps(manifest.model_dump(), indent=2, ensure_ascii=False) + "\n"
        folder = version_folder(store, name, version)
        try:
            _write_folder(folder, {**files, MANIFEST_FILE: document.encode()})
        except OSError as error:
            why = error.strerror or error
            raise BundleError(f"{name} version {version} was not published, the store is as it was: {why}") from error
        _flush_folder(folder.parent)
        _flush_folder(store)
        return manifest


def _write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """The folder of a version, in one step. Raises `OSError`, and leaves nothing then."""
    unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder.parent.parent))
    try:
        for file, content in files.items():
            _write_file(unfinished / file, content)
        unfinished.chmod(0o755)  # mkdtemp's 0700 would hide the version from the service's own user
        _flush_folder(unfinished)
        folder.parent.mkdir(exist_ok=True)
        unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def set_alias(store: Path, alias: str, name: str, version: int | None = None) -> None:
    """Point `alias` at a bundle; `version` pins it. Raises `BundleError` if there is no such bundle or version.

    What it meant before isn't remembered, and the files aren't looked at; `promotion` does both.
    """
    with locked(store):
        check_alias(store, alias)
        versions = list_versions(store)
        if name not in versions or (version is not None and version not in versions[name]):
            raise BundleError(f"{name}{'' if version is None else f' version {version}'} is not in the store")
        write_alias(store, alias, Alias(name=name, version=version))


def check_alias(store: Path, alias: str) -> None:
    """Raises `BundleError` if a name can't be an alias."""
    try:
        TypeAdapter(Name).validate_python(alias)
    except ValidationError as error:
        raise BundleError(
            f"{alias} can't be an alias: a name is 1 to 63 of a-z, 0-9 and single inner hyphens"
        ) from error
    if alias in list_versions(store):
        raise BundleError(f"{alias} is the name of a bundle and can't be an alias")


def write_alias(store: Path, alias: str, target: Alias) -> None:
    """Write one alias, within `locked`."""
    document = _ALIASES.dump_json({**read_aliases(store), alias: target}, indent=2) + b"\n"
    write_document(store / ALIASES_FILE, document)


def write_document(path: Path, content: bytes) -> None:
    """Replace a file of the store's root in one step, within `locked`."""
    unfinished = path.with_name(_UNFINISHED + path.name)
    try:
        _write_file(unfinished, content)
        unfinished.chmod(0o644)  # whatever the umask: the service's own user reads it
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
    _flush_folder(path.parent)


@contextlib.contextmanager
def locked(store: Path) -> Iterator[None]:
    """One writer at a time; what an earlier, killed one left unfinished is cleared away."""
    with open(store / _LOCK_FILE, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for leftover in store.glob(_UNFINISHED + "*"):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
        yield


def _write_file(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
