"""Writing is all or nothing; reading trusts nothing."""

import contextlib
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundle.manifest import Manifest
from bundle.store import BundleError, list_versions, publish, read_aliases, read_bundle, set_alias, version_folder
from tests.support.stub_bundle import FILES, publish_stub, stub_manifest

ROOT = Path(__file__).resolve().parents[2]


def test_what_was_published_is_read_back(tmp_path: Path) -> None:
    manifest = publish_stub(tmp_path)
    bundle = read_bundle(version_folder(tmp_path, "blank", 1))
    assert bundle.manifest == manifest
    assert bundle.files == FILES


def test_versions_count_up_as_integers(tmp_path: Path) -> None:
    versions = [publish_stub(tmp_path).version for _ in range(11)]
    assert versions == list(range(1, 12))
    assert list_versions(tmp_path) == {"blank": versions}


def test_nothing_unfinished_is_left_behind(tmp_path: Path) -> None:
    def broken(version: int, checksums: dict[str, str]) -> Manifest:
        raise RuntimeError("no manifest")

    with pytest.raises(RuntimeError):
        publish(tmp_path, "blank", FILES, broken)
    with pytest.raises(BundleError, match="speaks of"):
        publish(tmp_path, "blank", FILES, lambda _, checksums: stub_manifest(7, checksums))
    assert list_versions(tmp_path) == {}
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_two_writers_never_share_a_version(tmp_path: Path) -> None:
    found: list[int] = []
    threads = [threading.Thread(target=lambda: found.append(publish_stub(tmp_path).version)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 9))


WRITER = """
import sys
from pathlib import Path
from bundle.store import set_alias
from tests.support.stub_bundle import FILES, publish_stub
store = Path(sys.argv[1])
files = FILES | {"report.md": b"x" * 3_000_000}
print("ready", flush=True)
while True:
    manifest = publish_stub(store, files=files)
    set_alias(store, "latest", "blank", manifest.version)
"""


def test_writer_killed_at_any_moment_leaves_the_store_whole(tmp_path: Path) -> None:
    for attempt in range(12):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(0.003 + 0.017 * attempt)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        for name, versions in list_versions(tmp_path).items():
            assert versions == list(range(1, len(versions) + 1))
            for version in versions:
                read_bundle(version_folder(tmp_path, name, version))
        for alias in read_aliases(tmp_path).values():
            read_bundle(version_folder(tmp_path, alias.name, alias.version or 1))
    count = len(list_versions(tmp_path).get("blank", []))
    assert count > 0, "the writer never finished one version: the test proves nothing"
    assert publish_stub(tmp_path).version == count + 1
    assert not list(tmp_path.glob(".unfinished-*"))


WRITER_WITHOUT_ROOM = """
import resource, sys
from pathlib import Path
from bundle.store import publish
from tests.support.stub_bundle import FILES, publish_stub
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
publish_stub(Path(sys.argv[1]), files=FILES | {"report.md": b"x" * 3_000_000})
"""


def left(store: Path) -> list[str]:
    """All that is in a store."""
    return sorted(str(path.relative_to(store)) for path in store.rglob("*") if path.name != ".lock")


@pytest.mark.parametrize("num_before", [0, 1])
def test_file_that_cannot_be_written_whole_leaves_the_store_as_it_was(tmp_path: Path, num_before: int) -> None:
    for _ in range(num_before):
        publish_stub(tmp_path)
    before = left(tmp_path)
    command = [sys.executable, "-c", WRITER_WITHOUT_ROOM, str(tmp_path)]
    writer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    expected = f"BundleError: blank version {num_before + 1} was not published, the store is as it was: File too large"
    assert expected in writer.stderr
    assert left(tmp_path) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, of 256 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("may not mount")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_full_disk_leaves_the_store_as_it_was(small_disk: Path) -> None:
    publish_stub(small_disk)
    set_alias(small_disk, "short", "blank")
    before, aliases = left(small_disk), (small_disk / "aliases.json").read_bytes()
    with pytest.raises(BundleError, match="blank version 2 was not published, the store is as it was: No space left"):
        publish_stub(small_disk, files=FILES | {"report.md": b"x" * 3_000_000})
    assert left(small_disk) == before
    with contextlib.suppress(OSError), open(small_disk / "filler", "wb", buffering=0) as filler:
        while True:
            filler.write(bytes(4096))
    with pytest.raises(OSError, match="No space left"):
        set_alias(small_disk, "further", "blank")
    assert (small_disk / "aliases.json").read_bytes() == aliases
    assert left(small_disk) == [*before, "filler"]
    (small_disk / "filler").unlink()
    assert publish_stub(small_disk).version == 2


def test_read_only_disk_is_read_and_not_written_to(small_disk: Path) -> None:
    publish_stub(small_disk)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert list_versions(small_disk) == {"blank": [1]}
    assert read_bundle(version_folder(small_disk, "blank", 1)).manifest.version == 1
    with pytest.raises(OSError, match="Read-only file system"):
        publish_stub(small_disk)


def test_alias_means_the_newest_or_a_pinned_version(tmp_path: Path) -> None:
    publish_stub(tmp_path)
    set_alias(tmp_path, "short", "blank")
    set_alias(tmp_path, "old", "blank", 1)
    aliases = read_aliases(tmp_path)
    assert (aliases["short"].name, aliases["short"].version) == ("blank", None)
    assert (aliases["old"].name, aliases["old"].version) == ("blank", 1)


@pytest.mark.parametrize(("name", "version"), [("other", None), ("blank", 2)])
def test_alias_to_nothing_is_refused(tmp_path: Path, name: str, version: int | None) -> None:
    publish_stub(tmp_path)
    with pytest.raises(BundleError, match="is not in the store"):
        set_alias(tmp_path, "short", name, version)
    assert read_aliases(tmp_path) == {}


def test_names_of_bundles_and_of_aliases_are_kept_apart(tmp_path: Path) -> None:
    publish_stub(tmp_path)
    with pytest.raises(BundleError, match="can't be an alias"):
        set_alias(tmp_path, "blank", "blank")
    set_alias(tmp_path, "short", "blank")
    with pytest.raises(BundleError, match="is an alias"):
        publish_stub(tmp_path, "short")


@pytest.mark.parametrize("content", ["[]", '{"a": 1}', '{"a": {"name": "../x"}}', '{"a": {"name": "x", "version": 0}}'])
def test_malformed_aliases_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "aliases.json").write_text(content)
    with pytest.raises(BundleError, match=r"aliases\.json"):
        read_aliases(tmp_path)


@pytest.mark.parametrize("name", ["", "Spam", "a_b", "../up", "a--b", "-a", "a" * 64, "a/b"])
def test_bundle_names_are_plain(name: str) -> None:
    with pytest.raises(ValueError, match="a name is 1 to 63"):
        stub_manifest(1, name=name)
