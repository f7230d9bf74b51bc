"""Texts that a model can't judge: of another script, without words, or no language at all.

The answer to one says so, and is never sure, whatever the graph computed.
"""

import unicodedata
from collections.abc import Sequence

from pydantic import Field

from bundle.tensors import Part

SUREST = 0.75
"""Probability of the best label of a doubtful text, at most."""

NO_WORDS = "The text has no words to judge by, so the score is kept low."
OTHER_SCRIPT = "Most letters are of a script that the model wasn't trained on, so the score is kept low."
NO_LANGUAGE = "The text doesn't look like words of a language that the model knows, so the score is kept low."


class Doubt(Part):
    """What a manifest says of texts that its model can't judge."""

    scripts: list[str] = Field(description="of letters, as Unicode's names of characters begin: LATIN")
    fewest_characters_per_token: float = Field(gt=0, description="in texts of words that the tokenizer knows")
    fewest_tokens: int = Field(ge=1, description="that a text must have to be judged by characters per token")

    def of(self, text: str, num_tokens: int) -> str | None:
        """A sentence on what is doubtful, for a text as it was read; None where nothing is."""
        num_letters = sum(map(str.isalpha, text))
        if num_letters < 2:
            return NO_WORDS
        if not text.isascii():
            others = sum(
                not unicodedata.name(character, "").startswith(tuple(self.scripts))
                for character in text
                if character.isalpha() and not character.isascii()
            )
            if others * 2 > num_letters:
                return OTHER_SCRIPT
        if num_tokens >= self.fewest_tokens and len(text) < self.fewest_characters_per_token * num_tokens:
            return NO_LANGUAGE
        return None


def damp(probabilities: Sequence[float]) -> list[float]:
    """The same order of labels, less sure: moved towards equal shares until the best has at most `SUREST`."""
    even, best = 1 / len(probabilities), max(probabilities)
    share = min(1.0, (max(SUREST, even) - even) / (best - even)) if best > even else 1.0
    return [even + (probability - even) * share for probability in probabilities]
