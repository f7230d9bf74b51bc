"""Spam or ham in messages of every channel: text messages, mail, comments, chat."""

from bundle.tasks.classify.doubt import Doubt
from bundle.tasks.classify.reading import STEPS
from bundle.tasks.classify.windows import Windows
from training.data import messages
from training.fit import Schedule
from training.models import ARCHITECTURES
from training.models.text_classifier import TextClassifierConfig
from training.tasks.classify.augmentation import Augmentation
from training.tasks.classify.recipe import ClassifyRecipe
from training.tasks.classify.tokenizer import TokenizerConfig


def spam(architecture: str) -> ClassifyRecipe:
    """The recipe for one architecture."""
    network = TextClassifierConfig(embedding_dim=64, embedding_dropout=0.25, dropout=0.5, pooling="both")
    return ClassifyRecipe(
        name=f"spam-{architecture}",
        alias="spam",
        data=messages.NAME,
        labels=messages.LABELS,
        positive_label="spam",
        architecture=architecture,
        settings=ARCHITECTURES[architecture].settings["spam"],
        network=network,
        tokenizer=TokenizerConfig(vocabulary_size=16_000, strip_accents=True),
        max_tokens=256,
        reading=tuple(STEPS),
        windows=Windows(overlap=32, combine="mean"),
        doubt=Doubt(scripts=["LATIN"], fewest_characters_per_token=2.15, fewest_tokens=5),
        augmentation=Augmentation(
            disguise=0.2,
            case=0.06,
            as_reported=0.1,
            times={
                "modern_messages": 10,
                "transactional_sms": 4,
                "smishtank": 2,
                "youtube_spam": 2,
                "sms_spam": 2,
                "smishing": 2,
                "csdmc2010": 2,
            },
            num_tokens=200,
        ),
        balanced=False,
        mask_probability=0.1,
        fragment_probability=0.0,
        schedule=Schedule(
            max_epochs=4,
            patience=3,
            batch_size=64,
            learning_rate=2e-3,
            weight_decay=0.02,
            warm_up_steps=100,
            cosine=True,
            average_decay=0.995,
        ),
        num_folds=0,
        num_folds_left_out=0,
        golden_texts=(
            "",
            "ok",
            "running late, see you at 8",
            "WINNER!! You have been selected for a £900 prize. Call 09061701461 now, claim code KL341.",
            "Can you pick up some milk on the way home? x",
            "Your parcel is held: pay the fee of 1.99 at http://parcel-fee.example/x",
            "From: a@b.example\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n\n<p>Hello <b>w</b>orld</p>",
            "F R E E pr\u200bize, c\u0430ll n0w &amp; w.i.n",
            "Réunion déplacée à 15h30 😀 — d'accord?",
            "שלום 你好 привет \u0000 tab\there",
        ),
        intended_use=(
            "Tell spam (unwanted advertising and fraud) from wanted messages, notices that a person asked for or needs "
            "included, in text messages, mail, comments and chat."
        ),
        limits=(
            "Trained on public collections of 2002 to 2026, most of them English, and on messages written for it; a "
            "fifth of the mail is of one company and of the 2000s. German, Dutch, French and Spanish rest on a few "
            "hundred messages each. Phishing mail is from a collection that forbids commercial use (CC BY-NC 4.0). "
            "It reads words, not senders, headers or attachments, and doesn't follow links."
        ),
    )
