"""Our value modifiers, registered as Sigma extension points: `|word`, `|affirmed`, `|near`, `|similar`; whole numbers.

In: Sigma values. Out: values that say how they are to be matched. Importing this module registers them; a plain Sigma
tool does not know them and says so.
"""

from __future__ import annotations

from sigma.exceptions import SigmaTypeError
from sigma.modifiers import SigmaListModifier, SigmaValueModifier, modifier_mapping
from sigma.types import SigmaNumber, SigmaString, SigmaType, type_map


class Phrases(SigmaType):
    """Strings that are matched in one of our ways; `way` is the modifier's name."""

    way: str

    def __init__(self, strings: list[SigmaString]) -> None:
        self.strings = strings

    def to_plain(self) -> list[str]:
        """The strings as they stand in the rule."""
        return [string.original for string in self.strings]

    def __str__(self) -> str:
        return ", ".join(self.to_plain())


class WordPhrase(Phrases):
    """Whole words where words are written apart; anywhere in Chinese."""

    way = "word"


class AffirmedPhrase(Phrases):
    """Whole words that are not negated ("no evidence of", "未发现")."""

    way = "affirmed"


class NearPhrases(Phrases):
    """All of the strings within a window of each other."""

    way = "near"


class SimilarTexts(Phrases):
    """Examples: the text is close to one of them in meaning."""

    way = "similar"


class WordModifier(SigmaValueModifier[SigmaString, Phrases]):
    """`|word`: a whole word or phrase."""

    def modify(self, val: SigmaString) -> Phrases:
        """One value of the list."""
        return WordPhrase([val])


class AffirmedModifier(SigmaValueModifier[SigmaString, Phrases]):
    """`|affirmed`: a whole word or phrase that is not negated."""

    def modify(self, val: SigmaString) -> Phrases:
        """One value of the list."""
        return AffirmedPhrase([val])


class _WholeList(SigmaListModifier[list[SigmaType], Phrases]):
    made: type[Phrases]

    def modify(self, val: list[SigmaType]) -> Phrases:
        """The whole list of values."""
        strings = [value for value in val if isinstance(value, SigmaString)]
        if len(strings) != len(val) or not strings:
            raise SigmaTypeError(f"|{self.made.way} takes a list of texts", source=self.source)
        return self.made(strings)


class NearModifier(_WholeList):
    """`|near`: every value of the list, close together."""

    made = NearPhrases


class SimilarModifier(_WholeList):
    """`|similar`: close in meaning to one of the list."""

    made = SimilarTexts


OURS = {"word": WordModifier, "affirmed": AffirmedModifier, "near": NearModifier, "similar": SimilarModifier}
modifier_mapping.update(OURS)  # type: ignore[arg-type]


class WholeNumber(SigmaNumber):
    """A whole number of any size as the rule has it; pySigma's own is rounded beyond 2^53."""

    def __post_init__(self, init_number: int) -> None:
        self.number = init_number


type_map[int] = WholeNumber
