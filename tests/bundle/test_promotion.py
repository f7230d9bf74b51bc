"""An alias goes forward by promotion and back by rollback, one step at a time, to what answered before."""

from pathlib import Path

import pytest

from bundle import promotion
from bundle.promotion import promote, rollback
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


STEPS = {
    "one promotion": ("new old:1 new:1 <", ("old", 1)),
    "two promotions": ("new old:1 new:1 < <", ("new", None)),
    "three promotions": ("new old:1 new:1 < < <", ("old", None)),
    "a promotion to the same is no step": ("new new <", ("old", None)),
    "forward again after a rollback": ("new:1 < new:1 <", ("old", None)),
    "a version published since": ("new +new <", ("new", 1)),
    "a version published since, and the promotion": ("new +new < <", ("old", None)),
    "a version that never answered": ("new +old <", ("old", 2)),
    "a version that answered last": ("old:1 old +old new <", ("old", None)),
    "no promotion": ("<", ("old", 1)),
    "no promotion, and a version that isn't whole": ("+old !old <", ("old", 1)),
    "set by other means": ("new:1 =old <", ("new", 1)),
}


@pytest.mark.parametrize(("steps", "meaning"), STEPS.values(), ids=STEPS)
def test_rollback_goes_back_to_what_answered_before(store: Path, steps: str, meaning: tuple[str, int | None]) -> None:
    """Steps: `<` rolls back, `name:version` promotes, `+` publishes, `!` damages version 2, `=` sets version 1."""
    for step in steps.split():
        name, _, version = step.lstrip("+!=").partition(":")
        match step[0]:
            case "<":
                rollback(store, "short")
            case "+":
                publish_stub(store, name)
            case "!":
                spoil(store, name, 2)
            case "=":
                set_alias(store, "short", name, 1)
            case _:
                promote(store, "short", name, int(version) if version else None)
    assert means(store) == meaning


def test_first_version_is_not_gone_back_from(store: Path) -> None:
    rollback(store, "short")
    with pytest.raises(BundleError, match="nothing is known of what short meant before"):
        rollback(store, "short")
    assert means(store) == ("old", 1)


def test_aliases_are_rolled_back_apart(store: Path) -> None:
    promote(store, "short", "new", 1)
    promote(store, "other", "old", 1)
    promote(store, "other", "old", 2)
    rollback(store, "short")
    assert (means(store), means(store, "other")) == (("old", None), ("old", 2))


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
