"""Texts as they were meant: letters that are not seen dropped, look-alikes and digits in words read as letters.

In: texts as they were read. Out: the same texts for the encoder and the n-grams; most are left byte for byte. A
look-alike is read as Latin only in a word that has Latin letters, a digit as a letter only where that makes a frequent
word of what was none: `fl00d` is flood, `h1n1` and `log4j` stay.
"""

from __future__ import annotations

import re

import polars as pl

from forewarn.grouping.speech import said
from forewarn.grouping.templates import mask_of
from forewarn.rules.language.normalise import CONFUSABLE, ZERO_WIDTH

_ALPHABETS = range(0x370, 0x530)
"""Greek and Cyrillic: other signs that look like a Latin letter are letters of languages written in Latin."""
_CAPITALS = dict(zip("АВЕКМНОРСТУХІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEKMHOPCTYXIJSABEZHIKMNOPTYX", strict=True))
_LATIN = _CAPITALS | {
    like: letter for like, letter in CONFUSABLE.items() if ord(like) in _ALPHABETS and letter.isascii()
}
_UNSEEN = f"[{ZERO_WIDTH}]"
_WIDE = r"[\x{ff10}-\x{ff19}\x{ff21}-\x{ff3a}\x{ff41}-\x{ff5a}]"
_LIKE = "".join(_LATIN)
_MIXED = f"[A-Za-z][{_LIKE}]|[{_LIKE}][A-Za-z]"
_BOTH = r"[A-Za-z\u0370-\u052f]"
_MIXED_WORD = re.compile(rf"{_BOTH}*(?:[A-Za-z][\u0370-\u052f]|[\u0370-\u052f][A-Za-z]){_BOTH}*")
_DIGIT_IN_WORD = r"[A-Za-z][013457]+[A-Za-z]|\b[013457][A-Za-z]{3}|[A-Za-z]{3}[013457]\b"
_TOKEN = re.compile(r"(?<![^\W_])[A-Za-z013457]{4,20}(?![^\W_])")
_READINGS = (str.maketrans("013457", "oieast"), str.maketrans("013457", "oleast"))


def plain(texts: pl.Series) -> pl.Series:
    """The texts as they were meant, without the heads of log lines: String (n,), null where `texts` is null."""
    made = said(texts)
    other = (texts.str.len_bytes() != texts.str.len_chars()).fill_null(False)
    if other.any():
        made = _replaced(made, other & made.str.contains(_UNSEEN).fill_null(False), _seen)
        made = _replaced(made, other & made.str.contains(_WIDE).fill_null(False), _narrow)
        made = _replaced(made, other & made.str.contains(_MIXED).fill_null(False), _latin)
    return _replaced(made, made.str.contains(_DIGIT_IN_WORD).fill_null(False), _letters)


def templates_of_plain(templates: pl.Series, texts: pl.Series, plain_texts: pl.Series) -> pl.Series:
    """The templates (n,) of n texts, those of texts that `plain` changed made anew."""
    changed = (texts != plain_texts).fill_null(False)
    if not changed.any():
        return templates
    return templates.clone().scatter(changed.arg_true(), mask_of(plain_texts.filter(changed)))


def _replaced(texts: pl.Series, where: pl.Series, change: object) -> pl.Series:
    if not where.any():
        return texts
    return texts.clone().scatter(where.arg_true(), change(texts.filter(where)))  # type: ignore[operator]


def _seen(texts: pl.Series) -> pl.Series:
    return texts.str.replace_all(_UNSEEN, "")


def _narrow(texts: pl.Series) -> pl.Series:
    return texts.str.normalize("NFKC")


def _latin(texts: pl.Series) -> pl.Series:
    """Words of two alphabets as Latin ones, where every foreign letter looks like Latin; few texts have any."""
    table = str.maketrans(_LATIN)

    def read(found: re.Match[str]) -> str:
        word = found[0].translate(table)
        return word if word.isascii() else found[0]

    return pl.Series(texts.name, [_MIXED_WORD.sub(read, text) for text in texts.to_list()])


def _letters(texts: pl.Series) -> pl.Series:
    """Words with digits in them as the words that they stand for. The few texts that have any, one by one."""
    written = texts.to_list()
    tokens = {token for text in written for token in _TOKEN.findall(text)}
    words = _words(sorted(token for token in tokens if not token.isalpha() and not token.isdigit()))
    return pl.Series(texts.name, [_TOKEN.sub(lambda found: words.get(found[0], found[0]), text) for text in written])


def _words(tokens: list[str]) -> dict[str, str]:
    """What each token stands for, of those that stand for a word: at least as many letters in it as digits."""
    from forewarn.embeddings.vocabulary import known_words

    enough = [token for token in tokens if sum(map(str.isalpha, token)) * 2 >= len(token)]
    known = dict(zip(enough, known_words([token.lower() for token in enough]), strict=True))
    words: dict[str, str] = {}
    for reading in _READINGS:
        unknown = [token for token in enough if not known[token] and token not in words]
        read = [token.lower().translate(reading) for token in unknown]
        plural = [word.removesuffix("s") for word in read]
        for token, word, whole, stem in zip(unknown, read, known_words(read), known_words(plural), strict=True):
            if whole or (stem and word.endswith("s")):
                words[token] = word.upper() if token.isupper() else word
    return words
