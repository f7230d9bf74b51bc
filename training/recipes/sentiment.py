"""Negative, neutral or positive: the sentiment of an English tweet."""

from training.fit import Schedule
from training.models import ARCHITECTURES
from training.models.text_classifier import TextClassifierConfig
from training.tasks.classify.recipe import ClassifyRecipe
from training.tasks.classify.tokenizer import TokenizerConfig


def sentiment(architecture: str) -> ClassifyRecipe:
    """The recipe for one architecture."""
    pooling = ARCHITECTURES[architecture].pooling
    network = TextClassifierConfig(embedding_dim=96, embedding_dropout=0.3, dropout=0.5, pooling=pooling)
    return ClassifyRecipe(
        name=f"sentiment-{architecture}",
        alias="sentiment",
        data="tweeteval_sentiment",
        labels=("negative", "neutral", "positive"),
        positive_label=None,
        architecture=architecture,
        settings=ARCHITECTURES[architecture].settings["sentiment"],
        network=network,
        tokenizer=TokenizerConfig(vocabulary_size=12000, one_digit=True, one_user=True),
        max_tokens=256,
        balanced=True,
        mask_probability=0.1,
        fragment_probability=0.0,
        schedule=Schedule(
            max_epochs=8,
            patience=2,
            batch_size=128,
            learning_rate=2e-3,
            weight_decay=0.05,
            cosine=True,
        ),
        num_folds=6,
        num_folds_left_out=1,
        golden_texts=(
            "",
            "ok",
            "What a lovely evening, thank you all for coming! :)",
            "Two hours late again and nobody tells us why. Worst airline ever.",
            "The match starts at 7pm tomorrow.",
            "@user not bad at all 😂😂 https://example.org/x",
            "I don't hate it, but I would not buy it twice...",
            "שלום 你好 привет \u0000 tab\there",
        ),
        intended_use="Tell the mood of short English texts in the manner of tweets: negative, neutral or positive.",
        limits=(
            "Trained on 45,612 tweets of 2013 to 2016, each labelled by a few people, who often disagree: of new ones, "
            "about two in three get the label they would give. Scores are those of a world where the three moods are "
            "equally frequent. Irony, other languages and long texts are beyond it; the first 256 tokens are read."
        ),
    )
