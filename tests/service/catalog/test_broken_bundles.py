"""Every kind of broken bundle is refused with its reason, while the version before it goes on answering."""

import functools
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from bundle.store import read_bundle, version_folder
from service.catalog import sandbox
from service.catalog.catalog import Catalog
from service.catalog.rejected import Rejected
from service.catalog.sandbox import Passed
from service.catalog.self_test import rejection, self_test
from service.http.metrics import Exposition
from service.settings import Settings
from tests.support.broken_bundles import BROKEN, Kind
from tests.support.store_catalog import catalog_of, refresh
from tests.support.tiny_bundles import copy_tiny_bundles


async def in_this_process(folder: Path) -> Passed | Rejected:
    """A sandbox that takes no process: for what can't do any harm."""
    try:
        bundle = read_bundle(folder)
        self_test(bundle)
    except Exception as error:
        return rejection(error)
    return Passed(bundle.digest)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_tiny_bundles(tmp_path_factory.mktemp("broken") / "store")


@pytest.fixture(scope="module")
def catalog(store: Path) -> Iterator[Catalog]:
    """One that serves the tiny store; each broken version arrives there."""
    with ThreadPoolExecutor(1) as executor:
        catalog = catalog_of(Settings(store=store), executor, in_this_process)
        refresh(catalog)
        yield catalog


def arrive(store: Path, kind: Kind) -> int:
    """The tiny classifier again, as its next version, broken before anyone sees it."""
    version = max(int(path.name) for path in (store / "spam-cnn").iterdir()) + 1
    folder = store / ".arriving" / "spam-cnn" / str(version)
    shutil.copytree(version_folder(store, "spam-cnn", 1), folder)
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"version": 1,', f'"version": {version},', 1))
    kind.damage(folder)
    folder.rename(version_folder(store, "spam-cnn", version))
    return version


HARMLESS = {name: kind for name, kind in BROKEN.items() if not kind.is_trial}


@pytest.mark.parametrize("name", HARMLESS)
def test_broken_bundle_is_refused_while_the_old_version_answers(catalog: Catalog, store: Path, name: str) -> None:
    version = arrive(store, BROKEN[name])
    refresh(catalog)
    assert BROKEN[name].reason in catalog.snapshot.rejected["spam-cnn", version].reason
    assert catalog.snapshot.rejected["spam-cnn", version].why in {"files", "graph", "proof", "unreadable"}
    served = catalog.find("spam")
    assert served is not None
    assert served.manifest.version == 1
    assert catalog.unready() == []


@pytest.mark.parametrize("name", [name for name in BROKEN if name not in HARMLESS])
def test_what_only_a_trial_shows_is_refused_by_one(tiny_store: Path, tmp_path: Path, name: str) -> None:
    store = Path(shutil.copytree(tiny_store, tmp_path / "store"))
    in_sandbox = functools.partial(sandbox.test_in_sandbox, memory_bytes=2**28, seconds=1)
    with ThreadPoolExecutor(1) as executor:
        catalog = catalog_of(Settings(store=store), executor, in_sandbox)
        refresh(catalog)
        version = arrive(store, BROKEN[name])
        refresh(catalog)
        assert BROKEN[name].reason in catalog.snapshot.rejected["spam-cnn", version].reason
        assert catalog.find("spam") is not None


def test_metrics_say_what_kind_of_reason_it_is(catalog: Catalog, store: Path) -> None:
    version = arrive(store, BROKEN["loop without end"])
    refresh(catalog)
    shown = Exposition(catalog.metrics, catalog.snapshot, ready=True, readable=True, deadline_seconds=1)
    text = generate_latest(shown).decode()
    assert f'seqserve_version_refused{{model="spam-cnn",version="{version}",why="graph"}} 1.0' in text


def test_undamaged_bundle_would_have_been_let_in(catalog: Catalog, store: Path) -> None:
    version = arrive(store, Kind(lambda _: None, ""))
    refresh(catalog)
    assert catalog.snapshot.key_of("spam") == ("spam-cnn", version)
