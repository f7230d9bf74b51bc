"""Recipes: one function per published model, which returns everything that decides it.

`python -m training fit NAME` runs one; what was tried on the way to these settings is in `LOG.md`.
"""

from collections.abc import Callable

from training.models.cnn import CNNConfig
from training.models.text_classifier import TextClassifierConfig
from training.fit import Schedule
from training.tasks.classify import ClassifyRecipe
from training.tokenizer import TokenizerConfig

Recipe = ClassifyRecipe


def spam_cnn() -> ClassifyRecipe:
    """Spam or ham in English text messages: a 1-D CNN over subwords."""
    return ClassifyRecipe(
        name="spam-cnn",
        alias="spam",
        data="sms_spam",
        labels=("ham", "spam"),
        positive_label="spam",
        architecture="cnn",
        settings=CNNConfig(filters=128, kernel_sizes=(1, 3)),
        network=TextClassifierConfig(embedding_dim=64, embedding_dropout=0.2, dropout=0.5),
        tokenizer=TokenizerConfig(vocabulary_size=3500),
        max_tokens=512,
        mask_probability=0.05,
        schedule=Schedule(
            max_epochs=16,
            patience=4,
            batch_size=64,
            learning_rate=2e-3,
            weight_decay=0.01,
            average_decay=0.99,
        ),
        num_folds=5,
        golden_texts=(
            "",
            "ok",
            "running late, see you at 8",
            "WINNER!! You have been selected for a £900 prize. Call 09061701461 now, claim code KL341.",
            "Can you pick up some milk on the way home? x",
            "FREE entry in our weekly draw! Text WIN to 80086. T&Cs apply, 18+ only, 150p/msg",
            "Réunion déplacée à 15h30 😀 — d'accord?",
            "שלום 你好 привет \u0000 tab\there",
        ),
        intended_use="Tell unsolicited advertising and fraud from personal messages in short English texts.",
        limits=(
            "Trained on 3,925 messages: ham by students in Singapore, spam from the United Kingdom, all of the 2000s. "
            "Expect more errors on other languages, on e-mail and on texts made to evade a filter; the first 512 tokens "
            "of a text are read."
        ),
    )


RECIPES: dict[str, Callable[[], Recipe]] = {"spam-cnn": spam_cnn}
