"""The tokenizer of a text recipe: byte-level BPE, trained on the training messages, saved as data.

Bytes are the alphabet, so any text has ids; what is lower-cased and which digits are kept apart is part of the file.
Texts begin with a start token, so the empty text has one too.

Source: R. Sennrich, B. Haddow, A. Birch, "Neural Machine Translation of Rare Words with Subword Units", ACL 2016.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from bundle.tasks.classify.text import PAD_ID

PAD, MASK, START = "[PAD]", "[MASK]", "[START]"
SPECIAL_TOKENS = [PAD, MASK, START]
MASK_ID = 1
"""Stands where training hides a token; no text encodes to it."""


@dataclass(frozen=True)
class TokenizerConfig:
    """Settings of the tokenizer."""

    vocabulary_size: int
    min_frequency: int = 2
    one_digit: bool = True
    """Read every digit as 0: what a number looks like tells spam from ham, which number it is doesn't."""
    strip_accents: bool = False
    """Read letters without their marks, e for é: they are a disguise more often than another word."""
    one_user: bool = False
    """Read every @mention as @user, and leave web addresses out: tweets differ in them, not by them."""


def train_tokenizer(texts: Sequence[str], config: TokenizerConfig) -> str:
    """`tokenizer.json` for these texts; the same texts give the same file."""
    tokenizer = Tokenizer(models.BPE())
    steps = [normalizers.NFKC(), normalizers.Lowercase()]
    if config.strip_accents:
        steps += [normalizers.NFD(), normalizers.StripAccents()]
    if config.one_user:
        steps.append(normalizers.Replace(Regex(r"https?://\S*"), ""))
        steps.append(normalizers.Replace(Regex(r"@\w+"), "@user"))
    if config.one_digit:
        steps.append(normalizers.Replace(Regex("[0-9]"), "0"))
    tokenizer.normalizer = normalizers.Sequence(steps)
    words = pre_tokenizers.Split(Regex(r" ?[^\W\d_]+| ?[0-9]+| ?[^\s\w]+|_+|\s+"), "isolated")
    as_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, as_bytes])
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocabulary_size,
        min_frequency=config.min_frequency,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    start_id = tokenizer.token_to_id(START)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{START} $A", special_tokens=[(START, start_id)])
    assert (tokenizer.token_to_id(PAD), tokenizer.token_to_id(MASK)) == (PAD_ID, MASK_ID)
    # Without `added_tokens` the special tokens are ids and nothing else: "[PAD]" written in a message is ordinary text.
    return json.dumps(json.loads(tokenizer.to_str()) | {"added_tokens": []}, ensure_ascii=False)
