"""Which words the bundled encoder's vocabulary holds whole: the frequent words of 16 languages.

In: words in lower case. Out: whether each is one piece of the vocabulary. No vector is computed.
"""

from __future__ import annotations

from collections.abc import Sequence


def known_words(words: Sequence[str]) -> list[bool]:
    """Whether each of n words has a piece of its own. Raises EncoderError where the vocabulary is not installed."""
    from forewarn.embeddings.weights import load_tokenizer

    pieces = load_tokenizer()
    unknown = pieces.unk_id()
    return [pieces.piece_to_id(f"\u2581{word}") != unknown for word in words]
