"""Spam or ham in English text messages."""

from training.fit import Schedule
from training.models import ARCHITECTURES
from training.models.text_classifier import TextClassifierConfig
from training.tasks.classify.recipe import ClassifyRecipe
from training.tasks.classify.tokenizer import TokenizerConfig


def spam(architecture: str) -> ClassifyRecipe:
    """The recipe for one architecture."""
    pooling = ARCHITECTURES[architecture].pooling
    network = TextClassifierConfig(embedding_dim=64, embedding_dropout=0.2, dropout=0.5, pooling=pooling)
    return ClassifyRecipe(
        name=f"spam-{architecture}",
        alias="spam",
        data="sms_spam",
        labels=("ham", "spam"),
        positive_label="spam",
        architecture=architecture,
        settings=ARCHITECTURES[architecture].settings["spam"],
        network=network,
        tokenizer=TokenizerConfig(vocabulary_size=3500),
        max_tokens=512,
        balanced=False,
        mask_probability=0.05,
        fragment_probability=0.3,
        schedule=Schedule(
            max_epochs=12,
            patience=4,
            batch_size=64,
            learning_rate=3e-3,
            weight_decay=0.01,
            cosine=True,
        ),
        num_folds=5,
        num_folds_left_out=5,
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
            "Expect more errors on other languages, on e-mail and on texts made to evade a filter; the first 512 "
            "tokens of a text are read."
        ),
    )
