"""Near-duplicates stay on one side."""

from training.data.splits import grouped_folds, near_duplicate_key, without_near_duplicates

TEMPLATES = ["WINNER! Call 0906{}", "free entry, text {} to 8007{}", "see you at {}", "ok {}", "call me at {}?"]
TEXTS = [template.format(number, number) for template in TEMPLATES for number in range(8)]
LABELS = ["spam" if "see" not in text and "ok" not in text and "me" not in text else "ham" for text in TEXTS]


def test_key_drops_case_digits_punctuation_and_spacing() -> None:
    assert near_duplicate_key("WINNER!! Call  0906-170") == near_duplicate_key("winner call 0871")


def test_texts_without_letters_are_their_own_key() -> None:
    assert near_duplicate_key(" 12 ") == "12"
    assert near_duplicate_key("12") != near_duplicate_key("13")


def test_rows_seen_in_training_are_left_out() -> None:
    assert without_near_duplicates(["Call 1", "new", "CALL 2!"], ["call 3"]) == [1]


def test_no_template_is_on_both_sides_of_a_fold() -> None:
    held_out: list[int] = []
    for rows, left_out in grouped_folds(TEXTS, LABELS, 2, seed=0):
        seen = {near_duplicate_key(TEXTS[row]) for row in rows}
        assert not seen & {near_duplicate_key(TEXTS[row]) for row in left_out}
        held_out += left_out.tolist()
    assert sorted(held_out) == list(range(len(TEXTS)))
