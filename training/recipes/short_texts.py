"""Short texts of one sort, few thousands of them: what suits an own file."""

from training.data import sms_spam
from training.fit import Schedule
from training.models import ARCHITECTURES
from training.models.text_classifier import TextClassifierConfig
from training.tasks.classify.recipe import ClassifyRecipe
from training.tasks.classify.tokenizer import TokenizerConfig


def short_texts(architecture: str, name: str) -> ClassifyRecipe:
    """The recipe for one architecture; data, labels and what it is for are left to whoever has the texts."""
    pooling = ARCHITECTURES[architecture].pooling
    network = TextClassifierConfig(embedding_dim=64, embedding_dropout=0.2, dropout=0.5, pooling=pooling)
    return ClassifyRecipe(
        name=name,
        alias=None,
        data=sms_spam.NAME,
        labels=sms_spam.LABELS,
        positive_label="spam",
        architecture=architecture,
        settings=ARCHITECTURES[architecture].settings["short_texts"],
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
        intended_use="",
        limits="",
    )
