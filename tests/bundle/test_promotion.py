"""An alias goes forward by promotion and back by rollback, one step at a time, to what answered before."""

from pathlib import Path

import pytest

from bundle import promotion
from bundle.promotion import promote, rollback, whole_versions
from bundle.store import Alias, BundleError, read_aliases, set_alias, version_folder
from tests.support.stub_bundle import publish_stub


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Two versions of `old`, one of `new`, and the alias `short`, which means the newest of `old`."""
    for name in ("old", "old", "new"):
        publish_stub(tmp_path, name)
    set_alias(tmp_path, "short", "old")
    return tmp_path


def spoil(store: Path, name: str, version: int) -> None:
    (version_folder(store, name, version) / "model.onnx").write_bytes(b"another graph")


def means(store: Path, alias: str = "short") -> tuple[str, int | None]:
    target = read_aliases(store)[alias]
    return target.name, target.version


def test_promotion_tells_what_the_alias_meant(store: Path) -> None:
    change = promote(store, "short", "new", 1)
    assert (change.before, change.after) == (Alias(name="old"), Alias(name="new", version=1))
    assert means(store) == ("new", 1)


def test_promotion_makes_an_alias(store: Path) -> None:
    assert promote(store, "other", "new").before is None
    assert means(store, "other") == ("new", None)
    assert means(store) == ("old", None)


@pytest.mark.parametrize(
    ("alias", "name", "version", "message"),
    [
        ("short", "newer", None, "newer is not in the store"),
        ("short", "old", 3, "old version 3 is not in the store; it has 1, 2"),
        ("short", "old", 0, "old version 0 is not in the store"),
        ("short", "old", None, "old version 2 is not whole: model.onnx is not the file that was published"),
        ("short", "old", 2, "old version 2 is not whole"),
        ("new", "old", 1, "new is the name of a bundle"),
        ("Short", "old", 1, "Short can't be an alias: a name is 1 to 63"),
    ],
)
def test_refused_promotion_changes_nothing(
    store: Path, alias: str, name: str, version: int | None, message: str
) -> None:
    spoil(store, "old", 2)
    with pytest.raises(BundleError, match=message):
        promote(store, alias, name, version)
    assert read_aliases(store) == {"short": Alias(name="old")}
    assert not (store / promotion.PREVIOUS_FILE).exists()


def test_rollback_undoes_promotions_one_by_one(store: Path) -> None:
    for name, version in (("new", None), ("old", 1), ("new", 1)):
        promote(store, "short", name, version)
    assert rollback(store, "short").before == Alias(name="new", version=1)
    assert means(store) == ("old", 1)
    rollback(store, "short")
    assert means(store) == ("new", None)
    rollback(store, "short")
    assert means(store) == ("old", None)


def test_promotion_to_the_same_is_no_step(store: Path) -> None:
    promote(store, "short", "new")
    promote(store, "short", "new")
    rollback(store, "short")
    assert means(store) == ("old", None)


def test_promotion_after_a_rollback_goes_forward_again(store: Path) -> None:
    promote(store, "short", "new", 1)
    rollback(store, "short")
    promote(store, "short", "new", 1)
    rollback(store, "short")
    assert means(store) == ("old", None)


def test_aliases_are_rolled_back_apart(store: Path) -> None:
    promote(store, "short", "new", 1)
    promote(store, "other", "old", 1)
    promote(store, "other", "old", 2)
    rollback(store, "short")
    assert (means(store), means(store, "other")) == (("old", None), ("old", 2))


def test_version_published_since_the_promotion_is_gone_back_from_first(store: Path) -> None:
    promote(store, "short", "new")
    publish_stub(store, "new")
    rollback(store, "short")
    assert means(store) == ("new", 1)
    rollback(store, "short")
    assert means(store) == ("old", None)


def test_what_never_answered_is_not_let_in(store: Path) -> None:
    """Version 3 of `old` came while `short` meant `new`."""
    promote(store, "short", "new")
    publish_stub(store, "old")
    rollback(store, "short")
    assert means(store) == ("old", 2)


def test_what_answered_last_is_gone_back_to(store: Path) -> None:
    """Version 3 of `old` came, and answered, before `short` meant `new`."""
    promote(store, "other", "old")
    publish_stub(store, "old")
    promote(store, "other", "new")
    rollback(store, "other")
    assert means(store, "other") == ("old", None)
    assert whole_versions(store, "old")[-1] == 3


def test_alias_that_was_never_promoted_goes_back_by_a_version(store: Path) -> None:
    rollback(store, "short")
    assert means(store) == ("old", 1)
    with pytest.raises(BundleError, match="nothing is known of what short meant before"):
        rollback(store, "short")
    assert means(store) == ("old", 1)


def test_versions_that_are_not_whole_are_passed_over(store: Path) -> None:
    publish_stub(store, "old")
    spoil(store, "old", 2)
    rollback(store, "short")
    assert means(store) == ("old", 1)


def test_rollback_to_what_is_gone_is_refused(store: Path) -> None:
    promote(store, "short", "old", 1)
    promote(store, "short", "new", 1)
    spoil(store, "old", 1)
    with pytest.raises(BundleError, match="it meant old version 1 before, which is not in the store or not whole"):
        rollback(store, "short")
    assert means(store) == ("new", 1)


def test_alias_that_is_not_there_cannot_be_rolled_back(store: Path) -> None:
    with pytest.raises(BundleError, match="there is no alias shrot"):
        rollback(store, "shrot")


def test_meaning_set_by_other_means_is_a_step_of_its_own(store: Path) -> None:
    promote(store, "short", "new", 1)
    set_alias(store, "short", "old", 1)
    rollback(store, "short")
    assert means(store) == ("new", 1)


def test_promotion_that_was_interrupted_is_forgotten(store: Path) -> None:
    """Killed after it was noted, before it was in force."""
    promote(store, "short", "old", 1)
    in_force = (store / "aliases.json").read_bytes()
    promote(store, "short", "new", 1)
    (store / "aliases.json").write_bytes(in_force)
    rollback(store, "short")
    assert means(store) == ("old", None)


def test_malformed_memory_is_refused(store: Path) -> None:
    (store / promotion.PREVIOUS_FILE).write_text("[]")
    with pytest.raises(BundleError, match=r"aliases\.previous\.json is malformed"):
        promote(store, "short", "new")
    assert means(store) == ("old", None)
