"""The rule language: Sigma's, its reader, its matcher and what a domain expert works with.

In: rule files, texts and events. Out: which rules fire, and where. Usable alone; knows nothing of the engine.
"""

from __future__ import annotations

from forewarn.rules.language.rule import Rule
from forewarn.rules.loading import check_loaded, find_rule, load_rules
from forewarn.rules.rule_set import Explained, RuleSet

__all__ = ["Explained", "Rule", "RuleSet", "check_loaded", "find_rule", "load_rules"]
