"""What texts are scored with: rules, encoder, past cases, model and numbers, loaded once.

In: options. Out: a `RuleSet`; `Parts`, which any number of scans, watches and requests may share: nothing in them
changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from forewarn.errors import ForewarnError, ModelError
from forewarn.scoring import fusion
from forewarn.scoring.model_folder import open_model
from forewarn.scoring.similarity import similarity

if TYPE_CHECKING:
    from forewarn.embeddings import CaseBase, Encoder
    from forewarn.options import Options
    from forewarn.rules import RuleSet
    from forewarn.scoring.model import Model


def rules_of(options: Options) -> RuleSet:
    """The rules that the options name, compiled or from the cache. Raises RuleError where one of them gives none."""
    from forewarn.rules import check_loaded, load_rules

    like = similarity(options.encoder, options.device)
    rules = load_rules(options.rules, similarity=like, logsource=options.logsource)
    check_loaded(options.rules, rules)
    return rules


@dataclass(frozen=True)
class Parts:
    """`numbers` are the weights of the signals: the model's, moved to the share that the user gave, or the shipped."""

    model: Model | None
    numbers: fusion.Fusion
    encoder: Encoder
    cases: CaseBase

    @classmethod
    def of(cls, options: Options, problems: list[ForewarnError]) -> Parts:
        """What the options name. Raises EncoderError, CaseBaseError and ModelError."""
        from forewarn.embeddings import CaseBase, load_encoder

        model = open_model(options.model, device=options.device)
        if options.unusual and model:
            raise ModelError(
                f"{options.model} knows crises, and --unusual asks for what is unusual, whatever it means",
                remedy="Leave one of the two out.",
            )
        numbers = model.fusion if model else fusion.prior(unusual=options.unusual)
        if options.prior is not None and model:
            numbers = numbers.with_prior(options.prior, model.share)
        name = model.encoder if model else options.encoder
        encoder = load_encoder(name, device=options.device, cache=options.cache, problems=problems)
        if model:
            model.check_encoder(encoder)
        return cls(model, numbers, encoder, CaseBase.open(options.cases, encoder=encoder))
